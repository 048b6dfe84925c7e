/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/drift/drift_bands.h"
#include "monitor/profile/profile.h"

void band_release(struct band *band)
{
	free(band->steps);
}

static void push(struct band *band, double at, double low, double high)
{
	band->steps[band->n++] = (struct step){ at, fmax(low, 0), fmin(high, 1) };
}

void band_of_values(struct band *band, const double *values, const uint64_t *weights, size_t n, double error)
{
	double total = 0, sum = 0, mean = 0;

	*band = (struct band){ .steps = xcalloc(n + 2, sizeof(*band->steps)) };
	for (size_t i = 0; i < n; i++)
		total += weights ? (double)weights[i] : 1;
	for (size_t i = 0; i < n; i++) {
		double weight = weights ? (double)weights[i] : 1;

		sum += weight;
		mean += values[i] * (weight / total);
		if (i + 1 == n || values[i + 1] != values[i])
			push(band, values[i], sum / total - error, sum / total + error);
	}
	band->count = (uint64_t)total;
	band->mean = mean;
}

static int by_number(const void *a, const void *b)
{
	const struct value_count *const *x = a, *const *y = b;

	return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

/* Of a column whose values were counted one by one. */
static void band_of_counts(struct band *band, const struct value_count *values, size_t n)
{
	CLEANUP(cleanup_free) const struct value_count **sorted = xcalloc(n ? n : 1, sizeof(*sorted));
	CLEANUP(cleanup_free) double *numbers = xcalloc(n ? n : 1, sizeof(*numbers));
	CLEANUP(cleanup_free) uint64_t *weights = xcalloc(n ? n : 1, sizeof(*weights));
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(values[i].number))
			sorted[used++] = &values[i];
	qsort(sorted, used, sizeof(*sorted), by_number);
	for (size_t i = 0; i < used; i++) {
		numbers[i] = sorted[i]->number;
		weights[i] = sorted[i]->count;
	}
	band_of_values(band, numbers, weights, used, 0);
}

/* ---- what is known of the ends, where a sketch knows least ---- */

#define END_STEPS 24 /* between the outermost step and the outermost value */

/* At most this share of the values is as far from the mean: Cantelli's inequality, and Markov's of the fourth moment. */
static double beyond(const struct column *c, double x)
{
	double far = x - c->mean, square = far * far * (double)c->numbers;

	return fmin(c->m2 / (c->m2 + square), c->m4 / (square * far * far));
}

/* Steps from `from` towards `to`, each farther from the mean by the same factor. */
static size_t end_steps(const struct column *c, double from, double to, double *ret)
{
	double factor = (to - c->mean) / (from - c->mean);

	if (!(factor > 1) || !isfinite(factor))
		return 0;
	for (size_t i = 1; i < END_STEPS; i++)
		ret[i - 1] = c->mean + (from - c->mean) * pow(factor, (double)i / END_STEPS);
	return END_STEPS - 1;
}

static void bound_ends(struct band *band, const struct column *c)
{
	for (size_t i = 0; i < band->n; i++) {
		struct step *step = &band->steps[i];

		if (step->at > c->mean)
			step->low = fmin(fmax(step->low, 1 - beyond(c, step->at)), step->high);
		else if (i + 1 < band->n && step[1].at < c->mean)
			step->high = fmax(fmin(step->high, beyond(c, step[1].at)), step->low);
	}
}

/* A heavy tail is long: a small error over all of its length would be a large one. */
static void tighten(struct band *band, const struct column *c)
{
	double left[END_STEPS], right[END_STEPS];
	size_t n = band->n, before, after;
	struct step *steps = band->steps;

	if (n < 3)
		return;
	before = end_steps(c, steps[1].at, steps[0].at, left);
	after = end_steps(c, steps[n - 2].at, steps[n - 1].at, right);
	band->steps = xcalloc(n + before + after, sizeof(*band->steps));
	band->n = 0;
	band->steps[band->n++] = steps[0];
	for (size_t i = before; i-- > 0;)
		push(band, left[i], steps[0].low, steps[0].high);
	for (size_t i = 1; i + 1 < n; i++)
		band->steps[band->n++] = steps[i];
	for (size_t i = 0; i < after; i++)
		push(band, right[i], steps[n - 2].low, steps[n - 2].high);
	band->steps[band->n++] = steps[n - 1];
	free(steps);
	bound_ends(band, c);
}

/* Smallest and largest value are known, whatever the sketch has kept of them. */
static void band_of_sketch(struct band *band, const struct column *column)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(column->sketch, &values, &weights);
	double error = sketch_error(column->sketch);

	band_of_values(band, values, weights, n, error);
	if (error == 0)
		return;
	if (band->steps[0].at > column->min) {
		memmove(band->steps + 1, band->steps, band->n++ * sizeof(*band->steps));
		band->steps[0] = (struct step){ column->min, 0, error };
	}
	if (band->steps[band->n - 1].at >= column->max)
		band->n--;
	push(band, column->max, 1, 1);
	band->count = column->numbers;
	band->mean = column->mean;
	tighten(band, column);
}

/* Counts are exact at each edge, of what is below it; and of a bin that holds but one number. */
static void band_of_edges(struct band *band, const struct column *column, const struct edges *edges)
{
	double total = (double)column->numbers, below = 0;

	*band = (struct band){ .steps = xcalloc(edges->n + 2, sizeof(*band->steps)), .count = column->numbers,
			       .mean = column->mean };
	if (edges->n && column->min < edges->at[0])
		push(band, column->min, 0, (double)column->against[0] / total);
	for (size_t i = 0; i < edges->n && edges->at[i] < column->max; i++) {
		double in = (double)column->against[i + 1];
		bool one = i + 1 < edges->n && edges->at[i + 1] <= nextafter(edges->at[i], INFINITY);

		below += (double)column->against[i];
		push(band, edges->at[i], (one ? below + in : below) / total, (below + in) / total);
	}
	push(band, column->max, 1, 1);
	tighten(band, column);
}

void band_init(struct band *band, const struct column *column, const struct edges *edges)
{
	size_t n;
	const struct value_count *values = column_values(column, &n);

	if (values)
		band_of_counts(band, values, n);
	else if (sketch_exact(column->sketch) || !edges || !column->against)
		band_of_sketch(band, column);
	else
		band_of_edges(band, column, edges);
}

/* The last step at or before x; NULL: x is before all. */
static const struct step *step_at(const struct band *band, double x)
{
	size_t low = 0, high = band->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (band->steps[middle].at <= x)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &band->steps[low - 1] : NULL;
}

double band_below(const struct band *band, double x)
{
	const struct step *step = step_at(band, nextafter(x, -INFINITY));

	return step ? (step->low + step->high) / 2 : 0;
}

/* Areas between the two functions: where a is above b, where it is below; each estimated and within bounds. */
struct areas {
	double above, above_low, above_high;
	double under, under_low, under_high;
	double both_high; /* of their sum, which is less than the sum of the bounds */
	double spread; /* of sqrt(h (1 - h)), h the share of both */
};

static void areas_add(struct areas *areas, const struct step *a, const struct step *b, double width, double weight)
{
	double difference = (a->low + a->high - b->low - b->high) / 2;
	double h = weight * (a->low + a->high) / 2 + (1 - weight) * (b->low + b->high) / 2;

	areas->above += fmax(difference, 0) * width;
	areas->under += fmax(-difference, 0) * width;
	areas->above_low += fmax(a->low - b->high, 0) * width;
	areas->above_high += fmax(a->high - b->low, 0) * width;
	areas->under_low += fmax(b->low - a->high, 0) * width;
	areas->under_high += fmax(b->high - a->low, 0) * width;
	areas->both_high += fmax(fmax(a->high - b->low, b->high - a->low), 0) * width;
	areas->spread += sqrt(fmax(h * (1 - h), 0)) * width;
}

static void ks_add(struct gap *gap, const struct step *a, const struct step *b)
{
	gap->ks = fmax(gap->ks, fabs(a->low + a->high - b->low - b->high) / 2);
	gap->ks_low = fmax(gap->ks_low, fmax(a->low - b->high, b->low - a->high));
	gap->ks_high = fmax(gap->ks_high, fmax(a->high - b->low, b->high - a->low));
}

/*
 * The two areas add up to the distance, and differ by exactly the difference of the means, which is known. So only the
 * smaller one is open, and of a plain shift nothing is.
 */
static void gap_of_areas(struct gap *gap, const struct areas *areas, double means)
{
	double low = fmax(areas->under_low, areas->above_low - means), high = fmin(areas->under_high, areas->above_high - means);
	double under = fmin(areas->under, areas->above - means);

	low = fmax(low, fmax(0, -means));
	gap->distance_low = fmax(2 * low + means, areas->above_low + areas->under_low);
	gap->distance_high = fmax(fmin(2 * high + means, areas->both_high), gap->distance_low);
	gap->distance = fmin(fmax(2 * under + means, gap->distance_low), gap->distance_high);
}

struct gap band_gap(const struct band *a, const struct band *b)
{
	static const struct step before = { 0, 0, 0 };
	struct areas areas = { 0 };
	struct gap gap = { 0 };
	double weight = (double)a->count / ((double)a->count + (double)b->count), exact = 0;
	const struct step *p = &before, *q = &before;
	bool open = false;

	for (size_t i = 0, j = 0; i < a->n || j < b->n;) {
		double at = j == b->n || (i < a->n && a->steps[i].at <= b->steps[j].at) ? a->steps[i].at : b->steps[j].at, next;

		if (i < a->n && a->steps[i].at == at)
			p = &a->steps[i++];
		if (j < b->n && b->steps[j].at == at)
			q = &b->steps[j++];
		ks_add(&gap, p, q);
		if (i == a->n && j == b->n)
			break;
		next = j == b->n || (i < a->n && a->steps[i].at <= b->steps[j].at) ? a->steps[i].at : b->steps[j].at;
		areas_add(&areas, p, q, next - at, weight);
		open |= p->low != p->high || q->low != q->high;
	}
	exact = areas.above + areas.under;
	if (open)
		gap_of_areas(&gap, &areas, b->mean - a->mean);
	else
		gap.distance = gap.distance_low = gap.distance_high = exact;
	gap.chance = sqrt(2 / M_PI * (1 / (double)a->count + 1 / (double)b->count)) * areas.spread;
	return gap;
}
