/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "store/content.h"
/* What making a candidate (candidates.c), judging it (candidate_gate.c), and its check (candidate_check.c) share. */
struct db;
struct error;
struct js;
struct model_section;
struct op_context;
struct plan;
struct plan_node;
struct store;

/* The step that a metric of a gate is of: the longest STEP before a dot, else who makes the model. *ret_key is lent from
 * `name`. */
const struct plan_node *gate_metric_node(const struct plan *, const struct model_section *, const char *name,
					 const char **ret_key);
/* The name without "champion.", if it had that. */
const char *gate_metric_name(const char *name);

struct holdout_content {
	const char *name;       /* lent by the section */
	const char *path;
	struct content content; /* stored; ABSENT: it is not there */
};
/* One candidate being judged. */
struct candidate_gate {
	struct db *db;
	struct store *store;
	const struct model_section *model;
	const struct plan *plan;
	struct js *metrics;     /* KEY of the step that made it, STEP.KEY of others */
	int64_t champion;       /* number; 0: none */
	struct js *champion_metrics; /* likewise; NULL: none */
	struct holdout_content *holdouts; /* as in the section */
};
/* Number of the version that has the model's alias; 0: none. */
int champion_of(struct db *, const struct model_section *, int64_t *ret, struct error *);
/* *ret: results of all lines (policy/gate.h); *ret_passed: all hold. */
int candidate_judge(struct candidate_gate *, struct js **ret, bool *ret_passed, struct error *);
/* Metrics that a version was registered with: of its candidate, else of its run. */
int candidate_metrics(struct db *, const char *model, int64_t number, struct js **ret, struct error *);
