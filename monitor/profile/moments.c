/* SPDX-License-Identifier: Apache-2.0 */
/* Central moments up to the fourth: of a run in two passes, of two parts by Chan, Golub and LeVeque (1979) and Pébay
 * (2008), "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments". */
#include <math.h>

#include "base/mem.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"

/* Independent sums, so that the processor need not wait for the one before; their order is fixed. */
#define LANES 4

static double lanes_sum(const double sums[LANES])
{
	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static double mean_of(const double *run, size_t n)
{
	double sums[LANES] = { 0 }, mean;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			sums[k] += run[i + k];
	for (; i < n; i++)
		sums[0] += run[i];
	mean = lanes_sum(sums) / (double)n;
	if (isfinite(mean))
		return mean;
	mean = 0;
	for (i = 0; i < n; i++)
		mean += run[i] / (double)n;
	return mean;
}

static void central(const double *run, size_t n, struct column *ret)
{
	double m1[LANES] = { 0 }, m2[LANES] = { 0 }, m3[LANES] = { 0 }, m4[LANES] = { 0 };
	double left;

	for (size_t i = 0; i < n; i += LANES)
		for (size_t k = 0; k < LANES && i + k < n; k++) {
			double d = run[i + k] - ret->mean, d2 = d * d;

			m1[k] += d;
			m2[k] += d2;
			m3[k] += d2 * d;
			m4[k] += d2 * d2;
		}
	left = lanes_sum(m1); /* what rounding of the mean left */
	ret->mean += left / (double)n;
	ret->m2 = lanes_sum(m2) - left * left / (double)n;
	ret->m3 = lanes_sum(m3);
	ret->m4 = lanes_sum(m4);
}

static size_t lower_bound(const double *run, size_t n, double x)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (run[mid] < x)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

void moments_merge(struct column *a, const struct column *b)
{
	double na = (double)a->numbers, nb = (double)b->numbers, n = na + nb, d = b->mean - a->mean, dn = d / n;
	double m2 = a->m2, m3 = a->m3;

	if (!b->numbers)
		return;
	a->zeros += b->zeros;
	a->negatives += b->negatives;
	if (!a->numbers) {
		a->numbers = b->numbers;
		a->min = b->min;
		a->max = b->max;
		a->mean = b->mean;
		a->m2 = b->m2;
		a->m3 = b->m3;
		a->m4 = b->m4;
		return;
	}
	a->numbers += b->numbers;
	a->min = fmin(a->min, b->min);
	a->max = fmax(a->max, b->max);
	a->mean += dn * nb;
	a->m2 += b->m2 + d * dn * na * nb;
	a->m3 += b->m3 + d * dn * dn * na * nb * (na - nb) + 3 * dn * (na * b->m2 - nb * m2);
	a->m4 += b->m4 + d * dn * dn * dn * na * nb * (na * na - na * nb + nb * nb) +
		 6 * dn * dn * (na * na * b->m2 + nb * nb * m2) + 4 * dn * (na * b->m3 - nb * m3);
}

void moments_add(struct column *c, const double *run, size_t n)
{
	struct column part = { .numbers = n };
	size_t zero;

	if (!n)
		return;
	zero = lower_bound(run, n, 0);
	part.negatives = zero;
	while (zero < n && run[zero] == 0) {
		zero++;
		part.zeros++;
	}
	part.min = run[0];
	part.max = run[n - 1];
	part.mean = fmin(fmax(mean_of(run, n), part.min), part.max);
	central(run, n, &part);
	moments_merge(c, &part);
}

/* ---- edges ---- */

void edges_count(const struct edges *edges, const double *run, size_t n, uint64_t *counts)
{
	size_t at = 0;

	for (size_t i = 0; i < edges->n; i++) {
		size_t next = at + lower_bound(run + at, n - at, edges->at[i]);

		counts[i] += next - at;
		at = next;
	}
	counts[edges->n] += n - at;
}

void edges_make(struct column *c)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(c->sketch, &values, &weights), made = 0;
	bool all = sketch_distinct(c->sketch) <= PROFILE_BINS;
	uint64_t below = 0;

	c->fine.at = xreallocarray(NULL, PROFILE_BINS, sizeof(*c->fine.at));
	for (size_t i = 0; i < n; i++) {
		uint64_t weight = weights ? weights[i] : 1;
		/* it reaches so many of the ranks that are multiples of count / PROFILE_BINS */
		uint64_t ranks = (below + weight) * PROFILE_BINS / c->numbers - below * PROFILE_BINS / c->numbers;
		double last = made ? c->fine.at[made - 1] : -INFINITY;

		below += weight;
		if (last < values[i] && (all || (ranks && made < PROFILE_BINS - 1))) {
			c->fine.at[made++] = last = values[i];
			ranks -= ranks > 0;
		}
		/* a value that many have is counted apart from what follows it */
		if (last == values[i] && ranks && !all && made < PROFILE_BINS - 1)
			c->fine.at[made++] = nextafter(values[i], INFINITY);
	}
	c->fine.n = made;
}
