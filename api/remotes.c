/* SPDX-License-Identifier: Apache-2.0 */
#include "api/remotes.h"
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "registry/project.h"
#include "store/store.h"
#include "store/tree.h"

#define PIPELINE_FILE "pipeline.ini"

void remotes_of(const struct project *project, const struct pipeline *pipeline, struct remotes *ret)
{
	*ret = (struct remotes){ .base = xstrdup(project->top) };
	ret->places = xcalloc(pipeline->nremotes, sizeof(*ret->places));
	for (size_t i = 0; i < pipeline->nremotes; i++) {
		const struct remote_section *section = &pipeline->remotes[i];

		ret->places[ret->len++] = (struct remote_place){
			.name = xstrdup(section->name),
			.url = xstrdup(section->url.text ? section->url.text : ""),
		};
	}
}

static void take_note(void *ctx, const char *text)
{
	js_push_str(ctx, text);
}

int remotes_load(struct op_context *ctx, struct js *notes, struct remotes *ret, struct error *err)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	struct stat st;
	int there = fs_stat_beneath(ctx->project->rootfd, PIPELINE_FILE, &st, err);

	if (there < 0)
		return -1;
	if (there && pipeline_load_remotes(ctx->project->rootfd, PIPELINE_FILE, &pipeline, err) < 0)
		return -1;
	if (pipeline)
		remotes_of(ctx->project, pipeline, ret);
	else
		*ret = (struct remotes){ .base = xstrdup(ctx->project->top) };
	ret->note = notes ? take_note : NULL;
	ret->ctx = notes;
	return 0;
}

int remotes_need(const struct remotes *remotes, struct error *err)
{
	if (remotes->len)
		return 0;
	error_set(err, ERR_NOT_FOUND, "this project has no remote");
	return error_help(err, "add to " PIPELINE_FILE " a directory that everybody reaches:\n\n"
			       "[remote.team]\n"
			       "url = /srv/mlops/NAME\n\n"
			       "then run: mlops push --init");
}

int remotes_choose(struct remotes *remotes, const char *name, bool create, struct remote **ret, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	if (remotes_need(remotes, err) < 0)
		return -1;
	for (size_t i = 0; i < remotes->len; i++)
		strlist_push(&names, remotes->places[i].name);
	near = name && !strlist_has(&names, name) ? strlist_nearest(&names, name) : NULL;
	if (!near)
		return remotes_open(remotes, name, create, ret, err);
	error_set(err, ERR_NOT_FOUND, "there is no remote %s", name);
	return error_help(err, "did you mean '%s'?", near);
}

void remotes_keep_only(struct remotes *remotes, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < remotes->len; i++) {
		struct remote_place *place = &remotes->places[i];

		if (!strcmp(place->name, name)) {
			remotes->places[n++] = *place;
			continue;
		}
		remote_close(place->remote);
		free(place->name);
		free(place->url);
	}
	remotes->len = n;
}

/* What a remote lacks or has damaged is for the caller to find; a full disk here is not. */
static bool is_absence(enum error_code code)
{
	return code == ERR_NOT_FOUND || code == ERR_DAMAGED;
}

int remotes_bring(struct transfer *t, struct remotes *remotes, const struct content *contents, size_t n,
		  struct error *ret_why, struct error *err)
{
	struct error first, why;

	error_clear(&first);
	if (transfer_pull(t, remotes, contents, n, &first) == 0)
		return 1;
	t->present = 0; /* counted again */
	for (size_t i = 0; n > 1 && is_absence(first.code) && i < n; i++) {
		error_clear(&why);
		if (transfer_pull(t, remotes, &contents[i], 1, &why) == 0)
			continue;
		if (!is_absence(why.code) || first.code != ERR_DAMAGED)
			first = why;
	}
	if (is_absence(first.code)) {
		*ret_why = first;
		return 0;
	}
	if (err)
		*err = first;
	return -1;
}

static int fetch(struct op_context *ctx, struct remotes *remotes, const struct content *contents, size_t n,
		 struct js *notes, uint64_t *ret_objects, struct error *err)
{
	struct transfer t = { .progress = ctx->progress };
	struct error why;
	int r;

	if (project_store(ctx->project, &t.store, err) < 0)
		return -1;
	r = remotes_bring(&t, remotes, contents, n, &why, err);
	if (r == 0 && notes && why.code == ERR_DAMAGED)
		js_push_str(notes, why.msg);
	if (r >= 0 && ret_objects)
		*ret_objects += t.objects;
	return r < 0 ? -1 : 0;
}

int remotes_fetch(struct op_context *ctx, const struct content *contents, size_t n, struct js *notes,
		  uint64_t *ret_objects, struct error *err)
{
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	struct error why;

	if (remotes_load(ctx, notes, &remotes, &why) < 0) {
		CLEANUP(cleanup_free) char *text = xasprintf("no remote was asked: %s", why.msg);

		if (notes)
			js_push_str(notes, text);
		return 0;
	}
	return n && remotes.len ? fetch(ctx, &remotes, contents, n, notes, ret_objects, err) : 0;
}

struct listing {
	struct content *items;
	size_t len, cap;
};

static int add_node(void *ctx, const struct digest *id)
{
	struct listing *l = ctx;

	GROW(l->items, l->len, l->cap);
	l->items[l->len++] = (struct content){ .kind = CONTENT_FILE, .id = *id };
	return 0;
}

/* The root as a file, then the leaves that it names. */
int remotes_fetch_listing(struct op_context *ctx, const struct content *tree, struct js *notes, struct error *err)
{
	const struct content root = { .kind = CONTENT_FILE, .id = tree->id };
	struct listing l = { 0 };
	struct store *store;
	int r = -1;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	if (!store_has(store, &tree->id) && remotes_fetch(ctx, &root, 1, notes, NULL, err) < 0)
		return -1;
	if (tree_objects(store, &tree->id, add_node, &l, NULL) < 0)
		r = 0; /* reading the tree tells what is wrong */
	else
		r = remotes_fetch(ctx, l.items, l.len, notes, NULL, err);
	free(l.items);
	return r;
}
