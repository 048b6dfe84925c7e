/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "runners/docker_runner.h"
/*
 * Create and start. Start is the one request that is not repeated blindly: a container that
 * has run already would run again. So after a start without an answer the State is asked for.
 */

#define STARTS_MAX 5

/* -- start -- */

static void refused(struct docker_task *task, const char *words)
{
	bool known = docker_why_refused(task, words, &task->exit);

	/* An engine that shuts down refuses at first, and then does not answer. */
	if (!known && !task->doubted) {
		task->doubted = true;
		docker_task_look_later(task, docker_patience.doubt);
		return;
	}
	if (strstr(words, "exec format error"))
		docker_task_ask_platform(task);
	else
		docker_task_end(task);
}

static void container_removed(void *ctx, const struct docker_answer *answer)
{
	struct docker_task *task = ctx;

	if (answer->status == 204 || answer->status == 404)
		docker_pause_renew(task->slot);
	else
		docker_task_lost(task, answer, "cannot remove a container that never ran");
}

static void pause_seen(void *ctx, const struct docker_answer *answer)
{
	struct docker_task *task = ctx;

	if (answer->status == 200 && js_get_bool(js_get(answer->json, "State"), "Running")) {
		refused(task, task->refusal);
		return;
	}
	if (docker_pause_is_blind(answer)) {
		docker_pause_blind(task->slot);
		return;
	}
	task->repaired = true;
	docker_task_ask(task, &(struct docker_ask){
				.method = "DELETE",
				.path = xasprintf("/containers/%s?v=1&force=1", task->name),
				.done = container_removed,
			});
}

/* Its pause container may have died: engines word that in many ways, so it is looked at. */
static void refused_perhaps(struct docker_task *task, const struct docker_answer *answer)
{
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	docker_answer_words(task->docker, answer, &words);
	if (!task->joins || task->repaired) {
		refused(task, words.buf);
		return;
	}
	snprintf(task->refusal, sizeof(task->refusal), "%s", words.buf);
	docker_task_ask(task, &(struct docker_ask){
				.method = "GET",
				.path = xasprintf("/containers/%s/json", task->slot->pause),
				.done = pause_seen,
			});
}

static void start_replied(void *ctx, const struct docker_answer *answer)
{
	struct docker_task *task = ctx;

	if (answer->status == 204 || answer->status == 304) {
		FAILPOINT("docker.started");
		docker_task_runs(task);
	} else if (answer->status) {
		refused_perhaps(task, answer);
	} else {
		docker_task_look(task); /* with patience of its own */
	}
}

static void send_start(struct docker_task *task)
{
	FAILPOINT("docker.before_start");
	task->oom_before = oom_count_read(&task->docker->oom, OOM_FRESH_MS);
	task->starts++;
	docker_task_ask(task, &(struct docker_ask){
				.method = "POST",
				.path = xasprintf("/containers/%s/start", task->name),
				.timeout_ms = docker_patience.lost,
				.once = true,
				.done = start_replied,
			});
}

static void end_by_signal(struct docker_task *task)
{
	task->exit = (struct runner_exit){ .cause = CAUSE_SIGNAL, .signal = task->pending };
	snprintf(task->exit.message, sizeof(task->exit.message), "killed by %s",
		 process_signal_name(task->pending));
	docker_task_end(task);
}

/* Unless a signal came first, which then is its end. */
void docker_task_start(struct docker_task *task)
{
	if (task->pending)
		end_by_signal(task);
	else if (task->starts < STARTS_MAX)
		send_start(task);
	else
		docker_task_fail(task, CAUSE_LOST, "the container engine does not start its container", "");
}

/* -- create -- */

static void create_replied(void *ctx, const struct docker_answer *answer)
{
	struct docker_task *task = ctx;
	const char *id = js_get_str(answer->json, "Id");

	if (answer->status == 201) {
		FAILPOINT("docker.created");
		snprintf(task->id, sizeof(task->id), "%s", id ? id : "");
		docker_task_start(task);
	} else if (docker_answer_conflicts(answer)) {
		docker_task_look(task);
	} else if (answer->status) {
		refused_perhaps(task, answer);
	} else {
		docker_task_lost(task, answer, "");
	}
}

void docker_task_create(struct docker_task *task)
{
	struct docker_ask ask = {
		.method = "POST",
		.path = xasprintf("/containers/create?name=%s", task->name),
		.body = STRBUF_INIT,
		.done = create_replied,
	};

	FAILPOINT("docker.before_create");
	strbuf_puts(&ask.body, task->create);
	docker_task_ask(task, &ask);
}
