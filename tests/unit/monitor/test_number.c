/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/table/number.h"

static uint64_t bits_of(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

static double parsed(const char *text, bool *whole)
{
	double r = 0;

	if (!number_parse(text, strlen(text), &r, whole))
		fail_msg("\"%s\" was not taken for a number", text);
	return r;
}

static void same_as_strtod(const char *text)
{
	bool whole;
	double want = strtod(text, NULL), got = parsed(text, &whole);

	if (bits_of(want) != bits_of(got))
		fail_msg("\"%s\": %a, not %a", text, got, want);
}

static void numbers_are_the_nearest(void **state)
{
	static const char *const texts[] = {
		"0", "-0", "1", "+1", "-1.5", ".5", "5.", "1e5", "1E-5", "1e+5", "9007199254740993", "9007199254740992",
		"18446744073709551615", "18446744073709551616", "99999999999999999999", "0.1", "0.3",
		"123456789.123456789", "1e22", "1e23", "8.5e22", "1e308", "1.7976931348623157e308",
		"1.7976931348623159e308", "1e999", "-1e999", "1e-999", "5e-324", "2e-324", "3e-324",
		"2.2250738585072011e-308", "2.2250738585072014e-308", "0.00000000000000000000000000000000001",
		"100000000000000000000000000000000000", "1.0000000000000000000000000000000000000000000001",
		"9007199254740993.0000000000000000000000000001", "6929495644600919.5", "3.7455744005952583e15",
		"0000000000000000000000000000000000000000000000000000000000000000000000000000000000001.5",
		"1234567890123456789e-19", "1234567890123456789e19", "9999999999999999999e-19", "1e-19", "1e19",
		"1e99999999999999999999", "0e99999999999999999999", "9.5367431640625e-7",
		/* halfway between two doubles, and a little beside it */
		"9007199254740993e-3", "4503599627370496.5", "4503599627370497.5", "4503599627370497.500000000000001",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		same_as_strtod(texts[i]);
}

static uint64_t seed = 42;

static uint64_t draw(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return seed >> 24 ^ seed << 17;
}

/* Digits, a point and an exponent by chance; and whatever printf makes of any bits. */
static void random_numbers_are_the_nearest(void **state)
{
	char text[128];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t bits = draw();
		double any;

		memcpy(&any, &bits, sizeof(any));
		if (isfinite(any)) {
			snprintf(text, sizeof(text), "%.*e", (int)(draw() % 20), any);
			same_as_strtod(text);
		}
		snprintf(text, sizeof(text), "%" PRIu64 ".%0*" PRIu64 "e%d", draw() >> draw() % 64, (int)(draw() % 8),
			 draw() >> draw() % 64, (int)(draw() % 50) - 25);
		same_as_strtod(text);
		snprintf(text, sizeof(text), "%.*f", (int)(draw() % 12), (double)(int64_t)draw() / 1e12);
		same_as_strtod(text);
		/* in the middle of two doubles: an odd multiple of half a unit */
		snprintf(text, sizeof(text), "%.*f", (int)(draw() % 2), (double)((draw() >> 12) | 1) / 2);
		same_as_strtod(text);
		snprintf(text, sizeof(text), "%" PRIu64, (draw() >> 10) * 2 + 1);
		same_as_strtod(text);
	}
}

/* Up to nine characters of which most are digits: numbers or not, as strtod says. */
static void short_texts_are_what_strtod_says(void **state)
{
	static const char bytes[] = "0123456789.0123456789.0e-x";
	char text[10], *end;

	(void)state;
	for (int i = 0; i < 500000; i++) {
		size_t len = 1 + draw() % 9, kinds = 10 + draw() % 16;
		double got = 0, want;
		bool whole;

		for (size_t k = 0; k < len; k++)
			text[k] = bytes[draw() % kinds];
		text[len] = '\0';
		want = strtod(text, &end);
		if (text[1] == 'x')
			end = text; /* hex is none */
		if (number_parse(text, len, &got, &whole) != !*end || (!*end && bits_of(got) != bits_of(want)))
			fail_msg("\"%s\": %a", text, got);
		if (!*end)
			assert_int_equal(whole, !strpbrk(text, ".e"));
	}
}

static void words_are_numbers_too(void **state)
{
	bool whole = true;

	(void)state;
	assert_true(isnan(parsed("NaN", &whole)));
	assert_false(whole);
	assert_true(isnan(parsed("-nan", &whole)));
	assert_true(parsed("inf", &whole) > 1e308);
	assert_true(parsed("-Infinity", &whole) < -1e308);
	assert_true(parsed("+INF", &whole) > 1e308);
}

static void whole_means_as_it_is_written(void **state)
{
	bool whole = false;

	(void)state;
	parsed("17", &whole);
	assert_true(whole);
	parsed("  -17\t", &whole);
	assert_true(whole);
	parsed("17.0", &whole);
	assert_false(whole);
	parsed("17.", &whole);
	assert_false(whole);
	parsed("1e3", &whole);
	assert_false(whole);
}

static void all_else_is_text(void **state)
{
	static const char *const texts[] = {
		"", " ", ".", "-", "+", "e5", "1e", "1e+", "1e5.0", "0x10", "1,5", "1_000", "1 000", "1.2.3", "--1", "+-1",
		"1f", "1d", "infinit", "nane", "nan(1)", "in", "12a", "a12", "1e5x", "=1+1", "<script>", "\xd9\xa1",
		"1\n", "- 1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		double r = 4711;
		bool whole = true;

		if (number_parse(texts[i], strlen(texts[i]), &r, &whole))
			fail_msg("\"%s\" was taken for %g", texts[i], r);
		assert_true(r > 4710 && r < 4712);
	}
}

static void a_locale_changes_nothing(void **state)
{
	bool whole;

	(void)state;
	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
		skip();
	assert_true(parsed("1.5e-300", &whole) < 1e-299);
	setlocale(LC_NUMERIC, "C");
}

static void a_long_number_is_one(void **state)
{
	size_t len = 1 << 20;
	CLEANUP(cleanup_free) char *text = xmalloc(len);
	double r = 0;
	bool whole;

	(void)state;
	memset(text, '9', len);
	assert_true(number_parse(text, len, &r, &whole));
	assert_true(isinf(r));
	memset(text, '0', len);
	text[1] = '.';
	memcpy(text + len - 9, "5e1048566", 9);
	assert_true(number_parse(text, len, &r, &whole));
	assert_true(r > 0.49 && r < 5e10);
}

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "1970-01-01", 0 },
		{ "1970-01-01T00:00Z", 0 },
		{ "1970-01-01 00:00:01.250", 1250 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ " 2024-02-29T00:00 ", 1709164800000 },
		{ "2026-01-31T10:00:00+02:00", 1769846400000 },
		{ "1970-01-01T01:30+0130", 0 },
		{ "1970-01-01T00:00:00-01", 3600000 },
		{ "0001-01-01", -62135596800000 },
		{ "9999-12-31T23:59:59.999999999Z", 253402300799999 },
		{ "1996-05-07", 831427200000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t ms = -7;

		if (!time_parse(good[i].text, strlen(good[i].text), &ms) || ms != good[i].ms)
			fail_msg("\"%s\": %" PRId64 ", not %" PRId64, good[i].text, ms, good[i].ms);
	}
}

static void other_ways_to_write_a_time_are_text(void **state)
{
	static const char *const bad[] = {
		"", "2026", "2026-01", "20260131", "2026-1-31", "2026-13-01", "2026-00-10", "2026-02-30", "2025-02-29",
		"1900-02-29", "0000-01-01", "2026-01-31T", "2026-01-31T10", "2026-01-31T24:00", "2026-01-31T10:60",
		"2026-01-31T10:00:60", "2026-01-31T10:00.5", "2026-01-31T10:00:00.", "2026-01-31T10:00:00.1234567890",
		"2026-01-31T10:00+2", "2026-01-31T10:00+02:", "2026-01-31T10:00+02:60", "2026-01-31T10:00+24",
		"2026-01-31T10:00Zx", "2026-01-31x", "2026-01-31Z", "31.01.2026", "01/31/2026", "2026/01/31", "12026-01-31",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t ms = -7;

		if (time_parse(bad[i], strlen(bad[i]), &ms))
			fail_msg("\"%s\" was taken for %" PRId64, bad[i], ms);
		assert_int_equal(ms, -7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_the_nearest),
		cmocka_unit_test(random_numbers_are_the_nearest),
		cmocka_unit_test(short_texts_are_what_strtod_says),
		cmocka_unit_test(words_are_numbers_too),
		cmocka_unit_test(whole_means_as_it_is_written),
		cmocka_unit_test(all_else_is_text),
		cmocka_unit_test(a_locale_changes_nothing),
		cmocka_unit_test(a_long_number_is_one),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(other_ways_to_write_a_time_are_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
