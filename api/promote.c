/* SPDX-License-Identifier: Apache-2.0 */
#include "api/promote.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/access.h"
#include "registry/candidates.h"
#include "registry/promotions.h"
#include "registry/versions.h"

/* ---- who ---- */

struct asker asker_of(const struct op_context *ctx)
{
	struct asker asker = { .name = op_actor(ctx), .role = ROLE_ADMIN };
	const char *role = js_get_str(ctx->who, "role"), *user = js_get_str(ctx->who, "user");

	if (!ctx->who && !op_is_remote(ctx))
		return asker;
	asker.enforced = true;
	asker.role = ROLE_VIEWER;
	if (role)
		access_role(role, &asker.role, NULL);
	if (user)
		asker.name = user;
	return asker;
}

bool asker_is(const struct asker *asker, const struct js *who)
{
	if (asker->role >= ROLE_ADMIN)
		return true;
	for (size_t i = 0; i < js_len(who); i++) {
		const char *word = js_text(js_at(who, i));
		int role;

		if (access_role(word, &role, NULL) == 0 ? asker->role >= role : !strcmp(word, asker->name))
			return true;
	}
	return false;
}

char *who_text(const struct js *who)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < js_len(who); i++)
		strbuf_printf(&text, "%s%s", i ? " or " : "", js_text(js_at(who, i)));
	return strbuf_detach(&text);
}

/* ---- what ---- */

void target_release(struct target *target)
{
	free(target->model);
	free(target->alias);
}

/* "v3", a number that is written in one way. */
static bool is_number(const char *text, int64_t *ret)
{
	char *end;

	if (text[0] != 'v' || !isdigit((unsigned char)text[1]) || text[1] == '0' || strlen(text) > 19)
		return false;
	*ret = strtoll(text + 1, &end, 10);
	return !*end;
}

/* What the section of the version names; "champion" where a version says nothing, or was registered by hand. */
static int wanted_alias(struct db *db, const char *model, int64_t number, char **ret, struct error *err)
{
	CLEANUP_JS struct js *candidate = NULL;
	struct error none = { 0 };
	const char *alias;

	if (candidate_load(db, model, number, &candidate, &none) < 0 && none.code != ERR_NOT_FOUND) {
		if (err)
			*err = none;
		return -1;
	}
	alias = js_get_str(js_get(candidate, "spec"), "alias");
	*ret = xstrdup(alias ? alias : "champion");
	return 0;
}

static int must_exist(struct db *db, const struct target *target, struct error *err)
{
	CLEANUP_JS struct js *version = NULL;

	if (version_load(db, target->model, target->number, &version, err) == 0)
		return 0;
	return error_help(err, "see the models and their versions: mlops model list, mlops model show %s", target->model);
}

int target_version(struct db *db, const char *name, const char *alias, struct target *ret, struct error *err)
{
	CLEANUP(target_release) struct target target = { 0 };
	const char *at = strrchr(name, '@');

	if (!at || at == name || !at[1]) {
		error_set(err, ERR_USAGE, "%.300s names no version", name);
		return error_help(err, "write MODEL@vN, such as %.300s@v1; the versions: mlops model list", name);
	}
	target.model = xstrndup(name, (size_t)(at - name));
	if (!is_number(at + 1, &target.number) && alias_find(db, target.model, at + 1, &target.number, err) < 0)
		return -1;
	if (must_exist(db, &target, err) < 0)
		return -1;
	if (alias)
		target.alias = xstrdup(alias);
	else if (wanted_alias(db, target.model, target.number, &target.alias, err) < 0)
		return -1;
	*ret = target;
	target = (struct target){ 0 };
	return 0;
}

int target_alias(struct db *db, const char *name, struct target *ret, struct error *err)
{
	CLEANUP(target_release) struct target target = { 0 };
	const char *at = strrchr(name, '@');
	int64_t number;

	if (at && (at == name || !at[1] || is_number(at + 1, &number)))
		return error_set(err, ERR_USAGE, "%.300s names no alias: write MODEL or MODEL@ALIAS", name);
	target.model = xstrndup(name, at ? (size_t)(at - name) : strlen(name));
	if (at)
		target.alias = xstrdup(at + 1);
	else if (alias_find(db, target.model, "latest", &number, err) < 0 ||
		 wanted_alias(db, target.model, number, &target.alias, err) < 0)
		return -1;
	*ret = target;
	target = (struct target){ 0 };
	return 0;
}

struct js *target_result(const struct op_context *ctx, const struct target *target, const char *outcome)
{
	struct js *result = js_object();

	js_set_str(result, "model", target->model);
	js_set_str(result, "alias", target->alias);
	if (target->number)
		js_set_int(result, "number", target->number);
	js_set_str(result, "outcome", outcome);
	js_set_bool(result, "enforced", asker_of(ctx).enforced);
	return result;
}

/* ---- what clients may ---- */

int alias_guard(const struct op_context *ctx, struct db *db, const char *model, const char *alias, const char *reason,
		struct error *err)
{
	CLEANUP(alias_rules_release) struct alias_rules rules = { 0 };
	struct error none = { 0 };

	/* what is not there is told by who would move it */
	if (alias_rules_load(db, model, alias, 0, &rules, &none) < 0) {
		if (none.code == ERR_NOT_FOUND || none.code == ERR_USAGE)
			return 0;
		if (err)
			*err = none;
		return -1;
	}
	if ((!rules.protect && !js_len(rules.approve)) || (asker_of(ctx).role >= ROLE_ADMIN && reason && *reason))
		return 0;
	if (rules.protect)
		error_set(err, ERR_DENIED, "%s@%s is protected: its gate moves it, or an admin with a reason", model, alias);
	else
		error_set(err, ERR_DENIED, "%s@%s moves when people agree, or by an admin with a reason", model, alias);
	return error_help(err, "mlops model promote %s@vN --alias %s asks them; an admin adds --reason TEXT", model, alias);
}

int model_guard(struct db *db, const char *model, int64_t number, struct error *err)
{
	CLEANUP(cleanup_free) char *alias = NULL;
	struct error none = { 0 };
	int r = model_is_protected(db, model, number, &alias, &none);

	if (r == 0 || (r < 0 && (none.code == ERR_NOT_FOUND || none.code == ERR_USAGE)))
		return 0;
	if (r < 0) {
		if (err)
			*err = none;
		return -1;
	}
	error_set(err, ERR_DENIED, "%s@%s is protected, and would go with it", model, alias);
	return error_help(err, "move it first: mlops model promote %s@vN --alias %s --reason TEXT", model, alias);
}
