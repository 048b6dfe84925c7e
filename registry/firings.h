/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Triggers of registered projects and their firings. A cause is named once for ever, so whoever tells it again, after a
 * crash, a restart or a jump of the clock, finds what was decided the first time.
 *
 * Writers work inside a transaction of the caller, who writes the event.
 */
struct db;
struct error;
struct js;

/* The triggers of the project are these: {NAME: spec}. Those that are no more there keep their firings; a new one begins
 * at now_ms, as does one that comes back, or whose times or data are others. *ret_changed: how many differ from before. */
int triggers_set(struct db *, const char *project, const struct js *specs, int64_t now_ms, int *ret_changed, struct error *);
/* {id, project, name, spec{}, present, paused{}, since, last, seen}; ERR_NOT_FOUND */
int trigger_load(struct db *, const char *project, const char *name, struct js **ret, struct error *);
/* Of the project, or of all (NULL), by project and name; those that are there. */
int triggers_list(struct db *, const char *project, struct js **ret, struct error *);
/* `paused` NULL: it goes on. ERR_NOT_FOUND */
int trigger_pause(struct db *, int64_t trigger, const struct js *paused, struct error *);
int trigger_advance(struct db *, int64_t trigger, int64_t last, struct error *); /* of cron */
int trigger_saw(struct db *, int64_t trigger, const char *seen, struct error *); /* of data */

struct firing_new {
	int64_t trigger;
	const char *cause, *kind;
	int64_t time_ms;              /* logical */
	const struct js *evidence, *args;
	const char *decision, *reason; /* reason may be NULL */
	const char *run_id;           /* or NULL */
	const char *actor;
	int64_t now_ms;
};
/* 1: it is recorded; 0: the cause was there. *ret_id is the row in both cases. */
int firing_add(struct db *, const struct firing_new *, int64_t *ret_id, struct error *);
/* {id, project, trigger, cause, kind, time, evidence{}, args{}, decision, reason, run_id, outcome, actor, created,
 * settled} */
int firing_load(struct db *, int64_t id, struct js **ret, struct error *);
int firing_of_cause(struct db *, int64_t trigger, const char *cause, int64_t *ret_id, struct error *); /* 0: it is new */
int firing_of_run(struct db *, const char *run_id, int64_t *ret_id, struct error *); /* 0: it has none */
/* The newest first. `project` and `trigger` may be NULL: all. */
int firings_list(struct db *, const char *project, const char *trigger, int64_t limit, struct js **ret, struct error *);
/* Those that `run` and have not ended, or wait, of the project's triggers whose `group` (or else name) it is; the oldest
 * first. */
int firings_of_group(struct db *, const char *project, const char *group, const char *decision, struct js **ret,
		     struct error *);
/* Those that wait although nothing of their group goes on, the oldest first. */
int firings_stranded(struct db *, struct js **ret, struct error *);
/* How many of a trigger ran with a logical time after `from` and before `to`, and the last of those times. */
int firings_count(struct db *, int64_t trigger, int64_t from, int64_t to, int64_t *ret_count, int64_t *ret_last,
		  struct error *);
/* Those that run although their jobs ended before `ended_before`: nobody was there to settle them. [{run_id, state}] */
int firings_unsettled(struct db *, int64_t ended_before, struct js **ret, struct error *);
/* One that waited, or ran: its decision becomes another. */
int firing_decide(struct db *, int64_t id, const char *decision, const char *reason, const char *run_id, struct error *);
/* How its run ended. 1, or 0 when that was said before. */
int firing_settle(struct db *, int64_t id, const char *outcome, int64_t now_ms, struct error *);
/* What people, or time, said of the version that its run made: the outcome of one that ended `pending` or `expired`. 1, or 0
 * when there is none. */
int firing_answer(struct db *, const char *run_id, const char *outcome, struct error *);
