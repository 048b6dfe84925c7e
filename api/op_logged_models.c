/* SPDX-License-Identifier: Apache-2.0 */
/* Logged models, and what older clients note of models in runs. What is logged about a model while its files come makes
 * no events; its beginning and end do, and so does each edit after. */
#include "api/events.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/logged_models.h"
#include "registry/model_history.h"
#include "registry/project.h"
#include "registry/run_edit.h"

static int give(struct db *db, const char *id, bool deleted, struct js **ret_result, struct error *err)
{
	struct js *model;

	if (logged_model_load(db, id, deleted, &model, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "model", model);
	return 0;
}

/* logged_model.create {experiment_id, name, model_type, source_run_id, params[], tags[]} -> {model{}} */
int op_logged_model_create(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct logged_model_new new = {
		.experiment_id = js_get_str(args, "experiment_id"),
		.name = js_get_str(args, "name"),
		.model_type = js_get_str(args, "model_type"),
		.source_run_id = js_get_str(args, "source_run_id"),
		.params = js_get(args, "params"),
		.tags = js_get(args, "tags"),
	};
	struct op_event event = { .operation = "logged_model.create", .body = args };
	char id[LOGGED_MODEL_ID];
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || logged_model_create(db, &new, clock_wall_ms(), id, err) < 0)
		return -1;
	event.subject = id;
	return op_event(ctx, db, &event, err) < 0 ? -1 : give(db, id, true, ret_result, err);
}

/* logged_model.get {model_id, allow_deleted} -> {model{}} */
int op_logged_model_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 ? -1
						      : give(db, js_get_str(args, "model_id"),
							     js_get_bool(args, "allow_deleted"), ret_result, err);
}

/* logged_model.search {experiment_ids[], filter, datasets[], order_by[], max_results, page_token}
 * -> {models[], next_page_token} */
int op_logged_model_search(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct logged_model_query query = {
		.experiment_ids = js_get(args, "experiment_ids"),
		.filter = js_get_str(args, "filter"),
		.datasets = js_get(args, "datasets"),
		.order_by = js_get(args, "order_by"),
		.max_results = js_get_int(args, "max_results", 0),
		.page_token = js_get_str(args, "page_token"),
	};
	struct db *db;

	if (query.filter && !*query.filter)
		query.filter = NULL;
	return project_db(ctx->project, &db, err) < 0 ? -1 : logged_model_search(db, &query, ret_result, err);
}

static int note(struct op_context *ctx, struct db *db, const char *operation, const struct js *args, struct error *err)
{
	struct op_event event = { .operation = operation, .subject = js_get_str(args, "model_id"), .body = args };

	return op_event(ctx, db, &event, err);
}

static int note_edit(struct op_context *ctx, struct db *db, const char *operation, const struct js *args,
		     struct error *err)
{
	const char *id = js_get_str(args, "model_id");
	bool pending;

	if (logged_model_is_pending(db, id, &pending, err) < 0)
		return -1;
	return pending ? 0 : note(ctx, db, operation, args, err);
}

/* logged_model.finalize {model_id, status} -> {model{}} */
int op_logged_model_finalize(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *id = js_get_str(args, "model_id");
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    logged_model_finalize(db, id, js_get(args, "status"), clock_wall_ms(), err) < 0 ||
	    note(ctx, db, "logged_model.finalize", args, err) < 0)
		return -1;
	return give(db, id, true, ret_result, err);
}

/* logged_model.delete {model_id} */
int op_logged_model_delete(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    logged_model_delete(db, js_get_str(args, "model_id"), clock_wall_ms(), err) < 0)
		return -1;
	return note(ctx, db, "logged_model.delete", args, err);
}

/* logged_model.tag {model_id, tags[]} */
int op_logged_model_tag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    logged_model_set_tags(db, js_get_str(args, "model_id"), js_get(args, "tags"), err) < 0)
		return -1;
	return note_edit(ctx, db, "logged_model.tag", args, err);
}

/* logged_model.untag {model_id, key} */
int op_logged_model_untag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    logged_model_delete_tag(db, js_get_str(args, "model_id"), js_get_str(args, "key"), err) < 0)
		return -1;
	return note_edit(ctx, db, "logged_model.untag", args, err);
}

/* logged_model.params {model_id, params[]} */
int op_logged_model_params(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    logged_model_log_params(db, js_get_str(args, "model_id"), js_get(args, "params"), err) < 0)
		return -1;
	return note_edit(ctx, db, "logged_model.params", args, err);
}

/* run.log_model {run_id, model_json} */
int op_run_log_model(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct op_event event = { .operation = "run.log_model", .subject = js_get_str(args, "run_id"), .body = args };
	struct run_ref run;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 || run_find_active(db, event.subject, &run, err) < 0 ||
	    model_history_add(db, run.row, js_get_str(args, "model_json"), err) < 0)
		return -1;
	return run.ended ? op_event(ctx, db, &event, err) : 0;
}
