/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to people: may this version have that alias? At most one about an alias waits. */
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/promotions.h"
#include "registry/promotions_internal.h"

#define COLUMNS                                                                                                      \
	"a.id, m.name, a.number, a.alias, a.who, a.state, a.asker, a.asked, a.expires, a.decided, a.actor, a.reason,"  \
	" k.author, k.committer, v.run_id, k.verdict"
#define TABLES                                                                                                       \
	" FROM approvals a JOIN registered_models m ON m.id = a.model"                                                 \
	" LEFT JOIN model_versions v ON v.model = a.model AND v.number = a.number LEFT JOIN candidates k ON k.version = v.id"

/* Runs that made what nobody is asked about any more. */
static int supersede_firings(struct db *db, int64_t model, const char *alias, int64_t number, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE firings SET outcome = 'superseded' WHERE outcome = 'pending' AND run_id IN"
					 " (SELECT v.run_id FROM approvals a JOIN model_versions v ON v.model = a.model"
					 " AND v.number = a.number WHERE a.model = ?1 AND a.alias = ?2 AND a.number <> ?3"
					 " AND a.state = 'waiting')");

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	db_bind(q, 3, number);
	return db_run(q, err);
}

int approvals_supersede(struct db *db, int64_t model, const char *alias, int64_t number, int64_t now_ms, struct error *err)
{
	struct db_stmt *q;

	if (supersede_firings(db, model, alias, number, err) < 0)
		return -1;
	q = db_query(db, "UPDATE approvals SET state = 'superseded', decided = ?3"
			 " WHERE model = ?1 AND alias = ?2 AND state = 'waiting'");

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	db_bind(q, 3, now_ms);
	return db_run(q, err);
}

/* ---- events ---- */

static int note(struct db *db, const char *operation, const char *actor, const char *origin, const struct js *row,
		int64_t now_ms, struct error *err)
{
	static const char *const kept[] = { "id", "alias", "who", "asker", "expires", "reason", "run_id" };
	CLEANUP(cleanup_free) char *subject =
		xasprintf("%s@v%lld", js_get_str(row, "name"), (long long)js_get_int(row, "number", 0));
	CLEANUP_JS struct js *body = js_object();
	const struct event event = {
		.actor = actor, .origin = origin, .operation = operation, .subject = subject, .body = body
	};

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (js_get(row, kept[i]))
			js_set(body, kept[i], js_ref(js_get(row, kept[i])));
	return event_append(db, &event, now_ms, NULL, err);
}

/* ---- reading ---- */

static int row_json(struct db_stmt *q, int64_t now_ms, struct js **ret, struct error *err)
{
	static const struct {
		int column;
		const char *key;
	} texts[] = { { 1, "name" }, { 3, "alias" }, { 6, "asker" }, { 10, "actor" }, { 11, "reason" }, { 12, "author" },
		      { 13, "committer" }, { 14, "run_id" }, { 15, "verdict" } },
	  numbers[] = { { 0, "id" }, { 2, "number" }, { 7, "asked" }, { 8, "expires" }, { 9, "decided" } };
	CLEANUP_JS struct js *row = js_object();
	const char *who = db_text(q, 4), *state = db_text(q, 5);
	struct js *list;

	if (js_parse(who, strlen(who), "an approval in the registry", &list, err) < 0)
		return -1;
	js_set(row, "who", list);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(row, texts[i].key, db_text(q, texts[i].column));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!db_is_null(q, numbers[i].column))
			js_set_int(row, numbers[i].key, db_int(q, numbers[i].column));
	/* over by the clock, whether or not somebody has noted it */
	js_set_str(row, "state", !strcmp(state, "waiting") && db_int(q, 8) <= now_ms ? "expired" : state);
	*ret = steal(&row);
	return 0;
}

static int read_rows(struct db_stmt *q, int64_t now_ms, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct js *row;
	int r;

	while ((r = db_step(q, err)) > 0) {
		if (row_json(q, now_ms, &row, err) < 0)
			return -1;
		js_push(list, row);
	}
	if (r == 0)
		*ret = steal(&list);
	return r;
}

int approvals_list(struct db *db, const char *model, bool waiting, int64_t now_ms, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " COLUMNS TABLES " WHERE (?1 IS NULL OR m.name = ?1)"
			     " AND (NOT ?2 OR (a.state = 'waiting' AND a.expires > ?3)) ORDER BY a.id DESC LIMIT 1000");

	db_bind(q, 1, model);
	db_bind(q, 2, waiting);
	db_bind(q, 3, now_ms);
	return read_rows(q, now_ms, ret, err);
}

/* The newest question about the version and alias; NULL: there was none. */
static int newest(struct db *db, const char *model, int64_t number, const char *alias, int64_t now_ms, struct js **ret,
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT " COLUMNS TABLES " WHERE m.name = ?1 AND a.number = ?2 AND a.alias = ?3 ORDER BY a.id DESC LIMIT 1");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	db_bind(q, 3, alias);
	r = db_step(q, err);
	*ret = NULL;
	return r <= 0 ? r : row_json(q, now_ms, ret, err);
}

int approval_find(struct db *db, const char *model, int64_t number, const char *alias, int64_t now_ms, struct js **ret,
		  struct error *err)
{
	CLEANUP_JS struct js *row = NULL;
	const char *state, *actor;
	int64_t version;

	if (version_row(db, model, number, &version, NULL, err) < 0 ||
	    newest(db, model, number, alias, now_ms, &row, err) < 0)
		return -1;
	if (!row)
		return error_set(err, ERR_NOT_FOUND, "nobody was asked whether %s@v%lld may be %s", model, (long long)number, alias);
	state = js_get_str(row, "state");
	actor = js_get_str(row, "actor");
	if (!strcmp(state, "waiting")) {
		*ret = steal(&row);
		return 0;
	}
	error_set(err, ERR_CONFLICT, "whether %s@v%lld may be %s is not asked any more: %s%s%s", model, (long long)number, alias,
		  state, actor ? " by " : "", actor ? actor : "");
	return error_help(err, "ask again: mlops model promote %s@v%lld --alias %s", model, (long long)number, alias);
}

/* ---- asking ---- */

static int insert(struct db *db, int64_t model, const struct question *ask, struct error *err)
{
	CLEANUP_STRBUF struct strbuf who = STRBUF_INIT;
	struct db_stmt *q = db_query(db, "INSERT INTO approvals (model, number, alias, who, state, asker, asked, expires, reason)"
					 " VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?6, ?7, ?8)");

	js_dump(ask->who, JS_CANONICAL, &who);
	db_bind(q, 1, model);
	db_bind(q, 2, ask->number);
	db_bind(q, 3, ask->alias);
	db_bind(q, 4, who.buf);
	db_bind(q, 5, ask->asker);
	db_bind(q, 6, ask->now_ms);
	db_bind(q, 7, ask->now_ms + ask->within_ms);
	db_bind(q, 8, ask->reason);
	return db_run(q, err);
}

int approval_ask(struct db *db, const struct question *ask, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;
	int64_t version, model = 0;

	if (version_row(db, ask->model, ask->number, &version, &model, err) < 0 ||
	    newest(db, ask->model, ask->number, ask->alias, ask->now_ms, &row, err) < 0)
		return -1;
	if (row && !strcmp(js_get_str(row, "state"), "waiting") && js_equal(js_get(row, "who"), ask->who))
		return 0;
	js_free(row);
	row = NULL;
	if (approvals_supersede(db, model, ask->alias, ask->number, ask->now_ms, err) < 0 || insert(db, model, ask, err) < 0 ||
	    newest(db, ask->model, ask->number, ask->alias, ask->now_ms, &row, err) < 0)
		return -1;
	return note(db, "approval.ask", ask->asker, ask->origin, row, ask->now_ms, err);
}

int approval_close(struct db *db, int64_t id, const char *state, const char *actor, const char *reason, int64_t now_ms,
		   struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE approvals SET state = ?2, actor = ?3, reason = coalesce(?4, reason), decided = ?5"
					 " WHERE id = ?1 AND state = 'waiting'");
	int r;

	db_bind(q, 1, id);
	db_bind(q, 2, state);
	db_bind(q, 3, actor);
	db_bind(q, 4, reason);
	db_bind(q, 5, now_ms);
	r = run_changed(db, q, err);
	return r > 0 ? 0 : r < 0 ? -1 : error_set(err, ERR_CONFLICT, "approval %lld was decided already", (long long)id);
}

/* ---- time ---- */

static int expire(struct db *db, const struct js *row, const char *origin, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE approvals SET state = 'expired', decided = ?2 WHERE id = ?1 AND state = 'waiting'");
	int r;

	db_bind(q, 1, js_get_int(row, "id", 0));
	db_bind(q, 2, now_ms);
	r = run_changed(db, q, err);
	if (r <= 0 || firing_answer(db, js_get_str(row, "run_id"), "expired", err) < 0)
		return r <= 0 ? r : -1;
	return note(db, "approval.expire", "mlops", origin, row, now_ms, err);
}

int approvals_next(struct db *db, int64_t *ret_ms, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT min(expires) FROM approvals WHERE state = 'waiting'");

	if (db_step(q, err) < 0)
		return -1;
	*ret_ms = db_int(q, 0);
	return 0;
}

static int overdue(struct db *db, int64_t now_ms, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " COLUMNS TABLES " WHERE a.state = 'waiting' AND a.expires <= ?1 ORDER BY a.id");

	db_bind(q, 1, now_ms);
	return read_rows(q, now_ms, ret, err);
}

int approvals_expire(struct db *db, const char *origin, int64_t now_ms, struct error *err)
{
	CLEANUP_JS struct js *rows = NULL;

	if (overdue(db, now_ms, &rows, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(rows); i++)
		if (expire(db, js_at(rows, i), origin, now_ms, err) < 0)
			return -1;
	return 0;
}
