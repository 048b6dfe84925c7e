/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/run_read.h"
#include <math.h>
#include <stdbool.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* ---- members ---- */

static void put_key(struct strbuf *out, const char *before, const char *key)
{
	strbuf_puts(out, before);
	strbuf_putc(out, '"');
	strbuf_puts(out, key);
	strbuf_puts(out, "\":");
}

static void put_text(struct strbuf *out, const char *before, const char *key, const char *text)
{
	if (!text)
		return;
	put_key(out, before, key);
	js_put_str(out, text);
}

static void put_int(struct strbuf *out, const char *before, const char *key, int64_t value)
{
	put_key(out, before, key);
	js_put_int(out, value);
}

/* A list whose elements `put` writes, of the rows of a query about run ?1; nothing when there are none. */
struct list {
	const char *name, *sql;
	int (*put)(struct db *, struct db_stmt *, struct strbuf *, struct error *);
};

static int put_list(struct db *db, int64_t run, const struct list *list, bool *any, struct strbuf *out,
		    struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, list->sql);
	bool first = true;
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0) {
		if (first) {
			put_key(out, *any ? "," : "", list->name);
			strbuf_putc(out, '[');
		} else {
			strbuf_putc(out, ',');
		}
		if (list->put(db, q, out, err) < 0)
			return -1;
		first = false;
	}
	if (r < 0)
		return -1;
	if (!first)
		strbuf_putc(out, ']');
	*any = *any || !first;
	return 0;
}

static int put_lists(struct db *db, int64_t run, const char *name, const struct list *lists, size_t n,
		     struct strbuf *out, struct error *err)
{
	bool any = false;

	put_key(out, ",", name);
	strbuf_putc(out, '{');
	for (size_t i = 0; i < n; i++)
		if (put_list(db, run, &lists[i], &any, out, err) < 0)
			return -1;
	strbuf_putc(out, '}');
	return 0;
}

/* ---- elements ---- */

static int put_pair(struct db *db, struct db_stmt *q, struct strbuf *out, struct error *err)
{
	(void)db;
	(void)err;
	put_text(out, "{", "key", db_text(q, 0));
	put_text(out, ",", "value", db_text(q, 1));
	strbuf_putc(out, '}');
	return 0;
}

static int put_metric(struct db *db, struct db_stmt *q, struct strbuf *out, struct error *err)
{
	(void)db;
	(void)err;
	put_text(out, "{", "key", db_text(q, 0));
	put_key(out, ",", "value");
	js_put_real(out, db_int(q, 2) ? (double)NAN : db_real(q, 1));
	put_int(out, ",", "timestamp", db_int(q, 3));
	put_int(out, ",", "step", db_int(q, 4));
	strbuf_putc(out, '}');
	return 0;
}

/* The tags of a data set that a client logged; without a data set, the context of one of a pipeline. */
static int put_dataset_tags(struct db *db, struct db_stmt *q, struct strbuf *out, struct error *err)
{
	CLEANUP_STMT struct db_stmt *tags = NULL;
	const char *before = "\"tags\":[";
	int r;

	if (db_is_null(q, 0)) {
		strbuf_puts(out, before);
		put_text(out, "{", "key", "mlflow.data.context");
		put_text(out, ",", "value", db_text(q, 8));
		strbuf_puts(out, "}],");
		return 0;
	}
	tags = db_query(db, "SELECT key, value FROM run_dataset_tags WHERE run = ?1 AND dataset = ?2");
	db_bind(tags, 1, db_int(q, 7));
	db_bind(tags, 2, db_int(q, 0));
	for (; (r = db_step(tags, err)) > 0; before = ",") {
		strbuf_puts(out, before);
		put_pair(db, tags, out, err);
	}
	if (r == 0 && *before == ',')
		strbuf_puts(out, "],");
	return r;
}

static int put_dataset(struct db *db, struct db_stmt *q, struct strbuf *out, struct error *err)
{
	strbuf_putc(out, '{');
	if (put_dataset_tags(db, q, out, err) < 0)
		return -1;
	put_key(out, "", "dataset");
	put_text(out, "{", "name", db_text(q, 1));
	put_text(out, ",", "digest", db_text(q, 2));
	put_text(out, ",", "source_type", db_text(q, 3));
	put_text(out, ",", "source", db_text(q, 4));
	put_text(out, ",", "schema", db_text(q, 5));
	put_text(out, ",", "profile", db_text(q, 6));
	strbuf_puts(out, "}}");
	return 0;
}

static int put_model(struct db *db, struct db_stmt *q, struct strbuf *out, struct error *err)
{
	(void)db;
	(void)err;
	put_text(out, "{", "model_id", db_text(q, 0));
	if (!db_is_null(q, 1))
		put_int(out, ",", "step", db_int(q, 1));
	strbuf_putc(out, '}');
	return 0;
}

enum { DATA_METRICS, DATA_PARAMS, DATA_TAGS };
static const struct list data[] = {
	[DATA_METRICS] = { "metrics",
			   "SELECT key, value, is_nan, timestamp, step FROM latest_metrics WHERE run = ?1", put_metric },
	[DATA_PARAMS] = { "params", "SELECT key, value FROM params WHERE run = ?1", put_pair },
	[DATA_TAGS] = { "tags", "SELECT key, value FROM tags WHERE run = ?1", put_pair },
};
/* Code of a pipeline's run, which stands at paths that no file can have, is no data set. */
static const struct list inputs[] = {
	{ "dataset_inputs",
	  "SELECT d.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile, i.run, NULL"
	  " FROM run_datasets i JOIN datasets d ON d.id = i.dataset WHERE i.run = ?1"
	  " UNION ALL SELECT NULL, i.path, lower(hex(c.digest)), 'local', json_object('uri', i.path), NULL, NULL, i.run,"
	  " i.use FROM run_contents i JOIN contents c ON c.id = i.content"
	  " WHERE i.run = ?1 AND i.direction = 'in' AND substr(i.path, 1, 1) != '/'",
	  put_dataset },
	{ "model_inputs", "SELECT model_id, step FROM run_models WHERE run = ?1 AND direction = 'in'", put_model },
};
static const struct list outputs[] = {
	{ "model_outputs", "SELECT model_id, step FROM run_models WHERE run = ?1 AND direction = 'out'", put_model },
};

/* ---- a run ---- */

/* 1, or 0 when the row is gone. It is left open, so that all that follows sees the same moment. */
static int open_info(struct db *db, int64_t row, struct db_stmt **ret, struct error *err)
{
	struct db_stmt *q = db_query(
		db, "SELECT r.run_id, r.name, r.experiment, r.user_id, r.status, r.start_time, r.end_time,"
		    " r.lifecycle_stage, coalesce(e.artifact_location, 'mlflow-artifacts:/' || e.experiment_id)"
		    " FROM runs r CROSS JOIN experiments e ON e.experiment_id = r.experiment WHERE r.id = ?1");

	*ret = q;
	db_bind(q, 1, row);
	return db_step(q, err);
}

static void put_info(struct db_stmt *q, struct strbuf *out)
{
	const char *id = db_text(q, 0), *location = db_text(q, 8);

	put_text(out, "{", "run_uuid", id);
	put_key(out, ",", "experiment_id");
	strbuf_printf(out, "\"%s\"", db_text(q, 2));
	put_text(out, ",", "run_name", db_text(q, 1));
	put_text(out, ",", "user_id", db_text(q, 3));
	put_text(out, ",", "status", db_text(q, 4));
	put_int(out, ",", "start_time", db_int(q, 5));
	if (!db_is_null(q, 6))
		put_int(out, ",", "end_time", db_int(q, 6));
	put_text(out, ",", "artifact_uri", location);
	out->len--;
	strbuf_printf(out, "/%s/artifacts\"", id);
	put_text(out, ",", "lifecycle_stage", db_text(q, 7));
	put_text(out, ",", "run_id", id);
	strbuf_putc(out, '}');
}

int run_write(struct db *db, int64_t row, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r = open_info(db, row, &q, err);

	if (r <= 0)
		return r;
	put_key(ret, "{", "info");
	put_info(q, ret);
	if (put_lists(db, row, "data", data, ARRAY_LEN(data), ret, err) < 0 ||
	    put_lists(db, row, "inputs", inputs, ARRAY_LEN(inputs), ret, err) < 0 ||
	    put_lists(db, row, "outputs", outputs, ARRAY_LEN(outputs), ret, err) < 0)
		return -1;
	strbuf_putc(ret, '}');
	return 0;
}

int run_write_begun(struct db *db, int64_t row, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r = open_info(db, row, &q, err);

	if (r <= 0)
		return r;
	put_key(ret, "{", "info");
	put_info(q, ret);
	if (put_lists(db, row, "data", &data[DATA_TAGS], 1, ret, err) < 0)
		return -1;
	strbuf_puts(ret, ",\"inputs\":{}}");
	return 0;
}

int run_write_info(struct db *db, int64_t row, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r = open_info(db, row, &q, err);

	if (r > 0)
		put_info(q, ret);
	return r < 0 ? -1 : 0;
}

int run_write_by_id(struct db *db, const char *run_id, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM runs WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "Run with id=%s not found", run_id);
	return run_write(db, db_int(q, 0), ret, err);
}

int runs_write(struct db *db, const int64_t *rows, size_t n, struct strbuf *ret, struct error *err)
{
	size_t start;

	strbuf_putc(ret, '[');
	for (size_t i = 0; i < n; i++) {
		start = ret->len;
		if (i && ret->buf[start - 1] == '}')
			strbuf_putc(ret, ',');
		if (run_write(db, rows[i], ret, err) < 0)
			return -1;
		if (ret->buf[ret->len - 1] == ',')
			ret->len = start;
	}
	strbuf_putc(ret, ']');
	return 0;
}
