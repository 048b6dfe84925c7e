/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "monitor/page/page_number.h"
#include "monitor/page/svg.h"

#define DAY 86400e3

/* 1, 2 or 5 times a power of ten, at least span / wanted. */
static double round_step(double rough)
{
	double power = pow(10, floor(log10(rough))), part = rough / power;

	return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static double time_step(double rough)
{
	static const double steps[] = {
		1e3,     2e3,     5e3,      15e3,     30e3,     60e3,     120e3,     300e3,
		900e3,   1800e3,  3600e3,   7200e3,   10800e3,  21600e3,  43200e3,   DAY,
		2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 61 * DAY, 91 * DAY, 182 * DAY, 365 * DAY,
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (rough <= steps[i])
			return steps[i];
	return 365 * DAY * round_step(rough / (365 * DAY));
}

/* Steps of a month and more start on the first of one. */
static double month_start(double ms, int months)
{
	struct tm tm = { 0 };
	time_t seconds = (time_t)floor(ms / 1e3);

	if (!gmtime_r(&seconds, &tm))
		return NAN;
	if (months >= 12)
		tm.tm_year -= (tm.tm_year + 1900) % (months / 12);
	tm.tm_mon -= tm.tm_mon % (months < 12 ? months : 12);
	tm.tm_mday = 1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	return (double)timegm(&tm) * 1e3;
}

static double next_month(double ms, int months)
{
	struct tm tm = { 0 };
	time_t seconds = (time_t)floor(ms / 1e3);

	if (!gmtime_r(&seconds, &tm))
		return NAN;
	tm.tm_mon += months;
	return (double)timegm(&tm) * 1e3;
}

static void make_months(double from, double to, struct ticks *ret)
{
	int months = (int)round(ret->step / (30.4 * DAY));

	if (months < 1)
		months = 1;
	for (double at = month_start(from, months); at <= to && ret->n < TICKS_MAX; at = next_month(at, months))
		if (at >= from)
			ret->at[ret->n++] = at;
}

void ticks_make(double from, double to, size_t wanted, bool is_time, struct ticks *ret)
{
	double rough = (to - from) / (double)wanted, first;

	*ret = (struct ticks){ .is_time = is_time && fabs(from) < 1e15 && fabs(to) < 1e15 };
	if (!isfinite(rough) || !(rough > 0)) {
		ret->at[0] = from;
		ret->n = from == to; /* of a range that is none, or beyond all numbers */
		return;
	}
	ret->step = ret->is_time ? time_step(rough) : round_step(rough);
	if (!isfinite(ret->step) || ret->step <= 0)
		return;
	if (ret->is_time && ret->step >= 28 * DAY) {
		make_months(from, to, ret);
		return;
	}
	first = ceil(from / ret->step);
	for (size_t i = 0; ret->n < TICKS_MAX; i++) {
		double at = (first + (double)i) * ret->step;

		if (!(at <= to + ret->step * 1e-9) || (ret->n && at <= ret->at[ret->n - 1]))
			break;
		ret->at[ret->n++] = at == 0 ? 0 : at;
	}
}

/* "k", "M" and so on where all ticks can have it. */
static double unit_of(const struct ticks *ticks, const char **ret_suffix)
{
	static const struct {
		double size;
		const char *suffix;
	} units[] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } };
	double largest = fmax(fabs(ticks->at[0]), fabs(ticks->at[ticks->n - 1]));

	*ret_suffix = "";
	if (largest < 1e4)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (largest >= units[i].size && ticks->step >= units[i].size / 100) {
			*ret_suffix = units[i].suffix;
			return units[i].size;
		}
	return 1;
}

static int decimals_of(double step)
{
	int decimals = 0;

	for (; decimals < 9 && fabs(step - rint(step)) > 1e-6 * step; step *= 10)
		decimals++;
	return decimals;
}

void ticks_label(const struct ticks *ticks, size_t i, char *buf, size_t size)
{
	double value = ticks->at[i], unit;
	const char *suffix;
	char text[FIGURE];

	if (value == 0 && !ticks->is_time)
		snprintf(text, sizeof(text), "0");
	else if (ticks->is_time)
		figure_time(value, ticks->step > 0 ? ticks->step : DAY, text);
	else if (fabs(value) >= 1e15 || ticks->step < 1e-4)
		figure_number(value, text);
	else {
		unit = unit_of(ticks, &suffix);
		figure_decimals(value / unit, decimals_of(ticks->step / unit), text);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", suffix);
	}
	snprintf(buf, size, "%s", text);
}
