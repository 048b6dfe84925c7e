/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be kept before an alias moves. Rules come from the [model.NAME] that versions were made with, so they are
 * those of the record, whatever a work tree says now. */
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/model_records.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/promotions.h"
#include "registry/promotions_internal.h"

#define WITHIN_MS (7 * 86400000LL)

int alias_holder(struct db *db, int64_t model, const char *alias, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT number FROM model_aliases WHERE model = ?1 AND alias = ?2");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	r = db_step(q, err);
	if (r >= 0)
		*ret = r > 0 ? db_int(q, 0) : 0;
	return r < 0 ? -1 : 0;
}

void alias_rules_release(struct alias_rules *rules)
{
	js_free(rules->approve);
	rules->approve = NULL;
}

/* Of a version, or, with 0, of the newest one; NULL when none wants this alias. */
static int load_spec(struct db *db, int64_t model, const char *alias, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT k.spec FROM model_versions v JOIN candidates k ON k.version = v.id WHERE v.model = ?1"
			     " AND (?3 = 0 OR v.number = ?3) AND json_extract(k.spec, '$.alias') = ?2"
			     " ORDER BY v.number DESC LIMIT 1");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	db_bind(q, 3, number);
	r = db_step(q, err);
	*ret = NULL;
	return r <= 0 ? r : js_parse(db_text(q, 0), strlen(db_text(q, 0)), "a model's section in the registry", ret, err);
}

/* The version whose section counts: the newest that was promoted with one. Who is gone back to, or was made elsewhere, had
 * other rules or none, and a rollback shall loosen nothing. The holder, where none was promoted. */
static int find_ruling(struct db *db, int64_t model, const char *alias, int64_t holder, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT v.number FROM promotions p JOIN model_versions v ON v.model = p.model AND v.number = p.after"
			     " JOIN candidates k ON k.version = v.id WHERE p.model = ?1 AND p.alias = ?2 AND p.how <> 'rollback'"
			     " AND json_extract(k.spec, '$.alias') = ?2 ORDER BY p.id DESC LIMIT 1");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret = r > 0 ? db_int(q, 0) : holder;
	return 0;
}

/* The way in is the same: what is looked at, and who agrees. */
static bool same_rules(const struct js *a, const struct js *b)
{
	static const char *const keys[] = { "gate", "holdouts", "approve", "protect", "policy", "reproduced" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get(a, keys[i]) != js_get(b, keys[i]) && !js_equal(js_get(a, keys[i]), js_get(b, keys[i])))
			return false;
	return true;
}

/* `ours`: the version was made here. What came with a bundle does not say who has to agree here, unless nobody else does. */
static void choose(const struct js *own, bool ours, const struct js *holder, const struct js *newest, struct alias_rules *ret)
{
	const struct js *spec = own && (ours || !holder) ? own : holder ? holder : newest;
	struct js *approve = js_get(spec, "approve");

	ret->protect = js_get_bool(holder, "protect") || js_get_bool(newest, "protect");
	ret->within_ms = js_get_int(spec, "approve_within", WITHIN_MS);
	if (js_get_bool(holder, "protect") && own && !same_rules(own, holder)) {
		ret->approve = js_array();
		js_push_str(ret->approve, "admin");
		return;
	}
	ret->approve = approve ? js_ref(approve) : js_array();
}

static int is_held(struct db *db, int64_t model, const char *alias, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM held_aliases WHERE model = ?1 AND alias = ?2");

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	return db_step(q, err);
}

int alias_rules_load(struct db *db, const char *model, const char *alias, int64_t number, struct alias_rules *ret,
		     struct error *err)
{
	CLEANUP_JS struct js *own = NULL;
	CLEANUP_JS struct js *holder = NULL;
	CLEANUP_JS struct js *newest = NULL;
	int64_t row, holds, rules;
	int held, imported = number ? model_version_imported(db, model, number, err) : 0;

	if (imported < 0 || model_row(db, model, &row, err) < 0 || alias_holder(db, row, alias, &holds, err) < 0 ||
	    find_ruling(db, row, alias, holds, &rules, err) < 0 ||
	    (number && load_spec(db, row, alias, number, &own, err) < 0) ||
	    (rules && load_spec(db, row, alias, rules, &holder, err) < 0) ||
	    load_spec(db, row, alias, 0, &newest, err) < 0)
		return -1;
	held = is_held(db, row, alias, err);
	if (held < 0)
		return -1;
	*ret = (struct alias_rules){ .holder = holds, .held = held > 0 };
	choose(own, !imported, holder, newest, ret);
	return 0;
}

int model_is_protected(struct db *db, const char *model, int64_t number, char **ret_alias, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	int64_t row;
	int r;

	if (model_row(db, model, &row, err) < 0)
		return -1;
	q = db_query(db, "SELECT alias FROM model_aliases WHERE model = ?1 ORDER BY alias");
	db_bind(q, 1, row);
	while ((r = db_step(q, err)) > 0) {
		CLEANUP(alias_rules_release) struct alias_rules rules = { 0 };
		int64_t ruling;

		if (alias_rules_load(db, model, db_text(q, 0), 0, &rules, err) < 0 ||
		    find_ruling(db, row, db_text(q, 0), rules.holder, &ruling, err) < 0)
			return -1;
		if (rules.protect && (!number || number == rules.holder || number == ruling)) {
			*ret_alias = xstrdup(db_text(q, 0));
			return 1;
		}
	}
	return r;
}

/* ---- refused versions, held aliases ---- */

int version_reject(struct db *db, const char *model, int64_t number, const char *reason, struct error *err)
{
	int64_t version, row = 0;
	struct db_stmt *q;

	if (version_row(db, model, number, &version, &row, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO rejected_versions (model, number, reason) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT DO UPDATE SET reason = excluded.reason");
	db_bind(q, 1, row);
	db_bind(q, 2, number);
	db_bind(q, 3, reason);
	return db_run(q, err);
}

int version_unreject(struct db *db, const char *model, int64_t number, struct error *err)
{
	struct db_stmt *q;
	int64_t row;

	if (model_row(db, model, &row, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM rejected_versions WHERE model = ?1 AND number = ?2");
	db_bind(q, 1, row);
	db_bind(q, 2, number);
	return db_run(q, err);
}

int version_is_rejected(struct db *db, const char *model, int64_t number, char **ret_reason, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT r.reason FROM rejected_versions r JOIN registered_models m ON m.id = r.model"
			     " WHERE m.name = ?1 AND r.number = ?2");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	r = db_step(q, err);
	if (r > 0 && ret_reason)
		*ret_reason = xstrdup(db_text(q, 0));
	return r;
}

int alias_hold(struct db *db, const char *model, const char *alias, const char *actor, int64_t now_ms, struct error *err)
{
	struct db_stmt *q;
	int64_t row;

	if (model_row(db, model, &row, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO held_aliases (model, alias, actor, since) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING");
	db_bind(q, 1, row);
	db_bind(q, 2, alias);
	db_bind(q, 3, actor);
	db_bind(q, 4, now_ms);
	return run_changed(db, q, err);
}

int alias_release(struct db *db, const char *model, const char *alias, struct error *err)
{
	struct db_stmt *q;
	int64_t row;

	if (model_row(db, model, &row, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM held_aliases WHERE model = ?1 AND alias = ?2");
	db_bind(q, 1, row);
	db_bind(q, 2, alias);
	return run_changed(db, q, err);
}

int aliases_held(struct db *db, const char *model, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT h.alias FROM held_aliases h JOIN registered_models m ON m.id = h.model WHERE m.name = ?1"
			     " ORDER BY h.alias");
	CLEANUP_JS struct js *held = js_array();
	int r;

	db_bind(q, 1, model);
	while ((r = db_step(q, err)) > 0)
		js_push_str(held, db_text(q, 0));
	if (r < 0)
		return -1;
	*ret = steal(&held);
	return 0;
}
