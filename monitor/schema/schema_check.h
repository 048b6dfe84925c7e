/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/table/row_hash.h"
#include "monitor/schema/schema_internal.h"
/* One check of one table: what was seen on the way, and what is made of it at the end. */
struct field;
struct js;
struct repeats;
struct rows;

enum column_check {
	CHECK_MISSING,
	CHECK_TYPE,
	CHECK_NULLS,
	CHECK_RANGE,
	CHECK_VALUES,
	CHECK_PATTERN,
	CHECK_LENGTH,
	CHECK_ASCENDING,
	CHECK_UNIQUE,
	CHECK_CONSTANT,
	COLUMN_CHECKS
};
/* What does not fit: how many, and the first of them. */
struct misfit {
	uint64_t count, row; /* number of the row, from 0 */
	char *value;	     /* its beginning; NULL: none to show */
};
struct column_state {
	const struct schema_column *spec;
	size_t at;	   /* column of the table; SIZE_MAX: not there, or not yet */
	const char *found; /* its name there: an old one, or the column's own */
	uint64_t values, nulls;
	struct misfit misfits[COLUMN_CHECKS];
	double last;	   /* of ascending */
	bool has_last;
	struct misfit first; /* value at all, for a type that changed */
	struct repeats *repeats;
};
struct check {
	const struct schema *schema;
	const struct table *table;
	struct column_state *columns; /* as in the schema */
	struct row_hashes hashes;
	struct repeats *row_repeats;
	struct profile *profile;
	uint64_t rows, before_rows;
};

/* The rows, in order. */
int check_rows(struct check *, const struct rows *, struct error *);
void misfit_note(struct misfit *, uint64_t row, const struct field *);
/* After the last row; may still fail, for what was put aside for repeats is read now. */
int check_report(struct check *, bool *ret_ok, struct js **ret, struct error *);

bool schema_word_allowed(const struct schema_column *, const char *text, size_t len);
/* Whether the schema knows a column of that name, also as an old one of another. */
bool schema_knows(const struct check *, const char *name);
/* The column that the schema misses and that `column`, which it does not know, may be under another name: the only one
 * whose checks its profile passes, and it the only one to pass them. NULL: none is known to be. */
const struct schema_column *schema_renamed(const struct check *, const struct column *column);
