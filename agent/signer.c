/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/signer.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/log.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/audit.h"
#include "registry/project.h"

#define PAUSE_S	  2
#define TROUBLE_S 60

static struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool begun, stop;
	/* the thread's own */
	struct project *project;
	char *told; /* the last trouble; it is told once */
} signer = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* Seconds until the next look. */
static int look(void)
{
	struct error err = { 0 };

	if (checkpoint_due(signer.project, clock_wall_ms(), &err) == 0) {
		free(signer.told);
		signer.told = NULL;
		return PAUSE_S;
	}
	if (!signer.told || strcmp(signer.told, err.msg) != 0) {
		log_event(err.code == ERR_DAMAGED ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "the audit log is not signed", "error",
			  err.msg, NULL);
		free(signer.told);
		signer.told = xstrdup(err.msg);
	}
	return TROUBLE_S;
}

static void *keep_signing(void *ctx)
{
	struct timespec end;
	int seconds;

	(void)ctx;
	pthread_mutex_lock(&signer.mutex);
	while (!signer.stop) {
		pthread_mutex_unlock(&signer.mutex);
		seconds = look();
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += seconds;
		pthread_mutex_lock(&signer.mutex);
		while (!signer.stop && pthread_cond_timedwait(&signer.changed, &signer.mutex, &end) == 0)
			;
	}
	pthread_mutex_unlock(&signer.mutex);
	return NULL;
}

int signer_start(const char *dir, struct error *err)
{
	pthread_condattr_t attr;
	int r;

	if (project_open(dir, &signer.project, err) < 0)
		return -1;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&signer.changed, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&signer.thread, NULL, keep_signing, NULL);
	signer.begun = r == 0;
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void signer_stop(void)
{
	if (signer.begun) {
		pthread_mutex_lock(&signer.mutex);
		signer.stop = true;
		pthread_cond_signal(&signer.changed);
		pthread_mutex_unlock(&signer.mutex);
		pthread_join(signer.thread, NULL);
		pthread_cond_destroy(&signer.changed);
		signer.begun = false;
	}
	if (signer.project)
		project_close(signer.project);
	signer.project = NULL;
	free(signer.told);
	signer.told = NULL;
}
