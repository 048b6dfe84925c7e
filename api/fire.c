/* SPDX-License-Identifier: Apache-2.0 */
#include "api/fire.h"
#include <string.h>
#include "api/job_end.h"
#include "api/ops.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/jobs.h"
#include "registry/projects.h"

#define DAY_MS 86400000LL

/* What is decided of one cause. */
struct decision {
	const char *word; /* "run", "waiting", "skipped" */
	char *reason;     /* owned; NULL: none */
};

static void decision_release(struct decision *d)
{
	free(d->reason);
}

static int decide(struct decision *d, const char *word, char *reason)
{
	free(d->reason);
	d->word = word;
	d->reason = reason;
	return 0;
}

static const char *group_of(const struct js *trigger)
{
	const char *group = js_get_str(js_get(trigger, "spec"), "group");

	return group ? group : js_get_str(trigger, "name");
}

/* ---- its record ---- */

static int write_event(struct op_context *ctx, struct db *db, const struct js *firing, struct error *err)
{
	static const char *const keys[] = { "cause", "kind", "reason", "run_id", "time" };
	CLEANUP(cleanup_free) char *subject = xasprintf("%s/%s", js_get_str(firing, "project"), js_get_str(firing, "trigger"));
	bool manual = !strcmp(js_get_str(firing, "kind"), "manual");
	CLEANUP_JS struct js *body = js_object();
	const struct event event = {
		.actor = js_get_str(firing, "actor"),
		.origin = manual && ctx->origin ? ctx->origin : "trigger",
		.operation = "trigger.fire",
		.subject = subject,
		.after = js_get_str(firing, "decision"),
		.body = body,
	};

	js_set_int(body, "firing", js_get_int(firing, "id", 0));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get(firing, keys[i]))
			js_set(body, keys[i], js_ref(js_get(firing, keys[i])));
	return event_append(db, &event, clock_wall_ms(), NULL, err);
}

static int tell(struct op_context *ctx, struct db *db, int64_t id, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *firing = NULL;

	if (firing_load(db, id, &firing, err) < 0 || write_event(ctx, db, firing, err) < 0)
		return -1;
	if (ret)
		*ret = steal(&firing);
	return 0;
}

/* ---- reasons not to run ---- */

static int check_pause(const struct js *trigger, struct decision *d)
{
	const struct js *paused = js_get(trigger, "paused");
	const char *reason = js_get_str(paused, "reason");

	if (!paused)
		return 0;
	return decide(d, "skipped", xasprintf("paused by %s%s%s", js_get_str(paused, "actor"), reason ? ": " : "", reason ? reason : ""));
}

/* What a day or a week may hold counts back and forth from the moment: causes may come late. */
static int check_budget(struct db *db, const struct js *trigger, const struct cause *c, struct decision *d, struct error *err)
{
	const struct {
		const char *key;
		int64_t span;
	} spans[] = { { "day", DAY_MS }, { "week", 7 * DAY_MS } };
	const struct js *budget = js_get(js_get(trigger, "spec"), "budget");

	for (size_t i = 0; budget && i < ARRAY_LEN(spans); i++) {
		int64_t most = js_get_int(budget, spans[i].key, 0), count, last;

		if (!most)
			continue;
		if (firings_count(db, js_get_int(trigger, "id", 0), c->time_ms - spans[i].span, c->time_ms + spans[i].span, &count,
				  &last, err) < 0)
			return -1;
		if (count >= most)
			return decide(d, "skipped", xasprintf("its budget of %lld/%s is used up", (long long)most, spans[i].key));
	}
	return 0;
}

static int check_cooldown(struct db *db, const struct js *trigger, const struct cause *c, struct decision *d, struct error *err)
{
	int64_t cooldown = js_get_int(js_get(trigger, "spec"), "cooldown_ms", 0), count, last;
	char until[32];

	if (!cooldown)
		return 0;
	if (firings_count(db, js_get_int(trigger, "id", 0), c->time_ms - cooldown, c->time_ms + cooldown, &count, &last, err) < 0)
		return -1;
	if (!count)
		return 0;
	clock_format_utc(last + cooldown, until);
	return decide(d, "skipped", xasprintf("its cooldown lasts until %s", until));
}

/* The newest cause waits alone. With cancel = superseded it does not wait for long: what runs is told to end. */
static int supersede(struct op_context *ctx, struct db *db, const struct js *waiting, struct error *err)
{
	for (size_t i = 0; i < js_len(waiting); i++) {
		int64_t id = js_get_int(js_at(waiting, i), "id", 0);

		if (firing_decide(db, id, "skipped", "a newer cause took its place", NULL, err) < 0 || tell(ctx, db, id, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* 1: its run goes on until its executor has heard of it; 0: it had not begun, and is settled. */
static int end_run(struct op_context *ctx, struct db *db, const struct js *firing, const char *actor, struct error *err)
{
	const char *run = js_get_str(firing, "run_id");
	struct error why = { 0 };
	int r = job_ask_end(ctx, db, run, actor, &why);

	if (r >= 0)
		return r == 0;
	if (why.code != ERR_CONFLICT)
		return error_set(err, why.code, "%s", why.msg);
	return fire_settle(ctx, db, run, "cancelled", err);
}

static int check_group(struct op_context *ctx, struct db *db, const struct js *trigger, const char *actor, struct decision *d,
		       struct error *err)
{
	const char *project = js_get_str(trigger, "project"), *group = group_of(trigger);
	const char *cancel = js_get_str(js_get(trigger, "spec"), "cancel");
	CLEANUP_JS struct js *running = NULL;
	CLEANUP_JS struct js *waiting = NULL;
	int64_t busy;

	if (firings_of_group(db, project, group, "run", &running, err) < 0 ||
	    firings_of_group(db, project, group, "waiting", &waiting, err) < 0 || supersede(ctx, db, waiting, err) < 0)
		return -1;
	busy = (int64_t)js_len(running);
	for (size_t i = 0; cancel && !strcmp(cancel, "superseded") && i < js_len(running); i++) {
		int r = end_run(ctx, db, js_at(running, i), actor, err);

		if (r < 0)
			return -1;
		busy -= r == 0;
	}
	if (!busy)
		return 0;
	return decide(d, "waiting", xasprintf("run %.8s of its group goes on", js_get_str(js_at(running, js_len(running) - 1), "run_id")));
}

static int judge(struct op_context *ctx, struct db *db, const struct js *trigger, const struct cause *c, const char *actor,
		 struct decision *d, struct error *err)
{
	bool limits = !c->no_limits;

	check_pause(trigger, d);
	if (!d->word && c->held)
		decide(d, "skipped", xstrdup(c->held));
	if (!d->word && limits && check_budget(db, trigger, c, d, err) < 0)
		return -1;
	if (!d->word && limits && check_cooldown(db, trigger, c, d, err) < 0)
		return -1;
	if (!d->word && check_group(ctx, db, trigger, actor, d, err) < 0)
		return -1;
	if (!d->word)
		d->word = "run";
	return 0;
}

/* ---- its run ---- */

static void push_all(struct js *list, const struct js *items)
{
	for (size_t i = 0; i < js_len(items); i++)
		js_push(list, js_ref(js_at(items, i)));
}

/* Of run.submit: what the trigger says, then what the cause does. */
static struct js *run_args(const struct js *trigger, const struct cause *c)
{
	const struct js *spec = js_get(trigger, "spec");
	const char *file = js_get_str(spec, "file");
	struct js *args = js_object(), *words = js_array();
	char time[32];

	clock_format_utc(c->time_ms, time);
	js_push_str(words, file ? file : "pipeline.ini");
	push_all(words, js_get(spec, "steps"));
	js_set(args, "args", words);
	if (js_get(spec, "params"))
		js_set(args, "param", js_ref(js_get(spec, "params")));
	js_set_str(args, "trigger", js_get_str(trigger, "name"));
	js_set_str(args, "trigger_time", time);
	js_set(args, "trigger_window", c->window ? js_int(c->window) : js_null());
	js_set(args, "update", js_get(spec, "update") ? js_ref(js_get(spec, "update")) : js_array());
	for (void *it = js_iter(c->args); it; it = js_next(c->args, it))
		js_set(args, js_iter_key(it), js_ref(js_iter_value(it)));
	return args;
}

static int add_job(struct db *db, const char *project, const struct js *args, const char *actor, char run[33], struct error *err)
{
	CLEANUP(cleanup_free) char *command = submit_command(project, args);
	const struct job_new job = {
		.run = run, .project = project, .args = args, .command = command, .actor = actor, .now_ms = clock_wall_ms(),
	};

	clock_uuid(run);
	return job_add(db, &job, err);
}

/* ---- deciding ---- */

static int record(struct op_context *ctx, struct db *db, const struct js *trigger, const struct cause *c, const char *actor,
		  struct js **ret, struct error *err)
{
	CLEANUP(decision_release) struct decision d = { 0 };
	CLEANUP_JS struct js *args = run_args(trigger, c);
	CLEANUP_JS struct js *none = js_object();
	char run[33];
	struct firing_new firing = {
		.trigger = js_get_int(trigger, "id", 0),
		.cause = c->name,
		.kind = c->kind,
		.time_ms = c->time_ms,
		.evidence = c->evidence ? c->evidence : none,
		.args = args,
		.actor = actor,
		.now_ms = clock_wall_ms(),
	};
	int64_t id;

	if (judge(ctx, db, trigger, c, actor, &d, err) < 0)
		return -1;
	if (!strcmp(d.word, "run")) {
		if (add_job(db, c->project, args, actor, run, err) < 0)
			return -1;
		firing.run_id = run;
	}
	firing.decision = d.word;
	firing.reason = d.reason;
	return firing_add(db, &firing, &id, err) < 0 || tell(ctx, db, id, ret, err) < 0 ? -1 : 1;
}

int fire(struct op_context *ctx, struct db *db, const struct cause *c, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *trigger = NULL;
	CLEANUP_JS struct js *project = NULL;
	CLEANUP(cleanup_free) char *name = xasprintf("trigger %s/%s", c->project, c->trigger);
	int64_t known;

	if (project_row_load(db, c->project, &project, err) < 0 || trigger_load(db, c->project, c->trigger, &trigger, err) < 0 ||
	    firing_of_cause(db, js_get_int(trigger, "id", 0), c->name, &known, err) < 0)
		return -1;
	if (known)
		return ret && firing_load(db, known, ret, err) < 0 ? -1 : 0;
	return record(ctx, db, trigger, c, !strcmp(c->kind, "manual") ? op_actor(ctx) : name, ret, err);
}

/* ---- its end ---- */

static int start_waiting(struct op_context *ctx, struct db *db, const struct js *firing, struct error *err)
{
	int64_t id = js_get_int(firing, "id", 0);
	struct error why = { 0 };
	char run[33];
	int r;

	if (add_job(db, js_get_str(firing, "project"), js_get(firing, "args"), js_get_str(firing, "actor"), run, &why) < 0)
		return error_set(err, why.code, "%s", why.msg);
	r = firing_decide(db, id, "run", NULL, run, err);
	return r < 0 ? -1 : tell(ctx, db, id, NULL, err);
}

/* It may start, unless a person or the pipeline took its trigger away meanwhile. */
static int end_wait(struct op_context *ctx, struct db *db, const struct js *firing, struct error *err)
{
	CLEANUP(decision_release) struct decision d = { 0 };
	CLEANUP_JS struct js *trigger = NULL;
	int64_t id = js_get_int(firing, "id", 0);
	struct error why = { 0 };

	if (trigger_load(db, js_get_str(firing, "project"), js_get_str(firing, "trigger"), &trigger, &why) == 0)
		check_pause(trigger, &d);
	else if (why.code == ERR_NOT_FOUND)
		decide(&d, "skipped", xstrdup("its trigger is there no more"));
	else
		return error_set(err, why.code, "%s", why.msg);
	if (!d.word)
		return start_waiting(ctx, db, firing, err);
	return firing_decide(db, id, d.word, d.reason, NULL, err) < 0 ? -1 : tell(ctx, db, id, NULL, err);
}

int fire_waiting(struct op_context *ctx, struct db *db, struct error *err)
{
	for (;;) {
		CLEANUP_JS struct js *waiting = NULL;

		if (firings_stranded(db, &waiting, err) < 0)
			return -1;
		if (!js_len(waiting))
			return 0;
		if (end_wait(ctx, db, js_at(waiting, 0), err) < 0)
			return -1;
	}
}

int fire_settle(struct op_context *ctx, struct db *db, const char *run_id, const char *outcome, struct error *err)
{
	int64_t id;
	int r;

	if (firing_of_run(db, run_id, &id, err) < 0)
		return -1;
	r = id ? firing_settle(db, id, outcome, clock_wall_ms(), err) : 0;
	if (r <= 0)
		return r;
	if (!strcmp(outcome, "nothing new") && firing_decide(db, id, "nothing new", NULL, NULL, err) < 0)
		return -1;
	return fire_waiting(ctx, db, err);
}
