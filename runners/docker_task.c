/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/failpoint.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/process.h"
#include "runners/docker_runner.h"
/*
 * Whatever a reply said or did not say, the container's State decides what comes next:
 * task_goes_on is where every uncertain moment leads, that of a take-over too.
 */

#define SOON_MS       100
#define WAITS_FAST    3   /* that tell of the end of a container that runs, before we slow down */
#define UNDECIDED_MAX 100 /* looks at a container that has ended, nobody knows how */

/* -- the end -- */

void docker_task_free(struct docker_task *task)
{
	struct docker *docker = task->docker;

	docker_ask_cancel(task->asked);
	docker_ask_forget_task(docker, task);
	http_cancel(task->wait);
	loop_cancel(docker->loop, task->timer);
	loop_cancel(docker->loop, task->kill_timer);
	docker_output_release(&task->output);
	docker_sample_stop(task);
	for (size_t i = 0; i < docker->ntasks; i++)
		if (docker->tasks[i] == task) {
			docker->tasks[i] = docker->tasks[--docker->ntasks];
			break;
		}
	task->slot->task = NULL;
	free(task->name);
	free(task->program);
	free(task->image);
	free(task->image_shown);
	free(task->run);
	free(task->step);
	free(task->create);
	free(task);
}

void docker_task_end(struct docker_task *task)
{
	const struct runner_events *events = task->docker->events;
	const struct runner_exit end = task->exit;
	void *owner = task->owner;

	FAILPOINT("docker.before_exited");
	docker_task_free(task);
	events->exited(owner, &end);
}

void docker_task_fail(struct docker_task *task, enum runner_cause cause, const char *message, const char *help)
{
	task->exit = (struct runner_exit){ .cause = cause };
	snprintf(task->exit.message, sizeof(task->exit.message), "%s", message);
	snprintf(task->exit.help, sizeof(task->exit.help), "%s", help);
	docker_task_end(task);
}

/* An answer that fits no step of its life, or none. */
void docker_task_lost(struct docker_task *task, const struct docker_answer *answer, const char *what)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (answer->status)
		strbuf_printf(&text, "%s: ", what);
	docker_answer_words(task->docker, answer, &text);
	docker_task_fail(task, CAUSE_LOST, text.buf,
			 answer->status ? "" : "see whether it runs and answers: docker info; then run again");
}

void docker_task_note(struct docker_task *task, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	va_list args;

	if (!task->docker->events->note)
		return;
	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	task->docker->events->note(task->owner, text.buf);
}

void docker_task_ask(struct docker_task *task, struct docker_ask *ask)
{
	ask->task = task;
	ask->handle = &task->asked;
	ask->ctx = task;
	docker_ask(task->docker, ask);
}

/* -- its log and its result -- */

/* Only an image for other machines is made of programs of which none can run. */
static void image_seen(void *ctx, const struct docker_answer *answer)
{
	struct docker_task *task = ctx;
	const char *os = js_get_str(answer->json, "Os"), *arch = js_get_str(answer->json, "Architecture");
	CLEANUP(cleanup_free) char *platform = xasprintf("%s/%s", os ? os : "", arch ? arch : "");

	if (answer->status == 200 && os && arch && strcmp(platform, task->docker->platform) != 0) {
		snprintf(task->exit.message, sizeof(task->exit.message),
			 "cannot run %.100s: the image %.200s is for %.40s, and the engine runs %.40s", task->program,
			 task->image_shown, platform, task->docker->platform);
		snprintf(task->exit.help, sizeof(task->exit.help), "use an image for %s", task->docker->platform);
	}
	docker_task_end(task);
}

void docker_task_ask_platform(struct docker_task *task)
{
	docker_task_ask(task, &(struct docker_ask){
				.method = "GET",
				.path = xasprintf("/images/%s/json", task->image),
				.done = image_seen,
			});
}

static void add_samples(struct docker_task *task)
{
	const struct docker_sample *sample = &task->sample;

	task->exit.user_us = sample->user_us;
	task->exit.system_us = sample->system_us;
	task->exit.max_rss = sample->peak;
	task->exit.sampled = sample->any;
}

void docker_task_logged(struct docker_task *task, const char *why)
{
	const struct docker_output *output = &task->output;
	struct runner_exit start;
	bool foreign;

	FAILPOINT("docker.log_complete");
	if (why)
		docker_task_note(task, "the log of %s may lack its end: %s", task->step, why);
	add_samples(task);
	if (task->exit.cause != CAUSE_EXIT ||
	    !docker_why_no_program(task, output->err_end, output->err_len, &start, &foreign)) {
		docker_task_end(task);
		return;
	}
	task->exit = start;
	if (foreign)
		docker_task_ask_platform(task);
	else
		docker_task_end(task);
}

static bool oom_rose(struct docker_task *task)
{
	return !task->killed && task->mem > 0 && task->oom_before >= 0 &&
	       oom_count_read(&task->docker->oom, 0) > task->oom_before;
}

/* False when its State does not say how it ended. */
static bool collect(struct docker_task *task, const struct js *inspect)
{
	if (!docker_why_ended(task, inspect, oom_rose(task), &task->exit))
		return false;
	FAILPOINT("docker.inspected");
	task->ended = true;
	http_cancel(steal(&task->wait));
	loop_cancel(task->docker->loop, steal(&task->kill_timer));
	docker_sample_stop(task);
	docker_output_finish(&task->output);
	return true;
}

/* -- while it runs -- */

static void look_soon(void *arg)
{
	struct docker_task *task = arg;

	task->timer = NULL;
	docker_task_look(task);
}

void docker_task_look_later(struct docker_task *task, int64_t ms)
{
	loop_cancel(task->docker->loop, task->timer);
	task->timer = loop_after(task->docker->loop, ms, look_soon, task);
}

static void wait_replied(void *ctx, const struct http_reply *reply)
{
	struct docker_task *task = ctx;

	(void)reply; /* what it says is not to be trusted: it is a reason to look */
	FAILPOINT("docker.ended");
	task->wait = NULL;
	if (++task->waits <= WAITS_FAST)
		docker_task_look(task);
	else
		docker_task_look_later(task, SOON_MS);
}

static void wait_for_end(struct docker_task *task)
{
	CLEANUP(cleanup_free) char *path = docker_path(task->docker, "/containers/%s/wait", task->name);
	const struct http_request request = {
		.method = "POST", .path = path, .done = wait_replied, .ctx = task
	};

	if (!task->wait)
		task->wait = http_start(task->docker->client, &request);
}

static void send_kill(struct docker_task *task, int signo);

static void begin(struct docker_task *task)
{
	char handle[40];
	int pending = task->pending;

	task->pending = 0;
	if (!task->begun) {
		task->begun = true;
		snprintf(handle, sizeof(handle), "container %.12s", task->id);
		task->docker->events->started(task->owner, handle);
	}
	if (pending)
		send_kill(task, pending);
}

void docker_task_runs(struct docker_task *task)
{
	begin(task);
	docker_output_follow(&task->output);
	wait_for_end(task);
	docker_sample_start(task);
}

/* -- what became of it -- */

static bool is_ours(const struct docker_task *task, const struct js *inspect)
{
	const struct js *labels = js_get(js_get(inspect, "Config"), "Labels");
	const struct {
		const char *label, *want;
	} rows[] = { { "mlops.project", task->docker->project },
		     { "mlops.run", task->run },
		     { "mlops.step", task->step } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = js_get_str(labels, rows[i].label);

		if (!value || strcmp(value, rows[i].want) != 0)
			return false;
	}
	return true;
}

static void is_created(struct docker_task *task, const struct js *inspect)
{
	(void)inspect;
	docker_task_start(task);
}

static void is_running(struct docker_task *task, const struct js *inspect)
{
	(void)inspect;
	docker_task_runs(task);
}

static void has_ended(struct docker_task *task, const struct js *inspect)
{
	begin(task);
	if (collect(task, inspect))
		return;
	if (++task->undecided < UNDECIDED_MAX)
		docker_task_look_later(task, SOON_MS);
	else
		docker_task_fail(task, CAUSE_LOST, "the container engine does not tell how its container ended", "");
}

static void is_going(struct docker_task *task, const struct js *inspect)
{
	(void)inspect;
	docker_task_look_later(task, SOON_MS);
}

static const struct {
	const char *status;
	void (*go_on)(struct docker_task *, const struct js *inspect);
} states[] = {
	{ "created", is_created },
	{ "configured", is_created }, /* Podman's */
	{ "initialized", is_created },
	{ "running", is_running },
	{ "paused", is_running },
	{ "restarting", is_running },
	{ "stopping", is_running },
	{ "exited", has_ended },
	{ "dead", has_ended },
	{ "stopped", has_ended },
	{ "removing", is_going },
};

static void task_goes_on(struct docker_task *task, const struct js *inspect)
{
	const char *status = js_get_str(js_get(inspect, "State"), "Status");

	snprintf(task->id, sizeof(task->id), "%s", js_get_str(inspect, "Id") ? js_get_str(inspect, "Id") : "");
	for (size_t i = 0; status && i < ARRAY_LEN(states); i++)
		if (!strcmp(states[i].status, status)) {
			states[i].go_on(task, inspect);
			return;
		}
	docker_task_fail(task, CAUSE_LOST, "the container engine tells no state of its container that we know", "");
}

static void is_gone(struct docker_task *task)
{
	/* Before its start, nothing is lost with it. */
	if (!task->begun && !task->renewed) {
		task->renewed = true;
		docker_task_create(task);
		return;
	}
	docker_task_fail(task, CAUSE_LOST, "its container was removed", "run it again");
}

static void looked(void *ctx, const struct docker_answer *answer)
{
	struct docker_task *task = ctx;

	if (answer->status == 404) {
		is_gone(task);
	} else if (answer->status != 200 || !answer->json) {
		docker_task_lost(task, answer, "cannot look at its container");
	} else if (!is_ours(task, answer->json)) {
		CLEANUP(cleanup_free) char *text =
			xasprintf("a container %s is there already, and is none of this step", task->name);

		docker_task_fail(task, CAUSE_START, text, "remove it: docker rm -f, then its name");
	} else {
		task_goes_on(task, answer->json);
	}
}

void docker_task_look(struct docker_task *task)
{
	if (task->asked || task->ended)
		return;
	loop_cancel(task->docker->loop, steal(&task->timer));
	docker_task_ask(task, &(struct docker_ask){
				.method = "GET",
				.path = xasprintf("/containers/%s/json", task->name),
				.done = looked,
			});
}

/* -- signals -- */

static void kill_replied(void *ctx, const struct docker_answer *answer)
{
	(void)ctx; /* 404 and 409: it has ended; no answer: its State tells */
	(void)answer;
}

static void send_kill(struct docker_task *task, int signo)
{
	docker_ask(task->docker, &(struct docker_ask){
					 .method = "POST",
					 .path = xasprintf("/containers/%s/kill?signal=%s", task->name,
							   process_signal_name(signo)),
					 .done = kill_replied,
				 });
}

static void will_not_die(void *arg)
{
	struct docker_task *task = arg;
	CLEANUP(cleanup_free) char *text = xasprintf("SIGKILL did not end its container %s within %g s", task->name,
						     (double)docker_patience.kill / 1000);

	task->kill_timer = NULL;
	docker_task_fail(task, CAUSE_LOST, text, "see whether the engine answers: docker ps; it is removed later");
}

void docker_task_kill(struct docker_task *task, int signo)
{
	if (task->ended)
		return;
	if (signo == SIGKILL) {
		task->killed = true;
		if (!task->kill_timer)
			task->kill_timer = loop_after(task->docker->loop, docker_patience.kill, will_not_die, task);
	}
	if (task->begun)
		send_kill(task, signo);
	else if (task->pending != SIGKILL)
		task->pending = signo;
}
