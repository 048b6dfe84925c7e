/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "api/child_run.h"
#include "api/scratch_tree.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "store/content.h"
/*
 * Making again what a run made: a project of its own in .mlops/scratch/ID/NAME, filled from the store alone with the code,
 * data and pins of images that the record names, in which `mlops run` runs the same steps. It has a database and a store of
 * its own, so it knows no result that it could take from a cache, and nothing of it can be taken for a result here.
 */
struct db;
struct error;
struct js;
struct op_context;
struct pipeline;
struct plan;
struct plan_node;
struct store;

/* Set for `mlops run` in such a project: no champions, no candidates, no remotes; inputs of other steps may be absent. */
#define REPRODUCE_VARIABLE "MLOPS_REPRODUCE"

/* What is to be made again, and all that is known of how it was made. */
struct recipe {
	struct op_context *ctx;
	struct db *db;
	struct store *store;
	char *subject;           /* a node of lineage: "churn@v7", "models/best@v3", a run's id */
	char run[33];            /* the pipeline's run; "" when none is known */
	char *step;              /* only this step, or pattern of steps; NULL: all that the subject needs */
	char *path;              /* where the subject's own bytes were made; NULL: it is a run */
	struct content content;  /* then: these */
	char *file;              /* of the pipeline */
	struct js *record, *attempts; /* run_load and attempts_list of the run */
	struct strmap inputs, outputs; /* of the run: path -> struct content *, owned */
	struct strlist steps;    /* that run, in order; made with the first tree */
	struct js *missing;      /* [{what, message, content, last_seen{}, forgotten{}}]: why it cannot be made */
	struct js *notes;        /* texts */
	bool metrics;            /* numbers count: steps that report some of the subject run, too */
	int interrupts;
	struct child_run child;
	struct scratch_set set;
};
#define RECIPE_INIT { .child = { .out = -1 }, .set = SCRATCH_SET_INIT }
void recipe_release(struct recipe *);
/* The step that --step names may be NULL. ERR_NOT_FOUND, ERR_USAGE: the name means nothing that could be made. What is known
 * too little of has a line in `missing`. */
int recipe_find(struct op_context *, const char *name, const char *step, struct recipe *ret, struct error *);
const char *recipe_tag(const struct recipe *, const char *key);
/* The newest attempt that made a step's result, which may be of an earlier run; NULL when it is not known. Owned. */
int recipe_attempt(const struct recipe *, const char *step, struct js **ret, struct error *);
/* Something that is needed and not here; `content` may be NULL. */
int recipe_lacks(struct recipe *, const char *what, const struct content *, const char *message, struct error *);

/* A filled project. */
struct again_tree {
	char name[16];
	char *path;              /* absolute */
	int fd;
	struct pipeline *pipeline;
	struct plan *plan;
	struct strlist params;   /* -p */
};
#define AGAIN_TREE_INIT { .fd = -1 }
void again_tree_release(struct again_tree *);
/* `only` NULL: the steps that the subject needs, which become the recipe's; else that step alone. Nothing is in its place as
 * long as recipe->missing has lines. */
int again_make(struct recipe *, const char *name, const char *only, struct again_tree *ret, struct error *);

/* What came of it there. */
struct again {
	struct project *project;
	struct store *store;
	struct js *result;       /* of the run; NULL: it did not begin */
	struct js *record, *attempts; /* NULL: nothing was recorded */
};
void again_release(struct again *);
int again_run(struct recipe *, struct again_tree *, const struct strlist *steps, struct again *ret, struct error *);
/* What its run made at the path. 1, 0. */
int again_output(const struct again *, const char *path, struct content *ret);

/* reproduce_compare.c: steps in order: [{step, same, outputs: [{path, recorded, made, same}]}] */
struct js *again_compare(const struct recipe *, const struct again_tree *, const struct again *);
/* Where two contents differ first: {file, files (that differ), offset, recorded, made (sizes), text: {recorded, made}};
 * what is not stored is left out. Owned. */
struct js *content_difference(struct store *, const struct content *, struct store *, const struct content *);
/* Numbers that both have: [{metric, recorded, made, within}]. *ret_within: all are, and there was one. `tolerance`: of the
 * larger of the two, or of 1. */
struct js *metrics_compare(const struct js *recorded, const struct js *made, double tolerance, bool *ret_within);

/* reproduce_explain.c: why the first step that differs does: [{cause, text}]. It is run once more. */
int again_explain(struct recipe *, const struct again *, const char *step, const struct js *difference, struct js **ret,
		  struct error *);
/* Why a step fails that did not then: what is around it that differs. */
int again_explain_failure(const struct recipe *, const struct again *, const char *step, struct js **ret, struct error *);

/* reproduce_record.c: the fact, its event, and, where a model version waited for it, its promotion: the result's "outcome". */
int again_record(const struct recipe *, const char *verdict, struct js *result, struct error *);
