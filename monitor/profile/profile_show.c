/* SPDX-License-Identifier: Apache-2.0 */
/* A profile as JSON for people and programs: what it says, not what it keeps. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile_internal.h"

#define TOP_SHOWN 10

static bool has_numbers(const struct column *c)
{
	return c->numbers && (c->type == COLUMN_INT || c->type == COLUMN_REAL || c->type == COLUMN_TIME);
}

/* Whole numbers are written as such. */
static struct js *number(double value)
{
	return value == floor(value) && fabs(value) < 9e15 ? js_int((int64_t)value) : js_real(value);
}

static void set_quantiles(const struct column *c, struct js *json)
{
	static const struct {
		const char *key;
		double p;
	} shown[] = { { "0.01", 0.01 }, { "0.05", 0.05 }, { "0.25", 0.25 }, { "0.5", 0.5 },
		      { "0.75", 0.75 }, { "0.95", 0.95 }, { "0.99", 0.99 } };
	struct js *quantiles = js_object();

	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		js_set(quantiles, shown[i].key, number(column_quantile(c, shown[i].p)));
	js_set(json, "quantiles", quantiles);
}

static void set_moments(const struct column *c, struct js *json)
{
	double n = (double)c->numbers, variance = c->m2 / n;

	js_set_real(json, "mean", c->mean);
	js_set_real(json, "std", column_std(c));
	if (!(variance > 0) || !isfinite(variance))
		return;
	js_set_real(json, "skewness", column_skewness(c));
	js_set_real(json, "kurtosis", c->m4 / n / (variance * variance) - 3);
}

static void set_histogram(const struct column *c, struct js *json)
{
	struct js *histogram = js_object(), *edges = js_array(), *counts = js_array();
	CLEANUP(cleanup_free) uint64_t *in = NULL;
	CLEANUP(cleanup_free) double *at = NULL;
	size_t n = column_histogram(c, &at, &in);

	for (size_t i = 0; i <= n; i++)
		js_push(edges, number(at[i]));
	for (size_t i = 0; i < n; i++)
		js_push(counts, js_int((int64_t)in[i]));
	js_set(histogram, "edges", edges);
	js_set(histogram, "counts", counts);
	js_set(json, "histogram", histogram);
}

static void set_numbers(const struct column *c, struct js *json)
{
	if (c->type == COLUMN_INT || c->type == COLUMN_REAL) {
		js_set_int(json, "zeros", (int64_t)c->zeros);
		js_set_int(json, "negatives", (int64_t)c->negatives);
	}
	if (!has_numbers(c))
		return;
	js_set(json, "min", number(c->min));
	js_set(json, "max", number(c->max));
	set_moments(c, json);
	set_quantiles(c, json);
	js_set_real(json, "sketch_error", sketch_error(c->sketch));
	js_set_bool(json, "ascending", c->ascending);
	set_histogram(c, json);
}

static struct js *values_json(const struct column *c, size_t most, bool shares)
{
	struct js *list = js_array();
	size_t n;
	const struct value_count *values = column_values(c, &n);

	for (size_t i = 0; values && i < n && i < most; i++) {
		struct js *json = js_object();
		bool time = c->type == COLUMN_TIME;

		js_set(json, "value", isnan(values[i].number) || time ? js_strn(values[i].text, values[i].len) :
									number(values[i].number));
		js_set_int(json, "count", (int64_t)values[i].count);
		if (shares)
			js_set_real(json, "share", (double)values[i].count / (double)c->count);
		js_push(list, json);
	}
	return list;
}

/* Of numbers that hardly ever repeat there are none. The list is dropped again: with many columns it would be large. */
static void set_top(const struct column *c, struct js *json)
{
	bool listed = c->listed;
	struct js *top;

	if (has_numbers(c) && column_distinct(c) > 20 && column_distinct(c) * 2 > (double)c->numbers)
		return;
	top = values_json(c, TOP_SHOWN, false);
	if (js_len(top))
		js_set(json, "top", top);
	else
		js_free(top);
	if (!listed)
		column_unlist((struct column *)c);
}

static void set_length(const struct column *c, struct js *json)
{
	struct js *length;

	if (!c->types[VALUE_TEXT] || (c->type != COLUMN_TEXT && c->type != COLUMN_CATEGORY))
		return;
	length = js_object();
	js_set_int(length, "min", (int64_t)c->min_len);
	js_set_real(length, "mean", (double)c->total_len / (double)c->types[VALUE_TEXT]);
	js_set_int(length, "max", (int64_t)c->max_len);
	js_set(json, "length", length);
}

static struct js *show_column(const struct column *c)
{
	CLEANUP_STRBUF struct strbuf evidence = STRBUF_INIT;
	struct js *json = js_object();
	double distinct = column_distinct(c);

	column_evidence(c, &evidence);
	js_set_str(json, "name", c->name);
	js_set_str(json, "type", column_type_name(c->type));
	js_set_str(json, "evidence", evidence.buf);
	js_set_int(json, "rows", (int64_t)c->count);
	js_set_int(json, "nulls", (int64_t)c->nulls);
	js_set_int(json, "nans", (int64_t)c->nans);
	js_set_int(json, "infinities", (int64_t)(c->plus_infs + c->minus_infs));
	js_set_int(json, "distinct", (int64_t)llround(fmin(distinct, (double)c->count)));
	js_set_bool(json, "distinct_exact", column_distinct_exact(c));
	js_set_bool(json, "constant", column_constant(c));
	set_numbers(c, json);
	set_length(c, json);
	set_top(c, json);
	js_set(json, "warnings", column_warnings(c));
	return json;
}

/* ---- the target ---- */

/* Of classes their shares, and how many times the rarest goes into the most frequent; else how it lies. */
static struct js *show_target(const struct profile *p, const char *name)
{
	const struct column *c = profile_find(p, name);
	struct js *json = js_object();
	const struct value_count *values;
	size_t n;

	js_set_str(json, "name", name);
	if (!c)
		return json;
	values = column_values(c, &n);
	js_set_str(json, "type", column_type_name(c->type));
	js_set_int(json, "nulls", (int64_t)c->nulls);
	if (values && n && n <= PROFILE_CLASSES) {
		js_set(json, "classes", values_json(c, n, true));
		js_set_real(json, "imbalance", (double)values[0].count / (double)values[n - 1].count);
	} else if (has_numbers(c)) {
		js_set_real(json, "mean", c->mean);
		js_set_real(json, "std", column_std(c));
		js_set_real(json, "skewness", column_skewness(c));
		set_quantiles(c, json);
	}
	return json;
}

struct js *profile_show(const struct profile *p, const char *target)
{
	struct js *json = js_object(), *columns = js_array();
	char hex[DIGEST_HEX + 1];
	struct digest digest;

	for (size_t i = 0; i < p->ncolumns; i++)
		js_push(columns, show_column(&p->columns[i]));
	js_set_int(json, "rows", (int64_t)p->rows);
	js_set(json, "columns", columns);
	if (target)
		js_set(json, "target", show_target(p, target));
	if (p->extra)
		js_set(json, "full", extra_show(p));
	profile_digest(p, &digest);
	js_set_str(json, "digest", digest_format(&digest, hex));
	js_set(json, "warnings", profile_warnings(p, target));
	return json;
}
