/* SPDX-License-Identifier: Apache-2.0 */
/* Categories: which values there are, how often, and what has none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "monitor/drift/drift_cells.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/profile/profile.h"
#include "monitor/stats/stats.h"

#define EXPECTED_LEAST 5 /* of a value, on either side: below it chi-square is no chi-square */

static int text_order(const struct value_count *a, const struct value_count *b)
{
	size_t common = a->len < b->len ? a->len : b->len;
	int order = memcmp(a->text, b->text, common);

	return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int by_text(const void *a, const void *b)
{
	return text_order(&((const struct cell *)a)->value, &((const struct cell *)b)->value);
}

/* Of numbers, NaN and infinities are no values. */
static void push_values(struct cells *cells, const struct value_count *values, size_t n, bool numbers, bool current)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t count = values[i].count;

		if (!numbers || isfinite(values[i].number))
			cells->items[cells->n++] = (struct cell){ values[i], current ? 0 : count, current ? count : 0 };
	}
}

bool cells_init(struct cells *cells, const struct column *ref, const struct column *cur)
{
	size_t n, m, kept = 0;
	const struct value_count *before = column_values(ref, &n), *now = column_values(cur, &m);
	bool numbers = !column_is_text(ref) && !column_is_text(cur);

	*cells = (struct cells){ 0 };
	if (!before || !now)
		return false;
	cells->items = xcalloc(n + m + 1, sizeof(*cells->items));
	push_values(cells, before, n, numbers, false);
	push_values(cells, now, m, numbers, true);
	qsort(cells->items, cells->n, sizeof(*cells->items), by_text);
	for (size_t i = 0; i < cells->n; i++) {
		struct cell *item = &cells->items[i], *last = kept ? &cells->items[kept - 1] : NULL;

		if (last && text_order(&last->value, &item->value) == 0) {
			last->ref += item->ref;
			last->cur += item->cur;
		} else {
			cells->items[kept++] = *item;
		}
	}
	cells->n = kept;
	return true;
}

void cells_release(struct cells *cells)
{
	free(cells->items);
}

/* The distance of two samples of one distribution over k cells that one in 700 exceeds: of Jensen and Shannon's
 * divergence, 8 ln 2 / (1/n + 1/m) times is chi-square with k - 1 degrees. Its quantile after Wilson and Hilferty. */
static double chance_of(size_t k, double n, double m)
{
	double df = (double)k - 1, part = 2 / (9 * df), cube = 1 - part + 3 * sqrt(part);

	return k < 2 ? 0 : sqrt(df * cube * cube * cube * (1 / n + 1 / m) / (8 * M_LN2));
}

/*
 * Rare values of which only one side has any. Were the rows dealt to the two sides at random, a value of t rows would be
 * on that side alone with probability share^t, `share` its part of all rows. `beyond` is how many rows are more than that
 * and three deviations: none without drift, all of them where every value is new.
 */
struct alone {
	double rows, expected, variance;
};

static void alone_add(struct alone *alone, uint64_t own, uint64_t other, double share)
{
	double t = (double)(own + other), p = pow(share, t);

	alone->rows += other ? 0 : t;
	alone->expected += t * p;
	alone->variance += t * t * p * (1 - p);
}

static uint64_t alone_beyond(const struct alone *alone)
{
	return (uint64_t)fmax(alone->rows - alone->expected - 3 * sqrt(alone->variance), 0);
}

static void push_cell(uint64_t *refs, uint64_t *curs, size_t *n, uint64_t ref, uint64_t cur)
{
	if (ref + cur == 0)
		return;
	refs[*n] = ref;
	curs[(*n)++] = cur;
}

struct effect shares_effect(uint64_t *ref, uint64_t *cur, size_t k)
{
	CLEANUP(cleanup_free) double *a = xcalloc(k + 3, sizeof(double)), *b = xcalloc(k + 3, sizeof(double));
	struct effect effect = EFFECT_NONE;
	uint64_t rare_ref = 0, rare_cur = 0, gone, come;
	struct alone only_ref = { 0 }, only_cur = { 0 };
	double n = 0, m = 0, df, p;
	size_t kept = 0;

	for (size_t i = 0; i < k; i++) {
		n += (double)ref[i];
		m += (double)cur[i];
	}
	for (size_t i = 0; i < k; i++) {
		if ((double)(ref[i] + cur[i]) * fmin(n, m) / (n + m) < EXPECTED_LEAST) {
			rare_ref += ref[i];
			rare_cur += cur[i];
			alone_add(&only_ref, ref[i], cur[i], n / (n + m));
			alone_add(&only_cur, cur[i], ref[i], m / (n + m));
			continue;
		}
		ref[kept] = ref[i];
		cur[kept++] = cur[i];
	}
	gone = alone_beyond(&only_ref);
	come = alone_beyond(&only_cur);
	push_cell(ref, cur, &kept, rare_ref - gone, rare_cur - come);
	push_cell(ref, cur, &kept, gone, 0);
	push_cell(ref, cur, &kept, 0, come);
	for (size_t i = 0; i < kept; i++) {
		a[i] = (double)ref[i];
		b[i] = (double)cur[i];
	}
	chi2_homogeneity(ref, cur, kept, &df, &p);
	effect.test = "js";
	effect.score = range_of(kept > 1 ? js_distance(a, b, kept, 2) : 0);
	effect.p = range_of(kept > 1 ? p : 1);
	effect.chance = chance_of(kept, n, m);
	return effect;
}

/* All that a constant reference does not have. */
static struct effect constant_effect(const struct cells *cells, uint64_t *ref, uint64_t *cur)
{
	struct effect effect = EFFECT_NONE;
	uint64_t n = 0, m = 0, others = 0;

	for (size_t i = 0; i < cells->n; i++) {
		n += ref[i];
		m += cur[i];
		others += ref[i] ? 0 : cur[i];
	}
	effect.test = "new_values";
	effect.score = range_of((double)others / (double)m);
	effect.p = range_of(others ? two_shares_p(0, n, others, m) : 1);
	effect.least = DRIFT_NEW_VALUES;
	return effect;
}

struct effect categories_effect(const struct column *ref, const struct column *cur)
{
	CLEANUP(cells_release) struct cells cells;
	CLEANUP(cleanup_free) uint64_t *before = NULL;
	CLEANUP(cleanup_free) uint64_t *now = NULL;
	size_t known = 0;

	if (!cells_init(&cells, ref, cur))
		return (struct effect)EFFECT_NONE;
	before = xcalloc(cells.n + 3, sizeof(*before));
	now = xcalloc(cells.n + 3, sizeof(*now));
	for (size_t i = 0; i < cells.n; i++) {
		before[i] = cells.items[i].ref;
		now[i] = cells.items[i].cur;
		known += cells.items[i].ref > 0;
	}
	return known == 1 ? constant_effect(&cells, before, now) : shares_effect(before, now, cells.n);
}

/* What is no value is one more category, of two. */
struct effect nulls_effect(const struct column *ref, const struct column *cur, double ret_shares[2])
{
	uint64_t filled_ref = column_filled(ref), filled_cur = column_filled(cur);
	uint64_t null_ref = ref->count - filled_ref, null_cur = cur->count - filled_cur;
	double a[2] = { (double)null_ref, (double)filled_ref }, b[2] = { (double)null_cur, (double)filled_cur };
	struct effect effect = EFFECT_NONE;

	ret_shares[0] = ref->count ? a[0] / (double)ref->count : 0;
	ret_shares[1] = cur->count ? b[0] / (double)cur->count : 0;
	if (!ref->count || !cur->count || null_ref + null_cur == 0)
		return effect;
	effect.test = "nulls";
	effect.score = range_of(js_distance(a, b, 2, 2));
	effect.p = range_of(filled_ref + filled_cur ? two_shares_p(null_ref, ref->count, null_cur, cur->count) : 1);
	effect.chance = chance_of(2, (double)ref->count, (double)cur->count);
	return effect;
}

static bool is_by_value(const struct column *ref)
{
	size_t n;

	return column_values(ref, &n) && n <= DRIFT_FEW;
}

struct effect column_effect(const struct column *ref, const struct column *cur)
{
	struct effect effect = EFFECT_NONE;
	size_t n;

	if (column_is_text(ref) || column_is_text(cur))
		return categories_effect(ref, cur);
	if (is_by_value(ref) && ref->min != ref->max && column_values(cur, &n))
		effect = categories_effect(ref, cur);
	return effect.test ? effect : numbers_effect(ref, cur);
}
