/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/stats/stats.h"
/*
 * How good a model is: with labels, by its errors; without, by what its own probabilities promise.
 */
struct error;
struct js;

/*
 * ADWIN (Bifet and Gavalda 2007) with river's numbers: looks every 32 values, 5 buckets a row, shortest window 5,
 * grace 10. It says what river's says at the same values: after a change the window lacks what differed, and the next
 * value begins anew. A value that is not finite is passed over. What was made from JSON goes on as the one that was
 * written.
 */
struct adwin;
#define ADWIN_DELTA 0.002
struct adwin *adwin_new(double delta); /* 0 < delta < 1: how often to find a change where there is none */
void adwin_free(struct adwin *);
bool adwin_add(struct adwin *, double value); /* true: the mean has changed; older values were dropped */
double adwin_mean(const struct adwin *);      /* of the window; NaN when it is empty */
double adwin_width(const struct adwin *);
/* {"delta", "changed": the next value begins anew, "seen", "total", "variance", "rows": [[total, variance, ...],
 * ...]}: the buckets of row r hold 2^r values each, the oldest first. */
struct js *adwin_to_json(const struct adwin *);
int adwin_from_json(const struct js *, struct adwin **ret, struct error *);

/*
 * Confidence-based performance estimation of a binary classifier, as NannyML 0.13 defines it: the expected confusion
 * matrix of rows without labels, from probabilities that were calibrated on the reference (isotonic, pool adjacent
 * violators), if that brings them nearer to the labels in ten stratified splits; the splits are NannyML's own, so the
 * decision is, too. Where rows of equal probability would be put in any order, here they keep theirs.
 */
struct cbpe;
/*
 * Refuses, by row: a probability that is not within 0..1, a label or prediction that is neither 0 nor 1 (text is for
 * the caller to translate, so it cannot be taken for "not 1"). Refuses fewer than 2 rows of a class, and fewer than
 * 11 rows: what they would be calibrated by, nobody can say.
 */
int cbpe_fit(const double *probability, const uint8_t *predicted, const uint8_t *label, size_t n, struct cbpe **ret,
	     struct error *);
void cbpe_free(struct cbpe *);
bool cbpe_calibrated(const struct cbpe *); /* false: the probabilities were good as they are */
/* Each with 3 standard errors of the sample to both sides, cut at 0 and 1; the deviation is that of the reference. As
 * in NannyML precision, recall and f1 are 0 where nothing is predicted, or expected, to be positive. NaN: not
 * defined. */
struct cbpe_estimate {
	struct interval accuracy, precision, recall, f1, auc;
	size_t rows;	 /* with a probability within 0..1 */
	size_t left_out; /* without */
};
struct cbpe_estimate cbpe_estimate(const struct cbpe *, const double *probability, const uint8_t *predicted, size_t n);
/* {"calibration": [x, y, x, y, ...], none: as they are; "errors": {SCORE: standard error of a sample of one row}} */
struct js *cbpe_to_json(const struct cbpe *);
int cbpe_from_json(const struct js *, struct cbpe **ret, struct error *);
