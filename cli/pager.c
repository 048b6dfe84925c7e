/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/process.h"
#include "base/settings.h"
#include "cli/term.h"

static const char *pager_command(const struct settings *settings)
{
	const char *own = getenv("MLOPS_UI_PAGER");
	const char *file = settings ? settings->values[SETTING_UI_PAGER] : NULL;
	const char *common = getenv("PAGER");

	if (own)
		return own;
	if (file && !*file)
		return "";
	if (common)
		return common;
	return setting_defs[SETTING_UI_PAGER].fallback;
}

/* sh would only complain after the text was lost, so the program is looked for first. */
static bool program_exists(const char *command)
{
	CLEANUP(cleanup_free) char *word = xstrndup(command, strcspn(command, " \t"));
	CLEANUP(cleanup_free) char *path = process_find(word, getenv("PATH"), NULL);

	return path != NULL;
}

static _Noreturn void pager_child(int in, const char *command)
{
	struct sigaction fallback = { .sa_handler = SIG_DFL };

	sigaction(SIGPIPE, &fallback, NULL);
	sigaction(SIGINT, &fallback, NULL);
	setenv("LESS", "FRX", 0);
	dup2(in, STDIN_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

pid_t pager_start(const struct settings *settings)
{
	const char *command = pager_command(settings);
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int ends[2];
	pid_t pid;

	if (!*command || !strcmp(command, "cat") || !program_exists(command))
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		pager_child(ends[0], command);
	close(ends[0]);
	if (pid > 0)
		dup2(ends[1], STDOUT_FILENO);
	close(ends[1]);
	if (pid < 0)
		return 0;
	/* Ctrl-C belongs to the reader now; quitting it ends our writing. */
	sigaction(SIGINT, &ignore, NULL);
	return pid;
}

void pager_wait(pid_t pid)
{
	if (pid <= 0)
		return;
	fflush(stdout);
	close(STDOUT_FILENO);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}
