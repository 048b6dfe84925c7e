/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "pipeline/control.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "pipeline/retry.h"
#include "pipeline/stepdir.h"
#include "pipeline/steplog.h"
#include "registry/project.h"

#define COMMIT_MS 20    /* how long a fact may wait for company */
#define TICK_MS   100
#define POINTS_MS 1000
#define PASSED_MAX 16   /* how often a step that does not fit is passed by smaller ones */

static void make_ready(struct task *t)
{
	t->phase = TASK_READY;
	t->engine->ready[t->engine->nready++] = t;
}

void schedule_again(struct task *t)
{
	make_ready(t);
}

void schedule_done(struct task *t, enum task_end end)
{
	struct engine *e = t->engine;

	t->phase = TASK_DONE;
	t->end = end;
	e->done++;
	if (end >= END_FAILED && end != END_BLOCKED) {
		if (!e->failure || e->failure->stopped_by)
			e->failure = t;
		e->stopping |= !e->opt->keep_going && !t->stopped_by;
	}
	task_emit(t, task_end_name(end));
	for (size_t i = 0; i < t->node->nfeeds; i++) {
		struct task *down = t->node->feeds[i]->user;
		if (!down || down->phase != TASK_WAITING)
			continue;
		/* What needs a skipped step is skipped itself, when it is looked at. */
		if (end > END_SKIPPED)
			down->blocked_by = t;
		if (end > END_SKIPPED || --down->waits == 0)
			make_ready(down);
	}
}

/* ---- facts: handed to a worker in groups ---- */

static void commit_work(void *ctx)
{
	struct engine *e = ctx;

	error_clear(&e->commit_err);
	facts_commit(e, &e->group, &e->commit_err);
	for (size_t i = 0; i < e->group.len; i++)
		if (e->group.items[i].kind == FACT_END)
			steplog_finish(steal(&e->group.items[i].task->log));
}

static void commit_timer_fired(void *ctx);

static void commit_soon(struct engine *e)
{
	if (e->queue.len && !e->committing && !e->commit_timer)
		e->commit_timer = loop_after(e->loop, COMMIT_MS, commit_timer_fired, e);
}

static void commit_done(void *ctx)
{
	struct engine *e = ctx;

	e->committing = false;
	if (e->commit_err.code && !e->fatal.code) {
		e->fatal = e->commit_err;
		e->stopping = true;
	}
	for (size_t i = 0; i < e->group.len; i++) {
		if (e->group.items[i].kind == FACT_RUN && !e->commit_err.code) {
			e->written = true;
			engine_emit_recorded(e);
		}
		if (e->group.items[i].kind == FACT_END)
			task_finished(e->group.items[i].task);
		if (e->group.items[i].kind == FACT_START && e->group.items[i].task->launching)
			task_launch(e->group.items[i].task);
	}
	fact_list_release(&e->group);
	schedule_pump(e);
	commit_soon(e); /* what came meanwhile */
}

static void commit_now(struct engine *e)
{
	if (e->committing || !e->queue.len)
		return;
	loop_cancel(e->loop, e->commit_timer);
	e->commit_timer = NULL;
	e->group = e->queue;
	e->queue = (struct fact_list){ 0 };
	e->committing = true;
	loop_work(e->loop, commit_work, commit_done, e);
}

static void commit_timer_fired(void *ctx)
{
	struct engine *e = ctx;

	e->commit_timer = NULL;
	commit_now(e);
}

void schedule_fact(struct engine *e, enum fact_kind kind, struct task *t)
{
	GROW(e->queue.items, e->queue.len, e->queue.cap);
	e->queue.items[e->queue.len++] = (struct fact){ .kind = kind, .task = t };
	commit_soon(e);
}

/* The pipeline's run becomes a row when its first step must run, and is locked before that. The step
 * waits until the row stands: the code it runs must be recorded as it was before. */
static int record_run(struct engine *e, struct error *err)
{
	char name[48];

	if (e->recorded)
		return 0;
	snprintf(name, sizeof(name), "run-%s", e->run);
	/* Nobody else takes it; who looks whether runs are alive may hold it for a moment. */
	e->run_lock = lock_take(e->project->locksfd, name, LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
	if (e->run_lock < 0 || stepdir_begin_run(e->project, e->run, err) < 0)
		return -1;
	e->recorded = true;
	engine_emit_run(e);
	schedule_fact(e, FACT_RUN, NULL);
	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		if (t->node && (t->end == END_CACHED || t->end == END_RESTORED || t->end == END_SKIPPED))
			schedule_fact(e, FACT_NOT_RUN, t);
	}
	return 0;
}

/* ---- the queue ---- */

/* Whether the task may start now. One that lacks cores, memory or GPUs too often closes the gate for those behind it,
 * or it might wait for ever. */
static bool may_start(struct engine *e, struct task *t, bool *closed)
{
	enum budget_answer answer = budget_fits(&e->budget, t->node->step);

	if (e->running >= e->jobs || *closed)
		return false;
	if (answer == BUDGET_SHORT)
		*closed = t->passed++ >= PASSED_MAX;
	return answer == BUDGET_FITS;
}

static char *reason_line(const struct step_look *look)
{
	char *first, *line;

	if (look->reasons.len <= 2)
		return strlist_join(&look->reasons, "; ");
	first = xasprintf("%s; %s", look->reasons.items[0], look->reasons.items[1]);
	line = xasprintf("%s; and %zu more", first, look->reasons.len - 2);
	free(first);
	return line;
}

static void block(struct task *t)
{
	free(t->reason);
	t->reason = t->blocked_by ? xasprintf("%s did not succeed", t->blocked_by->node->name) :
				    xstrdup("the run stopped before it");
	schedule_done(t, END_BLOCKED);
}

/* What the disk, the lock and the cache say now decides; true when the task left the queue. */
static bool try_task(struct engine *e, struct task *t, bool *closed)
{
	if (t->blocked_by) {
		block(t);
		return true;
	}
	if (t->stopped_by) {
		schedule_done(t, END_KILLED);
		return true;
	}
	if (!t->reason || t->look->state == STEP_BLOCKED || t->look->state == STEP_UNKNOWN) {
		free(t->reason);
		t->reason = NULL;
		if (look_node(e->looker, t->node, &t->look, t->err) < 0) {
			schedule_done(t, END_FAILED);
			return true;
		}
		t->reason = reason_line(t->look);
	}
	switch (t->look->state) {
	case STEP_FRESH:
		schedule_done(t, END_FRESH);
		return true;
	case STEP_RESTORE:
		task_restore(t);
		return true;
	case STEP_SKIPPED:
		schedule_done(t, END_SKIPPED);
		if (e->recorded)
			schedule_fact(e, FACT_NOT_RUN, t);
		return true;
	default:
		/* Where its result was to be restored, this was not checked before. */
		if (budget_check(&e->budget, t->node, t->err) < 0) {
			schedule_done(t, END_FAILED);
			return true;
		}
		if (record_run(e, t->err) < 0) {
			e->fatal = *t->err;
			schedule_done(t, END_FAILED);
			return true;
		}
		if (!e->written || container_image_waits(t) || !may_start(e, t, closed))
			return false;
		task_start(t);
		return true;
	}
}

/* A task that is blocked makes those below it ready, to be blocked in turn. */
static void drop_queue(struct engine *e)
{
	while (e->nready) {
		struct task *t = e->ready[--e->nready];
		if (t->attempt)
			retry_give_up(t);
		else
			block(t);
	}
}

/* Those below them are made ready, and dropped. */
static void drop_waiting(struct engine *e)
{
	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].phase == TASK_BACKOFF)
			retry_give_up(&e->tasks[i]);
	drop_queue(e);
}

static void start_ready(struct engine *e)
{
	size_t kept = 0;
	bool closed = false;

	/* A task that ends at once makes others ready: they join the end of the queue. */
	for (size_t i = 0; i < e->nready; i++) {
		struct task *t = e->ready[i];
		if (e->stopping || !try_task(e, t, &closed))
			e->ready[kept++] = t;
	}
	e->nready = kept;
}

void schedule_pump(struct engine *e)
{
	start_ready(e);
	if (e->stopping) {
		container_stop_builds(e);
		drop_queue(e);
	}
	if (e->stopping && e->backing_off)
		drop_waiting(e);
	/* A fact waits for company only while something else goes on. */
	if (!e->running)
		commit_now(e);
	if (!e->running && !e->restoring && !e->finishing && !e->backing_off && !e->committing && !e->queue.len && !e->nready)
		loop_stop(e->loop);
	control_settle(e);
}

/* ---- ticks ---- */

static void on_tick(void *ctx)
{
	struct engine *e = ctx;
	struct js *event = js_object();

	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].phase == TASK_RUNNING)
			task_emit_unfinished(&e->tasks[i], false);
	js_set_str(event, "event", "tick");
	engine_emit(e, event);
	loop_after(e->loop, TICK_MS, on_tick, e);
}

/* Metrics a running step has reported so far become facts while it runs. */
static void on_points(void *ctx)
{
	struct engine *e = ctx;

	for (size_t i = 0; i < e->plan->len; i++) {
		struct task *t = &e->tasks[i];
		struct metric_list points = METRIC_LIST_INIT;
		if (t->phase != TASK_RUNNING)
			continue;
		finish_read_points(t, false, &points);
		if (points.len) {
			schedule_fact(e, FACT_POINTS, t);
			struct fact *fact = &e->queue.items[e->queue.len - 1];
			fact->points = points;
			fact->points_read = t->points_read;
			fact->points_line = t->points_line;
		} else {
			metric_list_release(&points);
		}
	}
	loop_after(e->loop, POINTS_MS, on_points, e);
}

int schedule_run(struct engine *e, struct error *err)
{
	const struct runner_ops *ops = e->opt->runner ? e->opt->runner : &runner_local;
	int r;

	if (control_open(e, err) < 0 || tracking_open(e, err) < 0 || (e->opt->record && record_run(e, err) < 0))
		return -1;
	if (ops->open(e->loop, &task_events, e->opt->runner ? e->opt->runner_config : e->opt->spawner, &e->runner, err) < 0)
		return -1;
	if (e->opt->emit)
		loop_after(e->loop, TICK_MS, on_tick, e);
	loop_after(e->loop, POINTS_MS, on_points, e);
	for (size_t i = 0; i < e->plan->len; i++)
		if (e->tasks[i].node && !e->tasks[i].waits)
			make_ready(&e->tasks[i]);
	schedule_pump(e);
	r = e->done < e->total || e->queue.len || e->committing ? loop_run(e->loop, err) : 0;
	container_close(e);
	e->runner->ops->close(e->runner);
	control_close(e);
	return r;
}
