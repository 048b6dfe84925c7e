/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/experiments.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/keys.h"
#include "registry/rows.h"

#define COLUMNS                                                                                                        \
	"SELECT experiment_id, name, coalesce(artifact_location, 'mlflow-artifacts:/' || experiment_id),"              \
	" lifecycle_stage, last_update_time, creation_time FROM experiments"

int experiment_parse(const char *id, int64_t *ret, struct error *err)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(id, &end, 10);
	if (!*id || *end || errno)
		return error_set(err, ERR_USAGE, "Invalid experiment ID '%.200s'. Experiment ID must be a valid integer.",
				 id);
	*ret = n;
	return 0;
}

static int missing(int64_t id, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "No Experiment with id=%lld exists", (long long)id);
	return REFUSED;
}

/* ---- reading ---- */

static int add_tags(struct db *db, int64_t id, struct js *experiment, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT key, value FROM experiment_tags WHERE experiment = ?1 ORDER BY key");
	struct js *tags = NULL;
	int r;

	db_bind(q, 1, id);
	while ((r = db_step(q, err)) > 0) {
		struct js *tag = js_object();

		js_set_str(tag, "key", db_text(q, 0));
		js_set_str(tag, "value", db_text(q, 1));
		if (!tags)
			js_set(experiment, "tags", tags = js_array());
		js_push(tags, tag);
	}
	return r;
}

/* Of a query that is to find one: 1, 0 or -1. */
static int load_found(struct db *db, struct db_stmt *q, struct js **ret, struct error *err)
{
	static const char *const keys[] = { "experiment_id", "name", "artifact_location", "lifecycle_stage" };
	CLEANUP_JS struct js *experiment = NULL;
	int r = db_step(q, err);

	if (r <= 0)
		return r;
	experiment = js_object();
	for (int i = 0; i < (int)ARRAY_LEN(keys); i++)
		js_set_str(experiment, keys[i], db_text(q, i));
	js_set_int(experiment, "last_update_time", db_int(q, 4));
	js_set_int(experiment, "creation_time", db_int(q, 5));
	js_set_str(experiment, "workspace", "default");
	if (add_tags(db, db_int(q, 0), experiment, err) < 0)
		return -1;
	*ret = steal(&experiment);
	return 1;
}

int experiment_load(struct db *db, const char *text, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int64_t id = 0;
	int r;

	if (experiment_parse(text, &id, err) < 0)
		return -1;
	q = db_query(db, COLUMNS " WHERE experiment_id = ?1");
	db_bind(q, 1, id);
	r = load_found(db, q, ret, err);
	if (r == 0)
		missing(id, err);
	return r > 0 ? 0 : -1;
}

int experiment_load_named(struct db *db, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, COLUMNS " WHERE name = ?1");
	int r;

	db_bind(q, 1, name);
	r = load_found(db, q, ret, err);
	if (r == 0)
		error_set(err, ERR_NOT_FOUND, "Could not find experiment with name '%.500s'", name);
	return r > 0 ? 0 : -1;
}

/* Its stage ("active"), which must be `wanted` unless that is NULL. */
static int find_stage(struct db *db, int64_t id, const char *wanted, char ret[16], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT lifecycle_stage FROM experiments WHERE experiment_id = ?1");
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0 || (wanted && strcmp(db_text(q, 0), wanted)))
		return missing(id, err);
	snprintf(ret, 16, "%s", db_text(q, 0));
	return 0;
}

static int inactive(int64_t id, struct error *err)
{
	error_set(err, ERR_USAGE, "The experiment %lld must be in the 'active' state. Current state is deleted.",
		  (long long)id);
	return REFUSED;
}

static int require_active(struct db *db, int64_t id, struct error *err)
{
	char stage[16];
	int r = find_stage(db, id, NULL, stage, err);

	if (r < 0)
		return r;
	return strcmp(stage, "active") ? inactive(id, err) : 0;
}

int experiment_require_active(struct db *db, int64_t id, struct strbuf *ret_location, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, COLUMNS " WHERE experiment_id = ?1");
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : missing(id, err);
	if (strcmp(db_text(q, 3), "active"))
		return inactive(id, err);
	if (ret_location)
		strbuf_puts(ret_location, db_text(q, 2));
	return 0;
}

/* ---- making and changing ---- */

static int put_tag(struct db *db, int64_t id, const char *key, const char *value, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO experiment_tags (experiment, key, value) VALUES (?1, ?2, ?3)"
					 " ON CONFLICT DO UPDATE SET value = excluded.value");

	db_bind(q, 1, id);
	db_bind(q, 2, key);
	db_bind(q, 3, value);
	return db_run(q, err);
}

static int check_tag(const char *key, const char *value, struct error *err)
{
	return name_check("key", key, err) < 0 || length_check("key", key, KEY_CHARS, err) < 0 ||
			       length_check("value", value, EXPERIMENT_TAG_CHARS, err) < 0
		       ? -1
		       : 0;
}

static int check_location(const char *location, struct error *err)
{
	size_t scheme = strcspn(location, ":/?#");

	if (location[strcspn(location, "#;")])
		return error_set(err, ERR_USAGE, "'artifact_location' URL can't include fragments or params.");
	if (scheme == 4 && !strncmp(location, "runs:", 5))
		return error_set(err, ERR_USAGE, "Artifact location cannot be a runs:/ URI. Given: '%.200s'", location);
	if (strstr(location, "..") && location[strcspn(location, "?")])
		return error_set(err, ERR_USAGE, "Invalid query string: %.200s", strchr(location, '?') + 1);
	return length_check("artifact_location", location, LOCATION_CHARS, err);
}

static const char *text_or_empty(const struct js *object, const char *key)
{
	const char *text = js_get_str(object, key);

	return text ? text : "";
}

/* Looked up first, because an INSERT that is refused uses up a number. */
static int insert(struct db *db, const struct experiment_new *new, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM experiments WHERE name = ?1");
	struct db_stmt *insert;
	int r;

	db_bind(q, 1, new->name);
	r = db_step(q, err);
	if (r > 0) {
		error_set(err, ERR_EXISTS, "Experiment(name=%.500s) already exists.", new->name);
		return REFUSED;
	}
	if (r < 0)
		return -1;
	insert = db_query(db, "INSERT INTO experiments (name, artifact_location, creation_time, last_update_time)"
			      " VALUES (?1, nullif(?2, ''), ?3, ?3)");
	db_bind(insert, 1, new->name);
	db_bind(insert, 2, new->location);
	db_bind(insert, 3, clock_wall_ms());
	return db_run(insert, err);
}

static int create(struct db *db, const struct experiment_new *new, int64_t *ret_id, struct error *err)
{
	int r = insert(db, new, err);

	if (r < 0)
		return r;
	*ret_id = db_last_id(db);
	for (size_t i = 0; i < js_len(new->tags); i++) {
		const struct js *tag = js_at(new->tags, i);

		if (put_tag(db, *ret_id, text_or_empty(tag, "key"), text_or_empty(tag, "value"), err) < 0)
			return -1;
	}
	return 0;
}

int experiment_create(struct db *db, const struct experiment_new *new, int64_t *ret_id, struct error *err)
{
	if (length_check("name", new->name, EXPERIMENT_CHARS, err) < 0 ||
	    (new->location && check_location(new->location, err) < 0))
		return -1;
	for (size_t i = 0; i < js_len(new->tags); i++) {
		const struct js *tag = js_at(new->tags, i);

		if (check_tag(text_or_empty(tag, "key"), text_or_empty(tag, "value"), err) < 0)
			return -1;
	}
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, create(db, new, ret_id, err), err);
}

static int rename_it(struct db *db, int64_t id, const char *name, struct error *err)
{
	char stage[16];
	struct db_stmt *q;
	int r = find_stage(db, id, NULL, stage, err);

	if (r < 0)
		return r;
	if (strcmp(stage, "active")) {
		error_set(err, ERR_USAGE, "Cannot rename a non-active experiment.");
		return REFUSED;
	}
	q = db_query(db, "UPDATE OR IGNORE experiments SET name = ?2, last_update_time = ?3 WHERE experiment_id = ?1");
	db_bind(q, 1, id);
	db_bind(q, 2, name);
	db_bind(q, 3, clock_wall_ms());
	if (db_run(q, err) < 0)
		return -1;
	if (db_changes(db))
		return 0;
	error_set(err, ERR_EXISTS, "Experiment(name=%.500s) already exists.", name);
	return REFUSED;
}

int experiment_rename(struct db *db, const char *text, const char *name, struct error *err)
{
	int64_t id = 0;

	if (length_check("name", name, EXPERIMENT_CHARS, err) < 0 || experiment_parse(text, &id, err) < 0 ||
	    db_begin(db, err) < 0)
		return -1;
	return write_end(db, rename_it(db, id, name, err), err);
}

static int move(struct db *db, int64_t id, const char *from, const char *to, struct error *err)
{
	static const char *const texts[] = {
		"UPDATE experiments SET lifecycle_stage = ?2, last_update_time = ?3 WHERE experiment_id = ?1",
		"UPDATE runs SET lifecycle_stage = ?2, deleted_time = iif(?2 = 'deleted', ?3, NULL)"
		" WHERE experiment = ?1",
	};
	char stage[16];
	int r = find_stage(db, id, from, stage, err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++) {
		struct db_stmt *q = db_query(db, texts[i]);

		db_bind(q, 1, id);
		db_bind(q, 2, to);
		db_bind(q, 3, clock_wall_ms());
		r = db_run(q, err);
	}
	return r;
}

static int change_stage(struct db *db, const char *text, const char *from, const char *to, struct error *err)
{
	int64_t id = 0;

	if (experiment_parse(text, &id, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return write_end(db, move(db, id, from, to, err), err);
}

int experiment_delete(struct db *db, const char *id, struct error *err)
{
	return change_stage(db, id, "active", "deleted", err);
}

int experiment_restore(struct db *db, const char *id, struct error *err)
{
	return change_stage(db, id, "deleted", "active", err);
}

int experiment_set_tag(struct db *db, const char *text, const char *key, const char *value, struct error *err)
{
	int64_t id = 0;
	int r;

	if (check_tag(key, value, err) < 0 || experiment_parse(text, &id, err) < 0 || db_begin(db, err) < 0)
		return -1;
	r = require_active(db, id, err);
	return write_end(db, r < 0 ? r : put_tag(db, id, key, value, err), err);
}

static int delete_tag(struct db *db, int64_t id, const char *key, struct error *err)
{
	int r = require_active(db, id, err);
	struct db_stmt *q;

	if (r < 0)
		return r;
	q = db_query(db, "DELETE FROM experiment_tags WHERE experiment = ?1 AND key = ?2");
	db_bind(q, 1, id);
	db_bind(q, 2, key);
	if (db_run(q, err) < 0)
		return -1;
	if (db_changes(db))
		return 0;
	error_set(err, ERR_NOT_FOUND, "No tag with name: %.250s in experiment with id %lld", key, (long long)id);
	return REFUSED;
}

int experiment_delete_tag(struct db *db, const char *text, const char *key, struct error *err)
{
	int64_t id = 0;

	if (experiment_parse(text, &id, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return write_end(db, delete_tag(db, id, key, err), err);
}
