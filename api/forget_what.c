/* SPDX-License-Identifier: Apache-2.0 */
/* What a request to forget is about: files, who else names them, and trees that have them. */
#include "api/forget.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "api/remotes.h"
#include "api/snapshot.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "registry/artifacts.h"
#include "registry/forgotten.h"
#include "registry/project.h"
#include "store/store.h"
#include "store/tree.h"

#define NAMES_MAX 100 /* listed; all are counted */

struct gathering {
	struct op_context *ctx;
	struct db *db;
	struct store *store;
	struct forget_request *request;
	struct strmap known; /* hex of its items */
	struct js *names;
	int64_t nnames;
	struct holder {
		struct content content;
		char *path;  /* in the tree, of its first item; NULL: it is one */
		size_t paths;
	} *holders;
	size_t len, cap;
	struct strmap held; /* hex of the holders, once all are known */
};

static void gathering_release(struct gathering *g)
{
	strmap_release(&g->known);
	strmap_release(&g->held);
	js_free(g->names);
	for (size_t i = 0; i < g->len; i++)
		free(g->holders[i].path);
	free(g->holders);
}

/* ---- files ---- */

static uint64_t size_of(const struct gathering *g, const struct digest *id, uint64_t said)
{
	uint64_t size = said;
	CLEANUP(cleanup_fd) int fd = store_open_object(g->store, id, &size, NULL);

	return fd < 0 && !said ? FORGET_SIZE : size;
}

/* The bytes of no file are nobody's. */
static bool is_empty(const struct digest *id)
{
	struct digest empty;

	digest_of("", 0, &empty);
	return digest_equal(id, &empty);
}

static void add_item(struct gathering *g, const struct digest *id, uint64_t size)
{
	struct forget_request *r = g->request;
	char hex[DIGEST_HEX + 1];

	if (is_empty(id) || strmap_set(&g->known, digest_format(id, hex), g))
		return;
	GROW(r->items, r->len, r->cap);
	r->items[r->len++] = (struct forget_item){ *id, size_of(g, id, size) };
}

static int add_content(struct gathering *g, const struct content *content, struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	if (content->kind != CONTENT_TREE) {
		add_item(g, &content->id, content->size);
		return 0;
	}
	if (remotes_fetch_listing(g->ctx, content, NULL, err) < 0 || tree_read(g->store, &content->id, &tree, err) < 0)
		return -1;
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK)
			add_item(g, &tree.entries[i].id, tree.entries[i].size);
	return 0;
}

static int no_bytes(const char *name, const char *what, struct error *err)
{
	error_set(err, ERR_USAGE, "%s is %s, which has no bytes of its own", name, what);
	return error_help(err, "name a file or directory of it: mlops forget NAME/PATH, PATH@vN or sha256:DIGEST");
}

static int add_versions(struct gathering *g, const char *name, struct error *err)
{
	CLEANUP_JS struct js *versions = NULL;

	if (artifact_versions(g->db, name, &versions, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(versions); i++) {
		const struct js *v = js_at(versions, i);
		struct content content;

		if (!content_parse(js_get_str(v, "content"), &content))
			continue;
		content.size = (uint64_t)js_get_int(v, "size", 0);
		if (add_content(g, &content, err) < 0)
			return error_wrap(err, "%s@v%lld", name, (long long)js_get_int(v, "number", 0));
	}
	return 0;
}

static int add_named(struct gathering *g, const char *name, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot snap = SNAPSHOT_INIT;
	const char *inside;
	struct content content;

	if (snapshot_within(g->ctx, name, &snap, &inside, err) < 0)
		return -1;
	if (*inside) {
		if (snapshot_content(&snap, g->store, inside, &content, err) < 0)
			return -1;
		/* a directory in a tree has no object of its own: its files have */
		if (content.kind == CONTENT_TREE && digest_is_zero(&content.id))
			return no_bytes(name, "a part of a directory", err);
		return add_content(g, &content, err);
	}
	if (snap.run[0] || snap.commit[0])
		return no_bytes(name, snap.run[0] ? "a run" : "a commit", err);
	for (size_t i = 0; i < snap.len; i++)
		if (add_content(g, &snap.items[i].content, err) < 0)
			return -1;
	return 0;
}

/* ---- who names them ---- */

static struct holder *add_holder(struct gathering *g, const struct content *content)
{
	GROW(g->holders, g->len, g->cap);
	g->holders[g->len] = (struct holder){ .content = *content };
	return &g->holders[g->len++];
}

/* A tree that cannot be read any more has no names to show. */
static int look_into_tree(void *ctx, const struct content *content)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct gathering *g = ctx;
	struct holder *holder = NULL;
	char hex[DIGEST_HEX + 1];

	if (tree_read(g->store, &content->id, &tree, NULL) < 0)
		return 0;
	for (size_t i = 0; i < tree.len; i++) {
		const struct tree_entry *e = &tree.entries[i];

		if (e->kind == ENTRY_LINK || !strmap_has(&g->known, digest_format(&e->id, hex)))
			continue;
		if (!holder)
			holder = add_holder(g, content);
		if (!holder->paths++)
			holder->path = xstrdup(e->path);
	}
	return 0;
}

static int find_holders(struct gathering *g, struct error *err)
{
	for (size_t i = 0; i < g->request->len; i++)
		add_holder(g, &(struct content){ .kind = CONTENT_FILE, .id = g->request->items[i].id });
	return content_each_tree(g->db, look_into_tree, g, err);
}

/* "data/raw@v1: anna.csv and 3 more" */
static int take_name(void *ctx, const struct content *content, const char *what)
{
	struct gathering *g = ctx;
	char hex[DIGEST_HEX + 1];
	const struct holder *holder = strmap_get(&g->held, digest_format(&content->id, hex));
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (!holder || (holder->content.kind == CONTENT_TREE) != (content->kind == CONTENT_TREE) || g->nnames++ >= NAMES_MAX)
		return 0;
	strbuf_puts(&text, what);
	if (holder->path)
		strbuf_printf(&text, ": %s", holder->path);
	if (holder->paths > 1)
		strbuf_printf(&text, " and %zu more", holder->paths - 1);
	js_push_str(g->names, text.buf);
	return 0;
}

static int name_holders(struct gathering *g, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < g->len; i++)
		strmap_set(&g->held, digest_format(&g->holders[i].content.id, hex), &g->holders[i]);
	return content_each_name(g->db, take_name, g, err);
}

static int take_profile(void *ctx, const struct content *profile)
{
	struct gathering *g = ctx;

	add_item(g, &profile->id, profile->size);
	return 0;
}

/* Profiles hold the most frequent values, so they go with what they are of. */
static int add_profiles(struct gathering *g, int64_t *ret_count, struct error *err)
{
	size_t before = g->request->len;

	for (size_t i = 0; i < g->len; i++)
		if (content_profiles(g->db, &g->holders[i].content.id, take_profile, g, err) < 0)
			return -1;
	*ret_count = (int64_t)(g->request->len - before);
	return 0;
}

static int describe(struct gathering *g, struct error *err)
{
	struct forget_request *r = g->request;
	CLEANUP(cleanup_free) struct content *roots = NULL;
	int64_t profiles;

	if (find_holders(g, err) < 0 || name_holders(g, err) < 0 || add_profiles(g, &profiles, err) < 0)
		return -1;
	roots = xcalloc(g->len + 1, sizeof(*roots));
	for (size_t i = 0; i < g->len; i++)
		roots[i] = g->holders[i].content;
	if (forget_impact(g->ctx, roots, g->len, g->names, &r->impact, err) < 0)
		return -1;
	js_set_int(r->impact, "names_total", g->nnames);
	js_set_int(r->impact, "profiles", profiles);
	return 0;
}

int forget_what(struct op_context *ctx, const char *name, bool versions, struct forget_request *ret, struct error *err)
{
	CLEANUP(forget_request_release) struct forget_request request = { .subject = xstrdup(name) };
	CLEANUP(gathering_release) struct gathering g = { .ctx = ctx, .request = &request, .names = js_array() };

	if (project_db(ctx->project, &g.db, err) < 0 || project_store(ctx->project, &g.store, err) < 0 ||
	    (versions ? add_versions(&g, name, err) : add_named(&g, name, err)) < 0)
		return -1;
	if (!request.len)
		return no_bytes(name, "empty", err);
	if (describe(&g, err) < 0)
		return -1;
	*ret = request;
	request = (struct forget_request){ .id = 0 };
	return 0;
}
