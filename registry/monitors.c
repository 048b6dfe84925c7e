/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/monitors.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/rows.h"

static const char *const kinds[] = { [MONITOR_DATA] = "data", [MONITOR_LABELS] = "labels" };

/* Two drifts among the last three windows raise an alarm; two windows without one end it. */
#define ALARM_OF    3
#define ALARM_LEAST 2

void monitor_row_release(struct monitor_row *row)
{
	free(row->shape);
	free(row->state);
	js_free(row->reference);
	js_free(row->errors);
	*row = (struct monitor_row)MONITOR_ROW_INIT;
}

static int read_json(struct db_stmt *q, int column, const char *name, struct js **ret, struct error *err)
{
	const char *text = db_text(q, column);

	*ret = NULL;
	if (!text || js_parse(text, strlen(text), name, ret, err) == 0)
		return 0;
	if (err)
		err->code = ERR_DAMAGED;
	return -1;
}

int monitor_load(struct db *db, const char *name, struct monitor_row *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT m.id, m.shape, m.taken, m.last, m.late, m.state, m.alarm, m.reference, m.errors,"
		    " c.kind, c.digest, c.size, c.files"
		    " FROM monitors m LEFT JOIN contents c ON c.id = m.profile WHERE m.name = ?1");
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	if (read_json(q, 7, "the reference of a monitor", &row.reference, err) < 0 ||
	    read_json(q, 8, "the errors of a monitor", &row.errors, err) < 0 ||
	    (!db_is_null(q, 9) && content_read(q, 9, &row.profile, err) < 0))
		return -1;
	row.id = db_int(q, 0);
	row.shape = xstrdup(db_text(q, 1));
	row.taken = db_int(q, 2);
	row.begun = !db_is_null(q, 3);
	row.last = db_int(q, 3);
	row.late = db_int(q, 4);
	row.state = xstrdup(db_text(q, 5));
	row.alarm = db_int(q, 6) != 0;
	*ret = row;
	row = (struct monitor_row)MONITOR_ROW_INIT;
	return 1;
}

int monitor_add(struct db *db, const char *name, const char *shape, int64_t *ret_id, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO monitors (name, shape) VALUES (?1, ?2)");

	db_bind(q, 1, name);
	db_bind(q, 2, shape);
	if (db_run(q, err) < 0)
		return -1;
	*ret_id = db_last_id(db);
	return 0;
}

/* Canonical text of a JSON value, bound as a parameter. */
static void bind_json(struct db_stmt *q, int index, const struct js *value)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(value, JS_CANONICAL, &text);
	db_bind_text(q, index, text.buf);
}

static int forget_parts(struct db *db, int64_t monitor, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM monitor_reference WHERE monitor = ?1");

	db_bind(q, 1, monitor);
	return db_run(q, err);
}

int monitor_set_reference(struct db *db, int64_t monitor, const struct js *reference, const struct content *profile,
			  const struct monitor_part *parts, size_t n, struct error *err)
{
	struct db_stmt *q;
	int64_t content;

	if (content_row(db, profile, &content, err) < 0 || forget_parts(db, monitor, err) < 0)
		return -1;
	q = db_query(db, "UPDATE monitors SET reference = ?2, profile = ?3 WHERE id = ?1");
	db_bind(q, 1, monitor);
	bind_json(q, 2, reference);
	db_bind(q, 3, content);
	if (db_run(q, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (content_row(db, &parts[i].profile, &content, err) < 0)
			return -1;
		q = db_query(db, "INSERT INTO monitor_reference (monitor, place, phase, profile) VALUES (?1, ?2, ?3, ?4)");
		db_bind(q, 1, monitor);
		db_bind(q, 2, (int64_t)i);
		db_bind(q, 3, parts[i].phase);
		db_bind(q, 4, content);
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

int monitor_parts(struct db *db, int64_t monitor, struct monitor_part **ret, size_t *ret_n, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT r.phase, c.kind, c.digest, c.size, c.files FROM monitor_reference r"
			     " JOIN contents c ON c.id = r.profile WHERE r.monitor = ?1 ORDER BY r.place");
	CLEANUP(cleanup_free) struct monitor_part *parts = NULL;
	size_t n = 0, cap = 0;
	int r;

	db_bind(q, 1, monitor);
	while ((r = db_step(q, err)) > 0) {
		GROW(parts, n, cap);
		parts[n].phase = db_int(q, 0);
		if (content_read(q, 1, &parts[n++].profile, err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	*ret = steal(&parts);
	*ret_n = n;
	return 0;
}

/* ---- sources ---- */

void monitor_sources_release(struct monitor_sources *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].name);
	free(list->items);
	*list = (struct monitor_sources){ 0 };
}

int monitor_sources_load(struct db *db, int64_t monitor, enum monitor_kind kind, struct monitor_sources *ret,
			 struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT name, dev, ino, ctime, seen, anchor, skipped, taken, digest FROM monitor_sources"
			     " WHERE monitor = ?1 AND kind = ?2 ORDER BY name");
	CLEANUP(monitor_sources_release) struct monitor_sources list = { 0 };
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, kinds[kind]);
	while ((r = db_step(q, err)) > 0) {
		struct monitor_source *source;
		GROW(list.items, list.len, list.cap);
		source = &list.items[list.len++];
		*source = (struct monitor_source){
			.name = xstrdup(db_text(q, 0)),
			.dev = (uint64_t)db_int(q, 1),
			.ino = (uint64_t)db_int(q, 2),
			.ctime_ns = db_int(q, 3),
			.seen = (uint64_t)db_int(q, 4),
			.anchor = (uint64_t)db_int(q, 5),
			.skipped = (uint64_t)db_int(q, 6),
			.taken = (uint64_t)db_int(q, 7),
		};
		db_digest(q, 8, &source->digest);
	}
	if (r < 0)
		return -1;
	*ret = list;
	list = (struct monitor_sources){ 0 };
	return 0;
}

static int store_source(struct db *db, int64_t monitor, enum monitor_kind kind, const struct monitor_source *source,
			struct error *err)
{
	struct db_stmt *q =
		db_query(db, "INSERT INTO monitor_sources (monitor, kind, name, dev, ino, ctime, seen, anchor, skipped,"
			     " taken, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");

	db_bind(q, 1, monitor);
	db_bind(q, 2, kinds[kind]);
	db_bind(q, 3, source->name);
	db_bind(q, 4, (int64_t)source->dev);
	db_bind(q, 5, (int64_t)source->ino);
	db_bind(q, 6, source->ctime_ns);
	db_bind(q, 7, source->seen);
	db_bind(q, 8, source->anchor);
	db_bind(q, 9, source->skipped);
	db_bind(q, 10, source->taken);
	db_bind(q, 11, &source->digest);
	return db_run(q, err);
}

int monitor_sources_store(struct db *db, int64_t monitor, enum monitor_kind kind, const struct monitor_sources *list,
			  struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM monitor_sources WHERE monitor = ?1 AND kind = ?2");

	db_bind(q, 1, monitor);
	db_bind(q, 2, kinds[kind]);
	if (db_run(q, err) < 0)
		return -1;
	for (size_t i = 0; i < list->len; i++)
		if (store_source(db, monitor, kind, &list->items[i], err) < 0)
			return -1;
	return 0;
}

int monitor_reshape(struct db *db, int64_t monitor, const char *shape, struct error *err)
{
	const struct monitor_sources none = { 0 };
	struct db_stmt *q = db_query(db, "UPDATE monitors SET shape = ?2 WHERE id = ?1");

	db_bind(q, 1, monitor);
	db_bind(q, 2, shape);
	if (db_run(q, err) < 0)
		return -1;
	return monitor_sources_store(db, monitor, MONITOR_DATA, &none, err);
}

/* ---- windows ---- */

int monitor_window_state(struct db *db, int64_t monitor, int64_t number, char ret[16], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT state FROM monitor_windows WHERE monitor = ?1 AND number = ?2");
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, number);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	snprintf(ret, 16, "%s", r ? db_text(q, 0) : "");
	return 0;
}

static int refuse_second(struct db *db, int64_t monitor, int64_t number, struct error *err)
{
	char state[16];

	if (monitor_window_state(db, monitor, number, state, err) < 0)
		return -1;
	if (!*state || !strcmp(state, "INSUFFICIENT"))
		return 0;
	error_set(err, ERR_CONFLICT, "another program has judged window %lld", (long long)number);
	return error_help(err, "look at it: mlops monitor show");
}

static int insert_window(struct db *db, int64_t monitor, const struct monitor_window *w, int64_t now_ms,
			 struct error *err)
{
	struct db_stmt *q = db_query(
		db, "INSERT OR REPLACE INTO monitor_windows (monitor, number, start, stop, rows, state, time, digest, profile,"
		    " verdict, labelled, wrong, judged) VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?7, ?8, NULL), ?9, ?10, ?11, ?12,"
		    " ?13, ?14)");

	db_bind(q, 1, monitor);
	db_bind(q, 2, w->number);
	db_bind(q, 3, w->start);
	db_bind(q, 4, w->stop);
	db_bind(q, 5, w->rows);
	db_bind(q, 6, w->state);
	db_bind(q, 7, w->timed);
	db_bind(q, 8, w->time_ms);
	db_bind(q, 9, w->digest);
	db_bind(q, 10, w->profile);
	bind_json(q, 11, w->verdict);
	db_bind(q, 12, w->labelled);
	db_bind(q, 13, w->wrong);
	db_bind(q, 14, now_ms);
	return db_run(q, err);
}

/* What the newest windows say together; INSUFFICIENT ones say nothing. */
static int update_alarm(struct db *db, int64_t monitor, const char *state, struct error *err)
{
	struct db_stmt *q = db_query(
		db, "WITH newest (place, bad) AS (SELECT row_number() OVER (ORDER BY number DESC),"
		    " state IN ('DRIFT', 'QUARANTINED') FROM monitor_windows"
		    " WHERE monitor = ?1 AND state <> 'INSUFFICIENT' ORDER BY number DESC LIMIT ?3)"
		    " UPDATE monitors SET state = ?2, alarm = CASE"
		    " WHEN (SELECT sum(bad) FROM newest) >= ?4 THEN 1"
		    " WHEN (SELECT sum(bad) FROM newest WHERE place <= ?4) = 0 THEN 0 ELSE alarm END WHERE id = ?1");

	db_bind(q, 1, monitor);
	db_bind(q, 2, state);
	db_bind(q, 3, ALARM_OF);
	db_bind(q, 4, ALARM_LEAST);
	return db_run(q, err);
}

int monitor_window_store(struct db *db, int64_t monitor, const struct monitor_window *window, int64_t now_ms,
			 struct error *err)
{
	if (refuse_second(db, monitor, window->number, err) < 0 || insert_window(db, monitor, window, now_ms, err) < 0)
		return -1;
	return update_alarm(db, monitor, window->state, err);
}

int monitor_advance(struct db *db, int64_t monitor, int64_t taken, const int64_t *last, int64_t late, struct error *err)
{
	struct db_stmt *q =
		db_query(db, "UPDATE monitors SET taken = ?2, last = iif(?5, ?3, NULL), late = late + ?4 WHERE id = ?1");

	db_bind(q, 1, monitor);
	db_bind(q, 2, taken);
	db_bind(q, 3, last ? *last : 0);
	db_bind(q, 4, late);
	db_bind(q, 5, last != NULL);
	return db_run(q, err);
}

int monitor_set_errors(struct db *db, int64_t monitor, const struct js *errors, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE monitors SET errors = ?2 WHERE id = ?1");

	db_bind(q, 1, monitor);
	bind_json(q, 2, errors);
	return db_run(q, err);
}

static int describe_window(struct db_stmt *q, struct js *window, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	struct js *verdict;

	if (read_json(q, 6, "a verdict", &verdict, err) < 0)
		return -1;
	js_set_int(window, "number", db_int(q, 0));
	js_set_int(window, "start", db_int(q, 1));
	js_set_int(window, "stop", db_int(q, 2));
	js_set_int(window, "rows", db_int(q, 3));
	js_set_str(window, "state", db_text(q, 4));
	if (!db_is_null(q, 5))
		js_set_int(window, "time", db_int(q, 5));
	js_set(window, "verdict", verdict);
	js_set_int(window, "labelled", db_int(q, 7));
	js_set_int(window, "wrong", db_int(q, 8));
	js_set_int(window, "judged", db_int(q, 9));
	if (db_digest(q, 10, &digest))
		js_set_str(window, "digest", digest_format(&digest, hex));
	if (db_digest(q, 11, &digest))
		js_set_str(window, "profile", digest_format(&digest, hex));
	return 0;
}

int monitor_windows(struct db *db, int64_t monitor, int64_t limit, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT * FROM (SELECT number, start, stop, rows, state, time, verdict, labelled, wrong, judged,"
			     " digest, profile FROM monitor_windows WHERE monitor = ?1 ORDER BY number DESC LIMIT ?2)"
			     " ORDER BY number");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, limit);
	while ((r = db_step(q, err)) > 0) {
		struct js *window = js_object();
		js_push(list, window);
		if (describe_window(q, window, err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int monitor_window(struct db *db, int64_t monitor, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT number, start, stop, rows, state, time, verdict, labelled, wrong, judged, digest, profile"
			     " FROM monitor_windows WHERE monitor = ?1 AND number = ?2");
	CLEANUP_JS struct js *window = js_object();
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, number);
	r = db_step(q, err);
	if (r < 0 || (r > 0 && describe_window(q, window, err) < 0))
		return -1;
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "there is no window %lld", (long long)number);
	*ret = steal(&window);
	return 0;
}

int64_t monitor_count(struct db *db, int64_t monitor, const char *state)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT count(*) FROM monitor_windows WHERE monitor = ?1 AND (?2 IS NULL OR state = ?2)");

	db_bind(q, 1, monitor);
	db_bind(q, 2, state);
	return db_step(q, NULL) > 0 ? db_int(q, 0) : 0;
}
