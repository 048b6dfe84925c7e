/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/mem.h"
#include "monitor/watch/windows.h"

#define DAY 86400000ll

static void rows_are_counted_from_the_first(void **state)
{
	const struct window_rule rule = { .rows = 1000 };
	int64_t start, stop;

	(void)state;
	assert_int_equal(window_of_row(&rule, 0, 7), 0);
	assert_int_equal(window_of_row(&rule, 999, 7), 0);
	assert_int_equal(window_of_row(&rule, 1000, 7), 1);
	window_span(&rule, 3, &start, &stop);
	assert_int_equal(start, 3000);
	assert_int_equal(stop, 4000);
	assert_false(window_is_timed(&rule));
}

static void a_file_is_its_own_window(void **state)
{
	const struct window_rule rule = { 0 };
	int64_t start, stop;

	(void)state;
	assert_int_equal(window_of_row(&rule, 123456, 7), 7);
	window_span(&rule, 7, &start, &stop);
	assert_int_equal(start, 7);
	assert_int_equal(stop, 8);
}

static void rows_apart_begin_with_the_first(void **state)
{
	const struct window_rule rule = { .ms = 7 * DAY, .step_ms = 1800000, .start_ms = 831427200000 };
	int64_t start, stop;

	(void)state;
	assert_int_equal(window_of_row(&rule, 335, 0), 0);
	assert_int_equal(window_of_row(&rule, 336, 0), 1);
	assert_int_equal(window_row_time(&rule, 48), 831427200000 + DAY);
	window_span(&rule, 1, &start, &stop);
	assert_int_equal(start, 831427200000 + 7 * DAY);
	assert_int_equal(stop, start + 7 * DAY);
}

static void weeks_begin_on_monday_and_days_at_midnight(void **state)
{
	const struct window_rule week = { .ms = 7 * DAY, .by_value = true }, day = { .ms = DAY, .by_value = true };
	int64_t start, stop;

	(void)state;
	/* 1970-01-01 was a Thursday */
	assert_int_equal(window_of_time(&week, 0), -1);
	assert_int_equal(window_of_time(&week, 4 * DAY - 1), -1);
	assert_int_equal(window_of_time(&week, 4 * DAY), 0);
	window_span(&week, -1, &start, &stop);
	assert_int_equal(start, -3 * DAY);
	assert_int_equal(stop, 4 * DAY);
	assert_int_equal(window_of_time(&day, -1), -1);
	assert_int_equal(window_of_time(&day, DAY - 1), 0);
}

static struct window_set set_of(const int64_t *numbers, size_t n)
{
	struct window_set set = { 0 };

	for (size_t i = 0; i < n; i++)
		assert_true(windows_add(&set, numbers[i], 0));
	return set;
}

static void a_set_is_in_order_whatever_comes(void **state)
{
	static const int64_t numbers[] = { 5, 5, 7, 6, -2, 7, 5, 100, 6 };
	struct window_set set CLEANUP(windows_release) = set_of(numbers, ARRAY_LEN(numbers));
	static const struct window_count want[] = { { -2, 1, 0 }, { 5, 3, 0 }, { 6, 2, 0 }, { 7, 2, 0 }, { 100, 1, 0 } };

	(void)state;
	assert_int_equal(set.len, ARRAY_LEN(want));
	for (size_t i = 0; i < set.len; i++) {
		assert_int_equal(set.items[i].number, want[i].number);
		assert_int_equal(set.items[i].rows, want[i].rows);
	}
}

static void the_last_one_waits_unless_it_has_all_rows(void **state)
{
	static const int64_t numbers[] = { 0, 0, 0, 1, 1 };
	const struct window_rule three = { .rows = 3 }, two = { .rows = 2 }, day = { .ms = DAY, .by_value = true }, file = { 0 };
	struct window_set set CLEANUP(windows_release) = set_of(numbers, ARRAY_LEN(numbers)), none = { 0 };

	(void)state;
	assert_int_equal(windows_due(&three, &set), 1);
	assert_int_equal(windows_due(&two, &set), 2);
	assert_int_equal(windows_due(&day, &set), 1);
	assert_int_equal(windows_due(&file, &set), 2);
	assert_int_equal(windows_due(&three, &none), 0);
	assert_int_equal(windows_due(&day, &none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_counted_from_the_first),
		cmocka_unit_test(a_file_is_its_own_window),
		cmocka_unit_test(rows_apart_begin_with_the_first),
		cmocka_unit_test(weeks_begin_on_monday_and_days_at_midnight),
		cmocka_unit_test(a_set_is_in_order_whatever_comes),
		cmocka_unit_test(the_last_one_waits_unless_it_has_all_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
