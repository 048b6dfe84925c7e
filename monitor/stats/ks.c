/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "base/mem.h"
#include "monitor/stats/stats.h"

double ks_distance(const double *a, size_t n, const double *b, size_t m)
{
	if (n == 0 || m == 0)
		return NAN;
	uint64_t most = 0;
	for (size_t i = 0, j = 0; i < n && j < m;) {
		double at = a[i] < b[j] ? a[i] : b[j];
		while (i < n && a[i] <= at)
			i++;
		while (j < m && b[j] <= at)
			j++;
		uint64_t left = (uint64_t)i * m, right = (uint64_t)j * n;
		uint64_t gap = left > right ? left - right : right - left;
		most = gap > most ? gap : most;
	}
	return (double)most / ((double)n * (double)m);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* Both samples have n values: inclusion and exclusion of reflected paths, in Horner's form, which loses no digits. */
static double equal_sizes_p(int64_t n, int64_t h)
{
	double p = 0;
	for (int64_t k = n / h; k >= 0; k--) {
		double ratio = 1;
		for (int64_t j = 0; j < h; j++)
			ratio = (double)(n - k * h - j) * ratio / (double)(n + k * h + j + 1);
		p = ratio * (1 - p);
	}
	return 2 * p;
}

/*
 * A path of lattice steps from (0, 0) to (n, m) is an order of both samples; it counts when it meets a point where
 * |x step_x - y step_y| >= h. The share of such paths to (x, y) is 1 there, and elsewhere the mean of the shares of
 * (x-1, y) and (x, y-1), weighed by x and y: sums of positive numbers, right to the last digits however small
 * (Viehmann 2021). It goes by diagonals x + y = s, whose points do not depend on each other, so the processor takes
 * several at once.
 *
 * Denormal numbers would cost more than all the rest. So 1 is written as WHOLE, and (0, 0) has not 0 but NOTHING: as
 * the weights of a mean are 1 together, no share is then below it, and p becomes p + (1 - p) NOTHING/WHOLE: p.
 */
#define WHOLE	0x1p+900
#define NOTHING 0x1p-1000
static void diagonal(const double *before, double *restrict now, const double *y, int64_t first, int64_t last, double s)
{
	for (int64_t j = first; j <= last; j++)
		now[j] = (before[j] * (s - y[j]) + before[j - 1] * y[j]) / s;
}

static double unequal_sizes_p(int64_t n, int64_t m, int64_t step_x, int64_t step_y, int64_t h)
{
	/* One place before y = 0 and one after y = m: what lies outside the lines. */
	size_t len = (size_t)m + 3;
	CLEANUP(cleanup_free) double *room = xcalloc(3 * len, sizeof(*room));
	double *y = room + 1, *before = y + len, *now = before + len;
	for (int64_t j = 0; j <= m; j++)
		y[j] = (double)j;
	before[0] = NOTHING;
	before[-1] = before[1] = WHOLE;
	for (int64_t s = 1; s <= n + m; s++) {
		int64_t middle = step_x * s, both = step_x + step_y;
		int64_t first = middle < h ? 0 : (middle - h) / both + 1, last = (middle + h - 1) / both;
		first = first < s - n ? s - n : first;
		last = last > s ? s : last;
		last = last > m ? m : last;
		if (first > last)
			return 1;
		diagonal(before, now, y, first, last, (double)s);
		now[first - 1] = now[last + 1] = WHOLE;
		double *swap = before;
		before = now;
		now = swap;
	}
	return before[m] / WHOLE;
}

double ks_exact_p(double d, size_t n, size_t m)
{
	if (isnan(d) || n == 0 || m == 0 || n > KS_EXACT_MAX || m > KS_EXACT_MAX)
		return NAN;
	size_t small = n < m ? n : m, large = n < m ? m : n;
	size_t divisor = common_divisor(n, m);
	int64_t step_x = (int64_t)(small / divisor), step_y = (int64_t)(large / divisor);
	double lcm = (double)step_x * (double)large;
	int64_t h = (int64_t)rint(fmin(fmax(d, 0), 1) * lcm);
	if (h == 0)
		return 1;
	if (n == m)
		return equal_sizes_p((int64_t)n, h);
	/* x counts the larger sample, and is worth less: |x/large - y/small| = |x step_x - y step_y| / lcm. */
	return unequal_sizes_p((int64_t)large, (int64_t)small, step_x, step_y, h);
}

double ks_p(double d, size_t n, size_t m)
{
	if (isnan(d) || n == 0 || m == 0)
		return NAN;
	if (n <= KS_EXACT_MAX && m <= KS_EXACT_MAX) {
		double p = ks_exact_p(d, n, m);
		/* Rounding can put what is all but certain above 1; scipy, too, then asks the limit. */
		if (p <= 1)
			return p;
	}
	double large = (double)(n > m ? n : m), small = (double)(n > m ? m : n);
	return kstwo_sf(d, (int64_t)rint(large * small / (large + small)));
}
