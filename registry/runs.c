/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/runs.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/keys.h"
#include "registry/rows.h"
#include "registry/runs_internal.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [RUN_RUNNING] = "RUNNING", [RUN_SCHEDULED] = "SCHEDULED", [RUN_FINISHED] = "FINISHED",
    [RUN_FAILED] = "FAILED",   [RUN_KILLED] = "KILLED",
};

const char *run_status_name(enum run_status status)
{
	return status_names[status];
}

bool run_status_parse(const char *text, enum run_status *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(status_names); i++)
		if (strcmp(text, status_names[i]) == 0) {
			*ret = (enum run_status)i;
			return true;
		}
	return false;
}

/* Experiments. */

static int ensure_experiment(struct db *db, const char *name, int64_t *ret_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT experiment_id FROM experiments WHERE name = ?1");
	int64_t now = clock_wall_ms();
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r != 0) {
		if (r > 0)
			*ret_id = db_int(q, 0);
		return r < 0 ? -1 : 0;
	}
	db_done(q);
	q = db_query(
	    db,
	    "INSERT INTO experiments (name, creation_time, last_update_time) VALUES (?1, ?2, ?2)");
	db_bind(q, 1, name);
	db_bind(q, 2, now);
	if (db_run(steal(&q), err) < 0)
		return -1;
	*ret_id = db_last_id(db);
	return 0;
}

int experiment_ensure(struct db *db, const char *name, int64_t *ret_id, struct error *err)
{
	if (text_check("experiment", name, EXPERIMENT_CHARS, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return write_end(db, ensure_experiment(db, name, ret_id, err), err);
}

/* The run itself. */

static int put_tag(struct db *db, int64_t run, const char *key, const char *value,
		   struct error *err)
{
	CLEANUP(cleanup_free) char *cut = xstrndup(value, text_prefix(value, TAG_CHARS));
	struct db_stmt *q = db_query(db, "INSERT INTO tags (run, key, value) VALUES (?1, ?2, ?3)"
					 " ON CONFLICT DO UPDATE SET value = excluded.value");

	db_bind(q, 1, run);
	db_bind(q, 2, key);
	db_bind(q, 3, cut);
	return db_run(q, err);
}

/* Name and parent of a run are tags too, and a tag is one of them. */
static int mirror_tag(struct db *db, int64_t run, const char *key, const char *value,
		      struct error *err)
{
	struct db_stmt *q;

	if (strcmp(key, TAG_RUN_NAME) == 0)
		q = db_query(db, "UPDATE runs SET name = ?2 WHERE id = ?1");
	else if (strcmp(key, TAG_PARENT) == 0)
		q = db_query(
		    db,
		    "UPDATE runs SET parent ="
		    " (SELECT p.id FROM runs p WHERE p.run_id = ?2 AND p.id != ?1) WHERE id = ?1");
	else
		return 0;
	db_bind(q, 1, run);
	db_bind(q, 2, value);
	return db_run(q, err);
}

int run_put_tag(struct db *db, int64_t run, const char *key, const char *value, struct error *err)
{
	return put_tag(db, run, key, value, err) < 0 || mirror_tag(db, run, key, value, err) < 0 ? -1 : 0;
}

int run_insert(struct db *db, const struct run_new *run, int64_t *ret_row, struct error *err)
{
	const char *name = run->name;
	char random_name[64];
	struct db_stmt *q;
	int64_t parent = 0, id;
	int r;

	r = run->parent ? run_row(db, run->parent, &parent, err) : 0;
	if (r < 0)
		return r;
	if (!name) {
		run_random_name(random_name, sizeof(random_name));
		name = random_name;
	}
	q = db_query(
	    db,
	    "INSERT INTO runs (id, run_id, name, experiment, user_id, status, start_time, parent, step)"
	    /* those of others stand below zero (records_import.c) */
	    " VALUES ((SELECT max(0, coalesce(max(id), 0)) + 1 FROM runs),"
	    " ?1, ?2, ?3, ?4, 'RUNNING', ?5, nullif(?6, 0), ?7)");
	db_bind(q, 1, run->id);
	db_bind(q, 2, name);
	db_bind(q, 3, run->experiment);
	db_bind(q, 4, run->user);
	db_bind(q, 5, run->start_ms);
	db_bind(q, 6, parent);
	db_bind(q, 7, run->step);
	if (db_run(q, err) < 0)
		return -1;
	id = db_last_id(db);
	if (put_tag(db, id, TAG_RUN_NAME, name, err) < 0 ||
	    (run->parent && put_tag(db, id, TAG_PARENT, run->parent, err) < 0))
		return -1;
	*ret_row = id;
	return 0;
}

int run_create(struct db *db, const struct run_new *run, struct error *err)
{
	int64_t row;

	if (strlen(run->id) != 32 || strspn(run->id, "0123456789abcdef") != 32)
		return error_set(err, ERR_USAGE, "'%.64s' is not a run id (32 hexadecimal digits)",
				 run->id);
	if (run->name && text_check("run", run->name, TAG_CHARS, err) < 0)
		return -1;
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, run_insert(db, run, &row, err), err);
}

/* Runs an update of one run; not a row changed means that there is no such run. */
static int update_run(struct db *db, struct db_stmt *q, const char *id, struct error *err)
{
	if (db_run(q, err) < 0)
		return -1;
	if (db_changes(db) > 0)
		return 0;
	error_set(err, ERR_NOT_FOUND, "no run %s", id);
	return REFUSED;
}

int run_adopt(struct db *db, const char *id, const char *parent, struct error *err)
{
	struct db_stmt *q;
	int r;

	if (db_begin(db, err) < 0)
		return -1;
	q = db_query(db, "UPDATE runs SET status = 'RUNNING', end_time = NULL,"
			 " parent = (SELECT id FROM runs WHERE run_id = ?2) WHERE run_id = ?1");
	db_bind(q, 1, id);
	db_bind(q, 2, parent);
	r = db_run(q, err);
	if (r == 0)
		r = db_changes(db) > 0;
	return write_end(db, r < 0 ? r : 0, err) < 0 ? -1 : r;
}

int run_finish(struct db *db, const char *id, enum run_status status, int64_t end_ms,
	       struct error *err)
{
	struct db_stmt *q;

	if (db_begin(db, err) < 0)
		return -1;
	q = db_query(db, "UPDATE runs SET status = ?2, end_time = ?3 WHERE run_id = ?1");
	db_bind(q, 1, id);
	db_bind(q, 2, run_status_name(status));
	db_bind(q, 3, end_ms);
	return write_end(db, update_run(db, q, id, err), err);
}

/* What a run logs. */

/* The value that stands there already: the same is a repeat, another one is refused. */
static int compare_param(struct db *db, int64_t row, const char *run, const char *key,
			 const char *value, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT value FROM params WHERE run = ?1 AND key = ?2");
	const char *old;

	db_bind(q, 1, row);
	db_bind(q, 2, key);
	if (db_step(q, err) < 0)
		return -1;
	old = db_text(q, 0);
	if (old && strcmp(old, value) == 0)
		return 0;
	error_set(err, ERR_CONFLICT,
		  "param '%s' of run %.8s is '%.100s' already, so it cannot become '%.100s'", key,
		  run, old ? old : "", value);
	error_help(err, "a param keeps its first value; log a tag or a metric for what changes");
	return REFUSED;
}

static int log_param(struct db *db, const char *run, const char *key, const char *value,
		     struct error *err)
{
	struct db_stmt *q;
	int64_t row;
	int r = run_row(db, run, &row, err);

	if (r < 0)
		return r;
	q = db_query(
	    db, "INSERT INTO params (run, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");
	db_bind(q, 1, row);
	db_bind(q, 2, key);
	db_bind(q, 3, value);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : compare_param(db, row, run, key, value, err);
}

int run_log_param(struct db *db, const char *run, const char *key, const char *value,
		  struct error *err)
{
	CLEANUP(cleanup_free) char *cut = NULL;

	if (key_check("param", key, err) < 0 || db_begin(db, err) < 0)
		return -1;
	cut = xstrndup(value, text_prefix(value, PARAM_CHARS));
	return write_end(db, log_param(db, run, key, cut, err), err);
}

void metric_set_value(struct metric *m, double value)
{
	m->is_nan = isnan(value);
	m->value = m->is_nan ? 0 : isinf(value) ? copysign(DBL_MAX, value) : value;
}

static int put_metric(struct db_stmt *q, int64_t run, const struct metric *m, struct error *err)
{
	db_bind(q, 1, run);
	db_bind(q, 2, m->key);
	db_bind(q, 3, m->timestamp_ms);
	db_bind(q, 4, m->step);
	db_bind(q, 5, m->value);
	db_bind(q, 6, m->is_nan);
	return db_run(q, err);
}

int metric_insert(struct db *db, int64_t run, const struct metric *m, struct error *err)
{
	return put_metric(db_query(db, "INSERT INTO metrics (run, key, timestamp, step, value, is_nan)"
				       " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"),
			  run, m, err);
}

int metric_insert_latest(struct db *db, int64_t run, const struct metric *m, struct error *err)
{
	return put_metric(
		db_query(db, "INSERT INTO latest_metrics (run, key, timestamp, step, value, is_nan)"
			     " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			     " ON CONFLICT DO UPDATE SET timestamp = excluded.timestamp, step = excluded.step,"
			     " value = excluded.value, is_nan = excluded.is_nan"
			     " WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)"),
		run, m, err);
}

static int log_metric(struct db *db, const char *run, const struct metric *m, struct error *err)
{
	int64_t row;
	int r = run_row(db, run, &row, err);

	if (r < 0)
		return r;
	if (metric_insert(db, row, m, err) < 0)
		return -1;
	return db_changes(db) ? metric_insert_latest(db, row, m, err) : 0;
}

int run_log_metric(struct db *db, const char *run, const char *key, double value,
		   int64_t timestamp_ms, int64_t step, struct error *err)
{
	struct metric m = {.key = key, .timestamp_ms = timestamp_ms, .step = step};

	if (key_check("metric", key, err) < 0)
		return -1;
	if (timestamp_ms < 0)
		return error_set(err, ERR_USAGE, "metric '%s' has a time before 1970", key);
	metric_set_value(&m, value);
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, log_metric(db, run, &m, err), err);
}

static int set_tag(struct db *db, const char *run, const char *key, const char *value,
		   struct error *err)
{
	int64_t row;
	int r = run_row(db, run, &row, err);

	if (r < 0)
		return r;
	return run_put_tag(db, row, key, value, err);
}

int run_set_tag(struct db *db, const char *run, const char *key, const char *value,
		struct error *err)
{
	if (key_check("tag", key, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return write_end(db, set_tag(db, run, key, value, err), err);
}

static int log_content(struct db *db, const char *run, enum io_direction direction,
		       const char *path, const char *use, const struct content *content,
		       struct error *err)
{
	struct db_stmt *q;
	int64_t row, id;
	int r = run_row(db, run, &row, err);

	if (r == 0)
		r = content_row(db, content, &id, err);
	if (r < 0)
		return r;
	q = db_query(db,
		     "INSERT INTO run_contents (run, direction, path, use, content)"
		     " VALUES (?1, ?2, ?3, ?4, ?5)"
		     " ON CONFLICT DO UPDATE SET use = excluded.use, content = excluded.content");
	db_bind(q, 1, row);
	db_bind(q, 2, direction == RUN_INPUT ? "in" : "out");
	db_bind(q, 3, path);
	db_bind(q, 4, use);
	db_bind(q, 5, id);
	return db_run(q, err);
}

int run_log_content(struct db *db, const char *run, enum io_direction direction, const char *path,
		    const char *use, const struct content *content, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, log_content(db, run, direction, path, use, content, err), err);
}

/* Finding runs. */

int run_last(struct db *db, char ret_id[33], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT run_id FROM runs WHERE parent IS NULL ORDER BY id DESC LIMIT 1");
	int r = db_step(q, err);

	if (r < 0)
		return -1;
	if (r == 0) {
		error_set(err, ERR_NOT_FOUND, "nothing has run here yet");
		return error_help(err, "run: mlops run");
	}
	snprintf(ret_id, 33, "%s", db_text(q, 0));
	return 0;
}

int run_match(struct db *db, const char *text, size_t max, struct strlist *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT run_id FROM (SELECT id, run_id FROM runs WHERE run_id >= ?1 AND run_id < ?2"
		" UNION SELECT id, run_id FROM runs WHERE name = ?3 AND parent IS NULL)"
		" ORDER BY id DESC LIMIT ?4");
	size_t len = strlen(text);
	bool is_prefix = len >= 4 && len <= 32 && strspn(text, "0123456789abcdef") == len;
	CLEANUP(cleanup_free) char *end = xasprintf("%sg", text); /* 'g' sorts after every digit */
	int r;

	db_bind(q, 1, is_prefix ? text : "");
	db_bind(q, 2, is_prefix ? end : "");
	db_bind(q, 3, text);
	db_bind(q, 4, max);
	while ((r = db_step(q, err)) > 0)
		strlist_push(ret, db_text(q, 0));
	return r;
}

int run_each_running(struct db *db, int (*each)(void *ctx, const char *id), void *ctx,
		     struct error *err)
{
	struct strlist ids CLEANUP(strlist_release) = STRLIST_INIT;
	struct db_stmt *q =
	    db_query(db, "SELECT run_id FROM runs WHERE status = 'RUNNING' AND (step IS NOT NULL OR"
			 " EXISTS (SELECT 1 FROM tags WHERE run = runs.id AND key = 'mlops.steps')) ORDER BY id");
	int r;

	/* Collected first, because the callback will change what is being read. */
	while ((r = db_step(q, err)) > 0)
		strlist_push(&ids, db_text(q, 0));
	db_done(q);
	for (size_t i = 0; r == 0 && i < ids.len; i++)
		r = each(ctx, ids.items[i]);
	return r < 0 ? -1 : 0;
}
