/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tell_run.h"
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "api/ops.h"
#include "api/tell.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/openlineage.h"
#include "registry/outbox.h"
#include "registry/project.h"
#include "registry/rows.h"

#define LOOK_MS	 500
#define AGAIN_MS 50   /* for the lock, at the end */
#define END_MS	 5000 /* for all that is left */
#define LOCK	 "openlineage"

struct run_teller {
	struct project *of;
	bool begun;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stop;
	/* the thread's own: */
	struct project *project;
	struct error why; /* the last thing that could not be told */
};

/* ---- letters ---- */

static int note(struct db *db, const struct letter *letter, bool sent, int64_t again_ms, const struct error *why,
		struct error *err)
{
	int64_t now = clock_wall_ms();
	int r;

	if (db_begin(db, err) < 0)
		return -1;
	r = sent ? outbox_sent(db, letter->id, now, err) :
		   outbox_failed(db, letter->id, why->msg, outbox_due(letter->tries, again_ms), now, err);
	return write_end(db, r, err);
}

/* 1: one was told; 0: there is none, or it could not be told. */
static int tell_next(struct run_teller *t, const char *target, int64_t until_ms, struct error *err)
{
	struct letter letter CLEANUP(letter_release) = { 0 };
	struct error why = { 0 };
	int64_t again = -1;
	struct db *db;
	bool sent;
	int r = project_db(t->project, &db, err) < 0 ? -1 : outbox_next_to(db, target, until_ms, &letter, err);

	if (r <= 0)
		return r;
	sent = tell_send(t->project, &letter, &again, &why) == 0;
	if (!sent)
		t->why = why;
	return note(db, &letter, sent, again, &why, err) < 0 ? -1 : sent;
}

/* At the end also what was to be tried again later, because nobody else may be there then. */
static int tell_all(struct run_teller *t, bool last, int64_t deadline_ms, struct error *err)
{
	static const char *const targets[] = { OPENLINEAGE_URL, OPENLINEAGE_FILE };
	CLEANUP(cleanup_fd) int lock = lock_take(t->project->locksfd, LOCK, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, err);
	int r = 0;

	if (lock < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(targets) && r >= 0; i++) {
		r = openlineage_is_on(t->project, targets[i]);
		while (r > 0 && clock_mono_ms() < deadline_ms)
			r = tell_next(t, targets[i], last ? INT64_MAX : clock_wall_ms(), err);
	}
	return r;
}

static bool has_agent(const struct project *p)
{
	struct lock_holder holder;

	return lock_is_held(p->locksfd, "agent", &holder);
}

/* ---- its thread ---- */

/* Whether the run has ended. */
static bool rest(struct run_teller *t)
{
	struct timespec end;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += LOOK_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&t->mutex);
	if (!t->stop)
		pthread_cond_timedwait(&t->cond, &t->mutex, &end);
	stop = t->stop;
	pthread_mutex_unlock(&t->mutex);
	return stop;
}

/* Another run of the project may be telling what this one has to tell. */
static void tell_last(struct run_teller *t)
{
	int64_t deadline = clock_mono_ms() + END_MS;
	struct error err = { 0 };

	while (!has_agent(t->project) && tell_all(t, true, deadline, &err) < 0 && err.code == ERR_CONFLICT &&
	       clock_mono_ms() < deadline) {
		const struct timespec wait = { .tv_nsec = AGAIN_MS * 1000000L };

		nanosleep(&wait, NULL);
	}
	if (err.code && err.code != ERR_CONFLICT)
		t->why = err;
}

static void *telling(void *ctx)
{
	struct run_teller *t = ctx;

	if (project_open(t->of->top, &t->project, &t->why) < 0)
		return NULL;
	do
		if (!has_agent(t->project))
			tell_all(t, false, INT64_MAX, NULL);
	while (!rest(t));
	tell_last(t);
	project_close(t->project);
	return NULL;
}

/* ---- its life ---- */

struct run_teller *run_teller_new(struct project *p)
{
	struct run_teller *t;
	pthread_condattr_t attr;

	if (!openlineage_is_on(p, NULL))
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->of = p;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->cond, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

void run_teller_begin(struct run_teller *t)
{
	sigset_t all, old;

	if (t->begun)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	t->begun = !pthread_create(&t->thread, NULL, telling, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void tell_why(const struct error *why, struct op_context *ctx)
{
	CLEANUP_JS struct js *event = js_object();
	CLEANUP(cleanup_free) char *text = xasprintf("this run is not told to others yet: %s", why->msg);

	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	if (ctx->emit)
		ctx->emit(ctx->ctx, event);
}

/* A run with nothing to do tells what a killed one left: recovery has opened the database then. */
void run_teller_end(struct run_teller *t, struct op_context *ctx)
{
	if (t->of->db)
		run_teller_begin(t);
	pthread_mutex_lock(&t->mutex);
	t->stop = true;
	pthread_cond_signal(&t->cond);
	pthread_mutex_unlock(&t->mutex);
	if (t->begun)
		pthread_join(t->thread, NULL);
	if (t->why.code)
		tell_why(&t->why, ctx);
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}
