/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Jobs: runs that an agent executes, for who asked for them. A job and its run have one id, and the run stands from the
 * first moment, SCHEDULED, in the experiment of the project's name until its pipeline tells its own.
 *
 *     queued -> starting -> running -> finished | failed | cancelled
 *        \          \           \----> lost       its supervisor is gone
 *         \----------\-------------->  cancelled
 *
 * Whoever executes it holds the lock "job-ID" for its life: a running one whose lock is free is lost, a starting one is
 * queued again. Each change of state is one transaction that looks at the state before.
 */
struct content;
struct db;
struct error;
struct js;
struct run_new;

struct job_new {
	const char *run;     /* 32 hex */
	const char *project;
	const struct js *args;
	const char *command; /* for people */
	const char *actor;
	int64_t now_ms;
};
int job_add(struct db *, const struct job_new *, struct error *);
/* {run_id, project, args{}, actor, state, created, started, ended, stopped_by, commit, checkout, lock, exit, error{}};
 * ERR_NOT_FOUND */
int job_load(struct db *, const char *run, struct js **ret, struct error *);
/* Those that have not ended, in the order in which they were asked for. */
int jobs_open(struct db *, struct js **ret, struct error *);
/* 1: it was in `from` and is in `to` now; 0: it was in another state. */
int job_move(struct db *, const char *run, const char *from, const char *to, int64_t now_ms, struct error *);
/* 1: it waited and is cancelled, and so has ended; 0: it runs, and who executes it is to be told. ERR_CONFLICT: it has
 * ended. */
int job_cancel(struct db *, const char *run, const char *by, int64_t now_ms, struct error *);
int job_set_commit(struct db *, const char *run, const char *commit, struct error *);
/* NULL: it is there no more. */
int job_set_checkout(struct db *, const char *run, const char *checkout, struct error *);
/* Checkouts of ended jobs of the project: [{run_id, checkout}] */
int jobs_kept(struct db *, const char *project, struct js **ret, struct error *);

struct job_end {
	const char *state;         /* "finished", "failed" or "lost"; "cancelled" when somebody asked for its end */
	int exit;                  /* of its mlops run; -1 none */
	const struct js *error;    /* or NULL */
	const struct content *lock; /* mlops.lock, stored; or NULL */
	int64_t now_ms;
};
/* Also ends its run, unless the run has done so itself. 1; 0: it had ended. */
int job_finish(struct db *, const char *run, const struct job_end *, struct error *);

/* A run in which nothing happened is none: 1; 0: it has begun, or somebody wrote to it, so it stays. */
int job_forget_run(struct db *, const char *run, struct error *);

/* The run begins: 1, or 0 when it is of no job that waits for it. */
int job_run_begins(struct db *, const struct run_new *, struct error *);
