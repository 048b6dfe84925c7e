/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of registered models. Each change makes an event about "MODEL@vN". */
#include <stdio.h>
#include "api/events.h"
#include "api/ops.h"
#include "api/promote.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/models.h"
#include "registry/project.h"
#include "registry/versions.h"

#define VERSIONS_PAGE 10000

/* The version that the arguments name. */
struct named {
	struct db *db;
	const char *model;
	int64_t number;
};

static int take_named(struct op_context *ctx, const struct js *args, struct named *ret, struct error *err)
{
	ret->model = js_get_str(args, "name");
	return project_db(ctx->project, &ret->db, err) < 0
		       ? -1
		       : version_number(js_get_str(args, "version"), &ret->number, err);
}

static int note(struct op_context *ctx, const struct named *v, struct op_event event, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = xasprintf("%s@v%lld", v->model, (long long)v->number);

	event.subject = subject;
	return op_event(ctx, v->db, &event, err);
}

static int give(const struct named *v, struct js **ret_result, struct error *err)
{
	struct js *version;

	if (version_load(v->db, v->model, v->number, &version, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "model_version", version);
	return 0;
}

/* version.create {name, source, run_id, run_link, model_id, description, tags[]} -> {model_version{}} */
int op_version_create(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct version_new new = {
		.model = js_get_str(args, "name"),
		.source = js_get_str(args, "source"),
		.run_id = js_get_str(args, "run_id"),
		.run_link = js_get_str(args, "run_link"),
		.description = js_get_str(args, "description"),
		.model_id = js_get_str(args, "model_id"),
		.tags = js_get(args, "tags"),
	};
	struct named v = { .model = new.model };

	if (project_db(ctx->project, &v.db, err) < 0 ||
	    version_create(v.db, &new, clock_wall_ms(), &v.number, err) < 0 || give(&v, ret_result, err) < 0)
		return -1;
	return note(ctx, &v, (struct op_event){ .operation = "version.create", .body = js_get(*ret_result, "model_version") },
		    err);
}

/* version.get {name, version} -> {model_version{}} */
int op_version_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct named v;

	return take_named(ctx, args, &v, err) < 0 ? -1 : give(&v, ret_result, err);
}

/* version.search {filter, order_by[], max_results, page_token} -> {model_versions[], next_page_token} */
int op_version_search(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct registry_query query = {
		.filter = js_get_str(args, "filter"),
		.order_by = js_get(args, "order_by"),
		.max_results = js_get_int(args, "max_results", VERSIONS_PAGE),
		.page_token = js_get_str(args, "page_token"),
	};
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 ? -1 : version_search(db, &query, ret_result, err);
}

/* version.describe {name, version, description} -> {model_version{}} */
int op_version_describe(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct named v;

	if (take_named(ctx, args, &v, err) < 0 ||
	    version_describe(v.db, v.model, v.number, js_get_str(args, "description"), clock_wall_ms(), err) < 0 ||
	    note(ctx, &v, (struct op_event){ .operation = "version.describe", .body = args }, err) < 0)
		return -1;
	return give(&v, ret_result, err);
}

/* version.delete {name, version}. The event keeps what it was. */
int op_version_delete(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *before = NULL;
	struct named v;

	(void)ret_result;
	if (take_named(ctx, args, &v, err) < 0 || model_guard(v.db, v.model, v.number, err) < 0 ||
	    version_load(v.db, v.model, v.number, &before, err) < 0 ||
	    version_delete(v.db, v.model, v.number, clock_wall_ms(), err) < 0)
		return -1;
	return note(ctx, &v, (struct op_event){ .operation = "version.delete", .body = before }, err);
}

/* version.location {name, version} -> {artifact_uri} */
int op_version_location(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct version_lineage lineage CLEANUP(version_lineage_release) = { 0 };
	struct named v;

	if (take_named(ctx, args, &v, err) < 0 || version_lineage(v.db, v.model, v.number, &lineage, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "artifact_uri", lineage.location);
	return 0;
}

/* version.stage {name, version, stage, archive_existing_versions} -> {model_version{}} */
int op_version_stage(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	bool archive = js_get_bool(args, "archive_existing_versions");
	struct op_event event = { .operation = "version.stage", .after = js_get_str(args, "stage"), .body = args };
	struct named v;

	if (take_named(ctx, args, &v, err) < 0 ||
	    version_set_stage(v.db, v.model, v.number, event.after, archive, clock_wall_ms(), &event.before, err) < 0 ||
	    note(ctx, &v, event, err) < 0)
		return -1;
	return give(&v, ret_result, err);
}

/* version.tag {name, version, key, value} */
int op_version_tag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *key = js_get_str(args, "key"), *value = js_get_str(args, "value");
	struct named v;

	(void)ret_result;
	if (take_named(ctx, args, &v, err) < 0 ||
	    version_set_tag(v.db, v.model, v.number, key, value ? value : "", err) < 0)
		return -1;
	return note(ctx, &v, (struct op_event){ .operation = "version.tag", .after = key, .body = args }, err);
}

/* version.untag {name, version, key} */
int op_version_untag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *key = js_get_str(args, "key");
	struct named v;

	(void)ret_result;
	if (take_named(ctx, args, &v, err) < 0 || version_delete_tag(v.db, v.model, v.number, key, err) < 0)
		return -1;
	return note(ctx, &v, (struct op_event){ .operation = "version.untag", .before = key }, err);
}
