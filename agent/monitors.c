/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/monitors.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "agent/log.h"
#include "api/follow.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/project.h"

#define LOOK_MS	 2000  /* between looks at files, at least */
#define LOOK_PART 20   /* a look takes at most this part of the time */
#define REST_MS	 200   /* between checks of one monitor, at least */
#define REST_PART 4    /* and so many times as long as the last one took: rows of open windows are read again */
#define BUSY_MS	 1000  /* somebody else checks it, or it waits for a decision */
#define AGAIN_MS 60000 /* what failed is tried again */

/* What is known of a monitor between its checks. */
struct kept {
	char *monitor;
	bool due;
	uint64_t look;
	int64_t rest_until_ms;
	char *error; /* that was told; NULL: none */
};

static struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop, refresh;
	struct kept *kept; /* grows only; members other than `due` are the thread's */
	size_t len, cap;
	/* the thread's */
	struct project *project;
	struct op_context op;
	struct follow follow;
	int64_t next_look_ms;
	/* what requests look up, apart from what is being checked */
	pthread_rwlock_t lock;
	struct follow shared;
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- what is known; the mutex is held ---- */

/* Lent while it is held. */
static struct kept *keep(const char *monitor)
{
	for (size_t i = 0; i < all.len; i++)
		if (!strcmp(all.kept[i].monitor, monitor))
			return &all.kept[i];
	GROW(all.kept, all.len, all.cap);
	/* once after a start, whatever it looks like */
	all.kept[all.len] = (struct kept){ .monitor = xstrdup(monitor), .due = true };
	return &all.kept[all.len++];
}

static int64_t next_turn(void)
{
	int64_t next = all.next_look_ms;

	for (size_t i = 0; i < all.len; i++)
		if (all.kept[i].due && all.kept[i].rest_until_ms < next)
			next = all.kept[i].rest_until_ms;
	return all.refresh ? 0 : next;
}

void monitors_wake(const char *monitor)
{
	pthread_mutex_lock(&all.mutex);
	keep(monitor)->due = true;
	pthread_cond_signal(&all.changed);
	pthread_mutex_unlock(&all.mutex);
}

void monitors_refresh(void)
{
	pthread_mutex_lock(&all.mutex);
	all.refresh = true;
	pthread_cond_signal(&all.changed);
	pthread_mutex_unlock(&all.mutex);
}

/* ---- looking up ---- */

static int refresh_shared(struct project *project, struct error *err)
{
	struct op_context op = { .project = project, .dir = project->top, .origin = "agent" };
	int r;

	pthread_rwlock_wrlock(&all.lock);
	r = follow_refresh(&op, &all.shared, err);
	pthread_rwlock_unlock(&all.lock);
	return r;
}

/* Why a project's file could not be read, which may be why. */
static const struct definition *unreadable(void)
{
	for (size_t i = 0; i < all.shared.definitions.len; i++)
		if (all.shared.definitions.items[i].error)
			return &all.shared.definitions.items[i];
	return NULL;
}

static int refuse_unknown(const char *monitor, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const struct definition *bad = unreadable();
	const char *near;

	for (size_t i = 0; i < all.shared.len; i++)
		strlist_push(&names, all.shared.items[i].monitor);
	near = strlist_nearest(&names, monitor);
	error_set(err, ERR_NOT_FOUND, "no project of this agent has a [monitor.%.80s]", monitor);
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	if (bad)
		return error_help(err, "project %s could not be read: %s", bad->project, bad->error);
	return error_help(err, "add the section to the project's pipeline.ini, and the project: mlops project add");
}

/* 1: it was called; 0: there is none. */
static int try_with(const char *monitor, int (*with)(void *, const struct followed *, struct error *), void *ctx, bool last,
		    struct error *err)
{
	const struct followed *found;
	int r = 0;

	pthread_rwlock_rdlock(&all.lock);
	found = follow_find(&all.shared, monitor);
	if (found)
		r = with(ctx, found, err) < 0 ? -1 : 1;
	else if (last)
		r = refuse_unknown(monitor, err);
	pthread_rwlock_unlock(&all.lock);
	return r;
}

int monitors_with(struct project *project, const char *monitor,
		  int (*with)(void *ctx, const struct followed *, struct error *), void *ctx, struct error *err)
{
	int r = try_with(monitor, with, ctx, false, err);

	if (r == 0) /* it may be new */
		r = refresh_shared(project, err) < 0 ? -1 : try_with(monitor, with, ctx, true, err);
	return r < 0 ? -1 : 0;
}

/* ---- the thread ---- */

static bool is_stopped(void *ctx)
{
	bool stop;

	(void)ctx;
	pthread_mutex_lock(&all.mutex);
	stop = all.stop;
	pthread_mutex_unlock(&all.mutex);
	return stop;
}

/* Each new trouble is told once. */
static void complain(struct kept *k, const struct error *err)
{
	if (k->error && !strcmp(k->error, err->msg))
		return;
	free(k->error);
	k->error = xstrdup(err->msg);
	log_event(LOG_LEVEL_WARN, "a monitor cannot be checked", "monitor", k->monitor, "error", err->msg, NULL);
}

/* How long it rests now. */
static int64_t check(struct kept *k, bool *ret_again)
{
	const struct followed *f = follow_find(&all.follow, k->monitor);
	int64_t begun = clock_mono_ms(), took;
	CLEANUP_JS struct js *result = NULL;
	struct error err = { 0 };

	*ret_again = false;
	if (!f && follow_refresh(&all.op, &all.follow, &err) >= 0)
		f = follow_find(&all.follow, k->monitor);
	if (!f)
		return 0;
	if (follow_check(&all.op, f, &result, &err) < 0) {
		*ret_again = true;
		if (err.code != ERR_INTERRUPTED)
			complain(k, &err);
		return AGAIN_MS;
	}
	free(k->error);
	k->error = NULL;
	if (js_get_int(result, "lost", 0))
		log_event(LOG_LEVEL_WARN, "inferences whose other half never came were dropped", "monitor", k->monitor, NULL);
	*ret_again = js_get_bool(result, "held");
	if (*ret_again)
		return BUSY_MS;
	took = (clock_mono_ms() - begun) * REST_PART;
	return took > REST_MS ? took : REST_MS;
}

/* A copy, because others may add to the list meanwhile. */
static void check_at(size_t i)
{
	struct kept k;
	int64_t rest;
	bool again;

	pthread_mutex_lock(&all.mutex);
	k = all.kept[i];
	all.kept[i].due = false;
	pthread_mutex_unlock(&all.mutex);
	rest = check(&k, &again);
	pthread_mutex_lock(&all.mutex);
	all.kept[i].error = k.error;
	all.kept[i].due |= again;
	all.kept[i].rest_until_ms = clock_mono_ms() + rest;
	pthread_mutex_unlock(&all.mutex);
}

static void check_due(void)
{
	size_t len;

	pthread_mutex_lock(&all.mutex);
	len = all.len;
	pthread_mutex_unlock(&all.mutex);
	for (size_t i = 0; i < len && !is_stopped(NULL); i++) {
		bool due;
		pthread_mutex_lock(&all.mutex);
		due = all.kept[i].due && all.kept[i].rest_until_ms <= clock_mono_ms();
		pthread_mutex_unlock(&all.mutex);
		if (due)
			check_at(i);
	}
}

static void look_at(const struct followed *f)
{
	struct error err;
	uint64_t look;
	struct kept *k;

	/* a check says what is wrong */
	if (follow_look(&all.op, f, &look, &err) < 0)
		look = 0;
	pthread_mutex_lock(&all.mutex);
	k = keep(f->monitor);
	k->due |= k->look != look;
	k->look = look;
	pthread_mutex_unlock(&all.mutex);
}

static void look(void)
{
	int64_t begun = clock_mono_ms(), took;
	struct error err;
	int r;

	pthread_mutex_lock(&all.mutex);
	all.refresh = false;
	pthread_mutex_unlock(&all.mutex);
	r = follow_refresh(&all.op, &all.follow, &err);
	if (r > 0)
		r = refresh_shared(all.project, &err);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "cannot read the projects' monitors", "error", err.msg, NULL);
	for (size_t i = 0; i < all.follow.len; i++)
		look_at(&all.follow.items[i]);
	took = (clock_mono_ms() - begun) * LOOK_PART;
	all.next_look_ms = clock_mono_ms() + (took > LOOK_MS ? took : LOOK_MS);
}

static void *follow_all(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&all.mutex);
	while (!all.stop) {
		int64_t next = next_turn();
		struct timespec until = { next / 1000, next % 1000 * 1000000l };
		if (next > clock_mono_ms()) {
			pthread_cond_timedwait(&all.changed, &all.mutex, &until);
			continue;
		}
		next = all.refresh ? 0 : all.next_look_ms;
		pthread_mutex_unlock(&all.mutex);
		if (next <= clock_mono_ms())
			look();
		check_due();
		pthread_mutex_lock(&all.mutex);
	}
	pthread_mutex_unlock(&all.mutex);
	return NULL;
}

static void make_locks(void)
{
	pthread_condattr_t cond;
	pthread_rwlockattr_t lock;

	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&all.changed, &cond);
	pthread_condattr_destroy(&cond);
	pthread_rwlockattr_init(&lock);
	/* requests come without end, and a changed definition waits for no more of them than are here */
	pthread_rwlockattr_setkind_np(&lock, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&all.lock, &lock);
	pthread_rwlockattr_destroy(&lock);
}

int monitors_start(const char *dir, struct error *err)
{
	int r;

	make_locks();
	if (project_open(dir, &all.project, err) < 0)
		return -1;
	all.op = (struct op_context){ .project = all.project, .dir = all.project->top, .origin = "agent",
				      .stopped = is_stopped };
	r = pthread_create(&all.thread, NULL, follow_all, NULL);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void monitors_stop(void)
{
	pthread_mutex_lock(&all.mutex);
	all.stop = true;
	pthread_cond_signal(&all.changed);
	pthread_mutex_unlock(&all.mutex);
	pthread_join(all.thread, NULL);
	follow_release(&all.follow);
	follow_release(&all.shared);
	project_close(all.project);
	for (size_t i = 0; i < all.len; i++) {
		free(all.kept[i].monitor);
		free(all.kept[i].error);
	}
	free(all.kept);
	pthread_cond_destroy(&all.changed);
	pthread_rwlock_destroy(&all.lock);
}
