/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/logged_models.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/experiments.h"
#include "registry/keys.h"
#include "registry/logged_models_internal.h"
#include "registry/model_check.h"

#define VERSIONS_TAG "mlflow.modelVersions"

static int not_found(const char *model_id, struct error *err)
{
	return error_set(err, ERR_NOT_FOUND, "Logged model with ID '%s' not found.", model_id);
}

int logged_model_row(struct db *db, const char *model_id, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM logged_models WHERE model_id = ?1");
	int r;

	db_bind(q, 1, model_id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : not_found(model_id, err);
	*ret = db_int(q, 0);
	return 0;
}

static int touch(struct db *db, int64_t model, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE logged_models SET last_update_time = ?2 WHERE id = ?1");

	db_bind(q, 1, model);
	db_bind(q, 2, now_ms);
	return db_run(q, err);
}

/* ---- params and tags ---- */

struct pairing {
	struct db *db;
	int64_t model;
};

static int put_tag(void *ctx, const char *key, const char *value, struct error *err)
{
	const struct pairing *p = ctx;
	struct db_stmt *q;

	if (length_check("key", key, 255, err) < 0 || length_check("value", value, REGISTRY_TAG_CHARS, err) < 0)
		return -1;
	q = db_query(p->db, "INSERT INTO logged_model_tags (model, key, value) VALUES (?1, ?2, ?3)"
			    " ON CONFLICT DO UPDATE SET value = excluded.value");
	db_bind(q, 1, p->model);
	db_bind(q, 2, key);
	db_bind(q, 3, value);
	return db_run(q, err);
}

/* 1 the same, 0 none, -1; another value is refused. */
static int compare_param(const struct pairing *p, const char *key, const char *value, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(p->db, "SELECT value FROM logged_model_params WHERE model = ?1 AND key = ?2");
	int r;

	db_bind(q, 1, p->model);
	db_bind(q, 2, key);
	r = db_step(q, err);
	if (r > 0 && strcmp(db_text(q, 0), value) != 0)
		return error_set(err, ERR_CONFLICT,
				 "Changing param values is not allowed. Param with key='%.250s' was already logged with"
				 " value='%.200s' for the model. Attempted logging new value '%.200s'.", key, db_text(q, 0), value);
	return r;
}

static int put_param(void *ctx, const char *key, const char *value, struct error *err)
{
	const struct pairing *p = ctx;
	struct db_stmt *q;
	int r;

	if (length_check("key", key, 255, err) < 0 || length_check("value", value, REGISTRY_TAG_CHARS, err) < 0)
		return -1;
	r = compare_param(p, key, value, err);
	if (r)
		return r < 0 ? -1 : 0;
	q = db_query(p->db, "INSERT INTO logged_model_params (model, key, value) VALUES (?1, ?2, ?3)");
	db_bind(q, 1, p->model);
	db_bind(q, 2, key);
	db_bind(q, 3, value);
	return db_run(q, err);
}

int logged_model_set_tags(struct db *db, const char *model_id, const struct js *tags, struct error *err)
{
	struct pairing p = { .db = db };

	if (logged_model_row(db, model_id, &p.model, err) < 0)
		return -1;
	return pairs_each(tags, "tags", put_tag, &p, err);
}

int logged_model_log_params(struct db *db, const char *model_id, const struct js *params, struct error *err)
{
	struct pairing p = { .db = db };

	if (logged_model_row(db, model_id, &p.model, err) < 0)
		return -1;
	return pairs_each(params, "params", put_param, &p, err);
}

int logged_model_delete_tag(struct db *db, const char *model_id, const char *key, struct error *err)
{
	struct db_stmt *q;
	int64_t model;

	if (logged_model_row(db, model_id, &model, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM logged_model_tags WHERE model = ?1 AND key = ?2");
	db_bind(q, 1, model);
	db_bind(q, 2, key);
	if (db_run(q, err) < 0)
		return -1;
	if (!db_changes(db))
		return error_set(err, ERR_NOT_FOUND, "No tag with key '%s' found for model with ID '%s'.", key, model_id);
	return 0;
}

/* What the tag says so far: another client may have written anything there. */
static struct js *noted_versions(struct db *db, int64_t model)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT value FROM logged_model_tags WHERE model = ?1 AND key = '" VERSIONS_TAG "'");
	CLEANUP_JS struct js *list = NULL;
	const char *text;

	db_bind(q, 1, model);
	text = db_step(q, NULL) > 0 ? db_text(q, 0) : "[]";
	if (js_parse(text, strlen(text), VERSIONS_TAG, &list, NULL) < 0 || js_typeof(list) != JS_ARRAY)
		return js_array();
	return steal(&list);
}

int logged_model_note_version(struct db *db, const char *model_id, const char *name, int64_t number, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *list = NULL;
	struct pairing p = { .db = db };
	struct js *version;

	if (logged_model_row(db, model_id, &p.model, err) < 0)
		return -1;
	list = noted_versions(db, p.model);
	version = js_object();
	js_set_str(version, "name", name);
	js_set_int(version, "version", number);
	js_push(list, version);
	js_dump(list, JS_SPACED, &text);
	return put_tag(&p, VERSIONS_TAG, text.buf, err);
}

/* ---- life ---- */

static int insert(struct db *db, const struct logged_model_new *new, int64_t experiment, const char *model_id,
		  const char *location, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO logged_models (model_id, experiment, name, location, model_type,"
					 " source_run_id, creation_time, last_update_time)"
					 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)");
	char random[64];

	run_random_name(random, sizeof(random));
	db_bind(q, 1, model_id);
	db_bind(q, 2, experiment);
	db_bind(q, 3, new->name && *new->name ? new->name : random);
	db_bind(q, 4, location);
	db_bind(q, 5, new->model_type ? new->model_type : "");
	db_bind(q, 6, new->source_run_id ? new->source_run_id : "");
	db_bind(q, 7, now_ms);
	return db_run(q, err);
}

int logged_model_create(struct db *db, const struct logged_model_new *new, int64_t now_ms,
			char ret_id[LOGGED_MODEL_ID], struct error *err)
{
	CLEANUP_STRBUF struct strbuf location = STRBUF_INIT;
	struct pairing p = { .db = db };
	char id[LOGGED_MODEL_ID] = "m-";
	int64_t experiment;

	clock_uuid(id + 2);
	if ((new->name && logged_model_name_check(new->name, err) < 0) ||
	    (new->model_type && length_check("model_type", new->model_type, 500, err) < 0) ||
	    (new->source_run_id && length_check("source_run_id", new->source_run_id, 256, err) < 0) ||
	    experiment_parse(new->experiment_id, &experiment, err) < 0 ||
	    experiment_require_active(db, experiment, &location, err) < 0)
		return -1;
	strbuf_printf(&location, "/models/%s/artifacts", id);
	if (insert(db, new, experiment, id, location.buf, now_ms, err) < 0)
		return -1;
	p.model = db_last_id(db);
	if (pairs_each(new->params, "params", put_param, &p, err) < 0 ||
	    pairs_each(new->tags, "tags", put_tag, &p, err) < 0)
		return -1;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}

/* MLflow's number of a status is its place. */
static const char *const statuses[] = { "UNSPECIFIED", "PENDING", "READY", "FAILED" };
static const char *const wire_statuses[] = { "LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
					     "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED" };

static const char *status_parse(const struct js *status)
{
	const char *text = js_text(status);
	int64_t number = js_typeof(status) == JS_INT ? js_int_value(status) : -1;

	if (text && *text >= '0' && *text <= '9')
		number = strtoll(text, NULL, 10);
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (number == (int64_t)i || (text && (!strcmp(text, wire_statuses[i]) || !strcmp(text, statuses[i]))))
			return statuses[i];
	return NULL;
}

static const char *wire_status(const char *status)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(statuses) && strcmp(statuses[i], status) != 0)
		i++;
	return wire_statuses[i];
}

int logged_model_finalize(struct db *db, const char *model_id, const struct js *wanted, int64_t now_ms,
			  struct error *err)
{
	const char *status = status_parse(wanted);
	struct db_stmt *q;
	int64_t model;

	if (!status)
		return error_set(err, ERR_USAGE, "Invalid value for parameter 'status' supplied: it is %s, %s or %s",
				 wire_statuses[1], wire_statuses[2], wire_statuses[3]);
	if (logged_model_row(db, model_id, &model, err) < 0)
		return -1;
	q = db_query(db, "UPDATE logged_models SET status = ?2, last_update_time = ?3 WHERE id = ?1");
	db_bind(q, 1, model);
	db_bind(q, 2, status);
	db_bind(q, 3, now_ms);
	return db_run(q, err);
}

int logged_model_is_pending(struct db *db, const char *model_id, bool *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT status = 'PENDING' FROM logged_models WHERE model_id = ?1");
	int r;

	db_bind(q, 1, model_id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : not_found(model_id, err);
	*ret = db_int(q, 0);
	return 0;
}

int logged_model_delete(struct db *db, const char *model_id, int64_t now_ms, struct error *err)
{
	struct db_stmt *q;
	int64_t model;

	if (logged_model_row(db, model_id, &model, err) < 0)
		return -1;
	q = db_query(db, "UPDATE logged_models SET lifecycle_stage = 'deleted' WHERE id = ?1");
	db_bind(q, 1, model);
	return db_run(q, err) < 0 ? -1 : touch(db, model, now_ms, err);
}

int logged_model_log_metric(struct db *db, const struct logged_model_metric *m, struct error *err)
{
	struct db_stmt *q;
	int64_t model;

	if (logged_model_row(db, m->model_id, &model, err) < 0 ||
	    (m->dataset_name && length_check("dataset_name", m->dataset_name, 500, err) < 0) ||
	    (m->dataset_digest && length_check("dataset_digest", m->dataset_digest, 36, err) < 0))
		return -1;
	q = db_query(db, "INSERT INTO logged_model_metrics (model, key, timestamp, step, run, value, is_nan,"
			 " dataset_name, dataset_digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
			 " ON CONFLICT DO NOTHING");
	db_bind(q, 1, model);
	db_bind(q, 2, m->key);
	db_bind(q, 3, m->timestamp_ms);
	db_bind(q, 4, m->step);
	db_bind(q, 5, m->run);
	db_bind(q, 6, isnan(m->value) ? 0.0 : m->value);
	db_bind(q, 7, (bool)isnan(m->value));
	db_bind(q, 8, m->dataset_name ? m->dataset_name : "");
	db_bind(q, 9, m->dataset_digest ? m->dataset_digest : "");
	return db_run(q, err);
}

/* ---- JSON ---- */

static int add_pairs(struct db *db, const char *sql, int64_t model, const char *member, struct js *object,
		     struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, model);
	while ((r = db_step(q, err)) > 0) {
		struct js *pair = js_object();

		js_set_str(pair, "key", db_text(q, 0));
		js_set_str(pair, "value", db_text(q, 1));
		js_push(list, pair);
	}
	if (js_len(list))
		js_set(object, member, steal(&list));
	return r;
}

static struct js *metric_json(struct db_stmt *q, const char *model_id)
{
	struct js *metric = js_object();

	js_set_str(metric, "key", db_text(q, 0));
	js_set_real(metric, "value", db_int(q, 2) ? (double)NAN : db_real(q, 1));
	js_set_int(metric, "timestamp", db_int(q, 3));
	js_set_int(metric, "step", db_int(q, 4));
	if (*db_text(q, 5))
		js_set_str(metric, "dataset_name", db_text(q, 5));
	if (*db_text(q, 6))
		js_set_str(metric, "dataset_digest", db_text(q, 6));
	js_set_str(metric, "model_id", model_id);
	js_set_str(metric, "run_id", db_text(q, 7));
	return metric;
}

static int add_metrics(struct db *db, int64_t model, const char *model_id, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT m.key, m.value, m.is_nan, m.timestamp, m.step, m.dataset_name, m.dataset_digest, r.run_id"
			     " FROM logged_model_metrics m JOIN runs r ON r.id = m.run WHERE m.model = ?1"
			     " ORDER BY m.key, m.timestamp, m.step, r.run_id");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, model);
	while ((r = db_step(q, err)) > 0)
		js_push(list, metric_json(q, model_id));
	if (js_len(list))
		js_set(object, "metrics", steal(&list));
	return r;
}

int logged_model_json(struct db *db, struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *object = js_object();
	struct js *info = js_object(), *data = js_object();
	int64_t model = db_int(q, 0);

	js_set(object, "info", info);
	js_set(object, "data", data);
	js_set_str(info, "model_id", db_text(q, 1));
	js_set_str(info, "experiment_id", db_text(q, 2));
	js_set_str(info, "name", db_text(q, 3));
	js_set_int(info, "creation_timestamp_ms", db_int(q, 4));
	js_set_int(info, "last_updated_timestamp_ms", db_int(q, 5));
	js_set_str(info, "artifact_uri", db_text(q, 6));
	js_set_str(info, "status", wire_status(db_text(q, 7)));
	js_set_str(info, "model_type", db_text(q, 8));
	js_set_str(info, "source_run_id", db_text(q, 9));
	if (add_pairs(db, "SELECT key, value FROM logged_model_tags WHERE model = ?1", model, "tags", info, err) < 0 ||
	    add_pairs(db, "SELECT key, value FROM logged_model_params WHERE model = ?1", model, "params", data, err) < 0 ||
	    add_metrics(db, model, db_text(q, 1), data, err) < 0)
		return -1;
	*ret = steal(&object);
	return 0;
}

int logged_model_load(struct db *db, const char *model_id, bool deleted, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT " LOGGED_MODEL_COLUMNS " FROM logged_models m"
						      " WHERE m.model_id = ?1 AND (?2 OR m.lifecycle_stage = 'active')");
	int r;

	db_bind(q, 1, model_id);
	db_bind(q, 2, deleted);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : not_found(model_id, err);
	return logged_model_json(db, q, ret, err);
}
