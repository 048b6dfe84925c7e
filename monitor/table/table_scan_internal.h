/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/table/table_internal.h"
/* The ways of table_scan. Whether pieces of rows are made by one thread or by several, they are the same pieces. */

/* A block of rows and the state that they go to. */
struct block {
	const struct table_work *work;
	void *ctx, *state;
	bool begun;
};
/* `rows` are of one block. */
int block_rows(struct block *, const struct rows *rows, struct error *);
int block_end(struct block *, bool failed, struct error *); /* one that was not begun has none */
/* Rows across the ends of blocks: ends each before it begins the next. */
int blocks_rows(struct block *, struct rows, struct error *);

/* One thread reads, one works. */
int scan_in_two(struct table *, const struct table_work *, void *ctx, struct error *);
/* Of a regular file of CSV: each thread reads blocks of its own. */
int scan_blocks_apart(struct table *, const struct table_work *, void *ctx, unsigned threads, struct error *);

/* Where the blocks of a file of CSV lie: finds the ends of rows and nothing else. */
struct cutter;
struct cut {
	uint64_t from, to; /* bytes of the file */
	uint64_t first, nrows;
};
struct cutter *cutter_new(const struct table *, uint64_t from, uint64_t to, uint64_t first);
void cutter_free(struct cutter *);
int cutter_next(struct cutter *, struct cut *ret, struct error *); /* 1, 0 at the end, -1 */
