/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * What operations on aliases share: which version is meant, who asks, and what he may. Roles are enforced by an agent;
 * without one (`enforced` of answers is false) whoever can write the registry is its admin, and only recorded.
 */
struct db;
struct error;
struct js;
struct op_context;

struct asker {
	const char *name; /* his user or token; else as events call him */
	int role;         /* enum op_role */
	bool enforced;
};
struct asker asker_of(const struct op_context *);
/* One of these roles and users is his; an admin always is. */
bool asker_is(const struct asker *, const struct js *who);
/* "approver or ben": caller frees. */
char *who_text(const struct js *who);

/* A version and the alias that it is about. */
struct target {
	char *model, *alias;
	int64_t number; /* 0: the name tells none */
};
/* From MODEL@vN or MODEL@ALIAS, and --alias: the alias to move, or NULL for the one its section names, else champion.
 * ERR_NOT_FOUND: there is no such version. */
int target_version(struct db *, const char *name, const char *alias, struct target *ret, struct error *);
/* From MODEL or MODEL@ALIAS. */
int target_alias(struct db *, const char *name, struct target *ret, struct error *);
void target_release(struct target *);

/* {model, alias, number, outcome, enforced} */
struct js *target_result(const struct op_context *, const struct target *, const char *outcome);

/* Whether clients may move or remove the alias as they like: it is not protected, and nobody has to agree. `reason`, which
 * may be NULL, is an admin's. ERR_DENIED. */
int alias_guard(const struct op_context *, struct db *, const char *model, const char *alias, const char *reason,
		struct error *);
/* Whether a question is over that nobody answered: 1, 0, -1. */
int approvals_due(struct op_context *, int64_t now_ms, struct error *);
/* Ends those. Inside a transaction. */
int approvals_end(struct op_context *, int64_t now_ms, struct error *);
/* Whether what holds no protected alias: a version, or, with 0, the whole model. ERR_DENIED. */
int model_guard(struct db *, const char *model, int64_t number, struct error *);
