/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <regex.h>
#include "base/strlist.h"
#include "monitor/profile/profile.h"
#include "monitor/schema/schema.h"
/* A schema as it was parsed, for those who check and infer. */
struct strbuf;

#define SCHEMA_BYTES   ((size_t)8 << 20) /* of a file */
#define SCHEMA_UNIQUE  256u		 /* columns that may be unique: each has its part of the memory for repeats */
#define REPEATS_MEMORY ((size_t)64 << 20) /* for all of them */
#define PATTERN_BYTES  1000u
#define PATTERN_REPEAT 1000u /* what {n,m} of a pattern multiply to: regcomp writes them out */
#define PATTERN_VALUE  65536u /* bytes of a value that is compared with a pattern; a longer one does not fit it */

struct schema_column {
	char *name;
	char *description;
	struct strlist was;
	bool typed, required, unique, ascending, constant;
	enum column_type type;
	double nulls, unseen; /* largest shares */
	bool has_min, has_max, min_time, max_time;
	double min, max;      /* milliseconds of a time */
	bool has_values;
	double *numbers;      /* allowed, ascending: of int and real */
	size_t nnumbers;
	struct strlist words; /* allowed, sorted: of all else */
	bool has_pattern;
	char *pattern_text;
	regex_t pattern;
	uint64_t min_len, max_len;
};
struct schema {
	uint64_t min_rows, max_rows;
	double max_change; /* below 0: none */
	bool order, refuse_extra, unique_rows;
	struct schema_column *columns;
	size_t ncolumns, cap;
};

static inline bool type_is_number(enum column_type type)
{
	return type == COLUMN_INT || type == COLUMN_REAL;
}
/* What a column of `type` may be found to be. */
bool type_fits(enum column_type type, enum column_type found);
/* It looks like a key, but its values are too many for the profile to be sure. */
bool column_may_be_unique(const struct column *);

/* Where a value stands in a text that js_parse took: each step is a member by its key, or by its number when key is
 * NULL. With `at_key`, the place of the last member's key. Lines and columns count from 1. */
struct place_step {
	const char *key;
	size_t index;
};
void schema_place(const char *text, size_t len, const struct place_step *, size_t nsteps, bool at_key, int *ret_line,
		  int *ret_column);

/* Compiles a POSIX extended pattern that a whole value must match. ERR_USAGE says what is wrong: what could take
 * regcomp or regexec much time or memory is, too. */
int pattern_compile(const char *pattern, regex_t *ret, struct error *);
bool pattern_fits(const regex_t *, const char *text, size_t len);
