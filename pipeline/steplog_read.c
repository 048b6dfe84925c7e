/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/compress.h"
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/steplog_internal.h"
/*
 * A log changes its form while it is read: its head stops growing, segments come and go, all become one
 * compressed file. What stays is the number of a line. So a reader keeps how many lines were told, each file says
 * where in the log it starts, and of a file that is read anew what was told is passed over.
 *
 * The packed file is looked for first, then the segments, then the head. Writers make them in the other order, and
 * drop the head before the segments: so a head that is there was complete when a segment was there before it.
 */

#define CHUNK    (64u << 10)
#define REST_MAX (2 * STEPLOG_LINE_MAX) /* no line of ours is as long */

struct steplog_reader {
	char *name;             /* "STEP", "STEP~2" */
	struct steplog_at told; /* the place up to which lines were told, or their cut was */
	struct steplog_at part; /* where the file that is being read starts; {0, 0} the head */
	off_t offset;           /* of what was read of it */
	struct strbuf rest;     /* a line that has not ended */
	bool packed;            /* all was told */
};

/* One reading of one file. */
struct scan {
	struct steplog_reader *r;
	struct steplog_at at; /* in the log, before the next line of the file */
	int (*take)(void *ctx, const struct steplog_line *);
	void *ctx;
};

struct steplog_reader *steplog_reader_new(const char *step, int attempt)
{
	struct steplog_reader *r = xcalloc(1, sizeof(*r));

	r->name = attempt > 1 ? xasprintf("%s~%d", step, attempt) : xstrdup(step);
	r->rest = (struct strbuf)STRBUF_INIT;
	return r;
}

void steplog_reader_free(struct steplog_reader *r)
{
	if (!r)
		return;
	free(r->name);
	strbuf_release(&r->rest);
	free(r);
}

/* ---- lines ---- */

/* What stands between what was told and a place behind it is not there any more. */
static int tell_cut(struct scan *s, int64_t time, const struct steplog_at *to)
{
	struct steplog_reader *r = s->r;
	struct steplog_at cut = { to->lines - r->told.lines, to->bytes - r->told.bytes };
	char text[128];
	struct steplog_line line = { .time = time, .stream = 'c', .text = text };

	if (cut.lines <= 0)
		return 0;
	r->told = *to;
	line.len = (size_t)steplog_format_cut(text, sizeof(text), &cut);
	return s->take(s->ctx, &line);
}

static int take_line(struct scan *s, const char *text, size_t len)
{
	struct steplog_reader *r = s->r;
	struct steplog_line line;
	struct steplog_at cut;

	steplog_parse_line(text, len, &line);
	if (line.stream == 's')
		return 0;
	if (steplog_parse_cut(&line, &cut)) {
		s->at.lines += cut.lines;
		s->at.bytes += cut.bytes;
		return tell_cut(s, line.time, &s->at);
	}
	s->at.lines++;
	s->at.bytes += (int64_t)line.len + 1;
	if (s->at.lines <= r->told.lines)
		return 0;
	r->told = s->at;
	return s->take(s->ctx, &line);
}

/* Whole lines of `rest` with what follows it; the start of one stays. Lines are not copied but for the first. */
static int take_piece(struct scan *s, const char *text, size_t len)
{
	struct strbuf *rest = &s->r->rest;
	const char *end;

	while (len && (end = memchr(text, '\n', len))) {
		size_t n = (size_t)(end - text);
		int rc;

		if (rest->len) {
			strbuf_add(rest, text, n);
			rc = take_line(s, rest->buf, rest->len);
			strbuf_clear(rest);
		} else {
			rc = take_line(s, text, n);
		}
		if (rc)
			return rc;
		text = end + 1;
		len -= n + 1;
	}
	strbuf_add(rest, text, len);
	if (rest->len > REST_MAX) {
		int rc = take_line(s, rest->buf, rest->len);

		strbuf_clear(rest);
		return rc;
	}
	return 0;
}

/* ---- files ---- */

/* -1: no regular file, whatever its name says. A FIFO's open must not wait for a writer. */
static int open_file(const struct steplog_reader *r, int dirfd, const char *end, off_t *ret_size)
{
	CLEANUP(cleanup_free) char *file = xasprintf("%s%s", r->name, end);
	CLEANUP(cleanup_fd)
	int fd = openat(dirfd, file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	*ret_size = st.st_size;
	return steal_fd(&fd);
}

/* Up to its size of now: one that grows as fast as it is read must not hold up others. */
static int read_plain(struct scan *s, int fd, off_t size)
{
	struct steplog_reader *r = s->r;
	char buf[CHUNK];

	while (r->offset < size) {
		ssize_t n = pread(fd, buf, sizeof(buf), r->offset);
		int rc;

		if (n <= 0)
			break;
		r->offset += n;
		rc = take_piece(s, buf, (size_t)n);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_packed(struct scan *s, int fd, struct error *err)
{
	struct steplog_reader *r = s->r;
	CLEANUP(cleanup_free) char *name = xasprintf("%s" STEPLOG_PACKED, r->name);
	CLEANUP(cleanup_decompressor) struct decompressor *in = decompress_from(fd, name);
	char buf[CHUNK];
	ssize_t n;

	strbuf_clear(&r->rest);
	s->at = (struct steplog_at){ 0, 0 };
	while ((n = decompress_read(in, buf, sizeof(buf), err)) > 0) {
		int rc = take_piece(s, buf, (size_t)n);

		if (rc)
			return rc;
	}
	r->packed = true;
	return n < 0 ? -1 : 0;
}

struct segment {
	int fd;
	off_t size, head;
	int64_t time;
	struct steplog_at start;
};

/* One without its first line is not there yet. */
static void open_segment(const struct steplog_reader *r, int dirfd, const char *end, struct segment *ret)
{
	char buf[80], *newline;
	struct steplog_line line;
	ssize_t n;

	ret->fd = open_file(r, dirfd, end, &ret->size);
	n = ret->fd < 0 ? -1 : pread(ret->fd, buf, sizeof(buf), 0);
	newline = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;
	if (newline) {
		steplog_parse_line(buf, (size_t)(newline - buf), &line);
		ret->head = newline + 1 - buf;
		ret->time = line.time;
		if (steplog_parse_start(&line, &ret->start))
			return;
	}
	cleanup_fd(&ret->fd);
	ret->fd = -1;
}

/* A file that starts further on in the log is read from its start, and no older one any more. */
static int read_segment(struct scan *s, const struct segment *segment)
{
	struct steplog_reader *r = s->r;
	int rc;

	if (segment->fd < 0 || segment->start.lines < r->part.lines)
		return 0;
	if (segment->start.lines > r->part.lines) {
		strbuf_clear(&r->rest);
		r->part = segment->start;
		r->offset = segment->head;
		s->at = segment->start;
		rc = tell_cut(s, segment->time, &segment->start);
		if (rc)
			return rc;
	}
	return read_plain(s, segment->fd, segment->size);
}

static int read_parts(struct scan *s, int dirfd, bool *ret_gone)
{
	struct steplog_reader *r = s->r;
	struct segment segments[2] = { { .fd = -1 }, { .fd = -1 } };
	bool swap;
	off_t size;
	int fd, rc = 0;

	open_segment(r, dirfd, STEPLOG_PLAIN ".1", &segments[0]);
	open_segment(r, dirfd, STEPLOG_PLAIN ".2", &segments[1]);
	fd = open_file(r, dirfd, STEPLOG_PLAIN, &size);
	*ret_gone = fd < 0;
	s->at = r->told;
	if (fd >= 0 && !r->part.lines)
		rc = read_plain(s, fd, size);
	swap = segments[1].fd >= 0 && segments[1].start.lines < segments[0].start.lines;
	for (int i = 0; i < 2 && fd >= 0 && !rc; i++)
		rc = read_segment(s, &segments[swap ? 1 - i : i]);
	cleanup_fd(&fd);
	cleanup_fd(&segments[0].fd);
	cleanup_fd(&segments[1].fd);
	return rc;
}

/* Its writer was killed in the middle of a line; of the head alone there is nothing to tell. */
static int take_rest(struct scan *s)
{
	struct strbuf *rest = &s->r->rest;
	struct steplog_line line;
	int rc = 0;

	steplog_parse_line(rest->buf, rest->len, &line);
	if (line.time && line.len)
		rc = take_line(s, rest->buf, rest->len);
	strbuf_clear(rest);
	return rc;
}

int steplog_read(struct steplog_reader *r, int dirfd, bool ended, int (*take)(void *ctx, const struct steplog_line *),
		 void *ctx, struct error *err)
{
	struct scan s = { .r = r, .take = take, .ctx = ctx };

	for (int tries = 0; tries < 2 && !r->packed; tries++) {
		off_t size;
		CLEANUP(cleanup_fd) int fd = open_file(r, dirfd, STEPLOG_PACKED, &size);
		bool gone;
		int rc = fd >= 0 ? read_packed(&s, fd, err) : read_parts(&s, dirfd, &gone);

		if (rc || fd >= 0)
			return rc;
		if (!gone)
			return ended ? take_rest(&s) : 0;
	}
	return 0;
}
