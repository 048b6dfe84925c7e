/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t real_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t real_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void real_random(void *buf, size_t len)
{
	unsigned char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

struct clock_source clock_source = { real_wall_ms, real_mono_ns, real_random };

int64_t clock_wall_ms(void)
{
	return clock_source.wall_ms();
}

int64_t clock_mono_ns(void)
{
	return clock_source.mono_ns();
}

int64_t clock_mono_ms(void)
{
	return clock_source.mono_ns() / 1000000;
}

void clock_random(void *buf, size_t len)
{
	clock_source.random(buf, len);
}

void clock_uuid(char ret[33])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char b[16];

	clock_random(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++) {
		ret[2 * i] = digits[b[i] >> 4];
		ret[2 * i + 1] = digits[b[i] & 15];
	}
	ret[32] = '\0';
}

void clock_format_utc(int64_t wall_ms, char ret[32])
{
	int64_t ms = ((wall_ms % 1000) + 1000) % 1000;
	time_t seconds = (time_t)((wall_ms - ms) / 1000);
	struct tm tm;
	char date[24];

	if (!gmtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm)) {
		snprintf(ret, 32, "%lld", (long long)wall_ms);
		return;
	}
	snprintf(ret, 32, "%s.%03dZ", date, (int)ms);
}
