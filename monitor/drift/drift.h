/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * Drift: is this table still like that one? A pure function of two finished profiles, a calibration and options.
 *
 * Method `mlops`: a column drifts when its effect is at least its threshold AND its p-value, adjusted over all tests of
 * the table by Benjamini and Hochberg, is at most alpha AND both sides have min_rows values.
 *   numbers     first Wasserstein distance over the reference's deviation; p of Kolmogorov and Smirnov. By value, as
 *               categories, when the reference has at most 20 distinct ones. Without a finite deviation: Kolmogorov and
 *               Smirnov's distance.
 *   categories  Jensen-Shannon distance (base 2); p of chi-square homogeneity. Values of which fewer than 5 are
 *               expected on a side are counted together, but for rows of those that one side alone has beyond chance.
 *   a constant  drifts when other values have more than 1 % of the rows; p of two shares.
 *   nulls       the share without a value (for numbers, NaN and infinities are none) is a test of its own: the
 *               Jensen-Shannon distance of "there" and "not there", p of two shares.
 *   texts       with more than PROFILE_VALUES distinct values: by their nulls alone.
 * A threshold is never below what chance reaches with so few rows: 2.25 times the expected distance of two samples of one
 * distribution, or the 99.87 % quantile of it. So a small table needs a larger effect, and never cries wolf.
 * Where the error of a sketch leaves room for both answers the column is UNDECIDED. Times and ids (ascending, each once)
 * are SKIPPED unless they are named in `columns`.
 *
 * Method `evidently`: what Evidently 0.7's DataDriftPreset selects and computes, bug for bug, but a constant column is p = 1
 * with a note, an empty, absent or changed one has a state instead of ending the report, and a text, for which it trains
 * a classifier, is UNDECIDED; so is the table if that could turn its verdict. Needs profiles made with `exact`.
 */
struct error;
struct js;
struct profile;

enum drift_method { DRIFT_MLOPS, DRIFT_EVIDENTLY };
enum drift_state {
	DRIFT_NONE,
	DRIFT_FOUND,
	DRIFT_INSUFFICIENT, /* too few rows to say */
	DRIFT_UNDECIDED,    /* the threshold lies within the error of the score */
	DRIFT_NEW,	    /* the column is not in the reference; never judged */
	DRIFT_MISSING,	    /* it is not in the current table */
	DRIFT_ALL_NULL,     /* it has no value any more */
	DRIFT_TYPE_CHANGED, /* numbers became text, or the like */
	DRIFT_SKIPPED,	    /* of a column: an id, a time; never judged unless it is named */
	DRIFT_QUARANTINED,  /* of a table: a column is MISSING, ALL_NULL or TYPE_CHANGED */
};
const char *drift_state_name(enum drift_state); /* "OK", "DRIFT", "INSUFFICIENT", "UNDECIDED", "NEW", "MISSING", ... */
bool drift_state_parse(const char *, enum drift_state *ret);

struct drift_options {
	enum drift_method method;
	struct strlist columns;	 /* these only; empty: all of both tables */
	struct strlist ignore;	 /* not these: ids, times */
	struct strlist critical; /* one of these is enough */
	double alpha;		 /* 0.05 */
	double threshold;	 /* of effects, 0.1: the least; chance and a calibration may raise it */
	uint64_t min_rows;	 /* 500 */
	/* The table drifts when a critical column does, or at least min_columns (0: 2, or 1 where there is but one), and
	 * with share > 0 at least that share of the judged columns, too. Evidently: share 0.5 alone. */
	unsigned min_columns;
	double share;
	bool psi; /* of method evidently: the population stability index instead of the tests that it selects */
};
#define DRIFT_OPTIONS_INIT { .alpha = 0.05, .threshold = 0.1, .min_rows = 500 }
void drift_options_release(struct drift_options *);

/*
 * Thresholds from the reference itself: its windows of the size (and season) of the current one are scored against the
 * other windows, leave one out; a column's threshold is max(options.threshold, mean + 3 deviations) of at least 10 scores.
 */
struct calibration;
/* `windows` are finished profiles of parts of the reference, in time order, lent. */
int drift_calibrate(const struct profile *const *windows, size_t n, const struct drift_options *,
		    struct calibration **ret, struct error *);
void calibration_free(struct calibration *);
struct js *calibration_to_json(const struct calibration *);
int calibration_from_json(const struct js *, struct calibration **ret, struct error *);

/*
 * The verdict, one object; scores are rounded to 12 significant digits, so equal input has equal bytes:
 *   {"method", "state": "OK"|"DRIFT"|"INSUFFICIENT"|"UNDECIDED"|"QUARANTINED" (a column is MISSING, ALL_NULL or
 *    TYPE_CHANGED), "reason": one line, "warnings": ["..."], "rows": {"reference","current"}, "judged": n, "drifted": n, "share",
 *    "columns": [{"name","type","critical": bool,"state","test": "wasserstein"|"js"|"new_values"|
 *      "ks"|"chi2"|"z"|"psi", "score" (absent where Evidently has a p-value only),"threshold","p","p_adjusted","error",
 *      "nulls": {"reference","current","score","threshold","p","p_adjusted"}, "reason",
 *      "picture": {"edges": [...], "reference": [shares], "current": [shares]} of numbers,
 *                 {"values": ["..."], "reference": [...], "current": [...]} of categories}]}
 * Columns with the highest score over threshold come first. *ret_state is the state of the table.
 */
int drift_judge(const struct profile *reference, const struct profile *current, const struct calibration *,
		const struct drift_options *, enum drift_state *ret_state, struct js **ret, struct error *);

/*
 * How good the model was and is, of rows whose label is known. Labels are classes, unless all are numbers and more than
 * 20 of them differ. Life: OUTCOMES_INIT, outcomes_add of rows in their order, outcomes_release.
 */
struct outcome {
	double label, prediction; /* of a class: which one */
	double score;		  /* NaN: none */
};
struct outcomes {
	struct outcome *items;
	size_t n, cap;
	bool numbers; /* so far all labels and predictions are */
	struct strlist words; /* labels and predictions that are none, each once, up to 256 */
};
#define OUTCOMES_INIT { NULL, 0, 0, true, STRLIST_INIT }
/* Texts of one row as the table has them, NULL for what it has not. Without a label, or without both prediction and score,
 * the row does not count. */
int outcomes_add(struct outcomes *, const char *label, const char *prediction, const char *score, struct error *);
void outcomes_release(struct outcomes *);
/*
 * Accuracy, or mean absolute error, of predictions; area under the ROC curve of scores where two classes are; each with an
 * interval of 95 % and the drop from the reference with its own. The state is DRIFT when the whole interval of the drop is
 * above 0, INSUFFICIENT below 30 rows. Then ADWIN over all errors in order: did their mean change in the current rows?
 *   [{"metric": "accuracy"|"mae"|"auc", "baseline", "value","low","high", "drop","drop_low","drop_high", "rows",
 *     "reference_rows", "state"}, {"metric": "errors", "state", "row" of the current ones, from 1}]
 * *ret_state is the worst of them.
 */
int drift_performance(const struct outcomes *reference, const struct outcomes *current, enum drift_state *ret_state,
		      struct js **ret, struct error *);
