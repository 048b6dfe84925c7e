/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/run_edit.h"
#include <string.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/experiments.h"
#include "registry/keys.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include "registry/runs_internal.h"

static int missing(const char *run_id, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "Run with id=%.256s not found", run_id);
	return REFUSED;
}

/* REFUSED when there is none. */
static int find(struct db *db, const char *run_id, struct run_ref *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT id, experiment, lifecycle_stage = 'active', status NOT IN ('RUNNING', 'SCHEDULED')"
			     " FROM runs WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : missing(run_id, err);
	*ret = (struct run_ref){ db_int(q, 0), db_int(q, 1), db_int(q, 2), db_int(q, 3) };
	return 0;
}

int run_find_writable(struct db *db, const char *run_id, struct run_ref *ret, struct error *err)
{
	int r = find(db, run_id, ret, err);

	if (r < 0 || ret->active)
		return r;
	error_set(err, ERR_USAGE, "The run %.256s must be in the 'active' state. Current state is deleted.", run_id);
	return REFUSED;
}

int run_find(struct db *db, const char *run_id, struct run_ref *ret, struct error *err)
{
	return find(db, run_id, ret, err) < 0 ? -1 : 0;
}

int run_find_active(struct db *db, const char *run_id, struct run_ref *ret, struct error *err)
{
	return run_find_writable(db, run_id, ret, err) < 0 ? -1 : 0;
}

/* ---- beginning ---- */

static const char *text_or_empty(const struct js *object, const char *key)
{
	const char *text = js_get_str(object, key);

	return text ? text : "";
}

/* Tells the name, which may stand among the tags. */
static int find_name(const struct run_begin *b, const char **ret, struct error *err)
{
	const char *name = b->name && *b->name ? b->name : NULL, *tagged = NULL;

	for (size_t i = 0; i < js_len(b->tags); i++)
		if (!strcmp(text_or_empty(js_at(b->tags, i), "key"), TAG_RUN_NAME))
			tagged = text_or_empty(js_at(b->tags, i), "value");
	if (name && tagged && *tagged && strcmp(name, tagged))
		return error_set(err, ERR_USAGE,
				 "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different "
				 "values (run_name='%.200s', mlflow.runName='%.200s').",
				 name, tagged);
	*ret = name ? name : tagged && *tagged ? tagged : NULL;
	return 0;
}

static int begin(struct db *db, const struct run_begin *b, const struct run_new *new, int64_t *ret_row,
		 struct error *err)
{
	int r = experiment_require_active(db, new->experiment, NULL, err);

	if (r == 0)
		r = run_insert(db, new, ret_row, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < js_len(b->tags); i++) {
		const char *key = text_or_empty(js_at(b->tags, i), "key");
		const char *value = text_or_empty(js_at(b->tags, i), "value");

		if (strcmp(key, TAG_RUN_NAME) && run_put_tag(db, *ret_row, key, value, err) < 0)
			return -1;
	}
	return 0;
}

int run_begin(struct db *db, const struct run_begin *b, char ret_id[33], int64_t *ret_row, struct error *err)
{
	struct run_new new = { .user = b->user ? b->user : "", .start_ms = b->start_ms };
	char id[33];

	if (experiment_parse(b->experiment && *b->experiment ? b->experiment : "0", &new.experiment, err) < 0 ||
	    find_name(b, &new.name, err) < 0 || (new.name && text_check("run", new.name, TAG_CHARS, err) < 0))
		return -1;
	for (size_t i = 0; i < js_len(b->tags); i++) {
		const char *key = text_or_empty(js_at(b->tags, i), "key");

		if (name_check("key", key, err) < 0 || length_check("key", key, KEY_CHARS, err) < 0)
			return -1;
	}
	clock_uuid(id);
	new.id = id;
	if (db_begin(db, err) < 0 || write_end(db, begin(db, b, &new, ret_row, err), err) < 0)
		return -1;
	memcpy(ret_id, id, sizeof(id));
	return 0;
}

/* ---- changing ---- */

static int update(struct db *db, const char *run_id, const struct run_change *c, struct run_ref *ret, struct error *err)
{
	struct db_stmt *q;
	int r = run_find_writable(db, run_id, ret, err);

	if (r < 0)
		return r;
	q = db_query(db, "UPDATE runs SET status = coalesce(?2, status), end_time = iif(?3, nullif(?4, 0), end_time)"
			 " WHERE id = ?1");
	db_bind(q, 1, ret->row);
	db_bind(q, 2, c->status);
	db_bind(q, 3, c->end_ms != NULL);
	db_bind(q, 4, c->end_ms ? *c->end_ms : 0);
	if (db_run(q, err) < 0)
		return -1;
	return c->name && *c->name ? run_put_tag(db, ret->row, TAG_RUN_NAME, c->name, err) : 0;
}

int run_update(struct db *db, const char *run_id, const struct run_change *c, struct run_ref *ret, struct error *err)
{
	enum run_status status;

	if (c->status && !run_status_parse(c->status, &status))
		return error_set(err, ERR_USAGE, "Invalid value \"%.100s\" for parameter 'status' supplied: it is none of "
						 "RUNNING, SCHEDULED, FINISHED, FAILED, KILLED.",
				 c->status);
	if (c->name && *c->name && text_check("run", c->name, TAG_CHARS, err) < 0)
		return -1;
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, update(db, run_id, c, ret, err), err);
}

static int move(struct db *db, const char *run_id, bool deleted, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE runs SET lifecycle_stage = ?2, deleted_time = ?3 WHERE run_id = ?1");

	db_bind(q, 1, run_id);
	db_bind(q, 2, deleted ? "deleted" : "active");
	if (deleted)
		db_bind(q, 3, clock_wall_ms());
	else
		db_bind(q, 3, (const char *)NULL);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : missing(run_id, err);
}

int run_delete(struct db *db, const char *run_id, struct error *err)
{
	return db_begin(db, err) < 0 ? -1 : write_end(db, move(db, run_id, true, err), err);
}

int run_restore(struct db *db, const char *run_id, struct error *err)
{
	return db_begin(db, err) < 0 ? -1 : write_end(db, move(db, run_id, false, err), err);
}

static int delete_tag(struct db *db, const char *run_id, const char *key, struct run_ref *ret, struct error *err)
{
	struct db_stmt *q;
	int r = run_find_writable(db, run_id, ret, err);

	if (r < 0)
		return r;
	q = db_query(db, "DELETE FROM tags WHERE run = ?1 AND key = ?2");
	db_bind(q, 1, ret->row);
	db_bind(q, 2, key);
	if (db_run(q, err) < 0)
		return -1;
	if (!db_changes(db)) {
		error_set(err, ERR_NOT_FOUND, "No tag with name: %.250s in run with id %.256s", key, run_id);
		return REFUSED;
	}
	if (strcmp(key, TAG_PARENT))
		return 0;
	q = db_query(db, "UPDATE runs SET parent = NULL WHERE id = ?1");
	db_bind(q, 1, ret->row);
	return db_run(q, err);
}

int run_delete_tag(struct db *db, const char *run_id, const char *key, struct run_ref *ret, struct error *err)
{
	return db_begin(db, err) < 0 ? -1 : write_end(db, delete_tag(db, run_id, key, ret, err), err);
}
