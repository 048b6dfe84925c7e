/* SPDX-License-Identifier: Apache-2.0 */
#include "base/machine.h"
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define GPUS_MAX 64

/* ---- control groups ---- */

/* Where the limits of one controller stand. */
struct hierarchy {
	const char *controller; /* of a line "ID:CONTROLLERS:PATH" in /proc/self/cgroup; "" is version 2 */
	const char *mount;
};

static bool names_controller(const char *list, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (!n)
		return !len;
	for (const char *at = list; at < list + len; at += strcspn(at, ",:") + 1)
		if (!strncmp(at, name, n) && (at[n] == ',' || at[n] == ':'))
			return true;
	return false;
}

/* Our group in the hierarchy, without the slash in front; NULL: none. Caller frees. */
static char *own_group(const char *groups, const char *controller)
{
	for (const char *line = groups; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		if (path && names_controller(list + 1, (size_t)(path - list - 1), controller))
			return xstrndup(path + 2, strcspn(path + 2, "\n"));
	}
	return NULL;
}

/* Calls with the text of `file` in our group and in each above it. */
static void each_group(const struct hierarchy *h, const char *file, void (*each)(const char *text, void *ctx), void *ctx)
{
	CLEANUP_STRBUF struct strbuf groups = STRBUF_INIT;
	CLEANUP(cleanup_free) char *group = NULL;

	if (io_read_file(AT_FDCWD, "/proc/self/cgroup", 1 << 16, &groups, NULL) < 0)
		return;
	group = own_group(groups.buf, h->controller);
	while (group) {
		CLEANUP(cleanup_free) char *path = xasprintf("%s/%s/%s", h->mount, group, file);
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		char *slash = strrchr(group, '/');
		if (io_read_file(AT_FDCWD, path, 4096, &text, NULL) == 0)
			each(text.buf, ctx);
		if (!*group)
			return;
		*(slash ? slash : group) = '\0';
	}
}

static const struct hierarchy unified = { "", "/sys/fs/cgroup" };
static const struct hierarchy memory_v1 = { "memory", "/sys/fs/cgroup/memory" };

/* "200000 100000" or "max 100000": microseconds of CPU in each period. */
static void take_cpu_max(const char *text, void *ctx)
{
	double *cpus = ctx, quota, period;

	if (sscanf(text, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0 && quota / period < *cpus)
		*cpus = quota / period;
}

static void take_bytes(const char *text, void *ctx)
{
	int64_t *bytes = ctx;
	long long limit = isdigit((unsigned char)*text) ? strtoll(text, NULL, 10) : 0;

	if (limit > 0 && limit < *bytes)
		*bytes = limit;
}

/* ---- the machine ---- */

double machine_cpus(void)
{
	cpu_set_t set;
	double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0 && CPU_COUNT(&set) < cpus)
		cpus = CPU_COUNT(&set);
	each_group(&unified, "cpu.max", take_cpu_max, &cpus);
	return cpus;
}

int64_t machine_memory(void)
{
	struct sysinfo info;
	int64_t bytes = INT64_MAX;

	if (sysinfo(&info) == 0)
		bytes = (int64_t)(info.totalram * info.mem_unit);
	each_group(&unified, "memory.max", take_bytes, &bytes);
	each_group(&memory_v1, "memory.limit_in_bytes", take_bytes, &bytes);
	return bytes;
}

int machine_gpus(void)
{
	int n = 0;

	for (int i = 0; i < GPUS_MAX; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/dev/nvidia%d", i);
		n += access(path, F_OK) == 0;
	}
	return n;
}

void machine_cpu_name(char *ret, size_t size)
{
	static const char key[] = "model name";
	FILE *file = fopen("/proc/cpuinfo", "re");
	struct utsname name;
	char line[256];

	snprintf(ret, size, "%s", uname(&name) == 0 ? name.machine : "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		const char *value = strncmp(line, key, strlen(key)) ? NULL : strchr(line, ':');

		if (!value)
			continue;
		value += 1 + strspn(value + 1, " \t");
		snprintf(ret, size, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	if (file)
		fclose(file);
}
