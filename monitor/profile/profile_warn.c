/* SPDX-License-Identifier: Apache-2.0 */
/* What an analyst would want to hear of a column before he uses it. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/profile/values.h"
#include "monitor/table/number.h"

#define MANY_NULLS  0.2
#define SKEWED	    2.0
#define FAR_SHARE   0.01 /* of outliers */
#define FEW_ROWS    30u
#define IDS_FROM    20u  /* values, all different */
#define MOST_ZEROS  0.5
#define RARE_CLASS  0.1

bool column_constant(const struct column *c)
{
	return !c->nans && !c->plus_infs && !c->minus_infs && column_distinct_exact(c) && column_distinct(c) == 1;
}

double column_skewness(const struct column *c)
{
	double n = (double)c->numbers, variance = c->m2 / n;

	return variance > 0 ? c->m3 / n / pow(variance, 1.5) : NAN;
}

static uint64_t filled(const struct column *c)
{
	return c->count - c->nulls;
}

static bool is_number(const struct column *c)
{
	return (c->type == COLUMN_INT || c->type == COLUMN_REAL) && c->numbers;
}

/* One warning: false, or the text in *ret. */
typedef bool warning(const struct column *, struct strbuf *ret);

static bool all_null(const struct column *c, struct strbuf *ret)
{
	strbuf_puts(ret, c->count ? "no values: every row is null" : "no rows");
	return !filled(c);
}

static bool constant(const struct column *c, struct strbuf *ret)
{
	strbuf_puts(ret, "constant: one value in all rows that have one");
	return column_constant(c) && filled(c) > 1;
}

static bool nulls(const struct column *c, struct strbuf *ret)
{
	double share = c->count ? (double)c->nulls / (double)c->count : 0;

	strbuf_printf(ret, "%.1f %% null", 100 * share);
	return filled(c) && share >= MANY_NULLS;
}

static bool mixed(const struct column *c, struct strbuf *ret)
{
	uint64_t others = column_others(c);

	strbuf_printf(ret, "mixed types: %.2g %% of the values (%llu) are not %s",
		      100 * (double)others / (double)filled(c), (unsigned long long)others, column_type_name(c->type));
	return others > 0;
}

static bool mixed_text(const struct column *c, struct strbuf *ret)
{
	uint64_t numbers = c->types[VALUE_INT] + c->types[VALUE_REAL];

	strbuf_printf(ret, "mixed types: %.2g %% of the values are numbers, the rest is not",
		      100 * (double)numbers / (double)filled(c));
	return (c->type == COLUMN_CATEGORY || c->type == COLUMN_TEXT) && numbers * 2 >= filled(c);
}

/* Hex, "1_000", and "1,5" where people write it so: texts here, and everywhere else that reads CSV. */
static bool number_elsewhere(const char *text, size_t len)
{
	char plain[64];
	size_t n = 0, commas = 0;
	double number;
	bool whole;

	if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x')
		return strspn(text + 2, "0123456789abcdefABCDEF") == len - 2;
	if (!len || len >= sizeof(plain))
		return false;
	for (size_t i = 0; i < len; i++) {
		commas += text[i] == ',';
		if (text[i] != '_' || !i || i + 1 == len)
			plain[n++] = text[i] == ',' ? '.' : text[i];
	}
	return (commas == 1 || n < len) && number_parse(plain, n, &number, &whole);
}

/* Of texts that were counted one by one. */
static bool spelled(const struct column *c, struct strbuf *ret)
{
	const struct value *first = NULL;
	uint64_t n = 0;

	for (size_t i = 0; c->values && i < c->values->n; i++)
		if (number_elsewhere(c->values->items[i].text, c->values->items[i].len)) {
			n += c->values->items[i].count;
			first = first ? first : &c->values->items[i];
		}
	if (!n || 2 * n < c->types[VALUE_TEXT])
		return false;
	strbuf_printf(ret, "%llu value%s such as %.*s %s text: numbers are written as 1234.5", (unsigned long long)n,
		      n == 1 ? "" : "s", (int)first->len, first->text, n == 1 ? "is" : "are");
	return true;
}

static bool not_utf8(const struct column *c, struct strbuf *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; c->values && i < c->values->n; i++)
		if (utf8_span(c->values->items[i].text, c->values->items[i].len) < c->values->items[i].len)
			n += c->values->items[i].count;
	strbuf_printf(ret, "%llu value%s not UTF-8: iconv -f LATIN1 -t UTF-8 may be what it needs", (unsigned long long)n,
		      n == 1 ? " is" : "s are");
	return n > 0;
}

static bool odd_numbers(const struct column *c, struct strbuf *ret)
{
	strbuf_printf(ret, "%llu NaN, %llu infinite", (unsigned long long)c->nans,
		      (unsigned long long)(c->plus_infs + c->minus_infs));
	return c->nans + c->plus_infs + c->minus_infs > 0;
}

/* Reals are different by nature. Where texts are estimated, nobody can say that all differ. */
static bool identifier(const struct column *c, struct strbuf *ret)
{
	double distinct = column_distinct(c), all = (double)filled(c);

	strbuf_puts(ret, column_distinct_exact(c) ? "every value is different: an id?" :
						    "nearly every value is different: an id?");
	return filled(c) >= IDS_FROM && (c->type == COLUMN_INT || c->type == COLUMN_CATEGORY || c->type == COLUMN_TEXT) &&
	       (column_distinct_exact(c) ? distinct == all : distinct >= 0.95 * all);
}

static bool skewed(const struct column *c, struct strbuf *ret)
{
	double skewness = is_number(c) ? column_skewness(c) : 0;

	strbuf_printf(ret, "skewness %.3g", skewness);
	return c->numbers >= FEW_ROWS && column_distinct(c) > 2 && fabs(skewness) >= SKEWED;
}

static bool zeros(const struct column *c, struct strbuf *ret)
{
	strbuf_printf(ret, "%.1f %% zeros", 100 * (double)c->zeros / (double)(c->numbers ? c->numbers : 1));
	return is_number(c) && column_distinct(c) > 2 && (double)c->zeros >= MOST_ZEROS * (double)c->numbers &&
	       c->zeros < c->numbers;
}

static bool far_values(const struct column *c, struct strbuf *ret)
{
	struct outliers far = is_number(c) ? column_outliers(c) : (struct outliers){ 0 };
	double share = c->numbers ? (double)far.iqr / (double)c->numbers : 0;

	strbuf_printf(ret, "%.1f %% outliers: beyond 1.5 interquartile ranges", 100 * share);
	return c->numbers >= FEW_ROWS && column_distinct(c) > 2 && share >= FAR_SHARE;
}

static warning *const warnings[] = {
	all_null, constant, nulls, mixed, mixed_text, spelled, not_utf8, odd_numbers, identifier, skewed, zeros, far_values,
};

struct js *column_warnings(const struct column *c)
{
	struct js *list = js_array();

	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		if (warnings[i](c, &text))
			js_push_str(list, text.buf);
	}
	return list;
}

/* ---- of the table ---- */

static void warn(struct js *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct js *list, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	js_push_str(list, text.buf);
}

static void warn_target(const struct profile *p, const char *target, struct js *list)
{
	const struct column *c = profile_find(p, target);
	const struct value_count *values = NULL;
	size_t n = 0;

	if (!c)
		return;
	values = column_values(c, &n);
	if (c->nulls)
		warn(list, "target %s: %llu rows have none", target, (unsigned long long)c->nulls);
	if (values && n == 1)
		warn(list, "target %s: there is one class only", target);
	else if (values && n && n <= PROFILE_CLASSES && (double)values[n - 1].count < RARE_CLASS * (double)filled(c) / (double)n)
		warn(list, "target %s: imbalanced, its rarest class has %llu of %llu rows", target,
		     (unsigned long long)values[n - 1].count, (unsigned long long)filled(c));
}

struct js *profile_warnings(const struct profile *p, const char *target)
{
	struct js *list = js_array();

	if (!p->rows)
		warn(list, "the table has no rows");
	else if (p->rows < FEW_ROWS)
		warn(list, "%llu row%s few: shares and quantiles say little", (unsigned long long)p->rows,
		     p->rows == 1 ? " is" : "s are");
	if (target)
		warn_target(p, target, list);
	return list;
}
