/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Lineage: one graph of all that made something or was made of it. Nodes are named facts, an edge leads from what was there
 * to what came of it. Both are rows, written in the transaction of the fact itself (triggers of the schema, so no writer can
 * forget), and stay when the fact is deleted.
 *
 *     kind        name                       comes from
 *     object      file:HEX | tree:HEX        the run that made it
 *     version     PATH@vN                    its object, the run that made it
 *     run         RUN_ID                     its inputs, code, commit, image, firing; of a pipeline: its steps
 *     commit      SHA                        -
 *     image       sha256:HEX                 what it was built from
 *     model       MODEL@vN                   its object, the table it was trained on, the run that registered it
 *     gate        MODEL@vN/gate              the version, its champion
 *     approval    approval:ID                the version
 *     alias       MODEL@ALIAS#N              the version that got it as the alias's move N, the approval or gate
 *     firing      firing:ID                  why it fired: a window, a version of data, a commit, a run
 *     window      MONITOR#N                  the alias's move that it watched, its reference
 *     prediction  MONITOR/ID                 the version that answered, its window (not stored: see lineage_query.also)
 *     dataset     NAME#DIGEST                what a client of MLflow said
 *     logged      m-HEX                      the run that logged it
 *
 * A model that is renamed takes its nodes along; those of a deleted one get "~N" at their end.
 */
struct db;
struct error;
struct js;

/* An edge between the root and something that no row tells. */
struct lineage_also {
	bool up; /* the root came of it; else it came of the root */
	const char *kind, *name, *role, *path; /* path may be NULL */
	int64_t time_ms;
};

struct lineage_query {
	const char *kind, *name;
	bool up, down;       /* what made it; what it touched */
	int depth;           /* edges away; 0: any */
	int64_t at_ms;       /* as it was then: newer edges are left out; 0: now */
	int64_t max_nodes;   /* 0: 1,000,000 */
	int64_t count_nodes; /* so many of those that are left out are walked, too, to count them */
	const struct lineage_also *also;
	size_t nalso;
	const char *object;  /* the root's own bytes: what read them came of the root, too; NULL: it has none */
};
/*
 * Breadth first, what made it before what it touched, each node once, also where somebody made a cycle. {nodes: [{kind,
 * name, time, depth (< 0: up)}], the root first; edges: [{from, to (places in nodes), role, path, time}]; cut: how many nodes
 * were left out, as far as they were counted; more: there are others beyond these}. ERR_NOT_FOUND.
 *
 * What only stands beside is shown, and the walk does not go through it: the champion that a gate compared with, the alias
 * that a window watched, the pipeline's run that a step was part of. Otherwise each model would come from all before it.
 */
int lineage_walk(struct db *, const struct lineage_query *, struct js **ret, struct error *);
/* 1: there is such a node; 0: there is not. */
int lineage_has(struct db *, const char *kind, const char *name, struct error *);
/* Adds what nobody's trigger sees. Within a transaction of the caller; what is there stays. */
int lineage_edge(struct db *, const char *from_kind, const char *from, const char *to_kind, const char *to, const char *role,
		 int64_t time_ms, struct error *);
/* What the record of an attempt tells: its image; of a result of the cache whose run is not known here, what that read.
 * Within a transaction of the caller, who has stored the attempt. */
struct attempt;
int lineage_attempt(struct db *, const struct attempt *, struct error *);
/* What a window watched, MODEL@ALIAS or MODEL@vN (NULL: nothing), as it was at `at_ms`. Likewise. */
int lineage_window(struct db *, int64_t monitor, int64_t number, const char *watched, int64_t at_ms, int64_t now_ms,
		   struct error *);
/* The newest move of an alias until then (0: now), or that of a row in promotions: *ret is the node, owned. 1, or 0. */
int lineage_move(struct db *, const char *model, const char *alias, int64_t at_ms, char **ret, struct error *);
int lineage_move_of(struct db *, int64_t promotion, char **ret, struct error *);
