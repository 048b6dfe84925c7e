/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Moves of aliases and the people who have to agree. promotion_do is the only way by which a gate, a person or a rollback
 * moves an alias: in one transaction the alias, its row here, the reference of monitors that watch MODEL@ALIAS, and the
 * event of the caller.
 */
struct db;
struct error;
struct js;

enum promotion_how { PROMOTED_BY_GATE, PROMOTED_BY_APPROVAL, PROMOTED_BY_PERSON, PROMOTED_BY_ROLLBACK };
struct promotion {
	const char *model, *alias;
	int64_t number;
	enum promotion_how how;
	const char *actor, *reason; /* reason may be NULL */
	int64_t now_ms;
};
/* *ret_before: number of the version that had it, 0 for none. Questions about other versions are superseded. ERR_NOT_FOUND:
 * the version was deleted. */
int promotion_do(struct db *, const struct promotion *, int64_t *ret_before, struct error *);
/* A candidate whose gate passed asks for its alias: moves it, or asks who has to agree, or leaves it where it is because
 * it is held or the version was rejected. *ret: "promoted", "pending", "held", lent for ever. */
int promotion_ask(struct db *, const struct js *candidate /* candidate_load */, const char *actor, int64_t now_ms,
		  const char **ret, struct error *);
/* The newest first: [{model, alias, before, after, how, actor, reason, time}] */
int promotions_list(struct db *, const char *model, int64_t limit, struct js **ret, struct error *);
/* [{id, model, number, alias, who[], state, asked, expires, ...}]; `model` may be NULL: all; `waiting`: those only */
int approvals_list(struct db *, const char *model, bool waiting, struct js **ret, struct error *);
/* Questions that nobody answered in time; *ret: their rows, for events. */
int approvals_expire(struct db *, int64_t now_ms, struct js **ret, struct error *);
