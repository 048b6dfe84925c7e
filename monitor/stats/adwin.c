/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/stats/labels.h"

#define CLOCK	    32 /* looks for a cut every so many values */
#define ROW_BUCKETS 5
#define WINDOW_MIN  5  /* values on either side of a cut */
#define GRACE	    10 /* values before the first look */
#define ROWS_MAX    48 /* more values than anybody has */

/* A bucket of row r holds 2^r values: their sum, and the sum of their squared distances from their mean. */
struct bucket {
	double total, variance;
};
struct row {
	int len; /* 0 is the oldest */
	struct bucket buckets[ROW_BUCKETS + 1];
};

struct adwin {
	double delta;
	bool changed; /* by the last value: the next one begins anew */
	uint64_t seen, width;
	double total, variance; /* of the window, as of a bucket */
	int n_rows;
	struct row rows[ROWS_MAX];
};

static void adwin_begin(struct adwin *a)
{
	*a = (struct adwin){ .delta = a->delta, .n_rows = 1 };
}

struct adwin *adwin_new(double delta)
{
	struct adwin *a = xcalloc(1, sizeof(*a));
	a->delta = delta;
	adwin_begin(a);
	return a;
}

void adwin_free(struct adwin *a)
{
	free(a);
}

static void row_drop(struct row *row, int n)
{
	row->len -= n;
	memmove(row->buckets, row->buckets + n, (size_t)row->len * sizeof(row->buckets[0]));
}

static struct bucket bucket_join(const struct bucket *a, const struct bucket *b, double size)
{
	double gap = a->total / size - b->total / size;
	return (struct bucket){ a->total + b->total, a->variance + b->variance + size * 0.5 * gap * gap };
}

/* A row that is too long gives its two oldest buckets to the next one, as one. */
static void rows_compress(struct adwin *a)
{
	for (int r = 0; r + 1 < ROWS_MAX && a->rows[r].len > ROW_BUCKETS; r++) {
		struct row *row = &a->rows[r], *next = &a->rows[r + 1];
		next->buckets[next->len++] = bucket_join(&row->buckets[0], &row->buckets[1], ldexp(1, r));
		row_drop(row, 2);
		if (a->n_rows < r + 2)
			a->n_rows = r + 2;
	}
}

static void insert(struct adwin *a, double value)
{
	struct row *row = &a->rows[0];
	row->buckets[row->len++] = (struct bucket){ value, 0 };
	double before = (double)a->width++, width = before + 1;
	if (before > 0) {
		double gap = value - a->total / before;
		a->variance += before * gap * gap / width;
	}
	a->total += value;
	rows_compress(a);
}

static void drop_oldest(struct adwin *a)
{
	struct row *row = &a->rows[a->n_rows - 1];
	double size = ldexp(1, a->n_rows - 1), mean = row->buckets[0].total / size;
	a->width -= (uint64_t)1 << (a->n_rows - 1);
	a->total -= row->buckets[0].total;
	double width = (double)a->width, rest = a->total / width;
	a->variance -= row->buckets[0].variance + size * width * (mean - rest) * (mean - rest) / (size + width);
	row_drop(row, 1);
	if (row->len == 0 && a->n_rows > 1)
		a->n_rows--;
}

static bool differ(const struct adwin *a, double n_old, double n_new, double gap)
{
	double log_term = log(2 * log((double)a->width) / a->delta);
	double inverse = 1 / (n_old - WINDOW_MIN + 1) + 1 / (n_new - WINDOW_MIN + 1);
	double deviation = a->variance / (double)a->width;
	return fabs(gap) > sqrt(2 * inverse * deviation * log_term) + 2.0 / 3 * log_term * inverse;
}

/* Whether the window can be cut, between any two buckets, into parts whose means differ. */
static bool has_cut(const struct adwin *a)
{
	double n_old = 0, n_new = (double)a->width, old = 0, new = a->total;
	for (int r = a->n_rows - 1; r >= 0; r--) {
		const struct row *row = &a->rows[r];
		for (int i = 0; i < row->len; i++) {
			n_old += ldexp(1, r);
			n_new -= ldexp(1, r);
			old += row->buckets[i].total;
			new -= row->buckets[i].total;
			if (n_old < WINDOW_MIN || n_new < WINDOW_MIN)
				continue;
			if (differ(a, n_old, n_new, old / n_old - new / n_new))
				return true;
		}
	}
	return false;
}

bool adwin_add(struct adwin *a, double value)
{
	if (!isfinite(value))
		return false;
	if (a->changed)
		adwin_begin(a);
	insert(a, value);
	if (++a->seen % CLOCK != 0 || a->width <= GRACE)
		return false;
	while (has_cut(a)) {
		drop_oldest(a);
		a->changed = true;
	}
	return a->changed;
}

double adwin_mean(const struct adwin *a)
{
	return a->width ? a->total / (double)a->width : NAN;
}

double adwin_width(const struct adwin *a)
{
	return (double)a->width;
}

struct js *adwin_to_json(const struct adwin *a)
{
	struct js *json = js_object(), *rows = js_array();
	js_set_real(json, "delta", a->delta);
	js_set_bool(json, "changed", a->changed);
	js_set_int(json, "seen", (int64_t)a->seen);
	js_set_real(json, "total", a->total);
	js_set_real(json, "variance", a->variance);
	for (int r = 0; r < a->n_rows; r++) {
		struct js *row = js_array();
		for (int i = 0; i < a->rows[r].len; i++) {
			js_push(row, js_real(a->rows[r].buckets[i].total));
			js_push(row, js_real(a->rows[r].buckets[i].variance));
		}
		js_push(rows, row);
	}
	js_set(json, "rows", rows);
	return json;
}

static int row_from_json(const struct js *json, struct row *row, struct error *err)
{
	size_t len = js_len(json);
	if (js_typeof(json) != JS_ARRAY || len % 2 != 0 || len > 2 * ROW_BUCKETS)
		return error_set(err, ERR_DAMAGED, "drift detector: a row of buckets has %zu numbers", len);
	for (size_t i = 0; i < len; i += 2) {
		struct bucket bucket = { js_number(js_at(json, i)), js_number(js_at(json, i + 1)) };
		if (!isfinite(bucket.total) || !isfinite(bucket.variance))
			return error_set(err, ERR_DAMAGED, "drift detector: a bucket is no pair of numbers");
		row->buckets[row->len++] = bucket;
	}
	return 0;
}

int adwin_from_json(const struct js *json, struct adwin **ret, struct error *err)
{
	const struct js *rows = js_get(json, "rows");
	struct adwin a = { .delta = js_get_real(json, "delta", NAN),
			   .changed = js_get_bool(json, "changed"),
			   .seen = (uint64_t)js_get_int(json, "seen", 0), /* below 0: more than can be */
			   .total = js_get_real(json, "total", NAN),
			   .variance = js_get_real(json, "variance", NAN),
			   .n_rows = (int)js_len(rows) };
	if (js_typeof(rows) != JS_ARRAY || js_len(rows) < 1 || js_len(rows) > ROWS_MAX)
		return error_set(err, ERR_DAMAGED, "drift detector: there are %zu rows of buckets", js_len(rows));
	if (!(a.delta > 0 && a.delta < 1) || !isfinite(a.total) || !isfinite(a.variance))
		return error_set(err, ERR_DAMAGED, "drift detector: delta, total or variance is no such number");
	for (int r = 0; r < a.n_rows; r++) {
		if (row_from_json(js_at(rows, (size_t)r), &a.rows[r], err) < 0)
			return -1;
		/* Only the oldest row loses buckets, and is gone with its last one. */
		if (a.rows[r].len == 0 && a.n_rows > 1)
			return error_set(err, ERR_DAMAGED, "drift detector: row %d of buckets is empty", r);
		a.width += (uint64_t)a.rows[r].len << r;
	}
	if (a.width > a.seen || a.seen > INT64_MAX)
		return error_set(err, ERR_DAMAGED, "drift detector: its window is longer than what it has seen");
	*ret = xmemdup(&a, sizeof(a));
	return 0;
}
