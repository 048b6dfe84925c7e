/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/steplog.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/steplog_internal.h"

#define FLUSH_BYTES (256u << 10)
#define PACK_LEAST  4096 /* a block is a block */

struct steplog {
	struct steplog_files files;
	int fd;                   /* of the head or of the last segment */
	int failed;               /* errno of the first failed write */
	struct strbuf partial[2]; /* a line that has not ended, by stream */
	struct strbuf out;        /* whole lines, gathered for one write */
	struct steplog_at at;     /* the end of what was written */
	struct steplog_at end;    /* the end of what was gathered */
	char *tail[STEPLOG_TAIL]; /* ring of the last lines */
	size_t ntail;
};

/* ---- names ---- */

static char *log_path(const char *run, const char *step, int attempt)
{
	return attempt > 1 ? xasprintf("logs/%s/%s~%d", run, step, attempt) : xasprintf("logs/%s/%s", run, step);
}

char *steplog_file(const char *path, int segment)
{
	return segment ? xasprintf("%s" STEPLOG_PLAIN ".%d", path, segment) : xasprintf("%s" STEPLOG_PLAIN, path);
}

char *steplog_path(int mlops_fd, const char *run, const char *step, int attempt)
{
	CLEANUP(cleanup_free) char *path = log_path(run, step, attempt);
	CLEANUP(cleanup_free) char *packed = xasprintf("%s" STEPLOG_PACKED, path);
	struct stat st;

	if (fstatat(mlops_fd, packed, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return xasprintf(".mlops/%s", packed);
	return xasprintf(".mlops/%s" STEPLOG_PLAIN, path);
}

/* ---- files ---- */

/* The packed form first: while it is there, it is the log. */
static int clear_old(const struct steplog_files *f, struct error *err)
{
	CLEANUP(cleanup_free) char *packed = xasprintf("%s" STEPLOG_PACKED, f->path);

	if (io_unlink(f->mlops_fd, packed, err) < 0)
		return -1;
	for (int i = 1; i <= 2; i++) {
		CLEANUP(cleanup_free) char *segment = steplog_file(f->path, i);
		if (io_unlink(f->mlops_fd, segment, err) < 0)
			return -1;
	}
	return 0;
}

static void free_files(struct steplog_files *f)
{
	free(f->path);
	f->path = NULL;
}

int steplog_open(int mlops_fd, const char *run, const char *step, int attempt, int64_t max, struct steplog **ret,
		 struct error *err)
{
	struct steplog_files files = { .mlops_fd = mlops_fd, .path = log_path(run, step, attempt), .max = max };
	CLEANUP(cleanup_free) char *name = steplog_file(files.path, 0);
	struct steplog *log;
	int fd = -1;

	if (fs_make_parents(mlops_fd, name, 0777, err) == 0 && clear_old(&files, err) == 0) {
		fd = openat(mlops_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
		if (fd < 0)
			error_sys(err, errno, "cannot write the log .mlops/%s", name);
	}
	if (fd < 0) {
		free_files(&files);
		return -1;
	}
	log = xcalloc(1, sizeof(*log));
	log->files = files;
	log->fd = fd;
	log->out = log->partial[0] = log->partial[1] = (struct strbuf)STRBUF_INIT;
	*ret = log;
	return 0;
}

/* A segment appears with its first line, so a reader that has the one before it is told where it is. */
static int next_segment(struct steplog *log, struct error *err)
{
	struct steplog_files *f = &log->files;
	int number = f->nsegments + 1;
	CLEANUP(cleanup_free) char *name = steplog_file(f->path, steplog_segment_file(number));
	CLEANUP(cleanup_free) char *aside = xasprintf("%s.tmp", name);
	char first[80];
	int len = snprintf(first, sizeof(first), "%lld s %lld %lld\n", (long long)clock_wall_ms(),
			   (long long)log->at.lines, (long long)log->at.bytes);
	CLEANUP(cleanup_fd) int fd = -1;

	if (io_unlink(f->mlops_fd, aside, err) < 0)
		return -1;
	fd = io_create(f->mlops_fd, aside, 0666, err);
	if (fd < 0 || io_write_all(fd, first, (size_t)len, aside, err) < 0 ||
	    io_rename(f->mlops_fd, aside, f->mlops_fd, name, err) < 0)
		return -1;
	FAILPOINT("steplog.segment");
	if (!f->nsegments)
		f->head_end = log->at;
	f->nsegments = number;
	f->segments[0] = f->segments[1];
	f->segments[1] = (struct steplog_segment){ .start = log->at, .head = len, .size = len };
	close(log->fd);
	log->fd = steal_fd(&fd);
	return 0;
}

/* ---- writing ---- */

/* How much of the gathered lines the current file takes. */
static size_t room(const struct steplog *log, const char *text, size_t len)
{
	const struct steplog_files *f = &log->files;
	const struct steplog_segment *last = &f->segments[1];
	int64_t left = f->max / 2 - f->size;
	const char *end;

	if (!f->max)
		return len;
	if (f->nsegments)
		return last->size - last->head < steplog_tail_max(f) ? len : 0;
	if ((int64_t)len <= left)
		return len;
	end = memrchr(text, '\n', (size_t)left);
	return end ? (size_t)(end + 1 - text) : 0;
}

static int write_lines(struct steplog *log, const char *text, size_t len, struct error *err)
{
	struct steplog_files *f = &log->files;

	while (len) {
		size_t n = room(log, text, len);

		if (n && io_write_all(log->fd, text, n, "log", err) < 0)
			return -1;
		*(f->nsegments ? &f->segments[1].size : &f->size) += (int64_t)n;
		if (n == len)
			break;
		steplog_count(text, n, &log->at);
		text += n;
		len -= n;
		if (next_segment(log, err) < 0)
			return -1;
	}
	return 0;
}

/* Of many lines only the last are kept for whoever asks why it failed, and of a long line only its start. */
static void remember_lines(struct steplog *log)
{
	const char *text = log->out.buf, *at = text + log->out.len;
	struct steplog_line lines[STEPLOG_TAIL];
	size_t n = 0;

	while (at > text && n < STEPLOG_TAIL) {
		const char *end = at - 1, *before = memrchr(text, '\n', (size_t)(end - text));

		at = before ? before + 1 : text;
		steplog_parse_line(at, (size_t)(end - at), &lines[n++]);
	}
	while (n--) {
		char **slot = &log->tail[log->ntail++ % STEPLOG_TAIL];

		free(*slot);
		*slot = xstrndup(lines[n].text, lines[n].len < 1000 ? lines[n].len : 1000);
	}
}

void steplog_flush(struct steplog *log)
{
	struct error err;

	if (!log->out.len)
		return;
	remember_lines(log);
	if (!log->failed && write_lines(log, log->out.buf, log->out.len, &err) < 0)
		log->failed = err.sys ? err.sys : EIO;
	log->at = log->end;
	strbuf_clear(&log->out);
}

struct line_head {
	char text[32];
	size_t len;
};

static void make_head(struct line_head *head, int stream)
{
	head->len = (size_t)snprintf(head->text, sizeof(head->text), "%lld %c ", (long long)clock_wall_ms(),
				     stream ? 'e' : 'o');
}

static void add_line(struct steplog *log, const struct line_head *head, const char *text, size_t len)
{
	struct strbuf *out = &log->out;
	char *at;

	if (out->len && out->len + head->len + len > FLUSH_BYTES)
		steplog_flush(log);
	if (out->cap <= out->len + head->len + len + 1)
		strbuf_reserve(out, head->len + len + 1);
	at = out->buf + out->len;
	memcpy(at, head->text, head->len);
	memcpy(at + head->len, text, len);
	at[head->len + len] = '\n';
	at[head->len + len + 1] = '\0';
	out->len += head->len + len + 1;
	log->end.lines++;
	log->end.bytes += (int64_t)len + 1;
}

void steplog_feed(struct steplog *log, int stream, const char *data, size_t len)
{
	struct strbuf *partial = &log->partial[stream];
	struct line_head head;

	make_head(&head, stream);
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		if (partial->len + n > STEPLOG_LINE_MAX)
			n = STEPLOG_LINE_MAX - partial->len, end = NULL;
		if (partial->len || !end) {
			strbuf_add(partial, data, n);
			if (end || partial->len == STEPLOG_LINE_MAX) {
				add_line(log, &head, partial->buf, partial->len);
				strbuf_clear(partial);
			}
		} else {
			add_line(log, &head, data, n);
		}
		n += end != NULL;
		data += n;
		len -= n;
	}
}

int steplog_error(const struct steplog *log)
{
	return log->failed;
}

/* ---- the end ---- */

bool steplog_close(struct steplog *log, struct strlist *tail)
{
	if (!log || log->fd < 0)
		return false;
	for (int stream = 0; stream < 2; stream++) {
		struct line_head head;

		make_head(&head, stream);
		if (log->partial[stream].len)
			add_line(log, &head, log->partial[stream].buf, log->partial[stream].len);
		strbuf_release(&log->partial[stream]);
	}
	steplog_flush(log);
	for (size_t i = log->ntail > STEPLOG_TAIL ? log->ntail - STEPLOG_TAIL : 0; tail && i < log->ntail; i++)
		strlist_push(tail, log->tail[i % STEPLOG_TAIL]);
	for (size_t i = 0; i < STEPLOG_TAIL; i++) {
		free(log->tail[i]);
		log->tail[i] = NULL;
	}
	strbuf_release(&log->out);
	close(steal_fd(&log->fd));
	return true;
}

void steplog_finish(struct steplog *log)
{
	if (!log)
		return;
	steplog_close(log, NULL);
	if (log->files.size >= PACK_LEAST && !log->failed)
		steplog_pack(&log->files, NULL);
	free_files(&log->files);
	free(log);
}
