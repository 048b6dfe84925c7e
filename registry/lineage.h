/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Lineage: one graph of all that made something or was made of it. Nodes are named facts, an edge leads from what was there
 * to what came of it. Both are rows, written in the transaction of the fact itself (triggers of the schema, so no writer can
 * forget), and stay when the fact is deleted.
 *
 *     kind        name                       comes from
 *     object      file:HEX | tree:HEX        the run that made it
 *     version     PATH@vN                    its object, the run that made it
 *     run         RUN_ID                     its inputs, its code, its image, its firing; of a pipeline or a step
 *     commit      SHA                        -
 *     image       sha256:HEX                 -
 *     model       MODEL@vN                   its object, its run
 *     gate        MODEL@vN/gate              the version, its champion's version
 *     approval    approval:ID                the version
 *     alias       MODEL@ALIAS#N              the version that got it as the alias's move N, the approval or gate
 *     firing      firing:ID                  its window; its cause's version
 *     window      MONITOR#N                  the alias's move that it watched, its reference
 *     prediction  MONITOR/ID                 the alias's move or version that answered, its window
 *     dataset     NAME#DIGEST                what a client of MLflow said
 */
struct db;
struct error;
struct js;

struct lineage_query {
	const char *kind, *name;
	bool up, down;       /* what made it; what it touched */
	int depth;           /* edges away; 0: any */
	int64_t at_ms;       /* as it was then: newer edges are left out; 0: now */
	int64_t max_nodes;   /* 0: 1,000,000 */
};
/*
 * Breadth first, each node once, also where somebody made a cycle. {root, nodes: [{id, kind, name, time, depth (< 0: up)}],
 * edges: [{from, to, role, time}], cut: nodes that were left out (0), or -1: more than were counted}. ERR_NOT_FOUND.
 */
int lineage_walk(struct db *, const struct lineage_query *, struct js **ret, struct error *);
/* Adds what nobody's trigger sees. Within a transaction of the caller; what is there stays. */
int lineage_edge(struct db *, const char *from_kind, const char *from, const char *to_kind, const char *to, const char *role,
		 int64_t time_ms, struct error *);
