/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/outbox.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "agent/lanes.h"
#include "agent/log.h"
#include "api/definitions.h"
#include "api/tell.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/events.h"
#include "registry/outbox.h"
#include "registry/project.h"

#define SENDERS	   3
#define LOOK_MS	   500   /* for events that other processes wrote */
#define IDLE_MS	   60000 /* clocks may jump */
#define TROUBLE_MS 5000  /* between two looks when the database cannot be read */
#define KEPT_MS	   (30 * 86400000LL) /* what was sent, or has failed */
#define SWEEP_MS   3600000
#define PASSED_MAX 1000  /* events of no interest before it is noted how far they were read */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t events, letters;
	bool begun, stop, news, mail;
	struct strlist busy; /* targets that are being told */
	/* the follower's own: */
	struct project *project;
	struct definitions definitions;
	int64_t seen, noted, swept_ms, newest /* letter */;
	pthread_t follower, senders[SENDERS];
	struct project *projects[SENDERS];
	size_t running;
} box = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* The mutex is held. Until it is woken, or `ms` passed. */
static void rest(pthread_cond_t *cond, int64_t ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_cond_timedwait(cond, &box.mutex, &end);
}

/* ---- events to letters ---- */

static int begin(void *ctx, struct project *p, struct error *err)
{
	struct db *db;

	(void)ctx;
	return project_db(p, &db, err) < 0 ? -1 : tell_begin(db, &box.seen, err);
}

struct writing {
	const struct js *letters;
	int64_t seen;
	bool sweep;
};

static int store(void *ctx, struct project *p, struct error *err)
{
	const struct writing *w = ctx;
	int64_t now = clock_wall_ms();
	struct db *db;

	if (project_db(p, &db, err) < 0 || (w->sweep && outbox_sweep(db, now - KEPT_MS, err) < 0))
		return -1;
	return tell_store(db, w->letters, w->seen, now, err);
}

static void wake_senders(void)
{
	pthread_mutex_lock(&box.mutex);
	box.mail = true;
	pthread_cond_broadcast(&box.letters);
	pthread_mutex_unlock(&box.mutex);
}

/* Letters are written by others, too: with the states of runs. */
static int look_for_letters(struct db *db, struct error *err)
{
	int64_t newest;

	if (outbox_newest(db, &newest, err) < 0)
		return -1;
	if (newest > box.newest)
		wake_senders();
	box.newest = newest;
	return 0;
}

/* Events of no interest are read again after a kill, which is cheaper than a commit for each. */
static int follow(struct error *err)
{
	CLEANUP_JS struct js *letters = NULL;
	struct writing w = { .seen = box.seen };
	struct db *db;
	int64_t last;
	int more;

	if (project_db(box.project, &db, err) < 0 || event_last(db, &last, err) < 0 || look_for_letters(db, err) < 0)
		return -1;
	if (last <= box.seen)
		return 0;
	more = tell_read(box.project, &box.definitions, box.seen, &letters, &w.seen, err);
	if (more < 0)
		return -1;
	w.letters = letters;
	w.sweep = clock_mono_ms() - box.swept_ms > SWEEP_MS;
	if (js_len(letters) || w.seen - box.noted > PASSED_MAX) {
		if (lanes_do(LANE_WRITE, store, &w, err) < 0)
			return -1;
		box.noted = w.seen;
		box.swept_ms = w.sweep ? clock_mono_ms() : box.swept_ms;
	}
	box.seen = w.seen;
	wake_senders(); /* also for what a person wants to be tried again, which is an event */
	return more;
}

static void *follower(void *ctx)
{
	struct error err;

	(void)ctx;
	pthread_mutex_lock(&box.mutex);
	while (!box.stop) {
		int more;

		box.news = false;
		pthread_mutex_unlock(&box.mutex);
		more = follow(&err);
		if (more < 0)
			log_event(LOG_LEVEL_ERROR, "events are not told", "error", err.msg, NULL);
		pthread_mutex_lock(&box.mutex);
		if (!box.stop && !box.news && more <= 0)
			rest(&box.events, more < 0 ? TROUBLE_MS : LOOK_MS);
	}
	pthread_mutex_unlock(&box.mutex);
	return NULL;
}

/* ---- letters to those who are told ---- */

struct sending {
	int64_t id, due_ms;
	bool sent;
	char why[1700];
};

static int note(void *ctx, struct project *p, struct error *err)
{
	const struct sending *s = ctx;
	int64_t now = clock_wall_ms();
	struct db *db;

	if (project_db(p, &db, err) < 0)
		return -1;
	return s->sent ? outbox_sent(db, s->id, now, err) : outbox_failed(db, s->id, s->why, s->due_ms, now, err);
}

static void send_letter(struct project *p, const struct letter *letter)
{
	struct sending s = { .id = letter->id };
	struct error err = { 0 };
	int64_t again = -1;

	s.sent = tell_send(p, letter, &again, &err) == 0;
	if (!s.sent) {
		s.due_ms = outbox_due(letter->tries, again);
		snprintf(s.why, sizeof(s.why), "%s%s%s", err.msg, *err.help ? "; " : "", err.help);
		log_event(LOG_LEVEL_WARN, s.due_ms ? "a notification waits" : "a notification has failed", "target", letter->target,
			  "error", s.why, NULL);
	}
	/* Not noted, it is sent again. */
	if (lanes_do(LANE_WRITE, note, &s, &err) < 0)
		log_event(LOG_LEVEL_ERROR, "it is not noted that a notification was sent", "error", err.msg, NULL);
}

/* The mutex is held. 1: there is one, and its target is busy from now on; 0: none, until *ret_wait_ms passed. */
static int take(struct project *p, struct letter *ret, int64_t *ret_wait_ms)
{
	int64_t now = clock_wall_ms(), next = 0;
	struct error err;
	struct db *db;
	int r;

	box.mail = false;
	r = project_db(p, &db, &err) < 0 ? -1 : outbox_next(db, now, &box.busy, ret, &next, &err);
	*ret_wait_ms = r < 0 ? TROUBLE_MS : next && next - now < IDLE_MS ? next - now : IDLE_MS;
	if (r > 0)
		strlist_push(&box.busy, ret->target);
	return r > 0;
}

/* The mutex is held. */
static void give_back(const char *target)
{
	for (size_t i = 0; i < box.busy.len; i++) {
		if (strcmp(box.busy.items[i], target) != 0)
			continue;
		free(box.busy.items[i]);
		box.busy.items[i] = box.busy.items[--box.busy.len];
		return;
	}
}

static void *sender(void *project)
{
	pthread_mutex_lock(&box.mutex);
	while (!box.stop) {
		struct letter letter = { 0 };
		int64_t wait;

		if (!take(project, &letter, &wait)) {
			if (!box.mail)
				rest(&box.letters, wait);
			continue;
		}
		pthread_mutex_unlock(&box.mutex);
		send_letter(project, &letter);
		pthread_mutex_lock(&box.mutex);
		give_back(letter.target);
		letter_release(&letter);
		box.mail = true; /* the next one to the same target */
		pthread_cond_broadcast(&box.letters);
	}
	pthread_mutex_unlock(&box.mutex);
	return NULL;
}

/* ---- its life ---- */

static int open_projects(const char *dir, struct error *err)
{
	if (project_open(dir, &box.project, err) < 0)
		return -1;
	for (size_t i = 0; i < SENDERS; i++)
		if (project_open(dir, &box.projects[i], err) < 0)
			return -1;
	return 0;
}

int outbox_start(const char *dir, struct error *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_lock(&box.mutex); /* who commits wakes it from the first moment */
	pthread_cond_init(&box.events, &attr);
	pthread_cond_init(&box.letters, &attr);
	box.begun = true;
	pthread_mutex_unlock(&box.mutex);
	pthread_condattr_destroy(&attr);
	box.swept_ms = clock_mono_ms() - SWEEP_MS;
	if (open_projects(dir, err) < 0 || lanes_do(LANE_WRITE, begin, NULL, err) < 0)
		return -1;
	box.noted = box.seen;
	r = pthread_create(&box.follower, NULL, follower, NULL);
	for (; !r && box.running < SENDERS; box.running += !r)
		r = pthread_create(&box.senders[box.running], NULL, sender, box.projects[box.running]);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

bool outbox_quiet(void)
{
	bool quiet;

	pthread_mutex_lock(&box.mutex);
	box.stop = true;
	pthread_cond_broadcast(&box.events);
	pthread_cond_broadcast(&box.letters);
	quiet = box.busy.len == 0;
	pthread_mutex_unlock(&box.mutex);
	return quiet;
}

void outbox_stop(void)
{
	outbox_quiet();
	pthread_join(box.follower, NULL);
	for (size_t i = 0; i < box.running; i++)
		pthread_join(box.senders[i], NULL);
	definitions_free(&box.definitions);
	project_close(box.project);
	for (size_t i = 0; i < SENDERS; i++)
		project_close(box.projects[i]);
	strlist_release(&box.busy);
}

void outbox_wake(void)
{
	pthread_mutex_lock(&box.mutex);
	box.news = true;
	if (box.begun)
		pthread_cond_signal(&box.events);
	pthread_mutex_unlock(&box.mutex);
}
