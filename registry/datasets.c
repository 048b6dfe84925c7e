/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/datasets.h"
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/keys.h"
#include "registry/rows.h"
#include "registry/run_edit.h"
#include "registry/runs_internal.h"

#define LIST_MAX 1000

/* ---- checking ---- */

/* Texts of a data set, in the order of its columns; what is left out and may be is NULL. */
static const struct {
	const char *key;
	size_t max;
	bool optional;
} texts[] = {
	{ "name", 500, false },	     { "digest", 36, false },	   { "source_type", 500, false },
	{ "source", 65535, false },  { "schema", 1048575, true },  { "profile", 16777215, true },
};

static const char *text_of(const struct js *object, const char *key, bool optional)
{
	const char *text = js_get_str(object, key);

	return text || optional ? text : "";
}

static int refuse_type(const char *what, struct error *err)
{
	return error_set(err, ERR_USAGE, "Invalid value for parameter '%s' supplied: it must be a list of objects", what);
}

static int check_objects(const char *what, const struct js *list, struct error *err)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (js_typeof(js_at(list, i)) != JS_OBJECT)
			return refuse_type(what, err);
	return 0;
}

static int check_input(const struct js *input, struct error *err)
{
	const struct js *dataset = js_get(input, "dataset"), *tags = js_get(input, "tags");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (length_check(texts[i].key, text_of(dataset, texts[i].key, false), texts[i].max, err) < 0)
			return -1;
	if (check_objects("tags", tags, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(tags); i++)
		if (length_check("key", text_of(js_at(tags, i), "key", false), 255, err) < 0 ||
		    length_check("value", text_of(js_at(tags, i), "value", false), 500, err) < 0)
			return -1;
	return 0;
}

static int check_models(const struct js *models, struct error *err)
{
	if (check_objects("models", models, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(models); i++)
		if (!*text_of(js_at(models, i), "model_id", false))
			return error_set(err, ERR_USAGE, "Missing value for required parameter 'model_id'.");
	return 0;
}

/* ---- writing ---- */

static int dataset_row(struct db *db, int64_t experiment, const struct js *dataset, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *find = db_query(
		db, "SELECT id FROM datasets WHERE experiment = ?1 AND name = ?2 AND digest = ?3");
	struct db_stmt *q;
	int r;

	db_bind(find, 1, experiment);
	db_bind(find, 2, text_of(dataset, "name", false));
	db_bind(find, 3, text_of(dataset, "digest", false));
	r = db_step(find, err);
	if (r) {
		*ret = r > 0 ? db_int(find, 0) : 0;
		return r < 0 ? -1 : 0;
	}
	q = db_query(db, "INSERT INTO datasets (experiment, name, digest, source_type, source, schema, profile)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
	db_bind(q, 1, experiment);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		db_bind(q, (int)i + 2, text_of(dataset, texts[i].key, texts[i].optional));
	if (db_run(q, err) < 0)
		return -1;
	*ret = db_last_id(db);
	return 0;
}

static int put_tag(struct db *db, int64_t run, int64_t dataset, const struct js *tag, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO run_dataset_tags (run, dataset, key, value) VALUES (?1, ?2, ?3, ?4)"
					 " ON CONFLICT DO UPDATE SET value = excluded.value");

	db_bind(q, 1, run);
	db_bind(q, 2, dataset);
	db_bind(q, 3, text_of(tag, "key", false));
	db_bind(q, 4, text_of(tag, "value", false));
	return db_run(q, err);
}

static int put_input(struct db *db, const struct run_ref *run, const struct js *input, struct error *err)
{
	const struct js *tags = js_get(input, "tags");
	struct db_stmt *q;
	int64_t dataset;

	if (dataset_row(db, run->experiment, js_get(input, "dataset"), &dataset, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO run_datasets (run, dataset) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
	db_bind(q, 1, run->row);
	db_bind(q, 2, dataset);
	if (db_run(q, err) < 0)
		return -1;
	if (!db_changes(db))
		return 0;
	for (size_t i = 0; i < js_len(tags); i++)
		if (put_tag(db, run->row, dataset, js_at(tags, i), err) < 0)
			return -1;
	return 0;
}

static int put_models(struct db *db, const struct run_ref *run, const char *direction, const struct js *models,
		      struct error *err)
{
	for (size_t i = 0; i < js_len(models); i++) {
		struct db_stmt *q =
			db_query(db, "INSERT INTO run_models (run, direction, model_id, step)"
				     " VALUES (?1, ?2, ?3, iif(?2 = 'out', ?4, NULL))"
				     " ON CONFLICT DO UPDATE SET step = excluded.step");
		int64_t step = 0;

		wire_int(js_get(js_at(models, i), "step"), &step);
		db_bind(q, 1, run->row);
		db_bind(q, 2, direction);
		db_bind(q, 3, text_of(js_at(models, i), "model_id", false));
		db_bind(q, 4, step);
		if (db_run(q, err) < 0)
			return -1;
	}
	return 0;
}

static int put_inputs(struct db *db, const char *run_id, const struct js *datasets, const struct js *models,
		      struct run_ref *ret, struct error *err)
{
	int r = run_find_writable(db, run_id, ret, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < js_len(datasets); i++)
		if (put_input(db, ret, js_at(datasets, i), err) < 0)
			return -1;
	return put_models(db, ret, "in", models, err);
}

int run_log_inputs(struct db *db, const char *run_id, const struct js *datasets, const struct js *models,
		   struct run_ref *ret, struct error *err)
{
	if (check_objects("datasets", datasets, err) < 0 || check_models(models, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(datasets); i++)
		if (check_input(js_at(datasets, i), err) < 0)
			return -1;
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, put_inputs(db, run_id, datasets, models, ret, err), err);
}

int run_log_outputs(struct db *db, const char *run_id, const struct js *models, struct run_ref *ret, struct error *err)
{
	int r;

	if (check_models(models, err) < 0 || db_begin(db, err) < 0)
		return -1;
	r = run_find_writable(db, run_id, ret, err);
	if (r == 0)
		r = put_models(db, ret, "out", models, err);
	return write_end(db, r, err);
}

/* ---- reading ---- */

static int list_some(struct db *db, int64_t experiment, struct js *list, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT DISTINCT d.name, d.digest, g.value FROM datasets d"
		    " JOIN run_datasets i ON i.dataset = d.id LEFT JOIN run_dataset_tags g"
		    " ON g.run = i.run AND g.dataset = i.dataset AND g.key = 'mlflow.data.context'"
		    " WHERE d.experiment = ?1"
		    " UNION SELECT i.path, lower(hex(c.digest)), i.use FROM runs r CROSS JOIN run_contents i ON i.run = r.id"
		    " CROSS JOIN contents c ON c.id = i.content"
		    " WHERE r.experiment = ?1 AND i.direction = 'in' AND substr(i.path, 1, 1) != '/' LIMIT ?2");
	int r;

	db_bind(q, 1, experiment);
	db_bind(q, 2, LIST_MAX - js_len(list));
	while ((r = db_step(q, err)) > 0) {
		struct js *item = js_object();
		char id[24];

		snprintf(id, sizeof(id), "%lld", (long long)experiment);
		js_set_str(item, "experiment_id", id);
		js_set_str(item, "name", db_text(q, 0));
		js_set_str(item, "digest", db_text(q, 1));
		js_set_str(item, "context", db_text(q, 2));
		js_push(list, item);
	}
	return r;
}

int dataset_list(struct db *db, const int64_t *experiments, size_t n, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();

	for (size_t i = 0; i < n && js_len(list) < LIST_MAX; i++)
		if (list_some(db, experiments[i], list, err) < 0)
			return -1;
	*ret = steal(&list);
	return 0;
}
