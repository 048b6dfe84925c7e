/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "runners/docker_runner.h"
/*
 * Engines do not keep the peak of a container that has ended, so it is sampled. What the
 * page cache holds and would give back counts as free, as in `docker stats`; the peak of
 * cgroup v1 is no use, as it has that in it.
 *
 * A sample that the engine does not answer is the only sign of one that hangs while
 * everything waits; so then the container is looked at, with patience and a note.
 */

static void sample_due(void *arg);

static void take(struct docker_sample *sample, const struct js *stats)
{
	const struct js *memory = js_get(stats, "memory_stats"), *detail = js_get(memory, "stats");
	const struct js *cpu = js_get(js_get(stats, "cpu_stats"), "cpu_usage");
	int64_t usage = js_get_int(memory, "usage", 0);
	int64_t cache = js_get_int(detail, "total_inactive_file", js_get_int(detail, "inactive_file", 0));

	if (usage <= 0) /* it has ended */
		return;
	if (cache < usage)
		usage -= cache;
	if (usage > sample->peak)
		sample->peak = usage;
	sample->user_us = js_get_int(cpu, "usage_in_usermode", 0) / 1000;
	sample->system_us = js_get_int(cpu, "usage_in_kernelmode", 0) / 1000;
	sample->any = true;
}

static void sampled(void *ctx, const struct http_reply *reply)
{
	struct docker_task *task = ctx;
	struct docker_sample *sample = &task->sample;
	CLEANUP_JS struct js *stats = NULL;

	sample->call = NULL;
	sample->timer = loop_after(task->docker->loop, docker_patience.sample, sample_due, task);
	if (reply->error)
		docker_task_look(task);
	else if (reply->status == 200 && js_parse(reply->body->buf, reply->body->len, "stats", &stats, NULL) == 0)
		take(sample, stats);
}

static void sample_due(void *arg)
{
	struct docker_task *task = arg;
	CLEANUP(cleanup_free) char *path =
		docker_path(task->docker, "/containers/%s/stats?stream=0&one-shot=1", task->name);
	const struct http_request request = {
		.method = "GET",
		.path = path,
		.timeout_ms = docker_patience.call,
		.done = sampled,
		.ctx = task,
	};

	task->sample.timer = NULL;
	task->sample.call = http_start(task->docker->client, &request);
}

void docker_sample_start(struct docker_task *task)
{
	struct docker_sample *sample = &task->sample;

	if (!sample->timer && !sample->call)
		sample->timer = loop_after(task->docker->loop, docker_patience.sample_first, sample_due, task);
}

void docker_sample_stop(struct docker_task *task)
{
	loop_cancel(task->docker->loop, steal(&task->sample.timer));
	http_cancel(steal(&task->sample.call));
}
