/* SPDX-License-Identifier: Apache-2.0 */
/* What Evidently selects for a column, and what comes out, with its faults. */
#include <math.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/drift/evidently.h"
#include "monitor/drift/evidently_internal.h"
#include "monitor/profile/profile.h"
#include "monitor/stats/stats.h"

#define FEW_WHOLE 10   /* so many distinct integers are categories */
#define SMALL	  1000 /* rows of the reference, up to which a test is selected, above that a distance */

static uint64_t filled(const struct column *c)
{
	return c->count - c->nulls - c->nans;
}

/* Neither numbers nor truth values alone, so pandas keeps what is written. */
static bool is_written(const struct column *c)
{
	uint64_t numbers = c->types[VALUE_INT] + c->types[VALUE_REAL];
	uint64_t all = numbers + c->types[VALUE_BOOL] + c->types[VALUE_TIME] + c->types[VALUE_TEXT];

	return all && numbers != all && c->types[VALUE_BOOL] != all;
}

enum evidently_type evidently_type(const struct column *c)
{
	bool whole = c->types[VALUE_INT] == c->count;

	if (is_written(c))
		return column_distinct(c) > (double)filled(c) * 0.5 ? EVIDENTLY_TEXT : EVIDENTLY_CATEGORIES;
	if (c->types[VALUE_BOOL])
		return c->types[VALUE_BOOL] == c->count ? EVIDENTLY_CATEGORIES : EVIDENTLY_UNKNOWN;
	if (whole && c->min >= 0 && c->max > 0x1p63 && c->max < 0x1p64)
		return EVIDENTLY_UNKNOWN;
	if (whole && (c->min <= -0x1p53 || c->max >= 0x1p53 || c->plus_infs + c->minus_infs > 0))
		return EVIDENTLY_WIDE;
	return whole && column_distinct(c) <= FEW_WHOLE ? EVIDENTLY_CATEGORIES : EVIDENTLY_NUMBERS;
}

/* ---- the tests: of two sides that have values ---- */

/* Goodness of fit to the reference, as if that were exact: a value that it lacks makes p zero. */
static double chi2_of(const struct side *ref, const struct side *cur)
{
	CLEANUP(counts_release) struct counts counts = COUNTS_INIT;
	double scale = (double)cur->n / (double)ref->n, sum = 0;

	counts_of_values(ref, cur, &counts);
	for (size_t i = 0; i < counts.k; i++) {
		double expected = counts.ref[i] * scale, off = counts.cur[i] - expected;

		sum += off * off / expected;
	}
	return isinf(sum) ? 0 : chi2_sf(sum, (double)counts.k - 1);
}

/* Shares of what is not the least value. */
static double z_of(const struct side *ref, const struct side *cur)
{
	CLEANUP(counts_release) struct counts counts = COUNTS_INIT;
	double n = (double)ref->n, m = (double)cur->n, p1, p2, pooled;

	counts_of_values(ref, cur, &counts);
	if (counts.k < 2)
		return 1;
	p1 = (n - counts.ref[0]) / n;
	p2 = (m - counts.cur[0]) / m;
	pooled = (p1 * n + p2 * m) / (n + m);
	return erfc(fabs(p1 - p2) / sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) * M_SQRT1_2);
}

static double ks_of(const struct side *ref, const struct side *cur)
{
	return ks_p(ks_distance(ref->numbers, ref->n, cur->numbers, cur->n), ref->n, cur->n);
}

static double deviation(const struct side *side)
{
	double mean = 0, squares = 0, n = (double)side->n;

	for (size_t i = 0; i < side->n; i++)
		mean += side->numbers[i] / n;
	for (size_t i = 0; i < side->n; i++)
		squares += (side->numbers[i] - mean) * (side->numbers[i] - mean) / n;
	return sqrt(squares);
}

static bool has_infinity(const struct side *side)
{
	return isinf(side->numbers[0]) || isinf(side->numbers[side->n - 1]);
}

/* With an infinity the distance is infinite, unless the reference has one: then nothing is known, and nothing drifts. */
static double wasserstein_of(const struct side *ref, const struct side *cur)
{
	if (has_infinity(ref))
		return NAN;
	if (has_infinity(cur))
		return INFINITY;
	return wasserstein(ref->numbers, ref->n, cur->numbers, cur->n) / fmax(deviation(ref), 0.001);
}

static double js_of(const struct side *ref, const struct side *cur)
{
	CLEANUP(counts_release) struct counts counts = COUNTS_INIT;

	counts_binned(ref, cur, &counts);
	return js_distance(counts.ref, counts.cur, counts.k, M_E);
}

/* Empty bins get a little, and nothing is taken from the others for it. */
static void fill_zeros(double *shares, size_t k, size_t n)
{
	double least = 1, fill;

	for (size_t i = 0; i < k; i++) {
		shares[i] /= (double)n;
		if (shares[i] > 0)
			least = fmin(least, shares[i]);
	}
	fill = least <= 0.0001 ? least / 1e6 : 0.0001;
	for (size_t i = 0; i < k; i++)
		if (shares[i] == 0)
			shares[i] = fill;
}

static double psi_of(const struct side *ref, const struct side *cur)
{
	CLEANUP(counts_release) struct counts counts = COUNTS_INIT;

	counts_binned(ref, cur, &counts);
	fill_zeros(counts.ref, counts.k, ref->n);
	fill_zeros(counts.cur, counts.k, cur->n);
	return psi(counts.ref, counts.cur, counts.k);
}

static const struct test {
	const char *name;
	double (*of)(const struct side *ref, const struct side *cur);
	double threshold;
	bool p;	     /* a p-value: small is drift */
	bool closed; /* of p: the threshold itself is drift, too; of distances it always is */
} tests[] = {
	[EVIDENTLY_KS] = { "ks", ks_of, 0.05, true, true },
	[EVIDENTLY_WASSERSTEIN] = { "wasserstein", wasserstein_of, 0.1, false, true },
	[EVIDENTLY_CHI2] = { "chi2", chi2_of, 0.05, true, false },
	[EVIDENTLY_Z] = { "z", z_of, 0.05, true, false },
	[EVIDENTLY_JS] = { "js", js_of, 0.1, false, true },
	[EVIDENTLY_PSI] = { "psi", psi_of, 0.1, false, true },
};

const char *evidently_test_name(enum evidently_test test)
{
	return tests[test].name;
}

bool evidently_test_is_p(enum evidently_test test)
{
	return tests[test].p;
}

static bool is_drift(const struct test *test, double score)
{
	if (!test->p)
		return score >= test->threshold;
	return test->closed ? score <= test->threshold : score < test->threshold;
}

/* By the rows of the reference alone, however few the current ones are. */
static enum evidently_test select_test(bool numbers, const struct side *ref, size_t distinct)
{
	if (numbers && distinct > 5)
		return ref->n <= SMALL ? EVIDENTLY_KS : EVIDENTLY_WASSERSTEIN;
	if (ref->n > SMALL)
		return EVIDENTLY_JS;
	return distinct > 2 ? EVIDENTLY_CHI2 : EVIDENTLY_Z;
}

static size_t distinct_of_both(const struct side *ref, const struct side *cur)
{
	CLEANUP(counts_release) struct counts counts = COUNTS_INIT;

	counts_of_values(ref, cur, &counts);
	return counts.k;
}

static int judge_sides(const struct side *ref, const struct side *cur, bool numbers, bool with_psi,
		       struct evidently_verdict *ret, struct error *err)
{
	const char *empty = !ref->n ? "reference" : !cur->n ? "current table" : NULL;
	size_t distinct;

	if (empty)
		return error_set(err, ERR_UNDECIDED, "the %s has no value here", empty);
	if (!ref->numbers != !cur->numbers)
		return error_set(err, ERR_UNDECIDED, "one side has numbers, the other has not");
	distinct = distinct_of_both(ref, cur);
	ret->test = with_psi ? EVIDENTLY_PSI : select_test(numbers, ref, distinct);
	ret->threshold = tests[ret->test].threshold;
	ret->score = tests[ret->test].of(ref, cur);
	ret->drift = is_drift(&tests[ret->test], ret->score);
	ret->constant = distinct == 1;
	return 0;
}

/* Where Evidently counts the drifted columns it looks for gaps first, and an infinity is none. */
static bool infinities_stay(const struct column *c)
{
	return c->plus_infs + c->minus_infs > 0 && c->nulls + c->nans == 0;
}

int evidently_judge(const struct column *reference, const struct column *current, bool with_psi,
		    struct evidently_verdict *ret, struct error *err)
{
	bool numbers = evidently_type(current) == EVIDENTLY_NUMBERS;
	struct evidently_verdict verdict = { .test = EVIDENTLY_KS }, counted;

	for (int infinities = 0; infinities < 2; infinities++) {
		CLEANUP(side_release) struct side ref, cur;

		side_init(&ref, reference, infinities && infinities_stay(reference));
		side_init(&cur, current, infinities && infinities_stay(current));
		if (judge_sides(&ref, &cur, numbers, with_psi, infinities ? &counted : &verdict, err) < 0)
			return -1;
		if (!infinities_stay(reference) && !infinities_stay(current)) {
			counted = verdict;
			break;
		}
	}
	verdict.counted = counted.drift;
	*ret = verdict;
	return 0;
}
