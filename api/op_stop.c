/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "api/ops.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/control.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"

#define END_MS  15000 /* the 10 s that steps have, and what is recorded after them */
#define POLL_NS 50000000

struct stop {
	struct op_context *ctx;
	struct db *db;
	char run[33];
	char *step;       /* NULL: the whole run; owned */
	bool kill;
	int64_t end_ms;   /* monotonic */
};

static void stop_release(struct stop *s)
{
	free(s->step);
}

/* Whether it is worth to look again. */
static bool wait_more(const struct stop *s)
{
	static const struct timespec poll = { 0, POLL_NS };

	if (s->ctx->stopped && s->ctx->stopped(s->ctx->ctx))
		return false;
	return clock_mono_ms() < s->end_ms && (nanosleep(&poll, NULL), true);
}

static bool goes_on(const struct stop *s)
{
	struct lock_holder holder;

	return control_executor(s->ctx->project, s->run, &holder);
}

static void note(const struct stop *s, const char *text)
{
	CLEANUP_JS struct js *event = js_object();

	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	if (s->ctx->emit)
		s->ctx->emit(s->ctx->ctx, event);
}

static int status_of(const struct stop *s, struct js *result, struct error *err)
{
	CLEANUP_JS struct js *run = NULL;

	if (run_load(s->db, s->run, &run, err) < 0)
		return -1;
	js_set_str(result, "run_id", s->run);
	js_set_str(result, "status", js_get_str(run, "status"));
	return 0;
}

static int not_running(const struct stop *s, struct error *err)
{
	CLEANUP_JS struct js *state = js_object();
	const char *status;

	if (status_of(s, state, err) < 0)
		return -1;
	status = js_get_str(state, "status");
	if (strcmp(status, "RUNNING") != 0)
		return error_set(err, ERR_CONFLICT, "run %.8s does not run any more: it is %s", s->run, status);
	error_set(err, ERR_CONFLICT, "run %.8s does not run any more: its process is gone", s->run);
	return error_help(err, "run: mlops run, which ends it");
}

static int still_there(const struct stop *s, const char *what, struct error *err)
{
	error_set(err, ERR_ENV, "%s has not ended after %d s", what, END_MS / 1000);
	if (s->kill)
		return error_help(err, "see what it does: mlops runs --active");
	return error_help(err, "run: mlops stop %.8s%s%s --kill", s->run, s->step ? " " : "", s->step ? s->step : "");
}

/* ---- the whole run ---- */

static int stop_run(struct stop *s, struct js *result, struct error *err)
{
	CLEANUP(cleanup_free) char *what = xasprintf("run %.8s", s->run);
	struct control_request request = { .by = op_actor(s->ctx), .kill = true };
	CLEANUP(cleanup_fd) int answer = -1;

	if ((s->kill ? control_ask(s->ctx->project, s->run, &request, &answer, err) :
		       control_signal(s->ctx->project, s->run, SIGTERM, err)) < 0)
		return -1;
	if (!s->kill)
		note(s, "its running steps have 10 s to end");
	while (goes_on(s))
		if (!wait_more(s))
			return still_there(s, what, err);
	return status_of(s, result, err);
}

/* ---- some of its steps ---- */

/* Whether the run goes on is asked first: what it answered before its end is then found after it. */
static int ask(struct stop *s, struct js **ret_answer, struct error *err)
{
	struct control_request request = { .step = s->step, .by = op_actor(s->ctx), .kill = s->kill };
	CLEANUP(cleanup_fd) int answer = -1;

	if (control_ask(s->ctx->project, s->run, &request, &answer, err) < 0)
		return -1;
	for (;;) {
		bool alive = goes_on(s);
		int r = control_answer(answer, ret_answer, err);
		if (r != 0)
			return r < 0 ? -1 : 0;
		if (!alive)
			return not_running(s, err);
		if (!wait_more(s))
			return error_set(err, ERR_ENV, "run %.8s has not answered for %d s; it stops them when it looks", s->run,
					 END_MS / 1000);
	}
}

static bool names(const struct js *list, const char *step)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (step && js_text(js_at(list, i)) && !strcmp(js_text(js_at(list, i)), step))
			return true;
	return false;
}

/* 1: one of them runs. */
static int any_runs(const struct stop *s, const struct js *stopped, struct error *err)
{
	CLEANUP_JS struct js *progress = NULL;
	const struct js *running;

	if (attempts_progress(s->db, s->run, &progress, err) < 0)
		return -1;
	running = js_get(progress, "running");
	for (size_t i = 0; i < js_len(running); i++)
		if (names(stopped, js_get_str(js_at(running, i), "step")))
			return 1;
	return 0;
}

static int stop_steps(struct stop *s, struct js *result, struct error *err)
{
	static const char *const lists[] = { "stopped", "waiting", "ended" };
	CLEANUP(cleanup_free) char *what = xasprintf("step %s of run %.8s", s->step, s->run);
	CLEANUP_JS struct js *answer = NULL;
	const struct js *stopped;
	int r;

	if (ask(s, &answer, err) < 0)
		return -1;
	if (js_get_str(answer, "error")) {
		error_set(err, ERR_NOT_FOUND, "%s", js_get_str(answer, "error"));
		return js_get_str(answer, "help") ? error_help(err, "%s", js_get_str(answer, "help")) : -1;
	}
	stopped = js_get(answer, "stopped");
	if (!js_len(stopped) && !js_len(js_get(answer, "waiting")))
		return error_set(err, ERR_CONFLICT, "%s has ended already", what);
	if (js_len(stopped) && !s->kill)
		note(s, "running steps have 10 s to end");
	while (js_len(stopped) && (r = any_runs(s, stopped, err)) != 0)
		if (r < 0)
			return -1;
		else if (!goes_on(s))
			break;
		else if (!wait_more(s))
			return still_there(s, what, err);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (js_get(answer, lists[i]))
			js_set(result, lists[i], js_ref(js_get(answer, lists[i])));
	return status_of(s, result, err);
}

/* ---- a run that an agent was asked for, before it begins ---- */

/* 1: that was all; 0: it goes on, or is none. */
static int stop_job(struct stop *s, struct js *result, struct error *err)
{
	struct lock_holder holder;
	int r = s->step || !job_goes_on(s->ctx->project, s->run) ? 0 : job_stop(s->ctx, s->run, err);

	if (r < 0 || (r == 0 && !job_executor(s->ctx->project, s->run, &holder)))
		return r;
	while (r == 0 && job_executor(s->ctx->project, s->run, &holder)) {
		if (s->kill && goes_on(s))
			return 0;
		if (!wait_more(s))
			return still_there(s, "the run", err);
	}
	return status_of(s, result, err) < 0 ? -1 : 1;
}

/* ---- the operation ---- */

/* The run that a step belongs to, when its own run was named. */
static int find_run(struct stop *s, const struct js *args, struct error *err)
{
	const char *text = js_get_str(args, "run"), *step = js_get_str(args, "step"), *parent;
	CLEANUP_JS struct js *run = NULL;
	struct name name;

	if (project_db(s->ctx->project, &s->db, err) < 0 ||
	    name_resolve(s->ctx->project, text, ACCEPT_RUN, &name, err) < 0 || run_load(s->db, name.run, &run, err) < 0)
		return -1;
	parent = js_get_str(run, "parent");
	snprintf(s->run, sizeof(s->run), "%s", parent ? parent : name.run);
	if (parent && !step)
		step = js_get_str(run, "step");
	s->step = step ? xstrdup(step) : NULL;
	return 0;
}

/*
 * run.stop {run, step, kill} -> {run_id, status}, and with a step {stopped[], waiting[], ended[]}: names of steps that
 * ran, that will not start, that had ended already.
 */
int op_stop(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct stop s CLEANUP(stop_release) = {
		.ctx = ctx,
		.kill = js_get_bool(args, "kill"),
		.end_ms = clock_mono_ms() + END_MS,
	};
	CLEANUP_JS struct js *result = js_object();
	int r;

	if (find_run(&s, args, err) < 0)
		return -1;
	r = stop_job(&s, result, err);
	if (r != 0) {
		*ret_result = r > 0 ? steal(&result) : *ret_result;
		return r < 0 ? -1 : 0;
	}
	if (!goes_on(&s))
		return not_running(&s, err);
	if ((s.step ? stop_steps(&s, result, err) : stop_run(&s, result, err)) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}
