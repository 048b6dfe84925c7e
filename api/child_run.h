/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/process.h"
#include "base/strbuf.h"
#include "base/strlist.h"
/*
 * `mlops run` in another work tree, as a process of its own below the spawner: it ends, with its steps, when this one
 * is killed. Driven by the caller's loop. Its events come one by one, its result at the end.
 */
struct error;
struct js;
struct loop;

struct child_run {
	struct loop *loop;
	struct spawner *spawner;
	const char *program;      /* mlops, when this one is another; or NULL */
	/* An event of the run; lent, and may be changed. */
	void (*event)(void *ctx, struct js *event);
	void *ctx;
	/* until it has ended: */
	uint32_t id;
	int out;
	struct strbuf unread;
	/* then: */
	struct js *result;        /* what it printed last, or NULL */
	struct process_exit exit;
	int failed;               /* errno: it could not be started */
	bool ended;
};
/* Runs "mlops --json ARGS..." in the directory until it has ended. A run that failed is no error here. */
int child_run(struct child_run *, const char *dir, const struct strlist *args, struct error *);
void child_signal(struct child_run *, int signo);
void child_release(struct child_run *);
