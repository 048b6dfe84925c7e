/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text: the fast way writes what the slow one would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/real.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By trying: the fewest digits that read back. */
static void write_slowly(double value, char ret[REAL_TEXT + 2])
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(ret, REAL_TEXT, "%.*g", digits, value);
		if (strtod(ret, NULL) == value)
			break;
	}
	if (!strpbrk(ret, ".e"))
		memcpy(ret + strlen(ret), ".0", 3);
}

static void same(double value)
{
	char fast[REAL_TEXT], slow[REAL_TEXT + 2];
	size_t len = real_format(value, fast);

	write_slowly(value, slow);
	if (strcmp(fast, slow) || len != strlen(fast))
		fail_msg("%a is written %s, and should be %s", value, fast, slow);
}

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void well_known_numbers(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0.0" },	    { -0.0, "-0.0" },	 { 1, "1.0" },		   { -1.5, "-1.5" },
		{ 0.1, "0.1" },	    { 1e15, "1e+15" },	 { 123456789, "123456789.0" }, { 1e-5, "1e-05" },
		{ 0.30000000000000004, "0.30000000000000004" }, { 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 5e-324, "4.94065645841247e-324" }, { 999999999999999.9, "999999999999999.9" },
	};
	char text[REAL_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		real_format(cases[i].value, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void random_bits(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = next_random();
		double value;

		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			same(value);
	}
}

static void numbers_that_metrics_are(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t r = next_random();

		same((double)(r >> 11) / 9007199254740992.0);
		same((double)(int64_t)(r % 2000000) / 1000 - 1000);
		same((double)(float)((double)(r >> 40) / 7e4));
		same(ldexp((double)(r >> 11), -63 + (int)(r % 60)));
	}
}

static void neighbours_of_powers(void **state)
{
	(void)state;
	for (int e = -40; e < 70; e++)
		for (int away = -3; away <= 3; away++) {
			double two = ldexp(1, e), ten = pow(10, e / 3);

			for (int k = 0; k < abs(away); k++) {
				two = nextafter(two, away < 0 ? 0 : (double)INFINITY);
				ten = nextafter(ten, away < 0 ? 0 : (double)INFINITY);
			}
			same(two);
			same(ten);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_known_numbers),
		cmocka_unit_test(random_bits),
		cmocka_unit_test(numbers_that_metrics_are),
		cmocka_unit_test(neighbours_of_powers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
