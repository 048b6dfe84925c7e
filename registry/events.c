/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/events.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/audit.h"
#include "registry/rows.h"
#include <string.h>

/* The number after the last, also when somebody has removed the last ones: their leaves are still there. */
static int append(struct db *db, const struct event *event, int64_t now_ms, struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct db_stmt *q = db_query(
	    db, "INSERT INTO events (seq, time, actor, origin, operation, subject, before, after, body) VALUES ("
		"1 + max(coalesce((SELECT max(seq) FROM events), 0),"
		" coalesce((SELECT max(place) + 1 FROM audit_nodes WHERE level = 0), 0)), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");

	if (event->body)
		js_dump(event->body, JS_CANONICAL, &body);
	db_bind(q, 1, now_ms);
	db_bind(q, 2, event->actor);
	db_bind(q, 3, event->origin);
	db_bind(q, 4, event->operation);
	db_bind(q, 5, event->subject);
	db_bind(q, 6, event->before);
	db_bind(q, 7, event->after);
	db_bind(q, 8, event->body ? body.buf : NULL);
	return db_run(q, err);
}

int event_append(struct db *db, const struct event *event, int64_t now_ms, int64_t *ret_seq,
		 struct error *err)
{
	int64_t seq;

	if (db_begin(db, err) < 0)
		return -1;
	if (append(db, event, now_ms, err) < 0)
		return write_end(db, -1, err);
	seq = db_last_id(db);
	if (audit_append(db, seq, err) < 0)
		return write_end(db, -1, err);
	if (db_commit(db, err) < 0)
		return -1;
	if (ret_seq)
		*ret_seq = seq;
	return 0;
}

static int event_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	static const char *const texts[] = {"actor",   "origin", "operation",
					    "subject", "before", "after"};
	const char *text = db_text(q, 8);
	struct js *event, *body = NULL;

	if (text && js_parse(text, strlen(text), "the body of an event", &body, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return -1;
	}
	event = js_object();
	js_set_int(event, "seq", db_int(q, 0));
	js_set_int(event, "time", db_int(q, 1));
	for (int i = 0; i < (int)ARRAY_LEN(texts); i++)
		js_set_str(event, texts[i], db_text(q, 2 + i));
	if (body)
		js_set(event, "body", body);
	*ret = event;
	return 0;
}

#define COLUMNS "seq, time, actor, origin, operation, subject, before, after, body"
#define IS(column, n) " AND (" n " IS NULL OR " column " GLOB " n " OR " column " GLOB " n " || '[@./ ]*')"
#define CONDITION "seq > ?1 AND time >= ?2" IS("actor", "?4") IS("subject", "?5") IS("operation", "?6")

static int collect(struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct js *event;
	int r;

	while ((r = db_step(q, err)) > 0) {
		if (event_json(q, &event, err) < 0)
			return -1;
		js_push(list, event);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int event_find(struct db *db, const struct event_query *query, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, query->oldest_first ? "SELECT " COLUMNS " FROM events WHERE " CONDITION " ORDER BY seq LIMIT ?3"
						 : "SELECT " COLUMNS " FROM events WHERE " CONDITION " ORDER BY seq DESC LIMIT ?3");

	db_bind(q, 1, query->after);
	db_bind(q, 2, query->since_ms);
	db_bind(q, 3, query->limit);
	db_bind(q, 4, query->actor);
	db_bind(q, 5, query->subject);
	db_bind(q, 6, query->operation);
	return collect(q, ret, err);
}

int event_about(struct db *db, const char *subject, int64_t limit, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " COLUMNS " FROM events WHERE subject = ?1 ORDER BY seq DESC LIMIT ?2");

	db_bind(q, 1, subject);
	db_bind(q, 2, limit);
	return collect(q, ret, err);
}

int event_last(struct db *db, int64_t *ret_seq, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT coalesce(max(seq), 0) FROM events");

	if (db_step(q, err) < 0)
		return -1;
	*ret_seq = db_int(q, 0);
	return 0;
}
