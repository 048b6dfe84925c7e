/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/metrics.h"
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "agent/call.h"
#include "agent/router.h"
#include "base/mem.h"

static const short codes[] = { 0,   200, 201, 204, 206, 304, 400, 401, 403, 404, 405, 409, 410, 411, 412,
			       413, 414, 415, 416, 421, 422, 429, 431, 499, 500, 501, 503, 507 };
/* Upper bounds in microseconds, and as they are written. */
static const struct {
	int64_t us;
	const char *le;
} bounds[] = {
	{ 500, "0.0005" },  { 1000, "0.001" },   { 2500, "0.0025" }, { 5000, "0.005" },  { 10000, "0.01" },
	{ 25000, "0.025" }, { 50000, "0.05" },   { 100000, "0.1" },  { 250000, "0.25" }, { 1000000, "1" },
	{ 5000000, "5" },   { 30000000, "30" },
};

struct series {
	const struct route *route; /* NULL: of what no route took */
	atomic_uint_fast64_t count[ARRAY_LEN(codes) + 1]; /* the last: of other codes */
	atomic_uint_fast64_t bucket[ARRAY_LEN(bounds) + 1];
	atomic_uint_fast64_t sum_us;
};
static struct series *all; /* by the address of their routes; the first is that of no route */
static size_t nall;

static int compare_series(const void *a, const void *b)
{
	uintptr_t one = (uintptr_t)((const struct series *)a)->route, two = (uintptr_t)((const struct series *)b)->route;

	return (one > two) - (one < two);
}

void metrics_start(void)
{
	free(all);
	nall = router_count() + 1;
	all = xcalloc(nall, sizeof(*all));
	for (size_t i = 1; i < nall; i++)
		all[i].route = router_at(i - 1);
	qsort(all, nall, sizeof(*all), compare_series);
}

static void add(atomic_uint_fast64_t *count, uint64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

void metrics_count(const struct call *call, int64_t ns)
{
	struct series key = { .route = call->route };
	struct series *s = bsearch(&key, all, nall, sizeof(*all), compare_series);
	size_t code = 0, bound = 0;

	if (!s)
		return;
	while (code < ARRAY_LEN(codes) && codes[code] != call->status)
		code++;
	while (bound < ARRAY_LEN(bounds) && bounds[bound].us * 1000 < ns)
		bound++;
	add(&s->count[code], 1);
	add(&s->bucket[bound], 1);
	add(&s->sum_us, (uint64_t)(ns / 1000));
}

/* ---- text ---- */

void metrics_family(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *path_of(const struct series *s)
{
	return s->route ? s->route->path : "";
}

static const char *method_of(const struct series *s)
{
	return s->route ? s->route->method : "";
}

static void write_counts(struct strbuf *out, const struct series *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->count); i++) {
		uint64_t n = atomic_load(&s->count[i]);
		char code[8] = "other";

		if (i < ARRAY_LEN(codes))
			snprintf(code, sizeof(code), "%d", codes[i]);
		if (n)
			strbuf_printf(out, "mlops_http_requests_total{route=\"%s\",method=\"%s\",code=\"%s\"} %llu\n",
				      path_of(s), method_of(s), code, (unsigned long long)n);
	}
}

static void write_times(struct strbuf *out, const struct series *s)
{
	static const char name[] = "mlops_http_request_duration_seconds";
	uint64_t n = 0, all_n = 0, sum = atomic_load(&s->sum_us);
	uint64_t counts[ARRAY_LEN(s->bucket)];

	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		all_n += counts[i] = atomic_load(&s->bucket[i]);
	if (!all_n)
		return;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		n += counts[i];
		strbuf_printf(out, "%s_bucket{route=\"%s\",method=\"%s\",le=\"%s\"} %llu\n", name, path_of(s),
			      method_of(s), i < ARRAY_LEN(bounds) ? bounds[i].le : "+Inf", (unsigned long long)n);
	}
	strbuf_printf(out, "%s_sum{route=\"%s\",method=\"%s\"} %llu.%06llu\n", name, path_of(s), method_of(s),
		      (unsigned long long)sum / 1000000, (unsigned long long)sum % 1000000);
	strbuf_printf(out, "%s_count{route=\"%s\",method=\"%s\"} %llu\n", name, path_of(s), method_of(s),
		      (unsigned long long)all_n);
}

/* ---- the process ---- */

static long count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long n = -3; /* ".", ".." and this directory's own */

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Field `n` of /proc/self/stat, from 1; the second is in parentheses and may hold anything. */
static unsigned long long stat_field(int n)
{
	char buf[1024] = "", *at;
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f)
		return 0;
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	at = strrchr(buf, ')');
	for (int i = 2; at && i < n; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static double start_seconds(void)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (double)(wall.tv_sec - boot.tv_sec) + (double)stat_field(22) / (double)sysconf(_SC_CLK_TCK);
}

static void write_process(struct strbuf *out)
{
	struct rusage usage;
	struct rlimit files;

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &files);
	metrics_family(out, "process_cpu_seconds_total", "counter", "User and system time.");
	strbuf_printf(out, "process_cpu_seconds_total %.6f\n",
		      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			      1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
	metrics_family(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
	strbuf_printf(out, "process_resident_memory_bytes %llu\n",
		      stat_field(24) * (unsigned long long)sysconf(_SC_PAGESIZE));
	metrics_family(out, "process_open_fds", "gauge", "Open file descriptors.");
	strbuf_printf(out, "process_open_fds %ld\n", count_fds());
	metrics_family(out, "process_max_fds", "gauge", "Most file descriptors that may be open.");
	strbuf_printf(out, "process_max_fds %llu\n", (unsigned long long)files.rlim_cur);
	metrics_family(out, "process_start_time_seconds", "gauge", "When it started, since 1970.");
	strbuf_printf(out, "process_start_time_seconds %.2f\n", start_seconds());
}

void metrics_write(struct strbuf *out)
{
	metrics_family(out, "mlops_build_info", "gauge", "The program.");
	strbuf_puts(out, "mlops_build_info{version=\"" MLOPS_VERSION "\"} 1\n");
	metrics_family(out, "mlops_http_requests_total", "counter", "Requests that ended, by route and status.");
	for (size_t i = 0; i < nall; i++)
		write_counts(out, &all[i]);
	metrics_family(out, "mlops_http_request_duration_seconds", "histogram",
		       "From a request's first line to its answer's end.");
	for (size_t i = 0; i < nall; i++)
		write_times(out, &all[i]);
	write_process(out);
}
