/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/process_internal.h"
#include "base/spawner_internal.h"
/*
 * The spawner process. It owns nothing but steps: one thread, one poll over the socket
 * and SIGCHLD. Writing to the socket never blocks it, so that its parent may block.
 */

#define CLOSE_GRACE_MS 2000 /* from TERM to KILL when the parent has gone */
#define CLOSE_RETRY_MS 200
#define CLOSE_RETRIES  25

/* What a terminal, a shell or a careless pkill sends: the parent decides, and closes the socket. */
static const int ignored[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM,
			       SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU };

/* -- starting -- */

static void set_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t mask;

	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &action, NULL);
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		sigaction(ignored[i], &action, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* Nothing of the parent's stays open: no terminal, no pipe that somebody reads to its end. */
static int set_descriptors(struct warden *w, int socket_fd)
{
	sigset_t chld;

	w->socket_fd = fcntl(socket_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (w->socket_fd < 0)
		return -1;
	close_range(0, (unsigned)w->socket_fd - 1, 0);
	close_range((unsigned)w->socket_fd + 1, ~0U, 0);
	if (open("/dev/null", O_RDWR) != STDIN_FILENO || dup(STDIN_FILENO) != STDOUT_FILENO ||
	    dup(STDIN_FILENO) != STDERR_FILENO)
		return -1;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	w->signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	w->children_fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	return w->signal_fd < 0 ? -1 : 0;
}

/* Inside a step of another spawner, our steps are also that one's. */
static void set_marker(struct warden *w)
{
	const char *outer = getenv(SPAWN_MARKER);
	unsigned char noise[8];
	char own[2 * sizeof(noise) + 1];

	clock_random(noise, sizeof(noise));
	for (size_t i = 0; i < sizeof(noise); i++)
		snprintf(own + 2 * i, 3, "%02x", noise[i]);
	if (!outer || strlen(outer) > 500 || strspn(outer, "0123456789abcdef./") != strlen(outer))
		outer = "";
	snprintf(w->marker, sizeof(w->marker), "%s=%s%s%s.", SPAWN_MARKER, outer, *outer ? "/" : "",
		 own);
}

/* -- events -- */

static void flush(struct warden *w)
{
	ssize_t n = send(w->socket_fd, w->out.buf, w->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return;
	memmove(w->out.buf, w->out.buf + n, w->out.len - (size_t)n);
	w->out.len -= (size_t)n;
}

static void report(struct warden *w, const struct spawn_event *event)
{
	strbuf_add(&w->out, event, sizeof(*event));
	flush(w);
}

/* -- starting a step -- */

struct start {
	const char *cwd;
	const char **argv, **env; /* NULL-terminated */
	char marker[sizeof(((struct warden *)NULL)->marker) + 16];
	int out, err;
};

static void start_release(struct start *start)
{
	free(start->argv);
	free(start->env);
	close(start->out);
	close(start->err);
}

static const char *next_string(const char **at, const char *end)
{
	const char *text = *at;
	const char *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

static bool unpack(const struct warden *w, const struct spawn_request *request, const char *at,
		   struct start *start)
{
	const char *end = at + request->len;
	const size_t name_len = strlen(SPAWN_MARKER "=");
	size_t n = 0;

	if (!request->argc || request->argc > request->len || request->envc > request->len)
		return false;
	start->argv = xcalloc((size_t)request->argc + 1, sizeof(*start->argv));
	start->env = xcalloc((size_t)request->envc + 2, sizeof(*start->env));
	snprintf(start->marker, sizeof(start->marker), "%s%u", w->marker, request->id);
	start->cwd = next_string(&at, end);
	if (!start->cwd)
		return false;
	for (uint32_t i = 0; i < request->argc; i++)
		if (!(start->argv[i] = next_string(&at, end)))
			return false;
	start->env[n++] = start->marker;
	for (uint32_t i = 0; i < request->envc; i++) {
		const char *text = next_string(&at, end);

		if (!text)
			return false;
		if (strncmp(text, SPAWN_MARKER "=", name_len) != 0)
			start->env[n++] = text;
	}
	return true;
}

static const char *path_of(const char *const *env)
{
	for (; *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return NULL;
}

static void reset_signals(void)
{
	const struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		sigaction(ignored[i], &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Returns the errno that kept the program from running. */
static int become(const struct warden *w, const struct start *start)
{
	CLEANUP(cleanup_free) char *program = NULL;
	int sys;

	setpgid(0, 0);
	/* The last resort, when the spawner itself is killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != w->self)
		_exit(127);
	if (dup2(start->out, STDOUT_FILENO) < 0 || dup2(start->err, STDERR_FILENO) < 0)
		return errno;
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (chdir(start->cwd) < 0)
		return errno;
	sys = program_locate(start->argv[0], path_of(start->env), ".", &program);
	if (sys)
		return sys;
	reset_signals();
	execve(program, (char *const *)start->argv, (char *const *)start->env);
	return errno;
}

/* Returns the pid, or -errno. The pipe closes at exec, or brings the errno of what failed. */
static int launch(const struct warden *w, const struct start *start)
{
	int fds[2], sys = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		sys = become(w, start);
		n = write(fds[1], &sys, sizeof(sys));
		_exit(n == sizeof(sys) ? 126 : 127);
	}
	if (pid < 0)
		sys = errno;
	close(fds[1]);
	n = pid > 0 ? read(fds[0], &sys, sizeof(sys)) : 0;
	close(fds[0]);
	if (pid > 0 && n == sizeof(sys))
		waitpid(pid, NULL, 0);
	return sys ? -sys : pid;
}

/* Descriptors come in the order of the requests that they belong to. */
static bool claim_fd(struct warden *w, int *ret)
{
	if (!w->nfds)
		return false;
	*ret = w->fds[0];
	memmove(w->fds, w->fds + 1, --w->nfds * sizeof(*w->fds));
	return true;
}

static bool start_step(struct warden *w, const struct spawn_request *request, const char *payload)
{
	CLEANUP(start_release) struct start start = { .out = -1, .err = -1 };
	struct spawn_event event = { .id = request->id };
	int pid;

	if (!claim_fd(w, &start.out) || !claim_fd(w, &start.err) || !unpack(w, request, payload, &start))
		return false;
	pid = launch(w, &start);
	if (pid > 0) {
		GROW(w->steps, w->nsteps, w->cap_steps);
		w->steps[w->nsteps++] =
			(struct warden_step){ .id = request->id, .pid = pid, .runs = true };
	}
	event.kind = pid > 0 ? SPAWN_STARTED : SPAWN_FAILED;
	event.pid = pid > 0 ? pid : 0;
	event.sys = pid > 0 ? 0 : -pid;
	report(w, &event);
	return true;
}

static void kill_step(struct warden *w, const struct spawn_request *request)
{
	for (size_t i = 0; i < w->nsteps; i++) {
		struct warden_step *step = &w->steps[i];

		if (step->id != request->id)
			continue;
		if (step->runs) {
			kill(-step->pid, request->signo);
			if (request->signo == SIGTERM || request->signo == SIGINT)
				kill(-step->pid, SIGCONT);
		}
		strays_hurry(step, request->signo, clock_mono_ms());
		return;
	}
}

/* -- requests -- */

/* It stays open, and closes on exec, until this process ends: nothing needs to know its number. */
static bool hold(struct warden *w)
{
	int fd;

	return claim_fd(w, &fd);
}

static bool serve_request(struct warden *w, const struct spawn_request *request,
			  const char *payload)
{
	switch (request->op) {
	case REQUEST_START:
		return start_step(w, request, payload);
	case REQUEST_KILL:
		kill_step(w, request);
		return true;
	case REQUEST_HOLD:
		return hold(w);
	default:
		return false;
	}
}

static bool serve_requests(struct warden *w)
{
	size_t at = 0;

	while (w->in.len - at >= sizeof(struct spawn_request)) {
		struct spawn_request request;

		memcpy(&request, w->in.buf + at, sizeof(request));
		if (request.len > SPAWN_REQUEST_MAX)
			return false;
		if (w->in.len - at - sizeof(request) < request.len)
			break;
		at += sizeof(request);
		if (!serve_request(w, &request, w->in.buf + at))
			return false;
		at += request.len;
	}
	memmove(w->in.buf, w->in.buf + at, w->in.len - at);
	w->in.len -= at;
	return true;
}

static void keep_fds(struct warden *w, struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
			if (w->nfds < ARRAY_LEN(w->fds))
				w->fds[w->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/*
 * One read never goes past bytes that carry descriptors, and requests are served after
 * each read, so that at most one request's are unclaimed. False: the parent has gone,
 * or descriptors were lost and nothing that follows can be trusted.
 */
static bool receive(struct warden *w)
{
	union {
		char buf[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_len = 65536 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	strbuf_reserve(&w->in, iov.iov_len);
	iov.iov_base = w->in.buf + w->in.len;
	n = recvmsg(w->socket_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	keep_fds(w, &msg);
	w->in.len += (size_t)n;
	return n > 0 && !(msg.msg_flags & MSG_CTRUNC) && serve_requests(w);
}

/* -- ends -- */

static int64_t microseconds(const struct timeval *time)
{
	return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static void step_ended(struct warden_step *step, int status, const struct rusage *usage)
{
	step->runs = false;
	step->exit = (struct process_exit){
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.user_us = microseconds(&usage->ru_utime),
		.system_us = microseconds(&usage->ru_stime),
		.max_rss = (int64_t)usage->ru_maxrss * 1024,
	};
	strays_begin(step, clock_mono_ms());
}

/* False when no child is left. */
static bool reap(struct warden *w)
{
	struct signalfd_siginfo info;
	struct rusage usage;
	int status;
	pid_t pid;

	while (read(w->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		for (size_t i = 0; i < w->nsteps; i++)
			if (w->steps[i].runs && w->steps[i].pid == pid)
				step_ended(&w->steps[i], status, &usage);
	return pid == 0;
}

/* Reports the steps of which nothing is left. */
static void settle(struct warden *w)
{
	size_t i = 0;

	while (i < w->nsteps) {
		struct spawn_event event = { .kind = SPAWN_EXITED,
					     .id = w->steps[i].id,
					     .pid = w->steps[i].pid,
					     .exit = w->steps[i].exit };

		if (w->steps[i].runs || !strays_removed(w, &w->steps[i], clock_mono_ms())) {
			i++;
			continue;
		}
		w->steps[i] = w->steps[--w->nsteps];
		report(w, &event);
	}
}

static int next_timeout(const struct warden *w)
{
	int64_t next = INT64_MAX, now;

	for (size_t i = 0; i < w->nsteps; i++)
		if (!w->steps[i].runs && w->steps[i].deadline < next)
			next = w->steps[i].deadline;
	if (next == INT64_MAX)
		return -1;
	now = clock_mono_ms();
	return next > now ? (int)(next - now) : 0;
}

/* The parent has gone, so nobody wants what runs. Ends when no child is left or can be killed. */
static void close_down(struct warden *w)
{
	int64_t deadline = clock_mono_ms() + CLOSE_GRACE_MS;
	int retries = 0;

	strays_signal_all(w, SIGTERM);
	while (reap(w)) {
		struct pollfd fd = { .fd = w->signal_fd, .events = POLLIN };
		int64_t left = deadline - clock_mono_ms();

		if (left > 0) {
			poll(&fd, 1, (int)left);
			continue;
		}
		if (retries++ == CLOSE_RETRIES)
			return;
		strays_signal_all(w, SIGKILL);
		deadline = clock_mono_ms() + CLOSE_RETRY_MS;
	}
}

void warden_main(int socket_fd)
{
	struct warden w = { .in = STRBUF_INIT, .out = STRBUF_INIT, .self = getpid() };
	bool open = true;

	/* No terminal: its signals stay away, and a step that asks for a password fails at once. */
	setsid();
	prctl(PR_SET_NAME, "mlops-spawner");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	set_signals();
	set_marker(&w);
	if (set_descriptors(&w, socket_fd) < 0)
		return;
	while (open) {
		struct pollfd fds[2] = { { .fd = w.socket_fd, .events = POLLIN },
					 { .fd = w.signal_fd, .events = POLLIN } };

		if (w.out.len)
			fds[0].events |= POLLOUT;
		if (poll(fds, 2, next_timeout(&w)) < 0)
			continue;
		if (fds[1].revents)
			reap(&w);
		settle(&w);
		if (w.out.len)
			flush(&w);
		if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
			open = receive(&w);
	}
	close_down(&w);
}
