/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strlist.h"
#include "base/strmap.h"
/*
 * From steps to a graph: names resolved, globs matched, edges from outputs to the
 * inputs that use them, order checked. All errors come from here, before anything
 * runs: cycles (printed as a -> b -> a), two steps with one output, an output inside another or inside
 * an input of its own step, an input that neither exists nor is made by a step, paths that leave the
 * project, missing params, a matrix that is too large. Nothing on the disk is hashed.
 *
 * A node is a step, or one combination of its matrix: an instance.
 */
struct error;
struct expr;
struct image_section;
struct js;
struct pipeline;
struct step;

/* What KEY of an instance "STEP@KEY" is made of. */
#define MATRIX_KEY_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+=,-%"

enum output_use { OUT_DATA, OUT_METRICS, OUT_PLOTS };
struct plan_output {
	char *path;
	enum output_use use;
	bool profile; /* its tables are described */
};
struct plan_node {
	const struct step *step;
	char *name;               /* of the instance: "train", or "train@xgb-1" of a matrix */
	struct js *matrix;        /* axis -> value as text, in the order of the axes; NULL without a matrix */
	char *image;              /* that its container is made of, as written, "image.NAME" of one that is built here; NULL: it
				   * runs on this machine */
	const struct image_section *build; /* of an image that is built here, else NULL */
	struct strlist argv;      /* ${run.id} still literal */
	const char *unset;        /* "trigger.time": the command names it and this run has none; else NULL */
	struct strlist env;       /* NAME=VALUE: pipeline's and step's, expanded, sorted by NAME */
	/* Lists without room are lent by the first instance of the step, which reads the same. */
	struct strlist inputs;    /* project paths, globs resolved, sorted, unique */
	struct strlist leftovers; /* matched a glob, but were made by an instance that is no more: ignored */
	struct strlist checkpoints; /* project paths of directories, sorted */
	struct expr *when;        /* NULL: always */
	struct plan_output *outputs; /* out, metrics, plots, sorted by path */
	size_t noutputs;
	/* Nodes may share these two objects, so nobody changes them. */
	struct js *params;        /* flat object "train.lr": value, of params= and ${params.*}, sorted keys */
	struct js *params_file;   /* nested object of params= only, for $MLOPS_PARAMS */
	struct plan_node **needs; /* direct upstream nodes */
	size_t nneeds, needs_cap;
	struct plan_node **feeds; /* direct downstream nodes */
	size_t nfeeds, feeds_cap;
	bool selected;            /* by plan_select */
	void *user;               /* the scheduler's */
};
struct plan {
	const struct pipeline *pipeline;
	struct plan_node *nodes;  /* topological order, file order among equals */
	size_t len;
	struct strmap by_name;    /* name -> struct plan_node * */
	struct strmap by_output;  /* output path -> struct plan_node * */
};
/* Output paths some step once made (from the lock file and facts), so that a glob in `in` can tell a leftover from
 * a source file. May be NULL. */
int plan_make(int rootfd, const struct pipeline *, const struct strlist *once_made, struct plan **ret, struct error *);
/* Tells all mistakes; how many nodes there are, of the steps that could be read. Steps that are `faulty` are left out. */
struct problems;
size_t plan_check(int rootfd, const struct pipeline *, const struct strlist *once_made, struct problems *);
void plan_free(struct plan *);
void cleanup_plan(struct plan **);

enum select_mode {
	SELECT_UP_TO,      /* the steps and all they need */
	SELECT_ONLY,       /* just them */
	SELECT_DOWNSTREAM, /* the steps and all that depends on them */
};
/* No names: everything. A name is a step's or a glob of instance names; unknown: ERR_NOT_FOUND with the nearest. */
int plan_select(struct plan *, const struct strlist *names, enum select_mode, struct error *);
/* The step that makes the path or holds it inside an output directory; NULL. */
struct plan_node *plan_maker(const struct plan *, const char *path);
/* What a name in the condition of a step (`when`) stands for. */
enum when_kind { WHEN_PARAM, WHEN_MATRIX, WHEN_BRANCH, WHEN_METRIC };
struct when_name {
	enum when_kind kind;
	const struct js *param;    /* of a param: a number, text or truth; lent by the pipeline */
	const char *text;          /* of an axis of the matrix: its value; lent by the node */
	struct plan_node *maker;   /* of a metric: the node that reports it */
	const char *metric;        /* of a metric: its key, the end of `name` */
};
/* `name` as in the condition of `node`: params.KEY, matrix.AXIS, matrix.key, git.branch or STEP.METRIC, where STEP is a
 * step or, of a matrix, one of its instances. Anything else is ERR_USAGE, whose help lists what may stand there. */
int plan_when_name(const struct plan *, const struct plan_node *node, const char *name, struct when_name *ret,
		   struct error *);
/* Appends the graph as text. */
struct strbuf;
enum plan_format { PLAN_TEXT, PLAN_DOT, PLAN_MERMAID };
void plan_draw(const struct plan *, enum plan_format, struct strbuf *);
