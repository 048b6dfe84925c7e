/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/run.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/control.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "pipeline/secret_files.h"
#include "pipeline/stepdir.h"
#include "pipeline/steplog.h"
#include "registry/keys.h"
#include "registry/project.h"

void engine_emit(struct engine *e, struct js *event)
{
	if (e->opt->emit)
		e->opt->emit(e->opt->ctx, event);
	js_free(event);
}

static void emit_note(const struct run_options *opt, const char *text)
{
	CLEANUP_JS struct js *event = js_object();

	if (!opt->emit)
		return;
	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	opt->emit(opt->ctx, event);
}

void engine_note(struct engine *e, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	emit_note(e->opt, text.buf);
}

static void note_remote(void *ctx, const char *text)
{
	engine_note(ctx, "%s", text);
}

/* ---- the result ---- */

static void count_ends(const struct engine *e, size_t counts[END_BLOCKED + 1])
{
	memset(counts, 0, (END_BLOCKED + 1) * sizeof(*counts));
	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].node)
			counts[e->tasks[i].end]++;
}

/* Attempts after the first ones. */
static int64_t count_retries(const struct engine *e)
{
	int64_t n = 0;

	for (size_t i = 0; i < e->plan->len; i++)
		n += e->tasks[i].attempt > 1 ? e->tasks[i].attempt - 1 : 0;
	return n;
}

static struct js *reason_list(const struct step_look *look)
{
	struct js *reasons = js_array();

	for (size_t i = 0; i < look->reasons.len; i++)
		js_push_str(reasons, look->reasons.items[i]);
	return reasons;
}

static struct js *step_result(const struct task *t, bool dry)
{
	struct js *step = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_str(step, "name", t->node->name);
	js_set_str(step, "state", dry ? step_state_name(t->look->state) : task_end_name(t->end));
	if (strcmp(t->node->name, t->node->step->name) != 0)
		js_set_str(step, "of", t->node->step->name);
	js_set_str(step, "reason", t->reason && *t->reason ? t->reason : NULL);
	if (dry)
		js_set(step, "reasons", reason_list(t->look));
	if (t->look && !digest_is_zero(&t->look->key))
		js_set_str(step, "key", digest_format(&t->look->key, hex));
	if (t->run[0])
		js_set_str(step, "run_id", t->run);
	if (!dry)
		js_set_int(step, "duration_ms", t->duration_ms);
	if (t->attempt > 1)
		js_set_int(step, "attempts", t->attempt);
	if (t->attempt && t->exit->max_rss)
		js_set_int(step, "max_rss", t->exit->max_rss);
	if (t->attempt && t->exit->sampled)
		js_set_bool(step, "sampled", true);
	if (t->err->code)
		js_set_str(step, "error", t->err->msg);
	return step;
}

static struct js *failure_result(const struct engine *e)
{
	static const char *const causes[] = {
		[CAUSE_EXIT] = "exit", [CAUSE_SIGNAL] = "signal", [CAUSE_OOM] = "oom",
		[CAUSE_START] = "start", [CAUSE_LOST] = "lost",
	};
	const struct task *t = e->failure;
	struct js *failure = js_object();
	struct js *log = js_array();
	char *text;

	js_set_str(failure, "step", t->node->name);
	js_set_str(failure, "cause", t->err->code == ERR_VERDICT ? "schema" : t->stopped_by ? "stopped" : t->timed_out ? "timeout" : t->run[0] ? causes[t->exit->cause] : "start");
	js_set_str(failure, "message", t->err->msg);
	js_set_str(failure, "help", t->err->help[0] ? t->err->help : NULL);
	js_set_int(failure, "exit_code", t->exit->code);
	js_set_int(failure, "signal", t->exit->signal);
	for (size_t i = 0; i < t->tail.len; i++)
		js_push_str(log, t->tail.items[i]);
	js_set(failure, "log", log);
	if (t->run[0] && t->exit->cause != CAUSE_START) {
		text = steplog_path(e->project->homefd, e->run, t->node->name, t->attempt);
		js_set_str(failure, "log_file", text);
		free(text);
	}
	if (t->kept) {
		text = xasprintf(".mlops/failed/%s/%s", e->run, t->node->name);
		js_set_str(failure, "kept", text);
		free(text);
	}
	return failure;
}

static struct js *make_result(const struct engine *e, const char *status)
{
	static const struct {
		enum task_end end;
		const char *key;
	} keys[] = {
		{ END_OK, "ran" },         { END_CACHED, "cached" }, { END_RESTORED, "restored" },
		{ END_FRESH, "fresh" },    { END_SKIPPED, "skipped" }, { END_FAILED, "failed" }, { END_TIMEOUT, "timeout" },
		{ END_KILLED, "killed" },  { END_BLOCKED, "blocked" },
	};
	struct js *result = js_object();
	struct js *steps = js_array();
	size_t counts[END_BLOCKED + 1];

	count_ends(e, counts);
	js_set(result, "run_id", e->recorded ? js_str(e->run) : js_null());
	js_set_str(result, "pipeline", e->plan->pipeline->name);
	js_set_str(result, "status", status);
	js_set_int(result, "total", (int64_t)e->total);
	for (size_t i = 0; !e->opt->dry && i < ARRAY_LEN(keys); i++)
		js_set_int(result, keys[i].key, (int64_t)counts[keys[i].end]);
	if (!e->opt->dry)
		js_set_int(result, "retried", count_retries(e));
	js_set_int(result, "duration_ms", clock_mono_ms() - e->start_mono_ms);
	/* What is up to date needs no words: a plan may have ten thousand steps. */
	for (size_t i = 0; i < e->plan->len; i++) {
		const struct task *t = &e->tasks[i];
		if (t->node && t->end != END_FRESH)
			js_push(steps, step_result(t, e->opt->dry));
	}
	js_set(result, "steps", steps);
	if (e->failure)
		js_set(result, "failure", failure_result(e));
	return result;
}

/* ---- one run ---- */

static void task_release(struct task *t)
{
	free(t->reason);
	free(t->stopped_by);
	free(t->points_why);
	free(t->token);
	js_free(t->record);
	steplog_finish(t->log);
	strlist_release(&t->tail);
	strlist_release(&t->notes);
	strbuf_release(&t->unseen[RUNNER_STDOUT]);
	strbuf_release(&t->unseen[RUNNER_STDERR]);
	free(t->inputs);
	tables_forget(t);
	free(t->outputs);
	free(t->container);
	free(t->gpus);
	free(t->before);
	free(t->precious);
	metric_list_release(&t->metrics);
}

static void engine_release(struct engine *e)
{
	for (size_t i = 0; e->tasks && i < e->plan->len; i++) {
		task_release(&e->tasks[i]);
		e->plan->nodes[i].user = NULL;
	}
	table_found_release(&e->refused);
	tables_free(e->tables);
	orphans_release(&e->orphans);
	loop_free(e->loop);
	container_images_release(e);
	looker_free(e->looker);
	fetcher_release(&e->fetcher);
	budget_release(&e->budget);
	run_secrets_close(e->secrets);
	code_version_release(&e->code);
	js_free(e->tools);
	fact_list_release(&e->queue);
	free(e->tasks);
	free(e->errors);
	free(e->exits);
	free(e->ready);
	if (e->run_lock >= 0) {
		char name[48];
		snprintf(name, sizeof(name), "run-%s", e->run);
		unlinkat(e->project->locksfd, name, 0);
		close(e->run_lock);
	}
}

static void make_tasks(struct engine *e)
{
	e->tasks = xcalloc(e->plan->len, sizeof(*e->tasks));
	e->errors = xcalloc(e->plan->len, sizeof(*e->errors));
	e->exits = xcalloc(e->plan->len, sizeof(*e->exits));
	e->ready = xcalloc(e->plan->len, sizeof(struct task *));
	for (size_t i = 0; i < e->plan->len; i++) {
		struct plan_node *node = &e->plan->nodes[i];
		struct task *t = &e->tasks[i];
		t->engine = e;
		t->err = &e->errors[i];
		t->exit = &e->exits[i];
		t->unseen[RUNNER_STDOUT] = t->unseen[RUNNER_STDERR] = (struct strbuf)STRBUF_INIT;
		if (!node->selected)
			continue;
		t->node = node;
		node->user = t;
		e->total++;
		for (size_t k = 0; k < node->nneeds; k++)
			t->waits += node->needs[k]->selected;
	}
}

/* What can never start is told before anything does. */
static int check_budget(struct engine *e, struct error *err)
{
	budget_open(&e->budget, &e->project->settings, e->plan->pipeline);
	for (size_t i = 0; i < e->plan->len; i++) {
		const struct task *t = &e->tasks[i];
		if (t->node && (t->look->state == STEP_STALE || t->look->state == STEP_BLOCKED) &&
		    budget_check(&e->budget, t->node, err) < 0)
			return -1;
	}
	return 0;
}

static bool needs_secrets(void *ctx, const struct plan_node *node)
{
	const struct task *t = node->user;

	(void)ctx;
	return t && task_may_run(t);
}

/* Files of secrets go when their attempt ends; what a killed mlops left goes here. */
static void sweep_secrets(struct engine *e)
{
	struct strlist keep CLEANUP(strlist_release) = STRLIST_INIT;

	for (size_t i = 0; i < e->orphans.len; i++)
		strlist_push(&keep, e->orphans.items[i].name);
	secret_files_sweep(e->project, &keep);
}

/* Looks at every selected step, upstream first. */
static int look_at_all(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!t->node)
			continue;
		if (look_node(e->looker, t->node, &t->look, err) < 0)
			return -1;
		e->todo += t->look->state != STEP_FRESH && t->look->state != STEP_SKIPPED;
		if (t->look->state == STEP_FRESH)
			t->end = END_FRESH;
		else if (t->look->state == STEP_SKIPPED)
			t->end = END_SKIPPED;
		if (t->look->state == STEP_SKIPPED || (e->opt->dry && t->look->state != STEP_FRESH))
			t->reason = strlist_join(&t->look->reasons, "; ");
	}
	return 0;
}

void engine_emit_run(struct engine *e)
{
	struct js *event = js_object();

	js_set_str(event, "event", "run");
	js_set_str(event, "run", e->recorded ? e->run : NULL);
	js_set_str(event, "pipeline", e->plan->pipeline->name);
	js_set_int(event, "total", (int64_t)e->total);
	js_set_int(event, "todo", (int64_t)e->todo);
	js_set(event, "groups", control_groups(e));
	engine_emit(e, event);
}

void engine_emit_recorded(struct engine *e)
{
	struct js *event = js_object();

	js_set_str(event, "event", "recorded");
	js_set_str(event, "run", e->run);
	engine_emit(e, event);
}

static void check_param(void *ctx, const char *key, const struct js *value)
{
	struct error err;

	(void)value;
	if (key_check("param", key, &err) < 0)
		engine_note(ctx, "%s; it is not recorded", err.msg);
}

static int open_engine(struct engine *e, struct error *err)
{
	if (project_store(e->project, &e->store, err) < 0 || project_db(e->project, &e->db, err) < 0)
		return -1;
	e->scanner = (struct scanner){
		.rootfd = e->project->rootfd,
		.cache = project_statcache(e->project),
		.store = e->store,
	};
	if (project_ignore(e->project, &e->scanner.ignore, err) < 0)
		return -1;
	e->loop = loop_new();
	e->tools = js_object();
	gethostname(e->host, sizeof(e->host) - 1);
	e->jobs = e->opt->jobs > 0 ? e->opt->jobs : (int)e->plan->pipeline->parallel;
	if (e->jobs <= 0)
		e->jobs = (int)settings_int(&e->project->settings, SETTING_RUN_JOBS);
	if (e->jobs <= 0)
		e->jobs = (int)machine_cpus();
	if (e->jobs <= 0)
		e->jobs = 1;
	return 0;
}

static void ignore_outputs(struct engine *e)
{
	struct strlist paths CLEANUP(strlist_release) = STRLIST_INIT;
	struct error err;

	for (size_t i = 0; i < e->plan->len; i++) {
		const struct plan_node *node = &e->plan->nodes[i];
		for (size_t k = 0; k < node->noutputs; k++)
			if (node->outputs[k].use == OUT_DATA)
				strlist_push(&paths, node->outputs[k].path);
		for (size_t k = 0; k < node->checkpoints.len; k++)
			strlist_push(&paths, node->checkpoints.items[k]);
	}
	if (paths.len && !e->project->scratch &&
	    git_ignore_paths(e->project->root, (const char *const *)paths.items, paths.len, &err) < 0)
		engine_note(e, "outputs were not added to .gitignore: %s", err.msg);
}

static int fail_run(const struct engine *e, struct error *err)
{
	if (e->fatal.code) {
		if (err)
			*err = e->fatal;
		return -1;
	}
	if (e->interrupts) {
		error_set(err, ERR_INTERRUPTED, "the run was interrupted");
		return error_help(err, "run: mlops run");
	}
	if (err)
		*err = *e->failure->err;
	if (e->failure->run[0] && e->failure->exit->cause != CAUSE_START && !e->failure->err->help[0])
		error_help(err, "run: mlops logs %.8s %s", e->run, e->failure->node->name);
	return -1;
}

/* The lock file is written last: whatever it names is already true. */
static int execute(struct engine *e, const char **ret_status, struct error *err)
{
	enum run_status status;
	int r = schedule_run(e, err);

	if (r == 0 && (e->fatal.code || e->interrupts || e->failure))
		r = fail_run(e, err);
	status = r == 0 ? RUN_FINISHED : e->interrupts ? RUN_KILLED : RUN_FAILED;
	*ret_status = run_status_name(status);
	FAILPOINT("run.steps_ended");
	if (tables_after_run(e, r == 0 ? err : NULL) < 0)
		r = -1;
	if (e->recorded && facts_finish(e, status, r == 0 ? err : NULL) < 0)
		return -1; /* the work directory stays: recovery ends the run */
	if (look_save(e->looker, r == 0 ? err : NULL) < 0)
		r = -1;
	ignore_outputs(e);
	if (!e->fatal.code)
		tables_save(e->tables);
	/* Facts that could not be written leave step runs that recovery must end. */
	if (!e->fatal.code)
		stepdir_end_run(e->project, e->run, NULL);
	return r;
}

static void waiting(void *ctx, const struct lock_holder *holder)
{
	CLEANUP(cleanup_free) char *text =
		xasprintf("waiting for process %ld (%s) to finish with this work tree", holder->pid, holder->command);

	emit_note(ctx, text);
}

/* An image that could not be built, or a table that does not fit, ends the run before it begins; what the builder printed,
 * or what is wrong, is told. Returns -1. */
static int show_early_failure(const struct engine *e, struct js **ret_result, const struct error *err)
{
	const struct task *t = e->refused_by ? e->refused_by : e->check_failed;
	const struct strlist *tail = e->refused_by ? &e->refused.lines : t ? container_build_tail(t->engine, t->node) : NULL;
	struct js *result, *failure, *log;

	if (!tail || !err)
		return -1;
	result = js_object();
	failure = js_object();
	log = js_array();
	for (size_t i = 0; i < tail->len; i++)
		js_push_str(log, tail->items[i]);
	js_set_str(failure, "step", t->node->name);
	if (e->refused_by)
		js_set(failure, "schema", js_ref(e->refused.reports));
	else
		js_set_str(failure, "image", t->node->build->name);
	js_set_str(failure, "cause", e->refused_by ? "schema" : "build");
	js_set_str(failure, "message", err->msg);
	js_set_str(failure, "help", err->help[0] ? err->help : NULL);
	js_set(failure, "log", log);
	js_set(result, "run_id", js_null());
	js_set_str(result, "pipeline", e->plan->pipeline->name);
	js_set_str(result, "status", run_status_name(err->code == ERR_INTERRUPTED ? RUN_KILLED : RUN_FAILED));
	js_set_int(result, "total", (int64_t)e->total);
	js_set_int(result, "duration_ms", clock_mono_ms() - e->start_mono_ms);
	js_set(result, "steps", js_array());
	js_set(result, "failure", failure);
	*ret_result = result;
	return -1;
}

/* What a run lacks is told before its first step, the quick things first. */
static int check_needs(struct engine *e, struct error *err)
{
	if (!e->todo)
		return 0;
	if (check_budget(e, err) < 0)
		return -1;
	return run_secrets_open(e->project, e->plan, needs_secrets, NULL, &e->secrets, err);
}

static int prepare(struct engine *e, struct error *err)
{
	if (check_local(e, err) < 0 || container_pin_images(e, err) < 0 || look_at_all(e, err) < 0 || check_trust(e, err) < 0 ||
	    check_needs(e, err) < 0 || tables_before_run(e, err) < 0 || container_check(e, err) < 0 || container_find_orphans(e, err) < 0)
		return -1;
	sweep_secrets(e);
	return 0;
}

static int run_locked(struct engine *e, struct js **ret_result, struct error *err)
{
	const char *status = run_status_name(RUN_FINISHED);
	int r = 0;

	if (looker_new(e->project, e->plan, e->opt->force, &e->looker, err) < 0 ||
	    tables_open(e->opt->dry ? NULL : e->opt->kinds, e->project, e->plan->pipeline, &e->tables, err) < 0)
		return -1;
	look_ask_remotes(e->looker, &e->fetcher.look);
	make_tasks(e);
	if (look_conditions(e->looker, err) < 0 || check_trigger(e, err) < 0)
		return -1;
	if (e->opt->dry ? look_at_all(e, err) < 0 || check_needs(e, err) < 0 : prepare(e, err) < 0)
		return show_early_failure(e, ret_result, err);
	if ((e->todo || e->opt->record) && !e->opt->dry) {
		if (open_engine(e, err) < 0)
			return -1;
		for (size_t i = 0; i < e->plan->len; i++)
			e->tasks[i].end = END_NONE;
		engine_emit_run(e);
		pipeline_each_param(e->plan->pipeline->params, check_param, e);
		r = execute(e, &status, err);
	}
	if (!e->opt->dry && !e->todo && !e->opt->record) {
		r = look_save(e->looker, err); /* a pin may be new */
		tables_save(e->tables);
	}
	*ret_result = make_result(e, status);
	return r;
}

int run_enter(struct project *p, const struct run_options *opt, int *ret_tree, struct error *err)
{
	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_fd) int tree = -1;

	*ret_tree = -1;
	if (opt->dry)
		return 0;
	tree = lock_take(p->treelocksfd, LOCK_TREE, LOCK_EXCLUSIVE, opt->no_wait ? LOCK_TRY : LOCK_WAIT, waiting, (void *)opt,
			 err);
	if (tree < 0 && opt->no_wait && err && err->code == ERR_CONFLICT)
		error_wrap(err, "another mlops works in this tree");
	if (tree < 0 || (opt->spawner && spawner_hold(opt->spawner, tree, err) < 0) || run_recover(p, &notes, err) < 0)
		return -1;
	for (size_t i = 0; i < notes.len; i++)
		emit_note(opt, notes.items[i]);
	*ret_tree = steal_fd(&tree);
	return 0;
}

int pipeline_run(struct project *p, struct plan *plan, const struct run_options *opt, struct js **ret_result,
		 struct error *err)
{
	struct engine e = {
		.project = p,
		.plan = plan,
		.opt = opt,
		.run_lock = -1,
		.tracking = TRACKING_INIT,
		.start_ms = clock_wall_ms(),
		.start_mono_ms = clock_mono_ms(),
	};
	int r;

	if (opt->job && strlen(opt->job) == sizeof(e.run) - 1)
		memcpy(e.run, opt->job, sizeof(e.run));
	else
		clock_uuid(e.run);
	if (plan_select(plan, &opt->steps, opt->select, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->len; i++)
		for (size_t k = 0; k < plan->nodes[i].leftovers.len; k++)
			engine_note(&e, "step %s ignores %s: it was made by a step that is no more", plan->nodes[i].name,
				    plan->nodes[i].leftovers.items[k]);
	fetcher_init(&e.fetcher, opt->remotes);
	e.fetcher.look.note = note_remote;
	e.fetcher.look.ctx = &e;
	e.umask = umask(022);
	umask(e.umask);
	r = run_locked(&e, ret_result, err);
	container_close(&e);
	tracking_close(&e.tracking);
	engine_release(&e);
	return r;
}
