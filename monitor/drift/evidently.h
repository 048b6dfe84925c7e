/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * One column as Evidently 0.7 judges it, of tables as pandas.read_csv reads them. Pure functions of two columns whose
 * profiles were made with `exact`.
 */
struct column;
struct error;

/* The words that pandas takes for no value, as table.h takes them. */
#define EVIDENTLY_NULLS                                                                            \
	"#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null"

/* What Evidently takes a column of pandas for. */
enum evidently_type {
	EVIDENTLY_UNKNOWN, /* it leaves the column out: truth values with gaps, whole numbers of 64 bits without a sign */
	EVIDENTLY_NUMBERS,
	EVIDENTLY_CATEGORIES,
	EVIDENTLY_TEXT, /* judged by a classifier that it trains, which we do not have */
	EVIDENTLY_WIDE, /* whole numbers beyond 2^53: it tells them apart, and a profile does not */
};
enum evidently_type evidently_type(const struct column *);

enum evidently_test { EVIDENTLY_KS, EVIDENTLY_WASSERSTEIN, EVIDENTLY_CHI2, EVIDENTLY_Z, EVIDENTLY_JS, EVIDENTLY_PSI };
struct evidently_verdict {
	enum evidently_test test;
	double score;	  /* a p-value or a distance */
	double threshold;
	bool drift;	  /* of the column */
	bool counted;	  /* of the column where the drifted ones are counted: there infinities stay in a column without gaps */
	bool constant;	  /* one value on both sides */
};
const char *evidently_test_name(enum evidently_test);
bool evidently_test_is_p(enum evidently_test);

/* Of a column that the current table makes numbers or categories. `psi`: instead of the test that Evidently selects. -1:
 * a side has no value that counts, or the sides cannot be compared; ERR_UNDECIDED. */
int evidently_judge(const struct column *reference, const struct column *current, bool psi,
		    struct evidently_verdict *ret, struct error *);
