/* SPDX-License-Identifier: Apache-2.0 */
/* Labels have come: is the model worse than it was? */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/stats/labels.h"
#include "monitor/table/number.h"
#include "monitor/stats/stats.h"

#define CONFIDENCE  0.95
#define ROWS_LEAST  30
#define WORDS_MAX   256
#define CLASSES_MAX 20
#define ADWIN_DELTA 0.002

void outcomes_release(struct outcomes *outcomes)
{
	free(outcomes->items);
	strlist_release(&outcomes->words);
}

/* A word is the number of its place, below all that tables have. */
#define WORD_FIRST (-0x1p1000)

static int code_of(struct outcomes *outcomes, const char *text, double *ret, struct error *err)
{
	bool whole;
	size_t i = 0;

	if (!text) {
		*ret = NAN;
		return 0;
	}
	if (number_parse(text, strlen(text), ret, &whole))
		return 0;
	outcomes->numbers = false;
	while (i < outcomes->words.len && strcmp(outcomes->words.items[i], text) != 0)
		i++;
	if (i == WORDS_MAX)
		return error_set(err, ERR_USAGE, "labels and predictions have more than %d different words: %s", WORDS_MAX, text);
	if (i == outcomes->words.len)
		strlist_push(&outcomes->words, text);
	*ret = WORD_FIRST * (double)(WORDS_MAX - i);
	return 0;
}

int outcomes_add(struct outcomes *outcomes, const char *label, const char *prediction, const char *score, struct error *err)
{
	struct outcome row = { .score = NAN };
	bool whole;

	if (!label || (!prediction && !score))
		return 0;
	if (code_of(outcomes, label, &row.label, err) < 0 || code_of(outcomes, prediction, &row.prediction, err) < 0)
		return -1;
	if (score && !number_parse(score, strlen(score), &row.score, &whole))
		return error_set(err, ERR_USAGE, "the score %.40s is no number", score);
	GROW(outcomes->items, outcomes->n, outcomes->cap);
	outcomes->items[outcomes->n++] = row;
	return 0;
}

/* ---- both sides with one code ---- */

struct pair {
	struct outcomes ref, cur;
	double classes[CLASSES_MAX + 1]; /* ascending */
	size_t n_classes;		 /* CLASSES_MAX + 1: more */
	bool regression;
};

static void pair_release(struct pair *pair)
{
	outcomes_release(&pair->ref);
	outcomes_release(&pair->cur);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A word's code is its place among the words of both sides, so that the same word is the same class, and of two classes
 * the later one is the positive one whichever came first. */
static double recode(double code, const struct outcomes *from, const struct strlist *all)
{
	const char *word, **found;

	if (isnan(code) || code > WORD_FIRST)
		return code;
	word = from->words.items[(size_t)(WORDS_MAX - code / WORD_FIRST)];
	found = bsearch(&word, all->items, all->len, sizeof(*all->items), by_text);
	return WORD_FIRST * (double)(2 * WORDS_MAX - (size_t)((char **)found - all->items));
}

static void copy(struct outcomes *to, const struct outcomes *from, const struct strlist *all)
{
	*to = (struct outcomes){ .items = xcalloc(from->n + 1, sizeof(*to->items)), .n = from->n };
	for (size_t i = 0; i < from->n; i++) {
		to->items[i] = from->items[i];
		to->items[i].label = recode(from->items[i].label, from, all);
		to->items[i].prediction = recode(from->items[i].prediction, from, all);
	}
}

static void find_classes(struct pair *pair, const struct outcomes *outcomes)
{
	for (size_t i = 0; i < outcomes->n; i++) {
		double label = outcomes->items[i].label;
		size_t at = 0;

		while (at < pair->n_classes && pair->classes[at] < label)
			at++;
		if (at < pair->n_classes && pair->classes[at] == label)
			continue;
		if (pair->n_classes > CLASSES_MAX)
			return;
		memmove(pair->classes + at + 1, pair->classes + at, (pair->n_classes - at) * sizeof(double));
		pair->classes[at] = label;
		pair->n_classes++;
	}
}

static void pair_init(struct pair *pair, const struct outcomes *ref, const struct outcomes *cur)
{
	CLEANUP(strlist_release) struct strlist all = STRLIST_INIT;

	for (size_t i = 0; i < ref->words.len; i++)
		strlist_push(&all, ref->words.items[i]);
	for (size_t i = 0; i < cur->words.len; i++)
		strlist_push(&all, cur->words.items[i]);
	strlist_sort(&all);
	strlist_uniq(&all);
	*pair = (struct pair){ .n_classes = 0 };
	copy(&pair->ref, ref, &all);
	copy(&pair->cur, cur, &all);
	find_classes(pair, ref->n ? &pair->ref : &pair->cur);
	find_classes(pair, &pair->cur);
	pair->regression = ref->numbers && cur->numbers && pair->n_classes > CLASSES_MAX;
}

/* ---- metrics ---- */

struct metric {
	const char *name;
	struct interval value;
	size_t rows;
};

static double error_of(const struct pair *pair, const struct outcome *row)
{
	return pair->regression ? fabs(row->prediction - row->label) : row->prediction != row->label;
}

static struct metric accuracy_of(const struct outcomes *outcomes)
{
	uint64_t hits = 0, n = 0;

	for (size_t i = 0; i < outcomes->n; i++) {
		n += isnan(outcomes->items[i].prediction) ? 0 : 1;
		hits += outcomes->items[i].prediction == outcomes->items[i].label;
	}
	return (struct metric){ "accuracy", share_interval(hits, n, CONFIDENCE), n };
}

static struct metric mae_of(const struct pair *pair, const struct outcomes *outcomes)
{
	double sum = 0, squares = 0, n = 0, mean, half;

	for (size_t i = 0; i < outcomes->n; i++) {
		double error = error_of(pair, &outcomes->items[i]);

		if (isnan(error))
			continue;
		sum += error;
		squares += error * error;
		n++;
	}
	mean = sum / n;
	half = normal_quantile((1 + CONFIDENCE) / 2) * sqrt(fmax(squares / n - mean * mean, 0) / n);
	return (struct metric){ "mae", { mean, mean - half, mean + half }, (size_t)n };
}

static struct metric auc_of(const struct pair *pair, const struct outcomes *outcomes)
{
	CLEANUP(cleanup_free) double *scores = xcalloc(outcomes->n + 1, sizeof(*scores));
	CLEANUP(cleanup_free) uint8_t *labels = xcalloc(outcomes->n + 1, sizeof(*labels));
	size_t n = 0;

	for (size_t i = 0; i < outcomes->n; i++) {
		if (isnan(outcomes->items[i].score))
			continue;
		scores[n] = outcomes->items[i].score;
		labels[n++] = outcomes->items[i].label == pair->classes[1];
	}
	return (struct metric){ "auc", auc_interval(scores, labels, n, CONFIDENCE), n };
}

static void worsen(enum drift_state *state, enum drift_state one)
{
	if (*state == DRIFT_FOUND || one == DRIFT_NONE)
		return;
	*state = one;
}

static void set_number(struct js *json, const char *key, double x)
{
	if (!isnan(x))
		js_set_real(json, key, round_digits(x));
}

/* The interval of a difference from those of its sides (Newcombe's method 10, Donner and Zou's MOVER). */
static struct js *show_metric(const struct metric *ref, const struct metric *cur, double sign, enum drift_state *state)
{
	const struct interval *a = &ref->value, *b = &cur->value;
	double drop = sign * (a->value - b->value);
	double low = drop - (sign > 0 ? hypot(a->value - a->low, b->high - b->value) : hypot(b->value - b->low, a->high - a->value));
	double high = drop + (sign > 0 ? hypot(a->high - a->value, b->value - b->low) : hypot(b->high - b->value, a->value - a->low));
	enum drift_state own = ref->rows < ROWS_LEAST || cur->rows < ROWS_LEAST || isnan(drop) ? DRIFT_INSUFFICIENT :
			       low > 0 ? DRIFT_FOUND : DRIFT_NONE;
	struct js *json = js_object();

	js_set_str(json, "metric", ref->name);
	set_number(json, "baseline", a->value);
	set_number(json, "value", b->value);
	set_number(json, "low", b->low);
	set_number(json, "high", b->high);
	set_number(json, "drop", drop);
	set_number(json, "drop_low", low);
	set_number(json, "drop_high", high);
	js_set_int(json, "reference_rows", (int64_t)ref->rows);
	js_set_int(json, "rows", (int64_t)cur->rows);
	js_set_str(json, "state", drift_state_name(own));
	worsen(state, own);
	return json;
}

/* ---- the stream of errors ---- */

/* ADWIN's bound is one of values up to 1. */
static double largest_error(const struct pair *pair)
{
	double most = 0;

	for (size_t i = 0; i < pair->ref.n; i++)
		most = fmax(most, error_of(pair, &pair->ref.items[i]));
	return most > 0 ? most : 1;
}

/* The row at which the mean of errors rose, from 1; 0: it did not. */
static size_t find_change(const struct pair *pair, struct adwin *adwin)
{
	double most = largest_error(pair);

	for (size_t i = 0; i < pair->ref.n; i++)
		adwin_add(adwin, fmin(error_of(pair, &pair->ref.items[i]) / most, 1));
	for (size_t i = 0; i < pair->cur.n; i++) {
		double before = adwin_mean(adwin);

		if (adwin_add(adwin, fmin(error_of(pair, &pair->cur.items[i]) / most, 1)) && adwin_mean(adwin) > before)
			return i + 1;
	}
	return 0;
}

static struct js *show_errors(const struct pair *pair, enum drift_state *state)
{
	struct adwin *adwin = adwin_new(ADWIN_DELTA);
	struct js *json = js_object();
	size_t row = find_change(pair, adwin);

	js_set_str(json, "metric", "errors");
	js_set_str(json, "state", drift_state_name(row ? DRIFT_FOUND : DRIFT_NONE));
	if (row)
		js_set_int(json, "row", (int64_t)row);
	worsen(state, row ? DRIFT_FOUND : DRIFT_NONE);
	adwin_free(adwin);
	return json;
}

static bool has_predictions(const struct outcomes *outcomes)
{
	return outcomes->n && !isnan(outcomes->items[0].prediction);
}

static bool has_scores(const struct outcomes *outcomes)
{
	return outcomes->n && !isnan(outcomes->items[0].score);
}

int drift_performance(const struct outcomes *reference, const struct outcomes *current, enum drift_state *ret_state,
		      struct js **ret, struct error *err)
{
	CLEANUP(pair_release) struct pair pair;
	enum drift_state state = DRIFT_NONE;
	struct js *list;

	if (!reference->n || !current->n)
		return error_set(err, ERR_UNDECIDED, "the %s has no row with a label", reference->n ? "current table" : "reference");
	pair_init(&pair, reference, current);
	list = js_array();
	if (has_predictions(&pair.ref) && has_predictions(&pair.cur)) {
		struct metric before = pair.regression ? mae_of(&pair, &pair.ref) : accuracy_of(&pair.ref);
		struct metric now = pair.regression ? mae_of(&pair, &pair.cur) : accuracy_of(&pair.cur);

		js_push(list, show_metric(&before, &now, pair.regression ? -1 : 1, &state));
		js_push(list, show_errors(&pair, &state));
	}
	if (has_scores(&pair.ref) && has_scores(&pair.cur) && pair.n_classes == 2) {
		struct metric before = auc_of(&pair, &pair.ref), now = auc_of(&pair, &pair.cur);

		js_push(list, show_metric(&before, &now, 1, &state));
	}
	*ret_state = state;
	*ret = list;
	return 0;
}
