/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/versions.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/keys.h"
#include "registry/logged_models.h"
#include "registry/model_check.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/version_source.h"

int version_number(const char *text, int64_t *ret, struct error *err)
{
	long long number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	if (end == text || *end || errno)
		return error_set(err, ERR_USAGE, "Parameter 'version' must be an integer, got '%.100s'.", text);
	*ret = number;
	return 0;
}

int version_row(struct db *db, const char *model, int64_t number, int64_t *ret, int64_t *ret_model,
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r;

	if (model_name_check(model, err) < 0)
		return -1;
	q = db_query(db, "SELECT v.id, v.model FROM registered_models m JOIN model_versions v ON v.model = m.id"
			 " WHERE m.name = ?1 AND v.number = ?2");
	db_bind(q, 1, model);
	db_bind(q, 2, number);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "Model Version (name=%s, version=%lld) not found", model,
					      (long long)number);
	*ret = db_int(q, 0);
	if (ret_model)
		*ret_model = db_int(q, 1);
	return 0;
}

/* ---- JSON ---- */

static int add_tags(struct db *db, int64_t version, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT key, value FROM version_tags WHERE version = ?1");

	db_bind(q, 1, version);
	return pairs_json(q, "key", "value", "tags", object, err);
}

static int add_aliases(struct db *db, int64_t model, int64_t number, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT alias FROM model_aliases WHERE model = ?1 AND number = ?2 ORDER BY alias");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	while ((r = db_step(q, err)) > 0)
		js_push_str(list, db_text(q, 0));
	if (js_len(list))
		js_set(object, "aliases", steal(&list));
	return r;
}

int version_json(struct db *db, struct db_stmt *q, bool aliases, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *object = js_object();

	js_set_str(object, "name", db_text(q, 1));
	js_set_str(object, "version", db_text(q, 2));
	js_set_int(object, "creation_timestamp", db_int(q, 3));
	js_set_int(object, "last_updated_timestamp", db_int(q, 4));
	js_set_str(object, "current_stage", db_text(q, 5));
	js_set_str(object, "description", db_text(q, 6));
	js_set_str(object, "source", db_text(q, 7));
	js_set_str(object, "run_id", db_text(q, 8));
	js_set_str(object, "status", "READY");
	if (add_tags(db, db_int(q, 0), object, err) < 0)
		return -1;
	js_set_str(object, "run_link", db_text(q, 9));
	if (aliases && add_aliases(db, db_int(q, 10), db_int(q, 2), object, err) < 0)
		return -1;
	*ret = steal(&object);
	return 0;
}

int version_load(struct db *db, const char *model, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int64_t version;
	int r;

	if (version_row(db, model, number, &version, NULL, err) < 0)
		return -1;
	q = db_query(db, "SELECT " VERSION_COLUMNS " FROM model_versions v JOIN registered_models m ON m.id = v.model"
			 " WHERE v.id = ?1");
	db_bind(q, 1, version);
	r = db_step(q, err);
	return r <= 0 ? -1 : version_json(db, q, true, ret, err);
}

void version_lineage_release(struct version_lineage *l)
{
	free(l->location);
	free(l->run_id);
	free(l->model_id);
}

static char *text_or_null(struct db_stmt *q, int column)
{
	const char *text = db_text(q, column);

	return text ? xstrdup(text) : NULL;
}

int version_lineage(struct db *db, const char *model, int64_t number, struct version_lineage *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int64_t version;
	int r;

	if (version_row(db, model, number, &version, NULL, err) < 0)
		return -1;
	q = db_query(db, "SELECT location, run_id, model_id FROM model_versions WHERE id = ?1");
	db_bind(q, 1, version);
	r = db_step(q, err);
	if (r <= 0)
		return -1;
	*ret = (struct version_lineage){ text_or_null(q, 0), text_or_null(q, 1), text_or_null(q, 2) };
	return 0;
}

/* ---- stages ---- */

static const char *const stages[] = { "None", "Staging", "Production", "Archived" };

static const char *stage_parse(const char *text, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (!strcasecmp(text, stages[i]))
			return stages[i];
	error_set(err, ERR_USAGE,
		  "Invalid Model Version stage: %.100s. Value must be one of None, Staging, Production, Archived.", text);
	return NULL;
}

/* Bit i: stages[i] is wanted. Nothing said: all. */
static int wanted_stages(const struct js *list, unsigned *ret, struct error *err)
{
	*ret = js_len(list) ? 0 : ~0u;
	for (size_t i = 0; i < js_len(list); i++) {
		const char *text = js_text(js_at(list, i));
		const char *stage = stage_parse(text ? text : "", err);

		if (!stage)
			return -1;
		for (size_t k = 0; k < ARRAY_LEN(stages); k++)
			*ret |= stages[k] == stage ? 1u << k : 0;
	}
	return 0;
}

int versions_latest_of(struct db *db, int64_t model, const struct js *list, bool aliases, struct js **ret,
		       struct error *err)
{
	/* MLflow lists a stage where its oldest version stands. */
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " VERSION_COLUMNS " FROM (SELECT max(number) AS newest, min(number) AS oldest"
			     " FROM model_versions WHERE model = ?1 GROUP BY stage) s"
			     " CROSS JOIN model_versions v ON v.model = ?1 AND v.number = s.newest"
			     " JOIN registered_models m ON m.id = v.model ORDER BY s.oldest");
	CLEANUP_JS struct js *latest = js_array();
	unsigned wanted;
	int r;

	if (wanted_stages(list, &wanted, err) < 0)
		return -1;
	db_bind(q, 1, model);
	while ((r = db_step(q, err)) > 0) {
		struct js *version;
		size_t stage = 0;

		while (strcmp(stages[stage], db_text(q, 5)) != 0)
			stage++;
		if (!(wanted & 1u << stage))
			continue;
		if (version_json(db, q, aliases, &version, err) < 0)
			return -1;
		js_push(latest, version);
	}
	if (r < 0)
		return -1;
	*ret = steal(&latest);
	return 0;
}

int version_latest(struct db *db, const char *model, const struct js *list, struct js **ret, struct error *err)
{
	int64_t row;

	if (model_row(db, model, &row, err) < 0)
		return -1;
	return versions_latest_of(db, row, list, true, ret, err);
}

int version_list(struct db *db, const char *name, int64_t max, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " VERSION_COLUMNS " FROM registered_models m JOIN model_versions v ON v.model = m.id"
			     " WHERE m.name = ?1 ORDER BY v.number DESC LIMIT ?2");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, name);
	db_bind(q, 2, max);
	while ((r = db_step(q, err)) > 0) {
		struct js *version;

		if (version_json(db, q, true, &version, err) < 0)
			return -1;
		js_push(list, version);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

static int archive_others(struct db *db, int64_t model, int64_t version, const char *stage, int64_t now_ms,
			  struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE model_versions SET stage = 'Archived', last_update_time = ?4"
					 " WHERE model = ?1 AND id <> ?2 AND stage = ?3");

	db_bind(q, 1, model);
	db_bind(q, 2, version);
	db_bind(q, 3, stage);
	db_bind(q, 4, now_ms);
	return db_run(q, err);
}

static int put_stage(struct db *db, int64_t version, const char *stage, int64_t now_ms, const char **ret_before,
		     struct error *err)
{
	struct db_stmt *q = db_query(db, "SELECT stage FROM model_versions WHERE id = ?1");
	int r;

	db_bind(q, 1, version);
	r = db_step(q, err);
	*ret_before = r > 0 ? stage_parse(db_text(q, 0), NULL) : NULL;
	db_done(q);
	if (r <= 0)
		return -1;
	q = db_query(db, "UPDATE model_versions SET stage = ?2, last_update_time = ?3 WHERE id = ?1");
	db_bind(q, 1, version);
	db_bind(q, 2, stage);
	db_bind(q, 3, now_ms);
	return db_run(q, err);
}

int version_set_stage(struct db *db, const char *name, int64_t number, const char *text, bool archive, int64_t now_ms,
		      const char **ret_before, struct error *err)
{
	const char *stage = stage_parse(text, err);
	int64_t version, model;

	if (!stage)
		return -1;
	if (archive && stage != stages[1] && stage != stages[2])
		return error_set(err, ERR_USAGE,
				 "Model version transition cannot archive existing model versions because '%s' is not an Active"
				 " stage. Valid stages are ['Staging', 'Production']", text);
	if (version_row(db, name, number, &version, &model, err) < 0 ||
	    (archive && archive_others(db, model, version, stage, now_ms, err) < 0) ||
	    put_stage(db, version, stage, now_ms, ret_before, err) < 0)
		return -1;
	return model_touch(db, model, now_ms, err);
}

/* ---- life ---- */

struct tagging {
	struct db *db;
	int64_t version;
	bool prompt;
};

static int put_tag(void *ctx, const char *key, const char *value, struct error *err)
{
	const struct tagging *t = ctx;
	struct db_stmt *q;

	if (registry_tag_check(key, value, err) < 0)
		return -1;
	q = db_query(t->db, "INSERT INTO version_tags (version, key, value) VALUES (?1, ?2, ?3)"
			    " ON CONFLICT DO UPDATE SET value = excluded.value");
	db_bind(q, 1, t->version);
	db_bind(q, 2, key);
	db_bind(q, 3, value);
	return db_run(q, err);
}

static int note_prompt(void *ctx, const char *key, const char *value, struct error *err)
{
	struct tagging *t = ctx;

	(void)err;
	if (!strcmp(key, PROMPT_TAG))
		t->prompt = !strcasecmp(value, "true");
	return 0;
}

static int next_number(struct db *db, int64_t model, int64_t now_ms, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "UPDATE registered_models SET last_number = last_number + 1, last_update_time = ?2"
			     " WHERE id = ?1 RETURNING last_number");

	db_bind(q, 1, model);
	db_bind(q, 2, now_ms);
	if (db_step(q, err) <= 0)
		return -1;
	*ret = db_int(q, 0);
	return db_step(q, err);
}

static int insert_version(struct db *db, int64_t model, int64_t number, const struct version_new *new,
			  const struct version_source *from, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO model_versions (model, number, description, creation_time,"
					 " last_update_time, source, location, run_id, run_link, model_id)"
					 " VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9)");

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	db_bind(q, 3, new->description ? new->description : "");
	db_bind(q, 4, now_ms);
	db_bind(q, 5, from->source);
	db_bind(q, 6, from->location);
	db_bind(q, 7, from->run_id);
	db_bind(q, 8, new->run_link ? new->run_link : "");
	db_bind(q, 9, from->model_id);
	return db_run(q, err);
}

static int put_tags(struct tagging *tagging, const struct js *tags, struct error *err)
{
	return pairs_each(tags, "tags", put_tag, tagging, err);
}

int version_put(struct db *db, int64_t model, int64_t number, const struct version_new *new, const char *location,
		int64_t now_ms, int64_t *ret, struct error *err)
{
	const struct version_source from = { (char *)(uintptr_t)new->source, (char *)(uintptr_t)location,
					     (char *)(uintptr_t)new->run_id, (char *)(uintptr_t)new->model_id };
	struct tagging tagging = { .db = db };
	struct db_stmt *q;

	if (insert_version(db, model, number, new, &from, now_ms, err) < 0)
		return -1;
	*ret = tagging.version = db_last_id(db);
	q = db_query(db, "UPDATE registered_models SET last_number = max(last_number, ?2) WHERE id = ?1");
	db_bind(q, 1, model);
	db_bind(q, 2, number);
	return db_run(q, err) < 0 ? -1 : put_tags(&tagging, new->tags, err);
}

int version_create(struct db *db, const struct version_new *new, int64_t now_ms, int64_t *ret_number,
		   struct error *err)
{
	struct version_source from CLEANUP(version_source_release) = { 0 };
	struct tagging tagging = { .db = db };
	int64_t model, number;

	if (pairs_each(new->tags, "tags", note_prompt, &tagging, err) < 0 ||
	    (new->description && length_check("description", new->description, DESCRIPTION_CHARS, err) < 0) ||
	    version_source_resolve(db, new, tagging.prompt, &from, err) < 0 ||
	    model_row(db, new->model, &model, err) < 0 || next_number(db, model, now_ms, &number, err) < 0 ||
	    insert_version(db, model, number, new, &from, now_ms, err) < 0)
		return -1;
	tagging.version = db_last_id(db);
	if (put_tags(&tagging, new->tags, err) < 0 ||
	    (!tagging.prompt && new->model_id && *new->model_id &&
	     logged_model_note_version(db, new->model_id, new->model, number, err) < 0))
		return -1;
	*ret_number = number;
	return 0;
}

int version_describe(struct db *db, const char *model, int64_t number, const char *description, int64_t now_ms,
		     struct error *err)
{
	struct db_stmt *q;
	int64_t version;

	if (version_row(db, model, number, &version, NULL, err) < 0 ||
	    (description && length_check("description", description, DESCRIPTION_CHARS, err) < 0))
		return -1;
	q = db_query(db, "UPDATE model_versions SET description = ?2, last_update_time = ?3 WHERE id = ?1");
	db_bind(q, 1, version);
	db_bind(q, 2, description);
	db_bind(q, 3, now_ms);
	return db_run(q, err);
}

int version_delete(struct db *db, const char *name, int64_t number, int64_t now_ms, struct error *err)
{
	int64_t version, model;
	struct db_stmt *q;

	if (version_row(db, name, number, &version, &model, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM model_versions WHERE id = ?1");
	db_bind(q, 1, version);
	if (db_run(q, err) < 0)
		return -1;
	return model_touch(db, model, now_ms, err);
}

int version_set_tag(struct db *db, const char *model, int64_t number, const char *key, const char *value,
		    struct error *err)
{
	struct tagging tagging = { .db = db };

	if (version_row(db, model, number, &tagging.version, NULL, err) < 0)
		return -1;
	return put_tag(&tagging, key, value, err);
}

int version_delete_tag(struct db *db, const char *model, int64_t number, const char *key, struct error *err)
{
	struct db_stmt *q;
	int64_t version;

	if (version_row(db, model, number, &version, NULL, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM version_tags WHERE version = ?1 AND key = ?2");
	db_bind(q, 1, version);
	db_bind(q, 2, key);
	return db_run(q, err);
}
