/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/digest.h"
#include "base/strlist.h"
#include "pipeline/plan.h"
#include "store/content.h"
/*
 * Executing a plan: look (what is up to date, what the cache has), then run what must
 * run, in parallel, and record it. One run a process.
 *
 * Crash safety: the journal names every step whose outputs were moved aside before it
 * starts; run_recover puts old outputs back, keeps new ones in .mlops/failed, and marks the run. Facts
 * become true by one database transaction per finished group, after the store's
 * commit; mlops.lock is written after that.
 */
struct error;
struct js;
struct project;
struct spawner;

/* What a step turned out to be, by looking only. */
enum step_state {
	STEP_UNKNOWN,
	STEP_FRESH,    /* key and outputs equal the lock */
	STEP_RESTORE,  /* key equals the lock or cache has it; outputs differ: restored from the store */
	STEP_STALE,    /* must run */
	STEP_BLOCKED,  /* waits for an upstream step whose outputs are not known yet */
	STEP_UNSELECTED,
};
struct step_look {
	enum step_state state;
	struct digest key;      /* zero when BLOCKED */
	char *reason;           /* one line: "never run here", "param lr: 0.01 -> 0.1", ... */
	struct js *record;      /* key_record, NULL when BLOCKED */
	char source[33];        /* run a cached result is from, or "" */
};
/* One object a run; ties a plan to a project. Reads lock file, stat cache, and, only when something is not
 * fresh, the database. */
struct looker;
int looker_new(struct project *, struct plan *, bool force, struct looker **ret, struct error *);
void looker_free(struct looker *);
/* Looks at one node; upstream nodes must have been looked at (or run) before. Lent until looker_free. */
int look_node(struct looker *, struct plan_node *, const struct step_look **ret, struct error *);

enum run_event_kind {
	RUN_EVENT_RUN,      /* the run began: run id, counts */
	RUN_EVENT_STEP,     /* a step changed state */
	RUN_EVENT_OUTPUT,   /* a line of a step's output */
	RUN_EVENT_NOTE,     /* a warning or remark */
	RUN_EVENT_END,      /* result */
};
struct run_options {
	struct strlist steps;
	enum select_mode select;
	bool force, dry, keep_going, no_wait;
	int jobs;                      /* 0: the cores */
	struct spawner *spawner;       /* of the local runner; NULL uses `runner` with `runner_config` */
	const void *runner;            /* const struct runner_ops * */
	void *runner_config;
	const char *command;           /* as typed, for the record */
	/* Receives every event as a JSON object {event: "run"|"step"|"output"|"note"|"end", ...}; lent. */
	void (*emit)(void *ctx, const struct js *event);
	void *ctx;
};
/* Returns 0 when all selected steps are up to date at the end, also when nothing ran. A failed step is
 * ERR_FAILED; *ret_result (owned) is set whenever the run got as far as planning:
 * {run_id|null, status, steps: [{name, state, reason, key, duration_ms, ...}], ran, cached, restored, fresh, failed, blocked,
 * duration_ms, failure{step, cause, log[], log_file, kept, help}} */
int pipeline_run(struct project *, struct plan *, const struct run_options *, struct js **ret_result, struct error *);
/* Finishes what a killed run left: old outputs back, new ones kept in failed/, runs marked KILLED.
 * Cheap when there is nothing. The tree lock is held by the caller. */
int run_recover(struct project *, struct strlist *ret_notes, struct error *);
