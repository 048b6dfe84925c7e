/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/promotions.h"
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/candidates.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/promotions_internal.h"
#include "registry/rows.h"
#include "registry/versions.h"

static const char *const hows[] = {
	[PROMOTED_BY_GATE] = "gate",
	[PROMOTED_BY_APPROVAL] = "approval",
	[PROMOTED_BY_PERSON] = "person",
	[PROMOTED_BY_ROLLBACK] = "rollback",
};

int run_changed(struct db *db, struct db_stmt *q, struct error *err)
{
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}

/* ---- one move ---- */

static int note_row(struct db *db, int64_t model, const struct promotion *p, int64_t before, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO promotions (model, alias, before, after, how, actor, reason, time)"
					 " VALUES (?1, ?2, nullif(?3, 0), ?4, ?5, ?6, ?7, ?8)");

	db_bind(q, 1, model);
	db_bind(q, 2, p->alias);
	db_bind(q, 3, before);
	db_bind(q, 4, p->number);
	db_bind(q, 5, hows[p->how]);
	db_bind(q, 6, p->actor);
	db_bind(q, 7, p->reason);
	db_bind(q, 8, p->now_ms);
	return db_run(q, err);
}

/* The firing whose run made it waited for this. */
static int note_answer(struct db *db, int64_t version, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT run_id FROM model_versions WHERE id = ?1 AND run_id IS NOT NULL");
	int r;

	db_bind(q, 1, version);
	r = db_step(q, err);
	return r <= 0 ? r : firing_answer(db, db_text(q, 0), "promoted", err);
}

/* Versions that nobody trained here have none, and leave no row while no other had one. */
static int note_reference(struct db *db, int64_t model, int64_t version, const struct promotion *p, struct error *err)
{
	struct db_stmt *q = db_query(
		db, "INSERT INTO monitor_references (model, alias, number, content, time)"
		    " SELECT ?1, ?2, ?3, t.reference, ?4 FROM (SELECT (SELECT reference FROM candidates WHERE version = ?5)"
		    " AS reference) t WHERE t.reference IS NOT NULL"
		    " OR EXISTS (SELECT 1 FROM monitor_references WHERE model = ?1 AND alias = ?2)");

	db_bind(q, 1, model);
	db_bind(q, 2, p->alias);
	db_bind(q, 3, p->number);
	db_bind(q, 4, p->now_ms);
	db_bind(q, 5, version);
	return db_run(q, err);
}

static int note_event(struct db *db, int64_t version, const struct promotion *p, int64_t before, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@%s", p->model, p->alias);
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT run_id FROM model_versions WHERE id = ?1");
	CLEANUP_JS struct js *body = js_object();
	char from[24], to[24];
	struct event event = {
		.actor = p->actor,
		.origin = p->origin,
		.operation = p->how == PROMOTED_BY_ROLLBACK ? "model.rollback" : "model.promote",
		.subject = subject,
		.before = before ? from : NULL,
		.after = to,
		.body = body,
	};

	db_bind(q, 1, version);
	if (db_step(q, err) < 0)
		return -1;
	snprintf(from, sizeof(from), "v%lld", (long long)before);
	snprintf(to, sizeof(to), "v%lld", (long long)p->number);
	js_set_str(body, "how", hows[p->how]);
	js_set_str(body, "reason", p->reason);
	js_set_str(body, "run_id", db_text(q, 0));
	return event_append(db, &event, p->now_ms, NULL, err);
}

int promotion_do(struct db *db, const struct promotion *p, int64_t *ret_before, struct error *err)
{
	int64_t model = 0, version, before;

	if (version_row(db, p->model, p->number, &version, &model, err) < 0 ||
	    alias_set(db, p->model, p->alias, p->number, &before, err) < 0)
		return -1;
	*ret_before = before;
	if (before == p->number)
		return 0;
	if (note_row(db, model, p, before, err) < 0 || note_reference(db, model, version, p, err) < 0 ||
	    note_answer(db, version, err) < 0 || approvals_supersede(db, model, p->alias, p->number, p->now_ms, err) < 0)
		return -1;
	return p->origin ? note_event(db, version, p, before, err) : 0;
}

/* ---- a candidate asks ---- */

static int move_or_ask(struct db *db, const struct js *candidate, const struct alias_rules *rules, struct promotion *p,
		       const char **ret, struct error *err)
{
	struct question question = {
		.model = p->model,
		.alias = p->alias,
		.number = p->number,
		.who = rules->approve,
		.within_ms = rules->within_ms,
		.asker = p->actor,
		.origin = p->origin,
		.now_ms = p->now_ms,
	};
	int64_t before, champion = js_get_int(candidate, "champion", 0);

	if (rules->holder != champion && rules->holder != p->number)
		return error_set(err, ERR_CONFLICT, "%s@%s is v%lld now, and v%lld was judged against v%lld", p->model,
				 p->alias, (long long)rules->holder, (long long)p->number, (long long)champion);
	*ret = js_len(rules->approve) ? "pending" : "promoted";
	return js_len(rules->approve) ? approval_ask(db, &question, err) : promotion_do(db, p, &before, err);
}

int promotion_ask(struct db *db, const struct js *candidate, const char *actor, const char *origin, int64_t now_ms,
		  const char **ret, struct error *err)
{
	CLEANUP(alias_rules_release) struct alias_rules rules = { 0 };
	struct promotion p = {
		.model = js_get_str(candidate, "model"),
		.alias = js_get_str(js_get(candidate, "spec"), "alias"),
		.number = js_get_int(candidate, "number", 0),
		.how = PROMOTED_BY_GATE,
		.actor = actor,
		.origin = origin,
		.now_ms = now_ms,
	};
	int rejected;

	if (!p.alias) {
		*ret = "registered";
		return 0;
	}
	rejected = version_is_rejected(db, p.model, p.number, NULL, err);
	if (rejected < 0 || alias_rules_load(db, p.model, p.alias, p.number, &rules, err) < 0)
		return -1;
	if (rejected || rules.held) {
		*ret = "held";
		return 0;
	}
	return move_or_ask(db, candidate, &rules, &p, ret, err);
}

/* ---- what was ---- */

static struct js *row_json(struct db_stmt *q)
{
	struct js *row = js_object();

	js_set_str(row, "model", db_text(q, 0));
	js_set_str(row, "alias", db_text(q, 1));
	if (!db_is_null(q, 2))
		js_set_int(row, "before", db_int(q, 2));
	js_set_int(row, "after", db_int(q, 3));
	js_set_str(row, "how", db_text(q, 4));
	js_set_str(row, "actor", db_text(q, 5));
	js_set_str(row, "reason", db_text(q, 6));
	js_set_int(row, "time", db_int(q, 7));
	return row;
}

int promotions_list(struct db *db, const char *model, int64_t limit, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT m.name, p.alias, p.before, p.after, p.how, p.actor, p.reason, p.time FROM promotions p"
			     " JOIN registered_models m ON m.id = p.model WHERE m.name = ?1 ORDER BY p.id DESC LIMIT ?2");
	CLEANUP_JS struct js *list = js_array();
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, limit);
	while ((r = db_step(q, err)) > 0)
		js_push(list, row_json(q));
	if (r == 0)
		*ret = steal(&list);
	return r;
}

/* Moves before the first row here are known by where that began. */
int alias_former(struct db *db, const char *model, const char *alias, int64_t wanted, int64_t *ret_number,
		 struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int64_t row, holder;
	int r;

	if (model_row(db, model, &row, err) < 0 || alias_holder(db, row, alias, &holder, err) < 0)
		return -1;
	q = db_query(db, "SELECT n FROM (SELECT 2 * id + 1 AS at, after AS n FROM promotions WHERE model = ?1 AND alias = ?2"
			 " UNION ALL SELECT 2 * id, before FROM promotions WHERE model = ?1 AND alias = ?2)"
			 " WHERE n <> ?3 AND (?4 = 0 OR n = ?4) AND EXISTS (SELECT 1 FROM model_versions WHERE model = ?1 AND number = n)"
			 " AND NOT EXISTS (SELECT 1 FROM rejected_versions WHERE model = ?1 AND number = n)"
			 " ORDER BY at DESC LIMIT 1");
	db_bind(q, 1, row);
	db_bind(q, 2, alias);
	db_bind(q, 3, holder);
	db_bind(q, 4, wanted);
	r = db_step(q, err);
	if (r > 0) {
		*ret_number = db_int(q, 0);
		return 0;
	}
	if (r == 0 && wanted)
		error_set(err, ERR_NOT_FOUND, "%s@v%lld never was %s, or was rejected", model, (long long)wanted, alias);
	else if (r == 0)
		error_set(err, ERR_NOT_FOUND, "no former %s@%s is left", model, alias);
	return -1;
}

int monitor_reference_find(struct db *db, const char *watched, struct content *ret, int64_t *ret_generation,
			   struct error *err)
{
	const char *at = strrchr(watched, '@');
	CLEANUP(cleanup_free) char *model = xstrndup(watched, at ? (size_t)(at - watched) : 0);
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT r.id, c.kind, c.digest, c.size, c.files FROM registered_models m"
			     " JOIN monitor_references r ON r.model = m.id LEFT JOIN contents c ON c.id = r.content AND EXISTS"
			     " (SELECT 1 FROM model_aliases a WHERE a.model = m.id AND a.alias = r.alias AND a.number = r.number)"
			     " WHERE m.name = ?1 AND r.alias = ?2 ORDER BY r.id DESC LIMIT 1");
	struct content content;
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, at ? at + 1 : "");
	r = db_step(q, err);
	if (r < 0 || (r > 0 && !db_is_null(q, 1) && content_read(q, 1, &content, err) < 0))
		return -1;
	*ret_generation = r > 0 ? db_int(q, 0) : 0;
	if (r == 0 || db_is_null(q, 1))
		return 0;
	*ret = content;
	return 1;
}
