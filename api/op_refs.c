/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry as refs of a remote (store/remote.h): a run is an object with its record and the ref runs/ID that names
 * it, a result of the cache is the ref cache/KEY, the newest version of data is data/NAME (api/send.h). A ref that comes is believed as little as one that is pulled, and is
 * taken only when all that it names is stored.
 */
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/send.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/artifacts.h"
#include "registry/cache.h"
#include "registry/events.h"
#include "registry/project.h"
#include "registry/records.h"
#include "store/store.h"
#include "store/tombstone.h"
#include "store/tree.h"

#define MAX_PAGE 100000

/* Of one request. */
struct refs {
	struct op_context *ctx;
	const char *name;
	struct store *store;
	struct db *db;
	struct data_locks locks;
};

static void refs_release(struct refs *r)
{
	data_unlock(&r->locks);
}

/* ---- what must be stored ---- */

static int lacks(const struct digest *id, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	return error_set(err, ERR_CONFLICT, "object %s is not stored here; it must come first", digest_format(id, hex));
}

/* With all that a tree lists, and all of it durable; less what was forgotten. */
static int check_content(void *ctx, const struct content *content, struct error *err)
{
	struct store *store = ctx;
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	CLEANUP(cleanup_free) struct digest *ids = NULL;
	CLEANUP(cleanup_free) bool *has = NULL;
	size_t n = 0;

	if (!store_has(store, &content->id))
		return tombstone_find(store, &content->id, NULL) ? 0 : lacks(&content->id, err);
	if (content->kind == CONTENT_TREE && tree_read(store, &content->id, &tree, err) < 0)
		return -1;
	ids = xcalloc(tree.len + 1, sizeof(*ids));
	has = xcalloc(tree.len + 1, sizeof(*has));
	ids[n++] = content->id;
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK)
			ids[n++] = tree.entries[i].id;
	if (store_has_durable(store, ids, n, has, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!has[i] && !tombstone_find(store, &ids[i], NULL))
			return lacks(&ids[i], err);
	return 0;
}

struct check {
	struct store *store;
	struct error *err;
};

static int check_part(void *ctx, const struct content *content)
{
	const struct check *check = ctx;

	return check_content(check->store, content, check->err);
}

/* What is no record is the fault of who sent it. */
static int refuse(const struct refs *r, struct error *err)
{
	if (err && err->code == ERR_DAMAGED)
		err->code = ERR_USAGE;
	return error_wrap(err, "%s", r->name);
}

/* ---- runs ---- */

static int list_runs(struct refs *r, struct strlist *ret, struct error *err)
{
	return records_runs(r->db, ret, err);
}

/* Its record becomes an object, so that it can be fetched as one. */
static int get_run(struct refs *r, char **ret_text, struct error *err)
{
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *record = NULL;
	char hex[DIGEST_HEX + 1];
	struct digest id;

	if (record_export(r->db, r->name, &record, err) < 0)
		return -1;
	js_dump(record, JS_CANONICAL, &text);
	if (text.len > RECORD_MAX)
		return error_set(err, ERR_USAGE, "run %s is too big for a record", r->name);
	if (batch_open(r->store, &batch, err) < 0 || batch_add_bytes(batch, text.buf, text.len, &id, err) < 0 ||
	    batch_commit(batch, err) < 0)
		return -1;
	*ret_text = xasprintf("%s\n", digest_format(&id, hex));
	return 0;
}

/* Runs and results of others come with the name of who sent them. */
static int tell(struct refs *r, const char *operation, struct error *err)
{
	const struct event event = {
		.actor = op_actor(r->ctx), .origin = r->ctx->origin, .operation = operation, .subject = r->name,
	};

	return event_append(r->db, &event, clock_wall_ms(), NULL, err);
}

static int import(struct refs *r, const struct js *record, struct error *err)
{
	bool is_new = false;

	if (db_begin(r->db, err) < 0)
		return -1;
	if (record_import(r->db, record, &is_new, err) < 0 || (is_new && tell(r, "run.import", err) < 0)) {
		db_rollback(r->db);
		return -1;
	}
	return db_commit(r->db, err);
}

static int put_run(struct refs *r, const char *text, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	CLEANUP_JS struct js *record = NULL;
	struct check check = { r->store, err };
	CLEANUP(cleanup_free) char *hex = xstrndup(text, DIGEST_HEX);
	struct digest id;

	if (strcmp(text + strlen(hex), "\n") != 0 || !digest_parse(hex, &id))
		return error_set(err, ERR_USAGE, "ref runs/%s names no object", r->name);
	if (!store_has(r->store, &id))
		return lacks(&id, err);
	if (store_read(r->store, &id, RECORD_MAX, &bytes, err) < 0 ||
	    record_read(bytes.buf, bytes.len, r->name, &record, err) < 0)
		return refuse(r, err);
	return record_each_content(record, check_part, &check, err) < 0 ? -1 : import(r, record, err);
}

/* ---- results ---- */

static int take_key(void *ctx, const struct digest *key)
{
	char hex[DIGEST_HEX + 1];

	strlist_push(ctx, digest_format(key, hex));
	return 0;
}

static int list_results(struct refs *r, struct strlist *ret, struct error *err)
{
	return cache_each_key(r->db, take_key, ret, err);
}

static int read_key(const struct refs *r, struct digest *ret, struct error *err)
{
	return digest_parse(r->name, ret) ? 0 : error_set(err, ERR_NOT_FOUND, "cache/%s is no step key", r->name);
}

static int get_result(struct refs *r, char **ret_text, struct error *err)
{
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;
	struct digest key;
	int found;

	if (read_key(r, &key, err) < 0)
		return -1;
	found = cache_find(r->db, &key, &entry, err);
	if (found <= 0)
		return found < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "no result of step key %s", r->name);
	if (cache_export(r->db, &key, &json, err) < 0)
		return -1;
	js_dump(json, JS_CANONICAL, &text);
	*ret_text = strbuf_detach(&text);
	return 0;
}

static int keep_result(struct refs *r, const struct digest *key, const struct cache_entry *entry, struct error *err)
{
	struct cache_entry old CLEANUP(cache_entry_release) = { .created_ms = 0 };
	int known;

	if (db_begin(r->db, err) < 0)
		return -1;
	/* What is known here is as good. */
	known = cache_find(r->db, key, &old, err);
	if (known < 0 || (!known && (cache_store(r->db, key, entry, err) < 0 || tell(r, "cache.import", err) < 0))) {
		db_rollback(r->db);
		return -1;
	}
	return db_commit(r->db, err);
}

static int put_result(struct refs *r, const char *text, struct error *err)
{
	struct cache_entry entry CLEANUP(cache_entry_release) = { .created_ms = 0 };
	struct digest key;

	if (read_key(r, &key, err) < 0)
		return -1;
	if (cache_read(text, strlen(text), &key, &entry, err) < 0)
		return refuse(r, err);
	for (size_t i = 0; i < entry.noutputs; i++)
		if (check_content(r->store, &entry.outputs[i].content, err) < 0)
			return -1;
	return keep_result(r, &key, &entry, err);
}

/* ---- data ---- */

/* Calls with each artifact that is kept, until one returns true. */
static int find_data(struct refs *r, bool (*each)(void *ctx, const char *name, const struct js *artifact), void *ctx,
		     struct error *err)
{
	CLEANUP_JS struct js *list = NULL;
	char name[DIGEST_HEX + 1];

	if (artifact_list(r->db, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++) {
		data_ref_name(js_get_str(js_at(list, i), "name"), name);
		if (each(ctx, name, js_at(list, i)))
			break;
	}
	return 0;
}

static bool take_name(void *ctx, const char *name, const struct js *artifact)
{
	(void)artifact;
	strlist_push(ctx, name);
	return false;
}

static int list_data(struct refs *r, struct strlist *ret, struct error *err)
{
	return find_data(r, take_name, ret, err);
}

struct wanted_data {
	const char *name;
	char *text;
};

static bool take_newest(void *ctx, const char *name, const struct js *artifact)
{
	const char *value = js_get_str(js_get(artifact, "latest"), "content");
	struct wanted_data *wanted = ctx;
	struct content content;

	if (strcmp(name, wanted->name) != 0 || !value || !content_parse(value, &content))
		return false;
	wanted->text = data_ref_text(js_get_str(artifact, "name"), &content);
	return true;
}

static int get_data(struct refs *r, char **ret_text, struct error *err)
{
	struct wanted_data wanted = { r->name, NULL };

	if (find_data(r, take_newest, &wanted, err) < 0)
		return -1;
	if (!wanted.text)
		return error_set(err, ERR_NOT_FOUND, "no data of the name %s", r->name);
	*ret_text = wanted.text;
	return 0;
}

/* What a sender says of sizes is not asked. */
static int measure(struct store *store, struct content *content, struct error *err)
{
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	content->files = 1;
	if (content->kind != CONTENT_TREE) {
		fd = store_open_object(store, &content->id, &content->size, err);
		return fd < 0 ? -1 : 0;
	}
	if (tree_read(store, &content->id, &tree, err) < 0)
		return -1;
	content->files = tree.len;
	content->size = tree.bytes;
	return 0;
}

static int keep_data(struct refs *r, const char *path, const struct content *content, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	char text[CONTENT_TEXT];
	const struct event event = {
		.actor = op_actor(r->ctx),
		.origin = r->ctx->origin,
		.operation = "data.add",
		.subject = path,
		.after = content_format(content, text),
		.body = body,
	};
	int64_t version, now = clock_wall_ms();
	bool is_new;

	if (artifact_record(r->db, path, content, NULL, op_actor(r->ctx), now, &version, &is_new, err) < 0)
		return -1;
	if (!is_new)
		return 0;
	js_set_int(body, "version", version);
	js_set_int(body, "files", (int64_t)content->files);
	js_set_int(body, "size", (int64_t)content->size);
	return event_append(r->db, &event, now, NULL, err);
}

static int put_data(struct refs *r, const char *text, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct content content;

	if (data_ref_read(r->name, text, &path, &content, err) < 0)
		return -1;
	if (check_content(r->store, &content, err) < 0 || measure(r->store, &content, err) < 0)
		return refuse(r, err);
	if (db_begin(r->db, err) < 0)
		return -1;
	if (keep_data(r, path, &content, err) < 0) {
		db_rollback(r->db);
		return -1;
	}
	return db_commit(r->db, err);
}

/* ---- the operations ---- */

static const struct kind {
	const char *name;
	int (*list)(struct refs *, struct strlist *ret, struct error *);
	int (*get)(struct refs *, char **ret_text, struct error *);
	int (*put)(struct refs *, const char *text, struct error *);
} kinds[] = {
	{ "runs", list_runs, get_run, put_run },
	{ "cache", list_results, get_result, put_result },
	{ "data", list_data, get_data, put_data },
};

static int refs_open(struct refs *r, const struct js *args, const struct kind **ret, struct error *err)
{
	const char *name = js_get_str(args, "kind");

	r->name = js_get_str(args, "name");
	*ret = NULL;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			*ret = &kinds[i];
	if (!*ret)
		return error_set(err, ERR_NOT_FOUND, "there are no refs '%s'", name);
	return project_db(r->ctx->project, &r->db, err) < 0 ? -1 : project_store(r->ctx->project, &r->store, err);
}

/* ref.list {kind, max_results, page_token} -> {names[], next_page_token} */
int op_ref_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(refs_release) struct refs r = { .ctx = ctx, .locks = DATA_LOCKS_INIT };
	const char *after = js_get_str(args, "page_token");
	int64_t max = js_get_int(args, "max_results", MAX_PAGE);
	const struct kind *kind;
	struct js *page;
	size_t i = 0;

	if (max < 1 || max > MAX_PAGE)
		return error_set(err, ERR_USAGE, "max_results must be 1 to %d", MAX_PAGE);
	if (refs_open(&r, args, &kind, err) < 0 || kind->list(&r, &names, err) < 0)
		return -1;
	strlist_sort(&names);
	while (after && i < names.len && strcmp(names.items[i], after) <= 0)
		i++;
	page = js_array();
	for (; i < names.len && js_len(page) < (size_t)max; i++)
		js_push_str(page, names.items[i]);
	*ret_result = js_object();
	if (i < names.len)
		js_set_str(*ret_result, "next_page_token", names.items[i - 1]);
	js_set(*ret_result, "names", page);
	return 0;
}

/* ref.get {kind, name} -> {text} */
int op_ref_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(refs_release) struct refs r = { .ctx = ctx, .locks = DATA_LOCKS_INIT };
	CLEANUP(cleanup_free) char *text = NULL;
	const struct kind *kind;

	if (refs_open(&r, args, &kind, err) < 0 || kind->get(&r, &text, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "text", text);
	return 0;
}

/* ref.put {kind, name, text} -> {} */
int op_ref_put(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(refs_release) struct refs r = { .ctx = ctx, .locks = DATA_LOCKS_INIT };
	const struct kind *kind;

	if (refs_open(&r, args, &kind, err) < 0 || data_lock_store(ctx, &r.locks, err) < 0 ||
	    kind->put(&r, js_get_str(args, "text"), err) < 0)
		return -1;
	*ret_result = js_object();
	return 0;
}
