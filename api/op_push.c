/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push: bytes first, then what names them. A run is an object with its record and the ref runs/ID
 * that names the object; a result of the cache is the ref cache/KEY. Whatever kills it, the remote
 * holds whole objects and refs to objects that are there; the next push goes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/data.h"
#include "api/forget.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "api/snapshot.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/artifacts.h"
#include "registry/cache.h"
#include "registry/files.h"
#include "registry/project.h"
#include "registry/records.h"
#include "store/store.h"
#include "store/tombstone.h"
#include "store/tree.h"

#define RECORD_GROUP 256 /* records made durable together */
#define REF_GROUP    4096
#define MISSING_MAX  10 /* facts listed that could not be pushed; all are counted */

struct parcel {
	struct content content;
	char *what; /* "output model.pkl of run 0123abcd", or the path */
	bool must;  /* mlops.lock or the user names it */
	bool gone;  /* not to be sent: nobody here has it */
};
struct push {
	struct op_context *ctx;
	struct remotes remotes;
	struct remote *remote;
	struct data_locks locks;
	struct store *store;
	struct db *db;
	struct parcel *parcels;
	size_t len, cap;
	struct strmap known;   /* content text of each parcel -> its index + 1 */
	struct strlist runs;   /* to be pushed if the remote lacks them */
	struct strlist refs;   /* names of refs that are there, sorted */
	struct transfer bytes, records;
	int64_t nruns, nresults, nmissing;
	struct js *missing, *notes;
	bool named, verify, dry;
};

static void push_release(struct push *p)
{
	for (size_t i = 0; i < p->len; i++)
		free(p->parcels[i].what);
	free(p->parcels);
	strmap_release(&p->known);
	strlist_release(&p->runs);
	strlist_release(&p->refs);
	remotes_release(&p->remotes);
	data_unlock(&p->locks);
	js_free(p->missing);
	js_free(p->notes);
}

/* ---- what to send ---- */

static void add_parcel(struct push *p, const struct content *content, const char *what, bool must)
{
	char text[CONTENT_TEXT];
	size_t index = (size_t)(uintptr_t)strmap_get(&p->known, content_format(content, text));

	if (content->kind == CONTENT_ABSENT)
		return;
	if (index) {
		p->parcels[index - 1].must |= must;
		return;
	}
	GROW(p->parcels, p->len, p->cap);
	p->parcels[p->len++] = (struct parcel){ *content, xstrdup(what), must, false };
	strmap_set(&p->known, text, (void *)(uintptr_t)p->len);
}

static void add_items(struct push *p, const struct snapshot *snap)
{
	for (size_t i = 0; i < snap->len; i++)
		add_parcel(p, &snap->items[i].content, *snap->items[i].path ? snap->items[i].path : snap->label, true);
}

/* What others made is theirs to send, unless it came here. */
static int add_fact(void *ctx, const struct content *content, const char *what, bool elsewhere)
{
	struct push *p = ctx;

	if (!elsewhere || store_has(p->store, &content->id))
		add_parcel(p, content, what, false);
	return 0;
}

static int gather_all(struct push *p, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot lock = SNAPSHOT_INIT;

	if (snapshot_lock(p->ctx, &lock, err) < 0)
		return -1;
	add_items(p, &lock);
	return artifact_each_content(p->db, add_fact, p, err) < 0 ? -1 : records_runs(p->db, &p->runs, err);
}

struct run_parts {
	struct push *push;
	char what[32];
};

static int add_run_part(void *ctx, const struct content *content)
{
	struct run_parts *parts = ctx;

	add_parcel(parts->push, content, parts->what, false);
	return 0;
}

static int gather_run(struct push *p, const char *id, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	struct run_parts parts = { p, "" };
	char top[33];

	if (record_top(p->db, id, top, err) < 0 || record_export(p->db, top, &record, err) < 0)
		return -1;
	snprintf(parts.what, sizeof(parts.what), "a file of run %.8s", top);
	strlist_push(&p->runs, top);
	return record_each_content(record, add_run_part, &parts, err);
}

/* What a user types: first a path of mlops.lock, as checkout takes it. */
static int gather_named(struct push *p, const struct snapshot *lock, const char *text, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot snap = SNAPSHOT_INIT;
	CLEANUP(cleanup_free) char *path = NULL;
	size_t before = p->len;

	if (data_path(p->ctx, text, &path, NULL) == 0)
		for (size_t i = 0; i < lock->len; i++)
			if (path_contains(path, lock->items[i].path) || path_contains(lock->items[i].path, path))
				add_parcel(p, &lock->items[i].content, lock->items[i].path, true);
	if (p->len > before)
		return 0;
	if (snapshot_named(p->ctx, text, &snap, err) < 0)
		return -1;
	if (snap.run[0])
		return gather_run(p, snap.run, err);
	add_items(p, &snap);
	return 0;
}

static int gather_names(struct push *p, const struct js *names, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot lock = SNAPSHOT_INIT;

	if (snapshot_lock(p->ctx, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(names); i++)
		if (gather_named(p, &lock, js_text(js_at(names, i)), err) < 0)
			return -1;
	strlist_sort(&p->runs);
	strlist_uniq(&p->runs);
	return 0;
}

/* ---- what cannot be sent ---- */

static int lacks(struct push *p, struct parcel *parcel, const char *inside, struct error *err)
{
	parcel->gone = true;
	if (parcel->must) {
		error_set(err, ERR_NOT_FOUND, "%s%s%s: neither this store nor remote %s has its bytes", parcel->what,
			  *inside ? "/" : "", inside, p->remote->name);
		return error_help(err, "make outputs anew with: mlops run --force; bring data back with: mlops add, or "
				       "mlops pull from where it is");
	}
	p->nmissing++;
	if (js_len(p->missing) < MISSING_MAX)
		js_push_str(p->missing, parcel->what);
	return 0;
}

/* What is not here may be there already. */
static int drop_absent(struct push *p, struct error *err)
{
	CLEANUP(cleanup_free) struct digest *ids = xcalloc(p->len + 1, sizeof(*ids));
	CLEANUP(cleanup_free) struct parcel **absent = xcalloc(p->len + 1, sizeof(struct parcel *));
	CLEANUP(cleanup_free) bool *there = xcalloc(p->len + 1, sizeof(*there));
	size_t n = 0;

	for (size_t i = 0; i < p->len; i++) {
		if (store_has(p->store, &p->parcels[i].content.id))
			continue;
		if (tombstone_find(p->store, &p->parcels[i].content.id, NULL)) {
			p->parcels[i].gone = true;
			continue;
		}
		absent[n] = &p->parcels[i];
		ids[n++] = p->parcels[i].content.id;
	}
	if (n && p->remote->ops->has(p->remote, ids, n, there, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		absent[i]->gone = true;
		if (!there[i] && lacks(p, absent[i], "", err) < 0)
			return -1;
	}
	return 0;
}

/* The first part of a tree that neither side has: 1, or 0 when there is none. */
static int find_hole(struct push *p, const struct content *content, char **ret_path, struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct error why;

	if (tree_read(p->store, &content->id, &tree, &why) < 0) {
		*ret_path = xstrdup("");
		return 1;
	}
	for (size_t i = 0; i < tree.len; i++) {
		bool there = false;

		if (tree.entries[i].kind == ENTRY_LINK || store_has(p->store, &tree.entries[i].id) ||
		    tombstone_find(p->store, &tree.entries[i].id, NULL))
			continue;
		if (p->remote->ops->has(p->remote, &tree.entries[i].id, 1, &there, err) < 0)
			return -1;
		if (there)
			continue;
		*ret_path = xstrdup(tree.entries[i].path);
		return 1;
	}
	return 0;
}

/* Looked for only when sending has met one: reading every tree costs. */
static int drop_holed(struct push *p, struct error *err)
{
	size_t before = p->len, n = 0;

	for (size_t i = 0; i < before; i++) {
		struct parcel *parcel = &p->parcels[i];
		CLEANUP(cleanup_free) char *inside = NULL;
		int r;

		if (parcel->gone || parcel->content.kind != CONTENT_TREE)
			continue;
		r = find_hole(p, &parcel->content, &inside, err);
		if (r < 0 || (r > 0 && lacks(p, parcel, inside, err) < 0))
			return -1;
		n += r > 0;
	}
	return n ? 0 : -1;
}

/* ---- bytes ---- */

static int send_parcels(struct push *p, struct error *err)
{
	CLEANUP(cleanup_free) struct content *contents = xcalloc(p->len + 1, sizeof(*contents));
	size_t n = 0;

	for (size_t i = 0; i < p->len; i++)
		if (!p->parcels[i].gone)
			contents[n++] = p->parcels[i].content;
	return transfer_push(&p->bytes, p->remote, contents, n, err);
}

static int push_bytes(struct push *p, struct error *err)
{
	struct error first, *why = err ? err : &first;

	error_clear(why);
	if (drop_absent(p, why) < 0)
		return -1;
	if (send_parcels(p, why) == 0)
		return 0;
	if (why->code != ERR_NOT_FOUND)
		return -1;
	first = *why;
	if (drop_holed(p, &first) < 0) {
		*why = first;
		return -1;
	}
	/* what was sent is not "there already" */
	p->bytes.present = 0;
	return send_parcels(p, why);
}

/* ---- refs ---- */

static int take_ref(void *ctx, const char *name)
{
	strlist_push(ctx, name);
	return 0;
}

static int list_refs(struct push *p, const char *kind, struct error *err)
{
	strlist_release(&p->refs);
	p->refs = (struct strlist)STRLIST_INIT;
	if (p->remote->ops->ref_list(p->remote, kind, take_ref, &p->refs, err) < 0)
		return -1;
	strlist_sort(&p->refs);
	return 0;
}

struct record_group {
	char names[RECORD_GROUP][48]; /* of refs */
	struct content contents[RECORD_GROUP];
	bool is_new[RECORD_GROUP];
	size_t len;
	uint64_t bytes;
};

/* 1 when the remote's object is a good record of this run, 0, -1: trouble of this machine. */
static int is_record(struct push *p, struct store_batch *batch, const char *run_id, const struct digest *id,
		     struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *record = NULL;
	uint64_t size;

	if (p->remote->ops->verify(p->remote, id, NULL) < 0)
		return 0;
	if (!store_has(p->store, id)) {
		/* a dry one writes nothing, not even here */
		if (p->dry)
			return 1;
		if (p->remote->ops->get(p->remote, id, RECORD_MAX, batch, &size, NULL) < 0)
			return 0;
		if (batch_commit(batch, err) < 0)
			return -1;
	}
	return store_read(p->store, id, RECORD_MAX, &text, NULL) == 0 &&
	       record_read(text.buf, text.len, run_id, &record, NULL) == 0;
}

/* 1 when the ref that stands there is as good as ours: equal, or it names a good record of its own; 0, -1. */
static int is_run_ref(struct push *p, struct store_batch *batch, const char *name, const char *ours, struct error *err)
{
	CLEANUP_STRBUF struct strbuf old = STRBUF_INIT;
	struct digest other;

	if (p->remote->ops->ref_get(p->remote, name, &old, NULL) != 1)
		return 0;
	if (!strcmp(old.buf, ours))
		return 1;
	if (old.len != DIGEST_HEX + 1 || old.buf[DIGEST_HEX] != '\n')
		return 0;
	old.buf[DIGEST_HEX] = '\0';
	return digest_parse(old.buf, &other) ? is_record(p, batch, name + strlen("runs/"), &other, err) : 0;
}

/* 0; 1: the remote takes none of which it lacks objects, which nobody here has either. That was told with them. */
static int put_ref(struct push *p, const char *name, const char *text, size_t len, struct error *err)
{
	struct error why = { 0 };

	if (p->remote->ops->ref_put(p->remote, name, text, len, &why) == 0)
		return 0;
	if (why.code == ERR_CONFLICT && p->nmissing)
		return 1;
	if (err)
		*err = why;
	return -1;
}

static int put_run_ref(struct push *p, struct store_batch *batch, const char *name, const struct digest *id, bool is_new,
		       struct error *err)
{
	char text[DIGEST_HEX + 2];
	int r;

	digest_format(id, text);
	memcpy(text + DIGEST_HEX, "\n", 2);
	r = is_new ? 0 : is_run_ref(p, batch, name, text, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	r = p->dry ? 0 : put_ref(p, name, text, DIGEST_HEX + 1, err);
	if (r < 0)
		return -1;
	p->nruns += is_new && r == 0;
	p->records.replaced += !is_new && r == 0;
	return 0;
}

static int flush_records(struct push *p, struct store_batch *batch, struct record_group *g, struct error *err)
{
	if (!g->len)
		return 0;
	if (!p->dry && (batch_commit(batch, err) < 0 ||
			transfer_push(&p->records, p->remote, g->contents, g->len, err) < 0))
		return -1;
	for (size_t i = 0; i < g->len; i++)
		if (put_run_ref(p, batch, g->names[i], &g->contents[i].id, g->is_new[i], err) < 0)
			return -1;
	g->len = 0;
	g->bytes = 0;
	return p->dry ? 0 : p->remote->ops->commit(p->remote, err);
}

static int add_record(struct push *p, struct store_batch *batch, struct record_group *g, const char *id, bool is_new,
		      struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct content *content = &g->contents[g->len];

	if (record_export(p->db, id, &record, err) < 0)
		return -1;
	js_dump(record, JS_CANONICAL, &text);
	if (text.len > RECORD_MAX) {
		CLEANUP(cleanup_free) char *note = xasprintf("run %.8s is too big for a record and stays here", id);

		js_push_str(p->notes, note);
		return 0;
	}
	*content = (struct content){ .kind = CONTENT_FILE, .size = text.len, .files = 1 };
	digest_of(text.buf, text.len, &content->id);
	if (!p->dry && batch_add_bytes(batch, text.buf, text.len, &content->id, err) < 0)
		return -1;
	snprintf(g->names[g->len], sizeof(g->names[0]), "runs/%s", id);
	g->is_new[g->len++] = is_new;
	g->bytes += text.len;
	return 0;
}

static int push_runs(struct push *p, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP(cleanup_free) struct record_group *g = xcalloc(1, sizeof(*g));

	if (!p->runs.len)
		return 0;
	if (list_refs(p, "runs", err) < 0 || batch_open(p->store, &batch, err) < 0)
		return -1;
	for (size_t i = 0; i < p->runs.len; i++) {
		CLEANUP(cleanup_free) char *name = xasprintf("runs/%s", p->runs.items[i]);
		bool is_new = !strlist_has_sorted(&p->refs, name);

		if (!is_new && !p->verify)
			continue;
		if (add_record(p, batch, g, p->runs.items[i], is_new, err) < 0)
			return -1;
		if ((g->len == RECORD_GROUP || g->bytes > RECORD_MAX) && flush_records(p, batch, g, err) < 0)
			return -1;
	}
	return flush_records(p, batch, g, err);
}

static int take_key(void *ctx, const struct digest *key)
{
	char hex[DIGEST_HEX + 1];

	strlist_push(ctx, digest_format(key, hex));
	return 0;
}

/* 1, 0, -1. A result without its bytes helps nobody. */
static int is_usable(struct push *p, const struct cache_entry *entry, struct error *err)
{
	for (size_t i = 0; i < entry->noutputs; i++) {
		const struct digest *id = &entry->outputs[i].content.id;
		char text[CONTENT_TEXT];
		size_t index = (size_t)(uintptr_t)strmap_get(&p->known,
							     content_format(&entry->outputs[i].content, text));
		bool there = index && !p->parcels[index - 1].gone;

		if (!there && p->remote->ops->has(p->remote, id, 1, &there, err) < 0)
			return -1;
		if (!there)
			return 0;
	}
	return 1;
}

/* 1 when the result that stands there is one, of this key, with its bytes; 0, -1. */
static int is_result(struct push *p, const char *name, const struct digest *key, struct error *err)
{
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (p->remote->ops->ref_get(p->remote, name, &text, NULL) != 1 ||
	    cache_read(text.buf, text.len, key, &entry, NULL) < 0)
		return 0;
	return is_usable(p, &entry, err);
}

static int push_result(struct push *p, const char *hex, struct error *err)
{
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	CLEANUP(cleanup_free) char *name = xasprintf("cache/%s", hex);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;
	bool is_new = !strlist_has_sorted(&p->refs, name);
	struct digest key;
	int r;

	if (!digest_parse(hex, &key) || (!is_new && !p->verify))
		return 0;
	r = is_new ? 0 : is_result(p, name, &key, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	r = cache_find(p->db, &key, &entry, err);
	/* What a person accepted for this key goes with mlops.lock, where it is seen; no run made it. */
	if (r > 0)
		r = entry.accepted ? 0 : is_usable(p, &entry, err);
	if (r <= 0)
		return r;
	if (cache_export(p->db, &key, &json, err) < 0)
		return -1;
	js_dump(json, JS_CANONICAL, &text);
	if (text.len > REMOTE_REF_MAX)
		return 0;
	p->nresults += is_new;
	p->records.replaced += !is_new;
	return p->dry ? 0 : p->remote->ops->ref_put(p->remote, name, text.buf, text.len, err);
}

static int push_results(struct push *p, struct error *err)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;

	if (cache_each_key(p->db, take_key, &keys, err) < 0 || list_refs(p, "cache", err) < 0)
		return -1;
	for (size_t i = 0; i < keys.len; i++) {
		if (push_result(p, keys.items[i], err) < 0)
			return -1;
		if (!p->dry && i % REF_GROUP == REF_GROUP - 1 && p->remote->ops->commit(p->remote, err) < 0)
			return -1;
	}
	return p->dry ? 0 : p->remote->ops->commit(p->remote, err);
}

/* ---- the operation ---- */

static struct js *push_result_json(struct push *p)
{
	struct js *result = js_object();

	js_set_str(result, "remote", p->remote->name);
	js_set_str(result, "url", p->remote->url);
	js_set_int(result, "objects", (int64_t)p->bytes.objects);
	js_set_int(result, "bytes", (int64_t)p->bytes.bytes);
	js_set_int(result, "present", (int64_t)p->bytes.present);
	js_set_int(result, "replaced", (int64_t)(p->bytes.replaced + p->records.replaced));
	js_set_int(result, "runs", p->nruns);
	js_set_int(result, "results", p->nresults);
	js_set_bool(result, "dry", p->dry);
	js_set(result, "missing", steal(&p->missing));
	js_set_int(result, "missing_total", p->nmissing);
	js_set(result, "notes", steal(&p->notes));
	return result;
}

static int push_open(struct push *p, const struct js *args, struct error *err)
{
	struct op_context *ctx = p->ctx;
	bool left;

	p->dry = js_get_bool(args, "dry");
	p->verify = js_get_bool(args, "verify");
	p->named = js_len(js_get(args, "names")) > 0;
	if (remotes_load(ctx, p->notes, &p->remotes, err) < 0 ||
	    remotes_choose(&p->remotes, js_get_str(args, "remote"), js_get_bool(args, "init") && !p->dry, &p->remote,
			   err) < 0 ||
	    project_store(ctx->project, &p->store, err) < 0 || project_db(ctx->project, &p->db, err) < 0)
		return -1;
	p->bytes = p->records = (struct transfer){
		.store = p->store,
		.progress = ctx->progress,
		.dry = p->dry,
		.verify = p->verify,
	};
	return (!p->dry && files_seal(ctx->project, &left, err) < 0) ? -1 : data_lock_store(ctx, &p->locks, err);
}

/* All else was sent. */
static int say_refused(const struct push *p, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	if (!p->bytes.refused)
		return 0;
	digest_format(&p->bytes.first_refused, hex);
	error_set(err, ERR_DENIED, "%llu object%s not sent: remote %s does not take %s again, which was forgotten on %s: %s",
		  (unsigned long long)p->bytes.refused, p->bytes.refused == 1 ? " was" : "s were", p->remote->name, hex,
		  p->bytes.refusal.date, p->bytes.refusal.reason);
	return error_help(err, "it is to go here, too: mlops forget sha256:%.12s --reason TEXT", hex);
}

/*
 * data.push {names[], remote, init, verify, dry} -> {remote, url, objects, bytes, present, replaced, runs, results,
 *     dry, missing[] (at most 10), missing_total, notes[]}
 * Without names: what mlops.lock and all facts name, the runs that ended, the results of the cache.
 */
int op_push(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(push_release)
	struct push p = {
		.ctx = ctx,
		.locks = DATA_LOCKS_INIT,
		.missing = js_array(),
		.notes = js_array(),
	};

	if (push_open(&p, args, err) < 0)
		return -1;
	if ((p.named ? gather_names(&p, js_get(args, "names"), err) : gather_all(&p, err)) < 0 ||
	    push_bytes(&p, err) < 0 || push_runs(&p, err) < 0 || (!p.named && push_results(&p, err) < 0))
		return -1;
	*ret_result = push_result_json(&p);
	return forget_tell_left(ctx, err) < 0 ? -1 : say_refused(&p, err);
}
