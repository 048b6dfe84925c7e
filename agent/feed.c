/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/feed.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/call.h"
#include "base/mem.h"

#define STALL_S 30

struct feed {
	pthread_mutex_t mutex;
	pthread_cond_t room;
	struct strbuf buf;
	size_t at;
	struct feed_reader reader; /* asleep until there is more; else without `wake` */
	bool ended, gone;
	unsigned refs;
};

struct feed *feed_new(void)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->room, &attr);
	pthread_condattr_destroy(&attr);
	f->buf = (struct strbuf)STRBUF_INIT;
	f->refs = 1;
	return f;
}

struct feed *feed_ref(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->refs++;
	pthread_mutex_unlock(&f->mutex);
	return f;
}

void feed_free(struct feed *f)
{
	unsigned left;

	if (!f)
		return;
	pthread_mutex_lock(&f->mutex);
	left = --f->refs;
	pthread_mutex_unlock(&f->mutex);
	if (left)
		return;
	strbuf_release(&f->buf);
	pthread_cond_destroy(&f->room);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}

/* ---- writers ---- */

static void wake(struct feed *f)
{
	if (f->reader.wake)
		f->reader.wake(f->reader.ctx);
	f->reader.wake = NULL;
}

static size_t unsent(const struct feed *f)
{
	return f->buf.len - f->at;
}

static void append(struct feed *f, const void *data, size_t len)
{
	if (!unsent(f)) {
		strbuf_clear(&f->buf);
		f->at = 0;
	}
	strbuf_add(&f->buf, data, len);
	wake(f);
}

/* As much as fits, after waiting until something does; 0: the reader has gone. */
static size_t write_some(struct feed *f, const char *data, size_t len)
{
	struct timespec end;
	size_t n;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += STALL_S;
	while (!f->gone && unsent(f) >= FEED_MAX)
		if (pthread_cond_timedwait(&f->room, &f->mutex, &end) == ETIMEDOUT && unsent(f) >= FEED_MAX)
			f->gone = true;
	if (f->gone)
		return 0;
	n = FEED_MAX - unsent(f);
	n = n < len ? n : len;
	append(f, data, n);
	return n;
}

int feed_write(struct feed *f, const void *data, size_t len)
{
	const char *at = data;
	size_t n = 1;

	pthread_mutex_lock(&f->mutex);
	while (len && (n = write_some(f, at, len))) {
		at += n;
		len -= n;
	}
	n = !f->gone;
	pthread_mutex_unlock(&f->mutex);
	return n ? 0 : -1;
}

bool feed_offer(struct feed *f, const void *data, size_t len)
{
	bool fits;

	pthread_mutex_lock(&f->mutex);
	fits = !f->gone && unsent(f) + len <= FEED_MAX;
	if (fits)
		append(f, data, len);
	pthread_mutex_unlock(&f->mutex);
	return fits;
}

bool feed_gone(struct feed *f)
{
	bool gone;

	pthread_mutex_lock(&f->mutex);
	gone = f->gone;
	pthread_mutex_unlock(&f->mutex);
	return gone;
}

void feed_end(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->ended = true;
	wake(f);
	pthread_mutex_unlock(&f->mutex);
}

/* ---- the reader ---- */

/* What was sent is dropped once it is the larger part, so the buffer holds little more than what is unsent. */
static void drop_sent(struct feed *f)
{
	if (f->at <= f->buf.len / 2)
		return;
	memmove(f->buf.buf, f->buf.buf + f->at, unsent(f) + 1);
	f->buf.len -= f->at;
	f->at = 0;
	if (!f->buf.len && f->buf.cap > FEED_MAX / 8)
		strbuf_release(&f->buf);
}

ssize_t feed_read(struct feed *f, const struct feed_reader *reader, char *buf, size_t max)
{
	size_t n;
	ssize_t r = 0;

	pthread_mutex_lock(&f->mutex);
	n = unsent(f) < max ? unsent(f) : max;
	if (f->gone) {
		r = FEED_GONE;
	} else if (n) {
		memcpy(buf, f->buf.buf + f->at, n);
		f->at += n;
		r = (ssize_t)n;
		drop_sent(f);
		pthread_cond_broadcast(&f->room);
	} else if (f->ended) {
		r = FEED_END;
	} else {
		f->reader = *reader;
		reader->sleep(reader->ctx);
	}
	pthread_mutex_unlock(&f->mutex);
	return r;
}

void feed_leave(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->gone = true;
	f->reader.wake = NULL;
	pthread_cond_broadcast(&f->room);
	pthread_mutex_unlock(&f->mutex);
}

bool feed_sleeps(struct feed *f)
{
	bool sleeps;

	pthread_mutex_lock(&f->mutex);
	sleeps = f->reader.wake != NULL;
	pthread_mutex_unlock(&f->mutex);
	return sleeps;
}

void feed_cut(struct feed *f)
{
	pthread_mutex_lock(&f->mutex);
	f->gone = true;
	wake(f);
	pthread_cond_broadcast(&f->room);
	pthread_mutex_unlock(&f->mutex);
}
