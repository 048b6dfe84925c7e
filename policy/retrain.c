/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/retrain.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"

#define DAY_MS	((int64_t)86400000)
#define WEEK_MS (7 * DAY_MS)

/*
 * The state: {"recent": "011" (the newest last, 1 drifted), "alarm": bool, "calm": windows, "failures": retrains in a row,
 * "retrains": [[window, time]], "open": window, "model": text}. What is absent is 0.
 */

struct js *retrain_policy_json(const struct retrain_policy *p)
{
	struct js *json = js_object();

	js_set_bool(json, "retrains", p->retrains);
	js_set_int(json, "alarm_of", p->alarm_of);
	js_set_int(json, "alarm_in", p->alarm_in);
	js_set_real(json, "clear_share", p->clear_share);
	js_set_int(json, "clear_for", p->clear_for);
	js_set_int(json, "cooldown_ms", p->cooldown_ms);
	js_set_int(json, "cooldown_windows", p->cooldown_windows);
	js_set_int(json, "per_day", p->per_day);
	js_set_int(json, "per_week", p->per_week);
	js_set_int(json, "stop_after", p->stop_after);
	return json;
}

static bool is(const char *text, const char *word)
{
	return text && !strcmp(text, word);
}

/* ---- evidence ---- */

static void begin_anew(struct js *state)
{
	js_set_str(state, "recent", "");
	js_set_bool(state, "alarm", false);
	js_set_int(state, "calm", 0);
}

static void look_at_champion(struct js *state, const struct retrain_window *w)
{
	const char *before = js_get_str(state, "model"), *now = w->model ? w->model : "";

	if (is(before ? before : "", now))
		return;
	begin_anew(state);
	js_set_int(state, "failures", 0);
	js_set_str(state, "model", now);
}

/* How many of the last windows drifted, this one included. */
static int64_t count_drifts(const struct retrain_policy *p, struct js *state, const struct retrain_window *w)
{
	const char *before = js_get_str(state, "recent");
	char recent[RETRAIN_WINDOWS + 2];
	size_t len = before ? strnlen(before, RETRAIN_WINDOWS) : 0, from;
	int64_t n = 0;

	memcpy(recent, before ? before : "", len);
	recent[len++] = is(w->state, "DRIFT") ? '1' : '0';
	recent[len] = 0;
	from = len > (size_t)p->alarm_in ? len - (size_t)p->alarm_in : 0;
	js_set_str(state, "recent", recent + from);
	for (size_t i = from; i < len; i++)
		n += recent[i] == '1';
	return n;
}

/* Far enough from the thresholds to end an alarm. */
static bool is_calm(const struct retrain_policy *p, const struct retrain_window *w)
{
	return is(w->state, "OK") && !w->score_dropped && (isnan(w->worst) || w->worst < p->clear_share);
}

/* ---- what holds a retrain ---- */

static const struct js *last_retrain(const struct js *state)
{
	const struct js *retrains = js_get(state, "retrains");

	return js_len(retrains) ? js_at(retrains, js_len(retrains) - 1) : NULL;
}

static int64_t number_of(const struct js *retrain)
{
	return js_int_value(js_at(retrain, 0));
}

static int64_t time_of(const struct js *retrain)
{
	return js_int_value(js_at(retrain, 1));
}

static int64_t count_since(const struct js *state, const struct retrain_window *w, int64_t span)
{
	const struct js *retrains = js_get(state, "retrains");
	int64_t n = 0;

	for (size_t i = 0; i < js_len(retrains); i++)
		n += w->time_ms - time_of(js_at(retrains, i)) < span;
	return n;
}

static const char *cooldown_rule(const struct retrain_policy *p, const struct js *state, const struct retrain_window *w,
				 char detail[96])
{
	const struct js *last = last_retrain(state);

	if (!last || (w->number - number_of(last) >= p->cooldown_windows && w->time_ms - time_of(last) >= p->cooldown_ms))
		return NULL;
	snprintf(detail, 96, "since the retrain of window %lld", (long long)number_of(last));
	return "cooldown";
}

static const char *budget_rule(const struct retrain_policy *p, const struct js *state, const struct retrain_window *w,
			       char detail[96])
{
	const struct {
		int64_t most, span;
		const char *rule, *text;
	} budgets[] = { { p->per_day, DAY_MS, "budget of the day", "a day" },
			{ p->per_week, WEEK_MS, "budget of the week", "a week" } };

	for (size_t i = 0; i < ARRAY_LEN(budgets); i++) {
		if (!budgets[i].most || count_since(state, w, budgets[i].span) < budgets[i].most)
			continue;
		snprintf(detail, 96, "%lld %s", (long long)budgets[i].most, budgets[i].text);
		return budgets[i].rule;
	}
	return NULL;
}

/* NULL: nothing. */
static const char *holding_rule(const struct retrain_policy *p, const struct js *state, const struct retrain_window *w,
				char detail[96])
{
	const char *rule;
	int64_t open;

	if (w->paused)
		return "paused";
	if (retrain_open(state, &open)) {
		snprintf(detail, 96, "of window %lld", (long long)open);
		return "a retrain goes on";
	}
	if (retrain_stopped(p, state)) {
		snprintf(detail, 96, "%lld retrains in a row failed or were rejected",
			 (long long)js_get_int(state, "failures", 0));
		return "stopped";
	}
	rule = cooldown_rule(p, state, w, detail);
	return rule ? rule : budget_rule(p, state, w, detail);
}

/* The last one stays however old it is: the cooldown may be longer than any budget. */
static void note_retrain(struct js *state, const struct retrain_window *w)
{
	const struct js *before = js_get(state, "retrains");
	struct js *retrains = js_array(), *now = js_array();

	for (size_t i = 0; i < js_len(before); i++)
		if (w->time_ms - time_of(js_at(before, i)) < WEEK_MS)
			js_push(retrains, js_ref(js_at(before, i)));
	js_push(now, js_int(w->number));
	js_push(now, js_int(w->time_ms));
	js_push(retrains, now);
	js_set(state, "retrains", retrains);
	js_set_int(state, "open", w->number);
}

/* ---- a window ---- */

static void decide(struct retrain_decision *ret, const char *rule, const char *outcome, const char *alarm)
{
	ret->rule = rule;
	ret->outcome = outcome;
	ret->alarm = alarm;
}

static void without_alarm(const struct retrain_policy *p, const struct retrain_window *w, int64_t drifted,
			  struct retrain_decision *ret)
{
	if (drifted)
		snprintf(ret->detail, sizeof(ret->detail), "%lld of the last %lld windows drifted, an alarm takes %lld",
			 (long long)drifted, (long long)p->alarm_in, (long long)p->alarm_of);
	decide(ret, is(w->state, "DRIFT") ? "too few windows drifted" : is(w->state, "UNDECIDED") ? "undecided" : "no alarm",
	       "none", "none");
}

static void with_alarm(const struct retrain_policy *p, struct js *state, const struct retrain_window *w, bool stood,
		       const char *why, struct retrain_decision *ret)
{
	const char *alarm = stood ? "stands" : "raised", *held;
	char detail[96] = "";

	if (!p->retrains || (stood && is_calm(p, w))) {
		decide(ret, why, stood ? "none" : "alarm", alarm);
		return;
	}
	held = holding_rule(p, state, w, detail);
	if (held) {
		snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
		decide(ret, held, "held", alarm);
		return;
	}
	note_retrain(state, w);
	decide(ret, why, "retrain", alarm);
}

static void judge(const struct retrain_policy *p, struct js *state, const struct retrain_window *w,
		  struct retrain_decision *ret)
{
	int64_t drifted = count_drifts(p, state, w), calm = is_calm(p, w) ? js_get_int(state, "calm", 0) + 1 : 0;
	bool stood = js_get_bool(state, "alarm"), enough = drifted >= p->alarm_of;
	const char *why = stood ? "alarm stands" : enough ? "windows drifted" : "score dropped";

	js_set_int(state, "calm", calm);
	if (stood && calm >= p->clear_for) {
		begin_anew(state);
		decide(ret, "below the thresholds", "clear", "cleared");
		return;
	}
	if (!stood && !enough && !w->score_dropped) {
		without_alarm(p, w, drifted, ret);
		return;
	}
	if (!stood && enough)
		snprintf(ret->detail, sizeof(ret->detail), "%lld of the last %lld", (long long)drifted,
			 (long long)p->alarm_in);
	if (!stood)
		js_set_int(state, "calm", 0);
	js_set_bool(state, "alarm", true);
	with_alarm(p, state, w, stood, why, ret);
}

void retrain_step(const struct retrain_policy *p, struct js *state, const struct retrain_window *w,
		  struct retrain_decision *ret)
{
	const char *alarm = js_get_bool(state, "alarm") ? "stands" : "none";

	*ret = (struct retrain_decision){ .detail = "" };
	if (is(w->state, "QUARANTINED")) {
		decide(ret, "broken window", "quarantine", alarm);
		return;
	}
	if (is(w->state, "INSUFFICIENT")) {
		decide(ret, "too few rows", "none", alarm);
		return;
	}
	look_at_champion(state, w);
	judge(p, state, w, ret);
}

/* ---- how it ended ---- */

bool retrain_open(const struct js *state, int64_t *ret_number)
{
	if (!js_get(state, "open"))
		return false;
	*ret_number = js_get_int(state, "open", 0);
	return true;
}

bool retrain_stopped(const struct retrain_policy *p, const struct js *state)
{
	return p->stop_after && js_get_int(state, "failures", 0) >= p->stop_after;
}

void retrain_ack(struct js *state)
{
	js_set_int(state, "failures", 0);
}

static void succeed(struct js *state)
{
	begin_anew(state);
	js_set_int(state, "failures", 0);
}

static void fail(struct js *state)
{
	js_set_int(state, "failures", js_get_int(state, "failures", 0) + 1);
}

static void forget(struct js *state)
{
	const struct js *before = js_get(state, "retrains");
	struct js *retrains = js_array();

	for (size_t i = 0; i + 1 < js_len(before); i++)
		js_push(retrains, js_ref(js_at(before, i)));
	js_set(state, "retrains", retrains);
}

void retrain_refused(struct js *state)
{
	fail(state);
}

void retrain_outcome(struct js *state, const char *outcome)
{
	static const struct {
		const char *outcome;
		void (*apply)(struct js *);
	} outcomes[] = {
		{ "promoted", succeed }, { "registered", succeed }, { "finished", succeed },   { "rejected", fail },
		{ "failed", fail },	 { "lost", fail },	    { "nothing new", forget }, { "skipped", forget },
	};

	if (!js_del(state, "open"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (is(outcome, outcomes[i].outcome))
			outcomes[i].apply(state);
}
