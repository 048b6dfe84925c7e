/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: many changes, one commit. */
#include <time.h>
#include "agent/lanes_internal.h"
#include "agent/once.h"
#include "agent/router.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "registry/project.h"

#define GROUP_MAX 256
#define GROUP_NS  (5 * 1000000ll)  /* no change joins a group that is older */
/* The lock of the database is a flock, which knows no order: under load we would have it again before another process
 * has woken. So, this often, it stays free this long. */
#define STREAK_NS (20 * 1000000ll)
#define PAUSE_NS  200000l

#define LOG_PAGES 4096 /* 16 MiB, read in 20 ms after a kill */

int (*writer_before)(struct error *);
void (*writer_committed)(void);

static bool is_once(const struct job *job)
{
	return job->call && job->call->route && job->call->route->op && job->call->route->op->flags & OP_ONCE;
}

static void serve(struct job *job, struct project *project)
{
	serve_fn *fn = job->serve;

	if (!is_once(job)) {
		lane_serve(job, project);
		return;
	}
	job->serve = NULL;
	job->failed = once_serve(job->call, project, fn, &job->err) < 0;
}

/* Serves what waits, and what comes meanwhile. *ret_jobs are those that were taken, also when all are lost. */
static int write_group(struct queue *q, struct db *db, struct project *project, struct job *first,
		       struct job **ret_jobs, struct error *err)
{
	int64_t end = clock_mono_ns() + GROUP_NS;
	struct job *job = first, **last = ret_jobs;

	*last = first;
	if (db_begin(db, err) < 0)
		return -1;
	if (once_sweep(db, err) < 0)
		goto lost;
	for (unsigned n = 1; job; n++) {
		last = &job->next;
		if (db_savepoint(db, err) < 0)
			goto lost;
		serve(job, project);
		if (job->failed)
			db_undo(db);
		if (job->failed ? db_is_lost(db) : db_release(db, err) < 0) {
			if (job->failed)
				*err = job->err;
			goto lost;
		}
		job = n < GROUP_MAX && clock_mono_ns() < end ? lane_take(q, false) : NULL;
		*last = job;
	}
	if (writer_before && writer_before(err) < 0)
		goto lost;
	return db_commit(db, err);
lost:
	db_rollback(db);
	return -1;
}

/* Whatever took the group away is no fault of any of its changes. */
static void lose(struct job *job, const struct error *why)
{
	if (job->failed && job->err.code != ERR_ENV)
		return;
	if (!job->failed && job->call)
		once_undo(job->call);
	job->failed = true;
	job->err = *why;
	job->err.code = ERR_ENV;
}

static void pause_for_others(int64_t *streak_ns)
{
	if (clock_mono_ns() - *streak_ns < STREAK_NS)
		return;
	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	*streak_ns = clock_mono_ns();
}

void *writer_main(void *lane_thread)
{
	struct lane_thread *t = lane_thread;
	int64_t streak_ns = clock_mono_ns();
	struct job *job, *next, *jobs;
	struct db *db;

	if (project_db(t->project, &db, NULL) == 0)
		db_set_checkpoint(db, LOG_PAGES);
	for (;;) {
		struct error err = { 0 };
		bool lost;

		job = lane_take(t->queue, false);
		if (!job) {
			job = lane_take(t->queue, true);
			streak_ns = clock_mono_ns();
		}
		if (!job)
			return NULL;
		pause_for_others(&streak_ns);
		jobs = job;
		lost = project_db(t->project, &db, &err) < 0 ||
		       write_group(t->queue, db, t->project, job, &jobs, &err) < 0;
		if (!lost)
			once_committed();
		for (job = jobs; job; job = next) {
			next = job->next;
			if (lost)
				lose(job, &err);
			lane_end(t->queue, job);
		}
		if (!lost && writer_committed)
			writer_committed();
	}
}
