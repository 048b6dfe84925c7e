/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/profile/profile.h"
/* What the files of profiles share. */
struct error;
struct js;
struct strbuf;

/* profile_types.c: the type; the values that are not of it; "99.8 % integer, 3 text". */
void column_infer(struct column *);
uint64_t column_others(const struct column *);
void column_evidence(const struct column *, struct strbuf *);

char *column_number_text(const struct column *, double); /* the caller frees it; of times ISO 8601 */

/* ---- what is shown: profile_bins.c, profile_warn.c ---- */

#define PROFILE_CLASSES 50 /* of a target, before it is no class but a number or a text */
/* Bins of equal width from the least number to the largest, n + 1 edges; the last holds its upper one. Of a column with
 * numbers. The caller frees both. */
size_t column_histogram(const struct column *, double **ret_edges, uint64_t **ret_counts);
/* Beyond 1.5 interquartile ranges of the quartiles (Tukey), and beyond 3.5 deviations as the median of absolute
 * deviations tells them (Iglewicz and Hoaglin). As exact as the sketch. */
struct outliers {
	double iqr_low, iqr_high, mad_low, mad_high;
	uint64_t iqr, mad;
};
struct outliers column_outliers(const struct column *);
bool column_constant(const struct column *);
double column_skewness(const struct column *); /* NaN of a constant */
struct js *column_warnings(const struct column *);
struct js *profile_warnings(const struct profile *, const char *target);

/* ---- blocks: profile_add.c ---- */

/* Adds to the block itself, which nothing is merged into before profile_seal. */
int profile_add_block(struct profile *, const struct table *, const struct rows *, struct error *);
/* The block is complete: every number is in every figure. */
void profile_seal(struct profile *);
/* Forgets the rows; columns and memory stay. */
void profile_clear(struct profile *);
/* Bounds what the columns keep. Called at rows that do not depend on how they came. */
int profile_bound(struct profile *, struct error *);
void profile_recount(struct profile *); /* what profile_bound looks at */

/* ---- `full`: profile_full.c ---- */

struct profile_extra *extra_new(void);
void extra_free(struct profile_extra *);
void extra_clear(struct profile_extra *);
void extra_add(struct profile *, const struct table *, const struct rows *);
void extra_seal(struct profile_extra *);
/* Columns of `from` are in `into`. */
void extra_merge(struct profile *into, const struct profile *from);
struct js *extra_show(const struct profile *);

/* ---- columns: profile.c ---- */

/* Those of the table that are not there yet, as if they had been null in all rows so far. */
void profile_columns(struct profile *, const struct table *, size_t ncols);
struct column *profile_column(struct profile *, const char *name);
void column_forget(struct column *); /* what profile_finish and column_values made */
void column_unlist(struct column *); /* what column_values made */
void column_leave_values(struct column *); /* the texts become an estimate */

/* ---- numbers: moments.c ---- */

/* Takes a sorted run of numbers into count, extremes and moments. */
void moments_add(struct column *, const double *run, size_t n);
void moments_merge(struct column *into, const struct column *from);
/* Counts a sorted run into edges: edges->n + 1 counts. */
void edges_count(const struct edges *, const double *run, size_t n, uint64_t *counts);
void edges_make(struct column *); /* `fine` */
