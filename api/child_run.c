/* SPDX-License-Identifier: Apache-2.0 */
#include "api/child_run.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"

#define LINE_MAX_BYTES (64u << 20) /* of an event or a result */

extern char **environ;

/* ---- what it says ---- */

static void take_line(struct child_run *c, const char *line, size_t len)
{
	struct js *json;

	if (!len || js_parse(line, len, "event", &json, NULL) < 0)
		return;
	if (js_get_str(json, "event")) {
		c->event(c->ctx, json);
		js_free(json);
		return;
	}
	js_free(c->result);
	c->result = json;
}

static void take_lines(struct child_run *c)
{
	size_t at = 0;
	const char *end;

	while ((end = memchr(c->unread.buf + at, '\n', c->unread.len - at))) {
		take_line(c, c->unread.buf + at, (size_t)(end - c->unread.buf) - at);
		at = (size_t)(end - c->unread.buf) + 1;
	}
	if (!at && c->unread.len < LINE_MAX_BYTES)
		return;
	if (!at)
		at = c->unread.len; /* whatever it is, it is no event */
	memmove(c->unread.buf, c->unread.buf + at, c->unread.len - at);
	c->unread.len -= at;
	c->unread.buf[c->unread.len] = '\0';
}

static void on_output(void *ctx, int fd)
{
	struct child_run *c = ctx;
	char buf[1 << 16];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		strbuf_add(&c->unread, buf, (size_t)n);
		take_lines(c);
	}
	if (n == 0)
		loop_unwatch(c->loop, fd);
}

/* ---- its life ---- */

static void end(struct child_run *c)
{
	on_output(c, c->out);
	c->ended = true;
	loop_stop(c->loop);
}

static void on_spawner(void *ctx, int fd)
{
	struct child_run *c = ctx;
	struct spawn_event event;
	int r;

	(void)fd;
	while ((r = spawner_next(c->spawner, &event, NULL)) > 0) {
		if (event.id != c->id || event.kind == SPAWN_STARTED)
			continue;
		c->failed = event.kind == SPAWN_FAILED ? event.sys : 0;
		c->exit = event.exit;
		end(c);
	}
	if (r < 0) {
		c->failed = ECHILD;
		end(c);
	}
}

/* The file may have been replaced since it was started: then it is run as it still is in memory. */
static void own_program(char ret[PATH_MAX])
{
	static const char self[] = "/proc/self/exe";
	ssize_t len = readlink(self, ret, PATH_MAX - 1);

	if (len > 0)
		ret[len] = '\0';
	if (len <= 0 || access(ret, X_OK) < 0)
		memcpy(ret, self, sizeof(self));
}

static int start(struct child_run *c, const char *dir, const struct strlist *args, struct error *err)
{
	CLEANUP(cleanup_free) const char **argv = xcalloc(args->len + 3, sizeof(*argv));
	CLEANUP(cleanup_fd) int in = -1;
	char program[PATH_MAX];
	int fds[2];

	own_program(program);
	argv[0] = c->program ? c->program : program;
	argv[1] = "--json";
	for (size_t i = 0; i < args->len; i++)
		argv[i + 2] = args->items[i];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	c->out = fds[0];
	in = fds[1];
	if (fcntl(c->out, F_SETFL, O_NONBLOCK) < 0)
		return error_sys(err, errno, "cannot prepare a pipe");
	struct process_spec spec = {
		.argv = argv, .env = (const char *const *)environ, .cwd = dir, .out = in, .err = STDERR_FILENO,
	};
	return spawner_spawn(c->spawner, c->id, &spec, err);
}

int child_run(struct child_run *c, const char *dir, const struct strlist *args, struct error *err)
{
	int r;

	child_release(c);
	c->id++;
	if (start(c, dir, args, err) < 0)
		return -1;
	loop_watch(c->loop, c->out, on_output, c);
	loop_watch(c->loop, spawner_fd(c->spawner), on_spawner, c);
	r = loop_run(c->loop, err);
	loop_unwatch(c->loop, c->out);
	loop_unwatch(c->loop, spawner_fd(c->spawner));
	if (r == 0 && c->failed)
		return error_sys(err, c->failed, "cannot start mlops in %s", dir);
	return r;
}

void child_signal(struct child_run *c, int signo)
{
	if (c->id && !c->ended)
		spawner_kill(c->spawner, c->id, signo, NULL);
}

void child_release(struct child_run *c)
{
	cleanup_fd(&c->out);
	c->out = -1;
	strbuf_release(&c->unread);
	js_free(c->result);
	c->result = NULL;
	c->ended = false;
	c->failed = 0;
	c->exit = (struct process_exit){ 0 };
}
