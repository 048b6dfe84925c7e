/* SPDX-License-Identifier: Apache-2.0 */
#include "base/real.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 17 /* always enough */

/*
 * The fast way: the number times a power of ten that a long double holds exactly gives 17 digits, of which the shortest
 * rounding that reads back is taken. Both the product and the division that reads back are off by 2^-11 of a double's
 * last place at most, so they could mislead only next to a middle; there the slow way decides.
 */
#if LDBL_MANT_DIG >= 64
#define POWERS 28
static const long double powers[POWERS] = {
	1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
	1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L,
};
#define NEAR 0.002L

enum answer { NO, YES, UNSURE };

static enum answer reads_back(uint64_t digits, int scale, double value)
{
	long double off = (long double)digits / powers[scale] - (long double)value;
	double neighbour = nextafter(value, off < 0 ? 0 : (double)INFINITY);
	long double half = fabsl((long double)neighbour - (long double)value) / 2;
	long double part = fabsl(off) / half;

	return part < 1 - NEAR ? YES : part > 1 + NEAR ? NO : UNSURE;
}

/* The digits of value > 0 as digits / 10^scale without trailing zeros; false: the slow way. */
static bool find_digits(double value, uint64_t *ret_digits, int *ret_scale)
{
	int scale = DIGITS - 1 - (int)floor(log10(value));
	long double exact = (long double)value * powers[scale];
	uint64_t all = (uint64_t)roundl(exact);

	if (all < UINT64_C(10000000000000000) || all >= UINT64_C(100000000000000000) ||
	    fabsl(exact - (long double)(uint64_t)exact - 0.5L) < NEAR)
		return false;
	for (uint64_t cut = 100, less = 2; cut; cut /= 10, less--) {
		uint64_t some = cut > 1 ? (all + cut / 2) / cut : all;
		enum answer answer = reads_back(some, scale - (int)less, value);

		if (answer == UNSURE || (cut > 1 && all % cut == cut / 2))
			return false;
		if (answer == NO)
			continue;
		for (scale -= (int)less; scale > 0 && some % 10 == 0; scale--)
			some /= 10;
		*ret_digits = some;
		*ret_scale = scale;
		return true;
	}
	return false;
}

static size_t put_plain(bool negative, uint64_t digits, int scale, char *ret)
{
	char buf[REAL_TEXT];
	int n = 0, len = 0;

	if (scale == 0) { /* a whole number */
		buf[n++] = '0';
		buf[n++] = '.';
	}
	for (; digits || n <= scale; digits /= 10) {
		if (n == scale && scale) {
			buf[n++] = '.';
			scale = -1;
		}
		buf[n++] = (char)('0' + digits % 10);
	}
	if (negative)
		ret[len++] = '-';
	while (n)
		ret[len++] = buf[--n];
	ret[len] = '\0';
	return (size_t)len;
}
#endif

static size_t put_slowly(double value, char ret[REAL_TEXT])
{
	size_t len = 0;

	for (int digits = 15; digits <= DIGITS; digits++) {
		len = (size_t)snprintf(ret, REAL_TEXT, "%.*g", digits, value);
		if (strtod(ret, NULL) == value)
			break;
	}
	for (char *p = ret; *p; p++)
		if (!strchr("0123456789+-e", *p))
			*p = '.'; /* whatever the locale divides with */
	if (strpbrk(ret, ".e"))
		return len;
	memcpy(ret + len, ".0", 3);
	return len + 2;
}

size_t real_format(double value, char ret[REAL_TEXT])
{
#if LDBL_MANT_DIG >= 64
	double size = fabs(value);
	uint64_t digits;
	int scale;

	/* between these both ways write no exponent */
	if (size >= 1e-4 && size < 1e15 && find_digits(size, &digits, &scale))
		return put_plain(signbit(value), digits, scale, ret);
#endif
	return put_slowly(value, ret);
}
