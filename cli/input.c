/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* What would end or stop the program while the terminal shows nothing. */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

struct quiet {
	int fd;
	struct termios before;
	struct sigaction actions[ARRAY_LEN(signals)];
};

static int quiet_begin(struct quiet *q, struct error *err)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: read() ends */
	struct termios now;

	if (tcgetattr(q->fd, &q->before) < 0)
		return error_sys(err, errno, "cannot ask on the terminal");
	caught = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &action, &q->actions[i]);
	now = q->before;
	now.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	now.c_lflag |= ICANON | ISIG;
	tcsetattr(q->fd, TCSAFLUSH, &now);
	return 0;
}

/* What was typed or pasted beyond the line must not reach the shell. */
static void quiet_end(struct quiet *q)
{
	tcsetattr(q->fd, TCSAFLUSH, &q->before);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &q->actions[i], NULL);
}

static void show(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		caught = SIGHUP;
}

/* Up to a line feed or the end. -1 with errno. */
static int read_line(int fd, size_t max, struct strbuf *ret)
{
	for (;;) {
		char c;
		ssize_t n = caught ? (errno = EINTR, -1) : read(fd, &c, 1);
		if (n < 0 && errno == EINTR && !caught)
			continue;
		if (n < 0)
			return -1;
		if (!n || c == '\n' || ret->len > max)
			return 0;
		strbuf_putc(ret, c);
	}
}

/* After Ctrl-Z and fg it asks again. */
static int ask(int fd, const char *what, size_t max, struct strbuf *ret, struct error *err)
{
	struct quiet q = { .fd = fd };
	int r, sys;

	do {
		strbuf_clear(ret);
		if (quiet_begin(&q, err) < 0)
			return -1;
		show(fd, what);
		show(fd, ": ");
		r = read_line(fd, max, ret);
		sys = errno;
		show(fd, "\n");
		quiet_end(&q);
		if (caught == SIGTSTP)
			raise(SIGTSTP);
	} while (caught == SIGTSTP);
	if (caught)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return r < 0 ? error_sys(err, sys, "cannot read the terminal") : 0;
}

static int ask_terminal(const char *what, size_t max, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	return ask(fd < 0 ? STDIN_FILENO : fd, what, max, ret, err);
}

static int read_all(size_t max, struct strbuf *ret, struct error *err)
{
	ssize_t n = 1;

	/* a line feed, and a byte that is too many */
	while (n && ret->len < max + 3) {
		n = read(STDIN_FILENO, ret->buf + ret->len, max + 3 - ret->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read standard input");
		ret->len += (size_t)n;
	}
	return 0;
}

int input_read(const char *what, size_t max, struct strbuf *ret, struct error *err)
{
	/* one piece: a buffer that grows leaves copies behind */
	strbuf_reserve(ret, max + 4);
	if (isatty(STDIN_FILENO) ? ask_terminal(what, max, ret, err) : read_all(max, ret, err))
		return -1;
	if (ret->len && ret->buf[ret->len - 1] == '\n')
		ret->len -= ret->len > 1 && ret->buf[ret->len - 2] == '\r' ? 2 : 1;
	ret->buf[ret->len] = '\0';
	if (ret->len <= max)
		return 0;
	return error_set(err, ERR_USAGE, "%s is larger than %zu bytes", what, max);
}
