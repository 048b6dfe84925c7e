/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parallel_internal.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>

#include "base/error.h"

#define MAX_HELPERS 7

struct loop_state {
	const struct parallel *job;
	pthread_mutex_t mutex;
	size_t next;
	bool failed;
	struct error error; /* of the first that failed */
};

static bool take_range(struct loop_state *loop, size_t *from, size_t *to)
{
	bool more;

	pthread_mutex_lock(&loop->mutex);
	more = !loop->failed && loop->next < loop->job->count;
	if (more) {
		*from = loop->next;
		*to = *from + loop->job->chunk;
		if (*to > loop->job->count)
			*to = loop->job->count;
		loop->next = *to;
	}
	pthread_mutex_unlock(&loop->mutex);
	return more;
}

static void *run_worker(void *arg)
{
	struct loop_state *loop = arg;
	size_t from, to;

	while (take_range(loop, &from, &to)) {
		struct error error = { 0 };

		if (loop->job->work(loop->job->ctx, from, to, &error) == 0)
			continue;
		pthread_mutex_lock(&loop->mutex);
		if (!loop->failed)
			loop->error = error;
		loop->failed = true;
		pthread_mutex_unlock(&loop->mutex);
	}
	return NULL;
}

static size_t count_helpers(const struct parallel *job)
{
	size_t cpus = 2, calls = (job->count + job->chunk - 1) / job->chunk;
	cpu_set_t set;

	if (job->count < job->alone || calls < 2)
		return 0;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cpus = (size_t)CPU_COUNT(&set);
	if (cpus < 2)
		cpus = 2; /* one waits for the disk while the other computes */
	if (cpus > MAX_HELPERS + 1)
		cpus = MAX_HELPERS + 1;
	return (cpus < calls ? cpus : calls) - 1;
}

int parallel_run(const struct parallel *job, struct error *err)
{
	struct loop_state loop = { .job = job, .mutex = PTHREAD_MUTEX_INITIALIZER };
	size_t want = count_helpers(job), n = 0;
	pthread_t helpers[MAX_HELPERS];
	sigset_t all, old;

	if (want) {
		/* Signals belong to the thread that called. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		while (n < want && pthread_create(&helpers[n], NULL, run_worker, &loop) == 0)
			n++;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	run_worker(&loop);
	while (n)
		pthread_join(helpers[--n], NULL);
	if (!loop.failed)
		return 0;
	if (err)
		*err = loop.error;
	return -1;
}
