/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Which rows say the same as one before them, among any number of rows in bounded memory.
 *
 * Rows are known by 64-bit hashes: up to `memory` bytes of them in a table, then sorted and put into an unnamed file of
 * $TMPDIR, 16 bytes each, and merged at the end. So the answer is exact but for two rows that differ and hash alike: with
 * n rows the odds of one such pair are repeats_odds(n), 1 in 37 million for a million rows.
 *
 * Life: repeats_new, repeats_add in the order of rows, repeats_end once, repeats_free. A thread at a time.
 */
struct error;
struct repeats;

#define REPEATS_SIDES 16u
#define REPEATS_ROWS  ((uint64_t)1 << 48)

struct repeats_found {
	uint64_t values;	/* distinct */
	uint64_t again;		/* rows that say the same as one before */
	uint64_t row, before;	/* the first such row, and the first that said so; with `again` */
	uint64_t across;	/* values on more than one side */
	uint64_t across_row[2]; /* rows on two sides that say the same, with `across` */
	unsigned across_side[2];
};

struct repeats *repeats_new(size_t memory);
void repeats_free(struct repeats *);
void cleanup_repeats(struct repeats **);
/* `row` below REPEATS_ROWS, `side` below REPEATS_SIDES. 1: this is known to be the first row that repeats one; 0; -1. */
int repeats_add(struct repeats *, uint64_t hash, uint64_t row, unsigned side, struct error *);
int repeats_end(struct repeats *, struct repeats_found *ret, struct error *);
double repeats_odds(uint64_t rows);
