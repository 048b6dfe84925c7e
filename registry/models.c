/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/models.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/keys.h"
#include "registry/model_check.h"
#include "registry/models_internal.h"

int model_find(struct db *db, const char *name, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r;

	if (model_name_check(name, err) < 0)
		return -1;
	q = db_query(db, "SELECT id FROM registered_models WHERE name = ?1");
	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	return r;
}

int model_row(struct db *db, const char *name, int64_t *ret, struct error *err)
{
	int r = model_find(db, name, ret, err);

	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "Registered Model with name=%s not found", name);
	return r < 0 ? -1 : 0;
}

int model_is_prompt(struct db *db, int64_t model, bool *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT lower(value) = 'true' FROM model_tags"
						      " WHERE model = ?1 AND key = '" PROMPT_TAG "'");
	int r;

	db_bind(q, 1, model);
	r = db_step(q, err);
	*ret = r > 0 && db_int(q, 0);
	return r < 0 ? -1 : 0;
}

int model_touch(struct db *db, int64_t model, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE registered_models SET last_update_time = ?2 WHERE id = ?1");

	db_bind(q, 1, model);
	db_bind(q, 2, now_ms);
	return db_run(q, err);
}

/* ---- tags ---- */

static int put_tag(struct db *db, int64_t model, const char *key, const char *value, struct error *err)
{
	struct db_stmt *q;

	if (registry_tag_check(key, value, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO model_tags (model, key, value) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT DO UPDATE SET value = excluded.value");
	db_bind(q, 1, model);
	db_bind(q, 2, key);
	db_bind(q, 3, value);
	return db_run(q, err);
}

struct tagging {
	struct db *db;
	int64_t model;
};

static int put_each_tag(void *ctx, const char *key, const char *value, struct error *err)
{
	const struct tagging *t = ctx;

	return put_tag(t->db, t->model, key, value, err);
}

int model_set_tag(struct db *db, const char *name, const char *key, const char *value, struct error *err)
{
	int64_t model = 0;

	if (model_row(db, name, &model, err) < 0)
		return -1;
	return put_tag(db, model, key, value, err);
}

int model_delete_tag(struct db *db, const char *name, const char *key, struct error *err)
{
	struct db_stmt *q;
	int64_t model = 0;

	if (model_row(db, name, &model, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM model_tags WHERE model = ?1 AND key = ?2");
	db_bind(q, 1, model);
	db_bind(q, 2, key);
	return db_run(q, err);
}

/* ---- life ---- */

static int refuse_taken(struct db *db, int64_t model, const char *name, bool prompt, struct error *err)
{
	static const char *const kinds[] = { "registered model", "prompt" };
	bool taken;

	if (model_is_prompt(db, model, &taken, err) < 0)
		return -1;
	if (taken == prompt)
		return error_set(err, ERR_EXISTS, "%s (name=%s) already exists.", prompt ? "Prompt" : "Registered Model", name);
	return error_set(err, ERR_EXISTS,
			 "Tried to create a %s with name '%s', but the name is already taken by a %s. MLflow does not allow"
			 " creating a model and a prompt with the same name.", kinds[prompt], name, kinds[taken]);
}

static int note_prompt(void *ctx, const char *key, const char *value, struct error *err)
{
	bool *prompt = ctx;

	(void)err;
	if (!strcmp(key, PROMPT_TAG))
		*prompt = !strcmp(value, "true");
	return 0;
}

int model_create(struct db *db, const char *name, const char *description, const struct js *tags, int64_t now_ms,
		 struct error *err)
{
	struct tagging tagging = { .db = db };
	bool prompt = false;
	struct db_stmt *q;
	int r;

	if ((description && length_check("description", description, DESCRIPTION_CHARS, err) < 0) ||
	    pairs_each(tags, "tags", note_prompt, &prompt, err) < 0)
		return -1;
	r = model_find(db, name, &tagging.model, err);
	if (r)
		return r < 0 ? -1 : refuse_taken(db, tagging.model, name, prompt, err);
	q = db_query(db, "INSERT INTO registered_models (name, description, creation_time, last_update_time)"
			 " VALUES (?1, ?2, ?3, ?3)");
	db_bind(q, 1, name);
	db_bind(q, 2, description);
	db_bind(q, 3, now_ms);
	if (db_run(q, err) < 0)
		return -1;
	tagging.model = db_last_id(db);
	return pairs_each(tags, "tags", put_each_tag, &tagging, err);
}

int model_describe(struct db *db, const char *name, const char *description, int64_t now_ms, struct error *err)
{
	struct db_stmt *q;
	int64_t model = 0;

	if (model_row(db, name, &model, err) < 0 ||
	    (description && length_check("description", description, DESCRIPTION_CHARS, err) < 0))
		return -1;
	q = db_query(db, "UPDATE registered_models SET description = ?2, last_update_time = ?3 WHERE id = ?1");
	db_bind(q, 1, model);
	db_bind(q, 2, description);
	db_bind(q, 3, now_ms);
	return db_run(q, err);
}

static int rename_row(struct db *db, int64_t model, const char *new_name, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE registered_models SET name = ?2, last_update_time = ?3 WHERE id = ?1");

	db_bind(q, 1, model);
	db_bind(q, 2, new_name);
	db_bind(q, 3, now_ms);
	if (db_run(q, err) < 0)
		return -1;
	q = db_query(db, "UPDATE model_versions SET last_update_time = ?2 WHERE model = ?1");
	db_bind(q, 1, model);
	db_bind(q, 2, now_ms);
	return db_run(q, err);
}

int model_rename(struct db *db, const char *name, const char *new_name, int64_t now_ms, struct error *err)
{
	int64_t model = 0, other;
	int r;

	if (!new_name[strspn(new_name, " ")])
		return error_set(err, ERR_USAGE, "Missing value for required parameter 'new_name'.");
	if (model_name_check(new_name, err) < 0 || model_row(db, name, &model, err) < 0)
		return -1;
	r = model_find(db, new_name, &other, err);
	if (r > 0 && other != model)
		return error_set(err, ERR_EXISTS, "Registered Model (name=%s) already exists.", new_name);
	return r < 0 ? -1 : rename_row(db, model, new_name, now_ms, err);
}

int model_delete(struct db *db, const char *name, struct error *err)
{
	struct db_stmt *q;
	int64_t model = 0;

	if (model_row(db, name, &model, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM registered_models WHERE id = ?1");
	db_bind(q, 1, model);
	return db_run(q, err);
}

/* ---- JSON ---- */

int pairs_json(struct db_stmt *q, const char *key, const char *value, const char *member, struct js *object,
	       struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	int r;

	while ((r = db_step(q, err)) > 0) {
		struct js *pair = js_object();

		js_set_str(pair, key, db_text(q, 0));
		js_set_str(pair, value, db_text(q, 1));
		js_push(list, pair);
	}
	if (js_len(list))
		js_set(object, member, steal(&list));
	return r;
}

static int add_tags(struct db *db, int64_t model, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT key, value FROM model_tags WHERE model = ?1");

	db_bind(q, 1, model);
	return pairs_json(q, "key", "value", "tags", object, err);
}

static int add_aliases(struct db *db, int64_t model, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT alias, CAST(number AS TEXT) FROM model_aliases WHERE model = ?1");

	db_bind(q, 1, model);
	return pairs_json(q, "alias", "version", "aliases", object, err);
}

static int add_latest(struct db *db, int64_t model, struct js *object, struct error *err)
{
	CLEANUP_JS struct js *latest = NULL;

	if (versions_latest_of(db, model, NULL, false, &latest, err) < 0)
		return -1;
	if (js_len(latest))
		js_set(object, "latest_versions", steal(&latest));
	return 0;
}

int model_json(struct db *db, struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *object = js_object();
	int64_t model = db_int(q, 0);
	const char *description = db_text(q, 2);

	js_set_str(object, "name", db_text(q, 1));
	js_set_int(object, "creation_timestamp", db_int(q, 3));
	js_set_int(object, "last_updated_timestamp", db_int(q, 4));
	if (description && *description)
		js_set_str(object, "description", description);
	if (add_latest(db, model, object, err) < 0 || add_tags(db, model, object, err) < 0 ||
	    add_aliases(db, model, object, err) < 0)
		return -1;
	*ret = steal(&object);
	return 0;
}

int model_load(struct db *db, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int64_t model = 0;
	int r;

	if (model_row(db, name, &model, err) < 0)
		return -1;
	q = db_query(db, "SELECT " MODEL_COLUMNS " FROM registered_models m WHERE id = ?1");
	db_bind(q, 1, model);
	r = db_step(q, err);
	return r <= 0 ? -1 : model_json(db, q, ret, err);
}
