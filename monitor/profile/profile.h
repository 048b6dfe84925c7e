/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/profile/sketch.h"
/*
 * Profiles: what a table is, in one pass, a few KiB to some hundred KiB a column, mergeable.
 *
 * A profile is made a block of TABLE_BLOCK rows at a time and merged in the order of blocks, so the same file gives the
 * same bytes of profile_write on any machine and any number of threads. Nothing in it depends on the clock, the name
 * of the file or a random number: sketches are seeded by the column's name.
 *
 * Life: profile_new or profile_table or profile_read, profile_free. Threads: a profile belongs to one thread at a time.
 */
struct digest;
struct error;
struct js;
struct progress;
struct rows;
struct strbuf;
struct strlist;
struct table;

/* What the fields of a column are, one after the other. */
enum value_type { VALUE_INT, VALUE_REAL, VALUE_BOOL, VALUE_TIME, VALUE_TEXT, VALUE_TYPES };
/* What a column is: see column_infer in profile_types.c for the evidence that is asked. */
enum column_type {
	COLUMN_EMPTY,	 /* no value at all */
	COLUMN_INT, COLUMN_REAL, COLUMN_BOOL, COLUMN_TIME,
	COLUMN_CATEGORY, /* text with few values */
	COLUMN_TEXT,
};
const char *column_type_name(enum column_type);

#define PROFILE_VALUES	4096u  /* distinct values that are counted one by one */
#define PROFILE_EXACT	65536u /* numbers of a column that are kept as they are; fewer in more than 64 columns, see profile_add.c */
#define PROFILE_BINS	1024u  /* fine edges */

/* A value and how often; of numbers `number` is the value and text its shortest form. */
struct value_count {
	const char *text;
	size_t len;
	double number;
	uint64_t count;
};
/* Edges frozen from a reference, into which a later table is counted exactly: counts[0] is below edges[0], counts[i] of
 * [edges[i-1], edges[i]), counts[n] is edges[n-1] and above. Of integers: independent of order and partition. */
struct edges {
	double *at; /* ascending, distinct */
	size_t n;
};
struct column {
	char *name;
	enum column_type type;	  /* after profile_finish */
	uint64_t count;		  /* rows of the table */
	uint64_t nulls, nans, plus_infs, minus_infs;
	uint64_t types[VALUE_TYPES]; /* of the fields that are not null */
	/* finite numbers; times in milliseconds since 1970 */
	uint64_t numbers, zeros, negatives;
	double min, max, mean, m2, m3, m4; /* central moments times `numbers`, merged by Chan's and Pebay's formulas */
	struct sketch *sketch;	  /* of the finite numbers: exact, then KLL with k = 1024; NULL without any */
	struct values *values;	  /* texts and truths one by one, for column_values; NULL: they were too many or too long */
	struct hll *distinct;	  /* of texts and truths, once `values` is NULL */
	/* texts, in bytes */
	uint64_t min_len, max_len, total_len;
	bool ascending;		  /* no value was below the one before it, in file order: numbers and times; nulls aside */
	double first, last;	  /* of the numbers, in file order */
	/* After profile_finish: all values while they are at most PROFILE_BINS, else as many quantiles less one; a value that
	 * takes two or more of them also has an edge right above it. */
	struct edges fine;
	uint64_t *against;	  /* counts into the fine edges of the reference, one more than those; NULL without */
	size_t nagainst;
	uint64_t against_nulls;	  /* everything that is no finite number */

	size_t fresh;		  /* private: numbers at the end of the sketch that are in nothing else yet */
	const struct edges *edges; /* private: those of `against`, lent */
	bool left_out;		  /* private: not one of `only` */
	struct value_count *listed; /* private: of column_values */
	size_t nlisted;
};
struct profile {
	uint64_t rows;
	size_t ncolumns, cap;
	struct column *columns;	  /* in file order */
	struct profile_extra *extra; /* `full`: correlations, sketched duplicate rows; else NULL */
	struct profile *open;	  /* private: the block that is not merged yet */
	const struct table *scanned; /* private, of a block */
	const struct profile *reference; /* private */
	const struct strlist *only; /* private */
	size_t exact;		  /* private: of sketches */
	uint64_t buffered, text_bytes; /* private: numbers that sketches keep as they came; of `values` */
};
struct profile_options {
	const struct profile *reference; /* finished; numbers of its columns are counted into their fine edges; NULL */
	bool exact;   /* keep every number, and count every text while they fit in 64 MiB (method evidently): the sketch is
		       * never one. ERR_LIMIT above 512 Mi of them. */
	const struct strlist *only; /* columns that are looked at, lent; the others are as if they had no value. NULL: all */
	bool full;    /* also profile_extra */
	unsigned threads; /* 0: as many as there are */
	const struct progress *progress; /* may be NULL; told after each block */
};

/* The whole table, finished. */
int profile_table(struct table *, const struct profile_options *, struct profile **ret, struct error *);
/* By hand: rows in order, then profile_merge of what follows, and profile_finish at the end (types, edges). The
 * reference is lent until then. */
struct profile *profile_new(const struct profile_options *);
int profile_add(struct profile *, const struct table *, const struct rows *, struct error *);
/* Columns are matched by name; `from` came after `into` in the table and is left without rows. The result is unfinished. */
int profile_merge(struct profile *into, struct profile *from, struct error *);
void profile_finish(struct profile *);
/* Two finished profiles of one table, `exact` made with that: where a column of both has as many numbers, `into` then knows
 * them all, and not a sketch of them. */
void profile_take_numbers(struct profile *into, struct profile *exact);
void profile_free(struct profile *);
void cleanup_profile(struct profile **);
struct column *profile_find(const struct profile *, const char *column); /* NULL: absent */

/* The values of a column with counts, most frequent first, then by text; NULL when they were more than PROFILE_VALUES (of texts with `exact`: than fit), or
 * too long. NaN and infinities do not count. Lent until the column changes. */
const struct value_count *column_values(const struct column *, size_t *ret_n);
/* Exact while numbers and texts are kept or counted, else with a relative standard error of 1.6 %. */
double column_distinct(const struct column *);
bool column_distinct_exact(const struct column *);
double column_std(const struct column *);      /* population; NaN without numbers */
/* p in [0,1]; linear between values as numpy does when they are exact; NaN without numbers. */
double column_quantile(const struct column *, double p);

/* For keeping: canonical JSON, version 1, with sketches; equal tables give equal bytes. docs/format.md has it. */
void profile_write(const struct profile *, struct strbuf *);
int profile_read(const char *text, size_t len, const char *name, struct profile **ret, struct error *);
void profile_digest(const struct profile *, struct digest *ret);

/*
 * For people and programs (`profile --json`), one object:
 *   {"rows", "columns": [{"name", "type", "evidence": "99.8 % integer, 3 text", "rows", "nulls", "nans",
 *     "infinities", "distinct", "distinct_exact": bool, "constant": bool, "min","max","mean","std","skewness","kurtosis",
 *     "quantiles": {"0.01":..., "0.05", "0.25", "0.5", "0.75", "0.95", "0.99"}, "sketch_error": rank error or 0,
 *     "zeros","negatives","ascending", "length": {"min","mean","max"},
 *     "top": [{"value","count"}], "histogram": {"edges": [...n+1], "counts": [...n]}, "warnings": ["..."]}],
 *   "target": {...} with --target, "full": {"correlations": [{"a","b","r","rows"}, strongest first],
 *     "outliers": [{"name", "iqr","mad": rows by either rule, "iqr_low","iqr_high","mad_low","mad_high"}],
 *     "duplicate_rows": {"count","exact","error"}} with --full, "digest": hex, "warnings": []}
 * Absent where it makes no sense (a text has no mean).
 */
struct js *profile_show(const struct profile *, const char *target);
