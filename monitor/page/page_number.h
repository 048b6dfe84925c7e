/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * Numbers as people read them: five significant digits, "," between thousands, powers of ten where they would be long.
 * Each writes into the caller's buffer and returns it. What is not finite is "–" or "∞".
 */
struct js;

#define FIGURE 48
char *figure_number(double, char buf[FIGURE]);	/* "45,312"  "0.10012"  "1.5·10⁻⁷" */
char *figure_count(double, char buf[FIGURE]);	/* whole, all digits: "1,234,567" */
char *figure_share(double, char buf[FIGURE]);	/* of 0.123: "12.3 %"; what is less than a tenth of a percent "<0.1 %" */
char *figure_decimals(double, int decimals, char buf[FIGURE]); /* exactly so many, of less than 10^15 */
char *figure_score(double, char buf[FIGURE]); /* four digits; "2.52·10¹²" */
char *figure_p(double, char buf[FIGURE]);	/* a p-value: three digits, "<10⁻¹⁵" below */
/* Milliseconds since 1970, as exact as `step_ms` between two neighbours asks: "1996-05", "1996-05-07 13:30". UTC. */
char *figure_time(double ms, double step_ms, char buf[FIGURE]);
/* A value of a profile: a number, of times a moment, or the text as it is, cut. */
char *figure_value(const struct js *, int is_time, char buf[FIGURE]);
