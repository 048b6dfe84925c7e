/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gunzip.h"
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>
#include "base/error.h"
#include "base/library.h"
#include "base/mem.h"

#define BUFFER	    (128u << 10)
#define WINDOW_BITS (MAX_WBITS + 16) /* with the head and the sums of gzip */

#define ZLIB_FUNCTIONS(X) X(, inflateInit2_) X(, inflateReset) X(, inflate) X(, inflateEnd)
static struct {
	ZLIB_FUNCTIONS(LIBRARY_MEMBER)
} zlib;
static const char *const functions[] = LIBRARY_NAMES(ZLIB_FUNCTIONS);
static struct library library = LIBRARY(ZLIB_SONAME, ZLIB_PACKAGE, functions, &zlib, NULL);

struct gunzip {
	struct compressed from;
	const char *name;
	z_stream z;
	bool open; /* inside a member, or before the first */
	bool full; /* more may come of what was taken in */
	unsigned char buf[BUFFER];
};

int gunzip_of(struct compressed from, const char *name, struct gunzip **ret, struct error *err)
{
	struct gunzip *g;

	if (library_load(&library, err) < 0)
		return -1;
	g = xcalloc(1, sizeof(*g));
	g->from = from;
	g->name = name;
	g->open = true;
	if (zlib.inflateInit2_(&g->z, WINDOW_BITS, ZLIB_VERSION, (int)sizeof(g->z)) != Z_OK)
		abort();
	*ret = g;
	return 0;
}

/* 1, or 0 at the end of the file. */
static int fill(struct gunzip *g, struct error *err)
{
	ssize_t n = g->from.read(g->from.ctx, g->buf, sizeof(g->buf), err);

	if (n < 0)
		return -1;
	g->z.next_in = g->buf;
	g->z.avail_in = (uInt)n;
	if (n == 0 && g->open)
		return error_set(err, ERR_DAMAGED, "%s is damaged: it lacks its end", g->name);
	return n > 0;
}

/* Between members: skips zeros, begins the next one. */
static int begin_member(struct gunzip *g, struct error *err)
{
	while (g->z.avail_in && !*g->z.next_in) {
		g->z.next_in++;
		g->z.avail_in--;
	}
	if (!g->z.avail_in)
		return 0;
	if (*g->z.next_in != 0x1f)
		return error_set(err, ERR_DAMAGED, "%s is damaged: something follows its end", g->name);
	zlib.inflateReset(&g->z);
	g->open = true;
	return 0;
}

ssize_t gunzip_read(struct gunzip *g, void *buf, size_t room, struct error *err)
{
	uInt most = room < BUFFER ? (uInt)room : BUFFER;

	g->z.next_out = buf;
	g->z.avail_out = most;
	while (g->z.avail_out == most) {
		int more = g->full || g->z.avail_in ? 1 : fill(g, err), r;

		if (more <= 0)
			return more;
		if (!g->open) {
			if (begin_member(g, err) < 0)
				return -1;
			continue;
		}
		r = zlib.inflate(&g->z, Z_NO_FLUSH);
		if (r == Z_STREAM_END)
			g->open = false;
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return error_set(err, ERR_DAMAGED, "%s is damaged: %s", g->name, g->z.msg ? g->z.msg : "no gzip");
		g->full = !g->z.avail_out && g->open;
	}
	return (ssize_t)(most - g->z.avail_out);
}

void gunzip_free(struct gunzip *g)
{
	if (!g)
		return;
	zlib.inflateEnd(&g->z);
	free(g);
}

void cleanup_gunzip(struct gunzip **g)
{
	gunzip_free(*g);
}
