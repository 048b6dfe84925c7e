/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "base/mem.h"
#include "monitor/stats/stats.h"

double chi2_homogeneity(const uint64_t *ref, const uint64_t *cur, size_t k, double *ret_df, double *ret_p)
{
	double of_ref = 0, of_cur = 0, chi2 = 0;
	size_t categories = 0;
	for (size_t i = 0; i < k; i++) {
		of_ref += (double)ref[i];
		of_cur += (double)cur[i];
		categories += ref[i] > 0 || cur[i] > 0;
	}
	*ret_df = categories > 0 ? (double)(categories - 1) : NAN;
	*ret_p = NAN;
	if (of_ref == 0 || of_cur == 0)
		return NAN;
	for (size_t i = 0; i < k; i++) {
		/* Both cells of a category are as far from what is expected: put together they need one difference. */
		double gap = (double)ref[i] * of_cur - (double)cur[i] * of_ref;
		if (ref[i] > 0 || cur[i] > 0)
			chi2 += gap / of_ref * (gap / of_cur) / ((double)ref[i] + (double)cur[i]);
	}
	*ret_p = categories > 1 ? chi2_sf(chi2, *ret_df) : 1;
	return chi2;
}

double two_shares_p(uint64_t hits1, uint64_t n1, uint64_t hits2, uint64_t n2)
{
	if (n1 == 0 || n2 == 0)
		return NAN;
	double a = (double)n1, b = (double)n2, pooled = ((double)hits1 + (double)hits2) / (a + b);
	if (pooled == 0 || pooled == 1)
		return 1;
	double gap = (double)hits1 / a - (double)hits2 / b;
	return 2 * normal_sf(fabs(gap) / sqrt(pooled * (1 - pooled) * (1 / a + 1 / b)));
}

static int by_value(const void *a, const void *b)
{
	double x = **(double *const *)a, y = **(double *const *)b;
	return (x > y) - (x < y);
}

void bh_adjust(double *p, size_t n)
{
	CLEANUP(cleanup_free) double **sorted = xcalloc(n + 1, sizeof(*sorted));
	size_t tests = 0;
	for (size_t i = 0; i < n; i++)
		if (!isnan(p[i]))
			sorted[tests++] = &p[i];
	qsort(sorted, tests, sizeof(*sorted), by_value);
	double least = 1;
	for (size_t i = tests; i-- > 0;)
		*sorted[i] = least = fmin(least, *sorted[i] * (double)tests / (double)(i + 1));
}
