/* SPDX-License-Identifier: Apache-2.0 */
/* model approve, reject and approvals: people answer whether a version may have an alias. */
#include <string.h>
#include "api/candidate_ask.h"
#include "api/events.h"
#include "api/ops.h"
#include "api/policy_follow.h"
#include "api/promote.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "registry/rows.h"
#include "registry/versions.h"

struct answer {
	struct op_context *ctx;
	struct db *db;
	struct asker asker;
	struct target target;
	const char *reason; /* NULL: none */
	int64_t now_ms;
};

static const char *text_or_null(const struct js *args, const char *key)
{
	const char *text = js_get_str(args, key);

	return text && *text ? text : NULL;
}

static int note(const struct answer *a, const char *operation, const struct js *row, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@v%lld", a->target.model, (long long)a->target.number);
	static const char *const kept[] = { "id", "alias", "who", "run_id" };
	CLEANUP_JS struct js *body = js_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (js_get(row, kept[i]))
			js_set(body, kept[i], js_ref(js_get(row, kept[i])));
	js_set_str(body, "reason", a->reason);
	return op_event(a->ctx, a->db, &(struct op_event){ .operation = operation, .subject = subject, .body = body }, err);
}

/* ---- who may agree ---- */

/* What he did for this version, or NULL: then it is not his own. */
static const char *own_part(const struct asker *asker, const struct js *row)
{
	static const struct {
		const char *key, *what;
	} parts[] = { { "author", "started the run that made it" },
		      { "committer", "made the commit that it was made from" },
		      { "asker", "asked for it" } };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (person_is(asker->name, js_get_str(row, parts[i].key)))
			return parts[i].what;
	return NULL;
}

static int check_agree(const struct answer *a, const struct js *row, struct error *err)
{
	CLEANUP(cleanup_free) char *who = who_text(js_get(row, "who"));
	const char *own = own_part(&a->asker, row);
	const struct target *t = &a->target;

	if (!asker_is(&a->asker, js_get(row, "who"))) {
		error_set(err, ERR_DENIED, "%s cannot agree to %s@v%lld: %s has to", a->asker.name, t->model, (long long)t->number,
			  who);
		return error_help(err, "an admin gives a role: mlops user edit %s --role ROLE", a->asker.name);
	}
	if (!own)
		return 0;
	error_set(err, ERR_DENIED, "%s %s: somebody else has to agree to %s@v%lld (%s)", a->asker.name, own, t->model,
		  (long long)t->number, who);
	return error_help(err, "add a person at the agent: mlops user add NAME --role approver; or, as an admin, move it yourself: "
			       "mlops model promote %s@v%lld --reason TEXT", t->model, (long long)t->number);
}

static int agree(const struct answer *a, struct js **ret, struct error *err)
{
	const struct target *t = &a->target;
	const struct promotion p = {
		.model = t->model,
		.alias = t->alias,
		.number = t->number,
		.how = PROMOTED_BY_APPROVAL,
		.actor = op_actor(a->ctx),
		.origin = a->ctx->origin ? a->ctx->origin : "cli",
		.reason = a->reason,
		.now_ms = a->now_ms,
	};
	CLEANUP_JS struct js *row = NULL;
	int64_t before;

	if (approval_find(a->db, t->model, t->number, t->alias, a->now_ms, &row, err) < 0 || check_agree(a, row, err) < 0 ||
	    version_need_ready(a->ctx, a->db, t->model, t->number, NULL, err) < 0 ||
	    approval_close(a->db, js_get_int(row, "id", 0), "approved", p.actor, a->reason, a->now_ms, err) < 0 ||
	    note(a, "approval.approve", row, err) < 0 || version_unreject(a->db, t->model, t->number, err) < 0 ||
	    promotion_do(a->db, &p, &before, err) < 0)
		return -1;
	*ret = target_result(a->ctx, t, "promoted");
	js_set_str(*ret, "agreed", a->asker.name);
	if (before)
		js_set_int(*ret, "before", before);
	return 0;
}

/* ---- no ---- */

/* Who is asked may say no, and who made it or asked may take it back. */
static int check_refuse(const struct answer *a, const struct js *row, struct error *err)
{
	CLEANUP(cleanup_free) char *who = who_text(js_get(row, "who"));

	if (asker_is(&a->asker, js_get(row, "who")) || own_part(&a->asker, row))
		return 0;
	return error_set(err, ERR_DENIED, "%s cannot reject %s@v%lld: %s is asked", a->asker.name, a->target.model,
			 (long long)a->target.number, who);
}

/* Of all that is asked about the version: a rejected one gets no alias, so nobody gets round those who are asked by
 * naming another. */
static int check_all(const struct answer *a, struct error *err)
{
	CLEANUP_JS struct js *waiting = NULL;

	if (approvals_list(a->db, a->target.model, true, a->now_ms, &waiting, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(waiting); i++)
		if (js_get_int(js_at(waiting, i), "number", 0) == a->target.number && check_refuse(a, js_at(waiting, i), err) < 0)
			return -1;
	return 0;
}

static int refuse(const struct answer *a, struct js **ret, struct error *err)
{
	const struct target *t = &a->target;
	CLEANUP_JS struct js *row = NULL;
	struct error none = { 0 };
	int64_t holder = 0;

	if (alias_find(a->db, t->model, t->alias, &holder, NULL) == 0 && holder == t->number) {
		error_set(err, ERR_CONFLICT, "%s@v%lld is %s", t->model, (long long)t->number, t->alias);
		return error_help(err, "put the one before in its place: mlops model rollback %s@%s --reason TEXT", t->model, t->alias);
	}
	if (approval_find(a->db, t->model, t->number, t->alias, a->now_ms, &row, &none) < 0 && none.code != ERR_NOT_FOUND &&
	    none.code != ERR_CONFLICT) {
		if (err)
			*err = none;
		return -1;
	}
	if (check_all(a, err) < 0 ||
	    (row && approval_close(a->db, js_get_int(row, "id", 0), "rejected", op_actor(a->ctx), a->reason, a->now_ms, err) < 0))
		return -1;
	if (row && retrain_rejected(a->ctx, a->db, js_get_str(row, "run_id"), a->reason, err) < 0)
		return -1;
	if (version_reject(a->db, t->model, t->number, a->reason, err) < 0 ||
	    note(a, row ? "approval.reject" : "model.reject", row, err) < 0)
		return -1;
	*ret = target_result(a->ctx, t, "rejected");
	return 0;
}

/* ---- operations ---- */

typedef int answer_fn(const struct answer *, struct js **ret, struct error *);

static int take_answer(struct op_context *ctx, const struct js *args, answer_fn *fn, struct js **ret_result,
		       struct error *err)
{
	struct answer a = { .ctx = ctx, .asker = asker_of(ctx), .reason = text_or_null(args, "reason"), .now_ms = clock_wall_ms() };
	CLEANUP_JS struct js *result = NULL;
	int r;

	if (project_db(ctx->project, &a.db, err) < 0 || db_begin(a.db, err) < 0)
		return -1;
	r = target_version(a.db, js_get_str(args, "name"), text_or_null(args, "alias"), &a.target, err);
	if (r == 0)
		r = fn(&a, &result, err);
	target_release(&a.target);
	if (write_end(a.db, r, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}

int op_model_approve(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	return take_answer(ctx, args, agree, ret_result, err);
}

int op_model_reject(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	if (!text_or_null(args, "reason"))
		return error_set(err, ERR_USAGE, "who rejects a version says why: --reason TEXT");
	return take_answer(ctx, args, refuse, ret_result, err);
}

int approvals_due(struct op_context *ctx, int64_t now_ms, struct error *err)
{
	struct db *db;
	int64_t next;

	if (project_db(ctx->project, &db, err) < 0 || approvals_next(db, &next, err) < 0)
		return -1;
	return next && next <= now_ms;
}

int approvals_end(struct op_context *ctx, int64_t now_ms, struct error *err)
{
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 ? -1 : approvals_expire(db, ctx->origin, now_ms, err);
}

/* model.approvals {name, all} -> {approvals[], enforced} */
int op_model_approvals(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *list;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    approvals_list(db, text_or_null(args, "model"), !js_get_bool(args, "all"), clock_wall_ms(), &list, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "approvals", list);
	js_set_bool(*ret_result, "enforced", asker_of(ctx).enforced);
	return 0;
}
