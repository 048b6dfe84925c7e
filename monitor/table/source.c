/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/source.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include "base/compress.h"
#include "base/error.h"
#include "base/gunzip.h"
#include "base/mem.h"

#define HEAD 8 /* bytes that tell what a file is */

struct source {
	int fd;
	const char *name;
	bool regular; /* read by pread from `at` to `end` */
	uint64_t start, at, end;
	char head[HEAD]; /* what was read already */
	size_t head_len, head_at;
	atomic_uint_fast64_t taken;
	struct decompressor *zstd; /* one of them, or none */
	struct gunzip *gzip;
};

static struct source *source_new(int fd, const char *name)
{
	struct source *s = xcalloc(1, sizeof(*s));

	s->fd = fd;
	s->name = name;
	s->end = UINT64_MAX;
	return s;
}

static ssize_t read_once(struct source *s, char *buf, size_t room)
{
	ssize_t n;

	do
		n = s->regular ? pread(s->fd, buf, room, (off_t)s->at) : read(s->fd, buf, room);
	while (n < 0 && errno == EINTR);
	return n;
}

/* The bytes as they are stored. */
static ssize_t take(void *ctx, void *into, size_t room, struct error *err)
{
	struct source *s = ctx;
	char *buf = into;
	size_t len = s->head_len - s->head_at;

	if (len > room)
		len = room;
	memcpy(buf, s->head + s->head_at, len);
	s->head_at += len;
	if (s->end - s->at < room)
		room = (size_t)(s->end - s->at);
	while (len < room) {
		ssize_t n = read_once(s, buf + len, room - len);

		if (n < 0)
			return error_sys(err, errno, "cannot read %s", s->name);
		if (n == 0)
			break;
		len += (size_t)n;
		s->at += (size_t)n;
	}
	atomic_fetch_add_explicit(&s->taken, len, memory_order_relaxed);
	return (ssize_t)len;
}

static bool is_zstd(const unsigned char *head)
{
	if (!memcmp(head, "\x28\xb5\x2f\xfd", 4))
		return true;
	/* a frame that is skipped comes first in what parallel programs write */
	return (head[0] & 0xf0) == 0x50 && !memcmp(head + 1, "\x2a\x4d\x18", 3);
}

static int open_compressed(struct source *s, struct error *err)
{
	struct compressed from = { take, s };

	if (s->head_len >= 2 && !memcmp(s->head, "\x1f\x8b", 2))
		return gunzip_of(from, s->name, &s->gzip, err);
	if (s->head_len >= 4 && is_zstd((const unsigned char *)s->head))
		s->zstd = decompress_of(from, s->name);
	return 0;
}

int source_open(int fd, const char *name, struct source **ret, struct error *err)
{
	CLEANUP(cleanup_source) struct source *s = source_new(fd, name);
	off_t start = lseek(fd, 0, SEEK_CUR);
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot read %s", name);
	if (S_ISDIR(st.st_mode))
		return error_sys(err, EISDIR, "cannot read %s", name);
	s->regular = S_ISREG(st.st_mode) && start >= 0;
	if (s->regular)
		s->start = s->at = (uint64_t)start;
	n = take(s, s->head, HEAD, err);
	if (n < 0)
		return -1;
	s->head_len = (size_t)n;
	atomic_store(&s->taken, 0);
	if (open_compressed(s, err) < 0)
		return -1;
	*ret = steal(&s);
	return 0;
}

struct source *source_range(int fd, const char *name, uint64_t from, uint64_t to)
{
	struct source *s = source_new(fd, name);

	s->regular = true;
	s->start = s->at = from;
	s->end = to;
	return s;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	decompress_free(s->zstd);
	gunzip_free(s->gzip);
	free(s);
}

void cleanup_source(struct source **s)
{
	source_close(*s);
}

ssize_t source_read(struct source *s, void *buf, size_t room, struct error *err)
{
	size_t len = 0;

	if (!s->zstd && !s->gzip)
		return take(s, buf, room, err);
	while (len < room) {
		char *at = (char *)buf + len;
		ssize_t n = s->zstd ? decompress_read(s->zstd, at, room - len, err)
				    : gunzip_read(s->gzip, at, room - len, err);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

bool source_plain(const struct source *s, uint64_t *ret_start)
{
	bool plain = s->regular && !s->zstd && !s->gzip;

	if (plain)
		*ret_start = s->start;
	return plain;
}

uint64_t source_taken(const struct source *s)
{
	return atomic_load_explicit(&((struct source *)s)->taken, memory_order_relaxed);
}
