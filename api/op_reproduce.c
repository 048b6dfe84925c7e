/* SPDX-License-Identifier: Apache-2.0 */
/* reproduce: whether what was made can be made again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "api/remotes.h"
#include "api/reproduce.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/plan.h"
#include "registry/project.h"
#include "registry/runs.h"

#define TOLERANCE 1e-6

struct reproducing {
	struct recipe recipe;
	struct again_tree tree;
	struct again again;
	double tolerance;
	struct js *result;
	const char *verdict;
};

static void reproducing_release(struct reproducing *x)
{
	again_release(&x->again);
	again_tree_release(&x->tree);
	recipe_release(&x->recipe);
	js_free(x->result);
}

static int read_args(struct reproducing *x, const struct js *args, struct error *err)
{
	const char *compare = js_get_str(args, "compare");
	const struct js *tolerance = js_get(args, "tolerance");

	x->recipe.metrics = compare && !strcmp(compare, "metrics");
	x->tolerance = tolerance ? js_number(tolerance) : TOLERANCE;
	if (tolerance && !x->recipe.metrics)
		return error_set(err, ERR_USAGE, "--tolerance is of numbers: add --compare metrics");
	if (!(x->tolerance >= 0 && x->tolerance < 1))
		return error_set(err, ERR_USAGE, "--tolerance is a number from 0 to below 1");
	js_set_str(x->result, "compare", x->recipe.metrics ? "metrics" : "exact");
	if (x->recipe.metrics)
		js_set_real(x->result, "tolerance", x->tolerance);
	return 0;
}

/* ---- what failed ---- */

/* It did not begin, or a step could not start: something is missing. Else a step fails that did not then. 1: judged. */
static int judge_failure(struct reproducing *x, struct error *err)
{
	const struct js *failure = js_get(x->again.result, "failure"), *error = js_get(x->again.result, "error");
	const char *cause = js_get_str(failure, "cause"), *step = js_get_str(failure, "step");
	const char *message = js_get_str(failure, "message") ? js_get_str(failure, "message") : js_get_str(error, "message");
	CLEANUP_JS struct js *causes = NULL;

	if (x->again.record && !failure)
		return 0;
	if (!x->again.record || !cause || !strcmp(cause, "start") || !strcmp(cause, "build") || !strcmp(cause, "lost")) {
		x->verdict = "IMPOSSIBLE";
		return recipe_lacks(&x->recipe, step ? step : "run", NULL, message ? message : "mlops run ended without a word", err) < 0 ? -1 : 1;
	}
	x->verdict = "DIFFERENT";
	js_set(x->result, "failure", js_ref((struct js *)failure));
	if (again_explain_failure(&x->recipe, &x->again, step, &causes, err) < 0)
		return -1;
	js_set(x->result, "causes", steal(&causes));
	return 1;
}

/* ---- what came of it ---- */

static void add_step_metrics(struct db *db, const char *run, const char *step, struct js *ret)
{
	CLEANUP_JS struct js *record = NULL;
	const struct js *metrics;

	if (!run || run_load(db, run, &record, NULL) < 0)
		return;
	metrics = js_get(record, "metrics");
	for (void *it = metrics ? js_iter(metrics) : NULL; it; it = js_next(metrics, it)) {
		CLEANUP(cleanup_free) char *name = xasprintf("%s.%s", step, js_iter_key(it));

		js_set(ret, name, js_ref(js_iter_value(it)));
	}
}

/* 1: the numbers of all steps agree; 0; -1. */
static int compare_numbers(struct reproducing *x, struct error *err)
{
	CLEANUP_JS struct js *recorded = js_object();
	CLEANUP_JS struct js *made = js_object();
	struct recipe *r = &x->recipe;
	struct db *db;
	bool within;

	if (project_db(x->again.project, &db, err) < 0)
		return -1;
	for (size_t i = 0; i < r->steps.len; i++) {
		CLEANUP_JS struct js *attempt = NULL;

		if (recipe_attempt(r, r->steps.items[i], &attempt, err) < 0)
			return -1;
		add_step_metrics(r->db, js_get_str(attempt, "run"), r->steps.items[i], recorded);
	}
	for (size_t i = 0; i < js_len(x->again.attempts); i++) {
		const struct js *attempt = js_at(x->again.attempts, i);

		add_step_metrics(db, js_get_str(attempt, "run"), js_get_str(attempt, "step"), made);
	}
	js_set(x->result, "metrics", metrics_compare(recorded, made, x->tolerance, &within));
	return within;
}

static const struct js *first_different(const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (!js_get_bool(js_at(list, i), "same"))
			return js_at(list, i);
	return NULL;
}

/* Which step, path, file and byte; and why. */
static int explain(struct reproducing *x, struct error *err)
{
	const struct js *step = first_different(js_get(x->result, "steps"));
	const struct js *output = first_different(js_get(step, "outputs"));
	struct recipe *r = &x->recipe;
	struct js *first = js_object(), *difference;
	CLEANUP_JS struct js *causes = NULL;
	const char *path = js_get_str(output, "path");
	struct content made = { .kind = CONTENT_ABSENT };
	const struct content *was = strmap_get(&r->outputs, path);

	js_set(x->result, "first", first);
	js_set_str(first, "step", js_get_str(step, "step"));
	js_set_str(first, "path", path);
	again_output(&x->again, path, &made);
	if (remotes_fetch(r->ctx, was, 1, r->notes, NULL, err) < 0)
		return -1;
	difference = content_difference(r->store, was, x->again.store, &made);
	js_set(first, "difference", difference);
	if (again_explain(r, &x->again, js_get_str(step, "step"), difference, &causes, err) < 0)
		return -1;
	js_set(x->result, "causes", steal(&causes));
	return 0;
}

/* A name is of its own bytes; what else its run makes may differ, and is told. */
static bool is_identical(const struct reproducing *x)
{
	const struct recipe *r = &x->recipe;
	struct content made;

	if (r->path && !r->step)
		return again_output(&x->again, r->path, &made) && content_equal(&made, &r->content);
	return !first_different(js_get(x->result, "steps"));
}

static int judge(struct reproducing *x, struct error *err)
{
	int failed = judge_failure(x, err), within;
	bool differs;

	if (failed != 0)
		return failed < 0 ? -1 : 0;
	js_set(x->result, "steps", again_compare(&x->recipe, &x->tree, &x->again));
	within = compare_numbers(x, err);
	if (within < 0)
		return -1;
	differs = first_different(js_get(x->result, "steps")) != NULL;
	x->verdict = is_identical(x) ? "IDENTICAL" : x->recipe.metrics && within ? "EQUIVALENT" : "DIFFERENT";
	return differs ? explain(x, err) : 0;
}

/* ---- all of it ---- */

static void note_clock(struct reproducing *x)
{
	if (js_get_int(x->recipe.record, "start_time", 0) > clock_wall_ms())
		js_push_str(x->recipe.notes, "the clock is before the run: it was made later than now");
}

static int make(struct reproducing *x, struct error *err)
{
	struct recipe *r = &x->recipe;

	if (js_len(r->missing))
		return 0;
	note_clock(x);
	if (scratch_set_open(r->ctx->project, r->ctx->spawner, &r->set, err) < 0 ||
	    again_make(r, "again", NULL, &x->tree, err) < 0)
		return -1;
	if (js_len(r->missing))
		return 0;
	return again_run(r, &x->tree, &r->steps, &x->again, err) < 0 ? -1 : judge(x, err);
}

static int verdict(const struct reproducing *x, struct error *err)
{
	const char *name = x->recipe.subject;
	const struct js *first = js_get(x->result, "first"), *lacks = js_at(js_get(x->result, "missing"), 0);

	if (!strcmp(x->verdict, "IMPOSSIBLE")) {
		error_set(err, ERR_UNDECIDED, "%s cannot be made again: %s: %s", name, js_get_str(lacks, "what"), js_get_str(lacks, "message"));
		return error_help(err, "who may have it: mlops pull; where it was last seen is told above");
	}
	if (strcmp(x->verdict, "DIFFERENT") != 0)
		return 0;
	if (!first)
		return error_set(err, ERR_VERDICT, "%s came out different: step %s fails", name,
				 js_get_str(js_get(x->result, "failure"), "step"));
	return error_set(err, ERR_VERDICT, "%s came out different: %s of step %s first", name, js_get_str(first, "path"),
			 js_get_str(first, "step"));
}

/*
 * model.reproduce {name, step, compare, tolerance} -> {subject, run_id, verdict, compare, tolerance, steps: [{step, same,
 *     outputs: [{path, recorded, made, same}]}], first: {step, path, difference{file, files, offset, recorded, made,
 *     text{}}}, causes: [{cause, text}], metrics: [{metric, recorded, made, within}], missing: [{what, message, content,
 *     last_seen{}, forgotten{}}], failure{}, notes[], duration_ms, outcome, alias}
 */
int op_reproduce(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(reproducing_release) struct reproducing x = { .recipe = RECIPE_INIT, .tree = AGAIN_TREE_INIT, .result = js_object() };
	int64_t start = clock_mono_ms();
	struct recipe *r = &x.recipe;

	if (read_args(&x, args, err) < 0 ||
	    recipe_find(ctx, js_get_str(args, "name"), js_get_str(args, "step"), r, err) < 0 || make(&x, err) < 0)
		return -1;
	if (!x.verdict)
		x.verdict = "IMPOSSIBLE";
	js_set_str(x.result, "subject", r->subject);
	js_set_str(x.result, "run_id", *r->run ? r->run : NULL);
	js_set_str(x.result, "verdict", x.verdict);
	js_set(x.result, "missing", js_ref(r->missing));
	js_set(x.result, "notes", js_ref(r->notes));
	js_set_int(x.result, "duration_ms", clock_mono_ms() - start);
	if (again_record(r, x.verdict, x.result, err) < 0)
		return -1;
	*ret_result = js_ref(x.result);
	return verdict(&x, err);
}
