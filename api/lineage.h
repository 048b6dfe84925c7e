/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "base/strlist.h"
#include "registry/lineage.h"
/* From a name as somebody types it to its node, what is known of each node, and graphs for people. */
struct db;
struct digest;
struct error;
struct js;
struct op_context;
struct strbuf;

/* ---- lineage_name.c ---- */

/* The node that a name means, and edges of it that no row tells. Life: LINEAGE_ROOT_INIT, lineage_root_find,
 * lineage_root_release. */
struct lineage_root {
	const char *kind;
	char *name;
	char *object; /* of a version: its bytes, which are a node of their own; else NULL */
	struct lineage_also *also; /* their texts are in `texts` */
	size_t nalso, also_cap;
	struct strlist texts;
};
#define LINEAGE_ROOT_INIT { .texts = STRLIST_INIT }
/* `text`: a NAME (registry/name.h), a node as it is printed, a file or directory of the work tree, an image, the id of a
 * prediction as ID or MONITOR/ID. `at_ms`: aliases as they were then; 0: now. ERR_NOT_FOUND. */
int lineage_root_find(struct op_context *, struct db *, const char *text, int64_t at_ms, struct lineage_root *ret,
		      struct error *);
void lineage_root_release(struct lineage_root *);
/* An edge more; texts are copied but for role and kind, which are literals. */
void lineage_root_add(struct lineage_root *, bool up, const char *kind, const char *name, const char *role, const char *path,
		      int64_t time_ms);

/* ---- lineage_trees.c ---- */

/* Calls with each tree that facts name and that has a file of these bytes in it, and where. */
int lineage_trees(struct op_context *, struct db *, const struct digest *file,
		  void (*each)(void *ctx, const char *tree, const char *path), void *ctx, struct error *);

/* ---- lineage_describe.c ---- */

/* Adds to each node what the record says of it (attributes by kind, docs/lineage.md) and `hole`: what is missing. */
int lineage_describe(struct op_context *, struct db *, struct js *graph, struct error *);

/* ---- pictures, appended. They have at most LINEAGE_DRAWN nodes: more are counted in them. ---- */

#define LINEAGE_DRAWN 500
void lineage_dot(const struct js *graph, struct strbuf *ret);
void lineage_mermaid(const struct js *graph, struct strbuf *ret);
void lineage_html(const struct js *graph, struct strbuf *ret);
/* What a node is called there: short, without what only machines need. Appends. */
void lineage_label(const struct js *node, struct strbuf *ret);
/* How many nodes are left out of a picture of at most `drawn`; *ret_more: and others, which were not counted. */
int64_t lineage_left_out(const struct js *graph, size_t drawn, bool *ret_more);
