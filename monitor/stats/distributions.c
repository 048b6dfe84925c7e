/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "monitor/stats/special.h"
#include "monitor/stats/stats.h"

/* Lentz's way to evaluate b0 + a1/(b1 + a2/(b2 + ...)): the last factor tells when it stands. */
struct fraction {
	double value, c, d, factor;
};

static double not_zero(double x)
{
	return x == 0 ? 1e-300 : x;
}

static struct fraction fraction_begin(double b0)
{
	double value = not_zero(b0);
	return (struct fraction){ .value = value, .c = value, .d = 0, .factor = 0 };
}

static void fraction_next(struct fraction *f, double a, double b)
{
	f->d = 1 / not_zero(b + a * f->d);
	f->c = not_zero(b + a / f->c);
	f->factor = f->c * f->d;
	f->value *= f->factor;
}

static bool fraction_done(const struct fraction *f)
{
	return fabs(f->factor - 1) < 1e-16;
}

/* Of both it takes some times the root of the parameter until they stand. */
#define STEPS_MAX 1000000

static double gamma_series(double a, double x) /* P(a, x) over x^a e^-x / Gamma(a) */
{
	double term = 1 / a, sum = term;
	for (int k = 1; k < STEPS_MAX && term > sum * 1e-17; k++) {
		term *= x / (a + k);
		sum += term;
	}
	return sum;
}

static double gamma_fraction(double a, double x) /* Q(a, x) over the same */
{
	struct fraction f = fraction_begin(x + 1 - a);
	for (int k = 1; k < STEPS_MAX && !fraction_done(&f); k++)
		fraction_next(&f, k * (a - k), x + 1 - a + 2 * k);
	return 1 / f.value;
}

double chi2_sf(double x, double df)
{
	if (isnan(x) || !(df > 0) || isinf(df))
		return NAN;
	if (x <= 0)
		return 1;
	if (isinf(x))
		return 0;
	double a = df / 2, half = x / 2;
	double ratio = half / a, gap = ratio < 0.5 ? ratio - 1 - log(ratio) : log1p_gap((half - a) / a);
	double scale = sqrt(a) / SQRT_2PI * exp(-stirling_error(a) - a * gap);
	return half < a + 1 ? 1 - scale * gamma_series(a, half) : scale * gamma_fraction(a, half);
}

double normal_sf(double z)
{
	return erfc(z * M_SQRT1_2) / 2;
}

/* I_x(a, b) over x^a y^b / B(a, b), y = 1 - x, by the fraction of DiDonato and Morris 1992, which lives on the
 * smaller of x and y and so loses nothing where x is almost 1. */
static double beta_fraction(double a, double b, double x, double y)
{
	double lambda = x < y ? a - (a + b) * x : (a + b) * y - b;
	struct fraction f = fraction_begin(a / (a + 1) * (lambda + 1));
	for (int n = 1; n < STEPS_MAX && !fraction_done(&f); n++) {
		double odd = a + 2 * n - 1, step = n * (b - n) * x / odd;
		fraction_next(&f, step * (a + n - 1) * (a + b + n - 1) * x / odd,
			      n + step + (a + n) / (a + 2 * n + 1) * (lambda + 1 + n * (1 + y)));
	}
	return 1 / f.value;
}

static double log_inverse_beta_half(double a) /* -ln B(a, 1/2) */
{
	/* Gamma(a + 1/2) / Gamma(a), both by Stirling's formula */
	double log_ratio = a * log1p(0.5 / a) - 0.5 + log(a) / 2 + stirling_error(a + 0.5) - stirling_error(a);
	return log_ratio - log(M_PI) / 2;
}

/* P(T > t) = I_x(df/2, 1/2) / 2 with x = df/(df + t^2), for t > 0 */
double students_t_sf(double t, double df)
{
	if (isnan(t) || !(df > 0))
		return NAN;
	if (isinf(df) || t == 0)
		return normal_sf(t);
	if (t < 0)
		return 1 - students_t_sf(-t, df);
	double a = df / 2, ratio = t / sqrt(df), square = ratio * ratio;
	double log_x = isinf(square) ? -2 * log(ratio) : -log1p(square);
	double x = 1 / (1 + square), rest = isinf(square) ? 1 : square / (1 + square);
	double scale = exp(a * log_x + log_inverse_beta_half(a)) * sqrt(rest);
	if (x < (a + 1) / (a + 2.5))
		return scale * beta_fraction(a, 0.5, x, rest) / 2;
	return 0.5 - scale * beta_fraction(0.5, a, rest, x) / 2;
}

double normal_quantile(double p)
{
	if (!(p >= 0 && p <= 1))
		return NAN;
	if (p == 0 || p == 1)
		return p == 0 ? -INFINITY : INFINITY;
	/* Abramowitz and Stegun 26.2.23 is right to 4.5e-4; each step of Halley's triples its digits. */
	double tail = p < 0.5 ? p : 1 - p, t = sqrt(-2 * log(tail));
	double below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
	double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / below;
	for (int i = 0; i < 3; i++) {
		double step = (normal_sf(z) / tail - 1) * tail / (exp(-z * z / 2) / SQRT_2PI);
		z += step / (1 - z * step / 2);
	}
	return p < 0.5 ? -z : z;
}
