/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#ifdef MLOPS_FAILPOINTS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/mem.h"

static struct {
	char *name; /* NULL: no point is armed */
	char *list; /* file of names; NULL: no list */
	bool kill;
	long sleep_ms;
} armed;

static void refuse(const char *text)
{
	fprintf(stderr, "MLOPS_FAILPOINT: cannot read \"%s\" (NAME=kill|sleep:MS or list:FILE)\n", text);
	abort();
}

static void read_action(const char *text, const char *action)
{
	char *end;

	armed.kill = !strcmp(action, "kill");
	if (armed.kill)
		return;
	if (strncmp(action, "sleep:", 6) || action[6] < '0' || action[6] > '9')
		refuse(text);
	armed.sleep_ms = strtol(action + 6, &end, 10);
	if (*end || armed.sleep_ms == LONG_MAX)
		refuse(text);
}

static void read_environment(void)
{
	const char *text = getenv("MLOPS_FAILPOINT"), *eq;

	if (!text || !*text)
		return;
	if (!strncmp(text, "list:", 5) && text[5]) {
		armed.list = xstrdup(text + 5);
		return;
	}
	eq = strchr(text, '=');
	if (!eq || eq == text)
		refuse(text);
	read_action(text, eq + 1);
	armed.name = xstrndup(text, (size_t)(eq - text));
}

/* One write a name: processes append at the same time. */
static void list(const char *name)
{
	char *line CLEANUP(cleanup_free) = xasprintf("%s\n", name);
	int fd CLEANUP(cleanup_fd) = open(armed.list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd >= 0 && write(fd, line, strlen(line)) > 0)
		return;
	fprintf(stderr, "MLOPS_FAILPOINT: cannot append to %s: %s\n", armed.list, strerror(errno));
	abort();
}

void failpoint(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct timespec span;

	pthread_once(&once, read_environment);
	if (armed.list)
		list(name);
	if (!armed.name || strcmp(armed.name, name) != 0)
		return;
	if (armed.kill)
		raise(SIGKILL);
	span = (struct timespec){ armed.sleep_ms / 1000, armed.sleep_ms % 1000 * 1000000 };
	while (nanosleep(&span, &span) < 0)
		;
}
#endif
