/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>
#include "api/logs.h"
#include "api/ops.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/moment.h"
#include "pipeline/control.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"
/*
 * What the steps of a run printed, once or for as long as the run goes on: then every tick looks for new
 * logs and shows what each one gained, so that no step waits for another.
 */

#define TICK_NS 100000000

/* One word may also be a step of the last run. */
static int resolve_run(struct op_context *ctx, const char *text, const char **step, struct name *ret, struct error *err)
{
	struct name last;

	if (name_resolve(ctx->project, text ? text : "last", ACCEPT_RUN, ret, err) == 0)
		return 0;
	if (!text || *step || !err || err->code != ERR_NOT_FOUND ||
	    name_resolve(ctx->project, "last", ACCEPT_RUN, &last, NULL) < 0)
		return -1;
	*ret = last;
	*step = text;
	return 0;
}

/* The run and, when a step's own run was named, its step. */
static int find_run(struct op_context *ctx, const struct js *args, char run[33], char **ret_step, struct error *err)
{
	const char *text = js_get_str(args, "run"), *step = js_get_str(args, "step");
	CLEANUP_JS struct js *loaded = NULL;
	struct name name;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || resolve_run(ctx, text, &step, &name, err) < 0 ||
	    run_load(db, name.run, &loaded, err) < 0)
		return -1;
	if (js_get_str(loaded, "parent")) {
		snprintf(run, 33, "%s", js_get_str(loaded, "parent"));
		step = step ? step : js_get_str(loaded, "step");
	} else {
		snprintf(run, 33, "%s", name.run);
	}
	*ret_step = step ? xstrdup(step) : NULL;
	return 0;
}

static int read_options(const struct js *args, int64_t *ret_since, int64_t *ret_tail, struct error *err)
{
	const char *since = js_get_str(args, "since");

	*ret_since = INT64_MIN;
	*ret_tail = js_get_int(args, "tail", -1);
	if (since && parse_moment(since, clock_wall_ms(), ret_since, err) < 0)
		return error_wrap(err, "--since");
	if (*ret_tail <= LOGS_TAIL_MAX)
		return 0;
	error_set(err, ERR_USAGE, "--tail shows at most %d lines, not %lld", LOGS_TAIL_MAX, (long long)*ret_tail);
	return error_help(err, "run: mlops logs | tail -n %lld", (long long)*ret_tail);
}

/* Who followed a run learns by the exit status how it ended. */
static int tell_end(const struct logs *l, struct error *err)
{
	CLEANUP_JS struct js *loaded = NULL;
	enum run_status status = RUN_RUNNING;
	struct db *db;

	if (project_db(l->ctx->project, &db, err) < 0 || run_load(db, l->run, &loaded, err) < 0)
		return -1;
	run_status_parse(js_get_str(loaded, "status"), &status);
	if (status == RUN_FINISHED)
		return 0;
	if (status == RUN_FAILED) {
		error_set(err, ERR_FAILED, "run %.8s failed", l->run);
		return error_help(err, "run: mlops show %.8s", l->run);
	}
	error_set(err, ERR_INTERRUPTED, "run %.8s was killed", l->run);
	return error_help(err, "run: mlops run");
}

static int tell_broken(const struct logs *l, struct error *err)
{
	if (l->why.code && err)
		*err = l->why;
	return l->why.code ? -1 : 0;
}

/* Whether the run goes on is asked first: what it wrote before its end is then found after it. */
static int show(struct logs *l, bool follow, int64_t tail, struct error *err)
{
	static const struct timespec tick = { 0, TICK_NS };

	for (;;) {
		struct lock_holder holder;
		bool alive = control_executor(l->ctx->project, l->run, &holder) || job_goes_on(l->ctx->project, l->run);
		int rc;

		if (logs_find(l, err) < 0)
			return -1;
		rc = tail < 0 ? logs_show(l, !alive) : logs_show_tail(l, (size_t)tail, !alive);
		if (rc < 0)
			return 0;
		tail = -1;
		if (l->ctx->stopped && l->ctx->stopped(l->ctx->ctx))
			return 0;
		if (!alive || !follow)
			break;
		nanosleep(&tick, NULL);
	}
	if (tell_broken(l, err) < 0)
		return -1;
	/* all came from the cache, or it was stopped before it began: whoever follows learns how it ended */
	if (follow && !l->len)
		return tell_end(l, err);
	if (logs_check_found(l, err) < 0)
		return -1;
	return follow ? tell_end(l, err) : 0;
}

/* run.logs {run, step, follow, since, tail}: writes the lines that steps printed, or, for who wants events, one
 * {event: "output", step, attempt, stream, time, text} a line. A step that has not started is waited for with
 * `follow`. */
int op_logs(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct logs logs CLEANUP(logs_release) = { .ctx = ctx, .dir = -1, .known = STRMAP_INIT };
	CLEANUP(cleanup_free) char *step = NULL;
	char run[33];
	int64_t tail;

	(void)ret_result;
	if (read_options(args, &logs.since, &tail, err) < 0 || find_run(ctx, args, run, &step, err) < 0)
		return -1;
	logs.run = run;
	logs.partly = tail >= 0 || logs.since != INT64_MIN;
	logs.only = step;
	return show(&logs, js_get_bool(args, "follow"), tail, err);
}
