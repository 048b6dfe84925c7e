/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/strmap.h"
/*
 * Judging the conditions of a plan's steps. What they ask of the world is asked once: git for the branch, when a name
 * stands for it; a step for its metrics= files, when a name stands for one of their numbers. Sides of `and` and `or` that
 * do not decide are not asked for, so a condition may be decided before all steps it names have run.
 */
struct error;
struct plan;
struct plan_node;

enum when_answer {
	WHEN_HOLDS,
	WHEN_SKIPS, /* it does not hold */
	WHEN_WAITS, /* for a step that reports a metric */
};
/* Life: set the first part, the rest zero; any calls; when_release. One thread. */
struct when {
	const struct plan *plan;
	const char *root; /* of the project; lent */
	int rootfd;
	/* Whether the metrics files of this node are what its key stands for. */
	bool (*known)(void *ctx, const struct plan_node *);
	void *ctx;

	char *branch;          /* NULL before it was asked for */
	struct strmap metrics; /* name of a node -> struct metric_list * */
};
void when_release(struct when *);
/* Judges node->when, which is not NULL. *ret_why (owned) says why it does not hold, or for which step it waits. What cannot
 * be evaluated is ERR_FAILED with its place and the values that were looked at. */
int when_judge(struct when *, const struct plan_node *, enum when_answer *ret, char **ret_why, struct error *);
/* The node has new outputs. */
void when_forget(struct when *, const struct plan_node *);
