/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * A cause meets a trigger: the decision, its row, its run and its event are one transaction.
 *
 * Order of the reasons not to run: the cause is known; the trigger is paused; the cause is held; its budget is used up; its
 * cooldown goes on; its group runs already (then one firing waits, and a newer one takes its place). Budget and cooldown
 * count in logical time, and only firings that ran.
 */
struct db;
struct error;
struct js;
struct op_context;

struct cause {
	const char *project, *trigger;
	const char *name, *kind;    /* see firings.h */
	int64_t time_ms;            /* logical */
	const struct js *evidence;  /* NULL: {} */
	const struct js *args;      /* beyond what the trigger says: {commit, ref, untrusted, ...} as run.submit takes them */
	int64_t window;             /* number of the monitor's window, with kind drift */
	const char *held;           /* why it may not run by itself: it is recorded as skipped for that; NULL: it may */
	bool no_limits;             /* budget and cooldown were looked at by who asks (drift), or do not count (manual) */
};
/* Inside a transaction. *ret (may be NULL): firing_load's object. 1: it is new; 0: it was decided before. */
int fire(struct op_context *, struct db *, const struct cause *, struct js **ret, struct error *);
/* The run of a firing has ended, or nothing was new: its outcome; who waits in its group may start. */
int fire_settle(struct op_context *, struct db *, const char *run_id, const char *outcome, struct error *);
/* Whose group goes on no more starts, or is skipped when its trigger is paused or there no more. */
int fire_waiting(struct op_context *, struct db *, struct error *);
