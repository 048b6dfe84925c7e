/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
/*
 * The server's side of a feed (call.h): bytes that a thread writes and a connection sends.
 *
 * One reader. It sleeps when there is nothing to send, and `wake`, called under the feed's lock from any thread, wakes
 * it. A reader that leaves is never woken again.
 */
struct feed;

struct feed *feed_new(void);
/* Up to `max` bytes. 0: there are none yet, and `wake(ctx)` comes when there are; `sleep(ctx)` was called before, under
 * the lock, so that none is lost. FEED_END: that was all. FEED_GONE: no good end, the connection is to be cut. */
#define FEED_END  ((ssize_t)-1)
#define FEED_GONE ((ssize_t)-2)
struct feed_reader {
	void (*sleep)(void *ctx);
	void (*wake)(void *ctx);
	void *ctx;
};
ssize_t feed_read(struct feed *, const struct feed_reader *, char *buf, size_t max);
/* The reader goes: its writers learn it. */
void feed_leave(struct feed *);
/* Its reader sleeps. */
bool feed_sleeps(struct feed *);
/* The client has left, or must: wakes the reader, who gets FEED_GONE, and tells the writers. */
void feed_cut(struct feed *);
