/* SPDX-License-Identifier: Apache-2.0 */
/* Values and bins as pandas and numpy 2 count them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/drift/evidently_internal.h"
#include "monitor/profile/profile.h"

static int text_order(const struct value_count *a, const struct value_count *b)
{
	size_t common = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->text, b->text, common);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int by_text(const void *a, const void *b)
{
	return text_order(*(const struct value_count *const *)a, *(const struct value_count *const *)b);
}

static void side_numbers(struct side *side, const struct column *column, bool infinities)
{
	const double *values = NULL;
	size_t n = column->sketch ? sketch_sorted(column->sketch, &values, &(const uint64_t *){ NULL }) : 0, at = 0;
	size_t low = infinities ? column->minus_infs : 0, high = infinities ? column->plus_infs : 0;

	side->n = low + n + high;
	side->numbers = xcalloc(side->n ? side->n : 1, sizeof(double));
	while (at < low)
		side->numbers[at++] = -INFINITY;
	if (n)
		memcpy(side->numbers + at, values, n * sizeof(*values));
	for (at += n; at < side->n; at++)
		side->numbers[at] = INFINITY;
}

void side_init(struct side *side, const struct column *column, bool infinities)
{
	const struct value_count *values;

	*side = (struct side){ .whole = column->types[VALUE_INT] == column->count };
	if (!column->types[VALUE_TEXT] && !column->types[VALUE_BOOL] && !column->types[VALUE_TIME]) {
		side_numbers(side, column, infinities);
		return;
	}
	values = column_values(column, &side->ntexts);
	side->texts = xcalloc(side->ntexts ? side->ntexts : 1, sizeof(*side->texts));
	for (size_t i = 0; i < side->ntexts; i++) {
		side->texts[i] = &values[i];
		side->n += values[i].count;
	}
	qsort(side->texts, side->ntexts, sizeof(*side->texts), by_text);
}

void side_release(struct side *side)
{
	free(side->numbers);
	free(side->texts);
}

size_t side_distinct(const struct side *side)
{
	size_t distinct = side->ntexts;

	for (size_t i = 0; side->numbers && i < side->n; i++)
		distinct += i == 0 || side->numbers[i] != side->numbers[i - 1];
	return distinct;
}

void counts_release(struct counts *counts)
{
	free(counts->ref);
	free(counts->cur);
}

static void counts_init(struct counts *counts, size_t k)
{
	counts->ref = xcalloc(k ? k : 1, sizeof(double));
	counts->cur = xcalloc(k ? k : 1, sizeof(double));
	counts->k = 0;
}

/* The values from *at on that are equal. */
static double take_equal(const struct side *side, size_t *at, double value)
{
	size_t from = *at;

	while (*at < side->n && side->numbers[*at] == value)
		++*at;
	return (double)(*at - from);
}

static void counts_of_numbers(const struct side *ref, const struct side *cur, struct counts *ret)
{
	size_t i = 0, j = 0;

	counts_init(ret, side_distinct(ref) + side_distinct(cur));
	while (i < ref->n || j < cur->n) {
		bool left = j == cur->n || (i < ref->n && ref->numbers[i] <= cur->numbers[j]);
		double value = left ? ref->numbers[i] : cur->numbers[j];

		ret->ref[ret->k] = take_equal(ref, &i, value);
		ret->cur[ret->k++] = take_equal(cur, &j, value);
	}
}

static void counts_of_texts(const struct side *ref, const struct side *cur, struct counts *ret)
{
	size_t i = 0, j = 0;

	counts_init(ret, ref->ntexts + cur->ntexts);
	while (i < ref->ntexts || j < cur->ntexts) {
		int order = i == ref->ntexts ? 1 : j == cur->ntexts ? -1 : text_order(ref->texts[i], cur->texts[j]);

		ret->ref[ret->k] = order <= 0 ? (double)ref->texts[i++]->count : 0;
		ret->cur[ret->k++] = order >= 0 ? (double)cur->texts[j++]->count : 0;
	}
}

void counts_of_values(const struct side *ref, const struct side *cur, struct counts *ret)
{
	if (ref->numbers)
		counts_of_numbers(ref, cur, ret);
	else
		counts_of_texts(ref, cur, ret);
}

/* How many are below the edge. */
static size_t below(const struct side *side, double edge)
{
	size_t low = 0, high = side->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (side->numbers[middle] < edge)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* numpy.histogram: each bin holds its left edge, the last one both. */
static void histogram(const struct side *side, double min, double step, double max, size_t k, double *counts)
{
	size_t before = below(side, min);

	for (size_t i = 0; i < k; i++) {
		size_t after = i + 1 < k ? below(side, (double)(i + 1) * step + min) : below(side, nextafter(max, INFINITY));

		counts[i] = (double)(after - before);
		before = after;
	}
}

void counts_binned(const struct side *ref, const struct side *cur, struct counts *ret)
{
	double min, max, width;
	size_t k;

	if (!ref->numbers || side_distinct(ref) <= 20) {
		counts_of_values(ref, cur, ret);
		return;
	}
	min = fmin(ref->numbers[0], cur->numbers[0]);
	max = fmax(ref->numbers[ref->n - 1], cur->numbers[cur->n - 1]);
	width = (max - min) / (log2((double)(ref->n + cur->n)) + 1);
	if (ref->whole && cur->whole && width < 1)
		width = 1; /* numpy 2: bins of integers are not narrower */
	k = (size_t)ceil((max - min) / width);
	counts_init(ret, k);
	ret->k = k;
	histogram(ref, min, (max - min) / (double)k, max, k, ret->ref);
	histogram(cur, min, (max - min) / (double)k, max, k, ret->cur);
}
