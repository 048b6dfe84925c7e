/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/stats/cbpe_calibrate.h"
#include "monitor/stats/labels.h"

enum score { ACCURACY, PRECISION, RECALL, F1, AUC, SCORES };
static const char *const score_names[] = { "accuracy", "precision", "recall", "f1", "auc" };

struct cbpe {
	struct isotonic calibration; /* no points: the probabilities are taken as they are */
	double errors[SCORES];	     /* standard error of a sample of one row */
};

void cbpe_free(struct cbpe *c)
{
	if (c)
		isotonic_release(&c->calibration);
	free(c);
}

bool cbpe_calibrated(const struct cbpe *c)
{
	return c->calibration.len > 0;
}

static bool is_probability(double p)
{
	return p >= 0 && p <= 1;
}

/* Deviation of a share of ones, over the root of the share of rows that count for it. */
static double error_of_share(double ones, double counted, double n)
{
	double share = ones / counted;
	return sqrt(share * (1 - share)) / sqrt(counted / n);
}

static void errors_of_confusion(const uint8_t *predicted, const uint8_t *label, size_t n, double *errors)
{
	double cells[2][2] = { { 0 } }, rows = (double)n; /* [predicted][label] */
	for (size_t i = 0; i < n; i++)
		cells[predicted[i]][label[i]]++;
	double hit = cells[1][1], false_alarm = cells[1][0], miss = cells[0][1], any = hit + false_alarm + miss;
	errors[ACCURACY] = error_of_share(hit + cells[0][0], rows, rows);
	errors[PRECISION] = error_of_share(hit, hit + false_alarm, rows);
	errors[RECALL] = error_of_share(hit, hit + miss, rows);
	errors[F1] = error_of_share(hit, any, rows) * any / (hit + (false_alarm + miss) / 2);
}

/*
 * NannyML's error of the area: the deviation of the share of negatives below each row of the rarer class. It loses the
 * first rank, by taking all zeros for those of the other class, and so does this.
 */
static double error_of_area(const double *probability, const uint8_t *label, uint32_t n)
{
	CLEANUP(cleanup_free) struct labelled *rows = xcalloc(n, sizeof(*rows));
	double positives = 0, sum = 0, squares = 0, counted = 0;
	for (uint32_t i = 0; i < n; i++)
		positives += label[i];
	bool turned = positives / n > 0.5;
	for (uint32_t i = 0; i < n; i++)
		rows[i] = (struct labelled){ turned ? 1 - probability[i] : probability[i], i, label[i] != turned };
	if (turned)
		positives = n - positives;
	labelled_sort(rows, n);
	for (uint32_t rank = 1; rank < n; rank++)
		if (rows[rank].label) {
			double below = (rank - counted) / (n - positives);
			sum += below;
			squares += below * below;
			counted++;
		}
	double mean = sum / counted;
	return sqrt(fmax(squares / counted - mean * mean, 0)) / sqrt(positives / n);
}

static int check_reference(const double *probability, const uint8_t *predicted, const uint8_t *label, size_t n,
			   struct error *err)
{
	size_t ones = 0;
	if (n < 11 || n > UINT32_MAX)
		return error_set(err, ERR_USAGE, "%zu rows cannot be calibrated: from 11 to 2^32 can", n);
	for (size_t i = 0; i < n; i++) {
		if (!is_probability(probability[i]))
			return error_set(err, ERR_USAGE, "row %zu: %g is no probability", i + 1, probability[i]);
		if (label[i] > 1 || predicted[i] > 1)
			return error_set(err, ERR_USAGE, "row %zu: its %s is neither 0 nor 1", i + 1,
					 label[i] > 1 ? "label" : "prediction");
		ones += label[i];
	}
	if (ones < 2 || n - ones < 2)
		return error_set(err, ERR_USAGE, "there are %zu rows of class 1 and %zu of class 0: both need 2", ones,
				 n - ones);
	return 0;
}

int cbpe_fit(const double *probability, const uint8_t *predicted, const uint8_t *label, size_t n, struct cbpe **ret,
	     struct error *err)
{
	if (check_reference(probability, predicted, label, n, err) < 0)
		return -1;
	struct cbpe *c = xcalloc(1, sizeof(*c));
	CLEANUP(cleanup_free) struct labelled *rows = xcalloc(n, sizeof(*rows));
	for (uint32_t i = 0; i < n; i++)
		rows[i] = (struct labelled){ probability[i], i, label[i] };
	labelled_sort(rows, n);
	if (calibration_helps(rows, label, (uint32_t)n))
		isotonic_fit(rows, n, NULL, &c->calibration);
	errors_of_confusion(predicted, label, n, c->errors);
	c->errors[AUC] = error_of_area(probability, label, (uint32_t)n);
	*ret = c;
	return 0;
}

static double calibrated(const struct cbpe *c, double p)
{
	return cbpe_calibrated(c) ? isotonic_at(&c->calibration, p) : p;
}

static double share_or_0(double part, double whole)
{
	return whole != 0 ? part / whole : 0;
}

struct ranked {
	double score, expected;
};

static int by_score_down(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->score, y = ((const struct ranked *)b)->score;
	return (x < y) - (x > y);
}

static double five_places(double x)
{
	return rint(x * 1e5) / 1e5;
}

/* Of rows that are positive with probability `expected`: the steps of the curve are shares of a row. */
static double expected_area(struct ranked *rows, size_t n)
{
	double area = 0, all = 0, hits = 0, x = 0, y = 0;
	qsort(rows, n, sizeof(*rows), by_score_down);
	for (size_t i = 0; i < n; i++)
		all += rows[i].expected;
	double positives = five_places(all), negatives = five_places((double)n - all);
	if (positives == 0 || negatives == 0)
		return NAN;
	for (size_t i = 0; i < n; i++) {
		hits += rows[i].expected;
		double next_x = five_places((double)(i + 1) - hits) / negatives, next_y = five_places(hits) / positives;
		area += (next_x - x) * (next_y + y) / 2;
		x = next_x;
		y = next_y;
	}
	return area;
}

static struct interval with_error(const struct cbpe *c, enum score score, double value, size_t rows)
{
	double half = 3 * c->errors[score] / sqrt((double)rows);
	if (isnan(value) || isnan(half))
		return (struct interval){ value, NAN, NAN };
	return (struct interval){ value, fmax(value - half, 0), fmin(value + half, 1) };
}

struct cbpe_estimate cbpe_estimate(const struct cbpe *c, const double *probability, const uint8_t *predicted, size_t n)
{
	CLEANUP(cleanup_free) struct ranked *ranked = xcalloc(n + 1, sizeof(*ranked));
	double cells[2][2] = { { 0 } }; /* [predicted][expected] */
	size_t rows = 0;
	for (size_t i = 0; i < n; i++) {
		if (!is_probability(probability[i]) || predicted[i] > 1)
			continue;
		double p = calibrated(c, probability[i]);
		ranked[rows++] = (struct ranked){ probability[i], p };
		cells[predicted[i]][1] += p;
		cells[predicted[i]][0] += 1 - p;
	}
	double hit = cells[1][1], miss = cells[0][1], false_alarm = cells[1][0];
	double accuracy = (hit + cells[0][0]) / (double)rows, nothing = rows ? 0 : NAN;
	return (struct cbpe_estimate){
		.accuracy = with_error(c, ACCURACY, accuracy, rows),
		.precision = with_error(c, PRECISION, nothing + share_or_0(hit, hit + false_alarm), rows),
		.recall = with_error(c, RECALL, nothing + share_or_0(hit, hit + miss), rows),
		.f1 = with_error(c, F1, nothing + share_or_0(hit, hit + (false_alarm + miss) / 2), rows),
		.auc = with_error(c, AUC, expected_area(ranked, rows), rows),
		.rows = rows,
		.left_out = n - rows,
	};
}

struct js *cbpe_to_json(const struct cbpe *c)
{
	struct js *json = js_object(), *errors = js_object(), *points = js_array();
	for (size_t i = 0; i < c->calibration.len; i++) {
		js_push(points, js_real(c->calibration.x[i]));
		js_push(points, js_real(c->calibration.y[i]));
	}
	for (int i = 0; i < SCORES; i++)
		js_set_real(errors, score_names[i], c->errors[i]);
	js_set(json, "calibration", points);
	js_set(json, "errors", errors);
	return json;
}

static int points_from_json(const struct js *json, struct isotonic *f, struct error *err)
{
	size_t len = js_len(json);
	if (js_typeof(json) != JS_ARRAY || len % 2 != 0)
		return error_set(err, ERR_DAMAGED, "performance estimate: its calibration is no list of points");
	f->x = xcalloc(len / 2 + 1, sizeof(*f->x));
	f->y = xcalloc(len / 2 + 1, sizeof(*f->y));
	for (; f->len < len / 2; f->len++) {
		double *x = &f->x[f->len], *y = &f->y[f->len];
		*x = js_number(js_at(json, 2 * f->len));
		*y = js_number(js_at(json, 2 * f->len + 1));
		if (!is_probability(*x) || !is_probability(*y) || (f->len > 0 && (*x <= x[-1] || *y < y[-1])))
			return error_set(err, ERR_DAMAGED, "performance estimate: point %zu does not rise", f->len + 1);
	}
	return 0;
}

int cbpe_from_json(const struct js *json, struct cbpe **ret, struct error *err)
{
	struct cbpe *c = xcalloc(1, sizeof(*c));
	if (points_from_json(js_get(json, "calibration"), &c->calibration, err) < 0) {
		cbpe_free(c);
		return -1;
	}
	for (int i = 0; i < SCORES; i++)
		c->errors[i] = js_get_real(js_get(json, "errors"), score_names[i], NAN);
	*ret = c;
	return 0;
}
