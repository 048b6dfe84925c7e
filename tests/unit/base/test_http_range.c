/* SPDX-License-Identifier: Apache-2.0 */
/* Byte ranges as HTTP writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/http_range.h"
#include "base/mem.h"

#define TEST(f) cmocka_unit_test(f)

static void ranges_of_a_hundred_bytes(void **state)
{
	static const struct {
		const char *value;
		enum http_range kind;
		uint64_t at, len;
	} cases[] = {
		{ "bytes=0-0", HTTP_RANGE_PART, 0, 1 },
		{ "bytes=0-99", HTTP_RANGE_PART, 0, 100 },
		{ "Bytes= 5-", HTTP_RANGE_PART, 5, 95 },
		{ "bytes=90-1000 ", HTTP_RANGE_PART, 90, 10 },
		{ "bytes=-1", HTTP_RANGE_PART, 99, 1 },
		{ "bytes=-1000", HTTP_RANGE_PART, 0, 100 },
		{ "bytes=100-", HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=999999999999999999-", HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=-0", HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=9999999999999999999-", HTTP_RANGE_NONE, 0, 0 }, /* more than we count */
		{ "bytes=5-4", HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=-", HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=", HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=1-2,5-6", HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=+1-2", HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=1-2x", HTTP_RANGE_NONE, 0, 0 },
		{ "items=1-2", HTTP_RANGE_NONE, 0, 0 },
		{ "", HTTP_RANGE_NONE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t at = 0, len = 0;

		assert_int_equal(http_range_parse(cases[i].value, 100, &at, &len), cases[i].kind);
		assert_int_equal(at, cases[i].at);
		assert_int_equal(len, cases[i].len);
	}
}

static void nothing_has_no_range(void **state)
{
	uint64_t at = 7, len = 7;

	(void)state;
	assert_int_equal(http_range_parse("bytes=0-", 0, &at, &len), HTTP_RANGE_BEYOND);
	assert_int_equal(http_range_parse("bytes=-5", 0, &at, &len), HTTP_RANGE_BEYOND);
	assert_int_equal(at, 7);
}

static void counts_are_digits(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_true(http_count_parse("0", &n));
	assert_int_equal(n, 0);
	assert_true(http_count_parse("999999999999999999", &n));
	assert_false(http_count_parse("9999999999999999999", &n));
	assert_false(http_count_parse("", &n));
	assert_false(http_count_parse("-1", &n));
	assert_false(http_count_parse(" 1", &n));
	assert_int_equal(n, 999999999999999999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ranges_of_a_hundred_bytes),
		TEST(nothing_has_no_range),
		TEST(counts_are_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
