/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck: every stored byte is hashed again, then every fact is asked whether the objects it
 * names are there. Damaged objects go to quarantine first, so what is left to name is what is
 * missing. What a remote has comes from there; what still stands in the work tree with the same
 * bytes is put back from there.
 */
#include <stdlib.h>
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "registry/artifacts.h"
#include "registry/evidence.h"
#include "registry/project.h"
#include "store/store.h"
#include "store/tombstone.h"
#include "store/tree.h"

#define AFFECTED_MAX 10 /* facts listed an object; all are counted */

struct object {
	struct digest id;
	uint64_t size;
};
struct fsck {
	struct op_context *ctx;
	struct store *store;
	struct object *objects;
	size_t len, cap;
	uint64_t bytes, checked;
	struct strmap problems; /* hex -> struct js *, lent by `list` */
	struct strmap trees;    /* hex of those that are trees with something missing */
	struct js *list, *foreign, *notes;
	const char *database; /* "ok", or what is wrong */
	struct error db_error;
	int64_t facts;
	size_t elsewhere; /* contents that only others have */
	size_t mended;
	int64_t forgotten; /* files of facts that were forgotten */
};

static void fsck_release(struct fsck *f)
{
	free(f->objects);
	strmap_release(&f->problems);
	strmap_release(&f->trees);
	js_free(f->list);
	js_free(f->foreign);
	js_free(f->notes);
}

static struct js *problem(struct fsck *f, const struct digest *id, const char *what)
{
	char hex[DIGEST_HEX + 1];
	struct js *json = strmap_get(&f->problems, digest_format(id, hex));

	if (json)
		return json;
	json = js_object();
	js_set_str(json, "object", hex);
	js_set_str(json, "problem", what);
	js_set(json, "affects", js_array());
	js_set_int(json, "affected", 0);
	strmap_set(&f->problems, hex, json);
	js_push(f->list, json);
	return json;
}

static void affects(struct js *json, const char *what)
{
	struct js *list = js_get(json, "affects");

	js_set_int(json, "affected", js_get_int(json, "affected", 0) + 1);
	if (js_len(list) < AFFECTED_MAX)
		js_push_str(list, what);
}

static bool stopped(struct fsck *f, const char *what, uint64_t files, struct error *err)
{
	const struct progress *p = f->ctx->progress;

	if (!p || !p->report || !p->report(p->ctx, what, files, f->checked, f->bytes))
		return false;
	error_set(err, ERR_INTERRUPTED, "interrupted: %llu of %llu bytes were checked",
		  (unsigned long long)f->checked, (unsigned long long)f->bytes);
	return true;
}

/* ---- objects ---- */

static int list_object(void *ctx, const struct digest *id, uint64_t size, const char *name)
{
	struct fsck *f = ctx;

	if (!id) {
		js_push_str(f->foreign, name);
		return 0;
	}
	GROW(f->objects, f->len, f->cap);
	f->objects[f->len++] = (struct object){ *id, size };
	f->bytes += size;
	return 0;
}

static int check_object(struct fsck *f, const struct object *object, struct error *err)
{
	struct error failed;

	if (store_verify(f->store, &object->id, &failed) == 0)
		return 0;
	if (failed.code != ERR_DAMAGED && failed.code != ERR_ENV) {
		/* removed since it was listed: the facts will tell whether anybody misses it */
		if (failed.code == ERR_NOT_FOUND)
			return 0;
		if (err)
			*err = failed;
		return -1;
	}
	js_set_str(problem(f, &object->id, failed.code == ERR_DAMAGED ? "damaged" : "unreadable"),
		   "message", failed.msg);
	return failed.code == ERR_DAMAGED ? store_quarantine(f->store, &object->id, err) : 0;
}

static int check_objects(struct fsck *f, struct error *err)
{
	if (store_each(f->store, list_object, f, err) < 0)
		return -1;
	for (size_t i = 0; i < f->len; i++) {
		if (stopped(f, "check", i, err) || check_object(f, &f->objects[i], err) < 0)
			return -1;
		f->checked += f->objects[i].size;
	}
	stopped(f, "check", f->len, NULL);
	return 0;
}

/* What writers that died left in staging is removed whenever a batch is opened. */
static int clean_staging(struct fsck *f, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;

	return batch_open(f->store, &batch, err);
}

/* ---- facts ---- */

static void missing(struct fsck *f, const struct digest *id, const char *what, const char *inside)
{
	CLEANUP(cleanup_free)
	char *text = *inside ? xasprintf("%s: %s", what, inside) : xstrdup(what);

	affects(problem(f, id, "missing"), text);
}

/* A hole that two persons wanted is no damage, nor is one that came so. */
static bool is_there(struct fsck *f, const struct digest *id)
{
	struct db *db;

	if (store_has(f->store, id))
		return true;
	if (tombstone_find(f->store, id, NULL))
		f->forgotten++;
	else if (project_db(f->ctx->project, &db, NULL) == 0 && import_is_hole(db, id))
		f->elsewhere++;
	else
		return false;
	return true;
}

static void check_tree(struct fsck *f, const struct content *content, const char *what)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	char hex[DIGEST_HEX + 1];
	struct error failed;

	if (!store_has(f->store, &content->id)) {
		if (is_there(f, &content->id))
			return;
		strmap_set(&f->trees, digest_format(&content->id, hex), f);
		missing(f, &content->id, what, "");
		return;
	}
	if (tree_read(f->store, &content->id, &tree, &failed) < 0) {
		struct js *json = problem(f, &content->id, "incomplete");

		strmap_set(&f->trees, digest_format(&content->id, hex), f);
		js_set_str(json, "message", failed.msg);
		affects(json, what);
		return;
	}
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK && !is_there(f, &tree.entries[i].id))
			missing(f, &tree.entries[i].id, what, tree.entries[i].path);
}

static int check_fact(void *ctx, const struct content *content, const char *what, bool elsewhere)
{
	struct fsck *f = ctx;

	f->facts++;
	if (elsewhere && !store_has(f->store, &content->id)) {
		f->elsewhere++;
		return 0;
	}
	if (content->kind == CONTENT_TREE)
		check_tree(f, content, what);
	else if (!is_there(f, &content->id))
		missing(f, &content->id, what, "");
	return 0;
}

/* A broken database is one finding; the objects were checked all the same. */
static void check_database(struct fsck *f)
{
	struct error *err = &f->db_error;
	struct db *db;

	error_clear(err);
	f->database = "ok";
	if (project_db(f->ctx->project, &db, err) < 0 || db_check(db, err) < 0 ||
	    artifact_each_content(db, check_fact, f, err) < 0)
		f->database = err->msg;
}

/* ---- mending ---- */

static bool is_whole(struct fsck *f, const struct digest *id, const char *problem_was)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	if (!strcmp(problem_was, "unreadable") || !store_has(f->store, id))
		return false;
	return strcmp(problem_was, "incomplete") != 0 || tree_read(f->store, id, &tree, NULL) == 0;
}

/* What is still to be had, as contents; `ret` has room for all. */
static size_t list_lost(struct fsck *f, struct content *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < js_len(f->list); i++) {
		const char *hex = js_get_str(js_at(f->list, i), "object");
		const char *what = js_get_str(js_at(f->list, i), "problem");
		struct content content = { .kind = strmap_has(&f->trees, hex) ? CONTENT_TREE : CONTENT_FILE };

		if (digest_parse(hex, &content.id) && strcmp(what, "unreadable") != 0 && !is_whole(f, &content.id, what))
			ret[n++] = content;
	}
	return n;
}

static void name_source(struct fsck *f, const struct content *contents, size_t n, const char *remote)
{
	for (size_t i = 0; i < n; i++) {
		char hex[DIGEST_HEX + 1];
		struct js *json = strmap_get(&f->problems, digest_format(&contents[i].id, hex));

		if (is_whole(f, &contents[i].id, js_get_str(json, "problem")))
			js_set_str(json, "from", remote);
	}
}

/* One remote after the other, so that it is known which had it. Returns what is still lost, or -1. */
static int refetch(struct fsck *f, struct error *err)
{
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	CLEANUP(cleanup_free) struct content *lost = xcalloc(js_len(f->list), sizeof(*lost));
	size_t n = list_lost(f, lost);
	struct error why;

	if (remotes_load(f->ctx, f->notes, &remotes, &why) < 0) {
		CLEANUP(cleanup_free) char *text = xasprintf("no remote was asked: %s", why.msg);

		js_push_str(f->notes, text);
		return (int)n;
	}
	for (size_t i = 0; n && i < remotes.len; i++) {
		struct remotes one = remotes;
		struct transfer t = { .store = f->store, .progress = f->ctx->progress };

		one.places = &remotes.places[i];
		one.len = 1;
		if (remotes_bring(&t, &one, lost, n, &why, err) < 0)
			return -1;
		name_source(f, lost, n, remotes.places[i].name);
		n = list_lost(f, lost);
	}
	return (int)n;
}

/* Marks what a remote or the work tree could give back. */
static int mend(struct fsck *f, struct error *err)
{
	int lost;

	if (!js_len(f->list))
		return 0;
	lost = refetch(f, err);
	if (lost < 0 || (lost && data_mend(f->ctx, &f->problems, err) < 0))
		return -1;
	for (size_t i = 0; i < js_len(f->list); i++) {
		struct js *json = js_at(f->list, i);
		struct digest id;

		if (!digest_parse(js_get_str(json, "object"), &id) ||
		    !is_whole(f, &id, js_get_str(json, "problem")))
			continue;
		js_set_bool(json, "mended", true);
		f->mended++;
	}
	return 0;
}

static void note_elsewhere(struct fsck *f)
{
	CLEANUP(cleanup_free) char *text = xasprintf("%zu content%s of runs that others made %s not here; one run's come "
						     "with: mlops pull RUN", f->elsewhere, f->elsewhere == 1 ? "" : "s",
						     f->elsewhere == 1 ? "is" : "are");

	js_push_str(f->notes, text);
}

/* ---- the verdict ---- */

static struct js *fsck_result(struct fsck *f)
{
	struct js *result = js_object();

	js_set_int(result, "objects", (int64_t)f->len);
	js_set_int(result, "bytes", (int64_t)f->bytes);
	js_set_int(result, "facts", f->facts);
	js_set_int(result, "mended", (int64_t)f->mended);
	js_set_int(result, "forgotten", f->forgotten);
	js_set_str(result, "database", f->database);
	js_set(result, "problems", steal(&f->list));
	js_set(result, "foreign", steal(&f->foreign));
	js_set(result, "notes", steal(&f->notes));
	return result;
}

static int verdict(struct fsck *f, struct error *err)
{
	size_t n = js_len(f->list) - f->mended;

	if (f->db_error.code) {
		if (err) {
			*err = f->db_error;
			err->code = ERR_DAMAGED;
		}
		if (n)
			error_wrap(err, "%zu objects are damaged or missing, and the database", n);
		return -1;
	}
	if (!js_len(f->list))
		return 0;
	if (!n) {
		error_set(err, ERR_DAMAGED, "%zu object%s damaged or missing, and put back", f->mended,
			  f->mended == 1 ? " was" : "s were");
		return error_help(err, "nothing is lost; if it happens again, look at the disk's health");
	}
	error_set(err, ERR_DAMAGED, "%zu object%s damaged or missing", n, n == 1 ? " is" : "s are");
	return error_help(
		err,
		"put data back in its place and run: mlops add PATH; make outputs anew with: mlops run "
		"--force STEP");
}

/*
 * store.fsck {} -> {objects, bytes, facts, mended, forgotten, database: "ok"|text, problems: [{object, problem:
 *     damaged|unreadable|missing|incomplete, message, affects[] (at most 10), affected, mended, from: the
 *     remote that gave it}], foreign[], notes[]}
 * ERR_DAMAGED, with the result, when anything was wrong.
 */
int op_fsck(struct op_context *ctx, const struct js *args, struct js **ret_result,
	    struct error *err)
{
	CLEANUP(fsck_release)
	struct fsck f = {
		.ctx = ctx,
		.list = js_array(),
		.foreign = js_array(),
		.notes = js_array(),
	};
	CLEANUP(data_unlock) struct data_locks locks = DATA_LOCKS_INIT;
	int r;

	(void)args;
	if (project_store(ctx->project, &f.store, err) < 0 ||
	    data_lock_store(ctx, &locks, err) < 0 || clean_staging(&f, err) < 0 ||
	    check_objects(&f, err) < 0)
		return -1;
	check_database(&f);
	if (mend(&f, err) < 0)
		return -1;
	if (f.elsewhere)
		note_elsewhere(&f);
	if (js_len(f.foreign))
		js_push_str(f.notes, "some files in the store are no objects; nothing uses them");
	r = verdict(&f, err);
	*ret_result = fsck_result(&f);
	return r;
}
