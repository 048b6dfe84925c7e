/* SPDX-License-Identifier: Apache-2.0 */
/* Distances, tests and tails have the values of scipy, by tables in tests/golden/stats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "monitor/stats/stats.h"
#include "near_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void near(double value, double right, const char *what)
{
	/* What is 1 minus something cannot be nearer than the digits of 1. */
	double room = fmax(1e-12 * fabs(right), strncmp(what, "kstwo_sf", 8) ? 1e-300 : 1e-14);
	if (value != right && !(fabs(value - right) <= room))
		fail_msg("%s: %.17g, and should be %.17g", what, value, right);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double *sample(uint64_t seed, size_t n, double power, double levels)
{
	double *values = xcalloc(n, sizeof(*values));
	for (size_t i = 0; i < n; i++) {
		values[i] = pow(uniform(&seed), power);
		if (levels > 0)
			values[i] = floor(values[i] * levels);
	}
	qsort(values, n, sizeof(*values), by_value);
	return values;
}

static void check_samples(const double *x, const char *what)
{
	size_t n = (size_t)x[0], m = (size_t)x[1];
	double *a = sample(1, n, 1, x[3]), *b = sample(2, m, x[2], x[3]), d = ks_distance(a, n, b, m);
	near(d, x[4], what);
	near(ks_p(d, n, m), x[5], what);
	near(wasserstein(a, n, b, m), x[6], what);
	near(ks_distance(b, m, a, n), x[4], what);
	near(ks_p(d, m, n), x[5], what);
	near(wasserstein(b, m, a, n), x[6], what);
	free(a);
	free(b);
}

static void check_shares(const double *x, const char *what)
{
	size_t k = (size_t)x[0];
	uint64_t seed1 = 1, seed2 = 2, counts1[100], counts2[100];
	double r[100], c[100], of_r = 0, of_c = 0, df, p;
	for (size_t i = 0; i < k; i++) {
		counts1[i] = 1 + (uint64_t)(uniform(&seed1) * x[1]);
		counts2[i] = 1 + (uint64_t)(uniform(&seed2) * x[1]);
		counts1[i] *= !(x[2] > 0 && i % 3 == 0);
		counts2[i] *= !(x[2] > 0 && i % 5 == 0);
		of_r += r[i] = (double)counts1[i];
		of_c += c[i] = (double)counts2[i];
	}
	near(kl_divergence(r, c, k), x[4], what);
	near(js_distance(r, c, k, M_E), x[5], what);
	near(js_distance(r, c, k, 2), x[6], what);
	near(hellinger(r, c, k), x[7], what);
	near(chi2_homogeneity(counts1, counts2, k, &df, &p), x[8], what);
	near(df, x[9], what);
	near(p, x[10], what);
	for (size_t i = 0; i < k; i++) {
		r[i] /= of_r;
		c[i] /= of_c;
	}
	near(x[2] > 0 ? 0 : psi(r, c, k), x[3], what);
}

static void check(const char *name, const double *x, const char *line)
{
	if (!strcmp(name, "samples"))
		check_samples(x, line);
	else if (!strcmp(name, "shares"))
		check_shares(x, line);
	else if (!strcmp(name, "chi2_sf"))
		near(chi2_sf(x[0], x[1]), x[2], line);
	else if (!strcmp(name, "normal_sf"))
		near(normal_sf(x[0]), x[1], line);
	else if (!strcmp(name, "normal_quantile"))
		near(normal_quantile(x[0]), x[1], line);
	else if (!strcmp(name, "students_t_sf"))
		near(students_t_sf(x[0], x[1]), x[2], line);
	else if (!strcmp(name, "kstwo_sf"))
		near(kstwo_sf(x[0], (int64_t)x[1]), x[2], line);
	else if (!strcmp(name, "ks_p"))
		near(ks_p(x[0], (size_t)x[1], (size_t)x[2]), x[3], line);
	else
		fail_msg("%s is no function", name);
}

static size_t check_table(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];
	size_t lines = 0;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char name[32], *at = line + strcspn(line, " ");
		double x[12] = { 0 };
		snprintf(name, sizeof(name), "%.*s", (int)(at - line), line);
		line[strcspn(line, "\n")] = 0;
		for (size_t i = 0; i < ARRAY_LEN(x) && *at; i++)
			x[i] = strtod(at, &at);
		check(name, x, line);
		lines++;
	}
	fclose(file);
	return lines;
}

static void all_have_the_values_of_scipy(void **unused)
{
	(void)unused;
	assert_true(check_table(GOLDEN_DIR "/stats/tails.txt") > 500);
	assert_true(check_table(GOLDEN_DIR "/stats/exact.txt") > 10);
}

static void published_values_come_out(void **unused)
{
	(void)unused;
	static const double a[] = { 38.7, 41.5, 43.8, 44.5, 45.5, 46, 47.7, 58 };
	static const double b[] = { 39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8 };
	static const uint64_t die[] = { 16, 18, 16, 14, 12, 12 }, other[] = { 16, 16, 16, 16, 16, 8 };
	static const double r[] = { 16 / 88., 18 / 88., 16 / 88., 14 / 88., 12 / 88., 12 / 88. };
	static const double c[] = { 16 / 88., 16 / 88., 16 / 88., 16 / 88., 16 / 88., 8 / 88. };
	double df, p;
	near(ks_distance(a, 8, b, 8), 0.625, "D");
	near(ks_exact_p(0.625, 8, 8), 0.08702408702408701, "exact p");
	near(kstwo_sf(0.625, 4), 0.04931640625, "p in the limit");
	near(wasserstein(a, 8, b, 8), 4.1625, "Wasserstein");
	near(chi2_homogeneity(die, other, 6, &df, &p), 1.6224089635854342, "chi-square");
	near(p, 0.8985262394026607, "p of chi-square");
	near(chi2_sf(3.1746031746031744, 5), 0.6730876006966301, "p of fit");
	near(psi(r, c, 6), 0.03721838157729083, "PSI");
	near(js_distance(r, c, 6, M_E), 0.06804819617703867, "Jensen-Shannon");
	near(kl_divergence(r, c, 6), 0.0189096769653205, "Kullback-Leibler");
	assert_near(hellinger(r, c, 6), 0.06812, 1e-5);
	near(kstwo_sf(0.3, 10), 0.27053557479999946, "kstwo_sf 10");
	near(kstwo_sf(0.2, 50), 0.031438777769532411, "kstwo_sf 50");
	near(kstwo_sf(0.05, 500), 0.15866260223815365, "kstwo_sf 500");
	near(kstwo_sf(0.02, 5000), 0.036139413953256372, "kstwo_sf 5000");
	near(kstwo_sf(0.01, 50000), 9.0180488118436e-05, "kstwo_sf 50000");
	near(chi2_sf(3.841458820694124, 1), 0.05, "chi2 1");
	near(chi2_sf(11.07, 5), 0.050009618622405425, "chi2 5");
	near(chi2_sf(200, 9), 3.3129923939095669e-38, "chi2 9");
}

static void the_exact_p_of_unequal_sizes_keeps_its_tail(void **unused)
{
	(void)unused;
	near(ks_exact_p(0.4, 3000, 2999), 5.093736418846783e-215, "tail");
	near(ks_exact_p(0.3, 1500, 3000), 7.16046732666787e-80, "multiple");
	assert_near(ks_exact_p(1, 3000, 2999), 0, 0); /* below all doubles */
	assert_true(isnan(ks_exact_p(0.2, 10001, 5)));
	near(ks_p(0.2, 10001, 5), kstwo_sf(0.2, 5), "by the limit");
}

static void empty_constant_and_infinite_samples_have_an_answer(void **unused)
{
	(void)unused;
	static const double same[] = { 3, 3, 3 }, wide[] = { -INFINITY, 3, INFINITY };
	assert_true(isnan(ks_distance(same, 0, same, 3)) && isnan(ks_distance(same, 3, same, 0)));
	assert_true(isnan(wasserstein(same, 0, same, 3)) && isnan(wasserstein(same, 3, same, 0)));
	assert_true(isnan(ks_p(0.5, 0, 3)) && isnan(ks_p(NAN, 3, 3)));
	assert_true(isnan(kstwo_sf(NAN, 3)) && isnan(kstwo_sf(0.5, 0)));
	assert_near(ks_distance(same, 3, same, 2), 0, 0);
	assert_near(wasserstein(same, 3, same, 2), 0, 0);
	assert_near(ks_p(0, 3, 2), 1, 0);
	assert_near(ks_distance(same, 3, wide, 3), 1 / 3.0, 1e-15);
	assert_true(isinf(wasserstein(same, 3, wide, 3)));
	assert_true(isnan(chi2_sf(1, 0)) && isnan(chi2_sf(NAN, 1)) && isnan(students_t_sf(1, 0)));
	assert_near(chi2_sf(-1, 3) + chi2_sf(INFINITY, 3), 1, 0);
	assert_near(students_t_sf(INFINITY, 3), 0, 0);
	assert_true(isinf(normal_quantile(0)) && isinf(normal_quantile(1)) && isnan(normal_quantile(1.1)));
}

static void shares_of_nothing_and_of_one_category_have_an_answer(void **unused)
{
	(void)unused;
	static const double none[] = { 0, 0 }, some[] = { 3, 0 }, other[] = { 0, 3 };
	static const uint64_t one[] = { 7, 0 }, nothing[] = { 0, 0 }, huge[] = { UINT64_C(1) << 40, UINT64_C(1) << 41 };
	double df = 9, p = 9;
	assert_true(isnan(psi(none, some, 0)) && isnan(js_distance(none, some, 2, 2)));
	assert_true(isnan(hellinger(some, none, 2)));
	assert_true(isnan(kl_divergence(some, none, 2)) && isinf(kl_divergence(some, other, 2)));
	assert_near(kl_divergence(some, some, 2) + js_distance(some, some, 2, 2) + psi(some, some, 2), 0, 0);
	assert_near(js_distance(some, other, 2, 2), 1, 1e-15);
	assert_near(hellinger(some, other, 2), 1, 1e-15);
	assert_near(chi2_homogeneity(one, one, 2, &df, &p), 0, 0);
	assert_true(df == 0 && p == 1);
	assert_true(isnan(chi2_homogeneity(one, nothing, 2, &df, &p)) && df == 0 && isnan(p));
	assert_near(chi2_homogeneity(huge, huge, 2, &df, &p), 0, 0);
	assert_true(isnan(two_shares_p(0, 0, 1, 2)));
	assert_true(two_shares_p(0, 9, 0, 5) == 1 && two_shares_p(9, 9, 5, 5) == 1);
	near(two_shares_p(15, 100, 30, 120), 0.06710788204818688, "two shares");
}

static void adjusting_leaves_out_what_was_not_tested(void **unused)
{
	(void)unused;
	double p[] = { 0.01, NAN, 0.04, 0.03, 0.005 }, ties[] = { 0.5, 0.5, 0.9, 1 };
	bh_adjust(p, 5);
	near(p[0], 0.02, "first");
	assert_true(isnan(p[1]));
	near(p[2], 0.04, "third");
	near(p[3], 0.04, "fourth");
	near(p[4], 0.02, "last");
	bh_adjust(ties, 4);
	assert_true(ties[0] == 1 && ties[1] == 1 && ties[2] == 1 && ties[3] == 1);
	bh_adjust(ties, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_have_the_values_of_scipy),
		cmocka_unit_test(published_values_come_out),
		cmocka_unit_test(the_exact_p_of_unequal_sizes_keeps_its_tail),
		cmocka_unit_test(empty_constant_and_infinite_samples_have_an_answer),
		cmocka_unit_test(shares_of_nothing_and_of_one_category_have_an_answer),
		cmocka_unit_test(adjusting_leaves_out_what_was_not_tested),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
