/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/table/table.h"
/*
 * Tables cut into parts, such as train and test, by what rows say and never by where they stand:
 *   random      by a hash of the row and the seed. A row is on its side whatever other rows there are.
 *   group       by a hash of a column's value and the seed, so a group is on one side; rows without a value by their own.
 *   stratified  in each class of a column as many rows as was asked, those with the lowest hashes first. A row that is
 *               added moves at most one other of its class at each cut; equal rows stay together, so the number may be
 *               missed by them.
 *   time        by the order of a column of times or numbers, cut between two times that differ.
 * A table is read twice, for its rows' keys and for their bytes, which are copied as they stand; keys wait in an unnamed
 * file, 16 bytes a row. Memory does not depend on the number of rows.
 */
struct error;
struct js;
struct split_plan;

#define SPLIT_PARTS   16u
#define SPLIT_CLASSES 1000u

enum split_by { SPLIT_RANDOM, SPLIT_GROUP, SPLIT_STRATIFIED, SPLIT_TIME };
struct split_part {
	char *name; /* a file's name without its ending */
	double share;
};
struct split_options {
	enum split_by by;
	const char *column; /* NULL with random */
	uint64_t seed;
	struct split_part parts[SPLIT_PARTS];
	size_t nparts;
};
/* "train=0.8,test=0.2": 2 parts or more whose shares are 1 together. */
int split_parts_parse(const char *text, struct split_options *into, struct error *);
void split_options_release(struct split_options *);

/* Reads all rows. */
int split_plan_make(struct table *, const struct split_options *, struct split_plan **ret, struct error *);
void split_plan_free(struct split_plan *);
void cleanup_split_plan(struct split_plan **);
/* The same file again, from where the descriptor stands: header and rows into one descriptor a part. ERR_CONFLICT: it was
 * changed meanwhile. */
int split_copy(struct split_plan *, int fd, const char *name, enum table_format, const int *parts,
	       uint64_t ret_rows[SPLIT_PARTS], struct error *);

/*
 * Parts that belong together, earlier ones first: whether one knows of another what it should not.
 *   {"rows", "parts": [{"name", "rows", "share", "from"?, "to"? (time)}], "classes"?: [{"value", "rows": [a part's]}],
 *    "leaks": [{"kind": "row"|"group"|"time", "message", "count", "parts": [2 names], "rows": [2 rows], "value"?}], "odds"}
 * row: the same row stands in two parts; group: the same value of `column` does; time: a part has rows that are later than
 * the first ones of a part behind it. `odds`: of one such finding that is none, as hashes are compared.
 */
struct split_input {
	int fd; /* at its first byte; lent */
	const char *name;
};
int split_check(const struct split_input *, size_t n, const struct table_options *, const struct split_options *,
		bool *ret_clean, struct js **ret, struct error *);
