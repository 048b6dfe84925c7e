/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/schema/schema_internal.h"

#define VALUES_LISTED	100u  /* more different ones are no list that somebody reads */
#define VALUES_STRICT	20u   /* a list as short as this is complete */
#define UNSEEN_LATER	0.05  /* of a longer one */
#define ROWS_TELLING	100u  /* fewer rows tell little: neither that all differ nor that none repeats */
#define DISTINCT_MANY	10.0  /* such a column does not become constant by chance */
#define WHOLE_MAX	9e15  /* above, a double has no fractions to round */

static bool is_text(enum column_type type)
{
	return type == COLUMN_CATEGORY || type == COLUMN_TEXT;
}

/* Every value is what the column is: a column is already that when most of them are. */
static bool is_pure(const struct column *c)
{
	static const unsigned kinds[] = {
		[COLUMN_INT] = 1u << VALUE_INT,	  [COLUMN_REAL] = 1u << VALUE_INT | 1u << VALUE_REAL,
		[COLUMN_BOOL] = 1u << VALUE_BOOL, [COLUMN_TIME] = 1u << VALUE_TIME,
		[COLUMN_CATEGORY] = 1u << VALUE_TEXT, [COLUMN_TEXT] = 1u << VALUE_TEXT,
	};

	for (unsigned t = 0; t < VALUE_TYPES; t++)
		if (c->types[t] && !(kinds[c->type] >> t & 1))
			return false;
	return true;
}

/* The next number outwards that has two digits more than `slack`: 103.7381 with a slack of 12 becomes 116. */
static double outward(double x, double slack, bool up)
{
	double step = slack > 0 ? pow(10, floor(log10(slack)) - 1) : 0, wide = up ? x + slack : x - slack, rounded;

	if (!isfinite(wide))
		return x;
	rounded = step > 0 ? (up ? ceil(wide / step) : floor(wide / step)) * step : wide;
	/* 0.30000000000000004 is 0.3, as long as that stays outside. */
	if (step > 0 && step < 1) {
		double inverse = round(1 / step), nice = round(rounded * inverse) / inverse;

		if (up ? nice >= x : nice <= x)
			rounded = nice;
	}
	return isfinite(rounded) && (up ? rounded >= x : rounded <= x) ? rounded : x;
}

static void set_number(struct js *out, const char *key, double x, bool whole)
{
	if (whole && fabs(x) < WHOLE_MAX)
		js_set_int(out, key, (int64_t)x);
	else
		js_set_real(out, key, x);
}

/* A tenth of the range more on both sides, but not below 0 for what never was. */
static void infer_range(const struct column *c, bool counts_up, struct js *out)
{
	bool whole = c->type == COLUMN_INT;
	double slack = (c->max - c->min) / 10, min, max;

	if (!c->numbers)
		return;
	if (!(slack > 0))
		slack = fabs(c->max) / 10;
	min = outward(c->min, slack, false);
	max = outward(c->max, slack, true);
	if (whole) {
		min = floor(min);
		max = ceil(max);
	}
	if (c->min >= 0 && min < 0)
		min = 0;
	if (!c->minus_infs)
		set_number(out, "min", min, whole || !(fabs(min) > 0));
	if (!c->plus_infs && !counts_up)
		set_number(out, "max", max, whole);
}

/* Time goes on, but begins at some day. */
static void infer_time(const struct column *c, struct js *out)
{
	double day = floor(c->min / 86400000) * 86400000;
	char text[32];

	if (!c->numbers)
		return;
	clock_format_utc((int64_t)day, text);
	if (strlen(text) >= 10 && text[4] == '-')
		text[10] = '\0';
	js_set_str(out, "min", text);
	if (c->ascending && column_distinct(c) > DISTINCT_MANY)
		js_set_bool(out, "ascending", true);
}

static void infer_values(const struct column *c, struct js *out)
{
	CLEANUP(strlist_release) struct strlist sorted = STRLIST_INIT;
	struct js *list;
	size_t n;
	const struct value_count *values = column_values(c, &n);

	if (!values || !n || n > VALUES_LISTED)
		return;
	for (size_t i = 0; i < n; i++)
		strlist_push_owned(&sorted, xstrndup(values[i].text, values[i].len));
	strlist_sort(&sorted);
	list = js_array();
	for (size_t i = 0; i < sorted.len; i++)
		js_push_str(list, sorted.items[i]);
	js_set(out, "values", list);
	if (n > VALUES_STRICT)
		js_set_real(out, "unseen", UNSEEN_LATER);
}

static void infer_length(const struct column *c, struct js *out)
{
	struct js *length = js_object();

	if (c->min_len)
		js_set_int(length, "min", 1);
	js_set_int(length, "max", (int64_t)c->max_len * 2);
	js_set(out, "length", length);
}

/* A text with an invalid character or a NUL cannot be written into a list. */
static bool values_writable(const struct column *c)
{
	size_t n;
	const struct value_count *values = column_values(c, &n);

	for (size_t i = 0; values && i < n; i++)
		if (memchr(values[i].text, '\0', values[i].len) || utf8_span(values[i].text, values[i].len) < values[i].len)
			return false;
	return true;
}

static void infer_nulls(const struct column *c, struct js *out)
{
	uint64_t nulls = c->nulls + (type_is_number(c->type) ? c->nans : 0);
	double share = c->count ? (double)nulls / (double)c->count : 1;

	if (nulls || !c->count)
		share = fmin(1, ceil((share * 1.5 + 0.01) * 100) / 100);
	set_number(out, "nulls", share, !(share > 0) || share >= 1);
}

static bool is_key(const struct column *c)
{
	uint64_t values = c->count - c->nulls;

	return values >= ROWS_TELLING && (c->type == COLUMN_INT || is_text(c->type)) &&
	       column_distinct(c) > 0.9 * (double)values;
}

bool column_may_be_unique(const struct column *c)
{
	return is_pure(c) && is_key(c) && !column_distinct_exact(c);
}

static bool is_unique(const struct column *c)
{
	return is_key(c) && column_distinct_exact(c) && column_distinct(c) > (double)(c->count - c->nulls) - 0.5;
}

/* What is said of all values needs all of them. */
static void infer_values_of(const struct column *c, size_t *unique, struct js *out)
{
	if (type_is_number(c->type))
		infer_range(c, is_key(c), out);
	if (c->type == COLUMN_TIME)
		infer_time(c, out);
	if (c->type == COLUMN_CATEGORY && values_writable(c))
		infer_values(c, out);
	if (is_text(c->type) && !js_get(out, "values"))
		infer_length(c, out);
	if (is_unique(c) && *unique < SCHEMA_UNIQUE) {
		js_set_bool(out, "unique", true);
		++*unique;
	}
}

static struct js *infer_column(const struct column *c, size_t *unique)
{
	CLEANUP_STRBUF struct strbuf evidence = STRBUF_INIT;
	struct js *out = js_object();
	bool pure = is_pure(c);

	js_set_str(out, "name", c->name);
	if (c->type != COLUMN_EMPTY && (pure || is_text(c->type)))
		js_set_str(out, "type", column_type_name(c->type));
	infer_nulls(c, out);
	if (pure)
		infer_values_of(c, unique, out);
	if (!js_get(out, "unique") && c->count >= ROWS_TELLING && column_distinct(c) > DISTINCT_MANY)
		js_set_bool(out, "constant", false);
	if (!pure) {
		column_evidence(c, &evidence);
		js_set_str(out, "description", evidence.buf);
	}
	return out;
}

struct js *schema_infer(const struct profile *profile)
{
	struct js *out = js_object(), *rows = js_object(), *columns = js_array();
	size_t unique = 0;

	js_set_int(rows, "min", (int64_t)(profile->rows + 9) / 10);
	js_set_real(rows, "max_change", 0.5);
	for (size_t i = 0; i < profile->ncolumns; i++)
		js_push(columns, infer_column(&profile->columns[i], &unique));
	js_set_int(out, "version", 1);
	js_set(out, "rows", rows);
	js_set_str(out, "extra", "refuse");
	js_set(out, "columns", columns);
	return out;
}
