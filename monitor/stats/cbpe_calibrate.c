/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/stats/cbpe_calibrate.h"
#include <math.h>
#include "base/mem.h"
#include "monitor/stats/stats.h"
#include "monitor/stats/stratified.h"

#define SPLITS 10
#define BINS   10
#define SEED   42 /* these are NannyML's */

static double calibration_error(struct labelled *rows, size_t n)
{
	double error = 0;
	size_t width = n / BINS;
	labelled_sort(rows, n);
	for (size_t from = 0; from < n; from += width) {
		double scores = 0, ones = 0, count = (double)width;
		for (size_t i = from; i < from + width; i++) {
			scores += rows[i].score;
			ones += rows[i].label;
		}
		error += count / (double)n * fabs(scores / count - ones / count);
	}
	return error;
}

bool calibration_helps(const struct labelled *sorted, const uint8_t *label, uint32_t n)
{
	CLEANUP(cleanup_free) double *score = xcalloc(n, sizeof(*score));
	for (uint32_t i = 0; i < n; i++)
		score[sorted[i].row] = sorted[i].score;
	if (auc_interval(score, label, n, 0.95).value > 0.999)
		return false;

	struct stratified *splits = stratified_new(label, n, SEED);
	size_t len = 0, most = (size_t)stratified_test_rows(splits) * SPLITS; /* divides into bins */
	CLEANUP(cleanup_free) bool *held_out = xcalloc(n, sizeof(*held_out));
	CLEANUP(cleanup_free) struct labelled *before = xcalloc(most, sizeof(*before));
	CLEANUP(cleanup_free) struct labelled *after = xcalloc(most, sizeof(*after));
	for (int i = 0; i < SPLITS; i++) {
		struct isotonic f;
		stratified_next(splits, held_out);
		isotonic_fit(sorted, n, held_out, &f);
		for (uint32_t r = 0; r < n; r++)
			if (held_out[sorted[r].row]) {
				before[len] = (struct labelled){ sorted[r].score, (uint32_t)len, sorted[r].label };
				after[len] = before[len];
				after[len++].score = isotonic_at(&f, sorted[r].score);
			}
		isotonic_release(&f);
	}
	stratified_free(splits);
	return calibration_error(before, most) > calibration_error(after, most);
}
