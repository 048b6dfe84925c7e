/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/lineage.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include <string.h>

static int store_attempt(struct db *db, const struct attempt *a, struct error *err)
{
	struct db_stmt *q;
	int64_t parent, run = 0;
	int r = run_row(db, a->parent, &parent, err);

	if (r == 0 && a->run)
		r = run_row(db, a->run, &run, err);
	if (r < 0)
		return r;
	q = db_query(
	    db, "INSERT INTO attempts (parent, step, number, run, state, key, exit_code, signal,"
		" start_time, end_time, user_us, system_us, max_rss, source, reason, record, sampled)"
		" VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, nullif(?7, -1), nullif(?8, 0),"
		" ?9, nullif(?10, 0), ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
		" ON CONFLICT (parent, step, number) DO UPDATE SET run = excluded.run,"
		" state = excluded.state, key = excluded.key, exit_code = excluded.exit_code,"
		" signal = excluded.signal, start_time = excluded.start_time,"
		" end_time = excluded.end_time, user_us = excluded.user_us,"
		" system_us = excluded.system_us, max_rss = excluded.max_rss,"
		" source = excluded.source, reason = excluded.reason, record = excluded.record,"
		" sampled = excluded.sampled");
	db_bind(q, 1, parent);
	db_bind(q, 2, a->step);
	db_bind(q, 3, a->number);
	db_bind(q, 4, run);
	db_bind(q, 5, a->state);
	db_bind(q, 6, digest_is_zero(&a->key) ? NULL : &a->key);
	db_bind(q, 7, a->exit_code);
	db_bind(q, 8, a->signal);
	db_bind(q, 9, a->start_ms);
	db_bind(q, 10, a->end_ms);
	db_bind(q, 11, a->user_us);
	db_bind(q, 12, a->system_us);
	db_bind(q, 13, a->max_rss);
	db_bind(q, 14, a->source);
	db_bind(q, 15, a->reason);
	db_bind(q, 16, a->record);
	db_bind(q, 17, a->sampled);
	return db_run(q, err) < 0 || lineage_attempt(db, a, err) < 0 ? -1 : 0;
}

int attempt_store(struct db *db, const struct attempt *attempt, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, store_attempt(db, attempt, err), err);
}

static int lose_attempts(struct db *db, const char *parent, int64_t end_ms, struct error *err)
{
	struct db_stmt *q;
	int64_t row;

	if (run_row(db, parent, &row, err) < 0)
		return -1;
	q = db_query(db, "UPDATE attempts SET state = 'lost', end_time = ?2 WHERE parent = ?1 AND state = 'running'");
	db_bind(q, 1, row);
	db_bind(q, 2, end_ms);
	return db_run(q, err);
}

int attempts_lose(struct db *db, const char *parent, int64_t end_ms, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, lose_attempts(db, parent, end_ms, err), err);
}

static int set_points(struct db *db, const char *parent, const char *step, int number, int64_t bytes, int lines,
		      struct error *err)
{
	struct db_stmt *q;
	int64_t row;

	if (run_row(db, parent, &row, err) < 0)
		return -1;
	q = db_query(db, "UPDATE attempts SET points_read = ?4, points_lines = ?5"
			 " WHERE parent = ?1 AND step = ?2 AND number = ?3");
	db_bind(q, 1, row);
	db_bind(q, 2, step);
	db_bind(q, 3, number);
	db_bind(q, 4, bytes);
	db_bind(q, 5, lines);
	return db_run(q, err);
}

int attempt_set_points(struct db *db, const char *parent, const char *step, int number, int64_t bytes, int lines,
		       struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, set_points(db, parent, step, number, bytes, lines, err), err);
}

int attempt_points(struct db *db, const char *run, int64_t *ret_bytes, int *ret_lines, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT a.points_read, a.points_lines FROM attempts a JOIN runs n ON n.id = a.run"
		" WHERE n.run_id = ?1 ORDER BY a.id DESC LIMIT 1");
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret_bytes = r ? db_int(q, 0) : 0;
	*ret_lines = r ? (int)db_int(q, 1) : 0;
	return 0;
}

/* A record is stored as the text it came as; what does not parse any more is damage. */
static int read_record(struct db_stmt *q, int column, struct js **ret, struct error *err)
{
	const char *text = db_text(q, column);

	*ret = NULL;
	if (!text || js_parse(text, strlen(text), "the record of an attempt", ret, err) == 0)
		return 0;
	if (err)
		err->code = ERR_DAMAGED;
	return -1;
}

static void set_int(struct js *object, const char *key, struct db_stmt *q, int column)
{
	if (!db_is_null(q, column))
		js_set_int(object, key, db_int(q, column));
}

static int attempt_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	static const char *const texts[] = {"run", "step", "state", "source", "reason"};
	static const char *const numbers[] = {
	    "number",   "exit_code", "signal",    "start_time",
	    "end_time", "user_us",   "system_us", "max_rss",
	};
	char hex[DIGEST_HEX + 1];
	struct digest key;
	struct js *record, *a;
	int column = 0;

	if (read_record(q, ARRAY_LEN(texts) + ARRAY_LEN(numbers) + 2, &record, err) < 0)
		return -1;
	a = js_object();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(a, texts[i], db_text(q, column++));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		set_int(a, numbers[i], q, column++);
	if (db_int(q, column++))
		js_set_bool(a, "sampled", true);
	if (db_digest(q, column, &key))
		js_set_str(a, "key", digest_format(&key, hex));
	if (record)
		js_set(a, "record", record);
	*ret = a;
	return 0;
}

int attempts_list(struct db *db, const char *parent, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *list = js_array();
	struct js *attempt;
	int64_t row;
	int r;

	if (run_row(db, parent, &row, err) < 0)
		return -1;
	q = db_query(
	    db,
	    "SELECT n.run_id, a.step, a.state, a.source, a.reason, a.number, a.exit_code, a.signal,"
	    " a.start_time, a.end_time, a.user_us, a.system_us, a.max_rss, a.sampled, a.key, a.record"
	    " FROM attempts a LEFT JOIN runs n ON n.id = a.run"
	    " WHERE a.parent = ?1 ORDER BY a.start_time, a.id");
	db_bind(q, 1, row);
	while ((r = db_step(q, err)) > 0) {
		if (attempt_json(q, &attempt, err) < 0)
			return -1;
		js_push(list, attempt);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

static int count_states(struct db *db, int64_t parent, struct js *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT a.state, count(*) FROM attempts a WHERE a.parent = ?1 AND NOT EXISTS"
			 " (SELECT 1 FROM attempts b WHERE b.parent = ?1 AND b.step = a.step AND b.number > a.number)"
			 " GROUP BY a.state ORDER BY a.state");
	int r;

	db_bind(q, 1, parent);
	while ((r = db_step(q, err)) > 0)
		js_set_int(ret, db_text(q, 0), db_int(q, 1));
	return r;
}

static int list_running(struct db *db, int64_t parent, struct js *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT step, number, start_time FROM attempts WHERE parent = ?1 AND state = 'running'"
			 " ORDER BY start_time, id");
	int r;

	db_bind(q, 1, parent);
	while ((r = db_step(q, err)) > 0) {
		struct js *attempt = js_object();

		js_set_str(attempt, "step", db_text(q, 0));
		js_set_int(attempt, "number", db_int(q, 1));
		js_set_int(attempt, "start_time", db_int(q, 2));
		js_push(ret, attempt);
	}
	return r;
}

int attempts_progress(struct db *db, const char *parent, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *progress = js_object();
	int64_t row;

	js_set(progress, "states", js_object());
	js_set(progress, "running", js_array());
	if (run_row(db, parent, &row, err) < 0 || count_states(db, row, js_get(progress, "states"), err) < 0 ||
	    list_running(db, row, js_get(progress, "running"), err) < 0)
		return -1;
	*ret = steal(&progress);
	return 0;
}

int attempt_last_record(struct db *db, const char *experiment, const char *step, struct js **ret,
			struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT a.record FROM attempts a"
		" CROSS JOIN runs p ON p.id = a.parent"
		" CROSS JOIN experiments e ON e.experiment_id = p.experiment"
		" WHERE a.step = ?2 AND a.state = 'ok' AND e.name = ?1 AND a.record IS NOT NULL"
		" ORDER BY a.id DESC LIMIT 1");
	int r;

	db_bind(q, 1, experiment);
	db_bind(q, 2, step);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0) {
		*ret = NULL;
		return 0;
	}
	return read_record(q, 0, ret, err);
}

int attempt_of_key(struct db *db, const struct digest *key, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT p.run_id, a.reason, a.record, n.run_id, a.end_time FROM attempts a"
			 " CROSS JOIN runs p ON p.id = a.parent LEFT JOIN runs n ON n.id = a.run"
			 " WHERE a.key = ?1 AND a.state = 'ok' ORDER BY a.id DESC LIMIT 1");
	struct js *record;
	int r;

	db_bind(q, 1, key);
	*ret = NULL;
	r = db_step(q, err);
	if (r <= 0)
		return r;
	if (read_record(q, 2, &record, err) < 0)
		return -1;
	*ret = js_object();
	js_set_str(*ret, "run_id", db_text(q, 0));
	js_set_str(*ret, "reason", db_text(q, 1));
	js_set_str(*ret, "run", db_text(q, 3));
	js_set_int(*ret, "time", db_int(q, 4));
	if (record)
		js_set(*ret, "record", record);
	return 0;
}

int attempt_cached(struct db *db, const char *step, const struct digest *key, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT p.run_id, a.reason, a.source FROM attempts a CROSS JOIN runs p ON p.id = a.parent"
			 " WHERE a.step = ?1 AND a.key = ?2 AND a.state = 'cached' ORDER BY a.id DESC LIMIT 1");
	int r;

	db_bind(q, 1, step);
	db_bind(q, 2, key);
	*ret = NULL;
	r = db_step(q, err);
	if (r <= 0)
		return r;
	*ret = js_object();
	js_set_str(*ret, "run_id", db_text(q, 0));
	js_set_str(*ret, "reason", db_text(q, 1));
	js_set_str(*ret, "run", db_text(q, 2));
	return 0;
}
