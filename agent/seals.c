/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/seals.h"
#include <pthread.h>
#include <time.h>
#include "agent/lanes.h"
#include "agent/log.h"
#include "base/clock.h"
#include "base/error.h"
#include "registry/files.h"

#define AWAKE_MS 10000 /* a change that wakes it is committed by then */
#define PAUSE_S	 1
#define FAILED_S 60

static struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop;
	int64_t until_ms; /* awake until then */
} seals = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static int seal(void *ctx, struct project *project, struct error *err)
{
	return files_seal(project, ctx, err);
}

/* The mutex is held. */
static void rest(bool left, int seconds)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	if (left || clock_mono_ms() < seals.until_ms)
		pthread_cond_timedwait(&seals.changed, &seals.mutex, &end);
	else
		pthread_cond_wait(&seals.changed, &seals.mutex);
}

static void *keep_sealing(void *ctx)
{
	struct error err;
	bool left;
	int r;

	(void)ctx;
	pthread_mutex_lock(&seals.mutex);
	while (!seals.stop) {
		pthread_mutex_unlock(&seals.mutex);
		left = true;
		r = lanes_do(LANE_SLOW, seal, &left, &err);
		if (r < 0)
			log_event(LOG_LEVEL_ERROR, "files of ended runs are no trees", "error", err.msg, NULL);
		pthread_mutex_lock(&seals.mutex);
		if (!seals.stop)
			rest(left, r < 0 ? FAILED_S : PAUSE_S);
	}
	pthread_mutex_unlock(&seals.mutex);
	return NULL;
}

int seals_start(struct error *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&seals.changed, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&seals.thread, NULL, keep_sealing, NULL);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void seals_stop(void)
{
	pthread_mutex_lock(&seals.mutex);
	seals.stop = true;
	pthread_cond_signal(&seals.changed);
	pthread_mutex_unlock(&seals.mutex);
	pthread_join(seals.thread, NULL);
	pthread_cond_destroy(&seals.changed);
}

void seals_wake(void)
{
	int64_t now = clock_mono_ms();

	pthread_mutex_lock(&seals.mutex);
	/* One that is awake looks again by itself. */
	if (now >= seals.until_ms)
		pthread_cond_signal(&seals.changed);
	seals.until_ms = now + AWAKE_MS;
	pthread_mutex_unlock(&seals.mutex);
}
