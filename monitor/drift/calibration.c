/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far windows of the reference are from each other, so that what it does by itself is no drift. Each is compared
 * with the others together. Distribution functions are linear, so the others are never made: the distance to them is that
 * to all windows, times n / (n - own); counts are subtracted.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/drift/drift_bands.h"
#include "monitor/drift/drift_cells.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/profile/profile.h"

#define SCORES_LEAST 10

struct threshold {
	char *column;
	double value, nulls; /* 0: not calibrated */
	size_t scores;
};
struct calibration {
	struct threshold *items;
	size_t n, windows;
};

void calibration_free(struct calibration *calibration)
{
	for (size_t i = 0; calibration && i < calibration->n; i++)
		free(calibration->items[i].column);
	if (calibration)
		free(calibration->items);
	free(calibration);
}

double calibration_threshold(const struct calibration *calibration, const char *column, bool nulls)
{
	for (size_t i = 0; calibration && i < calibration->n; i++)
		if (strcmp(calibration->items[i].column, column) == 0)
			return nulls ? calibration->items[i].nulls : calibration->items[i].value;
	return 0;
}

/* The column of each window that has values of one kind. */
struct windows {
	const struct column **columns;
	size_t n;
};

static double upper(const double *scores, size_t n)
{
	double mean = 0, squares = 0;

	if (n < SCORES_LEAST)
		return 0;
	for (size_t i = 0; i < n; i++)
		mean += scores[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (scores[i] - mean) * (scores[i] - mean) / (double)n;
	return mean + 3 * sqrt(squares);
}

/* ---- numbers ---- */

struct point {
	double at;
	uint64_t weight;
};

static int by_place(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Steps back to values with weights. */
static size_t points_of(const struct band *band, struct point *points)
{
	double before = 0;

	for (size_t i = 0; i < band->n; i++) {
		double share = (band->steps[i].low + band->steps[i].high) / 2;

		points[i] = (struct point){ band->steps[i].at, (uint64_t)llrint((share - before) * (double)band->count) };
		before = share;
	}
	return band->n;
}

static void band_of_all(struct band *all, const struct band *parts, size_t n)
{
	size_t total = 0, used = 0;
	CLEANUP(cleanup_free) struct point *points = NULL;
	CLEANUP(cleanup_free) double *values = NULL;
	CLEANUP(cleanup_free) uint64_t *weights = NULL;

	for (size_t i = 0; i < n; i++)
		total += parts[i].n;
	points = xcalloc(total + 1, sizeof(*points));
	values = xcalloc(total + 1, sizeof(*values));
	weights = xcalloc(total + 1, sizeof(*weights));
	for (size_t i = 0; i < n; i++)
		used += points_of(&parts[i], points + used);
	qsort(points, used, sizeof(*points), by_place);
	for (size_t i = 0; i < used; i++) {
		values[i] = points[i].at;
		weights[i] = points[i].weight;
	}
	band_of_values(all, values, weights, used, 0);
}

static double deviation_of(const struct windows *windows)
{
	double n = 0, mean = 0, squares = 0;

	for (size_t i = 0; i < windows->n; i++)
		n += (double)windows->columns[i]->numbers;
	for (size_t i = 0; i < windows->n; i++)
		mean += windows->columns[i]->mean * ((double)windows->columns[i]->numbers / n);
	for (size_t i = 0; i < windows->n; i++) {
		const struct column *c = windows->columns[i];

		squares += (c->m2 + (double)c->numbers * (c->mean - mean) * (c->mean - mean)) / n;
	}
	return sqrt(squares);
}

static double calibrate_numbers(const struct windows *windows)
{
	CLEANUP(cleanup_free) struct band *parts = xcalloc(windows->n + 1, sizeof(*parts));
	CLEANUP(cleanup_free) double *scores = xcalloc(windows->n + 1, sizeof(*scores));
	CLEANUP(band_release) struct band all = { 0 };
	double deviation = deviation_of(windows), total;

	if (windows->n < SCORES_LEAST || !(deviation > 0) || isinf(deviation))
		return 0;
	for (size_t i = 0; i < windows->n; i++)
		band_init(&parts[i], windows->columns[i], NULL);
	band_of_all(&all, parts, windows->n);
	total = (double)all.count;
	for (size_t i = 0; i < windows->n; i++) {
		double rest = total / (total - (double)parts[i].count);

		scores[i] = band_gap(&all, &parts[i]).distance * rest / deviation;
		band_release(&parts[i]);
	}
	return upper(scores, windows->n);
}

/* ---- categories ---- */

struct tally {
	const char *text;
	size_t len, place;
};

static int by_text(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;
	int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Each distinct value once, sorted. */
static size_t texts_of(const struct windows *windows, struct tally **ret)
{
	size_t total = 0, used = 0, kept = 0, n;
	struct tally *texts;

	for (size_t i = 0; i < windows->n; i++) {
		column_values(windows->columns[i], &n);
		total += n;
	}
	texts = xcalloc(total + 1, sizeof(*texts));
	for (size_t i = 0; i < windows->n; i++) {
		const struct value_count *values = column_values(windows->columns[i], &n);

		for (size_t k = 0; k < n; k++)
			texts[used++] = (struct tally){ values[k].text, values[k].len, 0 };
	}
	qsort(texts, used, sizeof(*texts), by_text);
	for (size_t i = 0; i < used; i++) {
		if (kept && by_text(&texts[kept - 1], &texts[i]) == 0)
			continue;
		texts[kept] = texts[i];
		texts[kept].place = kept;
		kept++;
	}
	*ret = texts;
	return kept;
}

static void count_texts(const struct column *column, const struct tally *texts, size_t k, uint64_t *counts)
{
	size_t n;
	const struct value_count *values = column_values(column, &n);

	for (size_t i = 0; i < n; i++) {
		struct tally key = { values[i].text, values[i].len, 0 };
		const struct tally *found = bsearch(&key, texts, k, sizeof(*texts), by_text);

		counts[found->place] += values[i].count;
	}
}

static double calibrate_categories(const struct windows *windows)
{
	CLEANUP(cleanup_free) struct tally *texts = NULL;
	CLEANUP(cleanup_free) double *scores = xcalloc(windows->n + 1, sizeof(*scores));
	size_t k = texts_of(windows, &texts);
	CLEANUP(cleanup_free) uint64_t *all = xcalloc(k + 3, sizeof(*all)), *own = xcalloc(k + 3, sizeof(*own)),
						*others = xcalloc(k + 3, sizeof(*others));

	if (windows->n < SCORES_LEAST || k < 2)
		return 0;
	for (size_t i = 0; i < windows->n; i++)
		count_texts(windows->columns[i], texts, k, all);
	for (size_t i = 0; i < windows->n; i++) {
		memset(own, 0, k * sizeof(*own));
		count_texts(windows->columns[i], texts, k, own);
		for (size_t v = 0; v < k; v++)
			others[v] = all[v] - own[v];
		scores[i] = shares_effect(others, own, k).score.value;
	}
	return upper(scores, windows->n);
}

static double calibrate_nulls(const struct windows *windows)
{
	CLEANUP(cleanup_free) double *scores = xcalloc(windows->n + 1, sizeof(*scores));
	uint64_t all[2] = { 0, 0 };

	for (size_t i = 0; i < windows->n; i++) {
		all[0] += column_filled(windows->columns[i]);
		all[1] += windows->columns[i]->count - column_filled(windows->columns[i]);
	}
	for (size_t i = 0; i < windows->n; i++) {
		uint64_t filled = column_filled(windows->columns[i]);
		uint64_t own[5] = { filled, windows->columns[i]->count - filled };
		uint64_t others[5] = { all[0] - own[0], all[1] - own[1] };

		scores[i] = shares_effect(others, own, 2).score.value;
	}
	return upper(scores, windows->n);
}

/* ---- all columns ---- */

static bool is_known(const struct windows *windows)
{
	size_t n;

	for (size_t i = 0; i < windows->n; i++)
		if (!column_values(windows->columns[i], &n))
			return false;
	return windows->n > 0;
}

/* As the judge compares them: categories always by value, numbers when there are few. */
static double calibrate_values(const struct windows *windows)
{
	bool text = windows->n && column_is_text(windows->columns[0]);
	CLEANUP(cleanup_free) struct tally *texts = NULL;

	if (is_known(windows) && (text || texts_of(windows, &texts) <= DRIFT_FEW))
		return calibrate_categories(windows);
	return text ? 0 : calibrate_numbers(windows);
}

static struct threshold calibrate(const char *name, const struct profile *const *windows, size_t n)
{
	struct windows usable = { .columns = xcalloc(n + 1, sizeof(*usable.columns)) };
	CLEANUP(cleanup_free) const struct column **columns = usable.columns;
	struct threshold threshold = { .column = xstrdup(name) };

	for (size_t i = 0; i < n; i++) {
		const struct column *column = profile_find(windows[i], name);
		bool text = usable.n > 0 && column_is_text(columns[0]);

		if (column && column_filled(column) && column->type != COLUMN_EMPTY &&
		    (usable.n == 0 || column_is_text(column) == text))
			columns[usable.n++] = column;
	}
	threshold.scores = usable.n;
	threshold.nulls = calibrate_nulls(&usable);
	threshold.value = calibrate_values(&usable);
	return threshold;
}

int drift_calibrate(const struct profile *const *windows, size_t n, const struct drift_options *options,
		    struct calibration **ret, struct error *err)
{
	struct calibration *calibration;

	if (n < SCORES_LEAST) {
		error_set(err, ERR_UNDECIDED, "%zu window%s of the reference, at least %d are needed to calibrate by", n,
			  n == 1 ? "" : "s", SCORES_LEAST);
		return error_help(err, "take a longer reference or shorter windows");
	}
	calibration = xcalloc(1, sizeof(*calibration));
	calibration->windows = n;
	calibration->items = xcalloc(windows[0]->ncolumns + 1, sizeof(*calibration->items));
	for (size_t i = 0; i < windows[0]->ncolumns; i++) {
		const char *name = windows[0]->columns[i].name;

		if ((options->columns.len && !strlist_has(&options->columns, name)) || strlist_has(&options->ignore, name))
			continue;
		calibration->items[calibration->n++] = calibrate(name, windows, n);
	}
	*ret = calibration;
	return 0;
}

/* ---- to keep ---- */

struct js *calibration_to_json(const struct calibration *calibration)
{
	struct js *json = js_object(), *columns = js_array();

	js_set_int(json, "version", 1);
	js_set_int(json, "windows", (int64_t)calibration->windows);
	for (size_t i = 0; i < calibration->n; i++) {
		const struct threshold *item = &calibration->items[i];
		struct js *column = js_object();

		js_set_str(column, "name", item->column);
		js_set_real(column, "threshold", round_digits(item->value));
		js_set_real(column, "nulls", round_digits(item->nulls));
		js_set_int(column, "scores", (int64_t)item->scores);
		js_push(columns, column);
	}
	js_set(json, "columns", columns);
	return json;
}

static bool is_threshold(double x)
{
	return isfinite(x) && x >= 0;
}

int calibration_from_json(const struct js *json, struct calibration **ret, struct error *err)
{
	const struct js *columns = js_get(json, "columns");
	struct calibration *calibration;

	if (js_get_int(json, "version", 0) != 1 || js_typeof(columns) != JS_ARRAY)
		return error_set(err, ERR_DAMAGED, "this is no calibration of version 1");
	calibration = xcalloc(1, sizeof(*calibration));
	calibration->windows = (size_t)js_get_int(json, "windows", 0);
	calibration->items = xcalloc(js_len(columns) + 1, sizeof(*calibration->items));
	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *column = js_at(columns, i);
		const char *name = js_get_str(column, "name");
		double value = js_get_real(column, "threshold", NAN), nulls = js_get_real(column, "nulls", NAN);

		if (!name || !is_threshold(value) || !is_threshold(nulls)) {
			calibration_free(calibration);
			return error_set(err, ERR_DAMAGED, "column %zu of the calibration is not readable", i + 1);
		}
		calibration->items[calibration->n++] =
			(struct threshold){ xstrdup(name), value, nulls, (size_t)js_get_int(column, "scores", 0) };
	}
	*ret = calibration;
	return 0;
}
