/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/jobs.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "agent/lanes.h"
#include "api/job_end.h"
#include "api/ops.h"
#include "api/scratch_tree.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/jobs.h"
#include "registry/project.h"

#define SWEEPS	50 /* turns: what a killed job ran has seconds to end, and holds its tree until then */
#define LOOK_MS 200 /* who asks may do so beside the agent, and processes die unasked */
#define PAUSE_NS 5000000L /* between two looks, however much is committed */

extern char **environ;

/* One that this agent started. */
struct child {
	pid_t pid; /* 0: it has ended */
	char run[33];
};

static struct dispatcher {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop, woken;
	char *dir;
	int most;                /* jobs at once */
	int sweeps;              /* turns in which trees of killed jobs are looked for */
	struct child *children;
	size_t len, cap;
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static const struct child *find_child(const char *run)
{
	for (size_t i = 0; i < all.len; i++)
		if (!strcmp(all.children[i].run, run))
			return &all.children[i];
	return NULL;
}

static void reap(void)
{
	for (size_t i = 0; i < all.len; i++)
		if (all.children[i].pid && waitpid(all.children[i].pid, NULL, WNOHANG) != 0)
			all.children[i].pid = 0;
}

static bool is_open(const struct js *open, const char *run)
{
	for (size_t i = 0; i < js_len(open); i++)
		if (!strcmp(js_get_str(js_at(open, i), "run_id"), run))
			return true;
	return false;
}

static void forget_children(const struct js *open)
{
	for (size_t i = 0; i < all.len;)
		if (!all.children[i].pid && !is_open(open, all.children[i].run))
			all.children[i] = all.children[--all.len];
		else
			i++;
}

/* ---- what is there to do ---- */

struct look {
	struct js *open;
	struct strlist lost; /* nobody executes them, though they are said to run */
	struct strlist late; /* nobody executes them, though they were to start */
	struct strlist due;  /* may start now */
	int64_t now_ms;
};

static void look_release(struct look *l)
{
	js_free(l->open);
	strlist_release(&l->lost);
	strlist_release(&l->late);
	strlist_release(&l->due);
}

static bool project_is_busy(const struct js *open, const char *project)
{
	for (size_t i = 0; i < js_len(open); i++)
		if (!strcmp(js_get_str(js_at(open, i), "project"), project) &&
		    strcmp(js_get_str(js_at(open, i), "state"), "queued") != 0)
			return true;
	return false;
}

static bool is_due_before(const struct look *l, const char *project)
{
	for (size_t i = 0; i < js_len(l->open); i++)
		if (strlist_has(&l->due, js_get_str(js_at(l->open, i), "run_id")) &&
		    !strcmp(js_get_str(js_at(l->open, i), "project"), project))
			return true;
	return false;
}

static void find_due(struct look *l)
{
	int room = all.most;

	for (size_t i = 0; i < js_len(l->open); i++)
		room -= strcmp(js_get_str(js_at(l->open, i), "state"), "queued") != 0;
	for (size_t i = 0; i < js_len(l->open) && room > 0; i++) {
		const struct js *job = js_at(l->open, i);
		const char *project = js_get_str(job, "project");

		if (strcmp(js_get_str(job, "state"), "queued") != 0 || project_is_busy(l->open, project) ||
		    is_due_before(l, project))
			continue;
		strlist_push(&l->due, js_get_str(job, "run_id"));
		room--;
	}
}

static int look(void *ctx, struct project *p, struct error *err)
{
	struct look *l = ctx;
	struct lock_holder holder;
	struct db *db;

	if (project_db(p, &db, err) < 0 || jobs_open(db, &l->open, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(l->open); i++) {
		const struct js *job = js_at(l->open, i);
		const char *run = js_get_str(job, "run_id"), *state = js_get_str(job, "state");
		const struct child *child = find_child(run);

		if (!strcmp(state, "queued") || (child && child->pid) || job_executor(p, run, &holder))
			continue;
		/* One of ours that never came to its work would not the next time. */
		strlist_push(!strcmp(state, "starting") && !child ? &l->late : &l->lost, run);
	}
	forget_children(l->open);
	find_due(l);
	return 0;
}

/* ---- doing it ---- */

static int end_lost(struct project *p, struct db *db, const char *run, int64_t now_ms, struct error *err)
{
	CLEANUP_JS struct js *error = js_object();
	const struct job_end end = { .state = "lost", .exit = -1, .error = error, .now_ms = now_ms };
	struct op_context ctx = { .project = p, .origin = "agent" };

	js_set_str(error, "code", error_name(ERR_INTERRUPTED));
	js_set_str(error, "message", "the process that executed it is gone");
	return job_ends(&ctx, db, run, &end, NULL, err);
}

/* Before their processes are started: those that are killed in between are late. */
static int claim(void *ctx, struct project *p, struct error *err)
{
	struct look *l = ctx;
	struct db *db;

	if (project_db(p, &db, err) < 0)
		return -1;
	for (size_t i = 0; i < l->lost.len; i++)
		if (end_lost(p, db, l->lost.items[i], l->now_ms, err) < 0)
			return -1;
	for (size_t i = 0; i < l->late.len; i++)
		if (job_move(db, l->late.items[i], "starting", "queued", l->now_ms, err) < 0)
			return -1;
	for (size_t i = 0; i < l->due.len; i++)
		if (job_move(db, l->due.items[i], "queued", "starting", l->now_ms, err) < 0)
			return -1;
	return 0;
}

/* Trees of killed jobs, with what they left running. */
static int sweep(void *ctx, struct project *p, struct error *err)
{
	struct op_context op = { .project = p };

	(void)ctx;
	return scratch_sweep(&op, false, err);
}

/* A session of its own: what ends the agent's group, or its terminal, leaves it alone. */
static int spawn(const char *run)
{
	const char *const argv[] = { "mlops-agent", "job", run, all.dir, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, usual;
	pid_t pid;
	int r;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO); /* the ready line's reader waits for no job */
	r = posix_spawn(&pid, "/proc/self/exe", &files, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (r)
		return r;
	GROW(all.children, all.len, all.cap);
	all.children[all.len].pid = pid;
	snprintf(all.children[all.len++].run, sizeof(all.children->run), "%s", run);
	return 0;
}

static void complain(const char *what, const struct error *err)
{
	fprintf(stderr, "jobs: %s: %s\n", what, err->msg);
}

static void turn(void)
{
	CLEANUP(look_release) struct look l = { .now_ms = clock_wall_ms() };
	struct error err;

	reap();
	if (all.sweeps && --all.sweeps % 5 == 0 && lanes_do(LANE_SLOW, sweep, NULL, &err) < 0)
		complain("cannot remove checkouts", &err);
	if (lanes_do(LANE_READ, look, &l, &err) < 0) {
		complain("cannot look for runs", &err);
		return;
	}
	if (!l.lost.len && !l.late.len && !l.due.len)
		return;
	if (lanes_do(LANE_WRITE, claim, &l, &err) < 0) {
		complain("cannot start runs", &err);
		return;
	}
	for (size_t i = 0; i < l.due.len; i++) {
		int sys = spawn(l.due.items[i]);

		if (sys)
			fprintf(stderr, "jobs: cannot start run %s: %s\n", l.due.items[i], strerror(sys));
	}
	if (l.lost.len)
		all.sweeps = SWEEPS;
}

/* ---- the thread ---- */

static void *dispatch(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&all.mutex);
	while (!all.stop) {
		static const struct timespec pause = { 0, PAUSE_NS };
		struct timespec until;

		all.woken = false;
		pthread_mutex_unlock(&all.mutex);
		turn();
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&all.mutex);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		while (!all.stop && !all.woken && pthread_cond_timedwait(&all.wake, &all.mutex, &until) == 0)
			;
	}
	pthread_mutex_unlock(&all.mutex);
	return NULL;
}

static int read_settings(void *ctx, struct project *p, struct error *err)
{
	(void)ctx;
	(void)err;
	all.most = (int)settings_int(&p->settings, SETTING_AGENT_RUNS);
	return 0;
}

int jobs_start(const char *dir, struct error *err)
{
	int r;

	all.sweeps = SWEEPS;
	all.dir = xstrdup(dir);
	pthread_cond_init(&all.wake, NULL);
	if (lanes_do(LANE_READ, read_settings, NULL, err) < 0)
		return -1;
	r = pthread_create(&all.thread, NULL, dispatch, NULL);
	return r ? error_sys(err, r, "cannot start a thread") : 0;
}

void jobs_wake(void)
{
	pthread_mutex_lock(&all.mutex);
	all.woken = true;
	pthread_cond_signal(&all.wake);
	pthread_mutex_unlock(&all.mutex);
}

void jobs_stop(void)
{
	pthread_mutex_lock(&all.mutex);
	all.stop = true;
	pthread_cond_signal(&all.wake);
	pthread_mutex_unlock(&all.mutex);
	pthread_join(all.thread, NULL);
	free(all.children);
	free(all.dir);
}
