/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * What the section of a version asks for beside its gate: facts that come after it was registered. A version whose gate
 * passed waits for them, and whoever puts one on record asks for its alias again. They are asked for by the section that the
 * version was made with.
 */
struct db;
struct error;
struct js;
struct op_context;

/* 1: all is there, also for a version that no pipeline made; 0: *ret_why says what is missing and what to type, and is the
 * caller's. `candidate`: of candidate_load. */
int candidate_ready(struct op_context *, struct db *, const struct js *candidate, char **ret_why, struct error *);
int version_ready(struct op_context *, struct db *, const char *model, int64_t number, char **ret_why, struct error *);
/* Before a person moves the alias: ERR_VERDICT when the version is not ready, unless an admin gives a reason (may be NULL). */
int version_need_ready(struct op_context *, struct db *, const char *model, int64_t number, const char *reason,
		       struct error *);

/* promotion_ask (registry/promotions.h), and "waiting" when it is not ready. Inside a transaction. */
int candidate_ask(struct op_context *, struct db *, const struct js *candidate, const char *actor, const char *origin,
		  const char **ret, struct error *);
/* The same in a transaction of its own, of a version that may be anything: *ret is NULL when there is nothing to ask for
 * (its gate did not pass, it has the alias, people were asked). Whose champion is another one now is "held". */
int candidate_ask_again(struct op_context *, struct db *, const char *model, int64_t number, const char **ret,
			struct error *);
