/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/tracking.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "registry/access.h"
#include "registry/project.h"

#define DIR_NAME "steps"
#define READY_MS 20000
#define TOKEN_MS (30ll * 24 * 3600 * 1000) /* it goes with its attempt; this is for one whose run was killed for good */
#define ENGINEER 1
/* runners/pause/mlops_pause.h carries it to the socket */
#define URL_INSIDE "http://127.0.0.1:5000"

extern char **environ;

/* ---- the process ---- */

static char *program_path(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len <= 0)
		return xstrdup("mlops-agent");
	self[len] = '\0';
	slash = strrchr(self, '/');
	return xasprintf("%.*s/mlops-agent", (int)(slash - self), self);
}

/* A group of its own: Ctrl-C is for the run, which may need it until its last step has ended. */
static int spawn(const char *program, const char *dir, const char *socket, int in, int out, pid_t *ret)
{
	const char *const argv[] = { "mlops-agent", "steps", dir, socket, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	r = posix_spawn(ret, program, &files, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return r;
}

/* What it says first; it may end instead. */
static char *read_line(int fd)
{
	struct strbuf line = STRBUF_INIT;
	int64_t end = clock_mono_ms() + READY_MS;
	char byte;

	for (;;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int64_t left = end - clock_mono_ms();
		ssize_t n;

		if (left <= 0 || (poll(&ready, 1, (int)left) < 0 && errno != EINTR))
			break;
		if (!ready.revents)
			continue;
		n = read(fd, &byte, 1);
		if (n <= 0 || byte == '\n')
			break;
		strbuf_putc(&line, byte);
	}
	return strbuf_detach(&line);
}

/* Its clients try for minutes what cannot be reached, such as loopback in a network namespace where it is down. */
static int check_reachable(const char *url, struct error *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10)) };
	CLEANUP(cleanup_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return 0;
	error_sys(err, errno, "steps with tracking = yes could not reach their agent at %s", url);
	return error_help(err, "is the loopback device up? ip link set lo up");
}

static int begin(struct tracking *t, const char *top, struct error *err)
{
	static const char mark[] = "ready: ";
	CLEANUP(cleanup_free) char *program = program_path(), *socket = path_join(t->dir, "agent.sock"), *line = NULL;
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, sys;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		sys = errno;
		cleanup_fd(&in[0]);
		cleanup_fd(&in[1]);
		return error_sys(err, sys, "cannot make a pipe");
	}
	sys = spawn(program, top, socket, in[0], out[1], &t->pid);
	close(in[0]);
	close(out[1]);
	t->life = in[1];
	line = sys ? NULL : read_line(out[0]);
	close(out[0]);
	if (sys) {
		t->pid = 0;
		return error_sys(err, sys, "cannot start %s, which steps with tracking = yes log to", program);
	}
	if (strncmp(line, mark, strlen(mark)) != 0)
		return error_set(err, ERR_ENV, "the agent for steps with tracking = yes has not started");
	t->url = xstrdup(line + strlen(mark));
	return check_reachable(t->url, err);
}

static bool is_needed(const struct engine *e)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		const struct task *t = &e->tasks[i];

		if (t->node && t->node->step->tracking &&
		    (t->look->state == STEP_STALE || t->look->state == STEP_BLOCKED || t->look->state == STEP_RESTORE))
			return true;
	}
	return false;
}

int tracking_open(struct engine *e, struct error *err)
{
	struct project *p = e->project;

	if (!is_needed(e))
		return 0;
	/* A container's user must come to the socket. */
	if (fs_make_dirs(p->dirfd, DIR_NAME, 0755, err) < 0)
		return -1;
	e->tracking.dir = xasprintf("%s/.mlops/" DIR_NAME, p->root);
	return chmod(e->tracking.dir, 0755) < 0 ? error_sys(err, errno, "cannot set the mode of %s", e->tracking.dir) :
						  begin(&e->tracking, p->top, err);
}

void tracking_close(struct tracking *t)
{
	cleanup_fd(&t->life);
	t->life = -1;
	while (t->pid && waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(t->url);
	free(t->dir);
	*t = (struct tracking)TRACKING_INIT;
}

/* ---- what a step gets ---- */

static char *token_name(const struct task *t)
{
	return xasprintf("step-%s", t->run);
}

int tracking_give_token(struct task *t, struct db *db, struct error *err)
{
	CLEANUP(cleanup_free) char *name = token_name(t);
	int64_t now = clock_wall_ms();
	const struct token_new token = {
		.name = name,
		.role = ENGINEER,
		.scopes = SCOPE_TRACKING,
		.run = t->run,
		.expires_ms = now + TOKEN_MS,
	};
	char text[TOKEN_LEN + 1];
	int r = token_add(db, &token, now, text, err);

	if (r == 0)
		t->token = xstrdup(text);
	explicit_bzero(text, sizeof(text));
	return r;
}

int tracking_take_token(struct task *t, struct db *db, struct error *err)
{
	CLEANUP(cleanup_free) char *name = token_name(t);
	struct error why;

	if (token_remove(db, name, &why) == 0 || why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

static bool declares(const struct strlist *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->len; i++)
		if (!strncmp(env->items[i], name, len) && env->items[i][len] == '=')
			return true;
	return false;
}

void tracking_env(const struct task *t, struct strlist *env)
{
	char experiment[24];
	const struct {
		const char *name, *value;
	} variables[] = {
		{ "MLFLOW_TRACKING_URI", t->node->image ? URL_INSIDE : t->engine->tracking.url },
		{ "MLFLOW_TRACKING_TOKEN", t->token },
		{ "MLFLOW_RUN_ID", t->run },
		{ "MLFLOW_EXPERIMENT_ID", experiment },
	};

	if (!t->token)
		return;
	snprintf(experiment, sizeof(experiment), "%lld", (long long)t->experiment);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		if (!declares(&t->node->env, variables[i].name))
			strlist_push_owned(env, xasprintf("%s=%s", variables[i].name, variables[i].value));
}
