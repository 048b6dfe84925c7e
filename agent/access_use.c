/* SPDX-License-Identifier: Apache-2.0 */
/* When tokens were used: noted on the server's threads, recorded by the writer lane, not for each request. */
#include "agent/access_internal.h"
#include <pthread.h>
#include <string.h>
#include <time.h>
#include "agent/lanes.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/project.h"

#define NOTES	 256 /* more wait for their next use */
#define GATHER_S 1

struct notes {
	size_t len;
	struct note {
		char id[TOKEN_ID + 1];
		int64_t ms;
	} items[NOTES];
};
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t thread;
	bool started, stop;
	struct notes notes;
} uses = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

void use_note(const char *token_id, int64_t now_ms)
{
	struct notes *notes = &uses.notes;
	size_t i;

	pthread_mutex_lock(&uses.mutex);
	for (i = 0; i < notes->len && strcmp(notes->items[i].id, token_id); i++)
		;
	if (i == notes->len && i < NOTES) {
		memcpy(notes->items[i].id, token_id, TOKEN_ID + 1);
		notes->items[i].ms = now_ms;
		if (!notes->len++)
			pthread_cond_signal(&uses.changed);
	}
	pthread_mutex_unlock(&uses.mutex);
}

static int record(void *ctx, struct project *project, struct error *err)
{
	const struct notes *notes = ctx;
	struct db *db;

	if (project_db(project, &db, err) < 0)
		return -1;
	for (size_t i = 0; i < notes->len; i++)
		if (token_used(db, notes->items[i].id, notes->items[i].ms, err) < 0)
			return -1;
	return 0;
}

/* Waits for a note, then a little for others; false: the last ones were taken. */
static bool take(struct notes *ret)
{
	struct timespec end;

	pthread_mutex_lock(&uses.mutex);
	while (!uses.notes.len && !uses.stop)
		pthread_cond_wait(&uses.changed, &uses.mutex);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += GATHER_S;
	while (!uses.stop && pthread_cond_timedwait(&uses.changed, &uses.mutex, &end) == 0)
		;
	*ret = uses.notes;
	uses.notes.len = 0;
	pthread_mutex_unlock(&uses.mutex);
	return ret->len > 0;
}

/* A record that is lost is one that the next use makes. */
static void *run(void *ctx)
{
	struct notes taken;

	(void)ctx;
	while (take(&taken))
		lanes_do(LANE_WRITE, record, &taken, NULL);
	return NULL;
}

int use_start(struct error *err)
{
	int r = pthread_create(&uses.thread, NULL, run, NULL);

	uses.started = r == 0;
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void use_stop(void)
{
	if (!uses.started)
		return;
	pthread_mutex_lock(&uses.mutex);
	uses.stop = true;
	pthread_cond_signal(&uses.changed);
	pthread_mutex_unlock(&uses.mutex);
	pthread_join(uses.thread, NULL);
	uses.started = false;
}
