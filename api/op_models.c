/* SPDX-License-Identifier: Apache-2.0 */
/* Registered models and their aliases. Each change makes an event, also of what MLflow's clients do. */
#include <stdio.h>
#include <string.h>
#include "api/candidate_ask.h"
#include "api/events.h"
#include "api/model_files.h"
#include "api/ops.h"
#include "api/promote.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/models.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/promotions.h"
#include "registry/versions.h"

#define MODELS_PAGE    100
#define VERSIONS_SHOWN 1000

static struct js *wrap(const char *member, struct js *value)
{
	struct js *result = js_object();

	js_set(result, member, value);
	return result;
}

static int give_model(struct db *db, const char *name, struct js **ret_result, struct error *err)
{
	struct js *model;

	if (model_load(db, name, &model, err) < 0)
		return -1;
	*ret_result = wrap("registered_model", model);
	return 0;
}

/* model.create {name, description, tags[]} -> {registered_model{}} */
int op_model_create(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	struct op_event event = { "model.create", name, NULL, name, args };
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    model_create(db, name, js_get_str(args, "description"), js_get(args, "tags"), clock_wall_ms(), err) < 0 ||
	    op_event(ctx, db, &event, err) < 0)
		return -1;
	return give_model(db, name, ret_result, err);
}

/* model.get {name} -> {registered_model{}} */
int op_model_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 ? -1 : give_model(db, js_get_str(args, "name"), ret_result, err);
}

/* model.search {filter, order_by[], max_results, page_token} -> {registered_models[], next_page_token} */
int op_model_search(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct registry_query query = {
		.filter = js_get_str(args, "filter"),
		.order_by = js_get(args, "order_by"),
		.max_results = js_get_int(args, "max_results", MODELS_PAGE),
		.page_token = js_get_str(args, "page_token"),
	};
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 ? -1 : model_search(db, &query, ret_result, err);
}

/* model.describe {name, description} -> {registered_model{}} */
int op_model_describe(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	struct op_event event = { .operation = "model.describe", .subject = name, .body = args };
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    model_describe(db, name, js_get_str(args, "description"), clock_wall_ms(), err) < 0 ||
	    op_event(ctx, db, &event, err) < 0)
		return -1;
	return give_model(db, name, ret_result, err);
}

/* model.rename {name, new_name} -> {registered_model{}} */
int op_model_rename(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name"), *new_name = js_get_str(args, "new_name");
	struct op_event event = { "model.rename", name, name, new_name, NULL };
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || model_guard(db, name, 0, err) < 0 ||
	    model_rename(db, name, new_name, clock_wall_ms(), err) < 0 ||
	    op_event(ctx, db, &event, err) < 0)
		return -1;
	return give_model(db, new_name, ret_result, err);
}

/* model.delete {name}. The event keeps what it was. */
int op_model_delete(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	CLEANUP_JS struct js *model = NULL;
	struct op_event event = { .operation = "model.delete", .subject = name, .before = name };
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 || model_load(db, name, &model, err) < 0 ||
	    model_guard(db, name, 0, err) < 0 || model_delete(db, name, err) < 0)
		return -1;
	event.body = model;
	return op_event(ctx, db, &event, err);
}

/* model.tag {name, key, value} */
int op_model_tag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name"), *key = js_get_str(args, "key"), *value = js_get_str(args, "value");
	struct op_event event = { "model.tag", name, NULL, key, args };
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 || model_set_tag(db, name, key, value ? value : "", err) < 0)
		return -1;
	return op_event(ctx, db, &event, err);
}

/* model.untag {name, key} */
int op_model_untag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name"), *key = js_get_str(args, "key");
	struct op_event event = { "model.untag", name, key, NULL, NULL };
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 || model_delete_tag(db, name, key, err) < 0)
		return -1;
	return op_event(ctx, db, &event, err);
}

/* model.latest {name, stages[]} -> {model_versions[]} */
int op_model_latest(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *latest = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    version_latest(db, js_get_str(args, "name"), js_get(args, "stages"), &latest, err) < 0)
		return -1;
	*ret_result = js_object();
	if (js_len(latest))
		js_set(*ret_result, "model_versions", steal(&latest));
	return 0;
}

/* A model with its versions, the newest first. */
static int show_model(struct db *db, const char *name, struct js *result, struct error *err)
{
	struct js *model, *versions, *held;

	if (model_load(db, name, &model, err) < 0)
		return -1;
	js_set_str(result, "kind", "model");
	js_set(result, "registered_model", model);
	if (aliases_held(db, name, &held, err) < 0)
		return -1;
	js_set(result, "held", held);
	if (version_list(db, name, VERSIONS_SHOWN, &versions, err) < 0)
		return -1;
	js_set(result, "model_versions", versions);
	return 0;
}

/* model.show {name} -> {kind: "model", registered_model{}, held[], model_versions[]}
 *                    | {kind: "version", model_version{}, location, model_id, rejected, candidate{}} */
int op_model_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *text = js_get_str(args, "name");
	CLEANUP_JS struct js *result = js_object();
	struct name name;
	struct db *db;
	int r;

	if (project_db(ctx->project, &db, err) < 0)
		return -1;
	if (!strchr(text, '@'))
		r = show_model(db, text, result, err);
	else if ((r = name_resolve(ctx->project, text, ACCEPT_VERSION, &name, err)) == 0)
		r = model_version_show(db, name.artifact, name.version, result, err);
	if (r == 0)
		*ret_result = steal(&result);
	return r;
}

/* ---- aliases ---- */

/* From which version to which it moved; 0 is none. */
static int note_move(struct op_context *ctx, struct db *db, const char *operation, const struct js *args, int64_t from,
		     int64_t to, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@%s", js_get_str(args, "name"), js_get_str(args, "alias"));
	char before[24], after[24];
	struct op_event event = { operation, subject, from ? before : NULL, to ? after : NULL, NULL };

	snprintf(before, sizeof(before), "v%lld", (long long)from);
	snprintf(after, sizeof(after), "v%lld", (long long)to);
	return op_event(ctx, db, &event, err);
}

/* alias.set {name, alias, version, reason} */
int op_alias_set(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct promotion p = {
		.model = js_get_str(args, "name"),
		.alias = js_get_str(args, "alias"),
		.how = PROMOTED_BY_PERSON,
		.actor = op_actor(ctx),
		.reason = js_get_str(args, "reason"),
		.now_ms = clock_wall_ms(),
	};
	int64_t before;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 || version_number(js_get_str(args, "version"), &p.number, err) < 0 ||
	    alias_guard(ctx, db, p.model, p.alias, p.reason, err) < 0 ||
	    version_need_ready(ctx, db, p.model, p.number, p.reason, err) < 0 || promotion_do(db, &p, &before, err) < 0)
		return -1;
	return note_move(ctx, db, "alias.set", args, before, p.number, err);
}

/* alias.get {name, alias} -> {model_version{}} */
int op_alias_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	struct js *version;
	int64_t number;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    alias_find(db, name, js_get_str(args, "alias"), &number, err) < 0 ||
	    version_load(db, name, number, &version, err) < 0)
		return -1;
	*ret_result = wrap("model_version", version);
	return 0;
}

/* alias.delete {name, alias, reason} */
int op_alias_delete(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t before;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    alias_guard(ctx, db, js_get_str(args, "name"), js_get_str(args, "alias"), js_get_str(args, "reason"), err) < 0 ||
	    alias_delete(db, js_get_str(args, "name"), js_get_str(args, "alias"), &before, err) < 0)
		return -1;
	return before ? note_move(ctx, db, "alias.delete", args, before, 0, err) : 0;
}
