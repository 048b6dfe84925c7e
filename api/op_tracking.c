/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of clients. What is logged while a run goes on makes no events; its end makes one, and so does each edit after. */
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/project.h"
#include "registry/run_edit.h"
#include "registry/run_read.h"
#include "registry/runs.h"

/* run.create {experiment_id, user_id, start_time, run_name, tags[]} -> {run{}} */
int op_run_create(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_begin begin = {
		.experiment = js_get_str(args, "experiment_id"),
		.name = js_get_str(args, "run_name"),
		.user = js_get_str(args, "user_id"),
		.start_ms = js_get_int(args, "start_time", 0),
		.tags = js_get(args, "tags"),
	};
	CLEANUP_STRBUF struct strbuf run = STRBUF_INIT;
	struct db *db;
	int64_t row;
	char id[33];

	if (project_db(ctx->project, &db, err) < 0 || run_begin(db, &begin, id, &row, err) < 0 ||
	    run_write_begun(db, row, &run, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "run", js_raw(&run));
	return 0;
}

/* run.get {run_id} -> {run{}} */
int op_run_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_STRBUF struct strbuf run = STRBUF_INIT;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    run_write_by_id(db, js_get_str(args, "run_id"), &run, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "run", js_raw(&run));
	return 0;
}

/* With the digest of all that is recorded of the run now. */
static int note_end(struct op_context *ctx, struct db *db, const char *run_id, const char *status, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	CLEANUP_JS struct js *body = js_object();
	struct op_event event = { "run.end", run_id, NULL, status, body };
	char hex[DIGEST_HEX + 1];

	if (run_load(db, run_id, &record, err) < 0)
		return -1;
	run_digest(record, hex);
	js_set_str(body, "record", hex);
	return op_event(ctx, db, &event, err);
}

/* What was changed in a run that had ended. */
static int note_edit(struct op_context *ctx, struct db *db, const struct run_ref *ref, const char *operation,
		     const struct js *args, struct error *err)
{
	struct op_event event = { .operation = operation, .subject = js_get_str(args, "run_id"), .body = args };

	return ref->ended ? op_event(ctx, db, &event, err) : 0;
}

/* run.update {run_id, status, end_time, run_name} -> {run_info{}} */
int op_run_update(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t end = js_get_int(args, "end_time", 0);
	struct run_change change = {
		.status = js_get_str(args, "status"),
		.name = js_get_str(args, "run_name"),
		.end_ms = js_get(args, "end_time") ? &end : NULL,
	};
	const char *id = js_get_str(args, "run_id");
	CLEANUP_STRBUF struct strbuf info = STRBUF_INIT;
	struct run_ref before, now;
	struct db *db;
	int r;

	if (project_db(ctx->project, &db, err) < 0 || run_update(db, id, &change, &before, err) < 0 ||
	    run_find(db, id, &now, err) < 0)
		return -1;
	r = now.ended && !before.ended ? note_end(ctx, db, id, change.status, err)
				       : note_edit(ctx, db, &before, "run.update", args, err);
	if (r < 0 || run_write_info(db, now.row, &info, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "run_info", js_raw(&info));
	return 0;
}

static int change(struct op_context *ctx, const struct js *args, const char *operation,
		  int (*change_it)(struct db *, const char *, struct error *), struct error *err)
{
	struct op_event event = { .operation = operation, .subject = js_get_str(args, "run_id") };
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 || change_it(db, event.subject, err) < 0
		       ? -1
		       : op_event(ctx, db, &event, err);
}

/* run.delete {run_id} */
int op_run_delete(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	(void)ret_result;
	return change(ctx, args, "run.delete", run_delete, err);
}

/* run.restore {run_id} */
int op_run_restore(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	(void)ret_result;
	return change(ctx, args, "run.restore", run_restore, err);
}

static int log_batch(struct op_context *ctx, const struct js *args, const struct run_batch *batch,
		     const char *operation, struct error *err)
{
	struct run_ref ref;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    run_log_batch(db, js_get_str(args, "run_id"), batch, &ref, err) < 0)
		return -1;
	return note_edit(ctx, db, &ref, operation, args, err);
}

/* Only here, as MLflow has it: elsewhere such a run is just not found. */
static int check_run_id(const char *id, struct error *err)
{
	size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	if (!id[len] && len <= 256 && *id != '_' && *id != '-')
		return 0;
	return error_set(err, ERR_USAGE, "Invalid value \"%.256s\" for parameter 'run_id' supplied.", id);
}

/* run.log {run_id, metrics[], params[], tags[]} */
int op_run_log(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_batch batch = {
		.metrics = js_get(args, "metrics"),
		.params = js_get(args, "params"),
		.tags = js_get(args, "tags"),
	};

	(void)ret_result;
	if (check_run_id(js_get_str(args, "run_id"), err) < 0)
		return -1;
	return log_batch(ctx, args, &batch, "run.log", err);
}

/* metric.log {run_id, key, value, timestamp, step} */
int op_metric_log(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct run_batch batch = { .metrics = list, .single = true };

	(void)ret_result;
	js_push(list, js_ref((struct js *)(uintptr_t)args));
	return log_batch(ctx, args, &batch, "metric.log", err);
}

/* param.log {run_id, key, value} */
int op_param_log(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct run_batch batch = { .params = list, .single = true };

	(void)ret_result;
	js_push(list, js_ref((struct js *)(uintptr_t)args));
	return log_batch(ctx, args, &batch, "param.log", err);
}

/* run.tag {run_id, key, value} */
int op_run_tag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct run_batch batch = { .tags = list, .single = true };

	(void)ret_result;
	js_push(list, js_ref((struct js *)(uintptr_t)args));
	return log_batch(ctx, args, &batch, "run.tag", err);
}

/* run.untag {run_id, key} */
int op_run_untag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_ref ref;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    run_delete_tag(db, js_get_str(args, "run_id"), js_get_str(args, "key"), &ref, err) < 0)
		return -1;
	return note_edit(ctx, db, &ref, "run.untag", args, err);
}
