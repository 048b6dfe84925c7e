/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include "agent/lanes.h"
/* What lanes.c (queues and threads) and writer.c (groups) share. */

typedef int serve_fn(struct call *, struct project *, struct error *);

struct job {
	struct call *call; /* or: */
	int (*work)(void *ctx, struct project *, struct error *);
	void *ctx;
	serve_fn *serve;
	struct error err;
	bool failed, answered; /* by whoever served it */
	bool done;
	int64_t put_ms;
	struct job *next;
};

struct queue;
struct lane_thread {
	struct queue *queue;
	struct project *project;
	pthread_t id;
};

/* The next job. NULL: none is there, or, when it was to wait for one, the lane stops. */
struct job *lane_take(struct queue *, bool wait);
void lane_serve(struct job *, struct project *);
/* Its effects are durable, or it has failed: it is answered. */
void lane_end(struct queue *, struct job *);

/* writer.c */
void *writer_main(void *lane_thread);
extern int (*writer_before)(struct error *);
extern void (*writer_committed)(void);
