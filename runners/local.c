/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/process.h"
#include "runners/oom.h"
#include "runners/runner.h"
/*
 * Local processes, started by the spawner. Their output comes through two pipes that
 * are read only once the spawner has said STARTED, so that `started` precedes output,
 * and for the last time when it has said EXITED: nothing of the step lives then, so
 * what the pipes hold is all there will be, whoever else may have the other end open.
 *
 * The kernel does not say why it killed. A SIGKILL that we did not send, while the
 * machine's count of out-of-memory kills rose, is taken for one of those.
 */

#define CHUNK (256 << 10)
#define PIPE  (1 << 20) /* what a step may print while it is not read; a program that waits for us prints nothing */

struct local;
struct stream {
	struct local_task *task;
	enum runner_stream which;
	int fd; /* -1 at its end */
};

struct local_task {
	struct local *local;
	uint32_t id; /* the spawner's */
	void *owner;
	char *program, *workdir;
	pid_t pid;   /* 0 until started */
	bool killed; /* by us */
	int64_t oom_before;
	struct stream streams[2];
};

struct local {
	struct runner runner; /* first: a struct runner * is a struct local * */
	struct loop *loop;
	const struct runner_events *events;
	struct spawner *spawner;
	bool gone; /* the spawner */
	struct local_task **tasks;
	size_t ntasks, cap_tasks;
	struct oom_count oom;
	char buf[CHUNK];
};

/* Never used twice, so that events of a runner closed before are told from ours. */
static uint32_t last_id;

/* A shell reports a child's death by SIGKILL as 137. */
static bool out_of_memory(struct local_task *task, const struct process_exit *end)
{
	if (task->killed || task->oom_before < 0 ||
	    (end->signal != SIGKILL && end->code != 128 + SIGKILL))
		return false;
	return oom_count_read(&task->local->oom, 0) > task->oom_before;
}

/* -- tasks -- */

static void stream_close(struct stream *stream)
{
	if (stream->fd < 0)
		return;
	loop_unwatch(stream->task->local->loop, stream->fd);
	close(steal_fd(&stream->fd));
}

static void task_free(struct local_task *task)
{
	stream_close(&task->streams[0]);
	stream_close(&task->streams[1]);
	free(task->program);
	free(task->workdir);
	free(task);
}

static void task_forget(struct local_task *task)
{
	struct local *local = task->local;

	for (size_t i = 0; i < local->ntasks; i++)
		if (local->tasks[i] == task) {
			local->tasks[i] = local->tasks[--local->ntasks];
			return;
		}
}

/* Bytes read; 0 at the end of the stream; -1 none now. */
static ssize_t stream_read(struct stream *stream, size_t max)
{
	struct local *local = stream->task->local;
	ssize_t n;

	do
		n = read(stream->fd, local->buf, max < CHUNK ? max : CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return 0;
	if (n > 0)
		local->events->output(stream->task->owner, stream->which, local->buf, (size_t)n);
	return n;
}

static void stream_ready(void *ctx, int fd)
{
	struct stream *stream = ctx;

	(void)fd;
	if (stream_read(stream, CHUNK) == 0)
		stream_close(stream);
}

/* As much as is there now: one that still writes must not keep us here. */
static void stream_drain(struct stream *stream)
{
	int left = 0;

	if (stream->fd < 0 || ioctl(stream->fd, FIONREAD, &left) < 0)
		return;
	while (left > 0) {
		ssize_t n = stream_read(stream, (size_t)left);

		if (n <= 0)
			return;
		left -= (int)n;
	}
}

static void task_end(struct local_task *task, const struct runner_exit *end)
{
	struct local *local = task->local;
	void *owner = task->owner;

	if (task->pid) {
		stream_drain(&task->streams[RUNNER_STDOUT]);
		stream_drain(&task->streams[RUNNER_STDERR]);
	}
	task_forget(task);
	task_free(task);
	local->events->exited(owner, end);
}

/* -- what the spawner says -- */

static void task_started(struct local_task *task, const struct spawn_event *event)
{
	char handle[32];

	task->pid = event->pid;
	for (size_t i = 0; i < ARRAY_LEN(task->streams); i++)
		loop_watch(task->local->loop, task->streams[i].fd, stream_ready, &task->streams[i]);
	snprintf(handle, sizeof(handle), "pid %d", (int)event->pid);
	task->local->events->started(task->owner, handle);
}

static void task_failed(struct local_task *task, const struct spawn_event *event)
{
	struct runner_exit end = { .cause = CAUSE_START, .lasting = true };

	if (access(task->workdir, X_OK) < 0)
		snprintf(end.message, sizeof(end.message), "cannot enter %s: %s", task->workdir,
			 strerror(errno));
	else if (event->sys == ENOEXEC)
		snprintf(end.message, sizeof(end.message),
			 "cannot run %s: no program, and no script with a #! line", task->program);
	else
		snprintf(end.message, sizeof(end.message), "cannot run %s: %s", task->program,
			 event->sys == ENOENT ? "no such program" : strerror(event->sys));
	task_end(task, &end);
}

static void task_exited(struct local_task *task, const struct spawn_event *event)
{
	const struct process_exit *from = &event->exit;
	struct runner_exit end = { .cause = CAUSE_EXIT,
				   .code = from->code,
				   .signal = from->signal,
				   .user_us = from->user_us,
				   .system_us = from->system_us,
				   .max_rss = from->max_rss };

	if (out_of_memory(task, from)) {
		end.cause = CAUSE_OOM;
		snprintf(end.message, sizeof(end.message), "killed by the kernel, out of memory");
	} else if (from->signal) {
		end.cause = CAUSE_SIGNAL;
		snprintf(end.message, sizeof(end.message), "killed by %s",
			 process_signal_name(from->signal));
	}
	task_end(task, &end);
}

/* Its steps die with it; their groups are ours to end. */
static void spawner_lost(struct local *local, const struct error *why)
{
	struct runner_exit end = { .cause = CAUSE_LOST };

	local->gone = true;
	loop_unwatch(local->loop, spawner_fd(local->spawner));
	snprintf(end.message, sizeof(end.message), "%.200s", why->msg);
	while (local->ntasks) {
		struct local_task *task = local->tasks[0];

		if (task->pid > 0)
			kill(-task->pid, SIGKILL);
		task_end(task, &end);
	}
}

static struct local_task *find_task(const struct local *local, uint32_t id)
{
	for (size_t i = 0; i < local->ntasks; i++)
		if (local->tasks[i]->id == id)
			return local->tasks[i];
	return NULL;
}

static void spawner_ready(void *ctx, int fd)
{
	static void (*const handlers[])(struct local_task *, const struct spawn_event *) = {
		[SPAWN_STARTED] = task_started,
		[SPAWN_FAILED] = task_failed,
		[SPAWN_EXITED] = task_exited,
	};
	struct local *local = ctx;
	struct spawn_event event;
	struct error err = { 0 };
	int rc;

	(void)fd;
	while ((rc = spawner_next(local->spawner, &event, &err)) == 1) {
		struct local_task *task = find_task(local, event.id);

		if (task)
			handlers[event.kind](task, &event);
	}
	if (rc < 0)
		spawner_lost(local, &err);
}

/* -- the runner -- */

static int local_open(struct loop *loop, const struct runner_events *events, void *config,
		      struct runner **ret, struct error *err)
{
	struct local *local = xcalloc(1, sizeof(*local));

	(void)err;
	local->runner.ops = &runner_local;
	local->loop = loop;
	local->events = events;
	local->spawner = config;
	local->oom = (struct oom_count)OOM_COUNT_INIT;
	loop_watch(loop, spawner_fd(local->spawner), spawner_ready, local);
	*ret = &local->runner;
	return 0;
}

/* Our end does not block; the step's does, as a program expects. */
static int open_pipe(int ret[2], const char *name, struct error *err)
{
	if (pipe2(ret, O_CLOEXEC) < 0 || fcntl(ret[0], F_SETFL, O_NONBLOCK) < 0)
		return error_sys(err, errno, "cannot make a pipe for %s", name);
	fcntl(ret[0], F_SETPIPE_SZ, PIPE); /* one of 64 KiB does, too: users may have but so much in pipes */
	return 0;
}

static int local_start(struct runner *runner, const struct runner_spec *spec, void *owner,
		       struct error *err)
{
	struct local *local = (struct local *)runner;
	CLEANUP(cleanup_fd) int out_write = -1;
	CLEANUP(cleanup_fd) int err_write = -1;
	int out[2] = { -1, -1 }, errs[2] = { -1, -1 }, rc;
	struct local_task *task;
	struct process_spec process = { .argv = spec->argv,
					.env = spec->env,
					.cwd = spec->workdir };

	if (local->gone)
		return error_set(err, ERR_ENV,
				 "cannot start %s: the process that starts steps is gone",
				 spec->name);
	rc = open_pipe(out, spec->name, err);
	if (rc == 0)
		rc = open_pipe(errs, spec->name, err);
	out_write = process.out = out[1];
	err_write = process.err = errs[1];
	task = xcalloc(1, sizeof(*task));
	task->local = local;
	task->streams[RUNNER_STDOUT] = (struct stream){ task, RUNNER_STDOUT, out[0] };
	task->streams[RUNNER_STDERR] = (struct stream){ task, RUNNER_STDERR, errs[0] };
	task->id = ++last_id;
	if (rc == 0)
		rc = spawner_spawn(local->spawner, task->id, &process, err);
	if (rc < 0) {
		task_free(task);
		return -1;
	}
	task->owner = owner;
	task->program = xstrdup(spec->argv[0]);
	task->workdir = xstrdup(spec->workdir);
	task->oom_before = oom_count_read(&local->oom, OOM_FRESH_MS);
	GROW(local->tasks, local->ntasks, local->cap_tasks);
	local->tasks[local->ntasks++] = task;
	return 0;
}

static void local_kill(struct runner *runner, void *owner, int signo)
{
	struct local *local = (struct local *)runner;

	for (size_t i = 0; i < local->ntasks; i++) {
		struct local_task *task = local->tasks[i];

		if (task->owner != owner)
			continue;
		task->killed |= signo == SIGKILL;
		/* It fails when the spawner is gone, which ends the task by itself. */
		spawner_kill(local->spawner, task->id, signo, NULL);
		return;
	}
}

static void local_close(struct runner *runner)
{
	struct local *local = (struct local *)runner;

	if (!local->gone)
		loop_unwatch(local->loop, spawner_fd(local->spawner));
	for (size_t i = 0; i < local->ntasks; i++) {
		spawner_kill(local->spawner, local->tasks[i]->id, SIGKILL, NULL);
		task_free(local->tasks[i]);
	}
	free(local->tasks);
	free(local);
}

const struct runner_ops runner_local = {
	.name = "local",
	.open = local_open,
	.start = local_start,
	.kill = local_kill,
	.close = local_close,
};
