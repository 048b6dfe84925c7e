/* SPDX-License-Identifier: Apache-2.0 */
/* trigger: what starts runs, when, and what it did. */
#include <string.h>
#include "api/definitions.h"
#include "api/events.h"
#include "api/fire.h"
#include "api/ops.h"
#include "api/schedule.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/strbuf.h"
#include "registry/firings.h"
#include "registry/project.h"
#include "registry/projects.h"

#define HISTORY_MAX 1000
#define ID_MAX	    200
#define REASON_MAX  1000

/* ---- describing ---- */

static void add_word(struct strbuf *text, const char *word, const char *value)
{
	if (value)
		strbuf_printf(text, "%s%s %s", text->len ? ", " : "", word, value);
}

static void add_words(struct strbuf *text, const char *word, const struct js *list)
{
	if (!js_len(list))
		return;
	strbuf_printf(text, "%s%s", text->len ? ", " : "", word);
	for (size_t i = 0; i < js_len(list); i++)
		strbuf_printf(text, "%s%s", i ? "|" : " ", js_text(js_at(list, i)));
}

/* "cron 0 3 * * * Europe/Berlin" */
static char *starts_text(const struct js *spec)
{
	struct strbuf text = STRBUF_INIT;
	const char *tz = js_get_str(spec, "tz");

	if (js_get(spec, "branch") || !js_get(spec, "on"))
		add_words(&text, "push", js_get(spec, "branch"));
	add_words(&text, "on", js_get(spec, "on"));
	add_word(&text, "cron", js_get_str(spec, "cron"));
	if (tz)
		strbuf_printf(&text, " %s", tz);
	add_word(&text, "data", js_get_str(spec, "data"));
	add_word(&text, "drift of", js_get_str(spec, "monitor"));
	add_word(&text, "after", js_get_str(spec, "pipeline"));
	return strbuf_detach(&text);
}

/* The next times of a trigger; none when it has no schedule. Jitter counts. */
static struct js *next_times(const struct js *trigger, int64_t after_ms, int64_t count)
{
	const struct js *spec = js_get(trigger, "spec");
	int64_t late = schedule_jitter(js_get_str(trigger, "project"), js_get_str(trigger, "name"), js_get_int(spec, "jitter_ms", 0));
	struct js *list = NULL;

	if (!js_get_str(spec, "cron") ||
	    schedule_times(js_get_str(spec, "cron"), js_get_str(spec, "tz"), after_ms - late, count, &list, NULL) < 0)
		return js_array();
	return list;
}

static struct js *describe(const struct js *trigger)
{
	CLEANUP(cleanup_free) char *starts = starts_text(js_get(trigger, "spec"));
	CLEANUP_JS struct js *next = next_times(trigger, clock_wall_ms(), 1);
	struct js *row = js_object();

	js_set_str(row, "project", js_get_str(trigger, "project"));
	js_set_str(row, "trigger", js_get_str(trigger, "name"));
	js_set_str(row, "starts", starts);
	js_set(row, "spec", js_ref(js_get(trigger, "spec")));
	if (js_get(trigger, "paused"))
		js_set(row, "paused", js_ref(js_get(trigger, "paused")));
	js_set_str(row, "next", js_text(js_at(next, 0)));
	return row;
}

static int add_last(struct db *db, struct js *row, int64_t limit, const char *key, struct error *err)
{
	struct js *firings;

	if (firings_list(db, js_get_str(row, "project"), js_get_str(row, "trigger"), limit, &firings, err) < 0)
		return -1;
	js_set(row, key, firings);
	return 0;
}

/* ---- list and show ---- */

/* Projects whose file could not be read. */
static int add_problems(struct project *p, const char *project, struct js *result, struct error *err)
{
	struct definitions all CLEANUP(definitions_free) = { 0 };
	struct js *list;

	if (definitions_load(p, &all, err) < 0)
		return -1;
	list = js_array();
	for (size_t i = 0; i < all.len; i++) {
		struct js *problem;

		if (!all.items[i].error || (project && strcmp(project, all.items[i].project) != 0))
			continue;
		problem = js_object();
		js_set_str(problem, "project", all.items[i].project);
		js_set_str(problem, "error", all.items[i].error);
		js_push(list, problem);
	}
	js_set(result, "problems", list);
	return 0;
}

static int check_project(struct db *db, const char *project, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;

	return project ? project_row_load(db, project, &row, err) : 0;
}

/* trigger.list {project} -> {triggers: [{project, trigger, starts, spec, paused, next, firings[1]}], problems} */
int op_trigger_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *project = js_get_str(args, "project");
	CLEANUP_JS struct js *list = NULL, *result = js_object(), *rows = js_array();
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || check_project(db, project, err) < 0 ||
	    triggers_list(db, project, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++) {
		struct js *row = describe(js_at(list, i));

		js_push(rows, row);
		if (add_last(db, row, 1, "firings", err) < 0)
			return -1;
	}
	js_set(result, "triggers", steal(&rows));
	if (add_problems(ctx->project, project, result, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}

/* trigger.show {project, trigger} -> as in list, {..., upcoming[5], firings[10], since} */
int op_trigger_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *trigger = NULL, *row = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || check_project(db, js_get_str(args, "project"), err) < 0 ||
	    trigger_load(db, js_get_str(args, "project"), js_get_str(args, "trigger"), &trigger, err) < 0)
		return -1;
	row = describe(trigger);
	js_set_int(row, "since", js_get_int(trigger, "since", 0));
	js_set(row, "upcoming", next_times(trigger, clock_wall_ms(), 5));
	if (add_last(db, row, 10, "firings", err) < 0)
		return -1;
	*ret_result = steal(&row);
	return 0;
}

/* ---- fire ---- */

static int check_fire(const struct js *args, int64_t *ret_time, struct error *err)
{
	const char *id = js_get_str(args, "id"), *reason = js_get_str(args, "reason"), *time = js_get_str(args, "time");
	const struct js *params = js_get(args, "param");

	*ret_time = clock_wall_ms();
	if (id && (!*id || strlen(id) > ID_MAX))
		return error_set(err, ERR_USAGE, "an id has 1 to %d bytes", ID_MAX);
	if (reason && strlen(reason) > REASON_MAX)
		return error_set(err, ERR_USAGE, "a reason has at most %d bytes", REASON_MAX);
	for (size_t i = 0; i < js_len(params); i++) {
		const char *text = js_text(js_at(params, i));

		if (*text == '=' || !strchr(text, '='))
			return error_set(err, ERR_USAGE, "-p takes KEY=VALUE, not '%.100s'", text);
	}
	return time ? parse_moment(time, *ret_time, ret_time, err) : 0;
}

static struct js *fire_args(const struct js *trigger, const struct js *args)
{
	const struct js *own = js_get(js_get(trigger, "spec"), "params"), *more = js_get(args, "param");
	struct js *run = js_object(), *params;

	if (!js_len(more))
		return run;
	params = js_array();
	for (size_t i = 0; i < js_len(own); i++)
		js_push(params, js_ref(js_at(own, i)));
	for (size_t i = 0; i < js_len(more); i++)
		js_push(params, js_ref(js_at(more, i)));
	js_set(run, "param", params);
	return run;
}

static int fire_once(struct op_context *ctx, struct db *db, const struct js *args, struct js **ret, struct error *err)
{
	const char *project = js_get_str(args, "project"), *name = js_get_str(args, "trigger"), *id = js_get_str(args, "id");
	CLEANUP_JS struct js *trigger = NULL, *row = NULL, *evidence = js_object(), *run = NULL;
	CLEANUP(cleanup_free) char *cause_name = NULL;
	struct cause cause = { .project = project, .trigger = name, .kind = "manual", .evidence = evidence, .no_limits = true };
	char uuid[33];
	int r;

	if (check_fire(args, &cause.time_ms, err) < 0 || project_row_load(db, project, &row, err) < 0 ||
	    trigger_load(db, project, name, &trigger, err) < 0)
		return -1;
	clock_uuid(uuid);
	cause.name = cause_name = xasprintf("manual:%s", id ? id : uuid);
	cause.args = run = fire_args(trigger, args);
	js_set_str(evidence, "reason", js_get_str(args, "reason"));
	r = fire(ctx, db, &cause, ret, err);
	if (r >= 0)
		js_set_bool(*ret, "repeated", r == 0);
	return r < 0 ? -1 : 0;
}

/* Inside a transaction of its own, or the caller's. */
static int write_all(struct op_context *ctx, const struct js *args,
		     int (*work)(struct op_context *, struct db *, const struct js *, struct js **, struct error *),
		     struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (work(ctx, db, args, &result, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret = steal(&result);
	return 0;
}

/* trigger.fire {project, trigger, time, id, param[], reason} -> firing_load's object, {repeated} */
int op_trigger_fire(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	return write_all(ctx, args, fire_once, ret_result, err);
}

/* ---- pause and resume ---- */

static int set_paused(struct op_context *ctx, struct db *db, const struct js *args, const struct js *paused, const char *operation,
		      struct js **ret, struct error *err)
{
	const char *project = js_get_str(args, "project"), *name = js_get_str(args, "trigger");
	CLEANUP(cleanup_free) char *subject = xasprintf("%s/%s", project, name);
	CLEANUP_JS struct js *trigger = NULL, *row = NULL;
	const struct op_event event = { .operation = operation, .subject = subject, .body = paused };

	if (project_row_load(db, project, &row, err) < 0 || trigger_load(db, project, name, &trigger, err) < 0)
		return -1;
	if (!paused && !js_get(trigger, "paused")) {
		error_set(err, ERR_CONFLICT, "trigger %s is not paused", subject);
		return error_help(err, "look at it: mlops trigger show %s %s", project, name);
	}
	if (trigger_pause(db, js_get_int(trigger, "id", 0), paused, err) < 0 || op_event(ctx, db, &event, err) < 0)
		return -1;
	*ret = js_object();
	js_set_str(*ret, "project", project);
	js_set_str(*ret, "trigger", name);
	js_set_bool(*ret, "paused", paused != NULL);
	return 0;
}

static int pause_one(struct op_context *ctx, struct db *db, const struct js *args, struct js **ret, struct error *err)
{
	const char *reason = js_get_str(args, "reason");
	CLEANUP_JS struct js *paused = js_object();

	if (reason && strlen(reason) > REASON_MAX)
		return error_set(err, ERR_USAGE, "a reason has at most %d bytes", REASON_MAX);
	js_set_str(paused, "actor", op_actor(ctx));
	js_set_str(paused, "reason", reason);
	js_set_int(paused, "since", clock_wall_ms());
	return set_paused(ctx, db, args, paused, "trigger.pause", ret, err);
}

static int resume_one(struct op_context *ctx, struct db *db, const struct js *args, struct js **ret, struct error *err)
{
	return set_paused(ctx, db, args, NULL, "trigger.resume", ret, err);
}

/* trigger.pause {project, trigger, reason} -> {project, trigger, paused} */
int op_trigger_pause(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	return write_all(ctx, args, pause_one, ret_result, err);
}

/* trigger.resume {project, trigger} -> {project, trigger, paused} */
int op_trigger_resume(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	return write_all(ctx, args, resume_one, ret_result, err);
}

/* ---- history and next ---- */

/* trigger.history {project, trigger, limit} -> {firings: [...]} */
int op_trigger_history(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *project = js_get_str(args, "project"), *name = js_get_str(args, "trigger");
	int64_t limit = js_get_int(args, "limit", 30);
	struct js *firings;
	struct db *db;

	if (limit < 1 || limit > HISTORY_MAX)
		return error_set(err, ERR_USAGE, "--limit is from 1 to %d", HISTORY_MAX);
	if (project_db(ctx->project, &db, err) < 0 || firings_list(db, project, name, limit, &firings, err) < 0)
		return -1;
	/* What is there no more has a history, too; what never was has none. */
	if (!js_len(firings)) {
		CLEANUP_JS struct js *trigger = NULL;

		js_free(firings);
		if (check_project(db, project, err) < 0 || (project && name && trigger_load(db, project, name, &trigger, err) < 0))
			return -1;
		firings = js_array();
	}
	*ret_result = js_object();
	js_set(*ret_result, "firings", firings);
	return 0;
}

static void push_times(struct js *rows, const struct js *trigger, struct js *times)
{
	const struct js *spec = js_get(trigger, "spec");
	struct js *row = js_object();

	js_set_str(row, "project", js_get_str(trigger, "project"));
	js_set_str(row, "trigger", js_get_str(trigger, "name"));
	js_set_str(row, "cron", js_get_str(spec, "cron"));
	js_set_str(row, "tz", js_get_str(spec, "tz") ? js_get_str(spec, "tz") : "UTC");
	js_set_bool(row, "paused", js_get(trigger, "paused") != NULL);
	js_set(row, "times", times);
	js_push(rows, row);
}

static int next_of_triggers(struct op_context *ctx, const struct js *args, int64_t after_ms, int64_t count, struct js *rows,
			    struct error *err)
{
	const char *project = js_get_str(args, "project"), *name = js_get_str(args, "trigger");
	CLEANUP_JS struct js *list = NULL;
	struct db *db;

	if (!ctx->project) {
		error_set(err, ERR_NOT_FOUND, "no project (.mlops) is here");
		return error_help(err, "name times: mlops trigger next --cron '0 3 * * *'");
	}
	if (project_db(ctx->project, &db, err) < 0 || check_project(db, project, err) < 0)
		return -1;
	if (name) {
		struct js *trigger;

		if (trigger_load(db, project, name, &trigger, err) < 0)
			return -1;
		list = js_array();
		js_push(list, trigger);
	} else if (triggers_list(db, project, &list, err) < 0) {
		return -1;
	}
	for (size_t i = 0; i < js_len(list); i++)
		if (js_get_str(js_get(js_at(list, i), "spec"), "cron"))
			push_times(rows, js_at(list, i), next_times(js_at(list, i), after_ms, count));
	return 0;
}

static int next_of_cron(const struct js *args, int64_t after_ms, int64_t count, struct js *rows, struct error *err)
{
	const char *cron = js_get_str(args, "cron"), *tz = js_get_str(args, "tz");
	struct js *times, *row;

	if (schedule_times(cron, tz, after_ms, count, &times, err) < 0)
		return -1;
	row = js_object();
	js_set_str(row, "cron", cron);
	js_set_str(row, "tz", tz ? tz : "UTC");
	js_set(row, "times", times);
	js_push(rows, row);
	return 0;
}

/* trigger.next {project, trigger, cron, tz, after, count} -> {triggers: [{project, trigger, cron, tz, paused, times[]}]} */
int op_trigger_next(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t after = clock_wall_ms(), count = js_get_int(args, "count", 5);
	const char *text = js_get_str(args, "after"), *cron = js_get_str(args, "cron");
	CLEANUP_JS struct js *rows = js_array();

	if (text && parse_moment(text, after, &after, err) < 0)
		return -1;
	if (cron && js_get_str(args, "project"))
		return error_set(err, ERR_USAGE, "--cron stands alone, or a project does");
	if (!cron && js_get_str(args, "tz"))
		return error_set(err, ERR_USAGE, "--tz goes with --cron: triggers have their own");
	if (count < 1 || count > 1000)
		return error_set(err, ERR_USAGE, "--count is from 1 to 1000");
	if ((cron ? next_of_cron(args, after, count, rows, err) : next_of_triggers(ctx, args, after, count, rows, err)) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "triggers", steal(&rows));
	return 0;
}
