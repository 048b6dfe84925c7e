/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * What a push, a tag or a pull request of a registered project starts: those of its triggers whose `on`, `branch` and
 * `paths` fit. Hooks, webhooks and trigger.push tell it here; the commit at a ref is the cause, so it does not matter how
 * many of them tell of it, nor how often.
 */
struct db;
struct error;
struct js;
struct op_context;
struct strlist;

struct push {
	const char *project;
	const char *kind;            /* "push", "tag", "pull_request" */
	const char *ref;             /* refs/heads/main; of a pull request what its commits are fetched by */
	const char *branch;          /* of a pull request the branch it would change; NULL: a tag */
	const char *before, *after;  /* commits, or NULL; without `after` it was deleted */
	const struct strlist *changed;
	bool all_changed;            /* nobody says what */
	int64_t number;              /* of a pull request */
	bool fork;                   /* by somebody who may not write to the repository */
	const char *actor, *via;     /* who pushed, and who tells; may be NULL */
	int64_t time_ms;             /* of the commit; 0: nobody says. What is still to come is now */
};
/* Inside a transaction. *ret: {"fired": [{trigger, firing, decision, reason, run_id, repeated}], "ignored": why nothing is
 * fired}. What came from a fork is recorded and held: push_release. ERR_NOT_FOUND: there is no such project. */
int push_fire(struct op_context *, struct db *, const struct push *, struct js **ret, struct error *);
/* A person lets a held firing run; *ret: the new one. ERR_CONFLICT: it is not held. */
int push_release(struct op_context *, struct db *, int64_t firing, struct js **ret, struct error *);
