/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/watch.h"
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include "agent/feed.h"
#include "base/clock.h"
#include "base/error.h"

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t stop;
	pthread_t thread;
	struct wire *first;
	bool stopping, ends_feeds;
	atomic_ulong cuts;
} watch = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool has_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

/* Nothing more can come of a request that is not whole. */
static bool has_given_up(int fd)
{
	int unread = 0;

	return has_left(fd) && ioctl(fd, FIONREAD, &unread) == 0 && !unread;
}

/* Who seems to have given up may have sent all, and the server is just about to notice: a second look tells. */
static void look_at(struct wire *w, int64_t now)
{
	int64_t deadline = atomic_load(&w->deadline_ns);
	bool gave_up = deadline && has_given_up(w->fd), again = gave_up && w->gave_up;

	w->gave_up = gave_up;
	if (w->feed && feed_sleeps(w->feed) && (watch.ends_feeds || has_left(w->fd))) {
		feed_cut(w->feed);
	} else if (deadline && (deadline < now || again || (watch.ends_feeds && has_left(w->fd)))) {
		atomic_store(&w->deadline_ns, 0);
		atomic_fetch_add(&watch.cuts, 1);
		shutdown(w->fd, SHUT_RDWR);
	}
}

static void *run(void *ctx)
{
	struct timespec next;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&watch.mutex);
	while (!watch.stopping) {
		int64_t now = clock_mono_ns();

		for (struct wire *w = watch.first; w; w = w->next)
			look_at(w, now);
		next.tv_sec++;
		pthread_cond_timedwait(&watch.stop, &watch.mutex, &next);
		if (watch.ends_feeds)
			clock_gettime(CLOCK_MONOTONIC, &next);
	}
	pthread_mutex_unlock(&watch.mutex);
	return NULL;
}

int watch_start(struct error *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch.stop, &attr);
	pthread_condattr_destroy(&attr);
	watch.stopping = watch.ends_feeds = false;
	r = pthread_create(&watch.thread, NULL, run, NULL);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void watch_stop(void)
{
	pthread_mutex_lock(&watch.mutex);
	watch.stopping = true;
	pthread_cond_signal(&watch.stop);
	pthread_mutex_unlock(&watch.mutex);
	pthread_join(watch.thread, NULL);
	pthread_cond_destroy(&watch.stop);
}

void watch_add(struct wire *w)
{
	pthread_mutex_lock(&watch.mutex);
	w->prev = NULL;
	w->next = watch.first;
	if (w->next)
		w->next->prev = w;
	watch.first = w;
	pthread_mutex_unlock(&watch.mutex);
}

void watch_drop(struct wire *w)
{
	pthread_mutex_lock(&watch.mutex);
	if (w->next)
		w->next->prev = w->prev;
	if (w->prev)
		w->prev->next = w->next;
	else
		watch.first = w->next;
	pthread_mutex_unlock(&watch.mutex);
}

void watch_feed(struct wire *w, struct feed *feed)
{
	pthread_mutex_lock(&watch.mutex);
	w->feed = feed;
	pthread_mutex_unlock(&watch.mutex);
}

void watch_end_feeds(void)
{
	pthread_mutex_lock(&watch.mutex);
	watch.ends_feeds = true;
	pthread_cond_signal(&watch.stop);
	pthread_mutex_unlock(&watch.mutex);
}

unsigned long watch_cuts(void)
{
	return atomic_load(&watch.cuts);
}
