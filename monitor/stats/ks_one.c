/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/stats/special.h"
#include "monitor/stats/stats.h"
/*
 * The distribution of Kolmogorov's D of one sample, each region by the way that is exact or nearest there: Simard and
 * L'Ecuyer 2011, "Computing the Two-Sided Kolmogorov-Smirnov Distribution", with the borders that scipy takes.
 */
#define EXACT_N 140 /* up to here all ways are exact, but for one tail in two where that has no effect */

/*
 * Durbin's matrix as Marsaglia, Tsang and Wang 2003 write it: with nd = k - h the probability is n!/n^n times
 * element (k, k) of H^n. Numbers are kept in range by factors of two, which are exact.
 */
struct scaled {
	double *cells;
	int exponent; /* of two */
};

static void matrix_fill(double *H, int m, double h)
{
	for (int i = 0; i < m; i++)
		for (int j = 0; j < m; j++)
			H[i * m + j] = i - j + 1 >= 0;
	for (int i = 0; i < m; i++) {
		H[i * m] -= pow(h, i + 1);
		H[(m - 1) * m + i] -= pow(h, m - i);
	}
	if (h > 0.5)
		H[(m - 1) * m] += pow(2 * h - 1, m);
	for (int i = 0; i < m; i++)
		for (int j = 0; j <= i; j++)
			for (int g = 2; g <= i - j + 1; g++)
				H[i * m + j] /= g;
}

static void scaled_normalize(struct scaled *s, size_t len, size_t at)
{
	int exponent = 0;
	frexp(s->cells[at], &exponent);
	if (abs(exponent) < 400)
		return;
	for (size_t i = 0; i < len; i++)
		s->cells[i] = ldexp(s->cells[i], -exponent);
	s->exponent += exponent;
}

/* rows of `a` times the square matrix b */
static void multiply(const double *a, int rows, const double *b, int m, double *restrict ret)
{
	memset(ret, 0, (size_t)rows * (size_t)m * sizeof(*ret));
	for (int i = 0; i < rows; i++)
		for (int k = 0; k < m; k++)
			for (int j = 0; j < m; j++)
				ret[i * m + j] += a[i * m + k] * b[k * m + j];
}

static void scaled_multiply(struct scaled *a, int rows, const struct scaled *b, int m, int at, double *room)
{
	size_t len = (size_t)rows * (size_t)m;
	multiply(a->cells, rows, b->cells, m, room);
	memcpy(a->cells, room, len * sizeof(*room));
	a->exponent += b->exponent;
	scaled_normalize(a, len, (size_t)at);
}

static double durbin_cdf(int64_t n, double d)
{
	double nd = (double)n * d;
	int k = (int)ceil(nd), m = 2 * k - 1;
	size_t len = (size_t)m * (size_t)m;
	CLEANUP(cleanup_free) double *cells = xcalloc(2 * len + (size_t)m, sizeof(*cells));
	struct scaled H = { .cells = cells }, row = { .cells = cells + 2 * len };
	double *room = cells + len;
	matrix_fill(H.cells, m, k - nd);
	row.cells[k - 1] = 1; /* only row k of the power is needed */
	for (int64_t bits = n; bits > 0; bits >>= 1) {
		if (bits & 1)
			scaled_multiply(&row, 1, &H, m, k - 1, room);
		if (bits > 1)
			scaled_multiply(&H, m, &H, m, (k - 1) * m + k - 1, room);
	}
	double p = row.cells[k - 1];
	int exponent = row.exponent;
	for (int64_t i = 1; i <= n; i++) {
		p *= (double)i / (double)n;
		if (p < 0x1p-400) {
			p *= 0x1p400;
			exponent -= 400;
		}
	}
	return ldexp(p, exponent);
}

/*
 * Pomeranz 1974: with the points A_1 .. A_2n+2 where the bounds of the empirical distribution cross whole numbers, a
 * row of V is the one before it folded with the Poisson weights of the step to the next point; P = n! V[2n+2][n+1].
 * With t = nd = whole + part and g = min(part, 1 - part), the points are 0, g, 1-g, 1+g, 2-g, .. n-g, n.
 */
struct pomeranz {
	int n, whole;
	double part, g;
};

/* The columns of row i that are not 0: floor(A_i - t) + 2 to ceil(A_i + t), worked out in whole numbers. */
static void pomeranz_columns(const struct pomeranz *p, int i, int *ret_first, int *ret_last)
{
	int q = i / 2, low, high;
	bool any = p->part > 0, most = p->part > 0.5;
	if (i == 1 || i == 2 * p->n + 2) {
		int at = i == 1 ? 0 : p->n;
		low = at - p->whole - any;
		high = at + p->whole + any;
	} else if (i % 2 == 0) {
		low = q - 1 - p->whole - most;
		high = q - 1 + p->whole + any;
	} else {
		low = q - p->whole - any;
		high = q + p->whole + most;
	}
	*ret_first = low + 2 > 1 ? low + 2 : 1;
	*ret_last = high < p->n + 1 ? high : p->n + 1;
}

/* How far A_i is from the point before it, over n. */
static double pomeranz_step(const struct pomeranz *p, int i)
{
	double step = i == 2 || i == 2 * p->n + 2 ? p->g : i % 2 == 0 ? 2 * p->g : 1 - 2 * p->g;
	return step / p->n;
}

static double pomeranz_cdf(int n, double d)
{
	double rows[2][EXACT_N + 2] = { { 0 } }, weights[EXACT_N + 2];
	struct pomeranz p = { .n = n, .whole = (int)floor(n * d) };
	p.part = n * d - p.whole;
	p.g = fmin(p.part, 1 - p.part);
	int first, last;
	pomeranz_columns(&p, 1, &first, &last);
	rows[1][1] = 1;
	for (int i = 2; i <= 2 * n + 2; i++) {
		const double *before = rows[(i - 1) % 2];
		double *row = rows[i % 2], step = pomeranz_step(&p, i);
		int from = first, until = last;
		pomeranz_columns(&p, i, &first, &last);
		weights[0] = 1;
		for (int k = 1; k <= last - from; k++)
			weights[k] = weights[k - 1] * step / k;
		for (int j = first; j <= last; j++) {
			row[j] = 0;
			for (int k = from; k <= j && k <= until; k++)
				row[j] += before[k] * weights[j - k];
		}
	}
	/* Up to n = 140 neither 1/n! nor n! leaves the range of a double. */
	return rows[0][n + 1] * tgamma(n + 1.0);
}

/* Pelz and Good 1976: K0 + K1/n^(1/2) + K2/n + K3/n^(3/2) of z = d n^(1/2), as theta functions of what is small. */
static double pelz_good_cdf(int64_t n, double d)
{
	const double pi2 = M_PI * M_PI, pi4 = pi2 * pi2, pi6 = pi4 * pi2;
	double root = sqrt((double)n), z = d * root, z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, z8 = z4 * z4;
	double k0 = 0, k1 = 0, k2 = 0, k3 = 0, k2_even = 0, k3_even = 0;
	for (int k = 20; k > 0; k--) {
		double odd = 2.0 * k - 1, m2 = odd * odd, m4 = m2 * m2, m6 = m4 * m2;
		double q = exp(-pi2 * m2 / (8 * z2));
		k0 += q;
		k1 += q * (pi2 * m2 / 4 - z2);
		k2 += q * (6 * z6 + 2 * z4 + pi2 * (2 * z4 - 5 * z2) * m2 / 4 + pi4 * (1 - 2 * z2) * m4 / 16);
		k3 += q * (-30 * z6 - 90 * z8 + pi2 * (135 * z4 - 96 * z6) * m2 / 4 +
			   pi4 * (212 * z4 - 60 * z2) * m4 / 16 + pi6 * (5 - 30 * z2) * m6 / 64);
		double even = (double)k * k, q_even = exp(-pi2 * even / (2 * z2));
		k2_even += q_even * even;
		k3_even += q_even * even * (3 * z2 - pi2 * even);
	}
	k0 /= z;
	k1 /= 6 * z4;
	k2 = k2 / (72 * z4 * z2 * z) - k2_even * pi2 / (36 * z2 * z);
	k3 = k3 / (6480 * z8 * z2) + k3_even * pi2 / (216 * z6);
	return SQRT_2PI * (k0 + k1 / root + k2 / (double)n + k3 / ((double)n * root));
}

/*
 * Term j of Smirnov's sum for the one-sided D+: d/p times the chance of j hits in n of probability p = d + j/n. The
 * chance is written with Stirling's errors and deviances, because the binomial alone would lose 8 digits at n = 10^6.
 */
static double smirnov_term(double n, double d, double j)
{
	double x = n * d, rest = n - j;
	if (j == 0)
		return exp(n * log1p(-d));
	if (rest <= x)
		return 0;
	double errors = stirling_error(n) - stirling_error(j) - stirling_error(rest);
	double deviance = j * log1p_gap(x / j) + rest * log1p_gap(-x / rest);
	return x / (x + j) * sqrt(n / (j * rest)) / SQRT_2PI * exp(errors - deviance);
}

/*
 * P(D+ >= d). All terms are positive. Where n is large they are a smooth function of j that vanishes at both ends with
 * all its derivatives, so every s-th term times s is the same sum: the error falls faster than any power.
 */
#define SMIRNOV_TERMS 2048
static double smirnov_sf(int64_t n, double d)
{
	int64_t stride = n > 2 * SMIRNOV_TERMS ? n / SMIRNOV_TERMS : 1;
	double sum = 0;
	for (int64_t j = 0; j < n; j += stride)
		sum += smirnov_term((double)n, d, (double)j);
	return sum * (double)stride;
}

/* P(D <= d) for 1/2n < d <= 1/n: n!/n^n (2nd - 1)^n */
static double ruben_gambino_cdf(int64_t n, double d)
{
	double count = (double)n, stretch = 2 * count * d - 1;
	if (stretch <= 0)
		return 0;
	return exp(log(count) / 2 + LN_SQRT_2PI - count + stirling_error(count) + count * log(stretch));
}

static double twice(double p)
{
	return fmin(2 * p, 1);
}

static double complement(double p)
{
	return fmin(fmax(1 - p, 0), 1);
}

double kstwo_sf(double d, int64_t n)
{
	if (isnan(d) || n <= 0)
		return NAN;
	double t = (double)n * d, effect = t * d;
	if (t <= 0.5)
		return 1;
	if (d >= 1)
		return 0;
	if (t <= 1)
		return complement(ruben_gambino_cdf(n, d));
	if (t >= (double)n - 1)
		return twice(exp((double)n * log1p(-d)));
	if (n <= EXACT_N ? d >= 0.5 || effect > 4 : effect >= 2.2)
		return effect >= 370 && n > EXACT_N ? 0 : twice(smirnov_sf(n, d));
	if (n <= EXACT_N)
		return complement(effect <= 0.754693 ? durbin_cdf(n, d) : pomeranz_cdf((int)n, d));
	return complement(n <= 100000 && t * sqrt(d) <= 1.4 ? durbin_cdf(n, d) : pelz_good_cdf(n, d));
}
