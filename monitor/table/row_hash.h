/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * What a row says, as 64 bits: equal for rows whose fields have the same text in columns of the same names, whatever the
 * order of the columns, the quotes and the spelling of nulls. Numbers are texts: 1 and 1.0 differ. The same on every
 * machine, for ever: splits are made of it.
 *
 * Life: ROW_HASHES_INIT, row_hash for rows of one table, row_hashes_release.
 */
struct field;
struct rows;
struct table;

struct row_hashes {
	uint64_t *seeds; /* a column's, by its name */
	size_t len, cap;
};
#define ROW_HASHES_INIT { NULL, 0, 0 }
void row_hashes_release(struct row_hashes *);
uint64_t row_hash(struct row_hashes *, const struct table *, const struct rows *, size_t row);
uint64_t field_hash(const struct field *);
/* Another well spread number for each seed. */
uint64_t hash_seeded(uint64_t hash, uint64_t seed);
