/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/number.h"

#define MS_PER_MINUTE 60000
#define MS_PER_DAY    (INT64_C(86400) * 1000)
#define FRACTION_MAX  9 /* digits behind a second */

struct reader {
	const char *p, *end;
};

static bool number(struct reader *r, unsigned digits, unsigned most, unsigned *ret)
{
	unsigned n = 0;

	if (r->end - r->p < (ptrdiff_t)digits)
		return false;
	for (unsigned i = 0; i < digits; i++, r->p++) {
		if (*r->p < '0' || *r->p > '9')
			return false;
		n = n * 10 + (unsigned)(*r->p - '0');
	}
	*ret = n;
	return n <= most;
}

static bool sign(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* Days since 1970 in the Gregorian calendar, as Howard Hinnant's days_from_civil. */
static int64_t days(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_date(struct reader *r, int64_t *ret_ms)
{
	static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned year, month, day;

	if (!number(r, 4, 9999, &year) || !sign(r, '-') || !number(r, 2, 12, &month) || !sign(r, '-') ||
	    !number(r, 2, 31, &day) || !year || !month || !day)
		return false;
	if (day > lengths[month - 1] &&
	    !(month == 2 && day == 29 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
		return false;
	*ret_ms = days(year, month, day) * MS_PER_DAY;
	return true;
}

static bool read_fraction(struct reader *r, int64_t *ms)
{
	unsigned n = 0, digit;

	for (int64_t unit = 100; r->p < r->end && number(r, 1, 9, &digit); unit /= 10, n++)
		*ms += unit * digit;
	return n > 0 && n <= FRACTION_MAX;
}

/* HH:MM, perhaps with seconds and their fraction. */
static bool read_clock(struct reader *r, int64_t *ms)
{
	unsigned hour, minute, second = 0;

	if (!number(r, 2, 23, &hour) || !sign(r, ':') || !number(r, 2, 59, &minute))
		return false;
	*ms += (int64_t)(hour * 60 + minute) * MS_PER_MINUTE;
	if (!sign(r, ':'))
		return true;
	if (!number(r, 2, 59, &second))
		return false;
	*ms += second * 1000;
	return !sign(r, '.') || read_fraction(r, ms);
}

/* Z, +02, +0200, +02:00, or nothing. */
static bool read_zone(struct reader *r, int64_t *ms)
{
	unsigned hour, minute = 0;
	bool west;

	if (sign(r, 'Z') || r->p == r->end)
		return true;
	west = *r->p == '-';
	if (!sign(r, '-') && !sign(r, '+'))
		return false;
	if (!number(r, 2, 23, &hour))
		return false;
	if ((sign(r, ':') || r->p < r->end) && !number(r, 2, 59, &minute))
		return false;
	*ms -= (west ? -1 : 1) * (int64_t)(hour * 60 + minute) * MS_PER_MINUTE;
	return true;
}

bool time_parse(const char *text, size_t len, int64_t *ret_ms)
{
	struct reader r = { text, text + len };
	int64_t ms;

	while (r.p < r.end && (*r.p == ' ' || *r.p == '\t'))
		r.p++;
	while (r.p < r.end && (r.end[-1] == ' ' || r.end[-1] == '\t'))
		r.end--;
	/* most fields of a table are no times */
	if (r.end - r.p < 10 || r.p[4] != '-' || !read_date(&r, &ms))
		return false;
	if (r.p < r.end) {
		if (!sign(&r, 'T') && !sign(&r, ' '))
			return false;
		if (!read_clock(&r, &ms) || !read_zone(&r, &ms) || r.p != r.end)
			return false;
	}
	*ret_ms = ms;
	return true;
}
