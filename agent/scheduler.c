/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/scheduler.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "agent/checkout.h"
#include "agent/lanes.h"
#include "agent/log.h"
#include "api/ops.h"
#include "api/promote.h"
#include "api/schedule.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/project.h"
#include "registry/projects.h"

#define LOOK_MS	 500  /* for what other processes and the clock did */
#define PAUSE_MS 10   /* between two looks, however much is committed */
#define AGAIN_MS 2000 /* after trouble */

extern char **environ;

static struct {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool begun, stop, wake;
	struct strlist asked;  /* projects to fetch */
	/* the thread's own */
	char *dir;
	struct schedule *schedule;
	pid_t fetching;        /* 0: none */
	char *told;            /* the last trouble; it is told once */
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* ---- looking and writing ---- */

struct turn {
	int64_t now_ms;
	bool wants; /* to write */
	int fired;
};

static struct op_context context(struct project *p)
{
	return (struct op_context){ .project = p, .dir = p->top, .origin = "trigger", .actor = "agent" };
}

static int look(void *ctx, struct project *p, struct error *err)
{
	struct turn *t = ctx;
	struct op_context op = context(p);
	int due = approvals_due(&op, t->now_ms, err);
	int r = due < 0 ? -1 : schedule_look(all.schedule, &op, t->now_ms, err);

	t->wants = due > 0 || r > 0;
	return r < 0 ? -1 : 0;
}

static int write_turn(void *ctx, struct project *p, struct error *err)
{
	struct turn *t = ctx;
	struct op_context op = context(p);

	return approvals_end(&op, t->now_ms, err) < 0 ? -1 : schedule_write(all.schedule, &op, t->now_ms, &t->fired, err);
}

static void complain(const struct error *err)
{
	if (all.told && !strcmp(all.told, err->msg))
		return;
	free(all.told);
	all.told = xstrdup(err->msg);
	log_event(LOG_LEVEL_WARN, "triggers cannot be looked at", "error", err->msg, NULL);
}

/* 1: look again at once; -1: later. */
static int turn(void)
{
	struct turn t = { .now_ms = clock_wall_ms() };
	struct error err = { 0 };

	if (lanes_do(LANE_READ, look, &t, &err) < 0 || (t.wants && lanes_do(LANE_WRITE, write_turn, &t, &err) < 0)) {
		schedule_doubt(all.schedule);
		complain(&err);
		return -1;
	}
	free(all.told);
	all.told = NULL;
	return t.wants;
}

/* ---- fetching ---- */

/* A process of its own: git may take its time, and learns where it is by the environment. */
static int spawn_fetch(const char *project, pid_t *ret)
{
	const char *const argv[] = { "mlops-agent", "fetch", project, all.dir, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	r = posix_spawn(ret, "/proc/self/exe", &files, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return r;
}

static void take_asked(void)
{
	pthread_mutex_lock(&all.mutex);
	for (size_t i = 0; i < all.asked.len; i++)
		schedule_fetch(all.schedule, all.asked.items[i]);
	strlist_release(&all.asked);
	pthread_mutex_unlock(&all.mutex);
}

/* One at a time. */
static void fetch_next(int64_t now_ms)
{
	CLEANUP(cleanup_free) char *project = NULL;
	int sys;

	if (all.fetching && waitpid(all.fetching, NULL, WNOHANG) == 0)
		return;
	all.fetching = 0;
	take_asked();
	project = schedule_unfetched(all.schedule, now_ms);
	if (!project)
		return;
	sys = spawn_fetch(project, &all.fetching);
	if (sys)
		log_event(LOG_LEVEL_WARN, "cannot start a fetch", "project", project, "error", strerror(sys), NULL);
}

static int fetch_project(struct project *p, const char *name, struct error *err)
{
	CLEANUP_JS struct js *row = NULL;
	struct db *db;

	if (project_db(p, &db, err) < 0 || project_row_load(db, name, &row, err) < 0)
		return -1;
	return checkout_fetch(p, row, err);
}

int fetch_main(const char *dir, const char *project)
{
	struct project *p = NULL;
	struct error err = { 0 };
	int r = project_open(dir, &p, &err);

	if (r == 0)
		r = fetch_project(p, project, &err);
	if (r < 0)
		log_event(LOG_LEVEL_WARN, "a project cannot be fetched", "project", project, "error", err.msg, NULL);
	project_close(p);
	return r < 0 ? error_exit_status(err.code) : 0;
}

/* ---- the thread ---- */

/* Until `ms` from now; a commit wakes it, but for a pause. */
static void sleep_for(int64_t ms)
{
	struct timespec until;
	int64_t end = clock_mono_ns() + ms * 1000000;

	until = (struct timespec){ .tv_sec = end / 1000000000, .tv_nsec = end % 1000000000 };
	pthread_mutex_lock(&all.mutex);
	while (!all.stop && !all.wake && pthread_cond_timedwait(&all.changed, &all.mutex, &until) == 0)
		;
	all.wake = false;
	pthread_mutex_unlock(&all.mutex);
}

static bool is_stopped(void)
{
	bool stop;

	pthread_mutex_lock(&all.mutex);
	stop = all.stop;
	pthread_mutex_unlock(&all.mutex);
	return stop;
}

static void pause_shortly(void)
{
	static const struct timespec pause = { 0, PAUSE_MS * 1000000L };

	nanosleep(&pause, NULL);
}

static void *keep_time(void *ctx)
{
	(void)ctx;
	while (!is_stopped()) {
		int r = turn();
		int64_t now = clock_wall_ms(), next = schedule_next(all.schedule);

		fetch_next(now);
		if (r > 0)
			continue;
		sleep_for(r < 0 ? AGAIN_MS : next - now > LOOK_MS ? LOOK_MS : next > now ? next - now : 1);
		pause_shortly();
	}
	return NULL;
}

int scheduler_start(const char *dir, struct error *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_lock(&all.mutex); /* who commits wakes it from the first moment */
	pthread_cond_init(&all.changed, &attr);
	all.begun = true;
	pthread_mutex_unlock(&all.mutex);
	pthread_condattr_destroy(&attr);
	all.dir = xstrdup(dir);
	all.schedule = schedule_new();
	r = pthread_create(&all.thread, NULL, keep_time, NULL);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void scheduler_stop(void)
{
	pthread_mutex_lock(&all.mutex);
	all.stop = true;
	pthread_cond_signal(&all.changed);
	pthread_mutex_unlock(&all.mutex);
	pthread_join(all.thread, NULL);
	schedule_free(all.schedule);
	strlist_release(&all.asked);
	free(all.told);
	free(all.dir);
}

/* The mutex is held. */
static void wake(void)
{
	all.wake = true;
	if (all.begun)
		pthread_cond_signal(&all.changed);
}

void scheduler_wake(void)
{
	pthread_mutex_lock(&all.mutex);
	wake();
	pthread_mutex_unlock(&all.mutex);
}

void scheduler_fetch(const char *project)
{
	pthread_mutex_lock(&all.mutex);
	if (!strlist_has(&all.asked, project))
		strlist_push(&all.asked, project);
	wake();
	pthread_mutex_unlock(&all.mutex);
}
