/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/number.h"
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"

#define DIGITS_MAX   19 /* as many as surely fit into 64 bits */
#define MANTISSA     53
#define EXACT_POWER  22 /* 10^22 is the highest power of ten that is a double */
#define BIG_POWER    19 /* 10^19 the highest that fits into 64 bits */
#define COPY_ON_STACK 128 /* bytes */

static const double exact_powers[EXACT_POWER + 1] = {
	1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static const uint64_t powers[BIG_POWER + 1] = {
	UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000), UINT64_C(10000), UINT64_C(100000), UINT64_C(1000000),
	UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000), UINT64_C(10000000000), UINT64_C(100000000000),
	UINT64_C(1000000000000), UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000),
	UINT64_C(10000000000000000), UINT64_C(100000000000000000), UINT64_C(1000000000000000000),
	UINT64_C(10000000000000000000),
};

/* What was read of a number: its digits as one integer, times ten to `power`. */
struct decimal {
	uint64_t digits;
	int64_t power;
	bool cut; /* it has more digits than fit */
};

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		abort();
}

/* Exact whatever it is, but many times slower. `text` is known to be a number. */
static double parse_slowly(const char *text, size_t len)
{
	char few[COPY_ON_STACK];
	char *copy = len < sizeof(few) ? few : xmalloc(len + 1);
	double r;

	pthread_once(&c_locale_once, make_c_locale);
	memcpy(copy, text, len);
	copy[len] = '\0';
	r = strtod_l(copy, NULL, c_locale);
	if (copy != few)
		free(copy);
	return r;
}

static double power_of_two(int exponent)
{
	uint64_t bits = (uint64_t)(exponent + 1023) << 52;
	double r;

	memcpy(&r, &bits, sizeof(r));
	return r;
}

/* bits * 2^exponent, to the nearest, of two to the even one. The top bit is set; `more`: a rest was cut off. */
static double round_bits(uint64_t bits, int exponent, bool more)
{
	const unsigned cut = 64 - MANTISSA;
	uint64_t rest = bits & ((UINT64_C(1) << cut) - 1), half = UINT64_C(1) << (cut - 1), mantissa = bits >> cut;

	if (rest > half || (rest == half && (more || (mantissa & 1))))
		mantissa++;
	return (double)mantissa * power_of_two(exponent + (int)cut);
}

static double multiply(uint64_t digits, uint64_t ten)
{
	unsigned __int128 wide = (unsigned __int128)digits * ten;
	uint64_t high = (uint64_t)(wide >> 64);
	int shift;

	if (!high)
		return (double)(uint64_t)wide;
	shift = __builtin_clzll(high);
	wide <<= shift;
	return round_bits((uint64_t)(wide >> 64), 64 - shift, (uint64_t)wide != 0);
}

/* Both are shifted up to their top bits: then the quotient has 63 or 64 bits, and the division is one instruction. */
static double divide(uint64_t digits, uint64_t ten)
{
	int up = __builtin_clzll(digits), up_ten = __builtin_clzll(ten), exponent = up_ten - up - 63;
	unsigned __int128 wide = (unsigned __int128)(digits << up) << 63;
	uint64_t divisor = ten << up_ten, quotient = (uint64_t)(wide / divisor);
	bool more = (uint64_t)wide != quotient * divisor;

	if (!(quotient >> 63)) {
		quotient <<= 1;
		exponent--;
	}
	return round_bits(quotient, exponent, more);
}

/* False: not in this way. Up to 2^53 and 10^22 both are doubles, and one operation on them rounds once (Clinger 1990). */
static bool scale(const struct decimal *d, double *ret)
{
	if (d->power == 0 || !d->digits)
		*ret = (double)d->digits;
	else if (d->digits >> MANTISSA == 0 && d->power < 0 && d->power >= -EXACT_POWER)
		*ret = (double)d->digits / exact_powers[-d->power];
	else if (d->digits >> MANTISSA == 0 && d->power > 0 && d->power <= EXACT_POWER)
		*ret = (double)d->digits * exact_powers[d->power];
	else if (d->power < 0 && d->power >= -BIG_POWER)
		*ret = divide(d->digits, powers[-d->power]);
	else if (d->power > 0 && d->power <= BIG_POWER)
		*ret = multiply(d->digits, powers[d->power]);
	else
		return false;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Eight bytes at a time: the first of the text is the lowest of the word. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define IS_LITTLE  (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

static bool are_digits(uint64_t word)
{
	return (word & EACH(0xf0)) == EACH('0') && ((word + EACH(6)) & EACH(0xf0)) == EACH('0');
}

static uint64_t eight_digits(uint64_t word)
{
	/* neighbours are put together: to 4 pairs, to 2 fours, to the eight */
	word = (word & EACH(0x0f)) * (10 * 256 + 1) >> 8;
	word = (word & UINT64_C(0x00ff00ff00ff00ff)) * (100 * 65536 + 1) >> 16;
	return (word & UINT64_C(0x0000ffff0000ffff)) * (UINT64_C(10000) * 4294967296 + 1) >> 32;
}

/* 1..8 bytes, NULs behind them. */
static uint64_t load_few(const char *p, size_t len)
{
	uint32_t low, high;

	if (len < 4)
		return (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[len / 2] << len / 2 * 8 |
		       (uint64_t)(unsigned char)p[len - 1] << (len - 1) * 8;
	memcpy(&low, p, sizeof(low));
	memcpy(&high, p + len - 4, sizeof(high));
	return low | (uint64_t)high << (len - 4) * 8;
}

/* 1..8 bytes, digits with one point among them or none: without a branch, for lengths and places of points come at
 * random. */
static bool read_short(const char *p, size_t len, double *ret, bool *ret_whole)
{
	uint64_t word = load_few(p, len), points = word ^ EACH('.'), below;
	size_t at, n;

	points = ~(((points & EACH(0x7f)) + EACH(0x7f)) | points | EACH(0x7f)); /* 0x80 where there is one */
	at = points ? (size_t)__builtin_ctzll(points) / 8 : len - 1;
	n = len - (points != 0);
	if (!n)
		return false;
	below = points ? (points & -points) / 0x80 - 1 : UINT64_MAX;
	word = (word & below) | (word >> 8 & ~below);
	word = word << (8 - n) * 8 | EACH('0') >> (n - 1) * 8 >> 8;
	if (!are_digits(word))
		return false;
	*ret = (double)eight_digits(word) / exact_powers[len - 1 - at];
	*ret_whole = !points;
	return true;
}

static const char *read_digits(const char *p, const char *end, uint64_t *digits)
{
	uint64_t r = *digits, word;

	for (; IS_LITTLE && end - p >= 8; p += 8) {
		memcpy(&word, p, sizeof(word));
		if (!are_digits(word))
			break;
		r = r * 100000000 + eight_digits(word);
	}
	for (; p < end && is_digit(*p); p++)
		r = r * 10 + (uint64_t)(*p - '0'); /* wraps where there are too many: counted afterwards */
	*digits = r;
	return p;
}

/* Whether [p, end), digits and perhaps a point, has too many of them behind its leading zeros. */
static bool too_many(const char *p, const char *end)
{
	bool point = false;

	while (p < end && (*p == '0' || *p == '.'))
		p++;
	for (const char *q = p; q < end; q++)
		point |= *q == '.';
	return end - p - point > DIGITS_MAX;
}

/* Behind the 'e'; NULL: no digit. */
static const char *read_exponent(const char *p, const char *end, int64_t *ret)
{
	bool negative = p < end && *p == '-';
	int64_t r = 0;

	p += p < end && (*p == '-' || *p == '+');
	if (p == end || !is_digit(*p))
		return NULL;
	for (; p < end && is_digit(*p); p++)
		if (r < INT64_C(1) << 40)
			r = r * 10 + (*p - '0');
	*ret = negative ? -r : r;
	return p;
}

/* All of the text, without a sign; false: it is none. */
static bool read_decimal(const char *p, const char *end, struct decimal *ret, bool *ret_whole)
{
	const char *begin = p;
	int64_t exponent = 0;
	ptrdiff_t n;

	*ret = (struct decimal){ 0 };
	*ret_whole = true;
	p = read_digits(p, end, &ret->digits);
	n = p - begin;
	if (p < end && *p == '.') {
		const char *fraction = ++p;

		p = read_digits(p, end, &ret->digits);
		ret->power = fraction - p;
		n += p - fraction;
		*ret_whole = false;
	}
	if (!n)
		return false;
	if (n > DIGITS_MAX)
		ret->cut = too_many(begin, p);
	if (p < end && (*p | 32) == 'e') {
		p = read_exponent(p + 1, end, &exponent);
		if (!p)
			return false;
		ret->power += exponent;
		*ret_whole = false;
	}
	return p == end;
}

static bool read_word(const char *text, size_t len, double *ret)
{
	static const struct {
		const char *word;
		double value;
	} words[] = { { "nan", (double)NAN }, { "inf", (double)INFINITY }, { "infinity", (double)INFINITY } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].word) == len && !strncasecmp(words[i].word, text, len)) {
			*ret = words[i].value;
			return true;
		}
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static double with_sign(double r, bool negative)
{
	uint64_t bits;

	memcpy(&bits, &r, sizeof(bits));
	bits |= (uint64_t)negative << 63;
	memcpy(&r, &bits, sizeof(bits));
	return r;
}

bool number_parse(const char *text, size_t len, double *ret, bool *ret_whole)
{
	const char *p = text, *end = text + len;
	struct decimal d;
	bool whole, negative;
	double r;

	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	if (p == end)
		return false;
	negative = *p == '-';
	p += *p == '-' || *p == '+';
	if (IS_LITTLE && p < end && end - p <= 8 && read_short(p, (size_t)(end - p), &r, ret_whole)) {
		*ret = with_sign(r, negative);
		return true;
	}
	if (!read_decimal(p, end, &d, &whole)) {
		/* most texts are told by their first letter */
		if (p == end || ((*p | 32) != 'n' && (*p | 32) != 'i') || !read_word(p, (size_t)(end - p), &r))
			return false;
		whole = false;
	} else if (d.cut || !scale(&d, &r)) {
		r = parse_slowly(p, (size_t)(end - p));
	}
	*ret = with_sign(r, negative);
	*ret_whole = whole;
	return true;
}
