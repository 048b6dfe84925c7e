/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Moves of aliases and the people who have to agree. promotion_do is the only way by which an alias moves: the alias, its
 * row here, the reference of monitors that watch MODEL@ALIAS and the event are one transaction, the caller's.
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
	const char *origin;         /* of the event (registry/events.h); NULL: the caller writes one of his own */
	int64_t now_ms;
};
/* *ret_before: number of the version that had it, 0 for none; the same version: nothing is written. Questions about this
 * alias are superseded. ERR_NOT_FOUND: the version was deleted. */
int promotion_do(struct db *, const struct promotion *, int64_t *ret_before, struct error *);
/* A candidate whose gate passed asks for the alias of its spec: moves it, or asks who has to agree, or leaves it where it
 * is. *ret, lent for ever: "promoted"; "pending"; "held", because the alias is, or the version was rejected; "registered",
 * because its spec names no alias. Writes the events. ERR_CONFLICT: the alias has moved since its gate was judged (its
 * champion is not who holds it), so it is to be judged again. */
int promotion_ask(struct db *, const struct js *candidate /* candidate_load */, const char *actor, const char *origin,
		  int64_t now_ms, const char **ret, struct error *);
/* The newest first: [{model, alias, before, after, how, actor, reason, time}] */
int promotions_list(struct db *, const char *model, int64_t limit, struct js **ret, struct error *);

/* ---- rules of an alias ---- */

struct alias_rules {
	bool protect;       /* the last one promoted to it says so, or the newest version of the model that wants it */
	struct js *approve; /* who has to agree: roles and users; an empty array: nobody */
	int64_t within_ms;  /* or the answer is no */
	int64_t holder;     /* number of the version; 0: none */
	bool held;          /* moves by people only */
};
/* What has to be kept when this version (0: any) is to have the alias. A version asks for more agreement than others by
 * its own spec, never for less than the holder of a protected alias: other rules than the holder's are for an admin. */
int alias_rules_load(struct db *, const char *model, const char *alias, int64_t number, struct alias_rules *ret,
		     struct error *);
void alias_rules_release(struct alias_rules *);
/* 1: an alias of the model is protected, *ret_alias is its name, which the caller frees. `number`: of those that this
 * version holds; 0: of any. */
int model_is_protected(struct db *, const char *model, int64_t number, char **ret_alias, struct error *);

/* ---- versions that were refused, aliases that are held ---- */

int version_reject(struct db *, const char *model, int64_t number, const char *reason, struct error *);
int version_unreject(struct db *, const char *model, int64_t number, struct error *);
/* 1: *ret_reason (may be NULL; the caller frees it) tells why; 0: it was not. */
int version_is_rejected(struct db *, const char *model, int64_t number, char **ret_reason, struct error *);
/* 1, or 0: it was held already. */
int alias_hold(struct db *, const char *model, const char *alias, const char *actor, int64_t now_ms, struct error *);
/* 1, or 0: it was not held. */
int alias_release(struct db *, const char *model, const char *alias, struct error *);
/* Names of the model's aliases that are held: ["champion"] */
int aliases_held(struct db *, const char *model, struct js **ret, struct error *);
/* The newest version that had the alias before its holder, is still there and was not rejected; `wanted`: only that one,
 * 0 for any. ERR_NOT_FOUND. */
int alias_former(struct db *, const char *model, const char *alias, int64_t wanted, int64_t *ret_number, struct error *);

/* ---- questions ---- */

struct question {
	const char *model, *alias;
	int64_t number;
	const struct js *who;
	int64_t within_ms;
	const char *asker, *reason; /* reason may be NULL */
	const char *origin;
	int64_t now_ms;
};
/* Takes the place of others about this alias; writes the events. */
int approval_ask(struct db *, const struct question *, struct error *);
/* [{id, name (of the model), number, alias, who[], state, asker, asked, expires, decided, actor, reason, author, committer}], the newest
 * first. `model` may be NULL: all; `waiting`: those that somebody can answer now */
int approvals_list(struct db *, const char *model, bool waiting, int64_t now_ms, struct js **ret, struct error *);
/* The question about this version that waits; ERR_NOT_FOUND, ERR_CONFLICT: it was answered, and how. */
int approval_find(struct db *, const char *model, int64_t number, const char *alias, int64_t now_ms, struct js **ret,
		  struct error *);
/* `state`: approved, rejected. */
int approval_close(struct db *, int64_t id, const char *state, const char *actor, const char *reason, int64_t now_ms,
		   struct error *);
/* Questions that nobody answered in time, with their events. */
int approvals_expire(struct db *, const char *origin, int64_t now_ms, struct error *);
/* When the next question is over; 0: none waits. */
int approvals_next(struct db *, int64_t *ret_ms, struct error *);
/* The first is one of the second's lines, as far as names tell: "anna", "anna (token laptop)", "Anna <anna@example.org>".
 * Either may be NULL: nobody. */
bool person_is(const char *person, const char *others);

/* ---- references of monitors ---- */

/* Of monitors that watch `watched`, MODEL@ALIAS. 1: *ret, stored; 0: as their section says, also when nobody has the alias. *ret_generation (0: no version
 * ever had it) is another after each change. */
int monitor_reference_find(struct db *, const char *watched, struct content *ret, int64_t *ret_generation, struct error *);
