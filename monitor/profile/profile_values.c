/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of one column: its values with counts, how many there are, quantiles. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/real.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/profile/values.h"

#define TIME_MAX 8.64e15 /* milliseconds: some 275,000 years */

static double number_distinct(const struct column *c)
{
	return c->numbers ? sketch_distinct(c->sketch) : 0;
}

double column_distinct(const struct column *c)
{
	return number_distinct(c) + (c->values ? (double)c->values->n : hll_count(c->distinct));
}

bool column_distinct_exact(const struct column *c)
{
	return c->values && (!c->numbers || sketch_exact(c->sketch));
}

/* ---- values with counts ---- */

static char *time_text(double ms)
{
	char text[64] = "";
	time_t seconds;
	struct tm tm;
	size_t n;
	int left;

	/* what no time_parse gives may come of a profile that was changed */
	if (fabs(ms) > TIME_MAX)
		return xasprintf("%.0f", ms);
	seconds = (time_t)floor(ms / 1000);
	left = (int)(ms - (double)seconds * 1000);
	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	if (left)
		snprintf(text + n, sizeof(text) - n, ".%03d", left);
	return xasprintf("%sZ", text);
}

/* A column that has times and nothing else of numbers shows times. */
char *column_number_text(const struct column *c, double number)
{
	char text[REAL_TEXT];

	if (c->types[VALUE_TIME] && !c->types[VALUE_INT] && !c->types[VALUE_REAL])
		return time_text(number);
	if (number == floor(number) && fabs(number) < 1e15)
		return xasprintf("%.0f", number);
	real_format(number, text);
	return xstrdup(text);
}

static int compare_values(const void *a, const void *b)
{
	const struct value_count *x = a, *y = b;
	int order;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void list_numbers(const struct column *c, struct value_count *list, size_t *n)
{
	const double *values;
	const uint64_t *weights;
	size_t len = c->numbers ? sketch_sorted(c->sketch, &values, &weights) : 0;

	for (size_t i = 0; i < len; i++) {
		if (*n && list[*n - 1].number == values[i]) {
			list[*n - 1].count += weights ? weights[i] : 1;
			continue;
		}
		list[(*n)++] = (struct value_count){ NULL, 0, values[i], weights ? weights[i] : 1 };
	}
	for (size_t i = 0; i < *n; i++) {
		list[i].text = column_number_text(c, list[i].number);
		list[i].len = strlen(list[i].text);
	}
}

const struct value_count *column_values(const struct column *c, size_t *ret_n)
{
	/* made on demand, as of a cache */
	struct column *cache = (struct column *)c;
	size_t n = 0;

	*ret_n = 0;
	if (!column_distinct_exact(c) || number_distinct(c) > PROFILE_VALUES ||
	    (!c->values->all && column_distinct(c) > PROFILE_VALUES))
		return NULL;
	if (!c->listed) {
		struct value_count *list = xcalloc((size_t)column_distinct(c) + 1, sizeof(*list));

		list_numbers(c, list, &n);
		for (size_t i = 0; i < c->values->n; i++) {
			const struct value *v = &c->values->items[i];

			list[n++] = (struct value_count){ xmemdup(v->text, v->len + 1), v->len, NAN, v->count };
		}
		qsort(list, n, sizeof(*list), compare_values);
		cache->listed = list;
		cache->nlisted = n;
	}
	*ret_n = c->nlisted;
	return c->listed;
}

/* ---- numbers ---- */

double column_std(const struct column *c)
{
	return c->numbers ? sqrt(c->m2 / (double)c->numbers) : NAN;
}

/* The value of rank `rank`, from 0, and the one after it. */
static void at_rank(const double *values, const uint64_t *weights, size_t n, uint64_t rank, double *ret, double *ret_next)
{
	size_t i = 0;
	uint64_t below = 0;

	if (!weights) {
		*ret = values[rank];
		*ret_next = values[rank + 1 < n ? rank + 1 : rank];
		return;
	}
	while (i + 1 < n && below + weights[i] <= rank)
		below += weights[i++];
	*ret = values[i];
	*ret_next = below + weights[i] > rank + 1 || i + 1 == n ? values[i] : values[i + 1];
}

double column_quantile(const struct column *c, double p)
{
	const double *values;
	const uint64_t *weights;
	double at, low, high, share;
	size_t n;

	if (!c->numbers)
		return NAN;
	n = sketch_sorted(c->sketch, &values, &weights);
	at = p * (double)(c->numbers - 1);
	if (p <= 0 || p >= 1)
		return p <= 0 ? c->min : c->max;
	at_rank(values, weights, n, (uint64_t)at, &low, &high);
	share = at - floor(at);
	/* from the nearer end, as numpy does */
	return share >= 0.5 ? high - (high - low) * (1 - share) : low + (high - low) * share;
}
