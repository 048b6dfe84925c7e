/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Isotonic regression of labels on scores: the rising function with the least squared error, by pooling adjacent
 * violators; lines between its points, flat beyond them. Scores that differ by less than 1e-15 are one, as in
 * scikit-learn.
 */
struct labelled {
	double score;
	uint32_t row;
	uint8_t label; /* 0 or 1 */
};
void labelled_sort(struct labelled *, size_t n); /* by score, then row */

struct isotonic {
	double *x, *y; /* x rises, y does not fall */
	size_t len;
};
void isotonic_release(struct isotonic *);
/* Of sorted rows, without those r with held_out[r]; NULL: of all. */
void isotonic_fit(const struct labelled *sorted, size_t n, const bool *held_out, struct isotonic *ret);
double isotonic_at(const struct isotonic *, double x); /* there is at least one point */
