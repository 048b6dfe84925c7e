/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signals.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"

static volatile sig_atomic_t view_lines, forward_to, status, json;

static void put(const char *text)
{
	ssize_t n = write(json ? STDOUT_FILENO : STDERR_FILENO, text, strlen(text));

	(void)n; /* who is to read it may have gone */
}

static void wipe_view(void)
{
	char text[] = "\r\033[0000A\033[J";
	int lines = view_lines;

	for (char *digit = strchr(text, 'A') - 1; lines; lines /= 10)
		*digit-- = (char)('0' + lines % 10);
	if (view_lines)
		put(text);
}

/* Only what a handler may call. */
static void on_stop(int signo)
{
	(void)signo;
	if (forward_to)
		kill((pid_t)forward_to, SIGTERM);
	wipe_view();
	put(json ? "{\"error\":{\"code\":\"INTERRUPTED\",\"message\":\"interrupted\"}}\n" : "error: interrupted\n");
	_exit(status);
}

void signals_open(bool as_json)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_stop }, old;

	json = as_json;
	status = error_exit_status(ERR_INTERRUPTED);
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(stops); i++)
		if (stops[i] != SIGHUP || sigaction(SIGHUP, NULL, &old) || old.sa_handler != SIG_IGN)
			sigaction(stops[i], &action, NULL);
	/* A request that comes when the run has just ended. */
	action.sa_handler = SIG_IGN;
	sigaction(SIGUSR1, &action, NULL);
}

void signals_detach(void)
{
	static const int ignored[] = { SIGHUP, SIGPIPE };
	struct sigaction action = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		sigaction(ignored[i], &action, NULL);
}

void signals_view(int lines)
{
	view_lines = lines;
}

void signals_forward(pid_t pid)
{
	forward_to = pid;
}

void signals_reader_left(void)
{
	static bool told;

	if (!told)
		kill(getpid(), SIGHUP);
	told = true;
}
