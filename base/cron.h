/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Times as crontab(5) writes them: minute hour day month weekday, with lists, ranges, steps and names. As there, a time
 * meets the day or the weekday when both are restricted, and a field that begins with * is not. Also @hourly @daily
 * @weekly @monthly @yearly.
 *
 * Clocks that change: a time in an hour that is left out happens at the moment of the change, once; a time in an hour that
 * comes twice happens the first time only, unless the minute or hour is a * or a step, which keeps its distance.
 */
struct error;
struct zone;
struct cron {
	uint64_t minutes; /* bits */
	uint32_t hours, days, months, weekdays;
	bool any_day, any_weekday, keeps_distance;
};
/* ERR_USAGE: what is wrong with which field, and a time that never comes (31 Feb). */
int cron_parse(const char *text, struct cron *ret, struct error *);
/* The first time after `after_s`, UTC. Every cron_parse that succeeded has one within 40 years and a bit: 29 February on
 * a Monday, around a year 2100. */
int64_t cron_next(const struct cron *, const struct zone *, int64_t after_s);
