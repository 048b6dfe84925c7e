/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cron.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/zone.h"
#include "base/zone_rule.h"

#define DAY_S  86400
#define FIELDS 5

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun",
					   "jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const day_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

/* Names count from the smallest value. */
static const struct field {
	const char *name;
	int min, max;
	const char *const *names;
} fields[FIELDS] = {
	{ "minute", 0, 59, NULL }, { "hour", 0, 23, NULL },	  { "day", 1, 31, NULL },
	{ "month", 1, 12, month_names }, { "weekday", 0, 7, day_names },
};

/* ---- parsing ---- */

/* A number or name of the field from *text on; -1 with *err. */
static int read_value(const struct field *f, const char **text, struct error *err)
{
	size_t digits = strspn(*text, "0123456789"), letters = 0;
	long n;

	for (size_t i = 0; f->names && f->names[i]; i++) {
		if (strncasecmp(*text, f->names[i], 3) != 0 || isalnum((unsigned char)(*text)[3]))
			continue;
		*text += 3;
		return f->min + (int)i;
	}
	while (isalpha((unsigned char)(*text)[letters]))
		letters++;
	if (!digits && !letters)
		return error_set(err, ERR_USAGE, "%s: a value is missing", f->name);
	if (!digits)
		return error_set(err, ERR_USAGE, "%s: there is no '%.*s'", f->name, (int)letters, *text);
	n = digits > 4 ? 9999 : strtol(*text, NULL, 10);
	if (n < f->min || n > f->max)
		return error_set(err, ERR_USAGE, "%s: %.*s is not one of %d to %d", f->name, (int)(digits < 20 ? digits : 20), *text,
				 f->min, f->max);
	*text += digits;
	return (int)n;
}

/* "/5" behind a range. */
static int read_step(const struct field *f, int from, int to, const char **text, struct error *err)
{
	size_t digits;
	long n;

	if (**text != '/')
		return 1;
	++*text;
	digits = strspn(*text, "0123456789");
	n = !digits || digits > 4 ? 0 : strtol(*text, NULL, 10);
	if (!n)
		return error_set(err, ERR_USAGE, "%s: a step is a whole number from 1 on", f->name);
	if (n > to - from)
		return error_set(err, ERR_USAGE, "%s: a step of %ld leads out of %d to %d", f->name, n, from, to);
	*text += digits;
	return (int)n;
}

/* One item of a list: a *, a value, or a range, and maybe a step. */
static int read_item(const struct field *f, const char **text, uint64_t *bits, struct error *err)
{
	int from = f->min, to = f->max, step;
	bool range = **text == '*';

	if (range) {
		++*text;
		to = f->names == day_names ? 6 : to;
	} else {
		from = to = read_value(f, text, err);
		if (from < 0)
			return -1;
		range = **text == '-';
		if (range && (++*text, (to = read_value(f, text, err)) < 0))
			return -1;
		if (range && to < from)
			return error_set(err, ERR_USAGE, "%s: a range goes upwards, not from %d to %d", f->name, from, to);
	}
	if (!range && **text == '/')
		return error_set(err, ERR_USAGE, "%s: a step needs a range: %d-%d%.5s, or *%.5s", f->name, from, f->max, *text, *text);
	step = read_step(f, from, to, text, err);
	if (step < 0)
		return -1;
	for (int i = from; i <= to; i += step)
		*bits |= 1ull << i;
	return 0;
}

static int read_field(const struct field *f, const char *text, uint64_t *ret, struct error *err)
{
	uint64_t bits = 0;

	for (;;) {
		if (read_item(f, &text, &bits, err) < 0)
			return -1;
		if (!*text)
			break;
		if (*text++ != ',')
			return error_set(err, ERR_USAGE, "%s: '%.20s' is no list, range or step", f->name, text - 1);
	}
	*ret = bits;
	return 0;
}

static const char *expand(const char *text)
{
	static const struct {
		const char *word, *means;
	} words[] = { { "@hourly", "0 * * * *" }, { "@daily", "0 0 * * *" },	{ "@midnight", "0 0 * * *" },
		      { "@weekly", "0 0 * * 0" }, { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" },
		      { "@annually", "0 0 1 1 *" } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(text, words[i].word))
			return words[i].means;
	return text;
}

/* Cuts at blanks. */
static int split(char *text, char *ret[FIELDS], struct error *err)
{
	int n = 0;
	char *save;

	for (char *word = strtok_r(text, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (n < FIELDS)
			ret[n] = word;
		n++;
	}
	if (n == FIELDS)
		return 0;
	error_set(err, ERR_USAGE, "a time has 5 fields, not %d", n);
	return error_help(err, "write minute hour day month weekday: 0 3 * * 1-5 is at 3:00 from Monday to Friday");
}

/* Whether a day of some month is among them; with a weekday of its own another one will do. */
static int check_comes(const struct cron *c, struct error *err)
{
	if (!c->any_day && !c->any_weekday)
		return 0;
	for (int month = 1; month <= 12; month++)
		for (int day = 1; day <= days_of_month(2000, month); day++)
			if (c->months >> month & 1 && c->days >> day & 1)
				return 0;
	error_set(err, ERR_USAGE, "this time never comes: none of its months has such a day");
	return error_help(err, "of the last day of a month there is no such time; take the first: 0 0 1 * *");
}

int cron_parse(const char *text, struct cron *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *copy = xstrdup(expand(text + strspn(text, " \t")));
	char *words[FIELDS];
	uint64_t bits[FIELDS];
	struct cron c;

	if (*copy == '@')
		return error_set(err, ERR_USAGE, "'%.20s' is none of @hourly, @daily, @weekly, @monthly, @yearly", copy);
	if (split(copy, words, err) < 0)
		return -1;
	for (size_t i = 0; i < FIELDS; i++)
		if (read_field(&fields[i], words[i], &bits[i], err) < 0)
			return -1;
	c = (struct cron){
		.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint32_t)bits[3],
		.weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f), /* 7 is Sunday, too */
		.any_day = *words[2] == '*',
		.any_weekday = *words[4] == '*',
		.keeps_distance = strpbrk(words[0], "*/") || strpbrk(words[1], "*/"),
	};
	if (check_comes(&c, err) < 0)
		return -1;
	*ret = c;
	return 0;
}

/* ---- the next one ---- */

static bool has_day(const struct cron *c, int64_t days, int day)
{
	bool weekday = c->weekdays >> ((days % 7 + 11) % 7) & 1; /* 1970-01-01 was a Thursday */
	bool date = c->days >> day & 1;

	return c->any_day || c->any_weekday ? date && weekday : date || weekday;
}

/* The first day from this one on. */
static int64_t next_day(const struct cron *c, int64_t days)
{
	int64_t year;
	int month, day;

	for (;;) {
		date_of_days(days, &year, &month, &day);
		if (c->months >> month & 1 && has_day(c, days, day))
			return days;
		days = c->months >> month & 1 ? days + 1 : days_of_date(year, month, 1) + days_of_month(year, month);
	}
}

/* The first minute of the day from this one on; -1: none is left. */
static int next_minute(const struct cron *c, int from)
{
	for (int hour = from / 60; hour < 24; hour++) {
		uint64_t left = c->minutes >> (hour == from / 60 ? from % 60 : 0);

		if (c->hours >> hour & 1 && left)
			return hour * 60 + (hour == from / 60 ? from % 60 : 0) + __builtin_ctzll(left);
	}
	return -1;
}

/* The first time on a wall that no change moves, at or after this second. */
static int64_t next_wall(const struct cron *c, int64_t wall_s)
{
	int64_t minute = wall_s / 60 + (wall_s % 60 > 0), days = minute / 1440 - (minute % 1440 < 0);
	int64_t day = next_day(c, days);
	int at = next_minute(c, day == days ? (int)(minute - days * 1440) : 0);

	if (at < 0) {
		day = next_day(c, day + 1);
		at = next_minute(c, 0);
	}
	return day * DAY_S + at * 60;
}

/* Where the search begins: what is shown for the second time is passed over. */
static int64_t begin(const struct cron *c, const struct zone *zone, int64_t after_s)
{
	int64_t moments[2];

	if (c->keeps_distance || zone_moments(zone, after_s + zone_offset(zone, after_s), moments) < 2 || after_s < moments[1])
		return after_s;
	return zone_change(zone, moments[0]) + (moments[1] - moments[0]);
}

int64_t cron_next(const struct cron *c, const struct zone *zone, int64_t after_s)
{
	int64_t at = begin(c, zone, after_s);

	for (;;) {
		int32_t offset = zone_offset(zone, at), other;
		int64_t change = zone_change(zone, at), next = next_wall(c, at + offset + (at == after_s)) - offset;

		if (next < change)
			return next;
		other = zone_offset(zone, change);
		if (!c->keeps_distance && other > offset && next < change + (other - offset))
			return change;
		at = change;
		if (!c->keeps_distance && other < offset)
			at += offset - other;
	}
}
