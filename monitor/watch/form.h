/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/digest.h"
#include "base/strbuf.h"
#include "monitor/table/table.h"
/*
 * A window while its rows come: profile, digest, errors of the model, what waits for labels. It depends on the rows and
 * their order alone: not on the pieces in which they came, nor on the order in which files have their columns.
 */
struct error;
struct profile;

struct form_options {
	const char *time, *id, *prediction, *probability, *label; /* columns with a meaning; NULL: none. Lent. */
	bool exact; /* as of profiles */
};
#define FORM_SCORES ((size_t)4 << 20) /* probabilities that are kept of a window; what is beyond counts no more */

struct form {
	int64_t first, last;   /* windows that it is made of; set by the caller */
	uint64_t rows;
	bool timed;
	int64_t time_ms;       /* the newest one; set by form_add with a time */
	struct profile *profile; /* unfinished until form_finish */
	struct digest digest;  /* after form_finish */
	struct strbuf errors;  /* a byte a labelled row, in order: 1 is wrong */
	uint64_t wrong;
	double *probability;   /* of rows with prediction and probability */
	uint8_t *predicted;    /* of these: 1 is the second of two classes */
	uint8_t *label;        /* 0, 1, or 2: not known */
	size_t nscores, scores_cap;
	FILE *waiting;         /* "ID\0PREDICTION\0" of rows without label; NULL: none */
	FILE *answers;         /* struct form_answer of rows with an id; NULL: none */
	FILE *spool;           /* the rows as a table of its own, with keep_rows; else NULL */
	struct form_private *private;
};
/* The reference, which may be NULL, is lent until form_finish. */
struct form *form_new(const struct form_options *, const struct profile *reference, bool keep_rows);
void form_free(struct form *);
/* Before the first rows of each table. */
void form_table(struct form *, const struct table *, bool lines);
int form_add(struct form *, const struct rows *, struct error *);
void form_time(struct form *, int64_t ms);
void form_finish(struct form *);
/* Before or after its row is added. `model`: what the row says of who answered; may be NULL. `ms`: its time; NULL: none. */
int form_answer(struct form *, const struct field *id, const struct field *model, const int64_t *ms, struct error *);
struct form_answer {
	int64_t key; /* registry/predictions.h */
	int64_t ms;
	uint32_t model; /* of form_answer_model */
	uint32_t place; /* in its piece */
	bool timed;
};
/* All of them, in pieces that are sorted by key, because a table takes them faster so; of those with one key the last comes
 * last. */
int form_each_answer(struct form *, int (*each)(void *ctx, const struct form_answer *, struct error *), void *ctx,
		     struct error *);
const char *form_answer_model(const struct form *, const struct form_answer *); /* lent; NULL: the row says none */
enum table_format form_spooled(const struct form *); /* what the spool is */

/* Texts are equal, or both are numbers and equal. */
bool same_value(const char *a, size_t alen, const char *b, size_t blen);
