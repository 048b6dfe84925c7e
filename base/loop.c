/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"
#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/workers_internal.h"
/*
 * One turn: ppoll until something is ready or the next timer is due, then signals,
 * finished work, descriptors in the order they were watched, timers in the order they
 * fall due. Signals and finished work arrive on descriptors of their own, which are
 * watches like any other but do not keep the loop running.
 *
 * A watch removed during a turn keeps its slot, with a negative descriptor that poll
 * ignores, until the turn is over; one added during a turn lands behind those that are
 * being served. So a descriptor number closed and reused within a turn is never
 * mistaken for the old one.
 */

struct watch {
	void (*ready)(void *ctx, int fd);
	void *ctx;
	bool internal;
};

struct loop_timer {
	int64_t due_ns;
	uint64_t seq; /* equal times fire in the order they were set */
	size_t at;    /* place in the heap */
	void (*fire)(void *ctx);
	void *ctx;
};

struct caught_signal {
	int signo;
	bool was_blocked;
	void (*caught)(void *ctx, int signo);
	void *ctx;
};

struct loop {
	bool stop;
	struct pollfd *fds; /* fds[i] belongs to watches[i] */
	struct watch *watches;
	size_t nwatches, cap_watches;
	size_t nwanted; /* watches that keep the loop running */
	bool holes;
	struct loop_timer **heap;
	size_t ntimers, cap_timers;
	uint64_t timer_seq;
	int signal_fd; /* -1 until the first loop_signal */
	sigset_t signals;
	struct caught_signal *caught;
	size_t ncaught, cap_caught;
	struct workers *workers; /* NULL until the first loop_work */
	int nthreads;
	int work_error; /* errno that kept the threads from starting */
	size_t nworks;  /* given out, done not called yet */
	struct work *finished;
};

struct loop *loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	loop->signal_fd = -1;
	loop->nthreads = 2;
	sigemptyset(&loop->signals);
	return loop;
}

/* A signal that waits is consumed first: unblocked, it would do what it did before the loop. */
static void release_signals(struct loop *loop)
{
	struct signalfd_siginfo info;
	sigset_t unblock;

	if (loop->signal_fd < 0)
		return;
	while (read(loop->signal_fd, &info, sizeof(info)) > 0)
		;
	close(loop->signal_fd);
	sigemptyset(&unblock);
	for (size_t i = 0; i < loop->ncaught; i++)
		if (!loop->caught[i].was_blocked)
			sigaddset(&unblock, loop->caught[i].signo);
	pthread_sigmask(SIG_UNBLOCK, &unblock, NULL);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	workers_free(loop->workers);
	work_list_free(loop->finished);
	release_signals(loop);
	for (size_t i = 0; i < loop->ntimers; i++)
		free(loop->heap[i]);
	free(loop->heap);
	free(loop->caught);
	free(loop->fds);
	free(loop->watches);
	free(loop);
}

void cleanup_loop(struct loop **loop)
{
	loop_free(*loop);
}

/* -- descriptors -- */

static void add_watch(struct loop *loop, int fd, const struct watch *watch)
{
	if (loop->nwatches == loop->cap_watches) {
		loop->cap_watches = loop->cap_watches ? loop->cap_watches * 2 : 16;
		loop->fds = xreallocarray(loop->fds, loop->cap_watches, sizeof(*loop->fds));
		loop->watches =
			xreallocarray(loop->watches, loop->cap_watches, sizeof(*loop->watches));
	}
	loop->fds[loop->nwatches] = (struct pollfd){ .fd = fd, .events = POLLIN };
	loop->watches[loop->nwatches++] = *watch;
	loop->nwanted += !watch->internal;
}

void loop_watch(struct loop *loop, int fd, void (*ready)(void *ctx, int fd), void *ctx)
{
	loop_unwatch(loop, fd);
	add_watch(loop, fd, &(struct watch){ .ready = ready, .ctx = ctx });
}

void loop_unwatch(struct loop *loop, int fd)
{
	if (fd < 0)
		return;
	for (size_t i = 0; i < loop->nwatches; i++) {
		if (loop->fds[i].fd != fd)
			continue;
		loop->fds[i].fd = -1;
		loop->fds[i].revents = 0;
		loop->nwanted -= !loop->watches[i].internal;
		loop->holes = true;
		return;
	}
}

static void close_holes(struct loop *loop)
{
	size_t kept = 0;

	if (!loop->holes)
		return;
	for (size_t i = 0; i < loop->nwatches; i++) {
		if (loop->fds[i].fd < 0)
			continue;
		loop->fds[kept] = loop->fds[i];
		loop->watches[kept++] = loop->watches[i];
	}
	loop->nwatches = kept;
	loop->holes = false;
}

static void serve_watches(struct loop *loop, size_t n)
{
	for (size_t i = 0; i < n && !loop->stop; i++) {
		if (!loop->fds[i].revents)
			continue;
		loop->fds[i].revents = 0;
		loop->watches[i].ready(loop->watches[i].ctx, loop->fds[i].fd);
	}
}

/* -- timers: a binary heap, the next one at the top -- */

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void heap_place(struct loop *loop, size_t at, struct loop_timer *timer)
{
	loop->heap[at] = timer;
	timer->at = at;
}

static void heap_rise(struct loop *loop, struct loop_timer *timer)
{
	size_t at = timer->at;

	while (at > 0 && timer_before(timer, loop->heap[(at - 1) / 2])) {
		heap_place(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_place(loop, at, timer);
}

static void heap_sink(struct loop *loop, struct loop_timer *timer)
{
	size_t at = timer->at, child;

	while ((child = 2 * at + 1) < loop->ntimers) {
		if (child + 1 < loop->ntimers &&
		    timer_before(loop->heap[child + 1], loop->heap[child]))
			child++;
		if (!timer_before(loop->heap[child], timer))
			break;
		heap_place(loop, at, loop->heap[child]);
		at = child;
	}
	heap_place(loop, at, timer);
}

struct loop_timer *loop_after(struct loop *loop, int64_t ms, void (*fire)(void *ctx), void *ctx)
{
	struct loop_timer *timer = xcalloc(1, sizeof(*timer));
	int64_t now = clock_mono_ns();

	if (ms < 0)
		ms = 0;
	if (ms > (INT64_MAX - now) / 1000000)
		timer->due_ns = INT64_MAX;
	else
		timer->due_ns = now + ms * 1000000;
	timer->seq = loop->timer_seq++;
	timer->fire = fire;
	timer->ctx = ctx;
	GROW(loop->heap, loop->ntimers, loop->cap_timers);
	timer->at = loop->ntimers++;
	heap_rise(loop, timer);
	return timer;
}

void loop_cancel(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer *last;

	if (!timer)
		return;
	last = loop->heap[--loop->ntimers];
	if (last != timer) {
		last->at = timer->at;
		heap_rise(loop, last);
		heap_sink(loop, last);
	}
	free(timer);
}

void loop_delay(struct loop *loop, struct loop_timer *timer, int64_t ms)
{
	if (!timer || ms <= 0)
		return;
	timer->due_ns = ms > (INT64_MAX - timer->due_ns) / 1000000 ? INT64_MAX : timer->due_ns + ms * 1000000;
	heap_sink(loop, timer);
}

/* Those set while others fire wait for the next turn, so that descriptors get theirs. */
static void serve_timers(struct loop *loop)
{
	uint64_t seq_end = loop->timer_seq;
	int64_t now = loop->ntimers ? clock_mono_ns() : 0;

	while (loop->ntimers && !loop->stop) {
		struct loop_timer *timer = loop->heap[0];
		void (*fire)(void *) = timer->fire;
		void *ctx = timer->ctx;

		if (timer->due_ns > now || timer->seq >= seq_end)
			return;
		loop_cancel(loop, timer);
		fire(ctx);
	}
}

/* -- signals -- */

static void signal_ready(void *arg, int fd)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	while (!loop->stop && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (size_t i = 0; i < loop->ncaught; i++)
			if (loop->caught[i].signo == (int)info.ssi_signo) {
				loop->caught[i].caught(loop->caught[i].ctx, (int)info.ssi_signo);
				break;
			}
}

static struct caught_signal *caught_find(struct loop *loop, int signo)
{
	for (size_t i = 0; i < loop->ncaught; i++)
		if (loop->caught[i].signo == signo)
			return &loop->caught[i];
	return NULL;
}

int loop_signal(struct loop *loop, int signo, void (*caught)(void *ctx, int signo), void *ctx,
		struct error *err)
{
	struct caught_signal *known = caught_find(loop, signo);
	sigset_t wanted = loop->signals, one, old;
	int fd;

	if (known) {
		known->caught = caught;
		known->ctx = ctx;
		return 0;
	}
	sigaddset(&wanted, signo);
	fd = signalfd(loop->signal_fd, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_sys(err, errno, "cannot watch for signal %d", signo);
	sigemptyset(&one);
	sigaddset(&one, signo);
	pthread_sigmask(SIG_BLOCK, &one, &old);
	loop->signals = wanted;
	if (loop->signal_fd < 0)
		add_watch(loop, fd, &(struct watch){ signal_ready, loop, true });
	loop->signal_fd = fd;
	GROW(loop->caught, loop->ncaught, loop->cap_caught);
	loop->caught[loop->ncaught++] =
		(struct caught_signal){ .signo = signo,
					.was_blocked = sigismember(&old, signo) == 1,
					.caught = caught,
					.ctx = ctx };
	return 0;
}

/* -- work -- */

/* The jobs are served after the descriptors of this turn were looked at; see serve_finished. */
static void work_ready(void *arg, int fd)
{
	struct loop *loop = arg;
	struct work **end = &loop->finished;

	(void)fd;
	while (*end)
		end = &(*end)->next;
	*end = workers_take(loop->workers);
}

static void serve_finished(struct loop *loop)
{
	while (loop->finished && !loop->stop) {
		struct work *work = loop->finished;

		loop->finished = work->next;
		loop->nworks--;
		work->done(work->ctx);
		free(work);
	}
}

void loop_threads(struct loop *loop, int n)
{
	loop->nthreads = n < 1 ? 1 : n;
}

void loop_work(struct loop *loop, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
	struct work *job;

	if (!loop->workers) {
		loop->work_error = workers_start(loop->nthreads, &loop->workers);
		if (loop->work_error)
			return;
		add_watch(loop, workers_fd(loop->workers),
			  &(struct watch){ work_ready, loop, true });
	}
	job = xcalloc(1, sizeof(*job));
	job->work = work;
	job->done = done;
	job->ctx = ctx;
	loop->nworks++;
	workers_give(loop->workers, job);
}

/* -- running -- */

static bool nothing_left(const struct loop *loop)
{
	return !loop->nwanted && !loop->ntimers && !loop->nworks;
}

static int wait_ready(struct loop *loop, struct error *err)
{
	struct timespec span = { 0, 0 }, *timeout = NULL;

	if (loop->finished) {
		timeout = &span;
	} else if (loop->ntimers) {
		int64_t left = loop->heap[0]->due_ns - clock_mono_ns();

		if (left > 0)
			span = (struct timespec){ left / 1000000000, left % 1000000000 };
		timeout = &span;
	}
	if (ppoll(loop->fds, loop->nwatches, timeout, NULL) >= 0)
		return 0;
	if (errno != EINTR)
		return error_sys(err, errno, "cannot wait for events");
	for (size_t i = 0; i < loop->nwatches; i++)
		loop->fds[i].revents = 0;
	return 0;
}

int loop_run(struct loop *loop, struct error *err)
{
	int rc = 0;

	while (!loop->stop && rc == 0) {
		if (loop->work_error)
			return error_sys(err, loop->work_error, "cannot start threads");
		if (nothing_left(loop))
			break;
		close_holes(loop);
		rc = wait_ready(loop, err);
		if (rc == 0)
			serve_watches(loop, loop->nwatches);
		serve_finished(loop);
		serve_timers(loop);
	}
	loop->stop = false;
	return rc;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
