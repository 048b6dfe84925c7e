/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runners/pause/mlops_pause.h"
/*
 * Process 1 of a pause container: it holds the network namespace that the steps of a
 * slot join, and does nothing until it is told to end. It has no children.
 *
 * The signals are set up before any can be taken: process 1 gets only those it handles.
 */

static void end(int signo)
{
	(void)signo;
	_exit(0);
}

int main(void)
{
	const struct sigaction action = { .sa_handler = end };
	struct stat st;

	if (stat(MLOPS_PAUSE_PROBE, &st) < 0 || !S_ISREG(st.st_mode))
		return MLOPS_PAUSE_BLIND;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (;;)
		pause();
}
