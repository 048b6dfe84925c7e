/* SPDX-License-Identifier: Apache-2.0 */
#include "runners/oom.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

static int64_t read_count(void)
{
	CLEANUP(cleanup_fd) int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	char text[16384], *line;
	size_t len = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	line = strstr(text, "\noom_kill ");
	return line ? strtoll(line + strlen("\noom_kill "), NULL, 10) : -1;
}

int64_t oom_count_read(struct oom_count *oom, int64_t max_age_ms)
{
	int64_t now = clock_mono_ms();

	if (now - oom->read_ms >= max_age_ms) {
		oom->count = read_count();
		oom->read_ms = now;
	}
	return oom->count;
}
