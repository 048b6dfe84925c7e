/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "agent/call.h"
/*
 * Threads that serve calls, each with a project of its own: readers, one writer, and some for slow work.
 *
 * The writer takes what waits, serves all of it in one transaction with a savepoint for each, commits once, and only
 * then sends the answers: an answer means durable. While it commits, the next ones gather. A commit that fails, or a
 * disk that is full, fails all of them with ERR_ENV, and the next group is tried as if nothing had been. Other processes
 * get the database's lock between groups, however many there are.
 */
struct error;

/* Opens the projects; `dir` is the work tree's. */
int lanes_start(const char *dir, struct error *);
void lanes_stop(void); /* after the last call */
/* Serves the call on its lane; the connection waits meanwhile. `serve` may return 1, except on LANE_WRITE: it has made
 * the answer and called httpd_answer itself, to go on sending a feed. */
void lanes_give(struct call *, enum lane, int (*serve)(struct call *, struct project *, struct error *));
/* For the agent's own changes and look-ups, from a thread of its own: waits until it is done. */
int lanes_do(enum lane, int (*work)(void *ctx, struct project *, struct error *), void *ctx, struct error *);
/* How long the oldest call has waited for a thread of the lane; 0: none waits. */
int64_t lanes_waiting_ms(enum lane);
/* Called on the writer's thread before each commit: -1 undoes all of it. One; before lanes_start. */
void lanes_before_commit(int (*before)(struct error *));
/* Called on the writer's thread after each commit that changed something. One; before lanes_start. */
void lanes_on_commit(void (*committed)(void));
