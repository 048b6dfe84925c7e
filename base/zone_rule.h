/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Clocks that change every year by a rule, as POSIX's TZ variable and the last line of tzdata's files write it:
 * CET-1CEST,M3.5.0,M10.5.0/3. Hours of a change go from -167 to 167 (RFC 8536, 3.3.1).
 */
enum zone_day { DAY_JULIAN /* J60: never counts 29 February */, DAY_OF_YEAR /* 59, from 0 */, DAY_OF_WEEK /* M3.5.0 */ };
struct zone_date {
	enum zone_day kind;
	int day;          /* of the year; of the week, Sunday is 0 */
	int month, week;  /* the 5th week is the last */
	int32_t time;     /* seconds after midnight */
};
struct zone_rule {
	int32_t offset, summer; /* seconds that are added to UTC */
	bool changes;           /* false: only `offset` counts */
	struct zone_date begin, end;
};

bool zone_rule_parse(const char *text, struct zone_rule *ret);
int32_t zone_rule_offset(const struct zone_rule *, int64_t utc_s);
int64_t zone_rule_change(const struct zone_rule *, int64_t utc_s); /* the first after it; INT64_MAX: none */

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back; months from 1. */
int64_t days_of_date(int64_t year, int month, int day);
void date_of_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);
int days_of_month(int64_t year, int month);
