/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* The two sides of a column as pandas holds them, and shares of them. */
struct column;
struct value_count;

struct side {
	double *numbers; /* ascending, of a column of numbers; else NULL */
	const struct value_count **texts; /* by text, of any other */
	size_t ntexts;
	size_t n;    /* values that are not null */
	bool whole;  /* pandas has it as integers */
};
/* `infinities` keeps them. */
void side_init(struct side *, const struct column *, bool infinities);
void side_release(struct side *);
size_t side_distinct(const struct side *);

/* Counts of each distinct value of both, in ascending order. Life: counts_init, counts_release. */
struct counts {
	double *ref, *cur;
	size_t k;
};
#define COUNTS_INIT { NULL, NULL, 0 }
void counts_of_values(const struct side *ref, const struct side *cur, struct counts *ret);
/* By value, or by Sturges' bins of both sides where numbers have more than 20 values in the reference. */
void counts_binned(const struct side *ref, const struct side *cur, struct counts *ret);
void counts_release(struct counts *);
