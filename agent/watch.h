/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
/*
 * Deadlines of connections, which libmicrohttpd does not have: its timeout starts anew with every byte, and what it
 * suspends it does not look at. One thread looks at all of them once a second. Too late, or left by its client in the
 * midst of a request: the connection is shut down, and the server sees its end. A feed whose reader sleeps is cut when
 * its client has left.
 */
struct error;
struct feed;
struct receipt;

struct wire {
	int fd;
	atomic_int_fast64_t deadline_ns; /* by the monotonic clock; 0: none */
	bool gave_up;                    /* at the last look, its client had left in the midst of a request */
	struct feed *feed;               /* what it sends now, or NULL; by watch_feed */
	struct receipt *receipt;         /* of the last answer, until it is known how it fared (once.h) */
	struct wire *prev, *next;        /* the watch's */
};

int watch_start(struct error *);
void watch_stop(void);
/* From when the descriptor is open until before it is closed. */
void watch_add(struct wire *);
void watch_drop(struct wire *);
/* The feed must stay until it is replaced; NULL: none. */
void watch_feed(struct wire *, struct feed *);
/* From now on feeds whose readers sleep are cut, and connections of clients who left before they had sent all. */
void watch_end_feeds(void);
/* So many connections were shut down. */
unsigned long watch_cuts(void);
