/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to forget: asked by one, agreed to by another, carried out, done. */
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/forgotten.h"

void forget_request_release(struct forget_request *r)
{
	free(r->subject);
	free(r->reason);
	free(r->asker);
	js_free(r->impact);
	free(r->items);
}

static int add_item(struct db *db, int64_t id, const struct forget_item *item, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO forget_contents (request, digest, size) VALUES (?1, ?2, ?3)");

	db_bind(q, 1, id);
	db_bind(q, 2, &item->id);
	db_bind(q, 3, item->size);
	return db_run(q, err);
}

int forget_ask(struct db *db, const struct forget_request *request, int64_t now_ms, int64_t *ret_id, struct error *err)
{
	CLEANUP_STRBUF struct strbuf impact = STRBUF_INIT;
	struct db_stmt *q = db_query(db, "INSERT INTO forget_requests (subject, reason, asker, asked, state, impact)"
					 " VALUES (?1, ?2, ?3, ?4, 'waiting', ?5)");
	int64_t id;

	js_dump(request->impact, JS_CANONICAL, &impact);
	db_bind(q, 1, request->subject);
	db_bind(q, 2, request->reason);
	db_bind(q, 3, request->asker);
	db_bind(q, 4, now_ms);
	db_bind(q, 5, impact.buf);
	if (db_run(q, err) < 0)
		return -1;
	id = db_last_id(db);
	for (size_t i = 0; i < request->len; i++)
		if (add_item(db, id, &request->items[i], err) < 0)
			return -1;
	*ret_id = id;
	return 0;
}

/* ---- states ---- */

static int not_in_state(struct db *db, int64_t id, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;

	if (forget_describe(db, id, &row, err) < 0)
		return -1;
	return error_set(err, ERR_CONFLICT, "request %lld to forget %s is %s", (long long)id, js_get_str(row, "subject"),
			 js_get_str(row, "state"));
}

static int set_state(struct db *db, int64_t id, const char *from, const char *to, const char *actor, int64_t now_ms,
		     struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE forget_requests SET state = ?3, actor = coalesce(?4, actor),"
					 " decided = iif(?4 IS NULL, decided, ?5) WHERE id = ?1 AND state = ?2");

	db_bind(q, 1, id);
	db_bind(q, 2, from);
	db_bind(q, 3, to);
	db_bind(q, 4, actor);
	db_bind(q, 5, now_ms);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : not_in_state(db, id, err);
}

int forget_agree(struct db *db, int64_t id, const char *actor, int64_t now_ms, struct error *err)
{
	return set_state(db, id, "waiting", "agreed", actor, now_ms, err);
}

int forget_withdraw(struct db *db, int64_t id, const char *actor, int64_t now_ms, struct error *err)
{
	return set_state(db, id, "waiting", "withdrawn", actor, now_ms, err);
}

static int with_digest(struct db *db, const char *sql, const struct digest *id, struct error *err)
{
	struct db_stmt *q = db_query(db, sql);

	db_bind(q, 1, id);
	return db_run(q, err);
}

/* Results that name the content itself go; those with a tree that has it miss when they are wanted. */
static int drop_derived(struct db *db, const struct digest *id, struct error *err)
{
	static const char *const statements[] = {
		"DELETE FROM table_profiles WHERE content = ?1",
		"DELETE FROM table_profiles WHERE profile IN (SELECT id FROM contents WHERE digest = ?1)",
		("DELETE FROM cache WHERE key IN (SELECT o.key FROM cache_outputs o JOIN contents c ON c.id = o.content"
		 " WHERE c.digest = ?1)"),
	};

	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		if (with_digest(db, statements[i], id, err) < 0)
			return -1;
	return 0;
}

int forget_finish(struct db *db, const struct forget_request *request, int64_t now_ms, struct error *err)
{
	for (size_t i = 0; i < request->len; i++) {
		const struct forget_item *item = &request->items[i];
		struct db_stmt *q = db_query(db, "INSERT INTO forgotten (digest, request, size, time) VALUES (?1, ?2, ?3, ?4)"
						 " ON CONFLICT DO NOTHING");

		db_bind(q, 1, &item->id);
		db_bind(q, 2, request->id);
		db_bind(q, 3, item->size);
		db_bind(q, 4, now_ms);
		if (db_run(q, err) < 0 || drop_derived(db, &item->id, err) < 0)
			return -1;
	}
	return set_state(db, request->id, "agreed", "done", NULL, now_ms, err);
}

int forget_remote_set(struct db *db, int64_t id, const char *remote, const char *why, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, why ? "INSERT INTO forget_remotes (request, remote, why, time) VALUES (?1, ?2, ?3, ?4)"
					       " ON CONFLICT DO UPDATE SET why = excluded.why, time = excluded.time"
					     : "DELETE FROM forget_remotes WHERE request = ?1 AND remote = ?2");

	db_bind(q, 1, id);
	db_bind(q, 2, remote);
	if (why) {
		db_bind(q, 3, why);
		db_bind(q, 4, now_ms);
	}
	return db_run(q, err);
}

/* ---- reading ---- */

static int load_items(struct db *db, struct forget_request *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT digest, size FROM forget_contents WHERE request = ?1 ORDER BY digest");
	int r;

	db_bind(q, 1, ret->id);
	while ((r = db_step(q, err)) > 0) {
		struct forget_item item = { .size = (uint64_t)db_int(q, 1) };

		if (!db_digest(q, 0, &item.id))
			continue;
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = item;
	}
	return r;
}

static int no_request(int64_t id, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "there is no request %lld to forget something", (long long)id);
	return error_help(err, "run: mlops forget list");
}

int forget_load(struct db *db, int64_t id, struct forget_request *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT subject, reason, asker, impact FROM forget_requests WHERE id = ?1");
	struct forget_request request = { .id = id };
	const char *impact;
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : no_request(id, err);
	request.subject = xstrdup(db_text(q, 0));
	request.reason = xstrdup(db_text(q, 1));
	request.asker = xstrdup(db_text(q, 2));
	impact = db_text(q, 3);
	if (js_parse(impact, strlen(impact), "a request to forget", &request.impact, err) < 0 || load_items(db, &request, err) < 0) {
		forget_request_release(&request);
		return -1;
	}
	*ret = request;
	return 0;
}

static int describe_left(struct db *db, int64_t id, struct js *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT remote, why, time FROM forget_remotes WHERE request = ?1 ORDER BY remote");
	struct js *list = js_array();
	int r;

	js_set(ret, "left", list);
	db_bind(q, 1, id);
	while ((r = db_step(q, err)) > 0) {
		struct js *json = js_object();

		js_set_str(json, "remote", db_text(q, 0));
		js_set_str(json, "why", db_text(q, 1));
		js_set_int(json, "time", db_int(q, 2));
		js_push(list, json);
	}
	return r;
}

#define DESCRIBED                                                                                                  \
	"SELECT r.id, r.subject, r.reason, r.asker, r.asked, r.state, r.actor, r.decided,"                           \
	" (SELECT count(*) FROM forget_contents c WHERE c.request = r.id),"                                          \
	" (SELECT total(iif(c.size = 9223372036854775807, 0, c.size)) FROM forget_contents c WHERE c.request = r.id)" \
	" FROM forget_requests r"

static int describe(struct db *db, struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *json = js_object();
	const char *state = db_text(q, 5);

	js_set_int(json, "id", db_int(q, 0));
	js_set_str(json, "subject", db_text(q, 1));
	js_set_str(json, "reason", db_text(q, 2));
	js_set_str(json, "asked_by", db_text(q, 3));
	js_set_int(json, "asked", db_int(q, 4));
	js_set_str(json, "state", state);
	if (!db_is_null(q, 6)) {
		js_set_str(json, strcmp(state, "withdrawn") ? "agreed_by" : "withdrawn_by", db_text(q, 6));
		js_set_int(json, "decided", db_int(q, 7));
	}
	js_set_int(json, "contents", db_int(q, 8));
	js_set_int(json, "bytes", (int64_t)db_real(q, 9));
	if (describe_left(db, db_int(q, 0), json, err) < 0)
		return -1;
	*ret = steal(&json);
	return 0;
}

int forget_describe(struct db *db, int64_t id, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, DESCRIBED " WHERE r.id = ?1");
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : no_request(id, err);
	return describe(db, q, ret, err);
}

int forget_list(struct db *db, bool open, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, DESCRIBED " WHERE NOT ?1 OR r.state IN ('waiting', 'agreed')"
				       " OR r.id IN (SELECT request FROM forget_remotes) ORDER BY r.id DESC");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, open);
	while ((r = db_step(q, err)) > 0) {
		struct js *json;

		if (describe(db, q, &json, err) < 0)
			return -1;
		js_push(list, json);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

static int first_id(struct db_stmt *q, int64_t *ret_id, struct error *err)
{
	int r = db_step(q, err);

	if (r > 0)
		*ret_id = db_int(q, 0);
	return r;
}

int forget_agreed(struct db *db, int64_t *ret_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT id FROM forget_requests WHERE state = 'agreed' ORDER BY id LIMIT 1");

	return first_id(q, ret_id, err);
}

int forget_left(struct db *db, int64_t after, int64_t *ret_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT request FROM forget_remotes WHERE request > ?1 ORDER BY request LIMIT 1");

	db_bind(q, 1, after);
	return first_id(q, ret_id, err);
}
