/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/strbuf.h"
#include "monitor/table/row_hash.h"
#include "monitor/split/split.h"
#include "monitor/table/table_window.h"
/* What planning, copying and checking of splits share. */
struct source;

/* ---- the column of a split: split_column.c ---- */

/* What orders or groups rows. Life: all zero and the options, split_column_find for each piece of rows. */
struct split_column {
	const struct split_options *options;
	size_t at;	   /* SIZE_MAX: this piece has no such column */
	bool known, times; /* whether the first value told what all are: times, else numbers */
};
/* ERR_USAGE, with the nearest name, when a table has no such column. */
int split_column_find(struct split_column *, const struct table *, const struct rows *, struct error *);
/* Of the piece that was found last; NULL with random, or when the row has no value. */
const struct field *split_column_field(const struct split_column *, const struct rows *, size_t row);
/* A number whose order is that of times; a row without one is ERR_USAGE. */
int split_time_key(struct split_column *, const struct table *, const struct rows *, size_t row, uint64_t *ret, struct error *);
void split_time_show(const struct split_column *, uint64_t key, struct strbuf *ret);

/* ---- keys and cuts: split_cuts.c ---- */

struct split_key {
	uint64_t key;
	uint32_t class;
	uint32_t unused; /* zero: it is written to a file */
};
#define SPLIT_KEYS 4096u /* that are read or written together */
struct split_keys {
	int fd;
	uint64_t n, next; /* keys in the file; the one that is read next */
	struct split_key *piece;
	size_t len, at; /* of the piece */
};
int split_keys_init(struct split_keys *, struct error *);
void split_keys_release(struct split_keys *);
int split_keys_add(struct split_keys *, uint64_t key, uint32_t class, struct error *);
/* From the first key again; also ends adding. */
int split_keys_rewind(struct split_keys *, struct error *);
/* 1, 0 at the end, -1. */
int split_keys_next(struct split_keys *, struct split_key *ret, struct error *);

/* Keys up to `last` are before the cut, if `some` are. */
struct split_cut {
	uint64_t last;
	bool some;
};
/* Where as many keys of a class as the shares ask are before each cut: class after class, nparts - 1 of each. Keys that
 * are equal are on one side, that which comes nearest. */
int split_cuts_find(struct split_keys *, const uint64_t *class_rows, size_t nclasses, const struct split_options *,
		    struct split_cut *ret, struct error *);

/* ---- rows as they stand in the file: split_rows.c ---- */

struct split_rows {
	struct source *source;
	struct window window;
	size_t at;
	bool csv; /* else JSON lines */
};
int split_rows_open(int fd, const char *name, enum table_format, struct split_rows *ret, struct error *);
void split_rows_close(struct split_rows *);
/* The next row that is not empty, with what ends it; lent until the next call. 1, 0 at the end, -1. */
int split_rows_next(struct split_rows *, const char **ret, size_t *ret_len, struct error *);
