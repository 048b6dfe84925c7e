/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
#include "base/strmap.h"
#include "pipeline/grammar.h"
#include "base/error.h"
#include "pipeline/plan.h"
#include "pipeline/problems.h"
/*
 * How a plan is made, in this order: each step becomes a node, or one for each combination of its matrix
 * (plan_instances.c); nodes get outputs, command and params (plan_node.c, plan_env.c); inputs find their makers or
 * files (plan_inputs.c); conditions are read (plan_when.c) and checkpoints kept apart from all else
 * (plan_checkpoints.c); edges give the order (plan_order.c). Nodes are in file order until then, those of one step
 * together, and edges are pairs of indices.
 *
 * A mistake goes to the problems, and the work goes on with what does not follow from it. Functions return -1 when
 * they met one.
 */
struct expand_scope;
struct ignore;
struct js;

/* More would be steps that should meet in one between them. */
#define PLAN_EDGES_MAX 1000000
/* Bytes of all texts together. */
#define PLAN_TEXT_MAX ((size_t)256 << 20)

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
	struct plan_node *nodes;
	size_t len;
	uint32_t *first;         /* the first node of each step, by its index, and one more behind the last */
	struct plan view;        /* of the nodes as they are, for names */
	struct problems *problems;
	struct error why;        /* of the problem at hand */
	size_t room;             /* bytes that texts of nodes may still have */
	unsigned char *faulty;   /* of each step: a bit of enum plan_stage for each that met a problem */
	bool incomplete;         /* outputs are not all known: that one is missing may follow from it */
	struct strmap outputs;   /* path -> index + 1 of its maker */
	struct plan_made *made;  /* all outputs, sorted by path */
	size_t nmade;
	struct plan_edge *edges;
	size_t nedges, edges_cap;
	size_t shared_from, shared_to; /* edges that follow from `in` of the latest node that did not share them */
	struct strlist *used;    /* of each node: params that its texts name */
	size_t nused;
	struct strlist param_keys; /* all leaves, sorted */
	struct strmap params;    /* keys -> struct plan_params * */
	struct strmap env_files; /* path -> struct strlist *, NAME=VALUE */
	struct strmap checkpoints; /* path -> index + 1 of the node that keeps it */

	/* Filled when first needed. */
	struct strmap present;   /* inputs known to be on disk */
	struct strmap patterns;  /* pattern -> struct plan_matches * */
	struct strlist candidates; /* outputs and the directories above them, sorted */
	struct strmap once;      /* paths that some step once made */
	const struct strlist *once_made;
	struct ignore *ignore;
};

/* What of a step may fail by itself. Once an instance failed, the others of its step are not looked at. */
enum plan_stage {
	STAGE_ENV = 1,
	STAGE_OUTPUTS = 2,
	STAGE_NODE = 4,
	STAGE_CHECKPOINTS = 8,
	STAGE_INPUTS = 16,
	STAGE_WHEN = 32,
};

/* Tells the error as a problem of the step, once for each place. Returns -1. */
int plan_fault(struct plan_builder *, const struct step *, struct place, struct error *);
size_t plan_step_index(const struct plan_builder *, const struct step *);
/* The name is that of a step that could not become nodes, or of an instance or a metric of one: no mistake of who names
 * it. */
bool plan_unplanned(const struct plan_builder *, const char *name);
/* Runs the stage for every node whose step did not fail in it. Without its environment a step is not looked at. */
int plan_stage(struct plan_builder *, enum plan_stage,
	       int (*fill)(struct plan_builder *, size_t index, struct error *));
/* Nodes of all steps, with names and matrix. */
int plan_make_nodes(struct plan_builder *, struct error *);
/* What ${...} of the node may name; `used` receives the params and may be NULL. */
struct expand_scope plan_scope(struct plan_builder *, const struct plan_node *, struct strlist *used,
			       size_t *ret_offset);
/* Expands a text of the node, and tells its problems. */
int plan_text(struct plan_builder *, struct plan_node *, const struct text_at *, struct strlist *used, char **ret,
	      struct error *);
/* Reads the files that env_file= of steps name. */
int plan_read_env_files(struct plan_builder *, struct error *);
/* [pipeline] env, env_file, and the step's own, the later before the earlier; sorted by NAME. */
int plan_fill_env(struct plan_builder *, size_t index, struct error *);
/* ERR_USAGE when the path is a pattern, or nothing that a step may write; `what` is it called. */
int plan_check_writable(const struct plan_builder *, const char *what, const char *path, struct error *);
/* Checkpoints of the node at `index`, against those of other nodes. */
int plan_fill_checkpoints(struct plan_builder *, size_t index, struct error *);
/* Checkpoints of all nodes against inputs and outputs of all. */
void plan_check_checkpoints(struct plan_builder *);
/* The condition of the node at `index`, and edges from the steps whose metrics it names. */
int plan_fill_when(struct plan_builder *, size_t index, struct error *);
/* ERR_USAGE for a path that is too long, or belongs to git or to us. */
int plan_check_path(const char *path, struct error *);
/* Expands and cleans a path of a step. Places the error. */
int plan_path(struct plan_builder *, struct plan_node *, const struct text_at *, struct strlist *used_params,
	      char **ret, struct error *);
int plan_fill_outputs(struct plan_builder *, size_t index, struct error *);
/* plan_tables.c: which outputs of the node at `index` have a profile. Last, when all outputs are known: the names of
 * profiles, and the files of schemas. */
int plan_fill_profiles(struct plan_builder *, size_t index, struct error *);
void plan_check_tables(struct plan_builder *);
/* Image, command and params of the node at `index`. */
int plan_fill_node(struct plan_builder *, size_t index, struct error *);
/* Refuses outputs inside others. Sorts `made`. */
void plan_check_outputs(struct plan_builder *);
/* Inputs of one node and the edges that follow from them and from `after`. */
int plan_fill_inputs(struct plan_builder *, size_t index, struct error *);
void plan_add_edge(struct plan_builder *, size_t from, size_t to);
/* Sorts edges from the index on, and drops those that stand twice. */
void plan_sort_edges(struct plan_builder *, size_t from);
/* Where the node names one of its outputs. */
struct place plan_output_place(struct plan_builder *, const struct plan_node *, const char *path);
/* The output that is the path or holds it: index + 1, and its path's length in *ret_len; 0 when there is none. */
size_t plan_find_maker(const struct strmap *outputs, const char *path, size_t *ret_len);
/* Index in `made` of the first path that is not before `text`. */
size_t plan_first_made(const struct plan_builder *, const char *text);
/* Finds the order: *ret_order lists node indices, owned by the caller. A cycle is a problem. Sorts `edges`. */
int plan_order(struct plan_builder *, uint32_t **ret_order);
void plan_node_release(struct plan_node *);
/* What the pattern stands for; lent. */
int plan_match(struct plan_builder *, const char *pattern, const struct plan_matches **ret, struct error *);
/* Where the first component with a wildcard begins. */
size_t plan_literal_prefix(const char *pattern);
