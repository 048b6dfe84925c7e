/* SPDX-License-Identifier: Apache-2.0 */
/* Logging: what JSON says is checked first, all of it, then written. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/real.h"
#include "base/strbuf.h"
#include "registry/keys.h"
#include "registry/logged_models.h"
#include "registry/rows.h"
#include "registry/run_edit.h"
#include "registry/runs_internal.h"

#define PATH_MAX_BYTES 64

/* ---- numbers ---- */

bool wire_real(const struct js *value, double *ret)
{
	static const struct {
		const char *name;
		double value;
	} names[] = { { "NaN", (double)NAN }, { "Infinity", (double)INFINITY }, { "-Infinity", -(double)INFINITY } };
	const char *text = js_text(value);
	char *end;

	if (!text) {
		*ret = js_number(value);
		return js_typeof(value) == JS_INT || js_typeof(value) == JS_REAL;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(text, names[i].name)) {
			*ret = names[i].value;
			return true;
		}
	if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
		return false;
	*ret = strtod(text, &end);
	return !*end;
}

bool wire_int(const struct js *value, int64_t *ret)
{
	const char *text = js_text(value);
	double real;
	char *end;

	switch (js_typeof(value)) {
	case JS_INT:
		*ret = js_int_value(value);
		return true;
	case JS_REAL:
		real = js_number(value);
		if (!(fabs(real) < 9e18) || real != floor(real))
			return false;
		*ret = (int64_t)real;
		return true;
	case JS_STR:
		errno = 0;
		*ret = strtoll(text, &end, 10);
		return *text && !*end && !errno && strspn(text, "0123456789-") == strlen(text);
	default:
		return false;
	}
}

/* ---- checking ---- */

/* How errors name a member: "metrics[3].key", or only "key" when there is one. */
static const char *path_of(const struct run_batch *b, const char *list, size_t i, const char *member, char *buf)
{
	if (b->single)
		return member;
	snprintf(buf, PATH_MAX_BYTES, "%s[%zu].%s", list, i, member);
	return buf;
}

static int lacks(const char *path, struct error *err)
{
	return error_set(err, ERR_USAGE,
			 "Missing value for required parameter '%s'. See the API docs for more information about request "
			 "parameters.",
			 path);
}

static int invalid(const char *path, const struct js *value, const char *why, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(value, JS_COMPACT, &text);
	return error_set(err, ERR_USAGE, "Invalid value %.200s for parameter '%s' supplied: %s", text.buf, path, why);
}

static int invalid_time(const char *path, const struct js *timestamp, const char *key, double value, struct error *err)
{
	CLEANUP(cleanup_free) char *why = NULL;
	char real[REAL_TEXT] = "nan";

	if (isfinite(value))
		real_format(value, real);
	why = xasprintf("metric '%.250s' (value=%s). Timestamp must be a nonnegative long (64-bit integer) ", key, real);
	return invalid(path, timestamp, why, err);
}

static int check_limit(const char *what, size_t n, size_t max, struct error *err)
{
	if (n <= max)
		return 0;
	return error_set(err, ERR_USAGE,
			 "A batch logging request can contain at most %zu %s. Got %zu %s. Please split up %s across multiple "
			 "requests and try again.",
			 max, what, n, what, what);
}

static int check_limits(const struct run_batch *b, struct error *err)
{
	size_t metrics = js_len(b->metrics), params = js_len(b->params), tags = js_len(b->tags);

	return check_limit("metrics", metrics, BATCH_METRICS, err) < 0 ||
			       check_limit("params", params, BATCH_PARAMS, err) < 0 ||
			       check_limit("tags", tags, BATCH_PARAMS, err) < 0 ||
			       check_limit("metrics, params, and tags", metrics + params + tags, BATCH_ALL, err) < 0
		       ? -1
		       : 0;
}

static int read_metric(const struct run_batch *b, size_t i, struct metric *ret, struct error *err)
{
	const struct js *json = js_at(b->metrics, i), *step = js_get(json, "step");
	const struct js *value = js_get(json, "value"), *timestamp = js_get(json, "timestamp");
	char buf[PATH_MAX_BYTES];
	double real;

	ret->key = js_get_str(json, "key");
	if (!ret->key || !*ret->key)
		return lacks(path_of(b, "metrics", i, "key", buf), err);
	if (js_typeof(value) == JS_NULL)
		return lacks(path_of(b, "metrics", i, "value", buf), err);
	if (js_typeof(timestamp) == JS_NULL)
		return lacks(path_of(b, "metrics", i, "timestamp", buf), err);
	if (!wire_real(value, &real))
		return invalid(path_of(b, "metrics", i, "value", buf), value,
			       "Please specify value as a valid double (64-bit floating point)", err);
	if (!wire_int(timestamp, &ret->timestamp_ms) || ret->timestamp_ms < 0)
		return invalid_time(path_of(b, "metrics", i, "timestamp", buf), timestamp, ret->key, real, err);
	ret->step = 0;
	if (js_typeof(step) != JS_NULL && !wire_int(step, &ret->step))
		return invalid(path_of(b, "metrics", i, "step", buf), step, "Step must be a valid long (64-bit integer).",
			       err);
	metric_set_value(ret, real);
	ret->said = json;
	if (!name_is_fine(ret->key))
		return name_check(path_of(b, "metrics", i, "name", buf), ret->key, err);
	return length_check("Metric name", ret->key, KEY_CHARS, err);
}

/* A param or a tag. */
static int check_pair(const struct run_batch *b, const char *list, const struct js *pair, size_t i, const char *what,
		      struct error *err)
{
	const char *key = js_get_str(pair, "key");
	const struct js *value = js_get(pair, "value");
	char buf[PATH_MAX_BYTES];

	if (!key || !*key)
		return lacks(path_of(b, list, i, "key", buf), err);
	if (js_typeof(value) != JS_NULL && js_typeof(value) != JS_STR)
		return invalid(path_of(b, list, i, "value", buf), value, "it is no string", err);
	path_of(b, list, i, "key", buf);
	if (name_check(b->single ? "key" : buf, key, err) < 0)
		return -1;
	return length_check(what ? what : buf, key, KEY_CHARS, err);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_unique(const struct js *params, struct error *err)
{
	size_t n = js_len(params);
	CLEANUP(cleanup_free) const char **keys = xcalloc(n + 1, sizeof(*keys));

	for (size_t i = 0; i < n; i++)
		keys[i] = js_get_str(js_at(params, i), "key");
	qsort(keys, n, sizeof(*keys), by_text);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(keys[i - 1], keys[i]))
			return error_set(err, ERR_USAGE,
					 "Duplicate parameter keys have been submitted: ['%.250s']. Please ensure the request "
					 "contains only one param value per param key.",
					 keys[i]);
	return 0;
}

static int check_pairs(const struct run_batch *b, struct error *err)
{
	for (size_t i = 0; i < js_len(b->params); i++)
		if (check_pair(b, "params", js_at(b->params, i), i, "Param key", err) < 0)
			return -1;
	for (size_t i = 0; i < js_len(b->tags); i++)
		if (check_pair(b, "tags", js_at(b->tags, i), i, b->single ? "key" : NULL, err) < 0)
			return -1;
	return check_unique(b->params, err);
}

/* ---- writing ---- */

/* The order of the table. */
static int by_key(const void *a, const void *b)
{
	const struct metric *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	if (r)
		return r;
	if (x->timestamp_ms != y->timestamp_ms)
		return x->timestamp_ms < y->timestamp_ms ? -1 : 1;
	return x->step < y->step ? -1 : x->step > y->step;
}

static bool is_later(const struct metric *a, const struct metric *b)
{
	if (a->step != b->step)
		return a->step > b->step;
	if (a->timestamp_ms != b->timestamp_ms)
		return a->timestamp_ms > b->timestamp_ms;
	return a->value > b->value;
}

/* The same point, when it tells about a model. */
static int write_model_metric(struct db *db, int64_t run, const struct metric *m, struct error *err)
{
	const char *model_id = js_get_str(m->said, "model_id");
	struct logged_model_metric of_model = {
		.model_id = model_id,
		.run = run,
		.key = m->key,
		.value = m->is_nan ? (double)NAN : m->value,
		.timestamp_ms = m->timestamp_ms,
		.step = m->step,
		.dataset_name = js_get_str(m->said, "dataset_name"),
		.dataset_digest = js_get_str(m->said, "dataset_digest"),
	};

	return model_id && *model_id ? logged_model_log_metric(db, &of_model, err) : 0;
}

static int write_metrics(struct db *db, int64_t run, const struct metric *list, size_t n, struct error *err)
{
	for (size_t i = 0; i < n;) {
		const struct metric *latest = &list[i], *first = latest;

		for (; i < n && !strcmp(list[i].key, first->key); i++) {
			if (metric_insert(db, run, &list[i], err) < 0 ||
			    write_model_metric(db, run, &list[i], err) < 0)
				return -1;
			if (is_later(&list[i], latest))
				latest = &list[i];
		}
		if (metric_insert_latest(db, run, latest, err) < 0)
			return -1;
	}
	return 0;
}

static const char *value_of(const struct js *pair)
{
	const char *value = js_get_str(pair, "value");

	return value ? value : "";
}

static int refuse_change(const struct run_batch *b, const char *run_id, const char *key, const char *old,
			 const char *value, struct error *err)
{
	if (b->single)
		return error_set(err, ERR_CONFLICT,
				 "Changing param values is not allowed. Param with key='%.250s' was already logged with "
				 "value='%.100s' for run ID='%.256s'. Attempted logging new value '%.100s'.",
				 key, old, run_id, value);
	return error_set(err, ERR_CONFLICT,
			 "Changing param values is not allowed. Params were already logged='[{'key': '%.250s', 'old_value': "
			 "'%.100s', 'new_value': '%.100s'}]' for run ID='%.256s'.",
			 key, old, value, run_id);
}

static int write_param(struct db *db, const struct run_batch *b, const char *run_id, int64_t run, const struct js *pair,
		       struct error *err)
{
	const char *key = js_get_str(pair, "key"), *full = value_of(pair), *old;
	CLEANUP(cleanup_free) char *value = xstrndup(full, text_prefix(full, PARAM_CHARS));
	CLEANUP_STMT struct db_stmt *q = NULL;
	struct db_stmt *insert =
		db_query(db, "INSERT INTO params (run, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");

	db_bind(insert, 1, run);
	db_bind(insert, 2, key);
	db_bind(insert, 3, (const char *)value);
	if (db_run(insert, err) < 0)
		return -1;
	if (db_changes(db))
		return 0;
	q = db_query(db, "SELECT value FROM params WHERE run = ?1 AND key = ?2");
	db_bind(q, 1, run);
	db_bind(q, 2, key);
	if (db_step(q, err) < 0)
		return -1;
	old = db_text(q, 0);
	return !strcmp(old, value) ? 0 : refuse_change(b, run_id, key, old, value, err);
}

static int write_batch(struct db *db, const char *run_id, const struct run_batch *b, const struct metric *metrics,
		       struct run_ref *ret, struct error *err)
{
	int r = run_find_writable(db, run_id, ret, err);

	for (size_t i = 0; r == 0 && i < js_len(b->params); i++)
		r = write_param(db, b, run_id, ret->row, js_at(b->params, i), err);
	if (r == 0)
		r = write_metrics(db, ret->row, metrics, js_len(b->metrics), err);
	for (size_t i = 0; r == 0 && i < js_len(b->tags); i++) {
		const char *key = js_get_str(js_at(b->tags, i), "key"), *value = value_of(js_at(b->tags, i));

		if (*value || strcmp(key, TAG_RUN_NAME)) /* a name is never taken away */
			r = run_put_tag(db, ret->row, key, value, err);
	}
	return r;
}

int run_log_batch(struct db *db, const char *run_id, const struct run_batch *b, struct run_ref *ret, struct error *err)
{
	size_t n = js_len(b->metrics);
	struct metric one;
	CLEANUP(cleanup_free) struct metric *many = NULL;
	struct metric *metrics = &one;

	if (check_limits(b, err) < 0)
		return -1;
	if (n > 1)
		metrics = many = xcalloc(n, sizeof(*many));
	for (size_t i = 0; i < n; i++)
		if (read_metric(b, i, &metrics[i], err) < 0)
			return -1;
	if (check_pairs(b, err) < 0)
		return -1;
	if (n > 1)
		qsort(metrics, n, sizeof(*metrics), by_key);
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, write_batch(db, run_id, b, metrics, ret, err), err);
}
