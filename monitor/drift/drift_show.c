/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict as JSON, and the pictures in it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/drift/drift_bands.h"
#include "monitor/drift/drift_cells.h"
#include "monitor/drift/drift_internal.h"

#define PICTURE_BINS   20
#define PICTURE_VALUES 10 /* those that differ most; the rest is one */
#define PICTURE_TEXT   60 /* bytes of a value */

double round_digits(double x)
{
	char text[32];

	if (!isfinite(x))
		return x;
	snprintf(text, sizeof(text), "%.12g", x);
	return strtod(text, NULL);
}

static void set_number(struct js *json, const char *key, double x)
{
	if (!isnan(x))
		js_set_real(json, key, round_digits(x));
}

/* ---- pictures ---- */

/* The value below which a share of the band is. */
static double quantile(const struct band *band, double share)
{
	for (size_t i = 0; i < band->n; i++)
		if ((band->steps[i].low + band->steps[i].high) / 2 >= share)
			return band->steps[i].at;
	return band->steps[band->n - 1].at;
}

static struct js *shares_between(const struct band *band, const double *edges, size_t n)
{
	struct js *list = js_array();
	double before = 0;

	for (size_t i = 0; i < n; i++) {
		double after = i + 1 < n ? band_below(band, edges[i + 1]) : 1;

		js_push(list, js_real(round_digits(fmax(after - before, 0))));
		before = after;
	}
	return list;
}

/* Bins of one width over all but the outermost half percent of each side, which goes into the first and the last. */
static struct js *numbers_picture(const struct judged *c)
{
	CLEANUP(band_release) struct band ref = { 0 }, cur = { 0 };
	struct js *json = js_object(), *list = js_array();
	double edges[PICTURE_BINS + 1], low, high;

	band_init(&ref, c->ref, NULL);
	band_init(&cur, c->cur, &c->ref->fine);
	low = fmin(quantile(&ref, 0.005), quantile(&cur, 0.005));
	high = fmax(quantile(&ref, 0.995), quantile(&cur, 0.995));
	if (low == high) {
		low -= 0.5;
		high += 0.5;
	}
	for (size_t i = 0; i <= PICTURE_BINS; i++) {
		edges[i] = low + (high - low) * (double)i / PICTURE_BINS;
		js_push(list, js_real(round_digits(edges[i])));
	}
	js_set(json, "edges", list);
	js_set(json, "reference", shares_between(&ref, edges, PICTURE_BINS));
	js_set(json, "current", shares_between(&cur, edges, PICTURE_BINS));
	return json;
}

struct totals {
	double ref, cur;
};

static int by_difference(const void *a, const void *b, void *ctx)
{
	const struct cell *x = a, *y = b;
	const struct totals *t = ctx;
	double dx = fabs((double)x->ref / t->ref - (double)x->cur / t->cur);
	double dy = fabs((double)y->ref / t->ref - (double)y->cur / t->cur);

	return dx != dy ? (dx < dy) - (dx > dy) : memcmp(x->value.text, y->value.text,
							 x->value.len < y->value.len ? x->value.len : y->value.len);
}

static int by_number(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	return (x->value.number > y->value.number) - (x->value.number < y->value.number);
}

static int by_frequency(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	return (x->ref + x->cur < y->ref + y->cur) - (x->ref + x->cur > y->ref + y->cur);
}

static struct js *categories_picture(const struct judged *c)
{
	CLEANUP(cells_release) struct cells cells;
	struct js *json, *values = js_array(), *ref = js_array(), *cur = js_array();
	struct totals all = { 0, 0 }, rest = { 0, 0 };
	size_t shown;

	if (!cells_init(&cells, c->ref, c->cur)) {
		js_free(values);
		js_free(ref);
		js_free(cur);
		return NULL;
	}
	for (size_t i = 0; i < cells.n; i++) {
		all.ref += (double)cells.items[i].ref;
		all.cur += (double)cells.items[i].cur;
	}
	qsort_r(cells.items, cells.n, sizeof(*cells.items), by_difference, &all);
	shown = cells.n <= PICTURE_VALUES ? cells.n : PICTURE_VALUES - 1;
	qsort(cells.items, shown, sizeof(*cells.items), column_is_text(c->ref) ? by_frequency : by_number);
	for (size_t i = 0; i < cells.n; i++) {
		const struct cell *cell = &cells.items[i];

		if (i >= shown) {
			rest.ref += (double)cell->ref;
			rest.cur += (double)cell->cur;
			continue;
		}
		js_push(values, js_strn(cell->value.text, cell->value.len < PICTURE_TEXT ? cell->value.len : PICTURE_TEXT));
		js_push(ref, js_real(round_digits((double)cell->ref / all.ref)));
		js_push(cur, js_real(round_digits((double)cell->cur / all.cur)));
	}
	if (shown < cells.n) {
		js_push(values, js_str("all others"));
		js_push(ref, js_real(round_digits(rest.ref / all.ref)));
		js_push(cur, js_real(round_digits(rest.cur / all.cur)));
	}
	json = js_object();
	js_set(json, "values", values);
	js_set(json, "reference", ref);
	js_set(json, "current", cur);
	return json;
}

struct js *drift_picture(const struct judged *c)
{
	size_t n;

	if (!c->ref || !c->cur || !column_filled(c->ref) || !column_filled(c->cur) || c->state == DRIFT_TYPE_CHANGED)
		return NULL;
	if (column_is_text(c->ref) || column_is_text(c->cur))
		return categories_picture(c);
	if (column_values(c->ref, &n) && n <= DRIFT_FEW && column_values(c->cur, &n) && n <= DRIFT_FEW)
		return categories_picture(c);
	return numbers_picture(c);
}

/* ---- the verdict ---- */

static void show_nulls(struct js *json, const struct judged *c)
{
	struct js *nulls = js_object();

	set_number(nulls, "reference", c->null_share[0]);
	set_number(nulls, "current", c->null_share[1]);
	if (c->nulls.test) {
		set_number(nulls, "score", c->nulls.score.value);
		set_number(nulls, "threshold", c->nulls_threshold);
		set_number(nulls, "p", c->nulls.p.value);
		set_number(nulls, "p_adjusted", c->nulls_adjusted);
	}
	js_set(json, "nulls", nulls);
}

static struct js *show_column(const struct judged *c)
{
	const struct range *score = &c->effect.score;
	struct js *json = js_object(), *picture = drift_picture(c);

	js_set_str(json, "name", c->name);
	js_set_str(json, "type", column_type_name((c->cur ? c->cur : c->ref)->type));
	js_set_bool(json, "critical", c->critical);
	js_set_str(json, "state", drift_state_name(c->state));
	js_set_str(json, "test", c->effect.test);
	if (c->effect.test) {
		set_number(json, "score", score->value);
		set_number(json, "threshold", c->threshold);
		set_number(json, "p", c->effect.p.value);
		set_number(json, "p_adjusted", c->adjusted.value);
		if (!isnan(score->value))
			set_number(json, "error", fmax(score->high - score->value, score->value - score->low));
	}
	if (c->ref && c->cur)
		show_nulls(json, c);
	js_set_str(json, "reason", c->reason);
	if (picture)
		js_set(json, "picture", picture);
	return json;
}

static const int ranks[] = {
	[DRIFT_MISSING] = 0, [DRIFT_ALL_NULL] = 0, [DRIFT_TYPE_CHANGED] = 0, [DRIFT_FOUND] = 1,
	[DRIFT_UNDECIDED] = 2, [DRIFT_NONE] = 3, [DRIFT_INSUFFICIENT] = 4, [DRIFT_NEW] = 5, [DRIFT_SKIPPED] = 6,
};

/* How far beyond its threshold; a p-value the other way round. */
static double excess(const struct judged *c)
{
	double nulls = c->nulls.test ? c->nulls.score.value / c->nulls_threshold : 0;

	if (!c->effect.test)
		return nulls;
	if (isnan(c->effect.score.value))
		return c->threshold / fmax(c->effect.p.value, 1e-300);
	return fmax(c->effect.score.value / c->threshold, nulls);
}

static int by_excess(const void *a, const void *b)
{
	const struct judged *x = a, *y = b;
	double dx = excess(x), dy = excess(y);

	if (ranks[x->state] != ranks[y->state])
		return ranks[x->state] - ranks[y->state];
	return dx != dy ? (dx < dy) - (dx > dy) : strcmp(x->name, y->name);
}

struct js *judgement_show(struct judgement *j)
{
	struct js *json = js_object(), *rows = js_object(), *columns = js_array(), *warnings = js_array();

	qsort(j->columns, j->n, sizeof(*j->columns), by_excess);
	js_set_str(json, "method", j->options->method == DRIFT_EVIDENTLY ? "evidently" : "mlops");
	js_set_str(json, "state", drift_state_name(j->state));
	js_set_str(json, "reason", j->reason);
	for (size_t i = 0; i < j->warnings.len; i++)
		js_push_str(warnings, j->warnings.items[i]);
	js_set(json, "warnings", warnings);
	js_set_int(rows, "reference", (int64_t)j->ref->rows);
	js_set_int(rows, "current", (int64_t)j->cur->rows);
	js_set(json, "rows", rows);
	js_set_int(json, "judged", (int64_t)j->judged);
	js_set_int(json, "drifted", (int64_t)j->drifted);
	set_number(json, "share", j->judged ? (double)j->drifted / (double)j->judged : 0);
	for (size_t i = 0; i < j->n; i++)
		js_push(columns, show_column(&j->columns[i]));
	js_set(json, "columns", columns);
	return json;
}
