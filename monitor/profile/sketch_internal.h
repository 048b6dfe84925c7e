/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/profile/profile.h"
#include "monitor/profile/sketch.h"
/*
 * The state of a sketch. Values come into `tail`, as they are. While they are at most `exact`, that is all. Then the tail
 * is folded into a body, a sorted run at a time: values with counts while they are at most PROFILE_VALUES different ones,
 * which is exact too; else levels of KLL, where an item of level h stands for 2^h values. So whether a sealed sketch is
 * exact depends on its values only, and never on how they came.
 */
struct level {
	double *items; /* ascending */
	size_t n, cap;
	unsigned flip; /* 0, or 1 + the coin of the last compaction: the next one takes the other side */
};
struct sketch {
	size_t exact;
	uint64_t seed;
	uint64_t coins; /* thrown so far */
	uint64_t count;
	double *tail;
	size_t ntail, tail_cap;
	bool sorted;	    /* the tail is */
	double *values;	    /* different ones, ascending, with `weights` */
	uint64_t *weights;
	size_t nvalues;
	struct level *levels;
	size_t nlevels;	    /* 0: exact */
	double variance;    /* of the rank of any x, at most: see kll.c */
	uint64_t distinct;  /* of the tail, once it is sealed and the body empty */
	struct hll *hll;    /* of KLL; made by sketch_seal when a merge will need it */
	double *view;	    /* of tail and body together */
	uint64_t *view_weights;
	size_t nview;
};

/* Sorts finite numbers. `scratch` has room for n. sort.c */
void sort_numbers(double *values, size_t n, double *scratch);

/* Folds the tail into the body, if there is one, and sorts it. All that asks does it first. */
void sketch_seal(struct sketch *);
/* Forgets the values and keeps the memory. */
void sketch_clear(struct sketch *);
/* Room for n more values after the tail, then that they are there; -0 must have become 0. The tail may become longer than
 * `exact` until sketch_limit, which also lowers that. */
double *sketch_room(struct sketch *, size_t n);
void sketch_took(struct sketch *, size_t n);
void sketch_limit(struct sketch *, size_t exact);
/* How many different values; exact while sketch_exact. */
double sketch_distinct(struct sketch *);
void hll_add_numbers(struct hll *, const double *values, size_t n);

/* kll.c: a sorted run, values with weights, another one's levels. */
void kll_push_run(struct sketch *, const double *values, size_t n, size_t level);
/* Many sorted runs, one after the other: only a sample of them is sorted. `least` different values must be in it, and the
 * runs must be long, else false: nothing was done. */
bool kll_push_runs(struct sketch *, const double *values, size_t n, size_t least);
void kll_push_weighted(struct sketch *, const double *values, const uint64_t *weights, size_t n);
void kll_merge(struct sketch *into, const struct sketch *from);
void kll_release(struct sketch *);
/* Room for all items of levels; they come ascending. Returns how many. */
size_t kll_items(const struct sketch *);
