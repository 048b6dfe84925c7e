/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/watch/windows.h"
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define WEEK_MS	  604800000
#define MONDAY_MS 345600000 /* the first one of 1970, the 5th of January */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Rows of a whole window; 0: it has no fixed number. */
static int64_t rows_each(const struct window_rule *rule)
{
	if (rule->rows)
		return rule->rows;
	return rule->ms && !rule->by_value ? rule->ms / rule->step_ms : 0;
}

int64_t window_of_row(const struct window_rule *rule, int64_t row, int64_t file)
{
	int64_t each = rows_each(rule);

	return each ? row / each : file;
}

static int64_t origin(const struct window_rule *rule)
{
	if (!rule->by_value)
		return rule->start_ms;
	return rule->ms % WEEK_MS ? 0 : MONDAY_MS;
}

int64_t window_of_time(const struct window_rule *rule, int64_t ms)
{
	return floor_div(ms - origin(rule), rule->ms);
}

bool window_is_timed(const struct window_rule *rule)
{
	return rule->ms > 0;
}

void window_span(const struct window_rule *rule, int64_t number, int64_t *ret_start, int64_t *ret_stop)
{
	int64_t each = rule->ms ? rule->ms : rule->rows ? rule->rows : 1;

	*ret_start = number * each + (rule->ms ? origin(rule) : 0);
	*ret_stop = *ret_start + each;
}

int64_t window_row_time(const struct window_rule *rule, int64_t row)
{
	return rule->start_ms + row * rule->step_ms;
}

void windows_release(struct window_set *set)
{
	free(set->items);
	*set = (struct window_set){ 0 };
}

/* Where it stands, or would. */
static size_t place_of(const struct window_set *set, int64_t number)
{
	size_t low = 0, high = set->len;

	if (high && set->items[high - 1].number <= number)
		low = high - 1;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (set->items[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool windows_add(struct window_set *set, int64_t number, int64_t ms)
{
	size_t at = place_of(set, number);

	if (at == set->len || set->items[at].number != number) {
		if (set->len == WINDOWS_MAX)
			return false;
		GROW(set->items, set->len, set->cap);
		memmove(set->items + at + 1, set->items + at, (set->len++ - at) * sizeof(*set->items));
		set->items[at] = (struct window_count){ .number = number };
	}
	set->items[at].rows++;
	set->items[at].ms = ms;
	if (set->len == 1 && set->items[at].rows == 1)
		set->newest = ms;
	if (ms > set->newest)
		set->newest = ms;
	return true;
}

/* How many of the first ones end at this time or before. */
static size_t windows_ended(const struct window_rule *rule, const struct window_set *set, int64_t ms)
{
	size_t n = 0;

	for (; n < set->len; n++) {
		int64_t start, stop;
		window_span(rule, set->items[n].number, &start, &stop);
		if (stop > ms)
			break;
	}
	return n;
}

size_t windows_due(const struct window_rule *rule, const struct window_set *set)
{
	int64_t each = rows_each(rule);

	if (!set->len || (!each && !rule->ms))
		return set->len;
	if (each && set->items[set->len - 1].rows == (uint64_t)each)
		return set->len;
	if (rule->late_ms && rule->by_value)
		return windows_ended(rule, set, set->newest - rule->late_ms);
	return set->len - 1;
}
