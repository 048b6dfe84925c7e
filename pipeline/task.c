/* SPDX-License-Identifier: Apache-2.0 */
/* One step of a run: its environment, its start and end, its output, or its restoring. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/checkpoints.h"
#include "pipeline/engine.h"
#include "pipeline/expand.h"
#include "pipeline/grammar.h"
#include "pipeline/retry.h"
#include "pipeline/secret_files.h"
#include "pipeline/stepdir.h"
#include "pipeline/steplog.h"
#include "registry/project.h"

#define GRACE_MS   10000	/* from TERM to KILL */

static const char *const end_names[] = {
	"waiting", "fresh", "restored", "cached", "ok", "skipped", "failed", "timeout", "killed", "blocked",
};

const char *task_end_name(enum task_end end)
{
	return end_names[end];
}

char *task_file(const struct task *t, const char *name)
{
	return xasprintf(".mlops/work/%s/%s/report/%s", t->engine->run, t->node->name, name);
}

bool task_succeeded(const struct task *t)
{
	return t->node && t->end >= END_FRESH && t->end <= END_OK;
}

void task_note(struct task *t, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;

	strbuf_printf(&text, "step %s: ", t->node->name);
	va_start(ap, fmt);
	strbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	strlist_push_owned(&t->notes, task_masked(t, text.buf));
	strbuf_release(&text);
}

void task_tell_notes(struct task *t)
{
	for (size_t i = 0; i < t->notes.len; i++)
		engine_note(t->engine, "%s", t->notes.items[i]);
	strlist_release(&t->notes);
}

void task_emit(struct task *t, const char *state)
{
	struct engine *e = t->engine;
	struct js *event;

	if (!e->opt->emit)
		return;
	event = js_object();
	js_set_str(event, "event", "step");
	js_set_str(event, "step", t->node->name);
	js_set_str(event, "state", state);
	js_set_str(event, "reason", t->reason);
	js_set_int(event, "done", (int64_t)e->done);
	js_set_int(event, "total", (int64_t)e->total);
	if (t->phase == TASK_DONE && t->start_ms)
		js_set_int(event, "duration_ms", t->duration_ms);
	if (t->err->code)
		js_set_str(event, "error", t->err->msg);
	engine_emit(e, event);
}

/* ---- starting ---- */

const char *const task_inherited[] = {
	"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH",
	"CUDA_VISIBLE_DEVICES", NULL,
};

static bool declares(const struct strlist *env, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < env->len; i++)
		if (!strncmp(env->items[i], name, n) && env->items[i][n] == '=')
			return true;
	return false;
}

static void add_file(const struct task *t, struct strlist *env, const char *variable, const char *file)
{
	CLEANUP(cleanup_free) char *path = task_file(t, file);

	strlist_push_owned(env, xasprintf("%s=%s/%s", variable, t->engine->project->root, path));
}

/* ${run.id} stands literally in the key; here it becomes the run's id. */
static char *with_run_id(const char *text, const char *run)
{
	static const char mark[] = "${run.id}";
	struct strbuf out = STRBUF_INIT;
	const char *at;

	while ((at = strstr(text, mark))) {
		strbuf_add(&out, text, (size_t)(at - text));
		strbuf_puts(&out, run);
		text = at + sizeof(mark) - 1;
	}
	strbuf_puts(&out, text);
	return strbuf_detach(&out);
}

void task_declared_env(const struct task *t, struct strlist *env)
{
	const struct plan_node *node = t->node;

	strlist_push_owned(env, xasprintf("MLOPS_RUN_ID=%s", t->run));
	strlist_push_owned(env, xasprintf("MLOPS_STEP=%s", node->name));
	strlist_push_owned(env, xasprintf("MLOPS_ATTEMPT=%d", t->attempt));
	for (void *it = js_iter(node->matrix); it; it = js_next(node->matrix, it)) {
		CLEANUP(cleanup_free) char *name = axis_env_name(js_iter_key(it));
		strlist_push_owned(env, xasprintf("%s=%s", name, js_text(js_iter_value(it))));
	}
	for (void *it = js_iter(node->params); it; it = js_next(node->params, it)) {
		CLEANUP(cleanup_free) char *name = param_env_name(js_iter_key(it));
		CLEANUP(cleanup_free) char *value = param_text(js_iter_value(it));
		strlist_push_owned(env, xasprintf("%s=%s", name, value));
	}
	for (size_t i = 0; i < node->env.len; i++)
		strlist_push_owned(env, with_run_id(node->env.items[i], t->run));
}

static void local_env(const struct task *t, struct strlist *env)
{
	for (const char *const *name = task_inherited; *name; name++) {
		bool gpus = t->gpus && !strcmp(*name, "CUDA_VISIBLE_DEVICES");
		const char *value = gpus ? t->gpus : getenv(*name);
		if (value && !declares(&t->node->env, *name))
			strlist_push_owned(env, xasprintf("%s=%s", *name, value));
	}
	add_file(t, env, "MLOPS_PARAMS", "params.json");
	add_file(t, env, "MLOPS_METRICS", "metrics.jsonl");
	add_file(t, env, "MLOPS_SUMMARY", "summary.md");
	tracking_env(t, env);
	task_declared_env(t, env);
}

void task_argv(const struct task *t, struct strlist *argv)
{
	for (size_t i = 0; i < t->node->argv.len; i++)
		strlist_push_owned(argv, with_run_id(t->node->argv.items[i], t->run));
}

char *task_attempt_name(const struct task *t)
{
	return t->container ? xstrdup(t->container) : xasprintf("%s-%s-%d", t->engine->run, t->node->name, t->attempt);
}

static int start_command(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	struct strlist argv CLEANUP(strlist_release) = STRLIST_INIT;
	struct strlist env CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *name = task_attempt_name(t);
	CLEANUP(cleanup_free) char *secrets = NULL;

	task_argv(t, &argv);
	local_env(t, &env);
	if (secret_files_make(e->secrets, t->node, name, NULL, geteuid(), getegid(), &env, &secrets, err) < 0)
		return -1;
	strlist_push_owned(&argv, NULL);
	strlist_push_owned(&env, NULL);
	struct runner_spec spec = {
		.name = name,
		.argv = (const char *const *)argv.items,
		.env = (const char *const *)env.items,
		.workdir = e->project->root,
		.cpu = t->node->step->cpu,
		.mem = t->node->step->mem,
	};
	return e->runner->ops->start(e->runner, &spec, t, err);
}

int task_write_params(const struct task *t, struct error *err)
{
	CLEANUP(cleanup_free) char *path = task_file(t, "params.json");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;
	int rootfd = t->engine->project->rootfd;

	js_dump(t->node->params_file, JS_PRETTY, &text);
	strbuf_putc(&text, '\n');
	if (fs_make_parents(rootfd, path, 0777, err) < 0)
		return -1;
	if (io_replace_file(rootfd, path, text.buf, text.len, 0666, false, err) < 0)
		return -1;
	/* Another user may run the step, and our umask be narrow; who may come here is decided by .mlops. */
	fd = t->node->image ? fs_open_direct(rootfd, path, O_RDONLY | O_NONBLOCK, 0, err) : -1;
	if (t->node->image && (fd < 0 || fchmod(fd, 0644) < 0))
		return fd < 0 ? -1 : error_sys(err, errno, "cannot set the mode of %s", path);
	return 0;
}

static int start_local(struct task *t, struct error *err)
{
	struct engine *e = t->engine;
	CLEANUP(cleanup_free) bool *precious = xcalloc(t->node->noutputs, sizeof(*precious));

	for (size_t i = 0; i < t->node->noutputs; i++)
		precious[i] = look_is_precious(e->looker, t->node, i);
	if (checkpoints_make(e->project, t->node, NULL, err) < 0)
		return -1;
	if (stepdir_begin(e->project, e->run, t->node, precious, err) < 0 || task_write_params(t, err) < 0)
		return -1;
	return start_command(t, err);
}

static struct runner *runner_of(const struct task *t)
{
	return t->container ? t->engine->docker : t->engine->runner;
}

static void kill_task(struct task *t, int signo)
{
	runner_of(t)->ops->kill(runner_of(t), t, signo);
}

static void grace_over(void *ctx)
{
	struct task *t = ctx;

	t->timer = NULL;
	kill_task(t, SIGKILL);
}

static void stop_task(struct task *t)
{
	loop_cancel(t->engine->loop, t->timer);
	t->timer = loop_after(t->engine->loop, GRACE_MS, grace_over, t);
	kill_task(t, SIGTERM);
}

static void timeout_fired(void *ctx)
{
	struct task *t = ctx;

	t->timer = NULL;
	t->timed_out = true;
	stop_task(t);
}

void task_close_log(struct task *t)
{
	if (!t->log || !steplog_close(t->log, &t->tail))
		return;
	if (steplog_error(t->log))
		task_note(t, "the end of its log is lost: %s", strerror(steplog_error(t->log)));
}

/* From here the step's facts are one END in the next group, whatever it came to. */
static void finish_task(struct task *t)
{
	struct engine *e = t->engine;
	CLEANUP(cleanup_free) char *attempt = task_attempt_name(t);

	loop_cancel(e->loop, t->timer);
	t->timer = NULL;
	loop_cancel(e->loop, t->output_timer);
	t->output_timer = NULL;
	/* Else it may yet be told there what is wrong with its tables. */
	if (t->err->code || !e->tables)
		task_close_log(t);
	if (t->err->code == ERR_FAILED && t->container && !t->err->help[0])
		container_explain(t);
	if (t->node->step->nsecrets)
		secret_files_drop(e->project, attempt);
	task_mask_error(t);
	t->phase = TASK_FINISHING;
	t->end_ms = clock_wall_ms();
	t->duration_ms = clock_mono_ms() - t->start_mono_ms;
	e->running--;
	e->finishing++;
	budget_give(&e->budget, t->node->step, t->gpus);
	free(t->gpus);
	t->gpus = NULL;
	e->stopping |= t->err->code && !e->opt->keep_going && !t->stopped_by && !retry_wanted(t);
	schedule_fact(e, FACT_END, t);
}

/* Of the attempt's timeout and the step's deadline, whichever is sooner; one that is taken over has used some of it.
 * -1: neither is said. */
static int64_t time_left(const struct task *t, int64_t now)
{
	const struct step *step = t->node->step;
	int64_t left = -1;

	if (step->timeout_ms)
		left = step->timeout_ms - (now - t->start_mono_ms);
	if (step->deadline_ms && (!step->timeout_ms || step->deadline_ms - (now - t->first_mono_ms) < left))
		left = step->deadline_ms - (now - t->first_mono_ms);
	if (!step->timeout_ms && !step->deadline_ms)
		return -1;
	return left > 0 ? left : 0;
}

void task_start(struct task *t)
{
	struct engine *e = t->engine;
	struct error err;

	if (t->attempt)
		retry_forget(t);
	t->start_ms = clock_wall_ms();
	t->phase = TASK_RUNNING;
	t->record = look_record(e->looker, t->node);
	t->inputs = xcalloc(t->node->inputs.len, sizeof(*t->inputs));
	for (size_t i = 0; i < t->node->inputs.len; i++)
		t->inputs[i] = *look_input(e->looker, t->node->inputs.items[i]);
	t->attempt++;
	clock_uuid(t->run);
	if (t->node->image && t->attempt == 1)
		container_adopt(t, &err);
	t->start_mono_ms = clock_mono_ms() - (clock_wall_ms() - t->start_ms);
	if (!t->first_mono_ms)
		t->first_mono_ms = t->start_mono_ms;
	e->running++;
	budget_take(&e->budget, t->node->step, &t->gpus);
	schedule_fact(e, FACT_START, t);
	task_output_begin(t);
	t->launching = t->node->step->tracking;
	if (!t->launching)
		task_launch(t);
}

/* What could be stopped meanwhile is not started any more. */
static int check_launch(struct task *t, struct error *err)
{
	struct engine *e = t->engine;

	if (t->interrupted)
		return error_set(err, ERR_INTERRUPTED, "step %s was interrupted", t->node->name);
	if (t->launching && e->commit_err.code)
		*err = e->commit_err;
	return t->launching && e->commit_err.code ? -1 : 0;
}

void task_launch(struct task *t)
{
	struct engine *e = t->engine;
	struct error err;
	int64_t left;

	error_clear(&err);
	if (check_launch(t, &err) < 0 ||
	    steplog_open(e->project->homefd, e->run, t->node->name, t->attempt,
			 settings_int(&e->project->settings, SETTING_LOG_MAX), &t->log, &err) < 0 ||
	    (t->node->image ? container_start(t, &err) : start_local(t, &err)) < 0) {
		*t->err = err;
		t->exit->cause = CAUSE_START;
		t->launching = false;
		task_output_end(t);
		finish_task(t);
		return;
	}
	t->launching = false;
	left = time_left(t, clock_mono_ms());
	if (left >= 0)
		t->timer = loop_after(e->loop, left, timeout_fired, t);
}

static void on_started(void *task, const char *handle)
{
	(void)handle;
	task_emit(task, "running");
}

static const struct {
	enum runner_cause cause;
	enum error_code code;
} cause_codes[] = {
	{ CAUSE_OOM, ERR_ENV }, { CAUSE_START, ERR_ENV }, { CAUSE_LOST, ERR_ENV },
};

static bool deadline_over(const struct task *t)
{
	int64_t deadline = t->node->step->deadline_ms;

	return deadline && clock_mono_ms() - t->first_mono_ms >= deadline;
}

static void explain_exit(struct task *t, const struct runner_exit *exit)
{
	const char *name = t->node->name;
	enum error_code code = ERR_FAILED;

	for (size_t i = 0; i < ARRAY_LEN(cause_codes); i++)
		if (cause_codes[i].cause == exit->cause)
			code = cause_codes[i].code;
	if (t->timed_out)
		error_set(t->err, ERR_FAILED, "step %s ran longer than its %s", name, deadline_over(t) ? "deadline" : "timeout");
	else if (t->stopped_by)
		error_set(t->err, ERR_FAILED, "step %s was stopped by %s", name, t->stopped_by);
	else if (t->interrupted)
		error_set(t->err, ERR_INTERRUPTED, "step %s was interrupted", name);
	else if (exit->cause == CAUSE_EXIT && exit->code)
		error_set(t->err, code, "step %s failed with exit status %d", name, exit->code);
	else if (exit->cause == CAUSE_SIGNAL)
		error_set(t->err, code, "step %s was killed by signal %d (%s)", name, exit->signal,
			  strsignal(exit->signal));
	else if (exit->cause != CAUSE_EXIT)
		error_set(t->err, code, "step %s: %s", name, exit->message);
	if (exit->help[0])
		error_help(t->err, "%s", exit->help);
	else if (exit->cause == CAUSE_START && !t->container)
		error_help(t->err, "correct cmd= of [step.%s], or make its program one that can run", t->node->step->name);
}

static void on_exited(void *task, const struct runner_exit *exit)
{
	struct task *t = task;

	*t->exit = *exit;
	/* One that is taken over may have ended in time, while nobody watched. */
	if (t->adopted && t->timed_out && exit->end_ms)
		t->timed_out = !time_left(t, clock_mono_ms() - (clock_wall_ms() - exit->end_ms));
	task_output_end(t);
	explain_exit(t, exit);
	finish_task(t);
	schedule_pump(t->engine);
}

static enum task_end end_of(const struct task *t)
{
	if (!t->err->code)
		return END_OK;
	if (t->timed_out)
		return END_TIMEOUT;
	return t->interrupted ? END_KILLED : END_FAILED;
}

void task_finished(struct task *t)
{
	struct engine *e = t->engine;

	e->finishing--;
	task_tell_notes(t);
	container_forget(t);
	if (retry_begin(t))
		return;
	tables_step_done(t);
	if (!t->err->code)
		look_accept(e->looker, t->node, t->outputs, !t->inputs_changed);
	schedule_done(t, end_of(t));
}

static void on_note(void *task, const char *text)
{
	const struct task *t = task;
	CLEANUP(cleanup_free) char *masked = task_masked(t, text);

	engine_note(t->engine, "step %s: %s", t->node->name, masked);
}

const struct runner_events task_events = {
	.started = on_started, .output = task_output, .exited = on_exited, .note = on_note,
};

void task_interrupt(struct task *t, bool force)
{
	t->interrupted = true;
	if (force)
		kill_task(t, SIGKILL);
	else
		stop_task(t);
}
