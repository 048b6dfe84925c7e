/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/moment.h"

#define NOW 1800000000000

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "XYZ-2", 1); /* two hours east, without summer time */
	tzset();
	return 0;
}

static void moments_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "10m", NOW - 600000 },
		{ "0s", NOW },
		{ "1d", NOW - 86400000 },
		{ "1970-01-01T02:00", 0 },
		{ "1970-01-01", -7200000 },
		{ "1970-01-01T00:00Z", 0 },
		{ "1970-01-01T00:00:01Z", 1000 },
		{ "1970-01-01 00:00:01.250Z", 1250 },
		{ "1970-01-01T01:30+01:30", 0 },
		{ "1969-12-31T19:00:00-05:00", 0 },
		{ "2024-02-29T00:00Z", 1709164800000 },
		{ "2026-01-31T10:00", 1769846400000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t ms = -1;

		assert_int_equal(parse_moment(good[i].text, NOW, &ms, NULL), 0);
		assert_int_equal(ms, good[i].ms);
	}
}

static void all_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "1769846400", "10", "-10m", "yesterday", "2026", "2026-01", "2026-1-31", "2026-13-01", "2026-00-10",
		"2026-01-00", "2026-02-30", "2025-02-29", "2026-01-31T", "2026-01-31T10", "2026-01-31T24:00",
		"2026-01-31T10:60", "2026-01-31T10:00:61", "2026-01-31T10:00.5", "2026-01-31T10:00:00.5",
		"2026-01-31T10:00+2", "2026-01-31T10:00+02", "2026-01-31T10:00Zx", "2026-01-31x", "2026-01-31Z",
		" 2026-01-31", "2026-01-31T10:00 ", "1899-01-01", "12026-01-31", "10m ago",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };
		int64_t ms = 7;

		assert_int_equal(parse_moment(bad[i], NOW, &ms, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.help, "10m"));
		assert_int_equal(ms, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(moments_are_read, setup),
		cmocka_unit_test_setup(all_else_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
