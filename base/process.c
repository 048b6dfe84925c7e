/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/process_internal.h"
#include "base/strbuf.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* -- finding a program -- */

static int check_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* `dir` of `len` bytes, taken from cwd when relative; an empty PATH entry is cwd itself. */
static char *candidate(const char *cwd, const char *dir, size_t len, const char *name)
{
	if (len && dir[0] == '/')
		return xasprintf("%.*s/%s", (int)len, dir, name);
	if (len)
		return xasprintf("%s/%.*s/%s", cwd, (int)len, dir, name);
	return xasprintf("%s/%s", cwd, name);
}

static int check_candidate(char *path, char **ret)
{
	int sys = check_program(path);

	if (sys)
		free(path);
	else
		*ret = path;
	return sys;
}

int program_locate(const char *name, const char *path_env, const char *cwd, char **ret)
{
	int found = ENOENT;

	if (!*name)
		return ENOENT;
	if (strchr(name, '/'))
		return check_candidate(name[0] == '/' ? xstrdup(name) : candidate(cwd, "", 0, name),
				       ret);
	for (const char *dir = path_env ? path_env : DEFAULT_PATH;; dir++) {
		size_t len = strcspn(dir, ":");
		int sys = check_candidate(candidate(cwd, dir, len, name), ret);

		if (sys == 0)
			return 0;
		if (sys == EACCES) /* there, but not for us: says more than "not found" */
			found = sys;
		dir += len;
		if (!*dir)
			return found;
	}
}

char *process_find(const char *name, const char *path_env, const char *cwd)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (program_locate(name, path_env, cwd ? cwd : ".", &path) != 0)
		return NULL;
	return realpath(path, NULL);
}

/* -- a short helper -- */

struct capture {
	const char *name;
	pid_t pid;
	int fd, pidfd;
	int64_t deadline; /* monotonic ms, -1 none */
	size_t max;
	struct strbuf text;
};

/* Above the three standard ones, where the child's dup2 calls cannot run over it. */
static int above_stdio(int fd)
{
	int moved = fd > STDERR_FILENO ? fd : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (moved != fd)
		close(fd);
	return moved;
}

/* `in` may be -1: nothing to read. */
static int start_helper(const char *const *argv, const char *cwd, int in, int out, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
						POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	rc = in >= 0 ? posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO) :
		       posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
						      O_WRONLY, 0);
	if (rc == 0 && cwd)
		rc = posix_spawn_file_actions_addchdir_np(&actions, cwd);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (rc == 0)
		rc = posix_spawnp(ret, argv[0], &actions, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* A descriptor that gives the bytes, or -1. */
static int input_of(const void *input, size_t len)
{
	int fd = above_stdio(memfd_create("input", MFD_CLOEXEC));

	if (fd >= 0 && (write(fd, input, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int capture_open(struct capture *capture, const char *const *argv, const char *cwd, const struct strbuf *input,
			struct error *err)
{
	CLEANUP(cleanup_fd) int out = -1, in = input ? input_of(input->buf, input->len) : -1;
	int fds[2], rc;

	if (input && in < 0)
		return error_sys(err, errno, "cannot keep the input of %s", argv[0]);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_sys(err, errno, "cannot make a pipe for %s", argv[0]);
	capture->fd = fds[0];
	out = above_stdio(fds[1]);
	if (out < 0 || fcntl(capture->fd, F_SETFL, O_NONBLOCK) < 0)
		return error_sys(err, errno, "cannot make a pipe for %s", argv[0]);
	rc = start_helper(argv, cwd, in, out, &capture->pid);
	if (rc)
		return error_sys(err, rc, "cannot run %s%s%s", argv[0], cwd ? " in " : "",
				 cwd ? cwd : "");
	capture->pidfd = pidfd_open(capture->pid, 0);
	if (capture->pidfd < 0)
		return error_sys(err, errno, "cannot watch %s", argv[0]);
	return 0;
}

/* 1 more may come, 0 the end of the output, -1 error. */
static int capture_read(struct capture *capture, struct error *err)
{
	ssize_t n;

	strbuf_reserve(&capture->text, 4096);
	n = read(capture->fd, capture->text.buf + capture->text.len, 4096);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ?
			       1 :
			       error_sys(err, errno, "cannot read from %s", capture->name);
	capture->text.len += (size_t)n;
	capture->text.buf[capture->text.len] = '\0';
	if (capture->text.len > capture->max)
		return error_set(err, ERR_ENV, "%s printed more than %zu bytes", capture->name,
				 capture->max);
	return n > 0;
}

/* What the dead helper left in the pipe; a process it left behind may hold the other end. */
static int capture_drain(struct capture *capture, struct error *err)
{
	struct pollfd rest = { .fd = capture->fd, .events = POLLIN };

	while (poll(&rest, 1, 0) == 1) {
		int more = capture_read(capture, err);

		if (more <= 0)
			return more;
	}
	return 0;
}

static int capture_watch(struct capture *capture, struct error *err)
{
	struct pollfd fds[2] = { { .fd = capture->fd, .events = POLLIN },
				 { .fd = capture->pidfd, .events = POLLIN } };

	for (;;) {
		int64_t left = capture->deadline < 0 ? -1 : capture->deadline - clock_mono_ms();
		int n = capture->deadline >= 0 && left <= 0 ? 0 : poll(fds, 2, (int)left);

		if (n == 0)
			return error_set(err, ERR_ENV, "%s did not end in time", capture->name);
		if (n < 0 && errno != EINTR)
			return error_sys(err, errno, "cannot wait for %s", capture->name);
		if (n < 0)
			continue;
		if (fds[1].revents)
			return fds[0].fd < 0 ? 0 : capture_drain(capture, err);
		if (fds[0].revents) {
			int more = capture_read(capture, err);

			if (more < 0)
				return -1;
			if (more == 0)
				fds[0].fd = -1;
		}
	}
}

/* Its exit status, or -1. */
static int capture_wait(const struct capture *capture, struct error *err)
{
	int status;

	while (waitpid(capture->pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "cannot learn how %s ended", capture->name);
	if (WIFSIGNALED(status))
		return error_set(err, ERR_ENV, "%s was killed by %s", capture->name,
				 process_signal_name(WTERMSIG(status)));
	return WEXITSTATUS(status);
}

static void capture_close(struct capture *capture)
{
	if (capture->fd >= 0)
		close(capture->fd);
	if (capture->pidfd >= 0)
		close(capture->pidfd);
	strbuf_release(&capture->text);
}

int process_capture(const char *const *argv, const char *cwd, int timeout_ms, size_t max,
		    struct strbuf *out, struct error *err)
{
	return process_tell(argv, cwd, NULL, timeout_ms, max, out, err);
}

int process_tell(const char *const *argv, const char *cwd, const struct strbuf *input, int timeout_ms, size_t max,
		 struct strbuf *out, struct error *err)
{
	struct capture capture = {
		.name = argv[0], .fd = -1, .pidfd = -1, .max = max, .text = STRBUF_INIT
	};
	int rc;

	capture.deadline = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
	rc = capture_open(&capture, argv, cwd, input, err);
	if (rc == 0)
		rc = capture_watch(&capture, err);
	if (rc != 0 && capture.pid > 0) {
		kill(-capture.pid, SIGKILL);
		capture_wait(&capture, NULL);
	}
	if (rc == 0)
		rc = capture_wait(&capture, err);
	if (rc >= 0)
		strbuf_add(out, capture.text.buf, capture.text.len);
	capture_close(&capture);
	return rc;
}

/* -- names -- */

const char *process_signal_name(int signo)
{
#define NAME(signal) [signal] = #signal
	static const char *const names[] = {
		NAME(SIGHUP),    NAME(SIGINT),  NAME(SIGQUIT),  NAME(SIGILL),  NAME(SIGTRAP),
		NAME(SIGABRT),   NAME(SIGBUS),  NAME(SIGFPE),   NAME(SIGKILL), NAME(SIGUSR1),
		NAME(SIGSEGV),   NAME(SIGUSR2), NAME(SIGPIPE),  NAME(SIGALRM), NAME(SIGTERM),
		NAME(SIGSTKFLT), NAME(SIGCHLD), NAME(SIGCONT),  NAME(SIGSTOP), NAME(SIGTSTP),
		NAME(SIGTTIN),   NAME(SIGTTOU), NAME(SIGURG),   NAME(SIGXCPU), NAME(SIGXFSZ),
		NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGWINCH), NAME(SIGIO),   NAME(SIGPWR),
		NAME(SIGSYS),
	};
#undef NAME
	if (signo > 0 && (size_t)signo < ARRAY_LEN(names) && names[signo])
		return names[signo];
	return "an unnamed signal";
}
