/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "api/model_files.h"
#include "api/ops.h"
#include "api/profiles.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/control.h"
#include "pipeline/steplog.h"
#include "registry/accepts.h"
#include "registry/artifacts.h"
#include "registry/jobs.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"

#define RUNS_LIMIT 20

/* Of a run that nobody executes: "queued" and "starting" are those of an agent; one of a client runs until it says
 * otherwise. */
static const char *idle_state(struct db *db, const struct js *run)
{
	CLEANUP_JS struct js *job = NULL;

	if (!strcmp(js_get_str(run, "status"), "RUNNING") && !js_get_str(js_get(run, "tags"), "mlops.steps"))
		return "running";
	if (strcmp(js_get_str(run, "status"), "SCHEDULED") != 0 || job_load(db, js_get_str(run, "run_id"), &job, NULL) < 0)
		return "lost";
	return !strcmp(js_get_str(job, "state"), "queued") ? "queued" : "starting";
}

/* What is known of a run that says of itself that it goes on. */
static int active_run(struct op_context *ctx, struct db *db, const struct js *run, struct js *list, struct error *err)
{
	const char *id = js_get_str(run, "run_id"), *steps = js_get_str(js_get(run, "tags"), "mlops.steps");
	CLEANUP_JS struct js *progress = NULL;
	struct js *states, *item;
	struct lock_holder holder;
	int64_t ended = 0;
	bool held;

	if (attempts_progress(db, id, &progress, err) < 0)
		return -1;
	held = control_executor(ctx->project, id, &holder);
	states = js_get(progress, "states");
	for (void *it = js_iter(states); it; it = js_next(states, it))
		ended += strcmp(js_iter_key(it), "running") ? js_int_value(js_iter_value(it)) : 0;
	item = js_object();
	js_set_str(item, "run_id", id);
	js_set_str(item, "pipeline", js_get_str(run, "experiment"));
	js_set_str(item, "name", js_get_str(run, "name"));
	js_set_str(item, "state", held ? "running" : idle_state(db, run));
	js_set_int(item, "start_time", js_get_int(run, "start_time", 0));
	js_set_str(item, "user", js_get_str(run, "user"));
	js_set_str(item, "host", js_get_str(js_get(run, "tags"), "mlops.host"));
	if (holder.pid)
		js_set_int(item, "pid", holder.pid);
	js_set_str(item, "command", js_get_str(js_get(run, "tags"), "mlops.command"));
	js_set_int(item, "done", ended);
	js_set_int(item, "total", steps ? strtoll(steps, NULL, 10) : 0);
	js_set(item, "states", js_ref(states));
	js_set(item, "running", js_ref(js_get(progress, "running")));
	js_push(list, item);
	return 0;
}

static int add_active(struct op_context *ctx, struct run_query query, const char *status, struct js *list,
		      struct error *err)
{
	CLEANUP(cleanup_free) char *filter = xasprintf("attributes.status = '%s'%s%s", status, query.filter ? " AND " : "",
						       query.filter ? query.filter : "");
	CLEANUP_JS struct js *runs = NULL;
	struct db *db;

	query.filter = filter;
	if (project_db(ctx->project, &db, err) < 0 || run_search(db, &query, &runs, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(runs); i++)
		if (active_run(ctx, db, js_at(runs, i), list, err) < 0)
			return -1;
	return 0;
}

/* run.list {active, filter, order_by, limit} -> {now, active: [{run_id, pipeline, name, state: running|queued|starting|lost,
 * start_time, user, host, pid, command, done, total, states{}, running: [{step, number, start_time}]}]} */
static int active_runs(struct op_context *ctx, struct run_query query, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *result = js_object();
	struct js *list = js_array();

	js_set_int(result, "now", clock_wall_ms());
	js_set(result, "active", list);
	if (add_active(ctx, query, "RUNNING", list, err) < 0 || add_active(ctx, query, "SCHEDULED", list, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}

/* run.list {filter, order_by, limit, all} -> {runs: [...]} */
int op_runs(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_query query = {
		.filter = js_get_str(args, "filter"),
		.order_by = js_get_str(args, "order_by"),
		.limit = js_get_int(args, "limit", RUNS_LIMIT),
		.all = js_get_bool(args, "all"),
	};
	struct js *runs;
	struct db *db;

	if (query.limit < 1)
		return error_set(err, ERR_USAGE, "--limit is a number above 0, not %lld", (long long)query.limit);
	if (js_get_bool(args, "active") && query.all)
		return error_set(err, ERR_USAGE, "--active and --all exclude each other");
	if (js_get_bool(args, "active"))
		return active_runs(ctx, query, ret_result, err);
	if (project_db(ctx->project, &db, err) < 0 || run_search(db, &query, &runs, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "runs", runs);
	return 0;
}

static int show_run(struct db *db, const char *id, struct js *result, struct error *err)
{
	struct js *run, *attempts, *accepted;
	const char *parent;

	if (run_load(db, id, &run, err) < 0)
		return -1;
	js_set_str(result, "kind", "run");
	js_set(result, "run", run);
	parent = js_get_str(run, "parent");
	if (attempts_list(db, parent ? parent : id, &attempts, err) < 0)
		return -1;
	js_set(result, "attempts", attempts);
	if (accepts_of_run(db, id, &accepted, err) < 0)
		return -1;
	js_set(result, "accepted", accepted);
	return 0;
}

/* A run without a terminal told its notes and its end to a log. */
static void show_own_log(struct op_context *ctx, const char *run, struct js *result)
{
	CLEANUP(cleanup_free) char *path = steplog_path(ctx->project->homefd, run, STEPLOG_RUN, 1);
	struct stat st;

	if (fstatat(ctx->project->homefd, path + strlen(".mlops/"), &st, AT_SYMLINK_NOFOLLOW) == 0)
		js_set_str(result, "log", path);
}

static int show_artifact(struct db *db, const struct name *name, struct js *result, struct error *err)
{
	char text[CONTENT_TEXT];
	struct js *versions;

	if (artifact_versions(db, name->artifact, &versions, err) < 0)
		return -1;
	js_set_str(result, "kind", "artifact");
	js_set_str(result, "name", name->artifact);
	js_set_int(result, "version", name->version);
	js_set_str(result, "content", content_format(&name->content, text));
	js_set(result, "versions", versions);
	return 0;
}

static int show_commit(struct db *db, const char *commit, struct js *result, struct error *err)
{
	CLEANUP(cleanup_free) char *filter = xasprintf("tags.`mlflow.source.git.commit` = '%s'", commit);
	struct run_query query = { .filter = filter };
	struct js *runs;

	if (run_search(db, &query, &runs, err) < 0)
		return -1;
	js_set_str(result, "kind", "commit");
	js_set_str(result, "commit", commit);
	js_set(result, "runs", runs);
	return 0;
}

static void show_content(const struct content *content, struct js *result)
{
	char text[CONTENT_TEXT];

	js_set_str(result, "kind", "content");
	js_set_str(result, "content", content_format(content, text));
	js_set_int(result, "size", (int64_t)content->size);
}

/*
 * run.show {name} -> {kind: "run", run{}, attempts[], accepted[], profiles[], log}
 *                  | {kind: "artifact", name, version, content, versions[]}
 *                  | {kind: "version", model_version{}, location, model_id}
 *                  | {kind: "commit", commit, runs[]} | {kind: "content", content, size}
 */
int op_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *text = js_get_str(args, "name");
	CLEANUP_JS struct js *result = js_object();
	struct name name;
	struct db *db;
	int r = 0;

	if (project_db(ctx->project, &db, err) < 0 ||
	    name_resolve(ctx->project, text ? text : "last", ACCEPT_ANY, &name, err) < 0)
		return -1;
	switch (name.kind) {
	case NAME_RUN:
		r = show_run(db, name.run, result, err);
		if (r == 0)
			profiles_of_run(ctx, js_get(result, "run"), result);
		show_own_log(ctx, name.run, result);
		break;
	case NAME_ARTIFACT:
		r = show_artifact(db, &name, result, err);
		break;
	case NAME_VERSION:
		r = model_version_show(db, name.artifact, name.version, result, err);
		break;
	case NAME_COMMIT:
		r = show_commit(db, name.commit, result, err);
		break;
	case NAME_CONTENT:
		show_content(&name.content, result);
		break;
	}
	if (r == 0)
		*ret_result = steal(&result);
	return r;
}
