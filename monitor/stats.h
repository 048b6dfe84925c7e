/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Statistics of two samples: distances, tests, and the distributions behind their p-values. Pure functions of arrays;
 * no memory is kept and nothing is printed. To 1e-12 relative of scipy where the text of a function names it, on finite
 * input; samples are sorted ascending and hold no NaN where `sorted` is said. NaN means "not defined".
 */

/* ---- distributions: upper tails unless named otherwise ---- */
double chi2_sf(double x, double df);	   /* regularized upper gamma Q(df/2, x/2); df 0: NaN */
double normal_sf(double z);
double kstwo_sf(double d, int64_t n);	   /* two-sided one-sample Kolmogorov-Smirnov: Simard and L'Ecuyer 2011 */
double students_t_sf(double t, double df);
double normal_quantile(double p);	   /* of the lower tail */

/* ---- numbers: both sorted; NaN when a side is empty ---- */
double ks_distance(const double *a, size_t n, const double *b, size_t m); /* max |F - G| */
/* As scipy's ks_2samp(method="auto"): exact up to KS_EXACT_MAX values a side, else by kstwo_sf. */
#define KS_EXACT_MAX 10000
double ks_p(double d, size_t n, size_t m);
/* P(D >= d) over all orders of both samples, without ties. NaN above KS_EXACT_MAX; may pass 1 by rounding. Takes
 * 2 d n m steps when n and m differ, at most 50 ms. */
double ks_exact_p(double d, size_t n, size_t m);
double wasserstein(const double *a, size_t n, const double *b, size_t m); /* first, not normed */

/* ---- shares: counts of the same k categories on both sides ---- */
double psi(const double *ref, const double *cur, size_t k);		     /* shares without zeros */
double kl_divergence(const double *ref, const double *cur, size_t k);	     /* of counts or shares; natural log; both are normed */
double js_distance(const double *ref, const double *cur, size_t k, double base); /* root of the divergence; base 2, or M_E */
double hellinger(const double *ref, const double *cur, size_t k);
/* Homogeneity of two rows of counts, without Yates: chi-square, *ret_p and *ret_df. Categories that both lack are left
 * out. */
double chi2_homogeneity(const uint64_t *ref, const uint64_t *cur, size_t k, double *ret_df, double *ret_p);
/* Two-sided p of two shares being one: pooled z test. */
double two_shares_p(uint64_t hits1, uint64_t n1, uint64_t hits2, uint64_t n2);
/* Benjamini and Hochberg 1995: adjusts in place; NaN stays and does not count. */
void bh_adjust(double *p, size_t n);

/* ---- scores of a classifier, with an interval ---- */
struct interval {
	double value, low, high;
};
struct interval share_interval(uint64_t hits, uint64_t n, double confidence); /* Wilson */
/* Difference of two independent shares: Newcombe's method 10. */
struct interval shares_difference(uint64_t hits1, uint64_t n1, uint64_t hits2, uint64_t n2, double confidence);
/* Area under the ROC curve of scores and labels (0 or 1), with DeLong's variance; NaN with one class. Sorts nothing that
 * the caller sees. */
struct interval auc_interval(const double *score, const uint8_t *label, size_t n, double confidence);
