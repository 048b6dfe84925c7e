/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "monitor/stats/special.h"
#include "monitor/stats/stats.h"

/* Kahan's sum: its error does not grow with the number of terms. */
struct sum {
	double value, lost;
};

static void sum_add(struct sum *s, double x)
{
	double term = x - s->lost, next = s->value + term;
	s->lost = isfinite(next) ? (next - s->value) - term : 0;
	s->value = next;
}

double wasserstein(const double *a, size_t n, const double *b, size_t m)
{
	if (n == 0 || m == 0)
		return NAN;
	struct sum area = { 0 };
	double at = a[0] < b[0] ? a[0] : b[0];
	for (size_t i = 0, j = 0; i < n || j < m;) {
		double next = j == m || (i < n && a[i] < b[j]) ? a[i] : b[j];
		/* |F - G| between `at` and `next`, exact until the division */
		uint64_t left = (uint64_t)i * m, right = (uint64_t)j * n;
		if (next > at && left != right)
			sum_add(&area, (double)(left > right ? left - right : right - left) * (next - at));
		at = next;
		while (i < n && a[i] <= at)
			i++;
		while (j < m && b[j] <= at)
			j++;
	}
	return area.value / ((double)n * (double)m);
}

static double total(const double *x, size_t k)
{
	struct sum all = { 0 };
	for (size_t i = 0; i < k; i++)
		sum_add(&all, x[i]);
	return all.value;
}

double psi(const double *ref, const double *cur, size_t k)
{
	struct sum all = { 0 };
	for (size_t i = 0; i < k; i++) {
		if (ref[i] == cur[i])
			continue;
		if (ref[i] == 0 || cur[i] == 0)
			return INFINITY;
		sum_add(&all, (ref[i] - cur[i]) * log(ref[i] / cur[i]));
	}
	return k ? all.value : NAN;
}

/*
 * The terms of the divergences have both signs and cancel where the distributions are close. Because both sum to 1 a
 * multiple of p - q can be taken from each term, which leaves none below 0 and changes no sum.
 */
static double kl_term(double p, double q) /* p ln(p/q) - p + q */
{
	if (p == 0)
		return q;
	return q == 0 ? INFINITY : p * log1p_gap((q - p) / p);
}

double kl_divergence(const double *ref, const double *cur, size_t k)
{
	double of_ref = total(ref, k), of_cur = total(cur, k);
	if (!(of_ref > 0 && of_cur > 0))
		return NAN;
	struct sum all = { 0 };
	for (size_t i = 0; i < k; i++) {
		double term = kl_term(ref[i] / of_ref, cur[i] / of_cur);
		if (isinf(term))
			return INFINITY;
		sum_add(&all, term);
	}
	return all.value;
}

double js_distance(const double *ref, const double *cur, size_t k, double base)
{
	double of_ref = total(ref, k), of_cur = total(cur, k);
	if (!(of_ref > 0 && of_cur > 0))
		return NAN;
	struct sum all = { 0 };
	for (size_t i = 0; i < k; i++) {
		double p = ref[i] / of_ref, q = cur[i] / of_cur, middle = (p + q) / 2;
		sum_add(&all, kl_term(p, middle));
		sum_add(&all, kl_term(q, middle));
	}
	return sqrt(all.value / 2 / log(base));
}

double hellinger(const double *ref, const double *cur, size_t k)
{
	double of_ref = total(ref, k), of_cur = total(cur, k);
	if (!(of_ref > 0 && of_cur > 0))
		return NAN;
	struct sum all = { 0 };
	for (size_t i = 0; i < k; i++) {
		double gap = sqrt(ref[i] / of_ref) - sqrt(cur[i] / of_cur);
		sum_add(&all, gap * gap);
	}
	return sqrt(all.value / 2);
}
