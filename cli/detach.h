/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "base/progress.h"
/*
 * `run --detach`: a run that goes on without its terminal. The command forks before anything is opened. The child
 * has a session of its own, /dev/null for stdin, stdout and stderr, and tells its parent through a pipe, a line of
 * JSON each: notes, progress, and at last {run_id}, once others can name the run, or {result, error} of one that
 * ended before. From then on notes and the end go into a log of the run, beside those of its steps.
 */
struct error;
struct js;
struct op_context;
struct detach;

/* In the child: 0 and *ret_child. In the parent: 1 and *ret_words, to read from. */
int detach_fork(struct detach **ret_child, FILE **ret_words, struct error *);

/* The child. */
const struct progress *detach_progress(struct detach *);
void detach_event(struct detach *, struct op_context *, const struct js *event);
/* The end; `text` is what a run in the foreground prints at it. Frees. */
void detach_end(struct detach *, const struct js *result, const struct error *, const char *text);

/* The parent: what to do with each word but the last one. */
struct detach_reader {
	void (*event)(void *ctx, const struct js *event);
	const struct progress *progress;
	void *ctx;
};
/* Reads to the last word. 0 and *ret_result: {run_id, detached} of a run that goes on, or what it came to; -1 with its
 * error, and *ret_result if it has one. Closes `words`. */
int detach_wait(FILE *words, const struct detach_reader *, struct js **ret_result, struct error *);
