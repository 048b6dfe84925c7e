/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from the sorted values of a column: a histogram, outliers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"

#define BINS_MAX 40

/* ---- the histogram ---- */

/* Doane (1976): as many bins as Sturges, and more for skewed values. */
static size_t bins_of(const struct column *c)
{
	double n = (double)c->numbers, g = column_skewness(c), sigma = 0, bins = 1;

	if (c->max <= c->min)
		return 1;
	if (n > 3)
		sigma = sqrt(6 * (n - 2) / ((n + 1) * (n + 3)));
	bins = ceil(1 + log2(n) + (sigma > 0 && isfinite(g) ? log2(1 + fabs(g) / sigma) : 0));
	return bins < 1 ? 1 : bins > BINS_MAX ? BINS_MAX : (size_t)bins;
}

/* Between whole numbers, so that no bin has more of them than another; a bin a value when they are few. */
static size_t whole_bins(const struct column *c, size_t n, double *ret_width)
{
	double span = c->max - c->min + 1, width = span <= BINS_MAX ? 1 : ceil(span / (double)n);

	*ret_width = width;
	return (size_t)ceil(span / width);
}

size_t column_histogram(const struct column *c, double **ret_edges, uint64_t **ret_counts)
{
	size_t n = bins_of(c), len, bin = 0;
	bool whole = c->type == COLUMN_INT && c->max - c->min < 1e15;
	double width = 0, start = c->min, *edges;
	const double *values;
	const uint64_t *weights;
	uint64_t *counts;

	if (whole) {
		n = whole_bins(c, n, &width);
		start -= 0.5;
	}
	edges = xcalloc(n + 1, sizeof(*edges));
	counts = xcalloc(n, sizeof(*counts));
	for (size_t i = 0; i <= n; i++)
		edges[i] = whole ? start + (double)i * width :
				   c->min * ((double)(n - i) / (double)n) + c->max * ((double)i / (double)n);
	if (!whole && c->max <= c->min) {
		edges[0] = c->min - 0.5;
		edges[1] = c->max + 0.5;
	}
	len = sketch_sorted(c->sketch, &values, &weights);
	for (size_t i = 0; i < len; i++) {
		while (bin + 1 < n && values[i] >= edges[bin + 1])
			bin++;
		counts[bin] += weights ? weights[i] : 1;
	}
	*ret_edges = edges;
	*ret_counts = counts;
	return n;
}

/* ---- outliers ---- */

static uint64_t count_outside(const struct column *c, double low, double high)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(c->sketch, &values, &weights);
	uint64_t far = 0;

	for (size_t i = 0; i < n; i++)
		if (values[i] < low || values[i] > high)
			far += weights ? weights[i] : 1;
	return far;
}

/* Where half of all values are equal, the median of deviations is 0 and tells nothing: then their mean serves. */
static double mean_deviation(const struct column *c, double middle)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(c->sketch, &values, &weights);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += fabs(values[i] - middle) * (double)(weights ? weights[i] : 1);
	return sum / (double)c->numbers;
}

/* The median of |x - middle|: two ascending halves, walked from the middle. */
static double median_deviation(const struct column *c, double middle)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(c->sketch, &values, &weights), up = 0, down;
	uint64_t seen = 0;
	double last = 0;

	while (up < n && values[up] < middle)
		up++;
	down = up;
	while (seen * 2 < c->numbers && (up < n || down > 0)) {
		bool right = up < n && (!down || values[up] - middle <= middle - values[down - 1]);
		size_t at = right ? up++ : --down;

		last = fabs(values[at] - middle);
		seen += weights ? weights[at] : 1;
	}
	return last;
}

struct outliers column_outliers(const struct column *c)
{
	double low = column_quantile(c, 0.25), middle = column_quantile(c, 0.5), high = column_quantile(c, 0.75);
	double median = median_deviation(c, middle);
	/* of a normal variable both are its deviation */
	double mad = median > 0 ? 1.4826022185056018 * median : 1.2533141373155001 * mean_deviation(c, middle);
	struct outliers far = {
		.iqr_low = low - 1.5 * (high - low),
		.iqr_high = high + 1.5 * (high - low),
		.mad_low = middle - 3.5 * mad,
		.mad_high = middle + 3.5 * mad,
	};

	far.iqr = count_outside(c, far.iqr_low, far.iqr_high);
	far.mad = count_outside(c, far.mad_low, far.mad_high);
	return far;
}
