/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/firings.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"

static char *canonical(const struct js *json)
{
	struct strbuf text = STRBUF_INIT;

	js_dump(json, JS_CANONICAL, &text);
	return strbuf_detach(&text);
}

/* A column of JSON; null leaves the key out. */
static int set_json(struct js *object, const char *key, const char *text, struct error *err)
{
	struct js *json;

	if (!text)
		return 0;
	if (js_parse(text, strlen(text), key, &json, err) < 0)
		return error_wrap(err, "the triggers in the registry");
	js_set(object, key, json);
	return 0;
}

static void set_time(struct js *object, const char *key, struct db_stmt *q, int column)
{
	if (!db_is_null(q, column))
		js_set_int(object, key, db_int(q, column));
}

/* Rows that `read` makes values of. */
static int read_list(struct db_stmt *q, int (*read)(struct db_stmt *, struct js **, struct error *), struct js **ret,
		     struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct js *row;
	int r;

	while ((r = db_step(q, err)) > 0) {
		if (read(q, &row, err) < 0)
			return -1;
		js_push(list, row);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

/* ---- triggers ---- */

#define TRIGGER_COLUMNS "id, project, name, spec, present, paused, since, last, seen"

static int trigger_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *trigger = js_object();

	js_set_int(trigger, "id", db_int(q, 0));
	js_set_str(trigger, "project", db_text(q, 1));
	js_set_str(trigger, "name", db_text(q, 2));
	js_set_bool(trigger, "present", db_int(q, 4));
	js_set_int(trigger, "since", db_int(q, 6));
	set_time(trigger, "last", q, 7);
	js_set_str(trigger, "seen", db_text(q, 8));
	if (set_json(trigger, "spec", db_text(q, 3), err) < 0 || set_json(trigger, "paused", db_text(q, 5), err) < 0)
		return -1;
	*ret = steal(&trigger);
	return 0;
}

static int no_trigger(struct db *db, const char *project, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT name FROM triggers WHERE project = ?1 AND present ORDER BY name");
	const char *near;

	db_bind(q, 1, project);
	while (db_step(q, NULL) > 0)
		strlist_push(&names, db_text(q, 0));
	near = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "project %.64s has no trigger '%.100s'", project, name);
	return near ? error_help(err, "did you mean '%s'?", near) : error_help(err, "list them: mlops trigger list");
}

/* Those that are no more there, too. */
static int find(struct db *db, const char *project, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " TRIGGER_COLUMNS " FROM triggers WHERE project = ?1 AND name = ?2");
	int r;

	db_bind(q, 1, project);
	db_bind(q, 2, name);
	r = db_step(q, err);
	if (r > 0 && trigger_json(q, ret, err) < 0)
		return -1;
	return r;
}

int trigger_load(struct db *db, const char *project, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *trigger = NULL;
	int r = find(db, project, name, &trigger, err);

	if (r < 0)
		return -1;
	if (r == 0 || !js_get_bool(trigger, "present"))
		return no_trigger(db, project, name, err);
	*ret = steal(&trigger);
	return 0;
}

int triggers_list(struct db *db, const char *project, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT " TRIGGER_COLUMNS " FROM triggers WHERE present AND (?1 IS NULL OR project = ?1) ORDER BY project, name");

	db_bind(q, 1, project);
	return read_list(q, trigger_json, ret, err);
}

static int add_trigger(struct db *db, const char *project, const char *name, const char *spec, int64_t now_ms,
		       struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO triggers (project, name, spec, present, since) VALUES (?1, ?2, ?3, 1, ?4)");

	db_bind(q, 1, project);
	db_bind(q, 2, name);
	db_bind(q, 3, spec);
	db_bind(q, 4, now_ms);
	return db_run(q, err);
}

/* What was decided of other times or other data says nothing of these. */
static bool begins_anew(const struct js *old, const struct js *spec)
{
	static const char *const keys[] = { "cron", "tz", "data" };
	const struct js *before = js_get(old, "spec");

	if (!js_get_bool(old, "present"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *a = js_get_str(before, keys[i]), *b = js_get_str(spec, keys[i]);

		if (a && b ? strcmp(a, b) != 0 : a != b)
			return true;
	}
	return false;
}

static int change_trigger(struct db *db, const struct js *old, const char *spec, bool anew, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = anew ? db_query(db, "UPDATE triggers SET spec = ?2, present = 1, since = ?3, last = NULL, seen = NULL"
						" WHERE id = ?1") :
				   db_query(db, "UPDATE triggers SET spec = ?2 WHERE id = ?1");

	db_bind(q, 1, js_get_int(old, "id", 0));
	db_bind(q, 2, spec);
	if (anew)
		db_bind(q, 3, now_ms);
	return db_run(q, err);
}

/* 1: it differs from before. */
static int set_one(struct db *db, const char *project, const char *name, const struct js *spec, int64_t now_ms,
		   struct error *err)
{
	CLEANUP(cleanup_free) char *text = canonical(spec);
	CLEANUP_JS struct js *old = NULL;
	int r = find(db, project, name, &old, err);

	if (r < 0)
		return -1;
	if (r == 0)
		return add_trigger(db, project, name, text, now_ms, err) < 0 ? -1 : 1;
	if (js_get_bool(old, "present") && js_equal(js_get(old, "spec"), spec))
		return 0;
	return change_trigger(db, old, text, begins_anew(old, spec), now_ms, err) < 0 ? -1 : 1;
}

static int drop_others(struct db *db, const char *project, const struct js *specs, int *changed, struct error *err)
{
	CLEANUP_JS struct js *list = NULL;

	if (triggers_list(db, project, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++) {
		struct db_stmt *q;

		if (js_get(specs, js_get_str(js_at(list, i), "name")))
			continue;
		q = db_query(db, "UPDATE triggers SET present = 0 WHERE id = ?1");
		db_bind(q, 1, js_get_int(js_at(list, i), "id", 0));
		if (db_run(q, err) < 0)
			return -1;
		++*changed;
	}
	return 0;
}

int triggers_set(struct db *db, const char *project, const struct js *specs, int64_t now_ms, int *ret_changed,
		 struct error *err)
{
	int changed = 0;

	for (void *it = js_iter(specs); it; it = js_next(specs, it)) {
		int r = set_one(db, project, js_iter_key(it), js_iter_value(it), now_ms, err);

		if (r < 0)
			return -1;
		changed += r;
	}
	if (drop_others(db, project, specs, &changed, err) < 0)
		return -1;
	*ret_changed = changed;
	return 0;
}

int trigger_pause(struct db *db, int64_t trigger, const struct js *paused, struct error *err)
{
	CLEANUP(cleanup_free) char *text = paused ? canonical(paused) : NULL;
	struct db_stmt *q = db_query(db, "UPDATE triggers SET paused = ?2 WHERE id = ?1");

	db_bind(q, 1, trigger);
	db_bind(q, 2, text);
	if (db_run(q, err) < 0)
		return -1;
	return db_changes(db) ? 0 : error_set(err, ERR_NOT_FOUND, "there is no trigger %lld", (long long)trigger);
}

int trigger_advance(struct db *db, int64_t trigger, int64_t last, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE triggers SET last = ?2 WHERE id = ?1");

	db_bind(q, 1, trigger);
	db_bind(q, 2, last);
	return db_run(q, err);
}

int trigger_saw(struct db *db, int64_t trigger, const char *seen, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE triggers SET seen = ?2 WHERE id = ?1");

	db_bind(q, 1, trigger);
	db_bind(q, 2, seen);
	return db_run(q, err);
}

/* ---- firings ---- */

#define FIRINGS                                                                                                           \
	"SELECT f.id, t.project, t.name, f.cause, f.kind, f.time, f.evidence, f.args, f.decision, f.reason, f.run_id,"    \
	" f.outcome, f.actor, f.created, f.settled FROM firings f JOIN triggers t ON t.id = f.trigger"

static int firing_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	static const struct {
		int column;
		const char *key;
	} texts[] = { { 1, "project" }, { 2, "trigger" }, { 3, "cause" }, { 4, "kind" }, { 8, "decision" }, { 9, "reason" },
		      { 10, "run_id" }, { 11, "outcome" }, { 12, "actor" } };
	CLEANUP_JS struct js *firing = js_object();

	js_set_int(firing, "id", db_int(q, 0));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(firing, texts[i].key, db_text(q, texts[i].column));
	js_set_int(firing, "time", db_int(q, 5));
	js_set_int(firing, "created", db_int(q, 13));
	set_time(firing, "settled", q, 14);
	if (set_json(firing, "evidence", db_text(q, 6), err) < 0 || set_json(firing, "args", db_text(q, 7), err) < 0)
		return -1;
	*ret = steal(&firing);
	return 0;
}

static int insert(struct db *db, const struct firing_new *f, struct error *err)
{
	CLEANUP(cleanup_free) char *evidence = canonical(f->evidence);
	CLEANUP(cleanup_free) char *args = canonical(f->args);
	struct db_stmt *q = db_query(db, "INSERT INTO firings (trigger, cause, kind, time, evidence, args, decision, reason, run_id,"
					 " actor, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
					 " ON CONFLICT (trigger, cause) DO NOTHING");

	db_bind(q, 1, f->trigger);
	db_bind(q, 2, f->cause);
	db_bind(q, 3, f->kind);
	db_bind(q, 4, f->time_ms);
	db_bind(q, 5, evidence);
	db_bind(q, 6, args);
	db_bind(q, 7, f->decision);
	db_bind(q, 8, f->reason);
	db_bind(q, 9, f->run_id);
	db_bind(q, 10, f->actor);
	db_bind(q, 11, f->now_ms);
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}

int firing_of_cause(struct db *db, int64_t trigger, const char *cause, int64_t *ret_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM firings WHERE trigger = ?1 AND cause = ?2");
	int r;

	db_bind(q, 1, trigger);
	db_bind(q, 2, cause);
	r = db_step(q, err);
	if (r >= 0)
		*ret_id = r ? db_int(q, 0) : 0;
	return r < 0 ? -1 : 0;
}

int firing_add(struct db *db, const struct firing_new *f, int64_t *ret_id, struct error *err)
{
	int r = insert(db, f, err);

	if (r > 0)
		*ret_id = db_last_id(db);
	else if (r == 0)
		r = firing_of_cause(db, f->trigger, f->cause, ret_id, err);
	return r;
}

int firing_load(struct db *db, int64_t id, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, FIRINGS " WHERE f.id = ?1");
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "there is no firing %lld", (long long)id);
	return r < 0 ? -1 : firing_json(q, ret, err);
}

int firing_of_run(struct db *db, const char *run_id, int64_t *ret_id, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM firings WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r >= 0)
		*ret_id = r ? db_int(q, 0) : 0;
	return r < 0 ? -1 : 0;
}

int firings_list(struct db *db, const char *project, const char *trigger, int64_t limit, struct js **ret, struct error *err)
{
	/* Of one trigger, by its index; of a project or of all, back from the newest until there are enough. */
	CLEANUP_STMT struct db_stmt *q =
		project && trigger ? db_query(db, FIRINGS " WHERE f.trigger = (SELECT id FROM triggers WHERE project = ?1"
							  " AND name = ?2) ORDER BY f.id DESC LIMIT ?3") :
				     db_query(db, FIRINGS " WHERE (?1 IS NULL OR t.project = ?1) AND (?2 IS NULL OR t.name = ?2)"
							  " ORDER BY f.id DESC LIMIT ?3");

	db_bind(q, 1, project);
	db_bind(q, 2, trigger);
	db_bind(q, 3, limit);
	return read_list(q, firing_json, ret, err);
}

int firings_of_group(struct db *db, const char *project, const char *group, const char *decision, struct js **ret,
		     struct error *err)
{
	/* As two statements, so that each has an index of few rows. */
	CLEANUP_STMT struct db_stmt *q =
		!strcmp(decision, "run") ?
			db_query(db, FIRINGS " WHERE f.decision = 'run' AND f.outcome IS NULL AND t.project = ?1"
					     " AND coalesce(json_extract(t.spec, '$.group'), t.name) = ?2 ORDER BY f.id") :
			db_query(db, FIRINGS " WHERE f.decision = 'waiting' AND t.project = ?1"
					     " AND coalesce(json_extract(t.spec, '$.group'), t.name) = ?2 ORDER BY f.id");

	db_bind(q, 1, project);
	db_bind(q, 2, group);
	return read_list(q, firing_json, ret, err);
}

#define GROUP_OF(trigger) "coalesce(json_extract(" trigger ".spec, '$.group'), " trigger ".name)"

int firings_stranded(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, FIRINGS " WHERE f.decision = 'waiting' AND NOT EXISTS (SELECT 1 FROM firings g"
				     " JOIN triggers u ON u.id = g.trigger WHERE g.decision = 'run' AND g.outcome IS NULL"
				     " AND u.project = t.project AND " GROUP_OF("u") " = " GROUP_OF("t") ") ORDER BY f.id");

	return read_list(q, firing_json, ret, err);
}

int firings_count(struct db *db, int64_t trigger, int64_t from, int64_t to, int64_t *ret_count, int64_t *ret_last,
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT count(*), max(time) FROM firings WHERE decision = 'run'"
						      " AND trigger = ?1 AND time > ?2 AND time < ?3");

	db_bind(q, 1, trigger);
	db_bind(q, 2, from);
	db_bind(q, 3, to);
	if (db_step(q, err) < 0)
		return -1;
	*ret_count = db_int(q, 0);
	*ret_last = db_int(q, 1);
	return 0;
}

static int unsettled_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	(void)err;
	*ret = js_object();
	js_set_str(*ret, "run_id", db_text(q, 0));
	js_set_str(*ret, "state", db_text(q, 1));
	return 0;
}

int firings_unsettled(struct db *db, int64_t ended_before, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT j.run_id, j.state FROM firings f JOIN jobs j ON j.run_id = f.run_id"
			     " WHERE f.decision = 'run' AND f.outcome IS NULL AND j.ended < ?1 ORDER BY f.id");

	db_bind(q, 1, ended_before);
	return read_list(q, unsettled_json, ret, err);
}

int firing_decide(struct db *db, int64_t id, const char *decision, const char *reason, const char *run_id, struct error *err)
{
	struct db_stmt *q = db_query(
		db, "UPDATE firings SET decision = ?2, reason = ?3, run_id = coalesce(?4, run_id) WHERE id = ?1");

	db_bind(q, 1, id);
	db_bind(q, 2, decision);
	db_bind(q, 3, reason);
	db_bind(q, 4, run_id);
	return db_run(q, err);
}

int firing_settle(struct db *db, int64_t id, const char *outcome, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE firings SET outcome = ?2, settled = ?3 WHERE id = ?1 AND outcome IS NULL");

	db_bind(q, 1, id);
	db_bind(q, 2, outcome);
	db_bind(q, 3, now_ms);
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}

int firing_answer(struct db *db, const char *run_id, const char *outcome, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE firings SET outcome = ?2 WHERE run_id = ?1 AND outcome IN ('pending', 'expired')");

	db_bind(q, 1, run_id);
	db_bind(q, 2, outcome);
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}
