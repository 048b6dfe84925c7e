/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lanes.h"
#include <pthread.h>
#include <stdlib.h>
#include "agent/httpd.h"
#include "agent/lanes_internal.h"
#include "agent/once.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/project.h"

#define READERS 2
#define SLOW	4

struct queue {
	enum lane lane;
	int nthreads;
	pthread_mutex_t mutex;
	pthread_cond_t more, done;
	struct job *first, **last;
	bool stop;
	struct lane_thread threads[SLOW];
};

static struct queue queues[] = {
	[LANE_READ] = { .lane = LANE_READ, .nthreads = READERS },
	[LANE_WRITE] = { .lane = LANE_WRITE, .nthreads = 1 },
	[LANE_SLOW] = { .lane = LANE_SLOW, .nthreads = SLOW },
	[LANE_LOGIN] = { .lane = LANE_LOGIN, .nthreads = 1 },
};

static void put(struct queue *q, struct job *job)
{
	pthread_mutex_lock(&q->mutex);
	job->put_ms = clock_mono_ms();
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->mutex);
}

struct job *lane_take(struct queue *q, bool wait)
{
	struct job *job;

	pthread_mutex_lock(&q->mutex);
	while (wait && !q->first && !q->stop)
		pthread_cond_wait(&q->more, &q->mutex);
	job = q->first;
	if (job) {
		q->first = job->next;
		if (!q->first)
			q->last = &q->first;
		job->next = NULL;
	}
	pthread_mutex_unlock(&q->mutex);
	return job;
}

/* ---- one job ---- */

void lane_serve(struct job *job, struct project *project)
{
	serve_fn *serve = job->serve;
	int r;

	job->serve = NULL;
	r = job->call ? serve(job->call, project, &job->err) : job->work(job->ctx, project, &job->err);
	job->failed = r < 0;
	job->answered = job->call && r > 0;
}

void lane_end(struct queue *q, struct job *job)
{
	struct call *call = job->call;

	if (!call) {
		pthread_mutex_lock(&q->mutex);
		job->done = true;
		pthread_cond_broadcast(&q->done);
		pthread_mutex_unlock(&q->mutex);
		return;
	}
	if (job->answered) {
		free(job);
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
	struct lane_thread *t = ctx;
	struct job *job;

	while ((job = lane_take(t->queue, true))) {
		lane_serve(job, t->project);
		lane_end(t->queue, job);
	}
	return NULL;
}

static int start_thread(struct lane_thread *t, const char *dir, struct error *err)
{
	struct db *db;
	int r;

	if (project_open(dir, &t->project, err) < 0 || project_db(t->project, &db, err) < 0 ||
	    (t->queue->lane == LANE_WRITE && once_start(t->project, err) < 0))
		return -1;
	r = pthread_create(&t->id, NULL, t->queue->lane == LANE_WRITE ? writer_main : serve_each, t);
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
			if (q->lane == LANE_WRITE)
				once_stop(q->threads[k].project);
			project_close(q->threads[k].project);
		}
	}
}

int64_t lanes_waiting_ms(enum lane lane)
{
	struct queue *q = &queues[lane];
	int64_t ms;

	pthread_mutex_lock(&q->mutex);
	ms = q->first ? clock_mono_ms() - q->first->put_ms : 0;
	pthread_mutex_unlock(&q->mutex);
	return ms;
}

void lanes_before_commit(int (*before)(struct error *))
{
	writer_before = before;
}

void lanes_on_commit(void (*committed)(void))
{
	writer_committed = committed;
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
