/* SPDX-License-Identifier: Apache-2.0 */
#include "api/candidate_ask.h"
#include <string.h>
#include "api/attest.h"
#include "api/ops.h"
#include "api/promote.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/trust.h"
#include "registry/candidates.h"
#include "registry/model_records.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "registry/reproductions.h"
#include "registry/rows.h"
#include "registry/versions.h"
#include "store/content.h"
#include "store/store.h"

/* ---- what is asked for ---- */

static int read_policy(struct op_context *ctx, const struct js *candidate, struct trust_policy **ret, struct error *err)
{
	const struct js *kept = js_get(js_get(candidate, "spec"), "policy");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct content content;
	struct store *store;

	if (!content_parse(js_get_str(kept, "content"), &content))
		return error_set(err, ERR_DAMAGED, "the registry names a policy that is none");
	return project_store(ctx->project, &store, err) < 0 || store_read(store, &content.id, TRUST_MAX, &text, err) < 0
		       ? -1
		       : trust_parse(text.buf, text.len, js_get_str(kept, "path"), ret, err);
}

/* The first rule that does not hold. */
static char *why_not(const struct verification *v, const struct js *candidate)
{
	const char *model = js_get_str(candidate, "model");
	long long number = js_get_int(candidate, "number", 0);

	if (!js_len(v->good))
		return xasprintf("nothing that is signed is known of it: mlops attest %s@v%lld", model, number);
	for (size_t i = 0; i < js_len(v->rules); i++) {
		const struct js *rule = js_at(v->rules, i);

		if (!js_get_bool(rule, "holds"))
			return xasprintf("its policy wants %s = %.200s, and finds %.200s: mlops verify %s@v%lld",
					 js_get_str(rule, "rule"), js_get_str(rule, "wants"), js_get_str(rule, "found"), model, number);
	}
	return xasprintf("its policy does not hold: mlops verify %s@v%lld", model, number);
}

static int check_policy(struct op_context *ctx, struct db *db, const struct js *candidate, char **ret_why, struct error *err)
{
	CLEANUP(cleanup_trust) struct trust_policy *policy = NULL;
	struct verify_keys keys CLEANUP(verify_keys_release) = { 0 };
	struct attest_thing thing CLEANUP(attest_thing_release) = { 0 };
	struct verification v CLEANUP(verification_release) = { .keys = &keys, .now_ms = clock_wall_ms() };

	if (!js_get(js_get(candidate, "spec"), "policy"))
		return 1;
	if (read_policy(ctx, candidate, &policy, err) < 0 || verify_keys_of(db, &keys, err) < 0 ||
	    attest_thing_of_version(ctx, db, js_get_str(candidate, "model"), js_get_int(candidate, "number", 0), &thing, err) < 0 ||
	    verify_kept(&v, ctx, db, &thing, err) < 0)
		return -1;
	v.policy = policy;
	if (verify_decide(&v))
		return 1;
	*ret_why = why_not(&v, candidate);
	return 0;
}

static int check_reproduced(struct op_context *ctx, struct db *db, const struct js *candidate, char **ret_why, struct error *err)
{
	CLEANUP(cleanup_free) char *name = NULL;
	int known;

	(void)ctx;
	if (!js_get_bool(js_get(candidate, "spec"), "reproduced"))
		return 1;
	name = xasprintf("%s@v%lld", js_get_str(candidate, "model"), (long long)js_get_int(candidate, "number", 0));
	known = reproduction_is_known(db, name, err);
	if (known == 0)
		*ret_why = xasprintf("it must be made again first: mlops reproduce %s", name);
	return known;
}

typedef int condition_fn(struct op_context *, struct db *, const struct js *candidate, char **ret_why, struct error *);
static condition_fn *const conditions[] = { check_policy, check_reproduced };

int candidate_ready(struct op_context *ctx, struct db *db, const struct js *candidate, char **ret_why, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		int r = conditions[i](ctx, db, candidate, ret_why, err);

		if (r <= 0)
			return r;
	}
	return 1;
}

/* 1, or 0: no pipeline made it. */
static int load(struct db *db, const char *model, int64_t number, struct js **ret, struct error *err)
{
	struct error why = { 0 };

	if (candidate_load(db, model, number, ret, &why) == 0)
		return 1;
	if (why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

int version_ready(struct op_context *ctx, struct db *db, const char *model, int64_t number, char **ret_why, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	int r = load(db, model, number, &candidate, err);

	return r <= 0 ? (r < 0 ? -1 : 1) : candidate_ready(ctx, db, candidate, ret_why, err);
}

int version_need_ready(struct op_context *ctx, struct db *db, const char *model, int64_t number, const char *reason,
		       struct error *err)
{
	CLEANUP(cleanup_free) char *why = NULL;
	int r;

	if (asker_of(ctx).role >= ROLE_ADMIN && reason && *reason)
		return 0;
	r = version_ready(ctx, db, model, number, &why, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	error_set(err, ERR_VERDICT, "%s@v%lld is not ready: %s", model, (long long)number, why);
	return error_help(err, "settle that; or, as an admin, go past it: mlops model promote %s@v%lld --reason TEXT", model,
			  (long long)number);
}

/* ---- asking ---- */

int candidate_ask(struct op_context *ctx, struct db *db, const struct js *candidate, const char *actor, const char *origin,
		  const char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *why = NULL;
	int r = candidate_ready(ctx, db, candidate, &why, err);

	if (r < 0)
		return -1;
	if (r == 0) {
		*ret = "waiting";
		return 0;
	}
	return promotion_ask(db, candidate, actor, origin, clock_wall_ms(), ret, err);
}

/* Who has the alias, or about whom people were asked already, asks for nothing; nor does what came with a bundle: whose gate
 * that was, and against what, nobody here knows, so people move it. */
static int is_settled(struct db *db, const struct js *candidate, struct error *err)
{
	const char *model = js_get_str(candidate, "model"), *alias = js_get_str(js_get(candidate, "spec"), "alias");
	int64_t number = js_get_int(candidate, "number", 0);
	CLEANUP(alias_rules_release) struct alias_rules rules = { 0 };
	CLEANUP_JS struct js *row = NULL;
	int imported = model_version_imported(db, model, number, err);

	if (imported)
		return imported;
	if (!alias || strcmp(js_get_str(candidate, "verdict"), "passed") != 0)
		return 1;
	if (alias_rules_load(db, model, alias, number, &rules, err) < 0)
		return -1;
	return rules.holder == number || approval_find(db, model, number, alias, clock_wall_ms(), &row, NULL) == 0;
}

static int ask_again(struct op_context *ctx, struct db *db, const char *model, int64_t number, const char **ret,
		     struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	struct error why = { 0 };
	int r = load(db, model, number, &candidate, err);

	*ret = NULL;
	if (r <= 0)
		return r;
	r = is_settled(db, candidate, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	if (candidate_ask(ctx, db, candidate, op_actor(ctx), ctx->origin ? ctx->origin : "cli", ret, &why) == 0)
		return 0;
	if (why.code == ERR_CONFLICT) {
		*ret = "held";
		return 0;
	}
	if (err)
		*err = why;
	return -1;
}

int candidate_ask_again(struct op_context *ctx, struct db *db, const char *model, int64_t number, const char **ret,
			struct error *err)
{
	const char *outcome = NULL;

	if (db_begin(db, err) < 0 || write_end(db, ask_again(ctx, db, model, number, &outcome, err), err) < 0)
		return -1;
	*ret = outcome;
	return 0;
}
