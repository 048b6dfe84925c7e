/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lanes.h"
#include <pthread.h>
#include <stdlib.h>
#include "agent/httpd.h"
#include "agent/router.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/project.h"

#define READERS 2
#define SLOW	4
#define GROUP	256 /* changes in one commit */

typedef int serve_fn(struct call *, struct project *, struct error *);

struct job {
	struct call *call; /* or: */
	int (*work)(void *ctx, struct project *, struct error *);
	void *ctx;
	serve_fn *serve;
	struct error err;
	bool failed, done;
	struct job *next;
};

struct queue {
	enum lane lane;
	int nthreads;
	pthread_mutex_t mutex;
	pthread_cond_t more, done;
	struct job *first, **last;
	bool stop;
	struct thread {
		struct queue *queue;
		struct project *project;
		pthread_t id;
	} threads[SLOW];
};

static struct queue queues[] = {
	[LANE_READ] = { .lane = LANE_READ, .nthreads = READERS },
	[LANE_WRITE] = { .lane = LANE_WRITE, .nthreads = 1 },
	[LANE_SLOW] = { .lane = LANE_SLOW, .nthreads = SLOW },
};
static void (*on_commit)(void);

static void put(struct queue *q, struct job *job)
{
	pthread_mutex_lock(&q->mutex);
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->mutex);
}

/* At most `max` jobs, waiting for the first; NULL: stop. */
static struct job *take(struct queue *q, unsigned max)
{
	struct job *list, **at;

	pthread_mutex_lock(&q->mutex);
	while (!q->first && !q->stop)
		pthread_cond_wait(&q->more, &q->mutex);
	list = q->first;
	at = &q->first;
	while (*at && max--)
		at = &(*at)->next;
	q->first = *at;
	if (!q->first)
		q->last = &q->first;
	*at = NULL;
	if (at == &q->first)
		list = NULL;
	pthread_mutex_unlock(&q->mutex);
	return list;
}

/* ---- one job ---- */

static void do_job(struct job *job, struct project *project)
{
	serve_fn *serve = job->serve;

	job->serve = NULL;
	job->failed = (job->call ? serve(job->call, project, &job->err) : job->work(job->ctx, project, &job->err)) < 0;
}

/* Its effects are durable, or it has failed. */
static void end_job(struct queue *q, struct job *job)
{
	struct call *call = job->call;

	if (!call) {
		pthread_mutex_lock(&q->mutex);
		job->done = true;
		pthread_cond_broadcast(&q->done);
		pthread_mutex_unlock(&q->mutex);
		return;
	}
	if (job->failed) {
		call->err = job->err;
		call_fail(call, &job->err);
	} else if (call->later) {
		serve_fn *serve = call->later;

		call->later = NULL;
		job->serve = serve;
		put(&queues[call->later_lane], job);
		return;
	}
	free(job);
	httpd_answer(call);
}

/* ---- threads ---- */

static void *serve_each(void *ctx)
{
	struct thread *t = ctx;
	struct job *job;

	while ((job = take(t->queue, 1))) {
		do_job(job, t->project);
		end_job(t->queue, job);
	}
	return NULL;
}

static int write_group(struct db *db, struct project *project, struct job *jobs, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	for (struct job *job = jobs; job; job = job->next) {
		if (db_savepoint(db, err) < 0)
			goto lost;
		do_job(job, project);
		if (job->failed)
			db_undo(db);
		else if (db_release(db, err) < 0)
			goto lost;
	}
	return db_commit(db, err);
lost:
	db_rollback(db);
	return -1;
}

static void *serve_groups(void *ctx)
{
	struct thread *t = ctx;
	struct job *jobs, *next;

	while ((jobs = take(t->queue, GROUP))) {
		struct error err = { 0 };
		struct db *db;
		bool lost = project_db(t->project, &db, &err) < 0 || write_group(db, t->project, jobs, &err) < 0;

		for (struct job *job = jobs; job; job = next) {
			next = job->next;
			if (lost && !job->failed) {
				job->failed = true;
				job->err = err;
			}
			end_job(t->queue, job);
		}
		if (!lost && on_commit)
			on_commit();
	}
	return NULL;
}

static int start_thread(struct thread *t, const char *dir, struct error *err)
{
	struct db *db;
	int r;

	if (project_open(dir, &t->project, err) < 0 || project_db(t->project, &db, err) < 0)
		return -1;
	r = pthread_create(&t->id, NULL, t->queue->lane == LANE_WRITE ? serve_groups : serve_each, t);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

int lanes_start(const char *dir, struct error *err)
{
	for (size_t i = LANE_READ; i < ARRAY_LEN(queues); i++) {
		struct queue *q = &queues[i];

		pthread_mutex_init(&q->mutex, NULL);
		pthread_cond_init(&q->more, NULL);
		pthread_cond_init(&q->done, NULL);
		q->last = &q->first;
		for (int k = 0; k < q->nthreads; k++) {
			q->threads[k].queue = q;
			if (start_thread(&q->threads[k], dir, err) < 0)
				return -1;
		}
	}
	return 0;
}

void lanes_stop(void)
{
	for (size_t i = LANE_READ; i < ARRAY_LEN(queues); i++) {
		struct queue *q = &queues[i];

		pthread_mutex_lock(&q->mutex);
		q->stop = true;
		pthread_cond_broadcast(&q->more);
		pthread_mutex_unlock(&q->mutex);
		for (int k = 0; k < q->nthreads; k++) {
			pthread_join(q->threads[k].id, NULL);
			project_close(q->threads[k].project);
		}
	}
}

void lanes_on_commit(void (*committed)(void))
{
	on_commit = committed;
}

void lanes_give(struct call *call, enum lane lane, serve_fn *serve)
{
	struct job *job = xcalloc(1, sizeof(*job));

	job->call = call;
	job->serve = serve;
	httpd_suspend(call);
	put(&queues[lane], job);
}

void call_continue(struct call *call, enum lane lane, serve_fn *serve)
{
	call->later = serve;
	call->later_lane = lane;
}

int lanes_do(enum lane lane, int (*work)(void *ctx, struct project *, struct error *), void *ctx, struct error *err)
{
	struct job job = { .work = work, .ctx = ctx };
	struct queue *q = &queues[lane];

	put(q, &job);
	pthread_mutex_lock(&q->mutex);
	while (!job.done)
		pthread_cond_wait(&q->done, &q->mutex);
	pthread_mutex_unlock(&q->mutex);
	if (job.failed && err)
		*err = job.err;
	return job.failed ? -1 : 0;
}
