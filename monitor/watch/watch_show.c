/* SPDX-License-Identifier: Apache-2.0 */
/* Windows for people and pages. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/stats/stats.h"
#include "monitor/watch/watch.h"

#define CONFIDENCE 0.95

/* "1996-11-05", or with the time of day where there is one; a number of rows or files as it is. */
static void put_place(struct js *to, const char *key, const struct window_rule *rule, int64_t at)
{
	char text[32];

	if (!window_is_timed(rule)) {
		js_set_int(to, key, at);
		return;
	}
	clock_format_utc(at, text);
	text[at % 86400000 ? 16 : 10] = 0;
	js_set_str(to, key, text);
}

static void put_columns(struct js *to, const struct js *columns, bool prediction, double *most)
{
	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *from = js_at(columns, i);
		double score = js_number(js_get(from, "score")), threshold = js_number(js_get(from, "threshold"));
		double rows = js_number(js_get(js_get(from, "nulls"), "current"));
		struct js *column = js_object();
		js_set_str(column, "name", js_get_str(from, "name"));
		js_set_str(column, "state", js_get_str(from, "state"));
		if (prediction)
			js_set_bool(column, "prediction", true);
		if (!isnan(score))
			js_set_real(column, "score", score);
		if (!isnan(threshold))
			js_set_real(column, "threshold", threshold);
		if (!isnan(rows))
			js_set_real(column, "nulls", rows);
		if (threshold > 0 && score / threshold > *most)
			*most = score / threshold;
		js_push(to, column);
	}
}

struct js *watch_summary(const struct window_rule *rule, const struct js *window)
{
	const struct js *verdict = js_get(window, "verdict"), *features = js_get(verdict, "features");
	struct js *shown = js_object(), *columns = js_array();
	double most = -1;

	js_set_int(shown, "window", js_get_int(window, "number", 0));
	put_place(shown, "from", rule, js_get_int(window, "start", 0));
	put_place(shown, "to", rule, js_get_int(window, "stop", 0));
	js_set_int(shown, "rows", js_get_int(window, "rows", 0));
	js_set_str(shown, "state", js_get_str(window, "state"));
	js_set_str(shown, "reason", js_get_str(verdict, "reason"));
	if (js_get(window, "time"))
		js_set_int(shown, "time", js_get_int(window, "time", 0));
	if (features) {
		js_set_int(shown, "judged", js_get_int(features, "judged", 0));
		js_set_int(shown, "drifted", js_get_int(features, "drifted", 0));
	}
	put_columns(columns, js_get(features, "columns"), false, &most);
	put_columns(columns, js_get(js_get(verdict, "prediction"), "columns"), true, &most);
	if (most >= 0)
		js_set_real(shown, "score_max", most);
	js_set(shown, "columns", columns);
	if (js_get(verdict, "schema"))
		js_set(shown, "schema", js_ref(js_get(verdict, "schema")));
	return shown;
}

struct js *watch_performance(const struct window_rule *rule, const struct js *window, const struct js *reference)
{
	const struct js *told = js_get(js_get(window, "verdict"), "performance");
	uint64_t n = (uint64_t)js_get_int(window, "labelled", 0), wrong = (uint64_t)js_get_int(window, "wrong", 0);
	int64_t ref = js_get_int(reference, "labelled", 0);
	struct interval at = share_interval(n - wrong, n, CONFIDENCE);
	struct js *shown;

	if (!n && !told)
		return NULL;
	shown = js_object();
	js_set_int(shown, "window", js_get_int(window, "number", 0));
	put_place(shown, "from", rule, js_get_int(window, "start", 0));
	js_set_str(shown, "metric", n ? "accuracy" : "estimated accuracy");
	js_set_real(shown, "value", n ? at.value : js_number(js_get(told, "value")));
	js_set_real(shown, "low", n ? at.low : js_number(js_get(told, "low")));
	js_set_real(shown, "high", n ? at.high : js_number(js_get(told, "high")));
	js_set_int(shown, "rows", n ? (int64_t)n : js_get_int(told, "rows", 0));
	if (ref)
		js_set_real(shown, "baseline", 1 - (double)js_get_int(reference, "wrong", 0) / (double)ref);
	return shown;
}
