/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that contents are made of, and what of them is missing. */
#include <stdio.h>
#include <string.h>
#include "api/bundle_gather.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/store.h"
#include "store/tombstone.h"
#include "store/tree.h"

#define SHOWN 10 /* of what is missing, in messages */

/* A hole, by the digest of what is not there: a file, or a tree that cannot be read whole. */
static void add_hole(struct gather *g, const struct digest *id, const char *what)
{
	struct js *hole = js_object();
	struct tombstone stone;
	char hex[DIGEST_HEX + 1];

	js_set_str(hole, "sha256", digest_format(id, hex));
	js_set_str(hole, "what", what);
	if (tombstone_find(g->store, id, &stone)) {
		js_set_str(hole, "forgotten", stone.date);
		js_set_str(hole, "reason", stone.reason);
	} else {
		g->nabsent++;
	}
	js_push(g->missing, hole);
}

static int add_object(struct gather *g, struct bundle_objects *set, const struct digest *id, const char *what, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	uint64_t size;

	if (!store_has(g->store, id)) {
		add_hole(g, id, what);
		return 0;
	}
	fd = store_open_object(g->store, id, &size, err);
	if (fd < 0)
		return -1;
	bundle_objects_add(set, id, size);
	return 0;
}

struct part {
	struct gather *gather;
	struct error *err;
};

static int add_listing(void *ctx, const struct digest *id)
{
	struct part *p = ctx;

	return add_object(p->gather, &p->gather->trees, id, "tree", p->err);
}

static int add_tree(struct gather *g, const struct content *content, struct bundle_objects *files, struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct part part = { g, err };
	struct error why = { 0 };

	if (tree_read(g->store, &content->id, &tree, &why) < 0) {
		if (why.code == ERR_NOT_FOUND) {
			add_hole(g, &content->id, "tree");
			return 0;
		}
		if (err)
			*err = why;
		return -1;
	}
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK)
			bundle_objects_add(files, &tree.entries[i].id, BUNDLE_SIZE_UNKNOWN);
	return tree_objects(g->store, &content->id, add_listing, &part, err);
}

static int check_missing(struct gather *g, struct error *err)
{
	const struct js *first = NULL;

	if (!g->nabsent || g->partial)
		return 0;
	for (size_t i = 0; i < js_len(g->missing) && !first; i++)
		if (!js_get(js_at(g->missing, i), "forgotten"))
			first = js_at(g->missing, i);
	error_set(err, ERR_NOT_FOUND, "%zu of its objects %s neither here nor on a remote; the first is %.12s", g->nabsent,
		  g->nabsent == 1 ? "is" : "are", js_get_str(first, "sha256"));
	return error_help(err, "get them by: mlops pull; or leave them out, and say so: --partial");
}

static uint64_t sum(const struct bundle_objects *set)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < set->len; i++)
		bytes += set->v[i].size;
	return bytes;
}

/* Holes by their digests, each once. */
static void sort_missing(struct gather *g)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct strmap by_name CLEANUP(strmap_release) = STRMAP_INIT;
	CLEANUP_JS struct js *all = steal(&g->missing);

	for (size_t i = 0; i < js_len(all); i++)
		if (!strmap_set(&by_name, js_get_str(js_at(all, i), "sha256"), js_at(all, i)))
			strlist_push(&names, js_get_str(js_at(all, i), "sha256"));
	strlist_sort(&names);
	g->missing = js_array();
	for (size_t i = 0; i < names.len; i++)
		js_push(g->missing, js_ref(strmap_get(&by_name, names.items[i])));
}

int gather_objects(struct gather *g, struct error *err)
{
	CLEANUP(bundle_objects_release) struct bundle_objects files = { 0 };

	if (remotes_fetch(g->ctx, g->list, g->ncontents, g->notes, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < g->ncontents; i++) {
		if (g->list[i].kind != CONTENT_TREE)
			bundle_objects_add(&files, &g->list[i].id, BUNDLE_SIZE_UNKNOWN);
		else if (add_tree(g, &g->list[i], &files, err) < 0)
			return -1;
	}
	if (bundle_objects_sort(&files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.len; i++)
		if (add_object(g, &g->objects, &files.v[i].id, "file", err) < 0)
			return -1;
	if (bundle_objects_sort(&g->objects, err) < 0 || bundle_objects_sort(&g->trees, err) < 0)
		return -1;
	sort_missing(g);
	g->bytes = sum(&g->trees) + sum(&g->objects);
	return check_missing(g, err);
}
