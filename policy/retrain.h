/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * When drift is a reason to train again. Pure: state and window go in, state and decision come out, all times are those of
 * the windows, so a replay decides as the night did.
 *
 *   alarm     `alarm_of` of the last `alarm_in` judged windows drifted; a drop of the score beyond chance counts at once
 *   clear     the worst score is below `clear_share` of its threshold in `clear_for` windows one after the other
 *   quarantine  a window with missing columns, other types or a broken schema never starts anything
 *   cooldown, budget   between retrains, and at most so many a day and a week
 *   stop      after `stop_after` failed or rejected retrains in a row a person is asked
 */
struct error;
struct js;

struct retrain_policy {
	int64_t alarm_of, alarm_in;
	double clear_share;
	int64_t clear_for;
	int64_t cooldown_ms, cooldown_windows;
	int64_t per_day, per_week; /* 0: no limit */
	int64_t stop_after;        /* 0: never */
};
#define RETRAIN_POLICY_DEFAULT \
	{ .alarm_of = 2, .alarm_in = 3, .clear_share = 0.8, .clear_for = 2, .cooldown_windows = 6, .per_day = 1, .per_week = 3, .stop_after = 2 }

struct retrain_window {
	int64_t number, time_ms;   /* where it ends */
	const char *state;         /* OK DRIFT UNDECIDED INSUFFICIENT QUARANTINED */
	double worst;              /* largest score over its threshold; NaN: none */
	bool score_dropped;        /* labels: below what chance explains */
	bool paused, acknowledged;
};
struct retrain_decision {
	const char *rule, *outcome; /* lent for ever: outcome is none, alarm, clear, retrain, quarantine, held */
};
/* `state` is a JSON object, empty at first, that the caller keeps. */
int retrain_step(const struct retrain_policy *, struct js *state, const struct retrain_window *, struct retrain_decision *ret,
		 struct error *);
/* How a retrain ended: promoted, rejected, failed, pending, nothing new. */
int retrain_outcome(const struct retrain_policy *, struct js *state, const char *outcome, struct error *);
