/* SPDX-License-Identifier: Apache-2.0 */
#include "api/experiments.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "api/child_run.h"
#include "api/combinations.h"
#include "api/loaded.h"
#include "api/ops.h"
#include "api/scratch_tree.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/shell.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/run.h"
#include "registry/project.h"
#include "registry/runs.h"

#define NAMED_MAX 3

static const int stops[] = { SIGINT, SIGTERM, SIGHUP };

struct experiment {
	struct op_context *ctx;
	const struct js *args;
	const struct combinations *combos;
	const struct run_options *opt;
	const char *file;         /* as typed, or NULL */
	char *path, *pipeline;    /* its project path, the pipeline's name */
	struct frozen_want want;
	struct scratch_set set;
	struct progress progress;
	struct child_run child;
	struct js *rows;
	size_t now;               /* which combination runs */
	int64_t steps, done;      /* of this one; of those before it */
	size_t finished, failed;
	int interrupts;
};

static void release(struct experiment *x)
{
	child_release(&x->child);
	loop_free(x->child.loop);
	scratch_set_close(&x->set);
	strlist_release(&x->want.inputs);
	strlist_release(&x->want.outputs);
	js_free(x->rows);
	free(x->path);
	free(x->pipeline);
}

static void emit(const struct experiment *x, const struct js *event)
{
	if (x->opt->emit)
		x->opt->emit(x->opt->ctx, event);
}

static void note(const struct experiment *x, const char *text)
{
	CLEANUP_JS struct js *event = js_object();

	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	emit(x, event);
}

static struct js *params_of(const struct experiment *x, size_t i)
{
	struct strlist params CLEANUP(strlist_release) = STRLIST_INIT;
	struct js *json = js_array();

	combination_params(x->combos, i, &params);
	for (size_t k = 0; k < params.len; k++)
		js_push_str(json, params.items[k]);
	return json;
}

static struct js *new_row(const struct experiment *x, size_t i)
{
	CLEANUP(cleanup_free) char *label = combination_label(x->combos, i);
	struct js *row = js_object();

	js_set(row, "params", combination_json(x->combos, i));
	js_set_str(row, "label", label);
	return row;
}

static int name_combination(const struct experiment *x, size_t i, struct error *err)
{
	CLEANUP(cleanup_free) char *label = combination_label(x->combos, i);

	return error_wrap(err, "with %s", label);
}

/* ---- before the first: plans of all ---- */

static int plan_one(struct experiment *x, size_t i, struct loaded *ret, struct error *err)
{
	CLEANUP_JS struct js *params = params_of(x, i);

	if (loaded_make(x->ctx, x->file, params, !x->opt->dry && !i, ret, err) < 0 ||
	    plan_select(ret->plan, &x->opt->steps, x->opt->select, err) < 0)
		return name_combination(x, i, err);
	if (x->path)
		return 0;
	x->path = xstrdup(ret->pipeline->file);
	x->pipeline = xstrdup(ret->pipeline->name);
	return 0;
}

/* All mistakes are told before anything runs. */
static int plan_all(struct experiment *x, struct error *err)
{
	for (size_t i = 0; i < x->combos->len; i++) {
		struct loaded loaded CLEANUP(loaded_release) = { 0 };
		if (plan_one(x, i, &loaded, err) < 0)
			return -1;
		frozen_want_pipeline(&x->want, loaded.pipeline);
		frozen_want_plan(&x->want, loaded.plan);
	}
	return 0;
}

/* The work tree is held only until it was copied: who goes on to work in it is not in the way. */
static int take_tree(struct experiment *x, struct error *err)
{
	struct run_options opt = *x->opt;
	CLEANUP(cleanup_fd) int tree = -1;

	opt.spawner = NULL;
	if (run_enter(x->ctx->project, &opt, &tree, err) < 0 || scratch_sweep(x->ctx, true, err) < 0)
		return -1;
	return plan_all(x, err) < 0 ? -1 : scratch_set_take(x->ctx, &x->want, &x->set, err);
}

/* ---- one of them ---- */

static void prefix(struct js *object, const char *key, const char *label)
{
	CLEANUP(cleanup_free) char *named = NULL;
	const char *name = js_get_str(object, key);

	if (!name)
		return;
	named = xasprintf("%s: %s", label, name);
	js_set_str(object, key, named);
}

/* What belongs to the combination says so; done and total are of them all. */
static void on_event(void *ctx, struct js *event)
{
	struct experiment *x = ctx;
	CLEANUP(cleanup_free) char *label = combination_label(x->combos, x->now);
	const char *kind = js_get_str(event, "event");
	const struct js *groups = js_get(event, "groups");

	if (!strcmp(kind, "suspended") || !strcmp(kind, "resumed"))
		return; /* we tell it */
	js_set_int(event, "combination", (int64_t)x->now + 1);
	x->steps = js_get_int(event, "total", x->steps);
	if (js_get(event, "done"))
		js_set_int(event, "done", x->done + js_get_int(event, "done", 0));
	if (js_get(event, "total"))
		js_set_int(event, "total", x->steps * (int64_t)x->combos->len);
	if (!strcmp(kind, "run"))
		js_set_str(event, "name", label);
	prefix(event, "step", label);
	for (size_t i = 0; i < js_len(groups); i++)
		prefix(js_at(groups, i), "group", label);
	emit(x, event);
}

/* Of the same options; -p one value each. */
static void run_words(const struct experiment *x, bool shown, struct strlist *ret)
{
	static const char *const flags[] = { "keep_going", "only", "downstream", "force" };
	struct strlist params CLEANUP(strlist_release) = STRLIST_INIT;
	int64_t jobs = js_get_int(x->args, "jobs", 0);

	strlist_push(ret, "run");
	if (!shown || strcmp(x->path, "pipeline.ini") != 0)
		strlist_push(ret, x->path);
	for (size_t i = 0; i < x->opt->steps.len; i++)
		strlist_push(ret, x->opt->steps.items[i]);
	combination_params(x->combos, x->now, &params);
	for (size_t i = 0; i < params.len; i++) {
		strlist_push(ret, "-p");
		strlist_push(ret, params.items[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		CLEANUP(cleanup_free) char *flag = xasprintf("--%s", flags[i]);
		if (!js_get_bool(x->args, flags[i]))
			continue;
		for (char *c = flag; (c = strchr(c, '_'));)
			*c = '-';
		strlist_push(ret, flag);
	}
	if (jobs && !shown)
		strlist_push_owned(ret, xasprintf("--jobs=%lld", (long long)jobs));
}

/* The command that does the same in the work tree. */
static char *command_line(const struct experiment *x)
{
	struct strlist words CLEANUP(strlist_release) = STRLIST_INIT;
	struct strbuf line = STRBUF_INIT;

	run_words(x, true, &words);
	strbuf_puts(&line, "mlops");
	for (size_t i = 0; i < words.len; i++) {
		strbuf_putc(&line, ' ');
		shell_append(&line, words.items[i]);
	}
	return strbuf_detach(&line);
}

static int make_tree(struct experiment *x, char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *command = command_line(x);
	char name[24];
	struct js *tags = js_object();

	js_set_str(tags, "mlops.experiment", x->set.id);
	snprintf(name, sizeof(name), "%zu", x->now + 1);
	return scratch_set_make(&x->set, name, command, tags, x->now + 1 == x->combos->len, ret, err);
}

/* Metrics are what the run recorded; without a run there are none. */
static void add_metrics(struct experiment *x, struct js *row)
{
	const char *run = js_get_str(row, "run_id");
	CLEANUP_JS struct js *record = NULL;
	struct js *metrics = NULL;
	struct db *db;

	if (run && project_db(x->ctx->project, &db, NULL) == 0 && run_load(db, run, &record, NULL) == 0)
		metrics = js_get(record, "metrics");
	js_set(row, "metrics", metrics ? js_ref(metrics) : js_object());
}

static const char *status_of(const struct experiment *x)
{
	const char *told = js_get_str(x->child.result, "status");
	bool good = x->child.exit.code == 0 && !x->child.exit.signal;

	if (x->interrupts)
		return run_status_name(good ? RUN_FINISHED : RUN_KILLED);
	if (!good && (!told || !strcmp(told, run_status_name(RUN_FINISHED))))
		return run_status_name(RUN_FAILED);
	return told ? told : run_status_name(RUN_FINISHED);
}

static void add_error(const struct experiment *x, struct js *row)
{
	struct js *error = js_get(x->child.result, "error");
	CLEANUP(cleanup_free) char *text = NULL;

	if (error || !x->child.exit.signal) {
		if (error)
			js_set(row, "error", js_ref(error));
		return;
	}
	text = xasprintf("mlops was killed by %s", process_signal_name(x->child.exit.signal));
	error = js_object();
	js_set_str(error, "message", text);
	js_set(row, "error", error);
}

/* Files of the work tree that were written meanwhile. By whom cannot be told: the user may work there, and a step may
 * have written outside of its tree. What the step recorded is of its own tree, so it stands. */
static void add_changes(struct experiment *x, struct js *row, const char *label)
{
	struct strlist changed CLEANUP(strlist_release) = STRLIST_INIT;
	struct js *paths = js_array();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	frozen_changed(&x->set.frozen, x->ctx->project->rootfd, &changed);
	for (size_t i = 0; i < changed.len; i++)
		js_push_str(paths, changed.items[i]);
	js_set(row, "changed", paths);
	if (!changed.len)
		return;
	strbuf_printf(&text, "while %s ran, the work tree was written: ", label);
	for (size_t i = 0; i < changed.len && i < NAMED_MAX; i++)
		strbuf_printf(&text, "%s%s", i ? ", " : "", changed.items[i]);
	if (changed.len > NAMED_MAX)
		strbuf_printf(&text, " and %zu more", changed.len - NAMED_MAX);
	strbuf_puts(&text, "; if not by you, then by a step that writes outside of its directory");
	note(x, text.buf);
}

/* A tree in which a step failed is worth looking at; the others are not. */
static void end_tree(struct experiment *x, struct js *row, const char *path)
{
	const char *status = js_get_str(row, "status");
	bool finished = !strcmp(status, run_status_name(RUN_FINISHED));
	char name[24];
	struct error err;

	snprintf(name, sizeof(name), "%zu", x->now + 1);
	if (!x->interrupts) {
		x->finished += finished;
		x->failed += !finished; /* also one that was stopped alone */
	}
	if (!strcmp(status, run_status_name(RUN_FAILED))) {
		js_set_str(row, "tree", path + strlen(x->ctx->project->root) + 1);
		scratch_set_keep(&x->set, name);
		return;
	}
	if (scratch_set_drop(&x->set, name, &err) < 0)
		note(x, err.msg);
}

static int run_one(struct experiment *x, struct js *row, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct strlist words CLEANUP(strlist_release) = STRLIST_INIT;
	int64_t start = clock_mono_ms();
	struct js *failure;

	if (make_tree(x, &path, err) < 0)
		return -1;
	run_words(x, false, &words);
	if (child_run(&x->child, path, &words, err) < 0)
		return -1;
	js_set_str(row, "status", status_of(x));
	js_set(row, "run_id", js_get_str(x->child.result, "run_id") ? js_str(js_get_str(x->child.result, "run_id")) : js_null());
	js_set_int(row, "duration_ms", clock_mono_ms() - start);
	add_metrics(x, row);
	add_error(x, row);
	failure = js_get(x->child.result, "failure");
	if (failure)
		js_set(row, "failure", js_ref(failure));
	add_changes(x, row, js_get_str(row, "label"));
	end_tree(x, row, path);
	x->done += x->steps;
	return 0;
}

/* ---- all of them ---- */

static void on_stop(void *ctx, int signo)
{
	struct experiment *x = ctx;

	x->interrupts++;
	child_signal(&x->child, signo == SIGHUP ? SIGTERM : signo);
}

/* The run stops its steps and itself, then we: who continues us continues it. */
static void on_suspend(void *ctx, int signo)
{
	struct experiment *x = ctx;
	CLEANUP_JS struct js *before = js_object();
	CLEANUP_JS struct js *after = js_object();

	js_set_str(before, "event", "suspended");
	js_set_str(after, "event", "resumed");
	child_signal(&x->child, signo);
	emit(x, before);
	raise(SIGSTOP);
	emit(x, after);
	child_signal(&x->child, SIGCONT);
}

static bool is_ignored(int signo)
{
	struct sigaction now;

	return sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int watch_signals(struct experiment *x, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(stops); i++)
		if (!(stops[i] == SIGHUP && is_ignored(SIGHUP)) && loop_signal(x->child.loop, stops[i], on_stop, x, err) < 0)
			return -1;
	return is_ignored(SIGTSTP) ? 0 : loop_signal(x->child.loop, SIGTSTP, on_suspend, x, err);
}

/* Between two runs nobody reads signals: while a tree is copied, one that waits ends it. */
static bool report(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	struct experiment *x = ctx;
	const struct progress *p = x->opt->progress;
	sigset_t waiting;

	sigpending(&waiting);
	for (size_t i = 0; i < ARRAY_LEN(stops); i++)
		if (sigismember(&waiting, stops[i]))
			x->interrupts++;
	return x->interrupts || (p && p->report && p->report(p->ctx, what, files, bytes, total));
}

static int run_all(struct experiment *x, struct error *err)
{
	x->child.loop = loop_new();
	if (watch_signals(x, err) < 0)
		return -1;
	for (x->now = 0; x->now < x->combos->len; x->now++) {
		struct js *row = new_row(x, x->now);
		js_set(row, "status", js_null());
		js_push(x->rows, row);
		if (!x->interrupts && run_one(x, row, err) < 0 && !x->interrupts)
			return name_combination(x, x->now, err);
	}
	return 0;
}

static struct js *make_result(struct experiment *x, int64_t start_ms)
{
	struct js *result = js_object();
	enum run_status status = x->interrupts ? RUN_KILLED : x->failed ? RUN_FAILED : RUN_FINISHED;

	js_set_str(result, "experiment", x->set.id[0] ? x->set.id : NULL);
	js_set_str(result, "pipeline", x->pipeline);
	js_set_str(result, "file", x->path);
	js_set_str(result, "status", x->opt->dry ? NULL : run_status_name(status));
	js_set_int(result, "total", (int64_t)x->combos->len);
	if (!x->opt->dry) {
		js_set_int(result, "finished", (int64_t)x->finished);
		js_set_int(result, "failed", (int64_t)x->failed);
	}
	js_set_int(result, "duration_ms", clock_mono_ms() - start_ms);
	js_set(result, "combinations", steal(&x->rows));
	return result;
}

static int judge(const struct experiment *x, struct error *err)
{
	if (x->interrupts) {
		error_set(err, ERR_INTERRUPTED, "the experiment was interrupted after %zu of %zu combinations",
			  x->finished + x->failed, x->combos->len);
		return error_help(err, "run it again: what was done comes from the cache");
	}
	if (!x->failed)
		return 0;
	return error_set(err, ERR_FAILED, "%zu of %zu combinations failed", x->failed, x->combos->len);
}

/* ---- dry ---- */

/* What each would do in the work tree itself; a scratch tree takes from the cache what is up to date here. */
static int dry_one(struct experiment *x, struct js *row, struct error *err)
{
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	CLEANUP_JS struct js *result = NULL;

	if (plan_one(x, x->now, &loaded, err) < 0)
		return -1;
	if (pipeline_run(x->ctx->project, loaded.plan, x->opt, &result, err) < 0)
		return name_combination(x, x->now, err);
	js_set(row, "steps", js_ref(js_get(result, "steps")));
	return 0;
}

static int dry_all(struct experiment *x, struct error *err)
{
	for (x->now = 0; x->now < x->combos->len; x->now++) {
		struct js *row = new_row(x, x->now);
		js_push(x->rows, row);
		if (dry_one(x, row, err) < 0)
			return -1;
	}
	return 0;
}

int experiments_run(struct op_context *ctx, const struct js *args, const char *file, const struct combinations *combos,
		    const struct run_options *opt, struct js **ret_result, struct error *err)
{
	CLEANUP(release) struct experiment x = {
		.ctx = ctx, .args = args, .combos = combos, .opt = opt, .file = file,
		.want = { .project = ctx->project },
		.set = SCRATCH_SET_INIT,
		.child = { .spawner = ctx->spawner, .event = on_event, .out = -1, .unread = STRBUF_INIT },
		.rows = js_array(),
	};
	int64_t start = clock_mono_ms();
	int r;

	x.progress = (struct progress){ .report = report, .ctx = &x };
	x.want.progress = &x.progress;
	x.child.ctx = &x;
	if (ctx->project->scratch) {
		error_set(err, ERR_USAGE, "several values of a param cannot be tried in a scratch tree");
		return error_help(err, "run it in the project: mlops -C %s run ...", ctx->project->top);
	}
	if (!opt->dry && take_tree(&x, err) < 0)
		return -1;
	r = opt->dry ? dry_all(&x, err) : run_all(&x, err);
	if (r == 0)
		r = judge(&x, err);
	if (!opt->dry || r == 0)
		*ret_result = make_result(&x, start);
	return r;
}
