/* SPDX-License-Identifier: Apache-2.0 */
/* monitor replay: what the policy, or another one, makes of what happened. Nothing is written. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "api/monitors.h"
#include "api/ops.h"
#include "api/policy_follow.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "policy/facts.h"
#include "registry/decisions.h"
#include "registry/firings.h"
#include "registry/jobs.h"
#include "registry/monitors.h"
#include "registry/project.h"

#define HISTORY_MAX ((size_t)64 << 20)
#define POLICY_MAX  ((size_t)1 << 20)

/*
 * A history is an array of steps in their order: {"kind": "window", "facts": {window, state, worst, dropped, model,
 * paused}, "time", "score", "rule", "outcome" (as it was), "ended" (how its retrain did), "seconds"} or {"kind": "person",
 * "outcome": "ack" | "rejected"}.
 */
struct replay {
	struct retrain_policy policy;
	struct js *history;
	const char *assume; /* how a retrain ends that never was */
	struct js *state;
	struct js *decisions, *counts; /* of the result */
	double score_sum, seconds_sum;
	int64_t scored, timed;
};

static void replay_release(struct replay *r)
{
	js_free(r->history);
	js_free(r->state);
	js_free(r->decisions);
	js_free(r->counts);
}

/* ---- which policy ---- */

static int no_trigger(const char *file, const char *monitor, struct error *err)
{
	error_set(err, ERR_NOT_FOUND, "%s has no [trigger.NAME] with monitor = %s", file, monitor);
	return error_help(err, "a policy is such a section: [trigger.drift], monitor = %s, alarm = 2 of 3, budget = 1/week", monitor);
}

/* `file` NULL: that of the pipeline, where having none is an answer, too. */
static int load_policy(struct op_context *ctx, const char *file, const char *monitor, struct pipeline **ret_pipeline,
		       struct retrain_policy *ret, struct error *err)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const struct trigger_section *trigger;
	struct error why = { 0 };

	if (file) {
		CLEANUP(cleanup_free) char *path = *file == '/' ? xstrdup(file) : path_join(ctx->dir, file);

		if (io_read_file(AT_FDCWD, path, POLICY_MAX, &text, err) < 0 ||
		    pipeline_parse_policy(text.buf, text.len, file, &pipeline, err) < 0)
			return -1;
	} else if (pipeline_load_definitions(ctx->project->rootfd, "pipeline.ini", &pipeline, &why) < 0) {
		if (why.code != ERR_NOT_FOUND && err)
			*err = why;
		if (why.code != ERR_NOT_FOUND)
			return -1;
	}
	trigger = trigger_of_monitor(pipeline, monitor);
	if (!trigger && file)
		return no_trigger(file, monitor, err);
	retrain_policy_of(trigger, ret);
	*ret_pipeline = steal(&pipeline);
	return 0;
}

/* ---- what was recorded ---- */

static double recorded_score(const struct js *window)
{
	int64_t n = js_get_int(window, "labelled", 0);

	return n ? 1 - (double)js_get_int(window, "wrong", 0) / (double)n : NAN;
}

/* How long its run took; 0: it is not known. */
static double seconds_of(struct db *db, int64_t firing_id)
{
	CLEANUP_JS struct js *firing = NULL;
	CLEANUP_JS struct js *job = NULL;
	const char *run;

	if (firing_load(db, firing_id, &firing, NULL) < 0)
		return 0;
	run = js_get_str(firing, "run_id");
	if (!run || job_load(db, run, &job, NULL) < 0 || !js_get(job, "ended"))
		return 0;
	return (double)(js_get_int(job, "ended", 0) - js_get_int(job, "started", 0)) / 1000;
}

static struct js *window_step(const struct js *facts, int64_t time_ms, double score)
{
	struct js *step = js_object();

	js_set_str(step, "kind", "window");
	js_set(step, "facts", js_ref((struct js *)facts));
	js_set_int(step, "time", time_ms);
	if (!isnan(score))
		js_set_real(step, "score", score);
	return step;
}

/* The step of a window of this number, or NULL. */
static struct js *find_step(const struct js *history, int64_t number)
{
	for (size_t i = js_len(history); i-- > 0;)
		if (js_get(js_at(history, i), "facts") &&
		    js_get_int(js_get(js_at(history, i), "facts"), "window", -1) == number)
			return js_at(history, i);
	return NULL;
}

static int add_decision(struct db *db, int64_t monitor, const struct js *decision, struct js *history, struct error *err)
{
	const char *kind = js_get_str(decision, "kind"), *outcome = js_get_str(decision, "outcome");
	int64_t number = js_get_int(decision, "window", 0);
	struct js *step;

	if (!strcmp(kind, "window")) {
		CLEANUP_JS struct js *window = NULL;

		if (monitor_window(db, monitor, number, &window, err) < 0)
			return -1;
		step = window_step(js_get(decision, "body"), js_get_int(decision, "time", 0), recorded_score(window));
		js_set_str(step, "rule", js_get_str(decision, "rule"));
		js_set_str(step, "ended", !strcmp(js_get_str(decision, "rule"), "trigger") ? "skipped" : NULL);
	} else if (!strcmp(kind, "outcome")) {
		step = find_step(history, number);
		if (step) {
			js_set_str(step, "ended", outcome);
			js_set_real(step, "seconds", seconds_of(db, js_get_int(decision, "firing", 0)));
		}
		return 0;
	} else {
		step = js_object();
		js_set_str(step, "kind", "person");
	}
	js_set_str(step, "outcome", outcome);
	js_push(history, step);
	return 0;
}

/* Windows that nobody decided on, as those that were checked by hand. */
static void add_window(const struct watch *watch, const struct js *window, struct js *history)
{
	CLEANUP_JS struct js *facts = retrain_facts(window);
	bool timed;

	js_set_bool(facts, "dropped", facts_dropped(facts, (int64_t)watch->min_rows));
	js_push(history, window_step(facts, policy_time(&watch->rule, window, &timed), recorded_score(window)));
}

static int recorded_history(struct op_context *ctx, const struct pipeline *pipeline, const char *name, struct js **ret,
			    struct error *err)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	CLEANUP_JS struct js *history = js_array(), *decisions = NULL, *windows = NULL;
	struct watch watch = { .name = name, .min_rows = 500 };
	int64_t last, time_ms;
	struct db *db;
	int r = project_db(ctx->project, &db, err);

	if (r == 0)
		r = monitor_load(db, name, &row, err);
	if (r == 0) {
		error_set(err, ERR_NOT_FOUND, "nothing is known of a monitor '%s'", name);
		return error_help(err, "give what happened: --history FILE");
	}
	if (r < 0 || decisions_list(db, row.id, 0, &decisions, err) < 0 ||
	    monitor_windows(db, row.id, INT32_MAX, &windows, err) < 0 || decision_last(db, row.id, &last, &time_ms, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(decisions); i++)
		if (add_decision(db, row.id, js_at(decisions, i), history, err) < 0)
			return -1;
	for (size_t i = 0; pipeline && i < pipeline->nmonitors; i++)
		if (!strcmp(pipeline->monitors[i].name, name))
			monitor_watch(ctx, &pipeline->monitors[i], &watch);
	for (size_t i = 0; i < js_len(windows); i++)
		if (strcmp(js_get_str(js_at(windows, i), "state"), "INSUFFICIENT") != 0 &&
		    (!js_len(decisions) || js_get_int(js_at(windows, i), "number", 0) > last))
			add_window(&watch, js_at(windows, i), history);
	drift_options_release(&watch.options);
	*ret = steal(&history);
	return 0;
}

/* ---- what is given ---- */

static int given_time(const struct js *line, int64_t number, int64_t *ret, struct error *err)
{
	const struct js *time = js_get(line, "time");

	*ret = js_typeof(time) == JS_INT ? js_int_value(time) : number;
	return js_typeof(time) == JS_STR ? parse_moment(js_text(time), 0, ret, err) : 0;
}

static int check_line(const struct js *line, struct error *err)
{
	static const char *const states[] = { "OK", "DRIFT", "UNDECIDED", "INSUFFICIENT", "QUARANTINED" };
	const char *state = js_get_str(line, "state");

	if (js_typeof(js_get(line, "window")) != JS_INT)
		return error_set(err, ERR_USAGE, "it has no \"window\", a whole number");
	for (size_t i = 0; state && i < ARRAY_LEN(states); i++)
		if (!strcmp(state, states[i]))
			return 0;
	return error_set(err, ERR_USAGE, "its \"state\" is none of OK, DRIFT, UNDECIDED, INSUFFICIENT, QUARANTINED");
}

static int add_line(const char *text, size_t len, struct js *history, struct error *err)
{
	CLEANUP_JS struct js *line = NULL;
	struct js *step;
	int64_t time_ms;

	if (js_parse(text, len, "a window", &line, err) < 0 || check_line(line, err) < 0 ||
	    given_time(line, js_get_int(line, "window", 0), &time_ms, err) < 0)
		return -1;
	step = window_step(line, time_ms, js_number(js_get(line, "score")));
	js_set_str(step, "ended", js_get_str(line, "outcome"));
	js_push(history, step);
	return 0;
}

static int given_history(struct op_context *ctx, const char *file, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = *file == '/' ? xstrdup(file) : path_join(ctx->dir, file);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *history = js_array();
	int number = 0;

	if (io_read_file(AT_FDCWD, path, HISTORY_MAX, &text, err) < 0)
		return -1;
	for (const char *at = text.buf, *end; at < text.buf + text.len; at = end + 1) {
		end = memchr(at, '\n', (size_t)(text.buf + text.len - at));
		end = end ? end : text.buf + text.len;
		number++;
		if (strspn(at, " \t\r") >= (size_t)(end - at))
			continue;
		if (add_line(at, (size_t)(end - at), history, err) < 0)
			return error_where(err, file, number, 0);
	}
	*ret = steal(&history);
	return 0;
}

/* ---- again ---- */

static void count(struct replay *r, const char *what)
{
	js_set_int(r->counts, what, js_get_int(r->counts, what, 0) + 1);
}

static void note(struct replay *r, const struct js *step, const struct retrain_window *w,
		 const struct retrain_decision *decision)
{
	const char *rule = js_get_str(step, "rule"), *outcome = js_get_str(step, "outcome");
	bool same = outcome && rule && !strcmp(outcome, decision->outcome) && !strcmp(rule, decision->rule);
	struct js *shown = js_object();

	js_set_int(shown, "window", w->number);
	js_set_int(shown, "time", w->time_ms);
	js_set_str(shown, "state", w->state);
	js_set_str(shown, "rule", decision->rule);
	js_set_str(shown, "outcome", decision->outcome);
	js_set_str(shown, "alarm", decision->alarm);
	js_set_str(shown, "detail", *decision->detail ? decision->detail : NULL);
	if (js_get(step, "score"))
		js_set(shown, "score", js_ref(js_get(step, "score")));
	if (outcome) {
		js_set_str(shown, "recorded", outcome);
		count(r, same ? "same" : "different");
	}
	js_push(r->decisions, shown);
}

/* As it did when it was so, else as it is assumed. */
static void end_retrain(struct replay *r, const struct js *step)
{
	const char *ended = js_get_str(step, "ended");
	double seconds = js_number(js_get(step, "seconds"));

	if (!ended)
		count(r, "assumed");
	if (seconds > 0) {
		r->seconds_sum += seconds;
		r->timed++;
	}
	ended = ended ? ended : r->assume;
	count(r, ended);
	retrain_outcome(r->state, ended);
}

/* The trigger had reasons of its own. */
static bool is_skipped(const struct js *step)
{
	const char *ended = js_get_str(step, "ended");

	return ended && !strcmp(ended, "skipped");
}

static void play_window(struct replay *r, const struct js *step)
{
	struct retrain_decision decision;
	struct retrain_window w;
	double score = js_number(js_get(step, "score"));

	retrain_window_of(js_get(step, "facts"), js_get_int(step, "time", 0), &w);
	retrain_step(&r->policy, r->state, &w, &decision);
	if (!strcmp(decision.outcome, "retrain") && is_skipped(step)) {
		retrain_outcome(r->state, "skipped");
		decision.rule = "trigger";
		decision.outcome = "held";
	}
	count(r, "windows");
	if (!strcmp(decision.alarm, "raised"))
		count(r, "alarms");
	count(r, decision.outcome);
	note(r, step, &w, &decision);
	if (!isnan(score)) {
		r->score_sum += score;
		r->scored++;
	}
	if (!strcmp(decision.outcome, "retrain"))
		end_retrain(r, step);
}

static void play(struct replay *r)
{
	for (size_t i = 0; i < js_len(r->history); i++) {
		const struct js *step = js_at(r->history, i);
		const char *outcome = js_get_str(step, "outcome");

		if (!strcmp(js_get_str(step, "kind"), "window"))
			play_window(r, step);
		else if (outcome && !strcmp(outcome, "ack"))
			retrain_ack(r->state);
		else if (outcome && !strcmp(outcome, "rejected"))
			retrain_refused(r->state);
	}
}

static struct js *result_of(struct replay *r, const char *monitor)
{
	struct js *result = js_object(), *cost = js_object();
	int64_t retrains = js_get_int(r->counts, "retrain", 0);

	js_set_str(result, "monitor", monitor);
	js_set(result, "policy", retrain_policy_json(&r->policy));
	js_set(result, "counts", js_ref(r->counts));
	if (r->scored)
		js_set_real(result, "score", r->score_sum / (double)r->scored);
	js_set_int(cost, "retrains", retrains);
	if (r->timed) {
		js_set_real(cost, "seconds_each", r->seconds_sum / (double)r->timed);
		js_set_real(cost, "seconds", r->seconds_sum / (double)r->timed * (double)retrains);
	}
	js_set(result, "cost", cost);
	js_set(result, "decisions", js_ref(r->decisions));
	return result;
}

/* monitor.replay {monitor, policy, history, assume} -> {monitor, policy{}, counts: {windows, alarms, retrain, held, clear,
 * quarantine, promoted, rejected, ..., assumed, same, different}, score, cost: {retrains, seconds, seconds_each}, decisions:
 * [{window, time, state, rule, outcome, alarm, detail, score, recorded}]} */
int op_monitor_replay(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *monitor = js_get_str(args, "monitor"), *history = js_get_str(args, "history");
	const char *assume = js_get_str(args, "assume");
	static const char *const always[] = { "windows", "alarms", "retrain" };
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	CLEANUP(replay_release) struct replay r = { .assume = assume ? assume : "promoted" };

	if (load_policy(ctx, js_get_str(args, "policy"), monitor, &pipeline, &r.policy, err) < 0)
		return -1;
	if (history ? given_history(ctx, history, &r.history, err) < 0 :
		      recorded_history(ctx, pipeline, monitor, &r.history, err) < 0)
		return -1;
	r.state = js_object();
	r.decisions = js_array();
	r.counts = js_object();
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		js_set_int(r.counts, always[i], 0);
	play(&r);
	*ret_result = result_of(&r, monitor);
	return 0;
}
