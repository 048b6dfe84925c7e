/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/detach.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "api/run_log.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"
#include "cli/signals.h"

#define PROGRESS_MS 100

struct detach {
	pthread_mutex_t mutex; /* progress may come from a worker */
	struct progress progress;
	int pipe;              /* -1: the parent knows the run */
	int64_t progress_ms;
	struct steplog *log;
	struct strbuf notes;   /* from before the log */
};

static void send_word(struct detach *d, const struct js *word)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	size_t sent = 0;
	ssize_t n = 0;

	js_dump(word, JS_COMPACT, &text);
	strbuf_putc(&text, '\n');
	pthread_mutex_lock(&d->mutex);
	while (d->pipe >= 0 && sent < text.len && ((n = write(d->pipe, text.buf + sent, text.len - sent)) >= 0 || errno == EINTR))
		sent += n > 0 ? (size_t)n : 0;
	pthread_mutex_unlock(&d->mutex);
}

static void send_last(struct detach *d, const struct js *word)
{
	send_word(d, word);
	pthread_mutex_lock(&d->mutex);
	cleanup_fd(&d->pipe);
	d->pipe = -1;
	pthread_mutex_unlock(&d->mutex);
}

static bool report(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total_bytes)
{
	struct detach *d = ctx;
	int64_t now = clock_mono_ms();
	CLEANUP_JS struct js *word = NULL;
	bool due;

	pthread_mutex_lock(&d->mutex);
	due = d->pipe >= 0 && now - d->progress_ms >= PROGRESS_MS;
	if (due)
		d->progress_ms = now;
	pthread_mutex_unlock(&d->mutex);
	if (!due)
		return false;
	word = js_object();
	js_set_str(word, "progress", what);
	js_set_int(word, "files", (int64_t)files);
	js_set_int(word, "bytes", (int64_t)bytes);
	js_set_int(word, "total_bytes", (int64_t)total_bytes);
	send_word(d, word);
	return false;
}

const struct progress *detach_progress(struct detach *d)
{
	return &d->progress;
}

/* ---- the two processes ---- */

/* A descriptor of the terminal that stayed open would keep its window, or a pipe's reader. */
static int leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -1;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return -1;
	if (null > STDERR_FILENO)
		close(null);
	return 0;
}

/* No leader of its session, so that no terminal it opens becomes its own. */
static struct detach *become_child(int fd)
{
	struct detach *d;
	CLEANUP_JS struct js *word = js_object();
	pid_t pid;

	setsid();
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	signals_detach();
	if (leave_terminal() < 0)
		_exit(1);
	d = xcalloc(1, sizeof(*d));
	d->pipe = fd;
	d->notes = (struct strbuf)STRBUF_INIT;
	d->progress = (struct progress){ .report = report, .ctx = d };
	pthread_mutex_init(&d->mutex, NULL);
	js_set_int(word, "pid", getpid());
	send_word(d, word);
	return d;
}

int detach_fork(struct detach **ret_child, FILE **ret_words, struct error *err)
{
	int fds[2], status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe");
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		*ret_child = become_child(fds[1]);
		return 0;
	}
	close(fds[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status) {
		close(fds[0]);
		return error_sys(err, EAGAIN, "cannot fork");
	}
	*ret_words = fdopen(fds[0], "r");
	return 1;
}

/* ---- the child ---- */

static void open_log(struct detach *d, struct op_context *ctx, const char *run)
{
	if (!d->log)
		d->log = run_log_open(ctx, run);
	if (!d->log)
		return;
	run_log_add(d->log, true, d->notes.buf, d->notes.len);
	strbuf_release(&d->notes);
}

static void on_note(struct detach *d, const struct js *event)
{
	CLEANUP(cleanup_free) char *line = xasprintf("note: %s\n", js_get_str(event, "text"));

	if (d->pipe >= 0)
		send_word(d, event);
	if (!d->log) {
		strbuf_puts(&d->notes, line);
		return;
	}
	run_log_add(d->log, true, line, strlen(line));
}

static void on_recorded(struct detach *d, struct op_context *ctx, const char *run)
{
	CLEANUP_JS struct js *word = js_object();

	open_log(d, ctx, run);
	js_set_str(word, "run_id", run);
	send_last(d, word);
}

void detach_event(struct detach *d, struct op_context *ctx, const struct js *event)
{
	const char *name = js_get_str(event, "event"), *run = js_get_str(event, "run");

	if (!strcmp(name, "note") && js_get_str(event, "text"))
		on_note(d, event);
	else if (!strcmp(name, "recorded") && run && d->pipe >= 0)
		on_recorded(d, ctx, run);
}

void detach_end(struct detach *d, const struct js *result, const struct error *err, const char *text)
{
	CLEANUP_JS struct js *word = js_object();

	if (d->log) {
		run_log_add(d->log, err != NULL, text, strlen(text));
		run_log_close(d->log);
	}
	if (d->pipe >= 0) {
		js_set(word, "result", result ? js_ref((struct js *)result) : js_null());
		if (err)
			js_set(word, "error", error_to_json(err));
		send_last(d, word);
	}
	strbuf_release(&d->notes);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}

/* ---- the parent ---- */

/* 1: more will come; else as detach_wait. */
static int take_word(const struct js *word, const struct detach_reader *reader, struct js **ret_result, struct error *err)
{
	const char *progress = js_get_str(word, "progress"), *run = js_get_str(word, "run_id");

	if (js_get(word, "pid")) {
		signals_forward((pid_t)js_get_int(word, "pid", 0));
		return 1;
	}
	if (progress) {
		reader->progress->report(reader->progress->ctx, progress, (uint64_t)js_get_int(word, "files", 0),
					 (uint64_t)js_get_int(word, "bytes", 0), (uint64_t)js_get_int(word, "total_bytes", 0));
		return 1;
	}
	if (js_get_str(word, "event")) {
		reader->event(reader->ctx, word);
		return 1;
	}
	if (run) {
		*ret_result = js_object();
		js_set_str(*ret_result, "run_id", run);
		js_set_bool(*ret_result, "detached", true);
		return 0;
	}
	if (js_typeof(js_get(word, "result")) == JS_OBJECT)
		*ret_result = js_ref(js_get(word, "result"));
	return js_get(word, "error") ? error_from_json(js_get(word, "error"), "the run failed", err) : 0;
}

int detach_wait(FILE *words, const struct detach_reader *reader, struct js **ret_result, struct error *err)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int r = 1;

	while (r == 1 && (len = getline(&line, &cap, words)) > 0) {
		CLEANUP_JS struct js *word = NULL;

		if (js_parse(line, (size_t)len, "the detached run", &word, err) < 0)
			r = -1;
		else
			r = take_word(word, reader, ret_result, err);
	}
	free(line);
	fclose(words);
	signals_forward(0);
	if (r == 1)
		return error_set(err, ERR_ENV, "the detached process ended before its run began");
	return r;
}
