/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/experiments.h"
#include "registry/project.h"

/* A path that is not absolute is one of this machine, as MLflow has it. Caller frees. */
static char *resolve(const struct project *project, const char *location)
{
	if (!location || !*location)
		return NULL;
	if (*location == '/' || location[strcspn(location, ":/")] == ':')
		return xstrdup(location);
	return xasprintf("%s/%s", project->root, location);
}

/* experiment.create {name, artifact_location, tags[]} -> {experiment_id} */
int op_experiment_create(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *location = resolve(ctx->project, js_get_str(args, "artifact_location"));
	struct experiment_new new = {
		.name = js_get_str(args, "name"),
		.location = location,
		.tags = js_get(args, "tags"),
	};
	struct op_event event = { .operation = "experiment.create", .after = new.name };
	struct db *db;
	char text[24];
	int64_t id;

	if (project_db(ctx->project, &db, err) < 0 || experiment_create(db, &new, &id, err) < 0)
		return -1;
	snprintf(text, sizeof(text), "%lld", (long long)id);
	event.subject = text;
	if (op_event(ctx, db, &event, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "experiment_id", text);
	return 0;
}

static struct js *wrap(struct js *experiment)
{
	struct js *result = js_object();

	js_set(result, "experiment", experiment);
	return result;
}

/* experiment.get {experiment_id} -> {experiment{}} */
int op_experiment_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *experiment;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    experiment_load(db, js_get_str(args, "experiment_id"), &experiment, err) < 0)
		return -1;
	*ret_result = wrap(experiment);
	return 0;
}

/* experiment.find {experiment_name} -> {experiment{}} */
int op_experiment_find(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *experiment;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    experiment_load_named(db, js_get_str(args, "experiment_name"), &experiment, err) < 0)
		return -1;
	*ret_result = wrap(experiment);
	return 0;
}

/* experiment.rename {experiment_id, new_name} */
int op_experiment_rename(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *id = js_get_str(args, "experiment_id");
	struct op_event event = { "experiment.rename", id, NULL, js_get_str(args, "new_name"), NULL };
	CLEANUP_JS struct js *before = NULL;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 || experiment_load(db, id, &before, err) < 0 ||
	    experiment_rename(db, id, event.after, err) < 0)
		return -1;
	event.before = js_get_str(before, "name");
	return op_event(ctx, db, &event, err);
}

static int change(struct op_context *ctx, const struct js *args, const char *operation,
		  int (*change_it)(struct db *, const char *, struct error *), struct error *err)
{
	struct op_event event = { .operation = operation, .subject = js_get_str(args, "experiment_id") };
	struct db *db;

	return project_db(ctx->project, &db, err) < 0 || change_it(db, event.subject, err) < 0
		       ? -1
		       : op_event(ctx, db, &event, err);
}

/* experiment.delete {experiment_id} */
int op_experiment_delete(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	(void)ret_result;
	return change(ctx, args, "experiment.delete", experiment_delete, err);
}

/* experiment.restore {experiment_id} */
int op_experiment_restore(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	(void)ret_result;
	return change(ctx, args, "experiment.restore", experiment_restore, err);
}

/* experiment.tag {experiment_id, key, value} */
int op_experiment_tag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *value = js_get_str(args, "value");
	struct op_event event = { "experiment.tag", js_get_str(args, "experiment_id"), NULL, js_get_str(args, "key"),
				  args };
	struct db *db;

	(void)ret_result;
	return project_db(ctx->project, &db, err) < 0 ||
			       experiment_set_tag(db, event.subject, event.after, value ? value : "", err) < 0
		       ? -1
		       : op_event(ctx, db, &event, err);
}

/* experiment.untag {experiment_id, key} */
int op_experiment_untag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct op_event event = { "experiment.untag", js_get_str(args, "experiment_id"), js_get_str(args, "key"), NULL,
				  NULL };
	struct db *db;

	(void)ret_result;
	return project_db(ctx->project, &db, err) < 0 ||
			       experiment_delete_tag(db, event.subject, event.before, err) < 0
		       ? -1
		       : op_event(ctx, db, &event, err);
}
