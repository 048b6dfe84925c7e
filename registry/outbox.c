/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/outbox.h"
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"

#define FIRST_MS   10000
#define LONGEST_MS 3600000
#define TRIES_MAX  32 /* about a day */

static const char *const kinds[] = {
	[LETTER_WEBHOOK] = "webhook",
	[LETTER_COMMAND] = "command",
	[LETTER_STATUS] = "status",
	[LETTER_COMMENT] = "comment",
	[LETTER_OPENLINEAGE] = "openlineage",
};

void letter_release(struct letter *letter)
{
	free(letter->target);
	free(letter->cause);
	js_free(letter->body);
	*letter = (struct letter){ 0 };
}

int outbox_add(struct db *db, enum letter_kind kind, const char *target, const char *cause, const struct js *body,
	       int64_t now_ms, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct db_stmt *q = db_query(db, "INSERT INTO outbox (kind, target, cause, body, state, due, created)"
					 " VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?5) ON CONFLICT DO NOTHING");

	js_dump(body, JS_CANONICAL, &text);
	db_bind(q, 1, kinds[kind]);
	db_bind(q, 2, target);
	db_bind(q, 3, cause);
	db_bind(q, 4, (const char *)text.buf);
	db_bind(q, 5, now_ms);
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}

/* ---- sending ---- */

static enum letter_kind kind_of(const char *text)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(kinds) && strcmp(kinds[i], text) != 0)
		i++;
	return (enum letter_kind)i;
}

static int read_letter(struct db_stmt *q, struct letter *ret, struct error *err)
{
	const char *body = db_text(q, 4);
	struct js *parsed;

	if (js_parse(body, strlen(body), "the body of a letter", &parsed, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return -1;
	}
	*ret = (struct letter){
		.id = db_int(q, 0),
		.kind = kind_of(db_text(q, 1)),
		.target = xstrdup(db_text(q, 2)),
		.cause = xstrdup(db_text(q, 3)),
		.body = parsed,
		.tries = db_int(q, 5),
	};
	return 1;
}

int outbox_next(struct db *db, int64_t now_ms, const struct strlist *busy, struct letter *ret, int64_t *ret_due,
		struct error *err)
{
	/* Only the oldest of each target can be sent. */
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT o.id, o.kind, o.target, o.cause, o.body, o.tries, o.due FROM outbox o WHERE o.state = 'waiting'"
		    " AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.state = 'waiting' AND b.target = o.target AND b.id < o.id)"
		    " ORDER BY o.due, o.id");
	int r;

	*ret_due = 0;
	while ((r = db_step(q, err)) > 0) {
		if (busy && strlist_has(busy, db_text(q, 2)))
			continue;
		if (db_int(q, 6) <= now_ms)
			return read_letter(q, ret, err);
		*ret_due = db_int(q, 6);
		return 0;
	}
	return r;
}

int outbox_next_to(struct db *db, const char *target, int64_t now_ms, struct letter *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id, kind, target, cause, body, tries, due FROM outbox"
						      " WHERE state = 'waiting' AND target = ?1 ORDER BY id LIMIT 1");
	int r;

	db_bind(q, 1, target);
	r = db_step(q, err);
	return r > 0 ? db_int(q, 6) <= now_ms ? read_letter(q, ret, err) : 0 : r;
}

int outbox_newest(struct db *db, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT coalesce(max(id), 0) FROM outbox");

	if (db_step(q, err) < 0)
		return -1;
	*ret = db_int(q, 0);
	return 0;
}

int64_t outbox_due(int64_t tries, int64_t again_ms)
{
	int64_t wait = FIRST_MS;
	uint16_t spread;

	if (again_ms < 0 || tries + 1 >= TRIES_MAX)
		return 0;
	for (int64_t i = 0; i < tries && wait < LONGEST_MS; i++)
		wait *= 2;
	wait = again_ms > wait ? again_ms : wait;
	wait = wait > LONGEST_MS ? LONGEST_MS : wait;
	clock_random(&spread, sizeof(spread));
	return clock_wall_ms() + wait * 9 / 10 + wait / 5 * spread / UINT16_MAX;
}

int outbox_sent(struct db *db, int64_t id, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE outbox SET state = 'sent', tries = tries + 1, error = NULL, ended = ?2"
					 " WHERE id = ?1");

	db_bind(q, 1, id);
	db_bind(q, 2, now_ms);
	return db_run(q, err);
}

int outbox_failed(struct db *db, int64_t id, const char *why, int64_t due_ms, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(
		db, "UPDATE outbox SET tries = tries + 1, error = ?2, due = CASE WHEN ?3 THEN ?3 ELSE due END,"
		    " state = CASE WHEN ?3 THEN 'waiting' ELSE 'failed' END, ended = CASE WHEN ?3 THEN NULL ELSE ?4 END"
		    " WHERE id = ?1");

	db_bind(q, 1, id);
	db_bind(q, 2, why);
	db_bind(q, 3, due_ms);
	db_bind(q, 4, now_ms);
	return db_run(q, err);
}

int outbox_sweep(struct db *db, int64_t before_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM outbox WHERE state <> 'waiting' AND ended < ?1");

	db_bind(q, 1, before_ms);
	return db_run(q, err);
}

int outbox_again(struct db *db, int64_t id, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE outbox SET state = 'waiting', tries = 0, due = ?2, ended = NULL"
					 " WHERE id = ?1 AND state = 'failed'");

	db_bind(q, 1, id);
	db_bind(q, 2, now_ms);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : error_set(err, ERR_NOT_FOUND, "no notification %lld has failed", (long long)id);
}

/* ---- looking ---- */

static void set_time(struct js *row, const char *key, struct db_stmt *q, int column)
{
	if (!db_is_null(q, column))
		js_set_int(row, key, db_int(q, column));
}

int outbox_list(struct db *db, int64_t limit, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT id, kind, target, cause, state, error, coalesce(json_extract(body, '$.title'),"
		    " json_extract(body, '$.description'), json_extract(body, '$.type') || ' of run ' ||"
		    " substr(json_extract(body, '$.run'), 1, 8)), tries, due, created, ended FROM outbox ORDER BY id DESC LIMIT ?1");
	static const char *const texts[] = { "kind", "target", "cause", "state", "error", "title" };
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, limit);
	while ((r = db_step(q, err)) > 0) {
		struct js *row = js_object();

		js_set_int(row, "id", db_int(q, 0));
		for (int i = 0; i < (int)ARRAY_LEN(texts); i++)
			js_set_str(row, texts[i], db_text(q, 1 + i));
		js_set_int(row, "tries", db_int(q, 7));
		if (!strcmp(db_text(q, 4), "waiting"))
			js_set_int(row, "due", db_int(q, 8));
		js_set_int(row, "created", db_int(q, 9));
		set_time(row, "ended", q, 10);
		js_push(list, row);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

/* ---- readers of events ---- */

int event_reader_load(struct db *db, const char *name, int64_t *ret_seq, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT seq FROM event_readers WHERE name = ?1");
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r > 0)
		*ret_seq = db_int(q, 0);
	return r;
}

int event_reader_store(struct db *db, const char *name, int64_t seq, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO event_readers (name, seq) VALUES (?1, ?2)"
					 " ON CONFLICT (name) DO UPDATE SET seq = excluded.seq");

	db_bind(q, 1, name);
	db_bind(q, 2, seq);
	return db_run(q, err);
}
