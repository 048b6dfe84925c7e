/* SPDX-License-Identifier: Apache-2.0 */
#include "api/snapshot.h"
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "api/data.h"
#include "api/model_files.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/results.h"
#include "pipeline/tables.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "store/store.h"

#define LOCK_MAX_BYTES    (64u << 20)
#define DELETED_MAX_BYTES (64u << 20)

void snapshot_release(struct snapshot *s)
{
	for (size_t i = 0; i < s->len; i++)
		free(s->items[i].path);
	free(s->items);
	free(s->label);
	free(s->deleted);
	free(s->pipeline);
	js_free(s->params);
	js_free(s->metrics);
	js_free(s->code);
	*s = (struct snapshot)SNAPSHOT_INIT;
}

static struct snapshot_item *add_item(struct snapshot *s, const char *path,
				      const struct content *content)
{
	GROW(s->items, s->len, s->cap);
	s->items[s->len] = (struct snapshot_item){ .path = xstrdup(path), .content = *content };
	return &s->items[s->len++];
}

/* By path; of one path, what a run made comes before what it read. */
static int item_compare(const void *a, const void *b)
{
	const struct snapshot_item *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order ? order : (int)x->input - (int)y->input;
}

static void sort_items(struct snapshot *s)
{
	size_t n = 0;

	if (s->len)
		qsort(s->items, s->len, sizeof(*s->items), item_compare);
	for (size_t i = 0; i < s->len; i++) {
		if (n && !strcmp(s->items[n - 1].path, s->items[i].path))
			free(s->items[i].path);
		else
			s->items[n++] = s->items[i];
	}
	s->len = n;
}

/* ---- from mlops.lock ---- */

static void take_lock(struct snapshot *s, const struct lockfile *lock)
{
	struct content content;

	for (size_t i = 0; i < lock->len; i++) {
		const struct lock_entry *e = &lock->entries[i];

		if ((e->kind == LOCKED_DATA || e->kind == LOCKED_OUT) &&
		    content_parse(e->value, &content))
			add_item(s, e->name, &content);
	}
	sort_items(s);
}

void snapshot_of_lock(const struct lockfile *lock, const char *label, struct snapshot *ret)
{
	*ret = (struct snapshot){ .label = xstrdup(label) };
	take_lock(ret, lock);
}

int snapshot_lock(struct op_context *ctx, struct snapshot *ret, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;

	if (lockfile_load(ctx->project->rootfd, &lock, err) < 0 || lockfile_check(&lock, err) < 0)
		return -1;
	snapshot_of_lock(&lock, LOCKFILE_NAME, ret);
	return 0;
}

static int from_commit(struct op_context *ctx, const struct name *name, struct snapshot *s,
		       struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int rc = git_read(ctx->project->root, name->commit, LOCKFILE_NAME, LOCK_MAX_BYTES, &text,
			  err);

	if (rc < 0)
		return -1;
	if (rc > 0 &&
	    (lockfile_parse(text.buf, text.len, &lock, err) < 0 || lockfile_check(&lock, err) < 0))
		return error_wrap(err, "commit %.12s", name->commit);
	s->label = xasprintf("commit %.12s", name->commit);
	memcpy(s->commit, name->commit, sizeof(s->commit));
	s->code = js_object();
	js_set_str(s->code, "commit", name->commit);
	js_set_bool(s->code, "dirty", false);
	take_lock(s, &lock);
	return 0;
}

/* ---- from a run ---- */

/* It stands behind what it describes: both are of one list, sorted by path. */
static void take_profile(struct snapshot *s, const char *path, const struct content *content)
{
	for (size_t i = s->len; i-- > 0;) {
		CLEANUP(cleanup_free) char *name = tables_profile_name(s->items[i].path);

		if (!strcmp(name, path)) {
			s->items[i].profile = *content;
			return;
		}
	}
}

static void take_contents(struct snapshot *s, const struct js *list, bool input)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *json = js_at(list, i);
		const char *path = js_get_str(json, "path"), *text = js_get_str(json, "content");
		const char *use = js_get_str(json, "use");
		struct snapshot_item *item;
		struct content content;

		if (!path || path[0] == '/' || !text || !content_parse(text, &content))
			continue;
		if (use && !strcmp(use, "profile")) {
			take_profile(s, path, &content);
			continue;
		}
		content.size = (uint64_t)js_get_int(json, "size", 0);
		content.files = (uint64_t)js_get_int(json, "files", 0);
		item = add_item(s, path, &content);
		item->input = input;
		item->metrics = use && !strcmp(use, "metrics");
	}
}

/* A part of the run's code: what was changed or deleted against its commit. */
static struct content code_part(const struct js *run, const char *path)
{
	const struct js *inputs = js_get(run, "inputs");
	struct content content = { .kind = CONTENT_ABSENT };

	for (size_t i = 0; i < js_len(inputs); i++) {
		const struct js *json = js_at(inputs, i);
		const char *at = js_get_str(json, "path"), *text = js_get_str(json, "content");

		if (at && text && !strcmp(at, path))
			content_parse(text, &content);
	}
	return content;
}

static int take_deleted(struct op_context *ctx, struct snapshot *s, const struct js *run, struct error *err)
{
	struct content deleted = code_part(run, RUN_CODE_DELETED);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct store *store;

	if (deleted.kind == CONTENT_ABSENT)
		return 0;
	if (project_store(ctx->project, &store, err) < 0 ||
	    (!store_has(store, &deleted.id) && remotes_fetch(ctx, &deleted, 1, NULL, NULL, err) < 0) ||
	    store_read(store, &deleted.id, DELETED_MAX_BYTES, &text, err) < 0)
		return error_wrap(err, "the files that the run's code lacks");
	s->deleted = strbuf_detach(&text);
	return 0;
}

static void take_code(struct snapshot *s, const struct js *run)
{
	const struct js *tags = js_get(run, "tags");
	const char *commit = js_get_str(tags, "mlflow.source.git.commit");
	const char *changes = js_get_str(tags, "mlops.code.changes");
	const char *dirty = js_get_str(tags, "mlops.code.dirty");
	const char *file = js_get_str(tags, "mlflow.source.name");

	snprintf(s->commit, sizeof(s->commit), "%s", commit ? commit : "");
	s->changes = code_part(run, RUN_CODE_CHANGES);
	s->pipeline = file ? xstrdup(file) : NULL;
	s->code = js_object();
	js_set_str(s->code, "commit", commit);
	js_set_str(s->code, "branch", js_get_str(tags, "mlflow.source.git.branch"));
	js_set_bool(s->code, "dirty", s->deleted || changes || (dirty && !strcmp(dirty, "true")));
	js_set_str(s->code, "changes", changes);
	js_set_str(s->code, "note", js_get_str(tags, "mlops.code.note"));
}

static int take_file(void *ctx, const char *path, const struct content *content, struct error *err)
{
	(void)err;
	add_item(ctx, path, content);
	return 0;
}

static int from_run(struct op_context *ctx, const struct name *name, struct snapshot *s,
		    struct error *err)
{
	CLEANUP_JS struct js *run = NULL;
	CLEANUP_JS struct js *above = NULL;
	struct store *store;
	const char *parent;
	struct db *db;

	if (project_store(ctx->project, &store, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    run_load(db, name->run, &run, err) < 0)
		return -1;
	/* the code is recorded once, with the pipeline run */
	parent = js_get_str(run, "parent");
	if (parent && run_load(db, parent, &above, err) < 0)
		return -1;
	s->label = xasprintf("run %.8s", name->run);
	memcpy(s->run, name->run, sizeof(s->run));
	take_contents(s, js_get(run, "outputs"), false);
	take_contents(s, js_get(run, "inputs"), true);
	/* what a client logged has names of its own, which are no paths of a work tree */
	if (!s->len && run_files_each(db, store, name->run, take_file, s, err) < 0)
		return -1;
	sort_items(s);
	s->params = js_ref(js_get(run, "params"));
	s->metrics = js_ref(js_get(run, "metrics"));
	if (take_deleted(ctx, s, above ? above : run, err) < 0)
		return -1;
	take_code(s, above ? above : run);
	return 0;
}

/* ---- from a name ---- */

static void from_content(const struct name *name, struct snapshot *s)
{
	char hex[DIGEST_HEX + 1];

	s->single = true;
	if (name->kind == NAME_ARTIFACT)
		s->label = xasprintf("%s@v%lld", name->artifact, (long long)name->version);
	else
		s->label = xasprintf("sha256:%.12s", digest_format(&name->content.id, hex));
	add_item(s, name->kind == NAME_ARTIFACT ? name->artifact : "", &name->content);
}

static bool from_locked_path(struct op_context *ctx, const char *text, struct snapshot *s)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct content content;

	if (data_path(ctx, text, &path, NULL) < 0 || !data_locked(ctx, path, &content))
		return false;
	s->single = true;
	s->label = xasprintf("%s in %s", path, LOCKFILE_NAME);
	add_item(s, path, &content);
	return true;
}

static int from_version(struct op_context *ctx, const struct name *name, struct snapshot *s, struct error *err)
{
	struct store *store;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || project_store(ctx->project, &store, err) < 0 ||
	    model_files_each(db, store, name->artifact, name->version, take_file, s, err) < 0)
		return -1;
	s->label = xasprintf("%s@v%lld", name->artifact, (long long)name->version);
	sort_items(s);
	return 0;
}

static int from_name(struct op_context *ctx, const struct name *name, struct snapshot *s,
		     struct error *err)
{
	switch (name->kind) {
	case NAME_VERSION:
		return from_version(ctx, name, s, err);
	case NAME_RUN:
		return from_run(ctx, name, s, err);
	case NAME_COMMIT:
		return from_commit(ctx, name, s, err);
	default:
		from_content(name, s);
		return 0;
	}
}

int snapshot_named(struct op_context *ctx, const char *text, struct snapshot *ret,
		   struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot s = SNAPSHOT_INIT;
	struct error failed;
	struct name name;

	if (name_resolve(ctx->project, text, ACCEPT_ANY, &name, &failed) < 0) {
		if (failed.code != ERR_NOT_FOUND || !from_locked_path(ctx, text, &s)) {
			if (err)
				*err = failed;
			return -1;
		}
	} else if (from_name(ctx, &name, &s, err) < 0) {
		return -1;
	}
	*ret = s;
	s = (struct snapshot)SNAPSHOT_INIT;
	return 0;
}

int snapshot_within(struct op_context *ctx, const char *text, struct snapshot *ret, const char **ret_inside,
		    struct error *err)
{
	CLEANUP(cleanup_free) char *name = xstrdup(text);
	size_t len = strlen(text);
	struct error first, other;
	char *slash;

	if (snapshot_named(ctx, name, ret, &first) == 0) {
		*ret_inside = text + len;
		return 0;
	}
	while (first.code == ERR_NOT_FOUND && (slash = strrchr(name, '/')) && slash != name) {
		*slash = '\0';
		if (snapshot_named(ctx, name, ret, &other) == 0) {
			*ret_inside = text + (slash - name) + 1;
			return 0;
		}
		if (other.code != ERR_NOT_FOUND)
			first = other;
	}
	if (err)
		*err = first;
	return -1;
}

/* ---- from the disk ---- */

static void take_param(void *ctx, const char *key, const struct js *value)
{
	struct js *params = ctx;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (js_typeof(value) == JS_STR)
		strbuf_puts(&text, js_text(value));
	else
		js_dump(value, JS_COMPACT, &text);
	js_set_str(params, key, text.buf);
}

struct js *snapshot_params_at(int rootfd, const struct snapshot *like)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	const char *file = like->pipeline ? like->pipeline : "pipeline.ini";
	struct js *params;

	if (pipeline_load(rootfd, file, NULL, &pipeline, NULL) < 0)
		return NULL;
	params = js_object();
	pipeline_each_param(pipeline->params, take_param, params);
	return params;
}

/* The plan of the run's pipeline file as it is now; NULL when there is none. */
static struct plan *plan_here(struct op_context *ctx, const struct snapshot *like, struct pipeline **ret)
{
	const char *file = like->pipeline ? like->pipeline : "pipeline.ini";
	struct plan *plan = NULL;

	if (pipeline_load(ctx->project->rootfd, file, NULL, ret, NULL) == 0)
		plan_make(ctx->project->rootfd, *ret, NULL, &plan, NULL);
	return plan;
}

/* Where the run has the metric with its step's name in front, so it is here. */
static void add_metric(struct snapshot *s, const struct snapshot *like, const struct plan_node *maker,
		       const struct metric_point *metric)
{
	CLEANUP(cleanup_free) char *full = maker ? results_metric_of(maker->name, metric->key) : NULL;

	js_set_real(s->metrics, full && js_get(like->metrics, full) ? full : metric->key, metric->value);
}

static void disk_metrics(struct op_context *ctx, const struct snapshot *like, struct snapshot *s)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	CLEANUP(cleanup_plan) struct plan *plan = plan_here(ctx, like, &pipeline);

	s->metrics = js_object();
	for (size_t i = 0; i < like->len; i++) {
		CLEANUP(metric_list_release) struct metric_list list = METRIC_LIST_INIT;
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const char *path = like->items[i].path;

		if (!like->items[i].metrics ||
		    io_read_file(ctx->project->rootfd, path, RESULTS_MAX_BYTES, &text, NULL) < 0 ||
		    results_parse_metrics(text.buf, text.len, path, &list, NULL) < 0)
			continue;
		for (size_t k = 0; k < list.len; k++)
			add_metric(s, like, plan ? plan_maker(plan, path) : NULL, &list.items[k]);
	}
}

/* The batch is never committed: it is there so that changes have a digest to compare by. */
static int disk_code(struct op_context *ctx, const struct scanner *scanner, struct snapshot *s,
		     struct error *err)
{
	CLEANUP(code_version_release) struct code_version cv = { .commit = "" };
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;

	if (batch_open(scanner->store, &batch, err) < 0 ||
	    git_code_version(scanner, ctx->project->root, batch, &cv, err) < 0)
		return -1;
	memcpy(s->commit, cv.commit, sizeof(s->commit));
	s->code = js_object();
	js_set_str(s->code, "commit", cv.commit[0] ? cv.commit : NULL);
	js_set_str(s->code, "branch", cv.branch);
	js_set_bool(s->code, "dirty", cv.dirty);
	data_set_content(s->code, "changes", &cv.changes);
	s->deleted = steal(&cv.deleted);
	js_set_str(s->code, "note", cv.note);
	return 0;
}

int snapshot_disk(struct op_context *ctx, const struct snapshot *like, struct snapshot *ret,
		  struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot s = SNAPSHOT_INIT;
	struct scanner scanner;

	if (data_scanner(ctx, NULL, &scanner, err) < 0)
		return -1;
	s.label = xstrdup("the files here");
	s.single = like->single;
	for (size_t i = 0; i < like->len; i++) {
		struct content content;

		if (scan_path(&scanner, like->items[i].path, &content, NULL, err) < 0)
			return -1;
		add_item(&s, like->items[i].path, &content)->input = like->items[i].input;
	}
	if (like->params)
		s.params = snapshot_params_at(ctx->project->rootfd, like);
	if (like->metrics)
		disk_metrics(ctx, like, &s);
	if (like->code && disk_code(ctx, &scanner, &s, err) < 0)
		return -1;
	*ret = s;
	s = (struct snapshot)SNAPSHOT_INIT;
	return 0;
}

/* ---- asking ---- */

const struct snapshot_item *snapshot_find(const struct snapshot *s, const char *path)
{
	size_t low = 0, high = s->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(s->items[mid].path, path);

		if (!order)
			return &s->items[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static const struct snapshot_item *item_above(const struct snapshot *s, const char *path)
{
	for (size_t i = 0; i < s->len; i++)
		if (*s->items[i].path && path_contains(s->items[i].path, path))
			return &s->items[i];
	return NULL;
}

bool snapshot_has(const struct snapshot *s, const char *path)
{
	for (size_t i = 0; i < s->len; i++)
		if (path_contains(s->items[i].path, path) || path_contains(path, s->items[i].path))
			return true;
	return false;
}

static int list_paths(const struct snapshot *s, const char *path, struct error *err)
{
	CLEANUP(strlist_release) struct strlist paths = STRLIST_INIT;
	const char *nearest;

	for (size_t i = 0; i < s->len; i++)
		strlist_push(&paths, s->items[i].path);
	nearest = strlist_nearest(&paths, path);
	if (!*path)
		error_set(err, ERR_USAGE, "%s holds %zu paths", s->label, s->len);
	else
		error_set(err, ERR_NOT_FOUND, "%s holds no %s", s->label, path);
	if (nearest && *path)
		return error_help(err, "did you mean %s?", nearest);
	return s->len ? error_help(err, "name one of its paths, such as %s", s->items[0].path) : -1;
}

int snapshot_content(const struct snapshot *s, struct store *store, const char *path,
		     struct content *ret, struct error *err)
{
	const struct snapshot_item *item;

	if (s->single) {
		*ret = s->items[0].content;
		return *path ? data_inside(store, &s->items[0].content, path, NULL, ret, err) : 0;
	}
	item = *path ? item_above(s, path) : NULL;
	if (!item)
		return list_paths(s, path, err);
	*ret = item->content;
	if (!strcmp(item->path, path))
		return 0;
	return data_inside(store, &item->content, path + strlen(item->path) + 1, NULL, ret, err);
}
