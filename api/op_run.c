/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/attest.h"
#include "api/candidates.h"
#include "api/combinations.h"
#include "api/data.h"
#include "api/data_kinds.h"
#include "api/experiments.h"
#include "api/loaded.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "api/reproduce.h"
#include "api/scratch_tree.h"
#include "api/submit.h"
#include "api/tell_run.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/run.h"
#include "registry/project.h"
#include "registry/runs.h"

#define MOST_JOBS 1000

static bool ends_in_ini(const char *text)
{
	size_t len = strlen(text);

	return len > 4 && !strcmp(text + len - 4, ".ini");
}

/* What a trigger says beyond steps and params; also by hand. */
struct occasion {
	char time[32], window[24]; /* "" when not said */
};

/* One moment has one text, because it stands in keys. */
static int read_occasion(const struct js *args, struct occasion *ret, struct error *err)
{
	const char *time = js_get_str(args, "trigger_time");
	int64_t ms;

	if (time && parse_moment(time, clock_wall_ms(), &ms, err) < 0)
		return error_wrap(err, "--trigger-time");
	if (time)
		clock_format_utc(ms, ret->time);
	if (time && ms % 1000 == 0)
		memcpy(strchr(ret->time, '.'), "Z", 2);
	if (js_get(args, "trigger_window"))
		snprintf(ret->window, sizeof(ret->window), "%lld", (long long)js_get_int(args, "trigger_window", 0));
	return 0;
}

struct watched {
	struct op_context *ctx;
	struct run_teller *teller;
};

/* What the run emits goes on; from its record on it is told. */
static void pass_on(void *ctx, const struct js *event)
{
	struct watched *w = ctx;
	const char *what = js_get_str(event, "event");

	if (what && !strcmp(what, "recorded"))
		run_teller_begin(w->teller);
	if (w->ctx->emit)
		w->ctx->emit(w->ctx->ctx, event);
}

static int execute(struct op_context *ctx, struct plan *plan, struct run_options *opt, struct js **ret_result,
		   struct error *err)
{
	struct watched watched = { ctx, opt->dry ? NULL : run_teller_new(ctx->project) };
	struct run_options told = *opt;
	int r;

	if (!watched.teller)
		return pipeline_run(ctx->project, plan, opt, ret_result, err);
	told.emit = pass_on;
	told.ctx = &watched;
	r = pipeline_run(ctx->project, plan, &told, ret_result, err);
	run_teller_end(watched.teller, ctx);
	return r;
}

static int run_plain(struct op_context *ctx, const char *file, const struct js *args, struct run_options *opt,
		     struct js **ret_result, struct error *err)
{
	struct occasion occasion = { "", "" };
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	CLEANUP(cleanup_fd) int tree = -1;
	bool again = getenv(REPRODUCE_VARIABLE) != NULL;

	/* Once the tree is ours and whole, what it holds is worth planning. */
	if (read_occasion(args, &occasion, err) < 0)
		return -1;
	loaded.trigger_time = *occasion.time ? occasion.time : NULL;
	loaded.trigger_window = *occasion.window ? occasion.window : NULL;
	loaded.partial = again;
	if (run_enter(ctx->project, opt, &tree, err) < 0 || (!opt->dry && scratch_sweep(ctx, false, err) < 0) ||
	    data_update(ctx, js_get(args, "update"), err) < 0 ||
	    loaded_make(ctx, file, js_get(args, "param"), !opt->dry && !again, &loaded, err) < 0)
		return -1;
	if (!again)
		remotes_of(ctx->project, loaded.pipeline, &remotes);
	opt->remotes = &remotes;
	if (execute(ctx, loaded.plan, opt, ret_result, err) < 0)
		return -1;
	if (opt->dry || opt->untrusted || again || (ctx->project->scratch && !opt->job))
		return 0;
	if (candidates_make(ctx, loaded.plan, loaded.champions, *ret_result, err) < 0)
		return -1;
	attest_run_made(ctx, js_get_str(*ret_result, "run_id"));
	return 0;
}

/* What would change the tree, or mean something else for each of several runs. */
static int check_update(const struct js *args, bool many, struct error *err)
{
	static const char *const one[] = { "update", "trigger_time", "trigger_window" };

	if (js_len(js_get(args, "update")) && js_get_bool(args, "dry")) {
		error_set(err, ERR_USAGE, "--dry and --update exclude each other: an update changes the work tree");
		return error_help(err, "see what is newest: mlops show PATH");
	}
	for (size_t i = 0; many && i < ARRAY_LEN(one); i++)
		if (js_get(args, one[i]))
			return error_set(err, ERR_USAGE, "--%s%s and a param with several values exclude each other",
					 i ? "trigger-" : "", i ? one[i] + strlen("trigger_") : one[i]);
	return 0;
}

/*
 * run.start {args[], param[], jobs, keep_going, only, downstream, force, dry, no_wait, update[], trigger_time,
 *     trigger_window}
 * -> what pipeline_run gives (pipeline/run.h), or experiments_run when a param has several values; emits its events.
 * With `project`, run.submit. `record`, of op_ci: a run is left also when nothing has to run.
 */
int op_run(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct combinations combos CLEANUP(combinations_release) = { 0 };
	const struct js *words = js_get(args, "args");
	const char *first = js_len(words) ? js_text(js_at(words, 0)) : NULL;
	const char *file = first && ends_in_ini(first) ? first : NULL;
	int64_t jobs = js_get_int(args, "jobs", 0);
	struct run_options opt = {
		.select = js_get_bool(args, "only")       ? SELECT_ONLY :
			  js_get_bool(args, "downstream") ? SELECT_DOWNSTREAM :
							    SELECT_UP_TO,
		.force = js_get_bool(args, "force"),
		.dry = js_get_bool(args, "dry"),
		.keep_going = js_get_bool(args, "keep_going"),
		.no_wait = js_get_bool(args, "no_wait"),
		.record = js_get_bool(args, "record") || ((ctx->project->scratch || getenv(JOB_VARIABLE)) && !getenv(JOB_TRIGGERED)),
		.untrusted = getenv(JOB_UNTRUSTED) != NULL,
		.job = getenv(JOB_VARIABLE),
		.jobs = (int)jobs,
		.spawner = ctx->spawner,
		.command = ctx->command_line,
		.kinds = &api_data_kinds,
		.progress = ctx->progress,
		.emit = ctx->emit,
		.ctx = ctx->ctx,
	};
	int r;

	if (js_get_str(args, "project"))
		return op_run_submit(ctx, args, ret_result, err);
	if (jobs < 0 || jobs > MOST_JOBS)
		return error_set(err, ERR_USAGE, "--jobs is a number from 1 to %d, or 0 for the cores, not %lld", MOST_JOBS,
				 (long long)jobs);
	if (js_get_bool(args, "only") && js_get_bool(args, "downstream"))
		return error_set(err, ERR_USAGE, "--only and --downstream exclude each other");
	if (opt.dry && js_get_bool(args, "detach"))
		return error_set(err, ERR_USAGE, "--dry and --detach exclude each other");
	if (combinations_read(js_get(args, "param"), &combos, err) < 0 || check_update(args, combos.many, err) < 0)
		return -1;
	for (size_t i = file != NULL; i < js_len(words); i++)
		strlist_push(&opt.steps, js_text(js_at(words, i)));
	if (!opt.steps.len && opt.select != SELECT_UP_TO) {
		error_set(err, ERR_USAGE, "--only and --downstream need the name of a step");
		r = error_help(err, "run: mlops dag, which lists them");
	} else if (combos.many) {
		r = experiments_run(ctx, args, file, &combos, &opt, ret_result, err);
	} else {
		r = run_plain(ctx, file, args, &opt, ret_result, err);
	}
	strlist_release(&opt.steps);
	return r;
}

static struct js *edge_list(const struct plan *plan)
{
	struct js *steps = js_array();

	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		struct js *step = js_object(), *needs = js_array();
		for (size_t k = 0; k < node->nneeds; k++)
			js_push_str(needs, node->needs[k]->name);
		js_set_str(step, "name", node->name);
		js_set(step, "needs", needs);
		js_push(steps, step);
	}
	return steps;
}

/* pipeline.dag {file, dot, mermaid} -> {pipeline, text, steps: [{name, needs[]}]} */
int op_dag(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	enum plan_format format = js_get_bool(args, "dot")     ? PLAN_DOT :
				  js_get_bool(args, "mermaid") ? PLAN_MERMAID :
								 PLAN_TEXT;

	if (js_get_bool(args, "dot") && js_get_bool(args, "mermaid"))
		return error_set(err, ERR_USAGE, "--dot and --mermaid exclude each other");
	if (loaded_make(ctx, js_get_str(args, "file"), NULL, false, &loaded, err) < 0)
		return -1;
	plan_draw(loaded.plan, format, &text);
	*ret_result = js_object();
	js_set_str(*ret_result, "pipeline", loaded.pipeline->name);
	js_set(*ret_result, "text", js_strn(text.buf, text.len));
	js_set(*ret_result, "steps", edge_list(loaded.plan));
	return 0;
}
