/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page.h"
#include "monitor/page/page_monitor.h"

static bool is_drift(const char *state)
{
	return state && !strcmp(state, "DRIFT");
}

/* A state that is no measure of drift has a look of its own; of the others the score tells how far it went. */
static enum level level_of(const char *state, double ratio)
{
	static const struct {
		const char *state;
		enum level level;
	} others[] = {
		{ "INSUFFICIENT", LEVEL_UNSURE }, { "UNDECIDED", LEVEL_UNSURE },    { "MISSING", LEVEL_BROKEN },
		{ "ALL_NULL", LEVEL_BROKEN },	  { "TYPE_CHANGED", LEVEL_BROKEN }, { "QUARANTINED", LEVEL_BROKEN },
	};

	for (size_t i = 0; state && i < ARRAY_LEN(others); i++)
		if (!strcmp(others[i].state, state))
			return others[i].level;
	if (!(ratio >= 0))
		return LEVEL_NONE;
	return ratio < 0.5 ? LEVEL_HALF
	       : ratio < 1 ? LEVEL_BELOW
	       : ratio < 2 ? LEVEL_ABOVE
	       : ratio < 4 ? LEVEL_TWICE
			   : LEVEL_FAR;
}

static double *unknown(size_t n)
{
	double *values = xcalloc(n, sizeof(*values));

	for (size_t i = 0; i < n; i++)
		values[i] = NAN;
	return values;
}

/* strmap holds pointers: the index, off by one since NULL is "absent". */
static struct lane *find_lane(struct lanes *lanes, const char *name)
{
	uintptr_t at = (uintptr_t)strmap_get(&lanes->names, name);

	if (at)
		return &lanes->items[at - 1];
	GROW(lanes->items, lanes->len, lanes->cap);
	lanes->items[lanes->len++] = (struct lane){
		.name = name,
		.scores = unknown(lanes->n),
		.thresholds = unknown(lanes->n),
		.nulls = unknown(lanes->n),
		.levels = xcalloc(lanes->n, 1),
		.alerts = xcalloc(lanes->n, sizeof(bool)),
	};
	strmap_set(&lanes->names, name, (void *)(uintptr_t)lanes->len);
	return &lanes->items[lanes->len - 1];
}

static void add_column(struct lanes *lanes, size_t i, const struct js *column)
{
	const char *name = js_get_str(column, "name"), *state = js_get_str(column, "state");
	struct lane *lane = find_lane(lanes, name ? name : "");
	double score = js_number(js_get(column, "score")), threshold = js_number(js_get(column, "threshold"));
	double ratio = threshold > 0 ? score / threshold : NAN;

	lane->scores[i] = isfinite(score) ? score : NAN;
	lane->thresholds[i] = isfinite(threshold) ? threshold : NAN;
	lane->nulls[i] = js_number(js_get(column, "nulls"));
	lane->levels[i] = (unsigned char)level_of(state, ratio);
	lane->alerts[i] = is_drift(state);
	lane->alerted += lane->alerts[i];
	if (isfinite(ratio)) {
		lane->highest = fmax(lane->highest, ratio);
		lanes->highest[i] = fmax(lanes->highest[i], ratio); /* of NaN and a number: the number */
	}
}

static void add_window(struct lanes *lanes, size_t i)
{
	const struct js *window = js_at(lanes->windows, lanes->first + i), *columns = js_get(window, "columns");
	const char *state = js_get_str(window, "state");

	for (size_t k = 0; k < js_len(columns); k++)
		add_column(lanes, i, js_at(columns, k));
	if (js_get(window, "score_max"))
		lanes->highest[i] = js_number(js_get(window, "score_max"));
	lanes->alerts[i] = is_drift(state);
	lanes->states[i] = (unsigned char)level_of(state, lanes->alerts[i] ? 2 : state ? 0 : NAN);
	lanes->ones[i] = 1;
}

static int worse(const void *a, const void *b)
{
	const struct lane *one = a, *two = b;

	if (one->alerted != two->alerted)
		return one->alerted < two->alerted ? 1 : -1;
	if (one->highest != two->highest)
		return one->highest < two->highest ? 1 : -1;
	return strcmp(one->name, two->name);
}

void lanes_make(const struct js *windows, struct lanes *ret)
{
	size_t all = js_len(windows), n = all < PAGE_WINDOWS ? all : PAGE_WINDOWS;

	*ret = (struct lanes){
		.windows = windows,
		.first = all - n,
		.n = n,
		.highest = unknown(n),
		.ones = xcalloc(n, sizeof(double)),
		.states = xcalloc(n, 1),
		.alerts = xcalloc(n, sizeof(bool)),
	};
	for (size_t i = 0; i < n; i++)
		add_window(ret, i);
	if (ret->len)
		qsort(ret->items, ret->len, sizeof(*ret->items), worse);
}

void lanes_release(struct lanes *lanes)
{
	for (size_t i = 0; i < lanes->len; i++) {
		free(lanes->items[i].scores);
		free(lanes->items[i].thresholds);
		free(lanes->items[i].nulls);
		free(lanes->items[i].levels);
		free(lanes->items[i].alerts);
	}
	free(lanes->items);
	free(lanes->highest);
	free(lanes->ones);
	free(lanes->states);
	free(lanes->alerts);
	strmap_release(&lanes->names);
}
