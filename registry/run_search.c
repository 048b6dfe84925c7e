/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/filter.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include <math.h>

#define DEFAULT_LIMIT 1000

/* One member of a run for each row (key, ...) of a query about the run. */
static int add_members(struct db *db, const char *sql, int64_t run, struct js *object,
		       void (*add)(struct js *object, const char *key, struct db_stmt *),
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0)
		add(object, db_text(q, 0), q);
	return r;
}

static void add_text(struct js *object, const char *key, struct db_stmt *q)
{
	js_set_str(object, key, db_text(q, 1));
}

static double metric_value(struct db_stmt *q, int column)
{
	return db_int(q, column + 1) ? (double)NAN : db_real(q, column);
}

static void add_metric(struct js *object, const char *key, struct db_stmt *q)
{
	js_set_real(object, key, metric_value(q, 1));
}

static int add_facts(struct db *db, int64_t run, struct js *object, struct error *err)
{
	struct js *params = js_object(), *metrics = js_object(), *tags = js_object();

	js_set(object, "params", params);
	js_set(object, "metrics", metrics);
	js_set(object, "tags", tags);
	if (add_members(db, "SELECT key, value FROM params WHERE run = ?1", run, params, add_text,
			err) < 0 ||
	    add_members(db, "SELECT key, value, is_nan FROM latest_metrics WHERE run = ?1", run,
			metrics, add_metric, err) < 0)
		return -1;
	return add_members(db, "SELECT key, value FROM tags WHERE run = ?1", run, tags, add_text,
			   err);
}

static int add_contents(struct db *db, int64_t run, const char *direction, struct js *list,
			struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT i.path, i.use, c.kind, c.digest, c.size, c.files FROM run_contents i"
		" JOIN contents c ON c.id = i.content WHERE i.run = ?1 AND i.direction = ?2"
		" ORDER BY i.path");
	struct content content;
	int r;

	db_bind(q, 1, run);
	db_bind(q, 2, direction);
	while ((r = db_step(q, err)) > 0) {
		struct js *item;

		if (content_read(q, 2, &content, err) < 0)
			return -1;
		item = js_object();
		js_set_str(item, "path", db_text(q, 0));
		js_set_str(item, "use", db_text(q, 1));
		content_describe(&content, item);
		js_push(list, item);
	}
	return r;
}

/* The columns of `runs` and its params, metrics and tags. */
static int describe_run(struct db *db, int64_t run, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db,
	    "SELECT r.run_id, r.name,"
	    " (SELECT e.name FROM experiments e WHERE e.experiment_id = r.experiment), r.status,"
	    " r.start_time, r.end_time, r.user_id,"
	    " (SELECT p.run_id FROM runs p WHERE p.id = r.parent), r.step"
	    " FROM runs r WHERE r.id = ?1");
	static const char *const keys[] = {
	    "run_id",   "name", "experiment", "status", "start_time",
	    "end_time", "user", "parent",     "step",
	};

	db_bind(q, 1, run);
	if (db_step(q, err) < 0)
		return -1;
	for (int i = 0; i < (int)ARRAY_LEN(keys); i++) {
		if (i != 4 && i != 5)
			js_set_str(object, keys[i], db_text(q, i));
		else if (!db_is_null(q, i))
			js_set_int(object, keys[i], db_int(q, i));
	}
	return add_facts(db, run, object, err);
}

int run_load(struct db *db, const char *id, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM runs WHERE run_id = ?1");
	CLEANUP_JS struct js *object = js_object();
	struct js *inputs, *outputs;
	int64_t run;
	int r;

	/* This query stays open, so that all that follows sees the same moment. */
	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "no run %s", id);
	run = db_int(q, 0);
	if (describe_run(db, run, object, err) < 0)
		return -1;
	js_set(object, "inputs", inputs = js_array());
	js_set(object, "outputs", outputs = js_array());
	if (add_contents(db, run, "in", inputs, err) < 0 ||
	    add_contents(db, run, "out", outputs, err) < 0)
		return -1;
	*ret = steal(&object);
	return 0;
}

void run_digest(const struct js *run, char ret_hex[DIGEST_HEX + 1])
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest digest;

	js_dump(run, JS_CANONICAL, &text);
	digest_of(text.buf, text.len, &digest);
	digest_format(&digest, ret_hex);
}

int run_metric_history(struct db *db, const char *id, const char *key, struct js **ret,
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *object = js_object();
	struct js *points = js_array();
	int64_t run;
	int r;

	js_set(object, key, points);
	if (run_row(db, id, &run, err) < 0)
		return -1;
	q = db_query(
	    db, "SELECT step, timestamp, value, is_nan FROM metrics WHERE run = ?1 AND key = ?2"
		" ORDER BY timestamp, step, value");
	db_bind(q, 1, run);
	db_bind(q, 2, key);
	while ((r = db_step(q, err)) > 0) {
		struct js *point = js_object();

		js_set_int(point, "step", db_int(q, 0));
		js_set_int(point, "timestamp", db_int(q, 1));
		js_set_real(point, "value", metric_value(q, 2));
		js_push(points, point);
	}
	if (r < 0)
		return -1;
	*ret = steal(&object);
	return 0;
}

/* Which generation of runs, and how many: ?n+1 is the limit, ?n+2 the parent. */
static int prepare_search(struct db *db, const struct run_query *query, const struct filter_sql *f,
			  int64_t parent, struct db_stmt **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf sql = STRBUF_INIT;
	int n = (int)f->nvalues;

	strbuf_printf(&sql, "SELECT r.id FROM runs r%s WHERE r.lifecycle_stage = 'active'",
		      f->joins.buf);
	if (query->parent)
		strbuf_printf(&sql, " AND r.parent = ?%d", n + 2);
	else if (!query->all)
		strbuf_puts(&sql, " AND r.parent IS NULL");
	if (f->where.len)
		strbuf_printf(&sql, " AND %s", f->where.buf);
	strbuf_printf(&sql, " ORDER BY %s LIMIT ?%d", f->order.buf, n + 1);
	if (db_query_dynamic(db, sql.buf, ret, err) < 0)
		return -1;
	filter_bind(f, *ret);
	db_bind(*ret, n + 1, query->limit > 0 ? query->limit : DEFAULT_LIMIT);
	if (query->parent)
		db_bind(*ret, n + 2, parent);
	return 0;
}

int run_search(struct db *db, const struct run_query *query, struct js **ret, struct error *err)
{
	struct filter_sql f CLEANUP(filter_release) = FILTER_SQL_INIT;
	char *order = (char *)(uintptr_t)query->order_by;
	const struct strlist orders = {.items = &order, .len = order ? 1 : 0};
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *list = js_array();
	int64_t parent = 0;
	int r;

	if (query->parent && run_row(db, query->parent, &parent, err) < 0)
		return -1;
	if (filter_compile(&filter_runs, query->filter, &orders, &f, err) < 0 ||
	    prepare_search(db, query, &f, parent, &q, err) < 0)
		return -1;
	while ((r = db_step(q, err)) > 0) {
		struct js *run = js_object();

		js_push(list, run);
		if (describe_run(db, db_int(q, 0), run, err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}
