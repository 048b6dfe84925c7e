/* SPDX-License-Identifier: Apache-2.0 */
#include "base/moment.h"
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include "base/amount.h"
#include "base/error.h"

/* Exactly so many digits, up to a largest number; NULL on anything else, and for NULL. */
static const char *digits(const char *at, int n, int most, int *ret)
{
	int value = 0;

	for (int i = 0; at && i < n; i++)
		at = at[i] >= '0' && at[i] <= '9' ? at : NULL;
	for (int i = 0; at && i < n; i++)
		value = value * 10 + (at[i] - '0');
	if (!at || value > most)
		return NULL;
	*ret = value;
	return at + n;
}

static const char *byte(const char *at, char wanted)
{
	return at && *at == wanted ? at + 1 : NULL;
}

static const char *parse_date(const char *at, struct tm *tm)
{
	at = digits(at, 4, 9999, &tm->tm_year);
	at = digits(byte(at, '-'), 2, 12, &tm->tm_mon);
	at = digits(byte(at, '-'), 2, 31, &tm->tm_mday);
	if (!at || tm->tm_year < 1900 || !tm->tm_mon || !tm->tm_mday)
		return NULL;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return at;
}

static const char *parse_clock(const char *at, struct tm *tm, int *ret_ms)
{
	at = digits(at, 2, 23, &tm->tm_hour);
	at = digits(byte(at, ':'), 2, 59, &tm->tm_min);
	if (at && *at == ':')
		at = digits(at + 1, 2, 60, &tm->tm_sec);
	if (at && *at == '.' && at[-3] == ':')
		at = digits(at + 1, 3, 999, ret_ms);
	return at;
}

/* Z, +HH:MM or -HH:MM. */
static const char *parse_zone(const char *at, bool *ret_named, int *ret_seconds)
{
	int sign, hours, minutes;

	*ret_named = true;
	*ret_seconds = 0;
	if (*at == 'Z')
		return at + 1;
	*ret_named = *at == '+' || *at == '-';
	if (!*ret_named)
		return at;
	sign = *at == '-' ? -1 : 1;
	at = digits(at + 1, 2, 23, &hours);
	at = digits(byte(at, ':'), 2, 59, &minutes);
	if (at)
		*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return at;
}

/* No 31st of February. */
static bool is_day(const struct tm *tm)
{
	struct tm day = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday };

	return timegm(&day) != -1 && day.tm_mday == tm->tm_mday;
}

static bool parse_date_time(const char *text, int64_t *ret_ms)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *at = parse_date(text, &tm);
	int ms = 0, zone = 0;
	bool named = false;
	time_t seconds;

	if (at && (*at == 'T' || *at == ' ')) {
		at = parse_clock(at + 1, &tm, &ms);
		at = at ? parse_zone(at, &named, &zone) : NULL;
	}
	if (!at || *at || !is_day(&tm))
		return false;
	seconds = named ? timegm(&tm) - zone : mktime(&tm);
	*ret_ms = (int64_t)seconds * 1000 + ms;
	return true;
}

int parse_moment(const char *text, int64_t now_ms, int64_t *ret_ms, struct error *err)
{
	int64_t ago;

	if (parse_date_time(text, ret_ms))
		return 0;
	if (parse_duration(text, &ago, NULL) == 0) {
		*ret_ms = now_ms - ago;
		return 0;
	}
	error_set(err, ERR_USAGE, "'%s' is no moment", text);
	return error_help(err, "such as: 10m, 2h, 2026-01-31, 2026-01-31T10:00");
}
