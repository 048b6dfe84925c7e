/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of results: what is in it, and forgetting. Runs and bytes are not touched. */
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "pipeline/grammar.h"
#include "registry/cache.h"
#include "registry/events.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/store.h"

#define LIST_LIMIT  20
#define SHORT_KEY   4 /* digits of a key that name it, at least */

/* A step, all instances of a step, or a pattern of instances. */
static bool is_step(const char *name, const char *step)
{
	size_t len = strlen(name);

	if (path_is_pattern(name))
		return path_match(name, step);
	return !strncmp(name, step, len) && (!step[len] || (step[len] == '@' && !strchr(name, '@')));
}

/* ---- list ---- */

struct row {
	struct digest key;
	char step[256];
};
struct listing {
	struct store *store; /* of list */
	struct db *db;
	const char *step;  /* NULL: all */
	int64_t limit, total;
	struct row *rows;  /* the first of them */
	size_t len, cap;
	struct strlist steps; /* of all rows, for the nearest name */
	struct strmap here; /* content -> whether all of it is in the store: &here or &gone */
};

static void listing_release(struct listing *l)
{
	free(l->rows);
	strlist_release(&l->steps);
	strmap_release(&l->here);
}

/* The step's name, and that of all its instances. */
static void add_names(struct strlist *ret, const char *step)
{
	strlist_push_owned(ret, xstrndup(step, strcspn(step, "@")));
	strlist_push(ret, step);
}

static int take_row(void *ctx, const struct digest *key, const struct cache_entry *entry)
{
	struct listing *l = ctx;

	if (l->step && !is_step(l->step, entry->step)) {
		add_names(&l->steps, entry->step);
		return 0;
	}
	l->total++;
	if (l->total > l->limit)
		return 0;
	GROW(l->rows, l->len, l->cap);
	l->rows[l->len].key = *key;
	memcpy(l->rows[l->len++].step, entry->step, sizeof(entry->step));
	return 0;
}

static bool has_objects(struct store *store, const struct content *content)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	if (content->kind != CONTENT_TREE)
		return store_has(store, &content->id);
	if (tree_read(store, &content->id, &tree, NULL) < 0)
		return false;
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK && !store_has(store, &tree.entries[i].id))
			return false;
	return true;
}

/* Many results share contents, and a directory may be large. */
static bool is_here(struct listing *l, const struct content *content)
{
	static char yes, no;
	char text[CONTENT_TEXT];
	void *known = strmap_get(&l->here, content_format(content, text));

	if (!known) {
		known = has_objects(l->store, content) ? &yes : &no;
		strmap_set(&l->here, text, known);
	}
	return known == &yes;
}

static int row_json(struct listing *l, const struct row *row, struct js *list, struct error *err)
{
	CLEANUP(cache_entry_release) struct cache_entry entry = { .created_ms = 0 };
	struct js *json, *outputs;
	char hex[DIGEST_HEX + 1];
	bool here = true;
	uint64_t size = 0;
	int r = cache_find(l->db, &row->key, &entry, err);

	if (r <= 0)
		return r;
	json = js_object();
	outputs = js_array();
	for (size_t i = 0; i < entry.noutputs; i++) {
		struct js *output = js_object();
		js_set_str(output, "path", entry.outputs[i].path);
		js_set_int(output, "size", (int64_t)entry.outputs[i].content.size);
		js_push(outputs, output);
		size += entry.outputs[i].content.size;
		here = here && is_here(l, &entry.outputs[i].content);
	}
	js_set_str(json, "key", digest_format(&row->key, hex));
	js_set_str(json, "step", entry.step);
	js_set_str(json, "run", entry.run);
	js_set_int(json, "created", entry.created_ms);
	js_set_bool(json, "accepted", entry.accepted);
	js_set(json, "outputs", outputs);
	js_set_int(json, "size", (int64_t)size);
	js_set_bool(json, "here", here);
	js_push(list, json);
	return 0;
}

static int no_results(const char *name, struct strlist *steps, struct error *err)
{
	const char *nearest;

	strlist_sort(steps);
	strlist_uniq(steps);
	nearest = strlist_nearest(steps, name);
	error_set(err, ERR_NOT_FOUND, "the cache has no result of '%s'", name);
	return nearest ? error_help(err, "did you mean '%s'?", nearest) : error_help(err, "list them: mlops cache list");
}

/* cache.list {step, limit} -> {step, total, results: [{key, step, run, created, accepted, outputs: [{path, size}], size, here}]} */
int op_cache_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(listing_release) struct listing l = {
		.step = js_get_str(args, "step"),
		.limit = js_get_int(args, "limit", LIST_LIMIT),
	};
	CLEANUP_JS struct js *list = js_array();

	if (l.limit < 1)
		return error_set(err, ERR_USAGE, "--limit is a number above 0, not %lld", (long long)l.limit);
	if (project_db(ctx->project, &l.db, err) < 0 || project_store(ctx->project, &l.store, err) < 0 ||
	    cache_each(l.db, take_row, &l, err) < 0)
		return -1;
	if (l.step && !l.total)
		return no_results(l.step, &l.steps, err);
	for (size_t i = 0; i < l.len; i++)
		if (row_json(&l, &l.rows[i], list, err) < 0)
			return -1;
	*ret_result = js_object();
	if (l.step)
		js_set_str(*ret_result, "step", l.step);
	js_set_int(*ret_result, "total", l.total);
	js_set(*ret_result, "results", steal(&list));
	return 0;
}

/* ---- rm ---- */

struct removal {
	struct listing all; /* every row */
	bool *gone;         /* by index of the row */
};

static void removal_release(struct removal *r)
{
	listing_release(&r->all);
	free(r->gone);
}

static bool is_key_prefix(const char *name)
{
	size_t len = strlen(name);

	return len >= SHORT_KEY && len <= DIGEST_HEX && strspn(name, "0123456789abcdef") == len;
}

static int mark_key(struct removal *r, const char *name, struct error *err)
{
	size_t found = 0, at = 0;
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < r->all.len; i++) {
		digest_format(&r->all.rows[i].key, hex);
		if (!strncmp(hex, name, strlen(name))) {
			found++;
			at = i;
		}
	}
	if (found > 1) {
		error_set(err, ERR_CONFLICT, "%zu results have keys that begin with %s", found, name);
		return error_help(err, "give more of its digits: mlops cache list");
	}
	if (found)
		r->gone[at] = true;
	return (int)found;
}

/* A step goes before a key: steps have names that people chose. */
static int mark(struct removal *r, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist steps = STRLIST_INIT;
	bool found = false;
	int n;

	for (size_t i = 0; i < r->all.len; i++) {
		if (is_step(name, r->all.rows[i].step))
			found = r->gone[i] = true;
		add_names(&steps, r->all.rows[i].step);
	}
	if (found)
		return 0;
	n = is_key_prefix(name) ? mark_key(r, name, err) : 0;
	return n == 0 ? no_results(name, &steps, err) : n < 0 ? -1 : 0;
}

static int forget(struct op_context *ctx, struct removal *r, const char *subject, const struct js *keys, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	struct event event = {
		.actor = op_actor(ctx),
		.origin = ctx->origin ? ctx->origin : "cli",
		.operation = "cache.rm",
		.subject = subject,
		.body = body,
	};
	struct db *db = r->all.db;

	js_set(body, "keys", js_ref((struct js *)(uintptr_t)keys));
	if (db_begin(db, err) < 0)
		return -1;
	for (size_t i = 0; i < r->all.len; i++) {
		if (r->gone[i] && cache_forget(db, &r->all.rows[i].key, err) < 0) {
			db_rollback(db);
			return -1;
		}
	}
	if (event_append(db, &event, clock_wall_ms(), NULL, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

static struct js *gone_rows(const struct removal *r, bool with_steps)
{
	struct js *list = js_array();
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < r->all.len; i++) {
		struct js *row;
		if (!r->gone[i])
			continue;
		digest_format(&r->all.rows[i].key, hex);
		if (!with_steps) {
			js_push_str(list, hex);
			continue;
		}
		row = js_object();
		js_set_str(row, "key", hex);
		js_set_str(row, "step", r->all.rows[i].step);
		js_push(list, row);
	}
	return list;
}

/* Steps whose accepted result was forgotten: they are up to date all the same. */
static struct js *still_locked(struct op_context *ctx, const struct removal *r)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP(strmap_release) struct strmap gone = STRMAP_INIT;
	struct js *steps = js_array();
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < r->all.len; i++)
		if (r->gone[i])
			strmap_set(&gone, digest_format(&r->all.rows[i].key, hex), &gone);
	if (lockfile_load(ctx->project->rootfd, &lock, NULL) < 0)
		return steps;
	for (size_t i = 0; i < lock.len; i++)
		if (lock.entries[i].kind == LOCKED_STEP && strmap_has(&gone, lock.entries[i].value))
			js_push_str(steps, lock.entries[i].name);
	return steps;
}

static void note_locked(const struct js *locked, struct js *notes)
{
	const char *first = js_text(js_at(locked, 0)), *step;
	CLEANUP(cleanup_free) char *text = NULL;

	if (!js_len(locked))
		return;
	step = strchr(first, ':'); /* FILE:STEP, of another file than pipeline.ini */
	text = js_len(locked) == 1 ?
		       xasprintf("%s stays up to date by %s; to run it now: mlops run --force %.*s%s%s", first, LOCKFILE_NAME,
				 step ? (int)(step - first) : 0, first, step ? " " : "", step ? step + 1 : first) :
		       xasprintf("%s and %zu more stay up to date by %s; to run them now: mlops run --force STEP", first,
				 js_len(locked) - 1, LOCKFILE_NAME);
	js_push_str(notes, text);
}

static void note_remotes(struct op_context *ctx, struct js *notes)
{
	CLEANUP(remotes_release) struct remotes remotes = { .len = 0 };

	if (remotes_load(ctx, NULL, &remotes, NULL) < 0 || !remotes.len)
		return;
	js_push_str(notes, "a remote that has a result still gives it to a run; --force asks none");
}

static int mark_all(struct removal *r, const struct js *names, bool all, struct error *err)
{
	r->gone = xcalloc(r->all.len + 1, sizeof(*r->gone));
	for (size_t i = 0; all && i < r->all.len; i++)
		r->gone[i] = true;
	for (size_t i = 0; i < js_len(names); i++)
		if (mark(r, js_text(js_at(names, i)), err) < 0)
			return -1;
	return 0;
}

/* cache.rm {names[], all} -> {forgotten: [{key, step}], locked: [step], notes[]} */
int op_cache_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(removal_release) struct removal r = { .all = { .limit = INT64_MAX } };
	const struct js *names = js_get(args, "names");
	bool all = js_get_bool(args, "all");
	CLEANUP_JS struct js *keys = NULL;
	struct js *locked, *notes;

	if (!js_len(names) == !all) {
		error_set(err, ERR_USAGE, all ? "STEP and --all exclude each other" : "STEP|KEY is missing");
		return error_help(err, "name results, or forget every one: mlops cache rm --all");
	}
	if (project_db(ctx->project, &r.all.db, err) < 0 || cache_each(r.all.db, take_row, &r.all, err) < 0 ||
	    mark_all(&r, names, all, err) < 0)
		return -1;
	keys = gone_rows(&r, false);
	if (js_len(keys) &&
	    forget(ctx, &r, all ? "all" : js_len(names) == 1 ? js_text(js_at(names, 0)) : "several", keys, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "forgotten", gone_rows(&r, true));
	js_set(*ret_result, "locked", locked = still_locked(ctx, &r));
	js_set(*ret_result, "notes", notes = js_array());
	note_locked(locked, notes);
	if (js_len(keys))
		note_remotes(ctx, notes);
	return 0;
}
