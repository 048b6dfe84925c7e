/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "runners/pause/mlops_pause.h"
/*
 * Process 1 of a pause container: it holds the network namespace that the steps of a
 * slot join, and does nothing until it is told to end. It has no children.
 *
 * Where MLOPS_PAUSE_AGENT is mounted it also carries bytes: each connection to the loopback
 * port becomes one to the agent's socket, which is looked up anew, as another run may have
 * replaced it. It knows nothing of what it carries. One that comes when all places are taken
 * waits in the kernel's queue.
 *
 * The signals are set up before any can be taken: process 1 gets only those it handles.
 */

#define PAIRS	    64
#define BUFFER	    16384
#define RETRY_MS    1000 /* after what may be a shortage */

/* One direction: what was read and not yet written. */
struct flow {
	char data[BUFFER];
	size_t from, to;
	bool ended; /* nothing more comes */
	bool told;  /* and who takes it knows */
};
/* A connection: side 0 is the step, side 1 the agent; flows[i] comes from side i. */
struct pair {
	bool used;
	int fds[2];
	struct flow flows[2];
};

static struct pair pairs[PAIRS];

static void end(int signo)
{
	(void)signo;
	_exit(0);
}

static void drop(struct pair *p)
{
	close(p->fds[0]);
	close(p->fds[1]);
	p->used = false;
}

/* Both are asked without waiting. -1: the connection is broken. */
static int move(struct flow *f, int from, int to)
{
	ssize_t n;

	if (f->from == f->to && !f->ended) {
		n = recv(from, f->data, BUFFER, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		f->from = 0;
		f->to = n > 0 ? (size_t)n : 0;
		f->ended = n == 0;
	}
	if (f->from < f->to) {
		n = send(to, f->data + f->from, f->to - f->from, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		f->from += n > 0 ? (size_t)n : 0;
	}
	if (f->ended && f->from == f->to && !f->told) {
		shutdown(to, SHUT_WR);
		f->told = true;
	}
	return 0;
}

static void serve(struct pair *p)
{
	bool broken = false;

	for (int i = 0; i < 2; i++)
		broken |= move(&p->flows[i], p->fds[i], p->fds[!i]) < 0;
	if (broken || (p->flows[0].told && p->flows[1].told))
		drop(p);
}

static int connect_agent(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = MLOPS_PAUSE_AGENT "/" MLOPS_PAUSE_SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct pair *free_pair(void)
{
	for (size_t i = 0; i < PAIRS; i++)
		if (!pairs[i].used)
			return &pairs[i];
	return NULL;
}

/* Without an agent the step sees its connection closed. */
static void take(int listener, struct pair *p)
{
	int step = accept(listener, NULL, NULL), agent = step < 0 ? -1 : connect_agent();

	if (agent < 0) {
		if (step >= 0)
			close(step);
		else if (errno != EINTR && errno != ECONNABORTED)
			poll(NULL, 0, RETRY_MS);
		return;
	}
	memset(p->flows, 0, sizeof(p->flows));
	p->fds[0] = step;
	p->fds[1] = agent;
	p->used = true;
}

/* What a side is waited for: bytes of it when there is room, room for what the other sent. */
static short wanted(const struct pair *p, int side)
{
	const struct flow *in = &p->flows[side], *out = &p->flows[!side];

	return (short)((in->from == in->to && !in->ended ? POLLIN : 0) | (out->from < out->to ? POLLOUT : 0));
}

static void carry(int listener)
{
	struct pollfd fds[1 + 2 * PAIRS];

	for (;;) {
		struct pair *room = free_pair();

		fds[0] = (struct pollfd){ .fd = room ? listener : -1, .events = POLLIN };
		for (int i = 0; i < 2 * PAIRS; i++) {
			const struct pair *p = &pairs[i / 2];
			short events = p->used ? wanted(p, i % 2) : 0;

			fds[1 + i] = (struct pollfd){ .fd = events ? p->fds[i % 2] : -1, .events = events };
		}
		if (poll(fds, 1 + 2 * PAIRS, -1) < 0)
			continue;
		for (int i = 0; i < 2 * PAIRS; i += 2)
			if (pairs[i / 2].used && (fds[1 + i].revents || fds[2 + i].revents))
				serve(&pairs[i / 2]);
		if (fds[0].revents)
			take(listener, room);
	}
}

static int listen_here(void)
{
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(MLOPS_PAUSE_PORT),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, PAIRS) < 0)
		return -1;
	return fd;
}

int main(void)
{
	const struct sigaction action = { .sa_handler = end };
	struct stat st;
	int listener;

	if (stat(MLOPS_PAUSE_PROBE, &st) < 0 || !S_ISREG(st.st_mode))
		return MLOPS_PAUSE_BLIND;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	listener = stat(MLOPS_PAUSE_AGENT, &st) == 0 ? listen_here() : -1;
	if (listener >= 0)
		carry(listener);
	for (;;)
		pause();
}
