/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/error.h"
/*
 * The events table as a live stream: server-sent events (WHATWG HTML, section 9.2), id = seq, event = the operation,
 * data = the event as JSON.
 *
 * One thread looks for new events, when the writer has committed and five times a second for what other processes
 * wrote, renders each once and offers it to every client. A client that does not take what it is offered is cut; it
 * comes again with the id of the last event it saw, in Last-Event-ID or ?after=, and gets what it missed. A comment
 * every 15 s shows clients and proxies that the stream lives, and finds clients that have gone.
 */
struct call;

/* `dir` is the project's. */
int events_feed_start(const char *dir, struct error *);
/* Ends the streams of all clients. */
void events_feed_stop(void);
/* From any thread: there may be something new. */
void events_feed_wake(void);
/* A route's `serve` on LANE_OWN. */
int events_feed_begin(struct call *, struct error *);
