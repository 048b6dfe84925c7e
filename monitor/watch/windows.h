/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Which rows are judged together. Pure: the same rows come into the same windows whenever and however often they are
 * looked at.
 */

/*
 * Windows of `rows` rows, of `ms` milliseconds, or, when both are 0, a file each. The time of a row stands in a column
 * (by_value), or follows from its number: row N is step_ms * N after start_ms. step_ms 0: rows have no time.
 * late_ms: by value, so much longer a window waits for rows of its time.
 */
struct window_rule {
	int64_t rows, ms;
	bool by_value;
	int64_t step_ms, start_ms;
	int64_t late_ms;
};
/* Of the row of this number in the order of arrival, in the file of this number; not for windows of times by value. */
int64_t window_of_row(const struct window_rule *, int64_t row, int64_t file);
/* Windows of whole weeks begin on Mondays, others at a multiple of their length since 1970, in UTC; those of rows that are
 * step_ms apart with the first row. */
int64_t window_of_time(const struct window_rule *, int64_t ms);
/* Where it begins and where the next one would: milliseconds, or the number of the row or file. */
void window_span(const struct window_rule *, int64_t number, int64_t *ret_start, int64_t *ret_stop);
bool window_is_timed(const struct window_rule *); /* spans are milliseconds */
/* The time of a row by its number; only with step_ms. */
int64_t window_row_time(const struct window_rule *, int64_t row);

/* Windows that are open, with their rows. */
#define WINDOWS_MAX 1000000u /* at once */
struct window_count {
	int64_t number;
	uint64_t rows;
	int64_t ms; /* of the row that came last; 0: not known */
};
struct window_set {
	struct window_count *items; /* by number */
	size_t len, cap;
	int64_t newest; /* time of a row */
};
/* One more row; false: there are WINDOWS_MAX others. */
bool windows_add(struct window_set *, int64_t number, int64_t ms);
void windows_release(struct window_set *);
/* How many of the first ones are complete: all of files, those that have all rows, those before one that has begun, and
 * of times by value, is late_ms old. */
size_t windows_due(const struct window_rule *, const struct window_set *);
