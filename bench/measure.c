/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command once and prints "SECONDS PEAK_KIB STATUS" on descriptor 3: wall time,
 * and the largest resident set of the command and what it waited for. Small on
 * purpose: a child's peak starts at the size of the process that made it, so a Python
 * parent could not see anything below its own size.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	double start = now();
	pid_t pid = vfork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	int status;
	struct rusage usage;
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	dprintf(3, "%.6f %ld %d\n", now() - start, usage.ru_maxrss, code);
	return 0;
}
