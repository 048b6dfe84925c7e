/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * Distribution functions that are known within bounds, and how far two of them are apart. What is known exactly has
 * equal bounds; a sketch has its error around each step; counts into frozen edges are exact at the edges and leave
 * open where in between the values are.
 */
struct column;

struct step {
	double at;
	double low, high; /* of the share of values <= x, for x from here to the next step; at the last step it is 1 */
};
struct band {
	struct step *steps;
	size_t n;
	uint64_t count;
	double mean;
};
/* The finite numbers of a column, with at least one. `edges`: of the reference, into which the column was counted. NULL:
 * the column's own values or sketch. */
struct edges;
void band_init(struct band *, const struct column *, const struct edges *edges);
/* Of values, ascending, with weights that add up to count; weights NULL: each 1. */
void band_of_values(struct band *, const double *values, const uint64_t *weights, size_t n, double error);
void band_release(struct band *);
double band_below(const struct band *, double x); /* the share of values < x, the middle of its bounds */

struct gap {
	double distance, distance_low, distance_high; /* first Wasserstein */
	double ks, ks_low, ks_high;		      /* Kolmogorov and Smirnov */
	double chance; /* the distance that is expected of two samples of one distribution with as many values */
};
struct gap band_gap(const struct band *a, const struct band *b);
