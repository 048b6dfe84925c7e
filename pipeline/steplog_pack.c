/* SPDX-License-Identifier: Apache-2.0 */
/* What an ended log becomes: one compressed file, with the middle cut out when it is too long. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/compress.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/io.h"
#include "base/mem.h"
#include "pipeline/steplog_internal.h"

#define CHUNK (256u << 10) /* more than the longest line */

struct packer {
	const struct steplog_files *files;
	struct compressor *out;
	struct steplog_at at; /* counted up to here */
	char *buf;            /* CHUNK bytes */
};

static int open_part(const struct steplog_files *f, int segment, struct error *err)
{
	CLEANUP(cleanup_free) char *name = steplog_file(f->path, segment);
	int fd = openat(f->mlops_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? error_sys(err, errno, "cannot open %s", name) : fd;
}

/* Pieces of whole lines, from one offset to another. */
static int each_piece(struct packer *p, int fd, int64_t from, int64_t to,
		      int (*take)(struct packer *, const char *, size_t, struct error *), struct error *err)
{
	while (from < to) {
		ssize_t n = pread(fd, p->buf, to - from < CHUNK ? (size_t)(to - from) : CHUNK, from);
		const char *end = n > 0 ? memrchr(p->buf, '\n', (size_t)n) : NULL;
		size_t len = end ? (size_t)(end + 1 - p->buf) : 0;

		if (!len)
			return error_sys(err, n < 0 ? errno : EIO, "cannot read a log");
		if (take(p, p->buf, len, err) < 0)
			return -1;
		from += (int64_t)len;
	}
	return 0;
}

static int add_piece(struct packer *p, const char *text, size_t len, struct error *err)
{
	return compress_add(p->out, text, len, err);
}

static int count_piece(struct packer *p, const char *text, size_t len, struct error *err)
{
	(void)err;
	steplog_count(text, len, &p->at);
	return 0;
}

/* The start of the first line at or after an offset that is not the first. */
static int64_t line_start(struct packer *p, int fd, int64_t offset)
{
	ssize_t n = pread(fd, p->buf, CHUNK, offset - 1);
	const char *end = n > 0 ? memchr(p->buf, '\n', (size_t)n) : NULL;

	return end ? offset + (end - p->buf) : offset;
}

static int add_cut(struct packer *p, struct error *err)
{
	const struct steplog_at *from = &p->files->head_end;
	struct steplog_at cut = { p->at.lines - from->lines, p->at.bytes - from->bytes };
	char text[128], line[160];

	if (!cut.lines)
		return 0;
	steplog_format_cut(text, sizeof(text), &cut);
	return compress_add(p->out, line,
			    (size_t)snprintf(line, sizeof(line), "%lld c %s\n", (long long)clock_wall_ms(), text), err);
}

/* One segment without its first `skip` bytes of lines, or more to the end of a line. */
static int add_segment(struct packer *p, int number, const struct steplog_segment *s, int64_t skip, bool first,
		       struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open_part(p->files, steplog_segment_file(number), err);
	int64_t from = s->head;

	if (fd < 0)
		return -1;
	p->at = s->start;
	if (skip > 0)
		from = line_start(p, fd, s->head + skip);
	if (skip > 0 && each_piece(p, fd, s->head, from, count_piece, err) < 0)
		return -1;
	if (first && add_cut(p, err) < 0)
		return -1;
	return each_piece(p, fd, from, s->size, add_piece, err);
}

/* As much of the last lines as there is room for. */
static int add_tail(struct packer *p, struct error *err)
{
	const struct steplog_files *f = p->files;
	bool first = true;
	int64_t skip = -steplog_tail_max(f);

	for (int i = f->nsegments > 1 ? 0 : 1; i < 2; i++)
		skip += f->segments[i].size - f->segments[i].head;
	for (int i = f->nsegments > 1 ? 0 : 1; i < 2; i++) {
		const struct steplog_segment *s = &f->segments[i];
		int64_t size = s->size - s->head;

		if (skip < size) {
			if (add_segment(p, f->nsegments - 1 + i, s, skip, first, err) < 0)
				return -1;
			first = false;
		}
		skip -= size;
	}
	return 0;
}

static int pack_into(int out, const char *name, const struct steplog_files *f, struct error *err)
{
	CLEANUP(cleanup_compressor) struct compressor *compressor = compress_to(out, name);
	CLEANUP(cleanup_free) char *buf = xmalloc(CHUNK);
	CLEANUP(cleanup_fd) int fd = open_part(f, 0, err);
	struct packer p = { .files = f, .out = compressor, .buf = buf };

	if (fd < 0 || each_piece(&p, fd, 0, f->size, add_piece, err) < 0 || (f->nsegments && add_tail(&p, err) < 0))
		return -1;
	return compress_end(compressor, err);
}

/* The head goes first: a reader that has opened it knows that it saw all segments there were. */
static int drop_plain(const struct steplog_files *f, struct error *err)
{
	for (int i = 0; i <= (f->nsegments < 2 ? f->nsegments : 2); i++) {
		CLEANUP(cleanup_free) char *name = steplog_file(f->path, i);

		if (io_unlink(f->mlops_fd, name, err) < 0)
			return -1;
	}
	return 0;
}

int steplog_pack(const struct steplog_files *f, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s" STEPLOG_PACKED, f->path);
	CLEANUP(cleanup_free) char *aside = xasprintf("%s.tmp", name);
	CLEANUP(cleanup_fd) int fd = -1;

	if (io_unlink(f->mlops_fd, aside, err) < 0)
		return -1;
	fd = io_create(f->mlops_fd, aside, 0666, err);
	if (fd < 0)
		return -1;
	if (pack_into(fd, aside, f, err) < 0 || io_rename(f->mlops_fd, aside, f->mlops_fd, name, err) < 0) {
		unlinkat(f->mlops_fd, aside, 0);
		return -1;
	}
	FAILPOINT("steplog.packed");
	return drop_plain(f, err);
}
