/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * When drift is a reason to train again. Pure: state and window go in, state and decision come out, all times are those of
 * the windows, so a replay decides as the night did.
 *
 *   alarm     raised when `alarm_of` of the last `alarm_in` judged windows drifted, or a score dropped beyond chance; a
 *             retrain starts then, or later, when what held it is over and the alarm still stands
 *   clear     ends an alarm when the worst score is below `clear_share` of its threshold in `clear_for` windows one after
 *             the other. Such a window starts nothing
 *   quarantine  a window with missing columns, other types or a broken schema starts nothing and counts as none
 *   cooldown, budget   between retrains, and at most so many a day and a week
 *   stop      after `stop_after` failed or rejected retrains in a row a person is asked: retrain_ack goes on
 *   champion  with another version under the alias evidence begins anew, because it was of the one before
 */
struct js;

struct retrain_policy {
	bool retrains;             /* false: nothing is started by it, and alarms are all there is */
	int64_t alarm_of, alarm_in; /* 1 <= of <= in <= RETRAIN_WINDOWS */
	double clear_share;
	int64_t clear_for;
	int64_t cooldown_ms, cooldown_windows; /* 0: none; when both are set both must be over */
	int64_t per_day, per_week; /* 0: no limit */
	int64_t stop_after;        /* 0: never */
};
#define RETRAIN_WINDOWS 60
#define RETRAIN_POLICY_DEFAULT                                                                                    \
	{ .alarm_of = 2, .alarm_in = 3, .clear_share = 0.8, .clear_for = 2, .cooldown_windows = 6, .per_day = 1,   \
	  .per_week = 3, .stop_after = 2 }
/* Of decisions: what it was, for the record. */
struct js *retrain_policy_json(const struct retrain_policy *);

struct retrain_window {
	int64_t number, time_ms; /* where it ends */
	const char *state;       /* OK DRIFT UNDECIDED INSUFFICIENT QUARANTINED */
	double worst;            /* largest score over its threshold; NaN: none */
	bool score_dropped;      /* labels: below what chance explains */
	const char *model;       /* the version under the alias; NULL: none */
	bool paused;             /* by a person */
};
struct retrain_decision {
	/* Lent for ever. Rule: which one decided. Outcome: none, alarm, clear, retrain, quarantine, held. Alarm: none,
	 * raised, stands, cleared. */
	const char *rule, *outcome, *alarm;
	char detail[96]; /* for people; may be "" */
};
/* `state` is a JSON object, empty at first, that the caller keeps. */
void retrain_step(const struct retrain_policy *, struct js *state, const struct retrain_window *,
		  struct retrain_decision *ret);
/* How the retrain that was started ended. promoted, registered, finished: all begins anew; rejected, failed, lost: one
 * more in a row; nothing new, skipped: there was none, so it counts for nothing; others (pending, held, cancelled) change
 * nothing else. */
void retrain_outcome(struct js *state, const char *outcome);
/* The window whose retrain has not ended; false: there is none. */
bool retrain_open(const struct js *state, int64_t *ret_number);
bool retrain_stopped(const struct retrain_policy *, const struct js *state);
void retrain_ack(struct js *state); /* a person has seen it */
/* One that ended as pending was rejected by a person: one more in a row. */
void retrain_refused(struct js *state);
