/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/run.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/runs.h"

#define MOST_JOBS 1000

/* A loaded pipeline file and its plan. */
struct loaded {
	struct pipeline *pipeline;
	struct plan *plan;
};

static void loaded_release(struct loaded *l)
{
	plan_free(l->plan);
	pipeline_free(l->pipeline);
}

static void add_texts(struct strlist *list, const struct js *array)
{
	for (size_t i = 0; i < js_len(array); i++)
		strlist_push(list, js_text(js_at(array, i)));
}

static bool has_patterns(const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->nsteps; i++)
		for (size_t k = 0; k < pipeline->steps[i].in.len; k++)
			if (path_is_pattern(pipeline->steps[i].in.items[k].text))
				return true;
	return false;
}

/* Outputs that mlops.lock knows: a glob must not take what a step of the past left behind. Without a glob
 * the file need not be read for it. */
static int once_made(struct project *p, const struct pipeline *pipeline, struct strlist *ret, struct error *err)
{
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;

	if (!has_patterns(pipeline))
		return 0;
	if (lockfile_load(p->rootfd, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < lock.len; i++)
		if (lock.entries[i].kind == LOCKED_OUT)
			strlist_push(ret, lock.entries[i].name);
	return 0;
}

/* `file` is as the user typed it, or NULL. With `bring`, data that a fresh clone lacks is put into its place. */
static int load(struct op_context *ctx, const char *file, const struct js *overrides, bool bring, struct loaded *ret,
		struct error *err)
{
	struct project *p = ctx->project;
	struct strlist made CLEANUP(strlist_release) = STRLIST_INIT;
	struct strlist params CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	if (path_clean(file ? p->prefix : "", file ? file : "pipeline.ini", &path, err) < 0)
		return -1;
	if (fs_stat_beneath(p->rootfd, path, &st, NULL) == 0) {
		error_set(err, ERR_NOT_FOUND, "there is no %s in %s", path, p->root);
		return error_help(err, file ? "check the name; without one, pipeline.ini is used" :
					      "run: mlops init, which writes one, or name another file: mlops run FILE.ini");
	}
	add_texts(&params, overrides);
	if (pipeline_load(p->rootfd, path, &params, &ret->pipeline, err) < 0 ||
	    (bring && data_bring(ctx, ret->pipeline, err) < 0) || once_made(p, ret->pipeline, &made, err) < 0)
		return -1;
	return plan_make(p->rootfd, ret->pipeline, &made, &ret->plan, err);
}

static bool ends_in_ini(const char *text)
{
	size_t len = strlen(text);

	return len > 4 && !strcmp(text + len - 4, ".ini");
}

/*
 * run.start {args[], param[], jobs, keep_going, only, downstream, force, dry, no_wait}
 * -> what pipeline_run gives (pipeline/run.h); emits its events.
 */
int op_run(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	const struct js *words = js_get(args, "args");
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	CLEANUP(cleanup_fd) int tree = -1;
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
		.jobs = (int)jobs,
		.spawner = ctx->spawner,
		.command = ctx->command_line,
		.progress = ctx->progress,
		.emit = ctx->emit,
		.ctx = ctx->ctx,
	};
	int r;

	if (jobs < 0 || jobs > MOST_JOBS)
		return error_set(err, ERR_USAGE, "--jobs is a number from 1 to %d, or 0 for the cores, not %lld", MOST_JOBS,
				 (long long)jobs);
	if (js_get_bool(args, "only") && js_get_bool(args, "downstream"))
		return error_set(err, ERR_USAGE, "--only and --downstream exclude each other");
	for (size_t i = file != NULL; i < js_len(words); i++)
		strlist_push(&opt.steps, js_text(js_at(words, i)));
	if (!opt.steps.len && opt.select != SELECT_UP_TO) {
		error_set(err, ERR_USAGE, "--only and --downstream need the name of a step");
		r = error_help(err, "run: mlops dag, which lists them");
	} else {
		r = run_enter(ctx->project, &opt, &tree, err);
	}
	/* The tree is ours and whole: only now is what it holds worth planning. */
	if (r == 0)
		r = load(ctx, file, js_get(args, "param"), !opt.dry, &loaded, err);
	if (r == 0) {
		remotes_of(ctx->project, loaded.pipeline, &remotes);
		opt.remotes = &remotes;
		r = pipeline_run(ctx->project, loaded.plan, &opt, ret_result, err);
	}
	strlist_release(&opt.steps);
	return r;
}

/* The run that made what is in place, or, when nothing is, the step's part in the newest run: {run_id, state,
 * reason}. NULL when there is neither. */
static struct js *told_before(struct project *p, const char *step, const struct step_look *look)
{
	CLEANUP_JS struct js *attempts = NULL;
	struct js *made = NULL;
	struct db *db;
	char run[33];

	if (project_db(p, &db, NULL) < 0)
		return NULL;
	if (look->state == STEP_FRESH || look->state == STEP_RESTORE) {
		if (attempt_of_key(db, &look->key, &made, NULL) == 0 && made) {
			js_del(made, "record");
			js_set_str(made, "state", "ok");
		}
		return made;
	}
	if (run_last(db, run, NULL) < 0 || attempts_list(db, run, &attempts, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < js_len(attempts); i++) {
		const struct js *attempt = js_at(attempts, i);
		const char *name = js_get_str(attempt, "step");
		if (!name || strcmp(name, step) != 0)
			continue;
		made = js_object();
		js_set_str(made, "run_id", run);
		js_set_str(made, "state", js_get_str(attempt, "state"));
		js_set_str(made, "reason", js_get_str(attempt, "reason"));
		return made;
	}
	return NULL;
}

static int look_up_to(struct looker *looker, struct plan *plan, const struct plan_node *goal,
		      const struct step_look **ret, struct error *err)
{
	for (size_t i = 0; i < plan->len; i++) {
		if (!plan->nodes[i].selected)
			continue;
		if (look_node(looker, &plan->nodes[i], ret, err) < 0)
			return -1;
		if (&plan->nodes[i] == goal)
			break;
	}
	return 0;
}

static struct js *why_result(struct project *p, const char *step, const struct step_look *look)
{
	struct js *result = js_object(), *reasons = js_array(), *last = told_before(p, step, look);
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < look->reasons.len; i++)
		js_push_str(reasons, look->reasons.items[i]);
	js_set_str(result, "step", step);
	js_set_str(result, "state", step_state_name(look->state));
	js_set(result, "reasons", reasons);
	if (!digest_is_zero(&look->key))
		js_set_str(result, "key", digest_format(&look->key, hex));
	js_set_str(result, "source", look->source[0] ? look->source : NULL);
	if (last)
		js_set(result, "last", last);
	return result;
}

/*
 * run.why {step, file} -> {step, state: fresh|restore|stale|blocked, reasons[], key, source,
 *                          last{run_id, state, reason}}
 */
int op_why(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	CLEANUP(cleanup_looker) struct looker *looker = NULL;
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	const char *step = js_get_str(args, "step");
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	const struct step_look *look = NULL;

	strlist_push(&names, step);
	if (load(ctx, js_get_str(args, "file"), NULL, false, &loaded, err) < 0 ||
	    plan_select(loaded.plan, &names, SELECT_UP_TO, err) < 0 ||
	    looker_new(ctx->project, loaded.plan, false, &looker, err) < 0)
		return -1;
	remotes_of(ctx->project, loaded.pipeline, &remotes);
	look_ask_remotes(looker, &remotes);
	if (look_up_to(looker, loaded.plan, strmap_get(&loaded.plan->by_name, step), &look, err) < 0)
		return -1;
	*ret_result = why_result(ctx->project, step, look);
	return 0;
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
	if (load(ctx, js_get_str(args, "file"), NULL, false, &loaded, err) < 0)
		return -1;
	plan_draw(loaded.plan, format, &text);
	*ret_result = js_object();
	js_set_str(*ret_result, "pipeline", loaded.pipeline->name);
	js_set(*ret_result, "text", js_strn(text.buf, text.len));
	js_set(*ret_result, "steps", edge_list(loaded.plan));
	return 0;
}
