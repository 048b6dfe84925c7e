/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: records and results that are not known here, then the bytes that mlops.lock names, then these
 * to their places. Nothing of a remote is believed: a record or ref that does not hold is named and
 * left out, and the rest comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/data.h"
#include "api/forget.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "api/snapshot.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/cache.h"
#include "registry/project.h"
#include "registry/records.h"
#include "store/store.h"

#define GROUP	     500 /* records or results a transaction */
#define GROUP_BYTES  (32u << 20)
#define DAMAGED_MAX  10 /* runs and results listed that were left out; all are counted */
#define NAMED_PREFIX 4 /* digits of a run's id that name it */

struct pull {
	struct op_context *ctx;
	struct remotes remotes;
	struct data_locks locks;
	struct store *store;
	struct db *db;
	struct transfer bytes;
	struct strmap known; /* hex of the keys of the cache */
	int64_t nruns, nresults;
	struct js *failed, *notes, *paths; /* `paths`: of mlops.lock, to be placed */
	struct js *placed;		   /* what checkout returned */
	struct error first;
	struct content *contents;
	size_t len, cap;
	bool dry;
};

static void pull_release(struct pull *p)
{
	remotes_release(&p->remotes);
	data_unlock(&p->locks);
	strmap_release(&p->known);
	free(p->contents);
	js_free(p->failed);
	js_free(p->notes);
	js_free(p->paths);
	js_free(p->placed);
}

/* Named and left out; -1 when it is trouble of this machine, which ends the pull. */
static int leave_out(struct pull *p, const char *name, const struct error *why, struct error *err)
{
	struct js *json;

	if (why->code != ERR_DAMAGED && why->code != ERR_NOT_FOUND && why->code != ERR_USAGE) {
		if (err)
			*err = *why;
		return -1;
	}
	json = js_object();
	js_set_str(json, "name", name);
	js_set_str(json, "message", why->msg);
	js_push(p->failed, json);
	return 0;
}

static void add_content(struct pull *p, const struct content *content)
{
	GROW(p->contents, p->len, p->cap);
	p->contents[p->len++] = *content;
}

/* ---- records ---- */

#define CANNOT_ASK 1 /* of functions that ask a remote: it could not be listed; the error says why */

/* 1 and the text, 0, or -1 with ERR_DAMAGED: that a ref cannot be read is trouble of the remote, not of this machine. */
static int get_ref(struct remote *remote, const char *name, struct strbuf *ret, struct error *err)
{
	struct error why;
	int r;

	error_clear(&why);
	r = remote->ops->ref_get(remote, name, ret, &why);
	if (r < 0 && err) {
		*err = why;
		err->code = ERR_DAMAGED;
	}
	return r;
}

/* What a ref "runs/ID" says: 64 digits and a newline. */
static int read_run_ref(struct remote *remote, const char *name, struct digest *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int r = get_ref(remote, name, &text, err);

	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "ref %s is gone", name);
	if (text.len == DIGEST_HEX + 1 && text.buf[DIGEST_HEX] == '\n') {
		text.buf[DIGEST_HEX] = '\0';
		if (digest_parse(text.buf, ret))
			return 0;
	}
	return error_set(err, ERR_DAMAGED, "ref %s names no object", name);
}

static int read_record(struct pull *p, const char *id, const struct digest *object, struct js **ret, uint64_t *bytes,
		       struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (store_read(p->store, object, RECORD_MAX, &text, err) < 0 ||
	    record_read(text.buf, text.len, id, ret, err) < 0)
		return -1;
	*bytes += text.len;
	return 0;
}

static int import_records(struct pull *p, const struct strlist *names, struct js *records, struct error *err)
{
	if (db_begin(p->db, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(records); i++) {
		struct error why;
		bool is_new = false;

		error_clear(&why);
		if (record_import(p->db, js_at(records, i), &is_new, &why) < 0 &&
		    leave_out(p, names->items[i], &why, err) < 0) {
			db_rollback(p->db);
			return -1;
		}
		p->nruns += is_new;
	}
	return db_commit(p->db, err);
}

struct fetched {
	char *name;
	struct digest id;
};

/* The objects of a group of records, in one commit of the store. Those that do not come are left out. */
static int fetch_records(struct pull *p, struct remote *remote, const struct strlist *names, size_t from, size_t to,
			 struct fetched *ret, size_t *ret_len, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	size_t n = 0;

	if (batch_open(p->store, &batch, err) < 0)
		return -1;
	for (size_t i = from; i < to; i++) {
		struct error why;
		uint64_t size;

		error_clear(&why);
		ret[n] = (struct fetched){ .name = names->items[i] };
		if (read_run_ref(remote, names->items[i], &ret[n].id, &why) < 0 ||
		    (!batch_has(batch, &ret[n].id) &&
		     remote->ops->get(remote, &ret[n].id, RECORD_MAX, batch, &size, &why) < 0)) {
			if (leave_out(p, names->items[i], &why, err) < 0)
				return -1;
			continue;
		}
		n++;
	}
	*ret_len = n;
	return batch_commit(batch, err);
}

static int take_group(struct pull *p, const struct fetched *items, size_t len, struct error *err)
{
	for (size_t i = 0; i < len;) {
		CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
		CLEANUP_JS struct js *records = js_array();
		uint64_t bytes = 0;

		for (; i < len && bytes < GROUP_BYTES; i++) {
			struct js *record = NULL;
			struct error why;

			error_clear(&why);
			if (read_record(p, items[i].name + strlen("runs/"), &items[i].id, &record, &bytes, &why) == 0) {
				js_push(records, record);
				strlist_push(&names, items[i].name);
			} else if (leave_out(p, items[i].name, &why, err) < 0) {
				return -1;
			}
		}
		if (import_records(p, &names, records, err) < 0)
			return -1;
	}
	return 0;
}

/* `names` are refs of runs that are not known here. */
static int take_records(struct pull *p, struct remote *remote, const struct strlist *names, struct error *err)
{
	CLEANUP(cleanup_free) struct fetched *items = xcalloc(GROUP, sizeof(*items));

	for (size_t i = 0; i < names->len; i += GROUP) {
		size_t end = i + GROUP < names->len ? i + GROUP : names->len, n;

		if (fetch_records(p, remote, names, i, end, items, &n, err) < 0 || take_group(p, items, n, err) < 0)
			return -1;
	}
	return 0;
}

static int take_run_name(void *ctx, const char *name)
{
	const char *id = name + strlen("runs/");

	if (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32)
		strlist_push(ctx, id);
	return 0;
}

/* Refs of runs whose id starts with `prefix` and that are not known here. */
static int list_unknown(struct pull *p, struct remote *remote, const char *prefix, struct strlist *ret, struct error *err)
{
	CLEANUP(strlist_release) struct strlist ids = STRLIST_INIT;

	if (remote->ops->ref_list(remote, "runs", take_run_name, &ids, err) < 0)
		return CANNOT_ASK;
	if (records_drop_known(p->db, &ids, err) < 0)
		return -1;
	strlist_sort(&ids);
	for (size_t i = 0; i < ids.len; i++)
		if (!strncmp(ids.items[i], prefix, strlen(prefix)))
			strlist_push_owned(ret, xasprintf("runs/%s", ids.items[i]));
	return 0;
}

static int pull_runs(struct pull *p, struct remote *remote, const char *prefix, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	int r = list_unknown(p, remote, prefix, &names, err);

	if (r != 0)
		return r;
	if (!p->dry)
		return take_records(p, remote, &names, err);
	p->nruns += (int64_t)names.len;
	return 0;
}

/* ---- results ---- */

struct result {
	struct digest key;
	struct cache_entry entry;
};

static int store_results(struct pull *p, struct result *results, size_t n, struct error *err)
{
	if (!n)
		return 0;
	if (db_begin(p->db, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (cache_store(p->db, &results[i].key, &results[i].entry, err) < 0) {
			db_rollback(p->db);
			return -1;
		}
	}
	p->nresults += (int64_t)n;
	return db_commit(p->db, err);
}

static int read_result(struct remote *remote, const char *name, struct result *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int r = get_ref(remote, name, &text, err);

	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "ref %s is gone", name);
	return cache_read(text.buf, text.len, &ret->key, &ret->entry, err);
}

static int take_results(struct pull *p, struct remote *remote, const struct strlist *names, struct result *results,
			struct error *err)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->len; i++) {
		struct error why;

		error_clear(&why);
		results[n] = (struct result){ .entry = { .created_ms = 0 } };
		if (!digest_parse(names->items[i] + strlen("cache/"), &results[n].key))
			continue;
		if (read_result(remote, names->items[i], &results[n], &why) == 0)
			n++;
		else
			r = leave_out(p, names->items[i], &why, err);
		if (r < 0 || n < GROUP)
			continue;
		r = store_results(p, results, n, err);
		while (n)
			cache_entry_release(&results[--n].entry);
	}
	if (r == 0)
		r = store_results(p, results, n, err);
	while (n)
		cache_entry_release(&results[--n].entry);
	return r;
}

static int take_known(void *ctx, const struct digest *key)
{
	struct pull *p = ctx;
	char hex[DIGEST_HEX + 1];

	strmap_set(&p->known, digest_format(key, hex), p);
	return 0;
}

struct unknown {
	struct pull *pull;
	struct strlist names;
};

static int take_cache_name(void *ctx, const char *name)
{
	struct unknown *u = ctx;
	struct digest key;

	if (digest_parse(name + strlen("cache/"), &key) && !strmap_has(&u->pull->known, name + strlen("cache/")))
		strlist_push(&u->names, name);
	return 0;
}

static int pull_results(struct pull *p, struct remote *remote, struct error *err)
{
	CLEANUP(cleanup_free) struct result *results = xcalloc(GROUP, sizeof(*results));
	struct unknown u = { p, STRLIST_INIT };
	int r = cache_each_key(p->db, take_known, p, err);

	if (r == 0 && remote->ops->ref_list(remote, "cache", take_cache_name, &u, err) < 0)
		r = CANNOT_ASK;
	strlist_sort(&u.names);
	if (r == 0 && p->dry)
		p->nresults += (int64_t)u.names.len;
	else if (r == 0)
		r = take_results(p, remote, &u.names, results, err);
	strlist_release(&u.names);
	return r;
}

/* ---- each remote ---- */

static void note_once(struct pull *p, const char *text)
{
	for (size_t i = 0; i < js_len(p->notes); i++)
		if (!strcmp(js_text(js_at(p->notes, i)), text))
			return;
	js_push_str(p->notes, text);
}

/* Returns 0, CANNOT_ASK, -1. */
typedef int ask(struct pull *, struct remote *, const char *text, struct error *);

/* 0, CANNOT_ASK, -1. Bytes of one that cannot be listed are asked for nevertheless. */
static int ask_one(struct pull *p, struct remote_place *place, ask *each, const char *text, struct error *err)
{
	struct remote *remote;
	int r;

	if (remotes_open(&p->remotes, place->name, false, &remote, err) < 0) {
		place->failed = true;
		return CANNOT_ASK;
	}
	r = each(p, remote, text, err);
	if (r == CANNOT_ASK)
		error_wrap(err, "remote %s", place->name);
	return r;
}

/* One that cannot be asked does not keep the others from answering, unless it is the last. */
static int each_remote(struct pull *p, ask *each, const char *text, struct error *err)
{
	struct error why, first;
	size_t asked = 0;

	error_clear(&first);
	for (size_t i = 0; i < p->remotes.len; i++) {
		struct remote_place *place = &p->remotes.places[i];
		int r;

		if (place->failed)
			continue;
		error_clear(&why);
		r = ask_one(p, place, each, text, &why);
		if (r < 0) {
			if (err)
				*err = why;
			return -1;
		}
		asked += r == 0;
		if (r == CANNOT_ASK) {
			note_once(p, why.msg);
			first = why;
		}
	}
	if (asked || !first.code)
		return 0;
	/* it is the error: not a note as well */
	js_free(p->notes);
	p->notes = js_array();
	p->remotes.ctx = p->notes;
	if (err)
		*err = first;
	return -1;
}

static int pull_facts(struct pull *p, struct remote *remote, const char *prefix, struct error *err)
{
	int r = pull_runs(p, remote, prefix, err);

	return r ? r : pull_results(p, remote, err);
}

/* 1 when the run or result of this ref is known here, 0, -1. */
static int is_here(struct pull *p, const char *ref, struct error *err)
{
	CLEANUP(strlist_release) struct strlist ids = STRLIST_INIT;

	if (strncmp(ref, "runs/", strlen("runs/")) != 0)
		return strmap_has(&p->known, ref + strlen("cache/"));
	strlist_push(&ids, ref + strlen("runs/"));
	return records_drop_known(p->db, &ids, err) < 0 ? -1 : !ids.len;
}

static void note_forgiven(struct pull *p, size_t n, const struct js *first)
{
	CLEANUP(cleanup_free) char *note = NULL;

	if (!n)
		return;
	note = xasprintf("%zu of one remote's runs and results %s damaged there and came from another; the first is %s: %s",
			 n, n == 1 ? "is" : "are", js_get_str(first, "name"), js_get_str(first, "message"));
	js_push_str(p->notes, note);
}

/* What one remote has damaged and another brought is told, and is no failure. */
static int forgive(struct pull *p, struct error *err)
{
	CLEANUP_JS struct js *all = steal(&p->failed);
	const struct js *first = NULL;
	size_t n = 0;

	p->failed = js_array();
	if (js_len(all) && cache_each_key(p->db, take_known, p, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(all); i++) {
		struct js *item = js_at(all, i);
		int r = is_here(p, js_get_str(item, "name"), err);

		if (r < 0)
			return -1;
		if (!r)
			js_push(p->failed, js_ref(item));
		else if (!n++)
			first = item;
	}
	note_forgiven(p, n, first);
	return 0;
}

/* ---- names ---- */

static int add_part(void *ctx, const struct content *content)
{
	add_content(ctx, content);
	return 0;
}

static int add_run(struct pull *p, const char *id, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	char top[33];

	if (record_top(p->db, id, top, err) < 0 || record_export(p->db, top, &record, err) < 0)
		return -1;
	return record_each_content(record, add_part, p, err);
}

static bool in_lock(struct pull *p, const struct snapshot *lock, const char *text)
{
	CLEANUP(cleanup_free) char *path = NULL;
	size_t before = p->len;

	if (data_path(p->ctx, text, &path, NULL) < 0)
		return false;
	for (size_t i = 0; i < lock->len; i++)
		if (path_contains(path, lock->items[i].path) || path_contains(lock->items[i].path, path))
			add_content(p, &lock->items[i].content);
	if (p->len == before)
		return false;
	js_push_str(p->paths, text);
	return true;
}

static int pull_name(struct pull *p, const struct snapshot *lock, const char *text, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot snap = SNAPSHOT_INIT;
	int64_t before = p->nruns;
	size_t len = strlen(text);

	if (in_lock(p, lock, text))
		return 0;
	/* a run that only a remote knows */
	if (len >= NAMED_PREFIX && len <= 32 && strspn(text, "0123456789abcdef") == len &&
	    each_remote(p, pull_runs, text, err) < 0)
		return -1;
	if (p->dry && p->nruns > before)
		return 0; /* what it names is known once it is here */
	if (snapshot_named(p->ctx, text, &snap, err) < 0)
		return -1;
	if (snap.run[0])
		return add_run(p, snap.run, err);
	for (size_t i = 0; i < snap.len; i++)
		add_content(p, &snap.items[i].content);
	return 0;
}

static int pull_names(struct pull *p, const struct js *names, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot lock = SNAPSHOT_INIT;

	if (snapshot_lock(p->ctx, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(names); i++)
		if (pull_name(p, &lock, js_text(js_at(names, i)), err) < 0)
			return -1;
	return 0;
}

static int pull_lock(struct pull *p, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot lock = SNAPSHOT_INIT;

	if (each_remote(p, pull_facts, "", err) < 0 || snapshot_lock(p->ctx, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < lock.len; i++)
		add_content(p, &lock.items[i].content);
	return 0;
}

/* ---- bytes ---- */

/* What no remote has is told by checkout, path by path; what is damaged there, here. */
static int pull_bytes(struct pull *p, bool places, struct error *err)
{
	struct error why;
	int r = remotes_bring(&p->bytes, &p->remotes, p->contents, p->len, &why, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (why.code == ERR_NOT_FOUND)
		error_help(&why, "ask who made it to run: mlops push");
	if (why.code == ERR_DAMAGED || !places)
		p->first = why;
	return 0;
}

/* Without the locks of this operation: checkout takes its own, in their order. */
static int place(struct pull *p, struct error *err)
{
	CLEANUP_JS struct js *args = js_object();
	struct error why;

	data_unlock(&p->locks);
	js_set(args, "paths", js_ref(p->paths));
	error_clear(&why);
	if (data_place(p->ctx, args, &p->placed, &why) == 0)
		return 0;
	if (!p->placed) {
		if (err)
			*err = why;
		return -1;
	}
	if (!p->first.code)
		p->first = why;
	return 0;
}

/* ---- the operation ---- */

static int pull_open(struct pull *p, const struct js *args, struct error *err)
{
	const char *name = js_get_str(args, "remote");
	struct op_context *ctx = p->ctx;
	struct remote *remote;

	p->dry = js_get_bool(args, "dry");
	if (remotes_load(ctx, p->notes, &p->remotes, err) < 0 || remotes_need(&p->remotes, err) < 0 ||
	    (name && remotes_choose(&p->remotes, name, false, &remote, err) < 0) ||
	    project_store(ctx->project, &p->store, err) < 0 || project_db(ctx->project, &p->db, err) < 0)
		return -1;
	if (name)
		remotes_keep_only(&p->remotes, name);
	p->bytes = (struct transfer){ .store = p->store, .progress = ctx->progress, .dry = p->dry };
	return data_lock_store(ctx, &p->locks, err);
}

/* "team, backup": those that answered. */
static void set_remotes(struct pull *p, struct js *result)
{
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT, urls = STRBUF_INIT;

	for (size_t i = 0; i < p->remotes.len; i++) {
		const struct remote_place *at = &p->remotes.places[i];

		if (at->failed)
			continue;
		strbuf_printf(&names, "%s%s", names.len ? ", " : "", at->name);
		strbuf_printf(&urls, "%s%s", urls.len ? ", " : "", at->url);
	}
	js_set_str(result, "remote", names.buf);
	js_set_str(result, "url", urls.buf);
}

static void take_member(struct js *result, const struct js *placed, const char *key)
{
	struct js *value = js_get(placed, key);

	if (value)
		js_set(result, key, js_ref(value));
}

static void set_damaged(struct pull *p, struct js *result)
{
	struct js *some = js_array();

	for (size_t i = 0; i < js_len(p->failed) && i < DAMAGED_MAX; i++)
		js_push(some, js_ref(js_at(p->failed, i)));
	js_set(result, "damaged", some);
	js_set_int(result, "damaged_total", (int64_t)js_len(p->failed));
}

static struct js *pull_result(struct pull *p)
{
	static const char *const members[] = { "paths", "files_written", "files_removed", "files_kept" };
	const struct js *unplaced = js_get(p->placed, "failed"), *more = js_get(p->placed, "notes");
	struct js *result = js_object();

	set_remotes(p, result);
	js_set_int(result, "objects", (int64_t)p->bytes.objects);
	js_set_int(result, "bytes", (int64_t)p->bytes.bytes);
	js_set_int(result, "present", (int64_t)p->bytes.present);
	js_set_int(result, "runs", p->nruns);
	js_set_int(result, "results", p->nresults);
	js_set_bool(result, "dry", p->dry);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		take_member(result, p->placed, members[i]);
	js_set(result, "failed", unplaced ? js_ref(js_get(p->placed, "failed")) : js_array());
	for (size_t i = 0; i < js_len(more); i++)
		note_once(p, js_text(js_at(more, i)));
	set_damaged(p, result);
	js_set(result, "notes", steal(&p->notes));
	return result;
}

/* Damage of the remote goes before what could not be placed. */
static int verdict(struct pull *p, struct error *err)
{
	size_t n = js_len(p->failed);

	if (n) {
		const struct js *item = js_at(p->failed, 0);

		error_set(err, ERR_DAMAGED, "%zu of the remote's runs and results %s left out; the first is %s: %s", n,
			  n == 1 ? "was" : "were", js_get_str(item, "name"), js_get_str(item, "message"));
		return error_help(err, "who has them repairs the remote with: mlops push --verify");
	}
	if (!p->first.code)
		return 0;
	if (p->first.code == ERR_DAMAGED && !*p->first.help)
		error_help(&p->first, "who has it repairs the remote with: mlops push --verify");
	if (err)
		*err = p->first;
	return -1;
}

/*
 * data.pull {names[], remote, dry} -> {remote, url, objects, bytes, present, runs, results, dry, damaged: [{name,
 *     message}] (at most 10), damaged_total, notes[]}, and of checkout {paths[], failed[], files_written,
 *     files_removed, files_kept}; with an error when `damaged` or `failed` is not empty.
 * Without names: all runs and results, and what mlops.lock names, to its place.
 */
int op_pull(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(pull_release)
	struct pull p = {
		.ctx = ctx,
		.locks = DATA_LOCKS_INIT,
		.failed = js_array(),
		.notes = js_array(),
		.paths = js_array(),
	};
	const struct js *names = js_get(args, "names");
	bool places;
	int r;

	if (pull_open(&p, args, err) < 0)
		return -1;
	r = js_len(names) ? pull_names(&p, names, err) : pull_lock(&p, err);
	if (r < 0 || forgive(&p, err) < 0)
		return -1;
	places = !p.dry && (!js_len(names) || js_len(p.paths));
	if (pull_bytes(&p, places, err) < 0 || (places && place(&p, err) < 0) || (!p.dry && forget_tell_left(ctx, err) < 0))
		return -1;
	r = verdict(&p, err);
	*ret_result = pull_result(&p);
	return r;
}
