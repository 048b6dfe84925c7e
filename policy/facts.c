/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/facts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/grammar.h"

void retrain_policy_of(const struct trigger_section *trigger, struct retrain_policy *ret)
{
	struct trigger_limits limits;

	*ret = (struct retrain_policy)RETRAIN_POLICY_DEFAULT;
	if (!trigger)
		return;
	trigger_limits(trigger, &limits);
	ret->retrains = true;
	ret->alarm_of = limits.alarm_of;
	ret->alarm_in = limits.alarm_in;
	ret->clear_share = limits.clear_share;
	ret->clear_for = limits.clear_for;
	ret->per_day = limits.per_day;
	ret->per_week = limits.per_week;
	ret->stop_after = trigger->stop_after;
	if (trigger->cooldown_ms || trigger->cooldown_windows) {
		ret->cooldown_ms = trigger->cooldown_ms;
		ret->cooldown_windows = trigger->cooldown_windows;
	}
}

static void set_digits(struct js *to, const char *key, double value)
{
	char text[32];

	if (isnan(value))
		return;
	snprintf(text, sizeof(text), "%.12g", value);
	js_set_real(to, key, strtod(text, NULL));
}

static void add_pair(struct js *to, const struct js *from, const char *score_key, const char *threshold_key, double *worst)
{
	double score = js_number(js_get(from, "score")), threshold = js_number(js_get(from, "threshold"));

	set_digits(to, score_key, score);
	set_digits(to, threshold_key, threshold);
	if (threshold > 0 && score / threshold > *worst)
		*worst = score / threshold;
}

static void add_scores(struct js *scores, const struct js *judged, double *worst)
{
	const struct js *columns = js_get(judged, "columns");

	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *column = js_at(columns, i);
		struct js *score = js_object();

		js_set_str(score, "name", js_get_str(column, "name"));
		js_set_str(score, "state", js_get_str(column, "state"));
		add_pair(score, column, "score", "threshold", worst);
		add_pair(score, js_get(column, "nulls"), "null_score", "null_threshold", worst);
		js_push(scores, score);
	}
}

static struct js *performance_of(const struct js *told)
{
	static const char *const keys[] = { "value", "low", "high", "baseline" };
	struct js *performance = js_object();

	js_set_str(performance, "metric", js_get_str(told, "metric"));
	js_set_bool(performance, "estimated", js_get_bool(told, "estimated"));
	js_set_int(performance, "rows", js_get_int(told, "rows", 0));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		set_digits(performance, keys[i], js_number(js_get(told, keys[i])));
	set_digits(performance, "difference_high", js_number(js_get(js_get(told, "difference"), "high")));
	return performance;
}

struct js *retrain_facts(const struct js *window)
{
	static const char *const keys[] = { "digest", "profile" };
	const struct js *verdict = js_get(window, "verdict");
	struct js *facts = js_object(), *scores = js_array();
	double worst = -1;

	js_set_int(facts, "window", js_get_int(window, "number", 0));
	js_set_int(facts, "rows", js_get_int(window, "rows", 0));
	js_set_str(facts, "state", js_get_str(window, "state"));
	js_set_str(facts, "reason", js_get_str(verdict, "reason"));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		js_set_str(facts, keys[i], js_get_str(window, keys[i]));
	js_set_str(facts, "reference", js_get_str(verdict, "reference"));
	add_scores(scores, js_get(verdict, "features"), &worst);
	add_scores(scores, js_get(verdict, "prediction"), &worst);
	js_set(facts, "scores", scores);
	if (worst >= 0)
		set_digits(facts, "worst", worst);
	if (js_get(verdict, "performance"))
		js_set(facts, "performance", performance_of(js_get(verdict, "performance")));
	return facts;
}

bool facts_dropped(const struct js *facts, int64_t min_rows)
{
	const struct js *performance = js_get(facts, "performance");

	return !js_get_bool(performance, "estimated") && js_get_int(performance, "rows", 0) >= min_rows &&
	       js_number(js_get(performance, "difference_high")) < 0;
}

void retrain_window_of(const struct js *facts, int64_t time_ms, struct retrain_window *ret)
{
	const char *state = js_get_str(facts, "state");

	*ret = (struct retrain_window){
		.number = js_get_int(facts, "window", 0),
		.time_ms = time_ms,
		.state = state ? state : "",
		.worst = js_number(js_get(facts, "worst")),
		.score_dropped = js_get_bool(facts, "dropped"),
		.model = js_get_str(facts, "model"),
		.paused = js_get_bool(facts, "paused"),
	};
}
