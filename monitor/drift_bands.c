/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/drift_bands.h"
#include "monitor/profile.h"

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

/* Smallest and largest value are known, whatever the sketch has kept of them. */
static void band_of_sketch(struct band *band, const struct column *column)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(column->sketch, &values, &weights);
	double error = sketch_error(column->sketch);

	band_of_values(band, values, weights, n, error);
	if (band->steps[0].at > column->min) {
		memmove(band->steps + 1, band->steps, band->n++ * sizeof(*band->steps));
		band->steps[0] = (struct step){ column->min, 0, error };
	}
	if (band->steps[band->n - 1].at >= column->max)
		band->n--;
	push(band, column->max, 1, 1);
	band->count = column->numbers;
	band->mean = column->mean;
}

/* Counts are exact at each edge, of what is below it. */
static void band_of_edges(struct band *band, const struct column *column, const struct edges *edges)
{
	double total = (double)column->numbers, below = 0;

	*band = (struct band){ .steps = xcalloc(edges->n + 2, sizeof(*band->steps)), .count = column->numbers,
			       .mean = column->mean };
	if (edges->n && column->min < edges->at[0])
		push(band, column->min, 0, (double)column->against[0] / total);
	for (size_t i = 0; i < edges->n && edges->at[i] < column->max; i++) {
		below += (double)column->against[i];
		push(band, edges->at[i], below / total, (below + (double)column->against[i + 1]) / total);
	}
	push(band, column->max, 1, 1);
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
	high = fmax(high, low);
	under = fmin(fmax(under, low), high);
	gap->distance = 2 * under + means;
	gap->distance_low = 2 * low + means;
	gap->distance_high = 2 * high + means;
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
