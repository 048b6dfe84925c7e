/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
/*
 * What the steps of a run printed (pipeline/steplog.h), once or for as long as the run goes on:
 * then every tick looks for new logs and shows what each one gained, so that no step waits for
 * another.
 */

#define TICK_NS 100000000
#define LOG_END ".log"

struct log {
	char *step;
	off_t at;           /* read up to here */
	struct strbuf rest; /* a line that has not ended */
};
struct logs {
	struct op_context *ctx;
	const char *run;
	const char *only; /* the one step to show, or NULL: all */
	int dir;          /* -1: nothing was logged yet */
	struct log *items; /* in order of their start; those that came later as they appeared */
	size_t len, cap;
	struct strmap known; /* steps in items */
};

static void logs_release(struct logs *l)
{
	for (size_t i = 0; i < l->len; i++) {
		free(l->items[i].step);
		strbuf_release(&l->items[i].rest);
	}
	free(l->items);
	strmap_release(&l->known);
	cleanup_fd(&l->dir);
}

/* ---- finding them ---- */

/* -1: no regular file, whatever its name says. A FIFO's open must not wait for a writer. */
static int open_log(const struct logs *l, const char *step, off_t *ret_size)
{
	CLEANUP(cleanup_free) char *file = xasprintf("%s" LOG_END, step);
	CLEANUP(cleanup_fd)
	int fd = openat(l->dir, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	*ret_size = st.st_size;
	return steal_fd(&fd);
}

static void add_log(struct logs *l, const char *step)
{
	CLEANUP(cleanup_fd) int fd = -1;
	off_t size;

	if (strmap_has(&l->known, step) || (fd = open_log(l, step, &size)) < 0)
		return;
	GROW(l->items, l->len, l->cap);
	l->items[l->len++] = (struct log){.step = xstrdup(step), .rest = STRBUF_INIT};
	strmap_set(&l->known, step, NULL);
}

static int add_started(struct logs *l, struct error *err)
{
	CLEANUP_JS struct js *attempts = NULL;
	struct db *db;

	if (project_db(l->ctx->project, &db, err) < 0 ||
	    attempts_list(db, l->run, &attempts, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(attempts); i++)
		add_log(l, js_get_str(js_at(attempts, i), "step"));
	return 0;
}

/* Those that are new since the last time. */
static int find_logs(struct logs *l, struct error *err)
{
	struct strlist files CLEANUP(strlist_release) = STRLIST_INIT;

	if (l->dir < 0) {
		CLEANUP(cleanup_free) char *path = xasprintf("logs/%s", l->run);
		struct error why;

		l->dir =
		    fs_open_beneath(l->ctx->project->homefd, path, O_RDONLY | O_DIRECTORY, 0, &why);
		if (l->dir < 0 && why.code == ERR_NOT_FOUND)
			return 0;
		if (l->dir < 0) {
			if (err)
				*err = why;
			return -1;
		}
		if (add_started(l, err) < 0)
			return -1;
	}
	if (fs_list_dir(l->dir, ".", &files, err) < 0)
		return error_wrap(err, "logs of run %.8s", l->run);
	for (size_t i = 0; i < files.len; i++) {
		size_t len = strlen(files.items[i]), end = strlen(LOG_END);

		if (len <= end || strcmp(files.items[i] + len - end, LOG_END) != 0)
			continue;
		files.items[i][len - end] = '\0';
		add_log(l, files.items[i]);
	}
	return 0;
}

/* ---- showing them ---- */

/* "MS o TEXT" -> "TEXT"; NULL when the line ends before it. */
static const char *text_of(const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);

	return space && len - (size_t)(space - line) >= 3 ? space + 3 : NULL;
}

/* Whatever it is that has no head is shown as it is. */
static int write_line(const struct logs *l, const struct log *log, const char *line, size_t len)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	const char *text = text_of(line, len);

	text = text ? text : line;
	if (!l->only && l->len > 1)
		strbuf_printf(&out, "%s | ", log->step);
	strbuf_add(&out, text, len - (size_t)(text - line));
	strbuf_putc(&out, '\n');
	return l->ctx->write(l->ctx->ctx, out.buf, out.len);
}

static int write_lines(const struct logs *l, struct log *log)
{
	const char *line = log->rest.buf, *end;
	size_t left = log->rest.len;

	while ((end = memchr(line, '\n', left))) {
		if (write_line(l, log, line, (size_t)(end - line)) < 0)
			return -1;
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(log->rest.buf, line, left + 1);
	log->rest.len = left;
	return 0;
}

/* Up to its size of now: one that grows as fast as it is read must not hold up the others.
 * 0, or -1 when the reader is gone. */
static int drain(const struct logs *l, struct log *log)
{
	CLEANUP(cleanup_fd) int fd = -1;
	char buf[1 << 16];
	off_t size;

	fd = open_log(l, log->step, &size);
	while (fd >= 0 && log->at < size) {
		ssize_t n = pread(fd, buf, sizeof(buf), log->at);

		if (n <= 0)
			break;
		log->at += n;
		strbuf_add(&log->rest, buf, (size_t)n);
		if (write_lines(l, log) < 0)
			return -1;
	}
	return 0;
}

/* Its writer was killed in the middle of a line; of the head alone there is nothing to show. */
static int write_rest(const struct logs *l, struct log *log)
{
	const char *text = text_of(log->rest.buf, log->rest.len);

	if (!text || text == log->rest.buf + log->rest.len)
		return 0;
	return write_line(l, log, log->rest.buf, log->rest.len);
}

static int show_logs(const struct logs *l, bool ended)
{
	for (size_t i = 0; i < l->len; i++) {
		struct log *log = &l->items[i];

		if (l->only && strcmp(l->only, log->step) != 0)
			continue;
		if (drain(l, log) < 0 || (ended && write_rest(l, log) < 0))
			return -1;
	}
	return 0;
}

static bool run_is_alive(struct project *p, const char *run)
{
	char name[48];
	int fd;

	snprintf(name, sizeof(name), "run-%s", run);
	if (faccessat(p->locksfd, name, F_OK, 0) < 0)
		return false;
	fd = lock_take(p->locksfd, name, LOCK_SHARED, LOCK_TRY, NULL, NULL, NULL);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

/* Why there is nothing to show, if so. */
static int check_found(const struct logs *l, struct error *err)
{
	struct strlist steps CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *known = NULL;
	const char *near;

	if (!l->len) {
		error_set(err, ERR_NOT_FOUND, "run %.8s has no logs", l->run);
		return error_help(err, "run: mlops show %.8s", l->run);
	}
	if (!l->only || strmap_has(&l->known, l->only))
		return 0;
	for (size_t i = 0; i < l->len; i++)
		strlist_push(&steps, l->items[i].step);
	near = strlist_nearest(&steps, l->only);
	known = strlist_join(&steps, ", ");
	error_set(err, ERR_NOT_FOUND, "run %.8s has no log of step %s", l->run, l->only);
	return near ? error_help(err, "did you mean %s?", near)
		    : error_help(err, "it has: %s", known);
}

/* Whether the run goes on is asked first: what it wrote before its end is then found after it. */
static int follow_logs(struct logs *l, bool follow, struct error *err)
{
	static const struct timespec tick = {0, TICK_NS};

	for (;;) {
		bool alive = run_is_alive(l->ctx->project, l->run);

		if (find_logs(l, err) < 0)
			return -1;
		if (show_logs(l, !alive) < 0)
			return 0;
		if (!alive || !follow)
			return check_found(l, err);
		nanosleep(&tick, NULL);
	}
}

/* ---- the operation ---- */

/* One word may also be a step of the last run. */
static int resolve_run(struct op_context *ctx, const char *text, const char **step,
		       struct name *ret, struct error *err)
{
	struct name last;

	if (name_resolve(ctx->project, text ? text : "last", ACCEPT_RUN, ret, err) == 0)
		return 0;
	if (!text || *step || !err || err->code != ERR_NOT_FOUND ||
	    name_resolve(ctx->project, "last", ACCEPT_RUN, &last, NULL) < 0)
		return -1;
	*ret = last;
	*step = text;
	return 0;
}

/* The run and, when a step's own run was named, its step. */
static int find_log(struct op_context *ctx, const struct js *args, char run[33], char **ret_step,
		    struct error *err)
{
	const char *text = js_get_str(args, "run"), *step = js_get_str(args, "step");
	CLEANUP_JS struct js *loaded = NULL;
	struct name name;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    resolve_run(ctx, text, &step, &name, err) < 0 ||
	    run_load(db, name.run, &loaded, err) < 0)
		return -1;
	if (js_get_str(loaded, "parent")) {
		snprintf(run, 33, "%s", js_get_str(loaded, "parent"));
		step = step ? step : js_get_str(loaded, "step");
	} else {
		snprintf(run, 33, "%s", name.run);
	}
	*ret_step = step ? xstrdup(step) : NULL;
	return 0;
}

/* run.logs {run, step, follow}: writes the lines that steps printed. A step that has not started is
 * waited for with `follow`. */
int op_logs(struct op_context *ctx, const struct js *args, struct js **ret_result,
	    struct error *err)
{
	struct logs logs CLEANUP(logs_release) = {.ctx = ctx, .dir = -1, .known = STRMAP_INIT};
	CLEANUP(cleanup_free) char *step = NULL;
	char run[33];

	(void)ret_result;
	if (find_log(ctx, args, run, &step, err) < 0)
		return -1;
	logs.run = run;
	logs.only = step;
	return follow_logs(&logs, js_get_bool(args, "follow"), err);
}
