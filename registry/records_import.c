/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole of a record is checked before any of it is written: what record_export would not have
 * written is refused, so that importing and exporting give the same bytes again.
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "registry/cache.h"
#include "registry/files.h"
#include "registry/keys.h"
#include "registry/records.h"
#include "registry/records_internal.h"
#include "registry/rows.h"
#include "registry/runs.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)

/* ---- checking ---- */

struct checked {
	struct strmap runs;     /* run_id -> struct js * */
	struct strmap contents; /* text -> the struct js * that named it first */
	struct strmap attempts; /* "STEP NUMBER" */
};

static void checked_release(struct checked *c)
{
	strmap_release(&c->runs);
	strmap_release(&c->contents);
	strmap_release(&c->attempts);
}

static const struct record_member *find_member(const struct record_member *members, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(members[i].name, name))
			return &members[i];
	return NULL;
}

int record_members(const struct js *object, const char *what, const struct record_member *members, size_t n,
		   struct error *err)
{
	size_t found = 0, wanted = 0;

	if (js_typeof(object) != JS_OBJECT)
		return BAD("%s is no object", what);
	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		const struct record_member *m = find_member(members, n, js_iter_key(it));

		if (!m || js_typeof(js_iter_value(it)) != m->type)
			return BAD("%s has a member '%.40s' that does not belong there", what, js_iter_key(it));
		found += !m->optional;
	}
	for (size_t i = 0; i < n; i++)
		wanted += !members[i].optional;
	return found == wanted ? 0 : BAD("%s lacks a member", what);
}

static bool is_run_id(const char *text)
{
	return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static bool is_time(int64_t ms)
{
	return ms >= 0 && ms < RECORD_TIME_MAX;
}

static bool fits(const char *text, size_t max_chars)
{
	return !text[text_prefix(text, max_chars)];
}

/* A name that is printed stays on its line. */
static bool is_line(const char *text, size_t max_chars)
{
	return fits(text, max_chars) && record_text_plain(text);
}

static int check_content(struct checked *c, const struct js *item, struct error *err)
{
	const char *text = js_get_str(item, "content");
	int64_t size = js_get_int(item, "size", -1), files = js_get_int(item, "files", -1);
	const struct js *first = strmap_get(&c->contents, text);
	struct content content;

	if (!content_parse(text, &content) || content.kind == CONTENT_ABSENT)
		return BAD("'%.80s' is no content", text);
	if (size < 0 || files < 0 || (content.kind != CONTENT_TREE && (files > 1 || (!files && size))))
		return BAD("%.80s cannot have this size", text);
	if (first && (js_get_int(first, "size", -1) != size || js_get_int(first, "files", -1) != files))
		return BAD("%.80s has two sizes", text);
	if (!first)
		strmap_set(&c->contents, text, (void *)(uintptr_t)item);
	return 0;
}

/* What stands among a run's contents without being a path of the project. */
static bool is_no_path(const char *path, const char *use, bool input)
{
	if (!input)
		return !strcmp(use, "artifacts") && !strcmp(path, RUN_ARTIFACTS);
	return !strcmp(use, "code") && (!strcmp(path, RUN_CODE_CHANGES) || !strcmp(path, RUN_CODE_DELETED) ||
					 !strcmp(path, RUN_CODE_FILES));
}

static bool is_use(const char *use, bool input)
{
	return input ? !strcmp(use, "data")
		     : !strcmp(use, "out") || !strcmp(use, "metrics") || !strcmp(use, "plots") ||
		       !strcmp(use, "profile");
}

/* Of a run (`use` is checked) or of a cache entry; in the order of their paths. */
static int check_contents(struct checked *c, const struct js *list, bool of_run, bool input, struct error *err)
{
	static const struct record_member members[] = {
		{ "path", JS_STR, false },    { "content", JS_STR, false }, { "size", JS_INT, false },
		{ "files", JS_INT, false },   { "use", JS_STR, false },
	};
	CLEANUP(cleanup_free) char *before = NULL;

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *item = js_at(list, i);
		const char *use = js_get_str(item, "use");
		char *path;

		if (record_members(item, "a content", members, ARRAY_LEN(members) - !of_run, err) < 0)
			return -1;
		path = record_path_read(js_get_str(item, "path"));
		if (!path || (before && strcmp(before, path) >= 0)) {
			free(path);
			return BAD("the path '%.80s' is not written or not sorted as it must be",
				   js_get_str(item, "path"));
		}
		free(before);
		before = path;
		if (of_run && is_no_path(path, use, input))
			;
		else if (!record_path_travels(path) || (!input && !strcmp(path, ".")) || (of_run && !is_use(use, input)))
			return BAD("'%.80s' is no path of a project", path);
		if (check_content(c, item, err) < 0)
			return -1;
	}
	return 0;
}

static int check_texts(const struct js *object, const char *what, size_t max_chars, struct error *err)
{
	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		const char *value = js_text(js_iter_value(it));

		if (key_check(what, js_iter_key(it), NULL) < 0 || !value || !fits(value, max_chars))
			return BAD("the %s '%.40s' is none that could have been logged", what, js_iter_key(it));
	}
	return 0;
}

struct point {
	int64_t timestamp, step;
	double value; /* 0 for NaN */
	bool is_nan;
};

static bool read_point(const struct js *json, struct point *ret)
{
	const struct js *value = js_at(json, 2);
	const char *text = js_text(value);

	if (js_typeof(json) != JS_ARRAY || js_len(json) != 3 || js_typeof(js_at(json, 0)) != JS_INT ||
	    js_typeof(js_at(json, 1)) != JS_INT || (js_typeof(value) != JS_REAL && (!text || strcmp(text, "NaN"))))
		return false;
	*ret = (struct point){ js_int_value(js_at(json, 0)), js_int_value(js_at(json, 1)),
			       text ? 0 : js_number(value), text != NULL };
	return ret->timestamp >= 0 && isfinite(ret->value) && !(ret->value == 0 && signbit(ret->value));
}

static int point_compare(const struct point *a, const struct point *b)
{
	if (a->timestamp != b->timestamp)
		return a->timestamp < b->timestamp ? -1 : 1;
	if (a->step != b->step)
		return a->step < b->step ? -1 : 1;
	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	return (int)a->is_nan - (int)b->is_nan;
}

static int check_metrics(const struct js *metrics, struct error *err)
{
	for (void *it = js_iter(metrics); it; it = js_next(metrics, it)) {
		const struct js *history = js_iter_value(it);
		struct point before, point = { 0 };

		if (key_check("metric", js_iter_key(it), NULL) < 0 || js_typeof(history) != JS_ARRAY || !js_len(history))
			return BAD("the metric '%.40s' is none that could have been logged", js_iter_key(it));
		for (size_t i = 0; i < js_len(history); i++) {
			before = point;
			if (!read_point(js_at(history, i), &point) || (i && point_compare(&before, &point) >= 0))
				return BAD("the history of metric '%.40s' is not one", js_iter_key(it));
		}
	}
	return 0;
}

static int check_run(struct checked *c, const struct js *run, struct error *err)
{
	static const struct record_member members[] = {
		{ "run_id", JS_STR, false },	 { "name", JS_STR, false },	{ "experiment", JS_STR, false },
		{ "user", JS_STR, false },	 { "status", JS_STR, false },	{ "start_time", JS_INT, false },
		{ "end_time", JS_INT, false },	 { "parent", JS_STR, true },	{ "step", JS_STR, true },
		{ "params", JS_OBJECT, false },	 { "tags", JS_OBJECT, false },	{ "metrics", JS_OBJECT, false },
		{ "inputs", JS_ARRAY, false },	 { "outputs", JS_ARRAY, false },
	};
	const char *step = js_get_str(run, "step");
	enum run_status status;

	if (record_members(run, "a run", members, ARRAY_LEN(members), err) < 0)
		return -1;
	if (!is_run_id(js_get_str(run, "run_id")))
		return BAD("'%.64s' is no run id", js_get_str(run, "run_id"));
	if (!run_status_parse(js_get_str(run, "status"), &status) || status == RUN_RUNNING || status == RUN_SCHEDULED)
		return BAD("a run cannot have ended as '%.40s'", js_get_str(run, "status"));
	if (!is_time(js_get_int(run, "start_time", -1)) || !is_time(js_get_int(run, "end_time", -1)))
		return BAD("run %.8s has an impossible time", js_get_str(run, "run_id"));
	if (text_check("experiment", js_get_str(run, "experiment"), EXPERIMENT_CHARS, NULL) < 0 ||
	    !is_line(js_get_str(run, "name"), TAG_CHARS) || !is_line(js_get_str(run, "user"), TAG_CHARS) ||
	    (step && !record_step_valid(step)))
		return BAD("run %.8s has an impossible name", js_get_str(run, "run_id"));
	if (check_texts(js_get(run, "params"), "param", PARAM_CHARS, err) < 0 ||
	    check_texts(js_get(run, "tags"), "tag", TAG_CHARS, err) < 0 || check_metrics(js_get(run, "metrics"), err) < 0 ||
	    check_contents(c, js_get(run, "inputs"), true, true, err) < 0)
		return -1;
	return check_contents(c, js_get(run, "outputs"), true, false, err);
}

/* Each leads to the first through runs of this record. */
static int check_parents(const struct checked *c, const struct js *runs, struct error *err)
{
	if (js_get(js_at(runs, 0), "parent"))
		return BAD("the first run has a parent");
	for (size_t i = 1; i < js_len(runs); i++) {
		const struct js *run = js_at(runs, i);
		int depth = 0;

		while (run && run != js_at(runs, 0) && depth++ < RECORD_DEPTH_MAX) {
			const char *parent = js_get_str(run, "parent");

			run = parent ? strmap_get(&c->runs, parent) : NULL;
		}
		if (run != js_at(runs, 0))
			return BAD("run %.8s does not belong to run %.8s", js_get_str(js_at(runs, i), "run_id"),
				   js_get_str(js_at(runs, 0), "run_id"));
	}
	return 0;
}

static int check_runs(struct checked *c, const struct js *runs, struct error *err)
{
	if (!js_len(runs))
		return BAD("it has no run");
	for (size_t i = 0; i < js_len(runs); i++) {
		struct js *run = js_at(runs, i);
		const char *id;

		if (check_run(c, run, err) < 0)
			return -1;
		id = js_get_str(run, "run_id");
		if (strmap_set(&c->runs, id, run) || (i > 1 && strcmp(js_get_str(js_at(runs, i - 1), "run_id"), id) >= 0))
			return BAD("run %.8s stands twice or in the wrong place", id);
	}
	return check_parents(c, runs, err);
}

static bool is_end_state(const char *state)
{
	static const char *const states[] = { "ok", "failed", "killed", "timeout", "cached", "skipped", "lost" };

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (!strcmp(states[i], state))
			return true;
	return false;
}

/* An absent one is in every range. */
static bool in_range(const struct js *object, const char *key, int64_t min, int64_t max)
{
	int64_t value = js_get_int(object, key, min);

	return value >= min && value <= max;
}

static int check_attempt(struct checked *c, const struct js *a, struct error *err)
{
	static const struct record_member members[] = {
		{ "run", JS_STR, true },	  { "step", JS_STR, false },	 { "state", JS_STR, false },
		{ "source", JS_STR, true },	  { "reason", JS_STR, true },	 { "number", JS_INT, false },
		{ "exit_code", JS_INT, true },	  { "signal", JS_INT, true },	 { "start_time", JS_INT, false },
		{ "end_time", JS_INT, true },	  { "user_us", JS_INT, false },	 { "system_us", JS_INT, false },
		{ "max_rss", JS_INT, false },	  { "sampled", JS_BOOL, true },	 { "key", JS_STR, true },
		{ "record", JS_OBJECT, true },
	};
	const char *run = js_get_str(a, "run"), *source = js_get_str(a, "source"), *key = js_get_str(a, "key");
	CLEANUP(cleanup_free) char *name = NULL;
	struct digest id;

	if (record_members(a, "an attempt", members, ARRAY_LEN(members), err) < 0)
		return -1;
	if (!record_step_valid(js_get_str(a, "step")) || !is_end_state(js_get_str(a, "state")) ||
	    (run && !strmap_has(&c->runs, run)) || (source && !is_run_id(source)) ||
	    (key && (!digest_parse(key, &id) || digest_is_zero(&id))) || !in_range(a, "number", 1, INT_MAX) ||
	    !in_range(a, "exit_code", 0, INT_MAX) || !in_range(a, "signal", 1, INT_MAX) ||
	    !in_range(a, "start_time", 0, RECORD_TIME_MAX) || !in_range(a, "end_time", 1, RECORD_TIME_MAX) ||
	    !in_range(a, "user_us", 0, INT64_MAX) || !in_range(a, "system_us", 0, INT64_MAX) ||
	    !in_range(a, "max_rss", 0, INT64_MAX) || (js_get(a, "sampled") && !js_get_bool(a, "sampled")))
		return BAD("an attempt of step '%.80s' is impossible", js_get_str(a, "step"));
	name = xasprintf("%s %lld", js_get_str(a, "step"), (long long)js_get_int(a, "number", 0));
	return strmap_set(&c->attempts, name, c) ? BAD("attempt %.100s stands twice", name) : 0;
}

static int check_record(struct checked *c, const struct js *record, struct error *err)
{
	static const struct record_member members[] = {
		{ "version", JS_INT, false }, { "runs", JS_ARRAY, false }, { "attempts", JS_ARRAY, false },
	};
	const struct js *attempts = js_get(record, "attempts");
	int64_t start = 0;

	if (record_members(record, "the record", members, ARRAY_LEN(members), err) < 0)
		return -1;
	if (js_get_int(record, "version", 0) != RECORD_VERSION) {
		BAD("the record has version %lld, and this program knows %d",
		    (long long)js_get_int(record, "version", 0), RECORD_VERSION);
		return error_help(err, "use the mlops that wrote it, or a newer one");
	}
	if (check_runs(c, js_get(record, "runs"), err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(attempts); i++) {
		if (check_attempt(c, js_at(attempts, i), err) < 0)
			return -1;
		if (js_get_int(js_at(attempts, i), "start_time", 0) < start)
			return BAD("attempts are not in the order of their start");
		start = js_get_int(js_at(attempts, i), "start_time", 0);
	}
	return 0;
}

/* ---- writing ---- */

/* 1 known, 0 not, -1 */
static int is_known(struct db *db, const char *run_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM runs WHERE run_id = ?1");

	db_bind(q, 1, run_id);
	return db_step(q, err);
}

/*
 * Runs of others stand below zero, in the order of their start, and so before every run made here: "last" stays
 * the last one that ran here, and everybody can tell them apart.
 */
static int free_row(struct db *db, const struct js *run, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM runs WHERE id >= ?1 ORDER BY id");
	int r;

	*ret = js_get_int(run, "start_time", 0) - 2 * RECORD_TIME_MAX;
	db_bind(q, 1, *ret);
	while ((r = db_step(q, err)) > 0 && db_int(q, 0) == *ret)
		++*ret;
	return r < 0 ? -1 : 0;
}

static int put_run(struct db *db, const struct js *run, int64_t *ret_row, struct error *err)
{
	struct db_stmt *q;
	int64_t experiment;

	if (experiment_ensure(db, js_get_str(run, "experiment"), &experiment, err) < 0 ||
	    free_row(db, run, ret_row, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO runs (id, run_id, name, experiment, user_id, status, start_time, end_time, step)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
	db_bind(q, 1, *ret_row);
	db_bind(q, 2, js_get_str(run, "run_id"));
	db_bind(q, 3, js_get_str(run, "name"));
	db_bind(q, 4, experiment);
	db_bind(q, 5, js_get_str(run, "user"));
	db_bind(q, 6, js_get_str(run, "status"));
	db_bind(q, 7, js_get_int(run, "start_time", 0));
	db_bind(q, 8, js_get_int(run, "end_time", 0));
	db_bind(q, 9, js_get_str(run, "step"));
	return db_run(q, err);
}

static int put_texts(struct db *db, const char *sql, int64_t row, const struct js *object, struct error *err)
{
	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		struct db_stmt *q = db_query(db, sql);

		db_bind(q, 1, row);
		db_bind(q, 2, js_iter_key(it));
		db_bind(q, 3, js_text(js_iter_value(it)));
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

static int put_history(struct db *db, int64_t row, const char *key, const struct js *history, struct error *err)
{
	for (size_t i = 0; i < js_len(history); i++) {
		struct db_stmt *q = db_query(db, "INSERT INTO metrics (run, key, timestamp, step, value, is_nan)"
						 " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
		struct point point = { 0 };

		read_point(js_at(history, i), &point);
		db_bind(q, 1, row);
		db_bind(q, 2, key);
		db_bind(q, 3, point.timestamp);
		db_bind(q, 4, point.step);
		db_bind(q, 5, point.value);
		db_bind(q, 6, point.is_nan);
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

static int put_metrics(struct db *db, int64_t row, const struct js *metrics, struct error *err)
{
	struct db_stmt *q;

	for (void *it = js_iter(metrics); it; it = js_next(metrics, it))
		if (put_history(db, row, js_iter_key(it), js_iter_value(it), err) < 0)
			return -1;
	q = db_query(db, "INSERT INTO latest_metrics (run, key, timestamp, step, value, is_nan)"
			 " SELECT run, key, timestamp, step, value, is_nan FROM (SELECT *, row_number() OVER"
			 " (PARTITION BY key ORDER BY step DESC, timestamp DESC, value DESC, is_nan) AS place"
			 " FROM metrics WHERE run = ?1) WHERE place = 1");
	db_bind(q, 1, row);
	return db_run(q, err);
}

static void read_content(const struct js *item, struct content *ret)
{
	content_parse(js_get_str(item, "content"), ret);
	ret->size = (uint64_t)js_get_int(item, "size", 0);
	ret->files = (uint64_t)js_get_int(item, "files", 0);
}

int record_content(const struct js *item, struct content *ret, struct error *err)
{
	int64_t size = js_get_int(item, "size", -1), files = js_get_int(item, "files", -1);
	const char *text = js_get_str(item, "content");

	if (!text || !content_parse(text, ret) || ret->kind == CONTENT_ABSENT || size < 0 || files < 0 ||
	    (ret->kind != CONTENT_TREE && (files > 1 || (!files && size))))
		return BAD("'%.80s' is no content", text ? text : "");
	ret->size = (uint64_t)size;
	ret->files = (uint64_t)files;
	return 0;
}

int record_content_row(struct db *db, const struct content *content, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT id FROM contents WHERE digest = ?1 AND kind = ?2 AND files > 0");
	int r;

	db_bind(q, 1, &content->id);
	db_bind(q, 2, content_kind_name(content->kind));
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	return r ? (r < 0 ? -1 : 0) : content_row(db, content, ret, err);
}

static int put_contents(struct db *db, int64_t row, const char *direction, const struct js *list, struct error *err)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *item = js_at(list, i);
		CLEANUP(cleanup_free) char *path = record_path_read(js_get_str(item, "path"));
		struct content content;
		struct db_stmt *q;
		int64_t id;

		read_content(item, &content);
		if (record_content_row(db, &content, &id, err) < 0)
			return -1;
		q = db_query(db, "INSERT INTO run_contents (run, direction, path, use, content)"
				 " VALUES (?1, ?2, ?3, ?4, ?5)");
		db_bind(q, 1, row);
		db_bind(q, 2, direction);
		db_bind(q, 3, path);
		db_bind(q, 4, js_get_str(item, "use"));
		db_bind(q, 5, id);
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

static int put_facts(struct db *db, int64_t row, const struct js *run, struct error *err)
{
	if (put_texts(db, "INSERT INTO params (run, key, value) VALUES (?1, ?2, ?3)", row, js_get(run, "params"), err) < 0 ||
	    put_texts(db, "INSERT INTO tags (run, key, value) VALUES (?1, ?2, ?3)", row, js_get(run, "tags"), err) < 0 ||
	    put_metrics(db, row, js_get(run, "metrics"), err) < 0 ||
	    put_contents(db, row, "in", js_get(run, "inputs"), err) < 0)
		return -1;
	return put_contents(db, row, "out", js_get(run, "outputs"), err);
}

/* When all rows are there. */
static int put_parent(struct db *db, const struct js *run, struct error *err)
{
	struct db_stmt *q;

	if (!js_get(run, "parent"))
		return 0;
	q = db_query(db, "UPDATE runs SET parent = (SELECT p.id FROM runs p WHERE p.run_id = ?2) WHERE run_id = ?1");
	db_bind(q, 1, js_get_str(run, "run_id"));
	db_bind(q, 2, js_get_str(run, "parent"));
	return db_run(q, err);
}

static int put_attempt(struct db *db, const char *parent, const struct js *json, struct error *err)
{
	CLEANUP_STRBUF struct strbuf record = STRBUF_INIT;
	const char *key = js_get_str(json, "key");
	struct attempt a = {
		.run = js_get_str(json, "run"),
		.parent = parent,
		.step = js_get_str(json, "step"),
		.number = (int)js_get_int(json, "number", 1),
		.state = js_get_str(json, "state"),
		.exit_code = (int)js_get_int(json, "exit_code", -1),
		.signal = (int)js_get_int(json, "signal", 0),
		.start_ms = js_get_int(json, "start_time", 0),
		.end_ms = js_get_int(json, "end_time", 0),
		.user_us = js_get_int(json, "user_us", 0),
		.system_us = js_get_int(json, "system_us", 0),
		.max_rss = js_get_int(json, "max_rss", 0),
		.sampled = js_get_bool(json, "sampled"),
		.source = js_get_str(json, "source"),
		.reason = js_get_str(json, "reason"),
	};

	if (key)
		digest_parse(key, &a.key);
	if (js_get(json, "record")) {
		js_dump(js_get(json, "record"), JS_CANONICAL, &record);
		a.record = record.buf;
	}
	return attempt_store(db, &a, err);
}

static int put_record(struct db *db, const struct js *record, struct error *err)
{
	const struct js *runs = js_get(record, "runs"), *attempts = js_get(record, "attempts");
	int64_t row;

	for (size_t i = 0; i < js_len(runs); i++)
		if (put_run(db, js_at(runs, i), &row, err) < 0 || put_facts(db, row, js_at(runs, i), err) < 0)
			return -1;
	for (size_t i = 0; i < js_len(runs); i++)
		if (put_parent(db, js_at(runs, i), err) < 0)
			return -1;
	for (size_t i = 0; i < js_len(attempts); i++)
		if (put_attempt(db, js_get_str(js_at(runs, 0), "run_id"), js_at(attempts, i), err) < 0)
			return -1;
	return 0;
}

/* 1 when it was written, 0 when the run is known, REFUSED, -1. */
static int take_record(struct db *db, const struct js *record, struct error *err)
{
	const struct js *runs = js_get(record, "runs");

	for (size_t i = 0; i < js_len(runs); i++) {
		const char *id = js_get_str(js_at(runs, i), "run_id");
		int r = is_known(db, id, err);

		if (r < 0)
			return -1;
		if (r && !i)
			return 0;
		if (r) {
			BAD("run %.8s is known here as another's", id);
			return REFUSED;
		}
	}
	return put_record(db, record, err) < 0 ? -1 : 1;
}

int record_check(const struct js *record, struct error *err)
{
	struct checked c CLEANUP(checked_release) = { .runs = STRMAP_INIT };

	return check_record(&c, record, err);
}

int record_import(struct db *db, const struct js *record, bool *ret_new, struct error *err)
{
	struct checked c CLEANUP(checked_release) = { .runs = STRMAP_INIT };
	int r;

	if (check_record(&c, record, err) < 0 || db_begin(db, err) < 0)
		return -1;
	r = write_end(db, take_record(db, record, err), err);
	if (r >= 0 && ret_new)
		*ret_new = r > 0;
	return r < 0 ? -1 : 0;
}

/* ---- the cache ---- */

static int check_entry(const struct js *json, const struct digest *key, struct error *err)
{
	static const struct record_member members[] = {
		{ "key", JS_STR, false },     { "run", JS_STR, false },	    { "step", JS_STR, false },
		{ "created", JS_INT, false }, { "outputs", JS_ARRAY, false },
	};
	struct checked c CLEANUP(checked_release) = { .runs = STRMAP_INIT };
	char hex[DIGEST_HEX + 1];

	if (record_members(json, "the result", members, ARRAY_LEN(members), err) < 0)
		return -1;
	if (strcmp(js_get_str(json, "key"), digest_format(key, hex)) != 0)
		return BAD("it is the result of another step key: %.64s", js_get_str(json, "key"));
	if (!is_run_id(js_get_str(json, "run")) || !record_step_valid(js_get_str(json, "step")) ||
	    !is_time(js_get_int(json, "created", -1)))
		return BAD("the result has an impossible run, step or time");
	return check_contents(&c, js_get(json, "outputs"), false, false, err);
}

int cache_parse(const struct js *json, const struct digest *key, struct cache_entry *ret, struct error *err)
{
	const struct js *outputs = js_get(json, "outputs");
	struct cache_entry entry = { .created_ms = js_get_int(json, "created", 0) };

	if (check_entry(json, key, err) < 0)
		return -1;
	snprintf(entry.run, sizeof(entry.run), "%s", js_get_str(json, "run"));
	snprintf(entry.step, sizeof(entry.step), "%s", js_get_str(json, "step"));
	entry.noutputs = js_len(outputs);
	entry.outputs = xcalloc(entry.noutputs, sizeof(*entry.outputs));
	for (size_t i = 0; i < entry.noutputs; i++) {
		entry.outputs[i].path = record_path_read(js_get_str(js_at(outputs, i), "path"));
		read_content(js_at(outputs, i), &entry.outputs[i].content);
	}
	*ret = entry;
	return 0;
}
