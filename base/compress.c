/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compress.h"
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"

#define LEVEL      3
#define BUFFER     (128u << 10)
#define WINDOW_LOG 23 /* the most that a file may ask of its reader: 8 MiB */

struct compressor {
	int fd;
	const char *name;
	ZSTD_CCtx *zstd;
	char buf[BUFFER];
};

struct decompressor {
	struct compressed from;
	int fd; /* of decompress_from */
	const char *name;
	ZSTD_DCtx *zstd;
	ZSTD_inBuffer in;
	bool open; /* inside a frame, or before the first */
	bool full; /* more may come of what was taken in */
	char buf[BUFFER];
};

struct compressor *compress_to(int fd, const char *name)
{
	struct compressor *c = xmalloc(sizeof(*c));

	c->fd = fd;
	c->name = name;
	c->zstd = ZSTD_createCCtx();
	if (!c->zstd)
		abort();
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
	return c;
}

/* Until all of the input is taken; at the end, until all of it is written. */
static int push(struct compressor *c, ZSTD_inBuffer *in, ZSTD_EndDirective end, struct error *err)
{
	size_t left;

	do {
		ZSTD_outBuffer out = { c->buf, sizeof(c->buf), 0 };

		left = ZSTD_compressStream2(c->zstd, &out, in, end);
		if (ZSTD_isError(left))
			return error_set(err, ERR_ENV, "cannot compress %s: %s", c->name, ZSTD_getErrorName(left));
		if (out.pos && io_write_all(c->fd, c->buf, out.pos, c->name, err) < 0)
			return -1;
	} while (end == ZSTD_e_end ? left > 0 : in->pos < in->size);
	return 0;
}

int compress_add(struct compressor *c, const void *data, size_t len, struct error *err)
{
	ZSTD_inBuffer in = { data, len, 0 };

	return push(c, &in, ZSTD_e_continue, err);
}

int compress_end(struct compressor *c, struct error *err)
{
	ZSTD_inBuffer in = { NULL, 0, 0 };

	return push(c, &in, ZSTD_e_end, err);
}

void compress_free(struct compressor *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->zstd);
	free(c);
}

void cleanup_compressor(struct compressor **c)
{
	compress_free(*c);
}

static ssize_t read_fd(void *ctx, void *buf, size_t room, struct error *err)
{
	const struct decompressor *d = ctx;
	ssize_t n;

	do
		n = read(d->fd, buf, room);
	while (n < 0 && errno == EINTR);
	return n < 0 ? error_sys(err, errno, "cannot read %s", d->name) : n;
}

struct decompressor *decompress_of(struct compressed from, const char *name)
{
	struct decompressor *d = xmalloc(sizeof(*d));

	d->from = from;
	d->fd = -1;
	d->name = name;
	d->zstd = ZSTD_createDCtx();
	if (!d->zstd)
		abort();
	ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
	d->in = (ZSTD_inBuffer){ d->buf, 0, 0 };
	d->open = true;
	d->full = false;
	return d;
}

struct decompressor *decompress_from(int fd, const char *name)
{
	struct decompressor *d = decompress_of((struct compressed){ read_fd, NULL }, name);

	d->fd = fd;
	d->from.ctx = d;
	return d;
}

/* 1, or 0 at the end of the file. */
static int fill(struct decompressor *d, struct error *err)
{
	ssize_t n = d->from.read(d->from.ctx, d->buf, sizeof(d->buf), err);

	if (n < 0)
		return -1;
	d->in = (ZSTD_inBuffer){ d->buf, (size_t)n, 0 };
	if (n == 0 && d->open)
		return error_set(err, ERR_DAMAGED, "%s is damaged: it lacks its end", d->name);
	return n > 0;
}

static int fail(const struct decompressor *d, size_t code, struct error *err)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_prefix_unknown)
		return error_set(err, ERR_DAMAGED, "%s is damaged, or something else: no zstd frame begins where one has to", d->name);
	if (ZSTD_getErrorCode(code) != ZSTD_error_frameParameter_windowTooLarge)
		return error_set(err, ERR_DAMAGED, "%s is damaged: %s", d->name, ZSTD_getErrorName(code));
	error_set(err, ERR_UNSUPPORTED, "%s takes more than %u MiB of memory to read", d->name, 1u << (WINDOW_LOG - 20));
	return error_help(err, "compress it without --long and --ultra");
}

ssize_t decompress_read(struct decompressor *d, void *buf, size_t room, struct error *err)
{
	ZSTD_outBuffer out = { buf, room, 0 };

	while (!out.pos) {
		size_t rest;
		int more = d->full || d->in.pos < d->in.size ? 1 : fill(d, err);

		if (more <= 0)
			return more;
		rest = ZSTD_decompressStream(d->zstd, &out, &d->in);
		if (ZSTD_isError(rest))
			return fail(d, rest, err);
		d->open = rest != 0;
		d->full = out.pos == out.size && d->open;
	}
	return (ssize_t)out.pos;
}

void decompress_free(struct decompressor *d)
{
	if (!d)
		return;
	ZSTD_freeDCtx(d->zstd);
	free(d);
}

void cleanup_decompressor(struct decompressor **d)
{
	decompress_free(*d);
}
