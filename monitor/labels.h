/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * How good a model is: with labels, by its errors; without, by what its own probabilities promise.
 */
struct error;
struct js;

/*
 * ADWIN (Bifet and Gavalda 2007) with river's numbers: looks every 32 values, 5 buckets a row, shortest window 5, grace 10.
 * It says what river's says at the same values: after a change the window lacks what differed, and the next value begins
 * anew. A value that is not finite is passed over. What was made from JSON goes on as the one that was written.
 */
struct adwin;
#define ADWIN_DELTA 0.002
struct adwin *adwin_new(double delta); /* 0 < delta < 1: how often to find a change where there is none */
void adwin_free(struct adwin *);
bool adwin_add(struct adwin *, double value); /* true: the mean has changed; older values were dropped */
double adwin_mean(const struct adwin *);      /* of the window; NaN when it is empty */
double adwin_width(const struct adwin *);
struct js *adwin_to_json(const struct adwin *);
int adwin_from_json(const struct js *, struct adwin **ret, struct error *);

/*
 * Confidence-based performance estimation of a binary classifier, as NannyML defines it: probabilities calibrated on the
 * reference (isotonic, pool adjacent violators), then the expected confusion matrix of the current rows.
 */
struct cbpe;
int cbpe_fit(const double *probability, const uint8_t *predicted, const uint8_t *label, size_t n, struct cbpe **ret,
	     struct error *);
void cbpe_free(struct cbpe *);
struct cbpe_estimate {
	double accuracy, precision, recall, f1, auc; /* NaN where it is not defined */
	double accuracy_low, accuracy_high; /* mean +- 3 standard errors of the sample, of NannyML */
};
struct cbpe_estimate cbpe_estimate(const struct cbpe *, const double *probability, const uint8_t *predicted, size_t n);
struct js *cbpe_to_json(const struct cbpe *);
int cbpe_from_json(const struct js *, struct cbpe **ret, struct error *);
