/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/drift/drift.h"
/*
 * How drift_judge works: the columns are listed (drift_columns.c), each is measured (drift_numbers.c,
 * drift_categories.c or evidently.c), all of them are weighed together (drift_policy.c), and shown (drift_show.c).
 */
struct column;
struct profile;
struct strbuf;

#define DRIFT_FEW	 20   /* numbers with so many distinct values are compared by value */
#define DRIFT_NEW_VALUES 0.01 /* of the rows, where the reference is constant */
#define DRIFT_CHANCE	 2.25 /* times the expected distance: of 1,000 samples without drift, three are above */

/* A number that is known within bounds; without a sketch the three are equal. */
struct range {
	double value, low, high;
};
static inline struct range range_of(double value)
{
	return (struct range){ value, value, value };
}

/* What was measured. `test` NULL: nothing could be. */
struct effect {
	const char *test;
	struct range score, p;
	double chance; /* what the score reaches without drift; a threshold is not below it */
	double least;  /* this instead of options.threshold; NaN: none */
};
#define EFFECT_NONE { NULL, { NAN, NAN, NAN }, { NAN, NAN, NAN }, 0, NAN }

struct judged {
	const char *name;
	const struct column *ref, *cur; /* NULL: absent */
	bool critical;
	enum drift_state state;
	struct effect effect, nulls;
	double threshold, nulls_threshold;
	struct range adjusted; /* p of effect, by Benjamini and Hochberg */
	double nulls_adjusted;
	double null_share[2];  /* reference, current */
	bool counted;	       /* drifts, where the columns that drift are counted */
	char *reason;	       /* owned; NULL */
};
struct judgement {
	const struct profile *ref, *cur;
	const struct drift_options *options;
	const struct calibration *calibration;
	struct judged *columns;
	size_t n;
	enum drift_state state;
	size_t judged, drifted, undecided;
	char *reason;	 /* owned */
	struct strlist warnings;
};
void judgement_release(struct judgement *);

/* drift_columns.c: all columns with their states, those that can be measured as DRIFT_NONE. -1: a name of the options is
 * in no table. */
int judgement_columns(struct judgement *, struct error *);
bool column_is_text(const struct column *); /* categories, truth values and texts */
/* Rows of the column that are a value for its test. */
uint64_t column_filled(const struct column *);

/* drift_numbers.c */
struct effect numbers_effect(const struct column *ref, const struct column *cur);
/* drift_categories.c: test NULL when their values are not known */
struct effect categories_effect(const struct column *ref, const struct column *cur);
struct effect nulls_effect(const struct column *ref, const struct column *cur, double ret_shares[2]);
/* Whichever is right for them. */
struct effect column_effect(const struct column *ref, const struct column *cur);

/* drift_policy.c: from what was measured to states. */
void judgement_weigh(struct judgement *);
bool judgement_quarantined(struct judgement *); /* by the states of its columns, with a reason */
void judgement_set(struct judgement *, enum drift_state, char *reason); /* takes the reason */
/* drift_evidently.c: the same its way. */
void judgement_evidently(struct judgement *);

/* drift_show.c */
struct js *judgement_show(struct judgement *); /* sorts the columns */
double round_digits(double); /* to 12 significant digits */
struct js *drift_picture(const struct judged *); /* NULL: none */

/* calibration.c: the threshold of a column, 0 without one. */
double calibration_threshold(const struct calibration *, const char *column, bool nulls);
