/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The threads behind loop_work: jobs go in one end in order, finished ones come out
 * of a list whose descriptor becomes readable. workers_give and workers_take belong to
 * one thread.
 */
struct workers;
struct work {
	void (*work)(void *ctx); /* runs on a thread */
	void (*done)(void *ctx); /* the taker's business */
	void *ctx;
	struct work *next;
};

/* 0, or an errno. The threads block every signal, so that signals reach the starter. */
int workers_start(int n, struct workers **ret);
/* Waits for jobs that run; those not begun are dropped. */
void workers_free(struct workers *);
int workers_fd(const struct workers *);
void workers_give(struct workers *, struct work *);
/* The finished jobs in the order they finished, or NULL; the caller frees each. */
struct work *workers_take(struct workers *);
void work_list_free(struct work *);
