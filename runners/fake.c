/* SPDX-License-Identifier: Apache-2.0 */
#include "runners/fake.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/process.h"

struct fake_task {
	struct fake *fake;
	void *owner;
	char *step;
	struct runner_spec spec; /* our copy of name, workdir, argv, env */
	const struct fake_action *next;
	bool begun, ignores_term;
	int signal;               /* it is dying of this */
	struct loop_timer *timer; /* its next turn; NULL while it waits for a line or a signal */
};

struct fake {
	struct runner runner; /* first: a struct runner * is a struct fake * */
	struct loop *loop;
	const struct runner_events *events;
	struct fake_script *script;
	struct fake_task **tasks; /* in the order they were started */
	size_t ntasks, cap_tasks;
};

static void take_turn(void *ctx);

static void schedule(struct fake_task *task, int64_t ms)
{
	task->timer = loop_after(task->fake->loop, ms, take_turn, task);
}

/* Wakes those that waited for the line. */
static void note(struct fake *fake, const char *verb, const char *step, const char *more)
{
	char *line = xasprintf("%s %s%s%s", verb, step, *more ? " " : "", more);

	strlist_push_owned(&fake->script->log, line);
	for (size_t i = 0; i < fake->ntasks; i++) {
		struct fake_task *task = fake->tasks[i];

		if (!task->timer && task->next->act == FAKE_UNTIL &&
		    strcmp(task->next->text, line) == 0)
			schedule(task, 0);
	}
}

/* -- tasks -- */

static const char *const *copy_strings(const char *const *strings)
{
	size_t n = 0;
	char **copy;

	while (strings && strings[n])
		n++;
	copy = xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(strings[i]);
	return (const char *const *)copy;
}

static void free_strings(const char *const *strings)
{
	for (size_t i = 0; strings[i]; i++)
		free((char *)strings[i]);
	free((void *)strings);
}

static const struct runner_mount *copy_mounts(const struct runner_spec *spec)
{
	struct runner_mount *copy = xcalloc(spec->nmounts + 1, sizeof(*copy));

	for (size_t i = 0; i < spec->nmounts; i++)
		copy[i] = (struct runner_mount){ xstrdup(spec->mounts[i].source), xstrdup(spec->mounts[i].target),
						 spec->mounts[i].writable };
	return copy;
}

static void free_mounts(struct runner_spec *spec)
{
	for (size_t i = 0; i < spec->nmounts; i++) {
		free((char *)spec->mounts[i].source);
		free((char *)spec->mounts[i].target);
	}
	free((void *)spec->mounts);
}

static void task_free(struct fake_task *task)
{
	loop_cancel(task->fake->loop, task->timer);
	free((char *)task->spec.name);
	free((char *)task->spec.workdir);
	free_strings(task->spec.argv);
	free_strings(task->spec.env);
	free_mounts(&task->spec);
	free(task->step);
	free(task);
}

static void task_end(struct fake_task *task, const struct runner_exit *end)
{
	struct fake *fake = task->fake;
	void *owner = task->owner;
	size_t i = 0;

	while (fake->tasks[i] != task)
		i++;
	fake->ntasks--;
	memmove(&fake->tasks[i], &fake->tasks[i + 1],
		(fake->ntasks - i) * sizeof(struct fake_task *));
	fake->script->running--;
	note(fake, "exit", task->step, "");
	task_free(task);
	fake->events->exited(owner, end);
}

static void end_with(struct fake_task *task, enum runner_cause cause, int value,
		     const char *message)
{
	struct runner_exit end = { .cause = cause };

	if (cause == CAUSE_EXIT)
		end.code = value;
	else
		end.code = -1;
	if (cause == CAUSE_SIGNAL || cause == CAUSE_OOM)
		end.signal = value;
	snprintf(end.message, sizeof(end.message), "%s", message ? message : "");
	task_end(task, &end);
}

/* -- actions -- */

static void print(struct fake_task *task, enum runner_stream stream, const char *text)
{
	if (*text)
		task->fake->events->output(task->owner, stream, text, strlen(text));
}

/* A test that cannot write sees its step fail, and why. */
static bool write_file(struct fake_task *task, const struct fake_action *action)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/%s", task->spec.workdir, action->text);
	CLEANUP(cleanup_free) char *why = NULL;
	CLEANUP(cleanup_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t len = strlen(action->data);

	if (fd >= 0 && write(fd, action->data, len) == (ssize_t)len)
		return true;
	why = xasprintf("cannot write %s: %s\n", path, strerror(errno));
	print(task, RUNNER_STDERR, why);
	return false;
}

static bool make_link(struct fake_task *task, const struct fake_action *action)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/%s", task->spec.workdir, action->text);

	return symlink(action->data, path) == 0;
}

/* False when the task has ended. */
static bool play(struct fake_task *task, const struct fake_action *action)
{
	switch (action->act) {
	case FAKE_STDOUT:
		print(task, RUNNER_STDOUT, action->text);
		return true;
	case FAKE_STDERR:
		print(task, RUNNER_STDERR, action->text);
		return true;
	case FAKE_FILE:
		if (write_file(task, action))
			return true;
		end_with(task, CAUSE_EXIT, 1, NULL);
		return false;
	case FAKE_LINK:
		if (make_link(task, action))
			return true;
		end_with(task, CAUSE_EXIT, 1, NULL);
		return false;
	case FAKE_CALL:
		action->call(action->ctx, &task->spec);
		return true;
	case FAKE_IGNORE_TERM:
		task->ignores_term = true;
		return true;
	case FAKE_SIGNAL:
		end_with(task, CAUSE_SIGNAL, action->value, process_signal_name(action->value));
		return false;
	case FAKE_OOM:
		end_with(task, CAUSE_OOM, SIGKILL, "out of memory");
		return false;
	case FAKE_LOST:
		end_with(task, CAUSE_LOST, 0, action->text);
		return false;
	case FAKE_CANNOT:
		end_with(task, CAUSE_START, 0, action->text);
		return false;
	default:
		end_with(task, CAUSE_EXIT, action->value, NULL);
		return false;
	}
}

/* The three that take time. A wait, once over, is behind. */
static bool wait_for(struct fake_task *task, const struct fake_action *action)
{
	switch (action->act) {
	case FAKE_DELAY:
		task->next++;
		schedule(task, action->value);
		return true;
	case FAKE_UNTIL:
		if (!strlist_has(&task->fake->script->log, action->text))
			return true;
		task->next++;
		schedule(task, 0);
		return true;
	case FAKE_HANG:
		return true;
	default:
		return false;
	}
}

static void take_turn(void *ctx)
{
	struct fake_task *task = ctx;
	const struct fake_action *action = task->next;

	task->timer = NULL;
	if (task->signal) {
		end_with(task, CAUSE_SIGNAL, task->signal, process_signal_name(task->signal));
		return;
	}
	if (!task->begun && action->act != FAKE_CANNOT) {
		task->begun = true;
		schedule(task, 0);
		task->fake->events->started(task->owner, task->step);
		return;
	}
	if (wait_for(task, action) || !play(task, action))
		return;
	task->next++;
	/* A callback may have killed it, and that turn comes first. */
	if (!task->timer)
		schedule(task, 0);
}

/* -- the runner -- */

static int fake_open(struct loop *loop, const struct runner_events *events, void *config,
		     struct runner **ret, struct error *err)
{
	struct fake *fake = xcalloc(1, sizeof(*fake));

	(void)err;
	fake->runner.ops = &runner_fake;
	fake->loop = loop;
	fake->events = events;
	fake->script = config;
	*ret = &fake->runner;
	return 0;
}

/* Takes RUN-STEP-ATTEMPT apart; any other name is a step's, at its first attempt. */
static char *step_of(const char *name, int *ret_attempt)
{
	const char *first = strchr(name, '-'), *last = strrchr(name, '-');
	char *end;
	long attempt;

	*ret_attempt = 1;
	if (!first || first == last || !isdigit((unsigned char)last[1]))
		return xstrdup(name);
	attempt = strtol(last + 1, &end, 10);
	if (*end)
		return xstrdup(name);
	*ret_attempt = (int)attempt;
	return xstrndup(first + 1, (size_t)(last - first - 1));
}

static const struct fake_action *find_actions(const struct fake_script *script, const char *name,
					      const char *step, int attempt)
{
	static const struct fake_action nothing[] = { { .act = FAKE_END } };

	for (size_t i = 0; i < script->nsteps; i++) {
		const struct fake_step *known = &script->steps[i];

		if (strcmp(known->name, step) != 0 && strcmp(known->name, name) != 0)
			continue;
		if (!known->attempt || known->attempt == attempt)
			return known->actions;
	}
	return nothing;
}

/* Where the work directory is on this machine. */
static const char *work_place(const struct runner_spec *spec)
{
	for (size_t i = 0; i < spec->nmounts; i++)
		if (!strcmp(spec->mounts[i].target, spec->workdir))
			return spec->mounts[i].source;
	return spec->workdir ? spec->workdir : ".";
}

static int fake_start(struct runner *runner, const struct runner_spec *spec, void *owner,
		      struct error *err)
{
	struct fake *fake = (struct fake *)runner;
	CLEANUP(cleanup_free) char *step = NULL;
	const struct fake_action *actions;
	struct fake_task *task;
	int attempt;

	step = step_of(spec->name, &attempt);
	actions = find_actions(fake->script, spec->name, step, attempt);
	if (actions->act == FAKE_REFUSE) {
		note(fake, "refuse", step, "");
		return error_set(err, ERR_ENV, "%s", actions->text);
	}
	task = xcalloc(1, sizeof(*task));
	task->fake = fake;
	task->owner = owner;
	task->step = steal(&step);
	task->next = actions;
	task->spec = *spec;
	task->spec.name = xstrdup(spec->name);
	task->spec.workdir = xstrdup(work_place(spec));
	task->spec.argv = copy_strings(spec->argv);
	task->spec.env = copy_strings(spec->env);
	task->spec.image = NULL;
	task->spec.mounts = copy_mounts(spec);
	schedule(task, 0);
	GROW(fake->tasks, fake->ntasks, fake->cap_tasks);
	fake->tasks[fake->ntasks++] = task;
	if (++fake->script->running > fake->script->most_running)
		fake->script->most_running = fake->script->running;
	note(fake, "start", task->step, "");
	return 0;
}

static void fake_kill(struct runner *runner, void *owner, int signo)
{
	struct fake *fake = (struct fake *)runner;

	for (size_t i = 0; i < fake->ntasks; i++) {
		struct fake_task *task = fake->tasks[i];

		if (task->owner != owner)
			continue;
		note(fake, "kill", task->step, process_signal_name(signo));
		if (signo != SIGKILL && (task->ignores_term || task->signal))
			return;
		task->signal = signo;
		loop_cancel(fake->loop, task->timer);
		schedule(task, 0);
		return;
	}
}

static void fake_close(struct runner *runner)
{
	struct fake *fake = (struct fake *)runner;

	fake->script->running -= fake->ntasks;
	for (size_t i = 0; i < fake->ntasks; i++)
		task_free(fake->tasks[i]);
	free(fake->tasks);
	free(fake);
}

const struct runner_ops runner_fake = {
	.name = "fake",
	.open = fake_open,
	.start = fake_start,
	.kill = fake_kill,
	.close = fake_close,
};
