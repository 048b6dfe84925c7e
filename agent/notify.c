/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/notify.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/mem.h"

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_fd) int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (!len || len >= sizeof(sa.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(sa.sun_path, path, len);
	if (*path == '@') /* an abstract name */
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

int notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long ms = usec ? strtoll(usec, NULL, 10) / 1000 : 0;

	if (ms <= 0 || ms > 3600000 || (pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	return ms < 3 ? 1 : (int)(ms / 3);
}
