/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Statistics of two samples: distances, tests, and the distributions behind their p-values. Pure functions of arrays;
 * no memory is kept and nothing is printed. To 1e-12 relative of scipy where the text of a function names it, on
 * finite input; samples are sorted ascending and hold no NaN where `sorted` is said. NaN means "not defined": an
 * empty sample, counts that are all 0, an argument that is NaN or out of its range.
 */

/* ---- distributions: upper tails unless named otherwise; as scipy's chi2, norm and t, down to 1e-300 ---- */
double chi2_sf(double x, double df); /* regularized upper gamma Q(df/2, x/2); df 0: NaN */
double normal_sf(double z);
double students_t_sf(double t, double df);
double normal_quantile(double p); /* of the lower tail */
/* Two-sided one-sample Kolmogorov-Smirnov, as scipy's kstwo: Simard and L'Ecuyer 2011. Where that is 1 minus the lower
 * tail the last digits are of 1, not of the result. Above n = 10^6, where scipy takes a limit that is 1e-6 off and
 * more, this one goes on as below. */
double kstwo_sf(double d, int64_t n);

/* ---- numbers: both sorted; infinities are ends of the line: D counts them, and the area is infinite ---- */
double ks_distance(const double *a, size_t n, const double *b, size_t m); /* max |F - G| */
/* As scipy's ks_2samp(method="auto"): exact up to KS_EXACT_MAX values a side, else by kstwo_sf. */
#define KS_EXACT_MAX 10000
double ks_p(double d, size_t n, size_t m);
/* P(D >= d) over all orders of both samples, without ties. NaN above KS_EXACT_MAX; may pass 1 by rounding. Takes
 * 2 d n m small steps when n and m differ: 0.1 s at most. */
double ks_exact_p(double d, size_t n, size_t m);
double wasserstein(const double *a, size_t n, const double *b, size_t m); /* first, not normed */

/* ---- shares: counts of the same k categories on both sides ---- */
/* Of shares without zeros: a share that only one side lacks makes it infinite, as it does the divergence of KL. */
double psi(const double *ref, const double *cur, size_t k);
/* Of counts or shares, which are normed: divergence in natural logarithms; root of the divergence to base 2 or M_E. */
double kl_divergence(const double *ref, const double *cur, size_t k);
double js_distance(const double *ref, const double *cur, size_t k, double base);
double hellinger(const double *ref, const double *cur, size_t k);
/* Homogeneity of two rows of counts, without Yates: chi-square, *ret_p and *ret_df. Categories that both lack are left
 * out; with one category p is 1. */
double chi2_homogeneity(const uint64_t *ref, const uint64_t *cur, size_t k, double *ret_df, double *ret_p);
/* Two-sided p of two shares being one: pooled z test; 1 when all or nothing hits on both sides. */
double two_shares_p(uint64_t hits1, uint64_t n1, uint64_t hits2, uint64_t n2);
/* Benjamini and Hochberg 1995: adjusts in place; NaN stays and does not count. */
void bh_adjust(double *p, size_t n);

/* ---- scores of a classifier, with an interval ---- */
struct interval {
	double value, low, high;
};
struct interval share_interval(uint64_t hits, uint64_t n, double confidence); /* Wilson 1927 */
/* Share 1 minus share 2, independent: Newcombe 1998, method 10. */
struct interval shares_difference(uint64_t hits1, uint64_t n1, uint64_t hits2, uint64_t n2, double confidence);
/* Area under the ROC curve of scores and labels (0 or 1), with DeLong's variance, cut at 0 and 1; NaN with one class
 * or a NaN among the scores. A class of one row adds no variance; neither does a score that parts the classes. */
struct interval auc_interval(const double *score, const uint8_t *label, size_t n, double confidence);
