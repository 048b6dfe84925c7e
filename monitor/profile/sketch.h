/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Sketches that profiles are made of. All are deterministic: the same values in the same order, merged in the same
 * order, give the same state.
 */
struct error;
struct js;

/*
 * Quantiles: all values while they are at most `exact`, then KLL (Karnin, Lang, Liberty 2016) with k = SKETCH_K, whose
 * coin is seeded. No NaN, no infinity goes in.
 */
#define SKETCH_K 1024
struct sketch;
struct sketch *sketch_new(size_t exact, uint64_t seed);
void sketch_free(struct sketch *);
void cleanup_sketch(struct sketch **);
void sketch_add(struct sketch *, const double *values, size_t n);
void sketch_merge(struct sketch *into, struct sketch *from); /* leaves `from` empty */
uint64_t sketch_count(const struct sketch *);
bool sketch_exact(const struct sketch *);
/* 0 while exact, else the two-sided rank error of one sketch that holds with 99 %: of a distance of two, add both. */
double sketch_error(const struct sketch *);
/* Ascending values with weights that add up to the count; lent until the next change. weights is NULL when all are 1. */
size_t sketch_sorted(struct sketch *, const double **ret_values, const uint64_t **ret_weights);
/* The share of values <= x. */
double sketch_rank(struct sketch *, double x);
struct js *sketch_to_json(struct sketch *);
int sketch_from_json(const struct js *, struct sketch **ret, struct error *);

/* Distinct values: HyperLogLog with 4096 registers (relative standard error 1.6 %), small counts by linear counting. */
struct hll;
struct hll *hll_new(void);
void hll_free(struct hll *);
void hll_add(struct hll *, uint64_t hash);
void hll_merge(struct hll *into, const struct hll *from);
double hll_count(const struct hll *);
struct js *hll_to_json(const struct hll *);
int hll_from_json(const struct js *, struct hll **ret, struct error *);
