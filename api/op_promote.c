/* SPDX-License-Identifier: Apache-2.0 */
/* model promote, rollback and release: people move aliases. */
#include <stdio.h>
#include <string.h>
#include "api/candidate_ask.h"
#include "api/events.h"
#include "api/ops.h"
#include "api/promote.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/candidates.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "registry/rows.h"
#include "registry/versions.h"

/* A promotion that somebody asks for, with all that decides on it. */
struct request {
	struct op_context *ctx;
	struct db *db;
	struct asker asker;
	struct target target;
	struct alias_rules rules;
	const char *reason;    /* NULL: none */
	bool candidate, passed, rejected;
	int64_t judged_against; /* of a candidate */
	int64_t now_ms;
};

static void request_release(struct request *r)
{
	target_release(&r->target);
	alias_rules_release(&r->rules);
}

static const char *origin_of(const struct op_context *ctx)
{
	return ctx->origin ? ctx->origin : "cli";
}

static const char *text_or_null(const struct js *args, const char *key)
{
	const char *text = js_get_str(args, key);

	return text && *text ? text : NULL;
}

static int look_at_candidate(struct request *r, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	struct error none = { 0 };

	if (candidate_load(r->db, r->target.model, r->target.number, &candidate, &none) < 0) {
		if (none.code == ERR_NOT_FOUND)
			return 0;
		if (err)
			*err = none;
		return -1;
	}
	r->candidate = true;
	r->passed = !strcmp(js_get_str(candidate, "verdict"), "passed");
	r->judged_against = js_get_int(candidate, "champion", 0);
	return 0;
}

static int look(struct request *r, const struct js *args, struct error *err)
{
	int rejected;

	if (target_version(r->db, js_get_str(args, "name"), text_or_null(args, "alias"), &r->target, err) < 0 ||
	    alias_rules_load(r->db, r->target.model, r->target.alias, r->target.number, &r->rules, err) < 0 ||
	    look_at_candidate(r, err) < 0)
		return -1;
	rejected = version_is_rejected(r->db, r->target.model, r->target.number, NULL, err);
	r->rejected = rejected > 0;
	return rejected < 0 ? -1 : 0;
}

/* ---- outcomes ---- */

static int note_unrejected(const struct request *r, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@v%lld", r->target.model, (long long)r->target.number);
	CLEANUP_JS struct js *body = js_object();

	js_set_str(body, "reason", r->reason);
	return op_event(r->ctx, r->db, &(struct op_event){ .operation = "model.unreject", .subject = subject, .body = body }, err);
}

static int move(const struct request *r, struct js **ret, struct error *err)
{
	const struct promotion p = {
		.model = r->target.model,
		.alias = r->target.alias,
		.number = r->target.number,
		.how = PROMOTED_BY_PERSON,
		.actor = op_actor(r->ctx),
		.origin = origin_of(r->ctx),
		.reason = r->reason,
		.now_ms = r->now_ms,
	};
	int64_t before;

	if (version_unreject(r->db, p.model, p.number, err) < 0 || promotion_do(r->db, &p, &before, err) < 0)
		return -1;
	/* it has the alias already, so there is no event of a move that would tell */
	if (r->rejected && before == p.number && note_unrejected(r, err) < 0)
		return -1;
	*ret = target_result(r->ctx, &r->target, "promoted");
	if (before)
		js_set_int(*ret, "before", before);
	return 0;
}

static int ask(const struct request *r, struct js **ret, struct error *err)
{
	const struct question question = {
		.model = r->target.model,
		.alias = r->target.alias,
		.number = r->target.number,
		.who = r->rules.approve,
		.within_ms = r->rules.within_ms,
		.asker = op_actor(r->ctx),
		.reason = r->reason,
		.origin = origin_of(r->ctx),
		.now_ms = r->now_ms,
	};

	if (approval_ask(r->db, &question, err) < 0)
		return -1;
	*ret = target_result(r->ctx, &r->target, "pending");
	js_set(*ret, "who", js_ref(r->rules.approve));
	js_set_int(*ret, "expires", r->now_ms + r->rules.within_ms);
	return 0;
}

/* ---- what stands against it ---- */

/* Only gates move a protected alias. People may be asked again about a candidate whose gate still tells the truth. */
static int refuse_protected(const struct request *r, struct error *err)
{
	const struct target *t = &r->target;

	if (r->asker.role >= ROLE_ADMIN)
		error_set(err, ERR_USAGE, "%s@%s is protected: to move it past its gate needs a reason", t->model, t->alias);
	else
		error_set(err, ERR_DENIED, "%s@%s is protected: its gate moves it, or an admin with a reason", t->model, t->alias);
	return error_help(err, "%smlops model promote %s@v%lld --reason TEXT", r->asker.role >= ROLE_ADMIN ? "" : "as an admin: ",
			  t->model, (long long)t->number);
}

static int need_reason(const struct request *r, struct error *err)
{
	const struct target *t = &r->target;

	error_set(err, ERR_USAGE, "%s@v%lld %s, so to promote it needs a reason", t->model, (long long)t->number,
		  r->rejected ? "was rejected" : "did not pass its gate");
	return error_help(err, "see why: mlops model show %s@v%lld; or give one: --reason TEXT", t->model, (long long)t->number);
}

static int decide(const struct request *r, struct js **ret, struct error *err)
{
	bool sound = r->candidate && r->passed && !r->rejected && r->judged_against == r->rules.holder;
	bool asks = js_len(r->rules.approve);

	if (r->rules.holder == r->target.number) {
		*ret = target_result(r->ctx, &r->target, "unchanged");
		return 0;
	}
	if (r->asker.role >= ROLE_ADMIN && r->reason)
		return move(r, ret, err);
	if (r->rules.protect && !(sound && asks))
		return refuse_protected(r, err);
	if (((r->candidate && !r->passed) || r->rejected) && !r->reason)
		return need_reason(r, err);
	if (version_need_ready(r->ctx, r->db, r->target.model, r->target.number, r->reason, err) < 0)
		return -1;
	return asks ? ask(r, ret, err) : move(r, ret, err);
}

int op_model_promote(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(request_release) struct request r = {
		.ctx = ctx, .asker = asker_of(ctx), .reason = text_or_null(args, "reason"), .now_ms = clock_wall_ms()
	};
	CLEANUP_JS struct js *result = NULL;
	int status;

	if (project_db(ctx->project, &r.db, err) < 0 || db_begin(r.db, err) < 0)
		return -1;
	status = look(&r, args, err) < 0 ? -1 : decide(&r, &result, err);
	if (write_end(r.db, status, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}

/* ---- back ---- */

static int find_former(struct db *db, const char *to, struct target *t, int64_t *ret_holder, struct error *err)
{
	int64_t wanted = 0;

	if (to && version_number(to + (*to == 'v'), &wanted, err) < 0)
		return error_wrap(err, "--to");
	if (alias_find(db, t->model, t->alias, ret_holder, err) < 0 ||
	    alias_former(db, t->model, t->alias, wanted, &t->number, err) < 0)
		return error_help(err, "see who had it: mlops model card %s@%s", t->model, t->alias);
	return 0;
}

/* Who held it may not come back by itself, and nobody else takes its place before a person says so. */
static int roll_back(struct op_context *ctx, struct db *db, const struct target *t, int64_t holder, const char *reason,
		     struct error *err)
{
	const struct promotion p = {
		.model = t->model,
		.alias = t->alias,
		.number = t->number,
		.how = PROMOTED_BY_ROLLBACK,
		.actor = op_actor(ctx),
		.origin = origin_of(ctx),
		.reason = reason,
		.now_ms = clock_wall_ms(),
	};
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@%s", t->model, t->alias);
	CLEANUP_JS struct js *body = js_object();
	int64_t before;
	int held;

	if (version_reject(db, t->model, holder, reason, err) < 0 || promotion_do(db, &p, &before, err) < 0)
		return -1;
	held = alias_hold(db, t->model, t->alias, p.actor, p.now_ms, err);
	js_set_str(body, "reason", reason);
	return held <= 0 ? held
			 : op_event(ctx, db, &(struct op_event){ .operation = "model.hold", .subject = subject, .body = body }, err);
}

static int rollback(struct op_context *ctx, struct db *db, const struct js *args, struct js **ret, struct error *err)
{
	CLEANUP(target_release) struct target t = { 0 };
	const char *reason = text_or_null(args, "reason");
	int64_t holder;

	if (!reason) {
		error_set(err, ERR_USAGE, "a rollback needs a reason");
		return error_help(err, "say what is wrong, for the record: --reason TEXT");
	}
	if (target_alias(db, js_get_str(args, "name"), &t, err) < 0 ||
	    find_former(db, text_or_null(args, "to"), &t, &holder, err) < 0 || roll_back(ctx, db, &t, holder, reason, err) < 0)
		return -1;
	*ret = target_result(ctx, &t, "rolled back");
	js_set_int(*ret, "before", holder);
	return 0;
}

int op_model_rollback(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (write_end(db, rollback(ctx, db, args, &result, err), err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}

/* ---- on again ---- */

static int release(struct op_context *ctx, struct db *db, const struct js *args, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = NULL;
	CLEANUP(target_release) struct target t = { 0 };
	CLEANUP_JS struct js *body = js_object();
	int r;

	if (target_alias(db, js_get_str(args, "name"), &t, err) < 0)
		return -1;
	r = alias_release(db, t.model, t.alias, err);
	if (r < 0)
		return -1;
	subject = xasprintf("%s@%s", t.model, t.alias);
	js_set_str(body, "reason", text_or_null(args, "reason"));
	*ret = target_result(ctx, &t, r ? "released" : "unchanged");
	return r ? op_event(ctx, db, &(struct op_event){ .operation = "model.release", .subject = subject, .body = body }, err) : 0;
}

int op_model_release(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (write_end(db, release(ctx, db, args, &result, err), err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}
