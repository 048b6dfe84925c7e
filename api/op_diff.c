/* SPDX-License-Identifier: Apache-2.0 */
/* diff: two snapshots side by side (one name: against the disk), or a table of many runs. */
#include <math.h>
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/profiles.h"
#include "api/snapshot.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/profile/profile.h"
#include "base/strlist.h"
#include "registry/project.h"
#include "store/store.h"
#include "store/tree.h"

#define FILES_MAX 1000 /* listed a path; all are counted */

struct diff {
	struct op_context *ctx;
	struct snapshot old, now;
	bool disk; /* `now` is the disk */
	struct scanner scanner;
	struct store *store;
	struct js *data, *notes;
};

static void diff_release(struct diff *d)
{
	snapshot_release(&d->old);
	snapshot_release(&d->now);
	js_free(d->data);
	js_free(d->notes);
}

/* ---- files of a directory ---- */

struct file_diff {
	struct js *files;
	int64_t added, modified, removed;
};

static void diff_entry(void *ctx, const struct tree_entry *old, const struct tree_entry *now)
{
	struct file_diff *f = ctx;
	const char *change = !old ? "added" : !now ? "removed" : "modified";
	struct js *json;

	*(!old ? &f->added : !now ? &f->removed : &f->modified) += 1;
	if (js_len(f->files) >= FILES_MAX)
		return;
	json = js_object();
	js_set_str(json, "path", (old ? old : now)->path);
	js_set_str(json, "change", change);
	if (old)
		js_set_int(json, "old_size", (int64_t)old->size);
	if (now)
		js_set_int(json, "new_size", (int64_t)now->size);
	js_push(f->files, json);
}

/* The entries of one side; a side that is no directory has none. */
static int side_tree(struct diff *d, const struct content *content, const char *disk_path,
		     struct tree *ret, struct error *err)
{
	struct content again;

	if (content->kind != CONTENT_TREE)
		return 0;
	if (disk_path)
		return scan_path(&d->scanner, disk_path, &again, ret, err);
	return tree_read(d->store, &content->id, ret, err);
}

static void diff_files(struct diff *d, const struct snapshot_item *old,
		       const struct snapshot_item *now, struct js *json)
{
	CLEANUP(tree_release) struct tree was = TREE_INIT;
	CLEANUP(tree_release) struct tree is = TREE_INIT;
	static const struct content absent = { .kind = CONTENT_ABSENT };
	const struct content *a = old ? &old->content : &absent, *b = now ? &now->content : &absent;
	struct file_diff f = { 0 };
	struct error failed;

	if (a->kind != CONTENT_TREE && b->kind != CONTENT_TREE)
		return;
	if (side_tree(d, a, NULL, &was, &failed) < 0 ||
	    side_tree(d, b, d->disk ? now->path : NULL, &is, &failed) < 0) {
		CLEANUP(cleanup_free)
		char *text = xasprintf("the files of %s are not known: %s", (old ? old : now)->path,
				       failed.msg);
		js_push_str(d->notes, text);
		return;
	}
	js_set(json, "files", f.files = js_array());
	tree_diff(&was, &is, diff_entry, &f);
	js_set_int(json, "added", f.added);
	js_set_int(json, "modified", f.modified);
	js_set_int(json, "removed", f.removed);
}

/* ---- what is in the data, where both sides have a profile ---- */

static bool find_profile(struct diff *d, const struct snapshot_item *item, struct profile **ret)
{
	struct error why;

	if (item->profile.kind != CONTENT_ABSENT && profile_of_object(d->ctx, &item->profile, ret, &why) == 0)
		return true;
	return profile_of_data(d->ctx, &item->content, ret, &why) > 0;
}

static void diff_profiles(struct diff *d, const struct snapshot_item *old, const struct snapshot_item *now, struct js *json)
{
	CLEANUP(cleanup_profile) struct profile *was = NULL;
	CLEANUP(cleanup_profile) struct profile *is = NULL;

	if (find_profile(d, old, &was) && find_profile(d, now, &is))
		js_set(json, "profile", profile_changes(was, is));
}

/* ---- data ---- */

static void diff_item(struct diff *d, const struct snapshot_item *old,
		      const struct snapshot_item *now)
{
	const struct snapshot_item *either = now ? now : old;
	bool was = old && old->content.kind != CONTENT_ABSENT;
	bool is = now && now->content.kind != CONTENT_ABSENT;
	struct js *json;

	if ((!was && !is) || (was && is && content_equal(&old->content, &now->content)))
		return;
	json = js_object();
	js_set_str(json, "path", *either->path || !old ? either->path : old->path);
	js_set_str(json, "change", !was ? "added" : !is ? "removed" : "modified");
	if (was)
		data_set_content(json, "old", &old->content);
	if (is)
		data_set_content(json, "new", &now->content);
	diff_files(d, old, now, json);
	if (was && is)
		diff_profiles(d, old, now, json);
	js_push(d->data, json);
}

/* Both lists are sorted by path. */
static void diff_lists(struct diff *d)
{
	size_t i = 0, k = 0;

	while (i < d->old.len || k < d->now.len) {
		const struct snapshot_item *old = i < d->old.len ? &d->old.items[i] : NULL;
		const struct snapshot_item *now = k < d->now.len ? &d->now.items[k] : NULL;
		int order = !old ? 1 : !now ? -1 : strcmp(old->path, now->path);

		diff_item(d, order <= 0 ? old : NULL, order >= 0 ? now : NULL);
		i += order <= 0;
		k += order >= 0;
	}
}

/* One version against what a run or a commit has at the same path. */
static int diff_single(struct diff *d, struct error *err)
{
	const struct snapshot *single = d->old.single ? &d->old : &d->now;
	const struct snapshot *whole = d->old.single ? &d->now : &d->old;
	const struct snapshot_item *item = &single->items[0];
	struct snapshot_item other = { .path = item->path };

	if (!*item->path) {
		error_set(err, ERR_USAGE, "%s has no path to compare with %s", single->label,
			  whole->label);
		return error_help(err, "compare it with a version: mlops diff %s PATH@vN",
				  single->label);
	}
	if (snapshot_content(whole, d->store, item->path, &other.content, err) < 0)
		return -1;
	diff_item(d, d->old.single ? item : &other, d->old.single ? &other : item);
	return 0;
}

static int diff_data(struct diff *d, struct error *err)
{
	if (d->old.single && d->now.single) {
		diff_item(d, &d->old.items[0], &d->now.items[0]);
		return 0;
	}
	if (d->old.single || d->now.single)
		return diff_single(d, err);
	diff_lists(d);
	return 0;
}

/* ---- params and metrics ---- */

static void add_keys(const struct js *object, struct strlist *keys)
{
	for (void *it = js_iter(object); it; it = js_next(object, it))
		strlist_push(keys, js_iter_key(it));
}

static struct js *lend(struct js *value)
{
	return value ? js_ref(value) : js_null();
}

static struct js *diff_value(const char *key, struct js *old, struct js *now)
{
	struct js *json = js_object();
	double delta = js_number(now) - js_number(old);

	js_set_str(json, "key", key);
	js_set(json, "old", lend(old));
	js_set(json, "new", lend(now));
	if (!isnan(delta))
		js_set_real(json, "delta", delta);
	return json;
}

/* Members that differ; a side that has no such object at all is not compared. */
static struct js *diff_objects(const struct js *old, const struct js *now)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	struct js *list = js_array();

	if (!old || !now)
		return list;
	add_keys(old, &keys);
	add_keys(now, &keys);
	strlist_sort(&keys);
	strlist_uniq(&keys);
	for (size_t i = 0; i < keys.len; i++) {
		struct js *a = js_get(old, keys.items[i]), *b = js_get(now, keys.items[i]);

		if (!a || !b || !js_equal(a, b))
			js_push(list, diff_value(keys.items[i], a, b));
	}
	return list;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Changes that were not kept cannot be compared, and count as different. */
static bool same_code(const struct snapshot *old, const struct snapshot *now)
{
	const char *was = js_get_str(old->code, "changes"), *is = js_get_str(now->code, "changes");
	bool dirty = js_get_bool(old->code, "dirty");

	if (strcmp(old->commit, now->commit) || dirty != js_get_bool(now->code, "dirty"))
		return false;
	return !dirty || (text_equal(was, is) && text_equal(old->deleted, now->deleted) &&
			  (was || old->deleted));
}

static struct js *diff_code(const struct snapshot *old, const struct snapshot *now)
{
	struct js *json;

	if (!old->code || !now->code)
		return js_null();
	json = js_object();
	js_set_bool(json, "same", same_code(old, now));
	js_set(json, "old", js_ref(old->code));
	js_set(json, "new", js_ref(now->code));
	return json;
}

static struct js *diff_result(struct diff *d)
{
	struct js *result = js_object(), *names = js_array(), *params, *metrics, *code;

	js_push_str(names, d->old.label);
	js_push_str(names, d->now.label);
	params = diff_objects(d->old.params, d->now.params);
	metrics = diff_objects(d->old.metrics, d->now.metrics);
	code = diff_code(&d->old, &d->now);
	js_set(result, "names", names);
	js_set_bool(result, "same",
		    !js_len(d->data) && !js_len(params) && !js_len(metrics) &&
			    (!js_get(code, "same") || js_get_bool(code, "same")));
	js_set(result, "data", steal(&d->data));
	js_set(result, "params", params);
	js_set(result, "metrics", metrics);
	js_set(result, "code", code);
	js_set(result, "notes", steal(&d->notes));
	return result;
}

static int diff_two(struct diff *d, const struct js *names, struct js **ret_result,
		    struct error *err)
{
	const char *first = js_text(js_at(names, 0)), *second = js_text(js_at(names, 1));

	if (project_store(d->ctx->project, &d->store, err) < 0 ||
	    data_scanner(d->ctx, NULL, &d->scanner, err) < 0 ||
	    snapshot_named(d->ctx, first, &d->old, err) < 0)
		return -1;
	d->disk = !second;
	if (!second && d->old.single && !*d->old.items[0].path) {
		error_set(err, ERR_USAGE, "%s has no path to compare with", d->old.label);
		return error_help(err, "name two: mlops diff %s PATH", first);
	}
	if ((second ? snapshot_named(d->ctx, second, &d->now, err) :
		      snapshot_disk(d->ctx, &d->old, &d->now, err)) < 0 ||
	    diff_data(d, err) < 0)
		return -1;
	*ret_result = diff_result(d);
	return 0;
}

/* ---- many runs ---- */

static struct js *table_rows(const struct snapshot *runs, size_t n, bool metrics)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	struct js *rows = js_array();

	for (size_t c = 0; c < n; c++)
		add_keys(metrics ? runs[c].metrics : runs[c].params, &keys);
	strlist_sort(&keys);
	strlist_uniq(&keys);
	for (size_t i = 0; i < keys.len; i++) {
		struct js *row = js_object(), *values = js_array();
		struct js *first = NULL;
		bool same = true;

		for (size_t c = 0; c < n; c++) {
			struct js *value =
				js_get(metrics ? runs[c].metrics : runs[c].params, keys.items[i]);

			first = c ? first : value;
			same &= value == first || (value && first && js_equal(value, first));
			js_push(values, lend(value));
		}
		js_set_str(row, "key", keys.items[i]);
		js_set(row, "values", values);
		js_set_bool(row, "same", same);
		js_push(rows, row);
	}
	return rows;
}

static int read_runs(struct op_context *ctx, const struct js *names, struct snapshot *runs,
		     struct error *err)
{
	for (size_t i = 0; i < js_len(names); i++) {
		const char *text = js_text(js_at(names, i));

		if (snapshot_named(ctx, text, &runs[i], err) < 0)
			return -1;
		if (!runs[i].params) {
			error_set(err, ERR_USAGE, "%s is no run: more than two names must be runs",
				  text);
			return error_help(err, "list them with: mlops runs");
		}
	}
	return 0;
}

static int diff_many(struct op_context *ctx, const struct js *names, struct js **ret_result,
		     struct error *err)
{
	size_t n = js_len(names);
	struct snapshot *runs = xcalloc(n, sizeof(*runs));
	int r = read_runs(ctx, names, runs, err);

	if (r == 0) {
		struct js *result = js_object(), *labels = js_array();

		for (size_t i = 0; i < n; i++)
			js_push_str(labels, runs[i].label);
		js_set(result, "names", labels);
		js_set(result, "params_table", table_rows(runs, n, false));
		js_set(result, "metrics_table", table_rows(runs, n, true));
		*ret_result = result;
	}
	for (size_t i = 0; i < n; i++)
		snapshot_release(&runs[i]);
	free(runs);
	return r;
}

/*
 * data.diff {names[]} -> one or two names:
 *   {names[2], same, data: [{path, change: added|modified|removed, old, new, files: [{path, change,
 *    old_size, new_size}] (at most 1000), added, modified, removed, profile{} (api/profiles.h)}], params: [{key, old, new}],
 *    metrics: [{key, old, new, delta}], code: {same, old{commit, branch, dirty, note}, new{}} or
 *    null, notes[]}
 * more: {names[], params_table: [{key, values[], same}], metrics_table: [...]}
 */
int op_diff(struct op_context *ctx, const struct js *args, struct js **ret_result,
	    struct error *err)
{
	CLEANUP(diff_release) struct diff d = { .ctx = ctx };
	const struct js *names = js_get(args, "names");

	if (js_len(names) < 2 && op_is_remote(ctx)) {
		error_set(err, ERR_USAGE, "one name is compared with a work tree, which an agent has not");
		return error_help(err, "name two; or run mlops diff in the work tree");
	}
	if (js_len(names) > 2)
		return diff_many(ctx, names, ret_result, err);
	d.data = js_array();
	d.notes = js_array();
	return diff_two(&d, names, ret_result, err);
}
