/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/run.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "pipeline/stepdir.h"
#include "pipeline/steplog.h"
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

/* ---- recovery ---- */

struct recovery {
	struct project *project;
	struct db *db;
	char run[256];          /* whose attempts are loaded */
	struct js *attempts;
};

static int was_accepted(void *ctx, const char *run, const char *step)
{
	struct recovery *r = ctx;

	if (strcmp(r->run, run) != 0) {
		js_free(r->attempts);
		r->attempts = NULL;
		snprintf(r->run, sizeof(r->run), "%s", run);
		if (attempts_list(r->db, run, &r->attempts, NULL) < 0)
			r->attempts = NULL;
	}
	for (size_t i = 0; i < js_len(r->attempts); i++) {
		const struct js *attempt = js_at(r->attempts, i);
		const char *name = js_get_str(attempt, "step"), *state = js_get_str(attempt, "state");
		if (name && state && !strcmp(name, step) && !strcmp(state, "ok"))
			return 1;
	}
	return 0;
}

/* A run marked RUNNING whose lock is free has lost its executor. */
static int end_orphan(void *ctx, const char *id)
{
	struct recovery *r = ctx;
	CLEANUP(cleanup_js) struct js *run = NULL;
	CLEANUP(cleanup_fd) int lock = -1;
	const char *parent;
	char name[320];

	if (run_load(r->db, id, &run, NULL) < 0)
		return 0;
	parent = js_get_str(run, "parent");
	snprintf(name, sizeof(name), "run-%s", parent ? parent : id);
	lock = lock_take(r->project->locksfd, name, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);
	if (lock < 0)
		return 0;
	unlinkat(r->project->locksfd, name, 0);
	return run_finish(r->db, id, RUN_KILLED, clock_wall_ms(), NULL);
}

static bool dir_is_empty(struct project *p, const char *name)
{
	CLEANUP(cleanup_fd) int fd = openat(p->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	/* A directory without subdirectories has two links on the file systems we know; others say 1. */
	return fd < 0 || (fstat(fd, &st) == 0 && st.st_nlink == 2);
}

int run_recover(struct project *p, struct strlist *notes, struct error *err)
{
	struct recovery r = { .project = p };
	int status;

	if (dir_is_empty(p, "work"))
		return 0;
	if (project_db(p, &r.db, err) < 0)
		return -1;
	status = stepdir_recover(p, was_accepted, &r, notes, err);
	js_free(r.attempts);
	if (status == 0 && run_each_running(r.db, end_orphan, &r, err) < 0)
		return -1;
	return status;
}

/* ---- the result ---- */

static void count_ends(const struct engine *e, size_t counts[END_BLOCKED + 1])
{
	memset(counts, 0, (END_BLOCKED + 1) * sizeof(*counts));
	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].node)
			counts[e->tasks[i].end]++;
}

static struct js *step_result(const struct task *t, bool dry)
{
	struct js *step = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_str(step, "name", t->node->name);
	js_set_str(step, "state", dry ? step_state_name(t->look->state) : task_end_name(t->end));
	js_set_str(step, "reason", t->reason && *t->reason ? t->reason : NULL);
	if (t->look && !digest_is_zero(&t->look->key))
		js_set_str(step, "key", digest_format(&t->look->key, hex));
	if (t->run[0])
		js_set_str(step, "run_id", t->run);
	if (!dry)
		js_set_int(step, "duration_ms", t->duration_ms);
	if (t->exit.max_rss)
		js_set_int(step, "max_rss", t->exit.max_rss);
	if (t->err.code)
		js_set_str(step, "error", t->err.msg);
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
	js_set_str(failure, "cause", t->timed_out ? "timeout" : t->run[0] ? causes[t->exit.cause] : "start");
	js_set_str(failure, "message", t->err.msg);
	js_set_str(failure, "help", t->err.help[0] ? t->err.help : NULL);
	js_set_int(failure, "exit_code", t->exit.code);
	js_set_int(failure, "signal", t->exit.signal);
	for (size_t i = 0; i < t->tail.len; i++)
		js_push_str(log, t->tail.items[i]);
	js_set(failure, "log", log);
	if (t->run[0] && t->exit.cause != CAUSE_START) {
		text = steplog_path(e->run, t->node->name);
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
		{ END_FRESH, "fresh" },    { END_FAILED, "failed" }, { END_TIMEOUT, "timeout" },
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
	js_free(t->record);
	strlist_release(&t->tail);
	strlist_release(&t->notes);
	strbuf_release(&t->unseen[RUNNER_STDOUT]);
	strbuf_release(&t->unseen[RUNNER_STDERR]);
	free(t->inputs);
	free(t->outputs);
	metric_list_release(&t->metrics);
}

static void engine_release(struct engine *e)
{
	for (size_t i = 0; e->tasks && i < e->plan->len; i++) {
		task_release(&e->tasks[i]);
		e->plan->nodes[i].user = NULL;
	}
	loop_free(e->loop);
	looker_free(e->looker);
	code_version_release(&e->code);
	js_free(e->tools);
	fact_list_release(&e->queue);
	free(e->tasks);
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
	e->ready = xcalloc(e->plan->len, sizeof(struct task *));
	for (size_t i = 0; i < e->plan->len; i++) {
		struct plan_node *node = &e->plan->nodes[i];
		struct task *t = &e->tasks[i];
		t->engine = e;
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

/* Looks at every selected step, upstream first. */
static int look_at_all(struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (!t->node)
			continue;
		if (look_node(e->looker, t->node, &t->look, err) < 0)
			return -1;
		e->todo += t->look->state != STEP_FRESH;
		if (t->look->state == STEP_FRESH)
			t->end = END_FRESH;
		else if (e->opt->dry)
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
	engine_emit(e, event);
}

static int open_engine(struct engine *e, struct error *err)
{
	struct sysinfo info;

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
	e->cpu_total = (double)sysconf(_SC_NPROCESSORS_ONLN);
	e->jobs = e->opt->jobs > 0 ? e->opt->jobs : (int)settings_int(&e->project->settings, SETTING_RUN_JOBS);
	if (e->jobs <= 0)
		e->jobs = (int)e->cpu_total;
	e->mem_total = sysinfo(&info) == 0 ? (int64_t)(info.totalram * info.mem_unit) : INT64_MAX;
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
	}
	if (paths.len && git_ignore_paths(e->project->root, (const char *const *)paths.items, paths.len, &err) < 0)
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
		*err = e->failure->err;
	if (e->failure->run[0] && e->failure->exit.cause != CAUSE_START && !e->failure->err.help[0])
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
	if (e->recorded && facts_finish(e, status, r == 0 ? err : NULL) < 0)
		r = -1;
	if (look_save(e->looker, r == 0 ? err : NULL) < 0)
		r = -1;
	ignore_outputs(e);
	stepdir_end_run(e->project, e->run, NULL);
	return r;
}

static void waiting(void *ctx, const struct lock_holder *holder)
{
	CLEANUP(cleanup_free) char *text =
		xasprintf("waiting for process %ld (%s) to finish with this work tree", holder->pid, holder->command);

	emit_note(ctx, text);
}

static int run_locked(struct engine *e, struct js **ret_result, struct error *err)
{
	const char *status = run_status_name(RUN_FINISHED);
	int r = 0;

	if (looker_new(e->project, e->plan, e->opt->force, &e->looker, err) < 0)
		return -1;
	make_tasks(e);
	if (look_at_all(e, err) < 0)
		return -1;
	if (e->todo && !e->opt->dry) {
		if (open_engine(e, err) < 0)
			return -1;
		for (size_t i = 0; i < e->plan->len; i++)
			e->tasks[i].end = END_NONE;
		engine_emit_run(e);
		r = execute(e, &status, err);
	}
	*ret_result = make_result(e, status);
	return r;
}

static int take_tree(struct engine *e, struct error *err)
{
	const struct run_options *opt = e->opt;
	int fd = lock_take(e->project->locksfd, LOCK_TREE, LOCK_EXCLUSIVE, opt->no_wait ? LOCK_TRY : LOCK_WAIT, waiting,
			   (void *)opt, err);

	if (fd < 0 && opt->no_wait && err && err->code == ERR_CONFLICT)
		error_wrap(err, "another mlops works in this tree");
	return fd;
}

int pipeline_run(struct project *p, struct plan *plan, const struct run_options *opt, struct js **ret_result,
		 struct error *err)
{
	struct strlist notes CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_fd) int tree = -1;
	struct engine e = {
		.project = p,
		.plan = plan,
		.opt = opt,
		.run_lock = -1,
		.start_ms = clock_wall_ms(),
		.start_mono_ms = clock_mono_ms(),
	};
	int r;

	clock_uuid(e.run);
	if (plan_select(plan, &opt->steps, opt->select, err) < 0)
		return -1;
	if (!opt->dry) {
		tree = take_tree(&e, err);
		if (tree < 0 || run_recover(p, &notes, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < notes.len; i++)
		emit_note(opt, notes.items[i]);
	for (size_t i = 0; i < plan->len; i++)
		for (size_t k = 0; k < plan->nodes[i].leftovers.len; k++)
			engine_note(&e, "step %s ignores %s: it was made by a step that is no more", plan->nodes[i].name,
				    plan->nodes[i].leftovers.items[k]);
	r = run_locked(&e, ret_result, err);
	engine_release(&e);
	return r;
}
