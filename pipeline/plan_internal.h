/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
#include "base/strmap.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
/*
 * How a plan is made, in this order: each step becomes a node with outputs, command and
 * params (plan_node.c); inputs find their makers or files (plan_inputs.c); edges give the
 * order (plan_order.c). Nodes are in file order until then, and edges are pairs of indices.
 */
struct error;
struct ignore;
struct js;

struct plan_edge {
	uint32_t to, from; /* `to` needs `from` */
};
struct plan_made {
	const char *path; /* lent by the node */
	uint32_t node;
};
/* What a pattern stands for. */
struct plan_matches {
	struct strlist inputs, leftovers;
};
/* What nodes that read the same params share. */
struct plan_params {
	struct js *flat, *file;
};
struct plan_builder {
	int rootfd;
	const struct pipeline *pipeline;
	struct plan_node *nodes; /* by index of the step */
	size_t len;
	struct strmap outputs;   /* path -> index + 1 of its maker */
	struct plan_made *made;  /* all outputs, sorted by path */
	size_t nmade;
	struct plan_edge *edges;
	size_t nedges, edges_cap;
	struct strlist param_keys; /* all leaves, sorted */
	struct strmap params;    /* keys -> struct plan_params * */

	/* Filled when first needed. */
	struct strmap present;   /* inputs known to be on disk */
	struct strmap patterns;  /* pattern -> struct plan_matches * */
	struct strlist candidates; /* outputs and the directories above them, sorted */
	struct strmap once;      /* paths that some step once made */
	const struct strlist *once_made;
	struct ignore *ignore;
};

/* Puts FILE:LINE:COLUMN into the error and names the step. Returns -1. */
int plan_fault(const struct plan_builder *, const struct step *, struct place, struct error *);
/* ERR_USAGE for a path that is too long, or belongs to git or to us. */
int plan_check_path(const char *path, struct error *);
/* Expands and cleans a path of a step. Places the error. */
int plan_path(const struct plan_builder *, struct plan_node *, const struct text_at *, struct strlist *used_params,
	      char **ret, struct error *);
/* Outputs, environment, command and params of the node at `index`. */
int plan_fill_node(struct plan_builder *, size_t index, struct error *);
/* ERR_USAGE when one output lies inside another. Sorts `made`. */
int plan_check_outputs(struct plan_builder *, struct error *);
/* Inputs of one node and the edges that follow from them and from `after`. */
int plan_fill_inputs(struct plan_builder *, size_t index, struct error *);
void plan_add_edge(struct plan_builder *, size_t from, size_t to);
/* The output that is the path or holds it: index + 1, and its path's length in *ret_len; 0 when there is none. */
size_t plan_find_maker(const struct strmap *outputs, const char *path, size_t *ret_len);
/* Index in `made` of the first path that is not before `text`. */
size_t plan_first_made(const struct plan_builder *, const char *text);
/* Finds the order: *ret_order lists node indices, owned by the caller. A cycle is ERR_USAGE. Sorts `edges`. */
int plan_order(struct plan_builder *, uint32_t **ret_order, struct error *);
void plan_node_release(struct plan_node *);
/* What the pattern stands for; lent. */
int plan_match(struct plan_builder *, const char *pattern, const struct plan_matches **ret, struct error *);
/* Where the first component with a wildcard begins. */
size_t plan_literal_prefix(const char *pattern);
