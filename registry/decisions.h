/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * What the retraining policy decided, and how it stands with each monitor. A window is decided once: its row, the state and
 * the event that tells it are one transaction of the caller, who writes the event. The digest of a decision is that of its
 * body, which names no row and no time but those of the data.
 */
struct db;
struct error;
struct js;

struct policy_state {
	struct js *state;  /* see policy/retrain.h; an empty object at first */
	struct js *paused; /* {by, since, reason}; NULL: it goes on */
	int64_t firing;    /* of the retrain that has not ended; 0: none */
};
void policy_state_release(struct policy_state *);
int policy_state_load(struct db *, int64_t monitor, struct policy_state *ret, struct error *);
int policy_state_store(struct db *, int64_t monitor, const struct policy_state *, struct error *);

enum decision_kind { DECISION_WINDOW, DECISION_OUTCOME, DECISION_PERSON };
struct decision_new {
	int64_t monitor;
	enum decision_kind kind;
	int64_t number;  /* of the window; of an outcome, of that which started it */
	int64_t time_ms; /* policy time */
	const char *rule, *outcome;
	const struct js *body;
	int64_t firing;  /* 0: none */
	int64_t now_ms;
};
/* *ret_digest (may be NULL): of the body, hex. ERR_CONFLICT: the window was decided, or the outcome told, before. */
int decision_add(struct db *, const struct decision_new *, char ret_digest[65], struct error *);
/* In the order in which they were made, the newest `limit` (0: all): [{id, window, kind, time, rule, outcome, body{}, digest, firing, made}] */
int decisions_list(struct db *, int64_t monitor, int64_t limit, struct js **ret, struct error *);

/* The first window, by number, that was judged and not decided; INSUFFICIENT ones are judged with the next. As
 * monitor_windows tells it; NULL: there is none. */
int decision_due(struct db *, int64_t monitor, struct js **ret, struct error *);
/* The monitor, with its name, whose policy took note of how the firing ended; 0 and NULL: none did. Caller frees. */
int decision_of_outcome(struct db *, int64_t firing, int64_t *ret_monitor, char **ret_name, struct error *);
/* Of the last decided window; 0 and 0 when there is none. */
int decision_last(struct db *, int64_t monitor, int64_t *ret_number, int64_t *ret_time_ms, struct error *);
