/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zone_rule.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

/* ---- the calendar ---- */

/* Years begin in March, so that a leap day is a year's last; eras of 400 years are all alike. */
int64_t days_of_date(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void date_of_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), month = (5 * of_year + 2) / 153;

	*ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (int)(month < 10 ? month + 3 : month - 9);
	*ret_year = y + era * 400 + (*ret_month <= 2);
}

int days_of_month(int64_t year, int month)
{
	return (int)(days_of_date(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - days_of_date(year, month, 1));
}

/* ---- parsing ---- */

/* <+0330> or CET */
static bool skip_name(const char **text)
{
	const char *p = *text, *start = p;

	if (*p == '<') {
		p = strchr(p, '>');
		if (!p)
			return false;
		*text = p + 1;
		return p - start > 3;
	}
	while (isalpha((unsigned char)*p))
		p++;
	*text = p;
	return p - start >= 3;
}

static bool read_number(const char **text, long min, long max, int *ret)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)**text))
		return false;
	n = strtol(*text, &end, 10);
	if (n < min || n > max || end - *text > 3)
		return false;
	*ret = (int)n;
	*text = end;
	return true;
}

/* [+-]HH[:MM[:SS]] */
static bool read_time(const char **text, int hours, int32_t *ret)
{
	bool minus = **text == '-';
	int h, m = 0, s = 0;

	*text += minus || **text == '+';
	if (!read_number(text, 0, hours, &h))
		return false;
	if (**text == ':' && (++*text, !read_number(text, 0, 59, &m)))
		return false;
	if (**text == ':' && (++*text, !read_number(text, 0, 59, &s)))
		return false;
	*ret = (h * 60 + m) * 60 + s;
	*ret = minus ? -*ret : *ret;
	return true;
}

static bool read_week(const char **text, struct zone_date *ret)
{
	if (!read_number(text, 1, 12, &ret->month) || *(*text)++ != '.' || !read_number(text, 1, 5, &ret->week) ||
	    *(*text)++ != '.')
		return false;
	return read_number(text, 0, 6, &ret->day);
}

static bool read_date(const char **text, struct zone_date *ret)
{
	bool good;

	*ret = (struct zone_date){ .time = 7200 };
	if (**text != ',')
		return false;
	++*text;
	ret->kind = **text == 'J' ? DAY_JULIAN : **text == 'M' ? DAY_OF_WEEK : DAY_OF_YEAR;
	*text += ret->kind != DAY_OF_YEAR;
	if (ret->kind == DAY_OF_WEEK)
		good = read_week(text, ret);
	else
		good = read_number(text, ret->kind == DAY_JULIAN, 365, &ret->day);
	if (!good || **text != '/')
		return good;
	++*text;
	return read_time(text, 167, &ret->time);
}

bool zone_rule_parse(const char *text, struct zone_rule *ret)
{
	struct zone_rule rule = { 0 };

	if (!skip_name(&text) || !read_time(&text, 24, &rule.offset))
		return false;
	rule.offset = -rule.offset; /* POSIX counts to the west */
	if (*text) {
		rule.changes = true;
		if (!skip_name(&text))
			return false;
		rule.summer = rule.offset + 3600;
		if (*text != ',') {
			if (!read_time(&text, 24, &rule.summer))
				return false;
			rule.summer = -rule.summer;
		}
		if (!read_date(&text, &rule.begin) || !read_date(&text, &rule.end) || *text)
			return false;
	}
	*ret = rule;
	return true;
}

/* ---- asking ---- */

static int64_t first_of_year(int64_t year)
{
	return days_of_date(year, 1, 1);
}

/* Days since 1970 at which the date is in this year. */
static int64_t day_of(const struct zone_date *date, int64_t year)
{
	bool leap = days_of_month(year, 2) == 29;
	int64_t day;

	if (date->kind == DAY_OF_YEAR)
		return first_of_year(year) + date->day;
	if (date->kind == DAY_JULIAN)
		return first_of_year(year) + date->day - 1 + (leap && date->day >= 60);
	day = days_of_date(year, date->month, 1);
	day += (date->day - (day + 4) % 7 + 14) % 7 + (date->week - 1) * 7; /* 1970-01-01 was a Thursday */
	if (day >= days_of_date(year, date->month, 1) + days_of_month(year, date->month))
		day -= 7;
	return day;
}

struct turn {
	int64_t at;
	int32_t offset; /* from then on */
};

/* Turns of three years around a moment, by time; of two at one moment the one into summer is the later. */
static size_t turns_around(const struct zone_rule *rule, int64_t utc_s, struct turn ret[6])
{
	int64_t days = (utc_s + rule->offset) / DAY_S, year;
	int month, day;
	size_t n = 0;

	date_of_days(days, &year, &month, &day);
	for (int64_t y = year - 1; y <= year + 1; y++) {
		struct turn begin = { day_of(&rule->begin, y) * DAY_S + rule->begin.time - rule->offset, rule->summer };
		struct turn end = { day_of(&rule->end, y) * DAY_S + rule->end.time - rule->summer, rule->offset };
		bool first = begin.at < end.at;

		ret[n++] = first ? begin : end;
		ret[n++] = first ? end : begin;
	}
	return n;
}

int32_t zone_rule_offset(const struct zone_rule *rule, int64_t utc_s)
{
	struct turn turns[6];
	int32_t offset = rule->offset;
	size_t n;

	if (!rule->changes)
		return offset;
	n = turns_around(rule, utc_s, turns);
	for (size_t i = 0; i < n && turns[i].at <= utc_s; i++)
		offset = turns[i].offset;
	return offset;
}

int64_t zone_rule_change(const struct zone_rule *rule, int64_t utc_s)
{
	struct turn turns[6];
	int32_t offset = zone_rule_offset(rule, utc_s);
	size_t n;

	if (!rule->changes)
		return INT64_MAX;
	n = turns_around(rule, utc_s, turns);
	/* The last one is more than a year away, and what it meets is not known. */
	for (size_t i = 0; i + 1 < n; i++)
		if (turns[i].at > utc_s && turns[i].offset != offset && turns[i + 1].at > turns[i].at)
			return turns[i].at;
	return INT64_MAX;
}
