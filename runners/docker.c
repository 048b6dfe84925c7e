/* SPDX-License-Identifier: Apache-2.0 */
#include "runners/docker.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/failpoint.h"
#include "base/http_client.h"
#include "base/loop.h"
#include "base/mem.h"
#include "runners/docker_engine.h"
#include "runners/docker_runner.h"
/*
 * Removing a container takes an engine as long as starting one, so few are removed at
 * once, while nobody waits for them.
 */

#define REMOVALS_MOST 2
#define REMOVAL_TRIES 3

struct docker_patience docker_patience = {
	.call = 30000,
	.lost = 60000,
	.pause_first = 100,
	.pause_most = 2000,
	.doubt = 1000,
	.note = 5000,
	.kill = 15000,
	.idle = 100,
	.look = 200,
	.poll = 500,
	.sample_first = 200,
	.sample = 1000,
	.close = 10000,
};

/* -- removing -- */

struct docker_removal {
	struct docker *docker;
	struct docker_removal *next;
	char *name;
	bool sent;
	int tries;
};

static void remove_next(struct docker *docker);

static void removal_free(struct docker_removal *removal)
{
	free(removal->name);
	free(removal);
}

static void removal_done(struct docker_removal *removal)
{
	struct docker *docker = removal->docker;
	struct docker_removal **link = &docker->removals;

	while (*link != removal)
		link = &(*link)->next;
	*link = removal->next;
	removal_free(removal);
	remove_next(docker);
}

/* 409: someone removes it at this moment. What stays in spite of some tries is left to the next run. */
static void removed(void *ctx, const struct docker_answer *answer)
{
	struct docker_removal *removal = ctx;
	struct docker *docker = removal->docker;

	docker->removing--;
	removal->sent = false;
	if (answer->status < 500 || ++removal->tries == REMOVAL_TRIES) {
		FAILPOINT("docker.removed");
		removal_done(removal);
	} else {
		remove_next(docker);
	}
}

static void remove_next(struct docker *docker)
{
	for (struct docker_removal *it = docker->removals; it && docker->removing < REMOVALS_MOST; it = it->next) {
		if (it->sent)
			continue;
		it->sent = true;
		docker->removing++;
		docker_ask(docker, &(struct docker_ask){
					   .method = "DELETE",
					   .path = xasprintf("/containers/%s?v=1&force=1", it->name),
					   .done = removed,
					   .ctx = it,
				   });
	}
}

static void docker_forget(struct runner *runner, const char *name)
{
	struct docker *docker = (struct docker *)runner;
	struct docker_removal *removal = xcalloc(1, sizeof(*removal)), **link = &docker->removals;

	FAILPOINT("docker.forget");
	removal->docker = docker;
	removal->name = docker_container_name(name);
	while (*link)
		link = &(*link)->next;
	*link = removal;
	remove_next(docker);
}

/* -- tasks -- */

static struct docker_slot *free_slot(struct docker *docker, bool network)
{
	struct docker_slot *slot;

	for (size_t i = 0; i < docker->nslots; i++)
		if (!docker->slots[i]->task && docker->slots[i]->network == network)
			return docker->slots[i];
	slot = xcalloc(1, sizeof(*slot));
	slot->docker = docker;
	slot->network = network;
	slot->pause = xasprintf("mlops-pause-%s-%zu", docker->run, docker->nslots);
	GROW(docker->slots, docker->nslots, docker->cap_slots);
	docker->slots[docker->nslots++] = slot;
	return slot;
}

static void task_begins(void *arg)
{
	struct docker_task *task = arg;

	task->timer = NULL;
	docker_pause_ensure(task->slot);
}

static char *create_json(const struct docker *docker, const struct docker_slot *slot, const struct runner_spec *spec)
{
	bool joins = !spec->network || spec->agent;
	CLEANUP(cleanup_free) char *network = joins ? xasprintf("container:%s", slot->pause) : xstrdup("default");
	struct strbuf json = STRBUF_INIT;

	docker_create_body(docker, spec, network, &json);
	return strbuf_detach(&json);
}

static int docker_start(struct runner *runner, const struct runner_spec *spec, void *owner, struct error *err)
{
	struct docker *docker = (struct docker *)runner;
	struct docker_task *task = xcalloc(1, sizeof(*task));

	(void)err;
	task->docker = docker;
	task->owner = owner;
	task->slot = free_slot(docker, spec->network && spec->agent);
	task->slot->task = task;
	task->name = docker_container_name(spec->name);
	task->program = xstrdup(spec->argv[0]);
	task->image = xstrdup(spec->image);
	task->image_shown = xstrdup(spec->image_shown ? spec->image_shown : spec->image);
	task->run = xstrdup(spec->run);
	task->step = xstrdup(spec->step);
	task->create = create_json(docker, task->slot, spec);
	task->mem = spec->mem;
	task->uid = spec->uid;
	task->joins = !spec->network || spec->agent;
	task->oom_before = oom_count_read(&docker->oom, OOM_FRESH_MS);
	docker_output_init(&task->output, task);
	GROW(docker->tasks, docker->ntasks, docker->cap_tasks);
	docker->tasks[docker->ntasks++] = task;
	task->timer = loop_after(docker->loop, 0, task_begins, task);
	return 0;
}

static void docker_kill(struct runner *runner, void *owner, int signo)
{
	struct docker *docker = (struct docker *)runner;

	for (size_t i = 0; i < docker->ntasks; i++)
		if (docker->tasks[i]->owner == owner) {
			docker_task_kill(docker->tasks[i], signo);
			return;
		}
}

/* -- open and close -- */

static int docker_open(struct loop *loop, const struct runner_events *events, void *arg, struct runner **ret,
		       struct error *err)
{
	const struct docker_config *config = arg;
	const struct docker_info *info;
	struct docker *docker;

	if (docker_engine_info(config->engine, &info, err) < 0)
		return -1;
	docker = xcalloc(1, sizeof(*docker));
	docker->runner.ops = &runner_docker;
	docker->loop = loop;
	docker->events = events;
	docker->engine = config->engine;
	docker->client = http_client_new(loop, docker_engine_server(config->engine));
	docker->project = xstrdup(config->project);
	docker->run = xstrdup(config->run);
	docker->probe = xstrdup(config->probe);
	docker->agent = config->agent ? xstrdup(config->agent) : NULL;
	docker->address = xstrdup(info->address);
	docker->log_driver = xstrdup(info->log_driver);
	docker->platform = xstrdup(info->platform);
	docker->cpus = info->cpus;
	docker->podman = !strcmp(info->product, "Podman");
	docker->oom = (struct oom_count)OOM_COUNT_INIT;
	*ret = &docker->runner;
	return 0;
}

/*
 * Closing happens on a loop of its own, as nobody may be called back on the other. Its
 * requests begin afresh: the engine may be at work on one that was cancelled, and
 * then answers 409, so each is repeated until the container is not there.
 */
struct closing {
	struct docker *docker;
	size_t left;
};
struct closing_one {
	struct closing *closing;
	char *name;
	int absent; /* answers that it is not there */
	int wanted; /* how many: what was being created may come late */
	int refused;
};

#define CLOSING_AGAIN_MS 100
#define CLOSING_REFUSED  20

static void closing_ask(void *arg);

static void closing_answered(void *ctx, const struct docker_answer *answer)
{
	struct closing_one *one = ctx;
	struct docker *docker = one->closing->docker;

	one->absent += answer->status == 404;
	one->refused += answer->status >= 500; /* Podman's, while others use its network */
	if (answer->status && one->absent < one->wanted && one->refused < CLOSING_REFUSED)
		loop_after(docker->loop, answer->status == 204 ? 0 : CLOSING_AGAIN_MS, closing_ask, one);
	else if (--one->closing->left == 0)
		loop_stop(docker->loop);
}

static void closing_ask(void *arg)
{
	struct closing_one *one = arg;

	docker_ask(one->closing->docker, &(struct docker_ask){
						 .method = "DELETE",
						 .path = xasprintf("/containers/%s?v=1&force=1", one->name),
						 .done = closing_answered,
						 .ctx = one,
					 });
}

static void closing_over(void *arg)
{
	loop_stop(arg);
}

static void closing_add(struct closing *closing, struct closing_one *one, const char *name, bool may_come)
{
	*one = (struct closing_one){ closing, xstrdup(name), 0, may_come ? 3 : 1, 0 };
	closing->left++;
}

/* Returns how many there are. */
static size_t list_what_goes(struct closing *closing, struct closing_one *ones)
{
	struct docker *docker = closing->docker;
	size_t n = 0;

	for (size_t i = 0; i < docker->ntasks; i++)
		closing_add(closing, &ones[n++], docker->tasks[i]->name, !docker->tasks[i]->begun);
	for (size_t i = 0; i < docker->nslots; i++)
		if (docker->slots[i]->tried)
			closing_add(closing, &ones[n++], docker->slots[i]->pause, docker->slots[i]->state != SLOT_READY);
	for (struct docker_removal *it = docker->removals; it; it = it->next)
		closing_add(closing, &ones[n++], it->name, false);
	return n;
}

static size_t count_removals(const struct docker *docker)
{
	size_t n = 0;

	for (const struct docker_removal *it = docker->removals; it; it = it->next)
		n++;
	return n;
}

static void remove_all(struct docker *docker)
{
	size_t most = docker->ntasks + docker->nslots + count_removals(docker), n;
	struct closing_one *ones = xcalloc(most + 1, sizeof(*ones));
	struct closing closing = { .docker = docker };

	n = list_what_goes(&closing, ones);
	docker_ask_cancel_all(docker);
	for (size_t i = 0; i < docker->nslots; i++)
		loop_cancel(docker->loop, docker->slots[i]->timer);
	while (docker->ntasks)
		docker_task_free(docker->tasks[0]);
	http_client_free(docker->client);
	docker->loop = loop_new();
	docker->client = http_client_new(docker->loop, docker_engine_server(docker->engine));
	for (size_t i = 0; i < n; i++)
		closing_ask(&ones[i]);
	loop_after(docker->loop, docker_patience.close, closing_over, docker->loop);
	if (n)
		loop_run(docker->loop, NULL);
	docker_ask_cancel_all(docker);
	http_client_free(docker->client);
	loop_free(docker->loop);
	for (size_t i = 0; i < n; i++)
		free(ones[i].name);
	free(ones);
}

static void docker_close(struct runner *runner)
{
	struct docker *docker = (struct docker *)runner;

	remove_all(docker);
	FAILPOINT("docker.closed");
	for (size_t i = 0; i < docker->nslots; i++) {
		free(docker->slots[i]->pause);
		free(docker->slots[i]);
	}
	while (docker->removals) {
		struct docker_removal *removal = docker->removals;

		docker->removals = removal->next;
		removal_free(removal);
	}
	free(docker->slots);
	free(docker->tasks);
	free(docker->project);
	free(docker->run);
	free(docker->probe);
	free(docker->agent);
	free(docker->address);
	free(docker->log_driver);
	free(docker->platform);
	free(docker->image);
	free(docker);
}

const struct runner_ops runner_docker = {
	.name = "docker",
	.open = docker_open,
	.start = docker_start,
	.kill = docker_kill,
	.forget = docker_forget,
	.close = docker_close,
};
