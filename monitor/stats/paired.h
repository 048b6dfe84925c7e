/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Two models and the same examples: is one better, beyond chance? Pure functions of arrays, without fused products, so
 * that the same bytes give the same answer on every machine.
 */

/* McNemar's test, exact and two-sided, as statsmodels' mcnemar(exact=True): twice the lower tail of binomial(b + c, 1/2)
 * at the smaller one, at most 1. `b` and `c`: examples that only one of the two got right. */
double mcnemar_exact_p(uint64_t b, uint64_t c);

enum paired_metric {
	PAIRED_ACCURACY, /* any numbers: equal to the label, or not */
	PAIRED_AUC,      /* labels 0 and 1, any scores; ties count half */
	PAIRED_F1,       /* labels and predictions 0 and 1; 0 where nothing is 1 */
	PAIRED_LOGLOSS,  /* labels 0 and 1, probabilities, kept 2^-52 away from 0 and 1 */
	PAIRED_BRIER,
	PAIRED_RMSE,
	PAIRED_MAE,
};
/* "auc" */
const char *paired_metric_name(enum paired_metric);
#define PAIRED_METRICS (PAIRED_MAE + 1)
#define PAIRED_ROWS_MAX 1000000u

/* The numbers are finite; all arrays are lent for its life. At most PAIRED_ROWS_MAX rows, at least one. */
struct paired;
struct paired *paired_new(enum paired_metric, const double *label, const double *candidate, const double *champion, size_t n);
void paired_free(struct paired *);
void cleanup_paired(struct paired **);

/* NaN where the metric is not defined: AUC of one class. `gain` is candidate minus champion, of a loss the other way
 * round: above 0 is better. */
struct paired_score {
	double candidate, champion, gain;
};
struct paired_score paired_score(const struct paired *);
/* Paired bootstrap (Efron and Tibshirani 1993, chapter 16): rows are drawn with replacement, both models are scored on
 * the same ones. The share of PAIRED_SAMPLES samples, with this one as one more, whose gain is `bound` or less; where a
 * sample has no score it counts among them. Draws come from splitmix64 (Steele and others 2014) beginning at `seed`. */
#define PAIRED_SAMPLES 2000
double paired_share_at_most(const struct paired *, double bound, uint64_t seed);
