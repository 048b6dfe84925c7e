/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
/*
 * An event loop over poll(2): file descriptors, timers, signals, and work done on
 * threads. One thread runs it; only loop_work's function runs elsewhere.
 */
struct error;
struct loop;
struct loop_timer;

struct loop *loop_new(void);
/* Waits for work that runs on a thread, drops what has not begun, and calls nothing back. */
void loop_free(struct loop *);
void cleanup_loop(struct loop **);

/* Calls `ready` while `fd` is readable or has hung up. One watch a descriptor, a second replaces
 * it; the fd stays the caller's, who unwatches it before closing it. */
void loop_watch(struct loop *, int fd, void (*ready)(void *ctx, int fd), void *ctx);
void loop_unwatch(struct loop *, int fd);

/* Fires once after `ms` (monotonic); equal times in the order they were set. The timer is freed
 * before `fire` is called, or when it is cancelled. */
struct loop_timer *loop_after(struct loop *, int64_t ms, void (*fire)(void *ctx), void *ctx);
void loop_cancel(struct loop *, struct loop_timer *); /* NULL is legal */
void loop_delay(struct loop *, struct loop_timer *, int64_t ms); /* it fires that much later; NULL is legal */

/* Delivers a signal as a call from the loop until the loop is freed (signalfd); it is blocked
 * meanwhile. */
int loop_signal(struct loop *, int signo, void (*caught)(void *ctx, int signo), void *ctx,
		struct error *);

/* Runs work(ctx) on one of a few threads, then done(ctx) from the loop. Works start in order. */
void loop_work(struct loop *, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);
void loop_threads(struct loop *, int n); /* before the first loop_work; default 2 */

/* Until loop_stop, or until nothing is left to wait for: signals alone do not count. */
int loop_run(struct loop *, struct error *);
void loop_stop(struct loop *);
