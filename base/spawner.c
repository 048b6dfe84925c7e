/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/spawner_internal.h"
#include "base/strbuf.h"
/*
 * The parent's end. Requests are written blocking: the spawner always reads, since it
 * never blocks on writing events.
 */
struct spawner {
	pid_t pid;
	int fd;
	char events[32 * sizeof(struct spawn_event)];
	size_t len, at; /* bytes received; bytes handed out */
};

int spawner_start(struct spawner **ret, struct error *err)
{
	struct spawner *spawner;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_sys(err, errno, "cannot make a socket for the spawner");
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		warden_main(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	if (pid < 0) {
		int sys = errno;

		close(fds[0]);
		return error_sys(err, sys, "cannot fork the spawner");
	}
	spawner = xcalloc(1, sizeof(*spawner));
	spawner->pid = pid;
	spawner->fd = fds[0];
	*ret = spawner;
	return 0;
}

void spawner_stop(struct spawner *spawner)
{
	if (!spawner)
		return;
	close(spawner->fd);
	while (waitpid(spawner->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(spawner);
}

int spawner_fd(const struct spawner *spawner)
{
	return spawner->fd;
}

static int send_failed(struct error *err)
{
	if (errno == EPIPE || errno == ECONNRESET)
		return error_set(err, ERR_ENV, "the process that starts steps is gone");
	return error_sys(err, errno, "cannot reach the process that starts steps");
}

static int send_rest(const struct spawner *spawner, const struct strbuf *message, size_t sent,
		     struct error *err)
{
	while (sent < message->len) {
		ssize_t n =
			send(spawner->fd, message->buf + sent, message->len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR)
			return send_failed(err);
	}
	return 0;
}

/* The descriptors ride on the first byte, so what follows may be sent in pieces. */
static int send_with_fds(const struct spawner *spawner, const struct strbuf *message,
			 const int *fds, size_t nfds, struct error *err)
{
	union {
		char buf[CMSG_SPACE(SPAWN_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { message->buf, message->len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	do
		n = sendmsg(spawner->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return send_failed(err);
	return send_rest(spawner, message, (size_t)n, err);
}

static uint32_t add_strings(struct strbuf *message, const char *const *strings)
{
	uint32_t n = 0;

	for (; strings[n]; n++)
		strbuf_add(message, strings[n], strlen(strings[n]) + 1);
	return n;
}

int spawner_spawn(struct spawner *spawner, uint32_t id, const struct process_spec *spec,
		  struct error *err)
{
	struct spawn_request request = { .op = REQUEST_START, .id = id };
	CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;

	strbuf_add(&message, &request, sizeof(request));
	strbuf_add(&message, spec->cwd, strlen(spec->cwd) + 1);
	request.argc = add_strings(&message, spec->argv);
	request.envc = add_strings(&message, spec->env);
	if (message.len - sizeof(request) > SPAWN_REQUEST_MAX)
		return error_set(err, ERR_USAGE,
				 "the command and its environment take %zu bytes, more than %u",
				 message.len - sizeof(request), SPAWN_REQUEST_MAX);
	request.len = (uint32_t)(message.len - sizeof(request));
	memcpy(message.buf, &request, sizeof(request));
	return send_with_fds(spawner, &message, (const int[]){ spec->out, spec->err }, 2, err);
}

int spawner_hold(struct spawner *spawner, int fd, struct error *err)
{
	struct spawn_request request = { .op = REQUEST_HOLD };
	CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;

	strbuf_add(&message, &request, sizeof(request));
	return send_with_fds(spawner, &message, &fd, 1, err);
}

int spawner_kill(struct spawner *spawner, uint32_t id, int signo, struct error *err)
{
	struct spawn_request request = { .op = REQUEST_KILL, .id = id, .signo = signo };
	CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;

	strbuf_add(&message, &request, sizeof(request));
	return send_rest(spawner, &message, 0, err);
}

/* 1 bytes came, 0 none wait, -1 gone. */
static int receive(struct spawner *spawner, struct error *err)
{
	ssize_t n;

	memmove(spawner->events, spawner->events + spawner->at, spawner->len - spawner->at);
	spawner->len -= spawner->at;
	spawner->at = 0;
	do
		n = recv(spawner->fd, spawner->events + spawner->len,
			 sizeof(spawner->events) - spawner->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return error_set(err, ERR_ENV, "the process that starts steps is gone");
	spawner->len += (size_t)n;
	return 1;
}

int spawner_next(struct spawner *spawner, struct spawn_event *ret, struct error *err)
{
	while (spawner->len - spawner->at < sizeof(*ret)) {
		int rc = receive(spawner, err);

		if (rc <= 0)
			return rc;
	}
	memcpy(ret, spawner->events + spawner->at, sizeof(*ret));
	spawner->at += sizeof(*ret);
	return 1;
}
