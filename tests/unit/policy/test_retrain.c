/* SPDX-License-Identifier: Apache-2.0 */
/* When drift is a reason to train again: the rules one by one, then all short histories against what must never be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "policy/facts.h"
#include "policy/retrain.h"

#define HOUR ((int64_t)3600000)
#define DAY  (24 * HOUR)

static struct js *state;
static struct retrain_policy policy;
static struct retrain_decision last;
static int64_t number;

static int enter(void **unused)
{
	(void)unused;
	state = js_object();
	policy = (struct retrain_policy)RETRAIN_POLICY_DEFAULT;
	policy.retrains = true;
	number = 0;
	return 0;
}

static int leave(void **unused)
{
	(void)unused;
	js_free(state);
	return 0;
}

static struct retrain_window window(char kind)
{
	static const char *const states[] = {
		['d'] = "DRIFT", ['o'] = "OK", ['h'] = "OK", ['u'] = "UNDECIDED", ['q'] = "QUARANTINED", ['i'] = "INSUFFICIENT", ['s'] = "OK",
	};

	return (struct retrain_window){
		.number = number,
		.time_ms = number * 7 * DAY,
		.state = states[(int)kind],
		.worst = kind == 'd' ? 3 : kind == 'h' || kind == 'u' ? 0.9 : 0.1,
		.score_dropped = kind == 's',
	};
}

static const char *step(char kind)
{
	const struct retrain_window w = window(kind);

	retrain_step(&policy, state, &w, &last);
	number++;
	return last.outcome;
}

/* A letter a window: none, Alarm, Clear, Retrain, Quarantine, Held. A retrain ends as `outcome` before the next window. */
static void history(const char *windows, const char *wanted, const char *outcome)
{
	for (size_t i = 0; windows[i]; i++) {
		const char *got = step(windows[i]);

		if (got[0] != wanted[i] && !(wanted[i] == '.' && !strcmp(got, "none")))
			fail_msg("window %zu of %s: %s (%s, %s)", i, windows, got, last.rule, last.detail);
		if (!strcmp(got, "retrain") && outcome)
			retrain_outcome(state, outcome);
	}
}

/* ---- alarms ---- */

static void two_of_three_windows_are_an_alarm(void **unused)
{
	(void)unused;
	history("dood", "....", "promoted");
	assert_string_equal(last.rule, "too few windows drifted");
	history("od", ".r", "promoted");
	assert_string_equal(last.rule, "windows drifted");
	assert_string_equal(last.alarm, "raised");
	assert_string_equal(last.detail, "2 of the last 3");
}

static void a_dropped_score_is_one_at_once(void **unused)
{
	(void)unused;
	history("os", ".r", "promoted");
	assert_string_equal(last.rule, "score dropped");
}

static void two_calm_windows_end_it_and_one_does_not(void **unused)
{
	(void)unused;
	policy.retrains = false;
	history("ddohoo", ".a...c", NULL);
	assert_string_equal(last.alarm, "cleared");
	history("d", ".", NULL);
	assert_string_equal(last.alarm, "none");
}

static void near_the_threshold_is_not_calm(void **unused)
{
	(void)unused;
	policy.retrains = false;
	history("ddhhhhuu", ".a......", NULL);
	assert_string_equal(last.alarm, "stands");
	assert_string_equal(last.rule, "alarm stands");
}

static void without_a_trigger_nothing_is_started(void **unused)
{
	(void)unused;
	policy.retrains = false;
	history("dddd", ".a..", NULL);
}

static void a_broken_window_starts_nothing_and_counts_as_none(void **unused)
{
	(void)unused;
	history("dqqqqd", ".qqqqr", "promoted");
	history("qi", "q.", "promoted");
	assert_string_equal(last.rule, "too few rows");
}

/* ---- what holds it ---- */

static void cooldown_counts_windows_from_the_last_retrain(void **unused)
{
	(void)unused;
	policy.stop_after = 0;
	history("ddddddddd", ".rhhhhhrh", "rejected");
	assert_string_equal(last.rule, "cooldown");
	assert_string_equal(last.detail, "since the retrain of window 7");
}

static void cooldown_in_time_counts_policy_time(void **unused)
{
	(void)unused;
	policy.stop_after = policy.cooldown_windows = 0;
	policy.cooldown_ms = 15 * DAY;
	history("dddddd", ".rhhrh", "rejected");
	assert_string_equal(last.rule, "cooldown");
}

static void what_was_held_starts_when_the_hold_is_over_and_the_alarm_stands(void **unused)
{
	(void)unused;
	history("ddhhhhhh", ".rhhhhhr", "rejected");
	assert_string_equal(last.rule, "alarm stands");
}

static void a_calm_window_starts_nothing(void **unused)
{
	(void)unused;
	policy.cooldown_windows = 2;
	history("ddhod", ".rh.r", "rejected");
}

/* Windows that are hours apart. */
static const char *step_at(int64_t ms)
{
	struct retrain_window w = window('d');

	w.time_ms = ms;
	retrain_step(&policy, state, &w, &last);
	number++;
	retrain_outcome(state, "rejected");
	return last.outcome;
}

static void budgets_count_policy_time(void **unused)
{
	(void)unused;
	policy.cooldown_windows = policy.stop_after = 0;
	step_at(0);
	assert_string_equal(step_at(HOUR), "retrain");
	assert_string_equal(step_at(DAY), "held");
	assert_string_equal(last.rule, "budget of the day");
	assert_string_equal(step_at(DAY + HOUR), "retrain");
	assert_string_equal(step_at(3 * DAY), "retrain");
	assert_string_equal(step_at(5 * DAY), "held");
	assert_string_equal(last.rule, "budget of the week");
	assert_string_equal(last.detail, "3 a week");
	assert_string_equal(step_at(7 * DAY + HOUR), "retrain");
	/* A clock that goes back gives nothing away. */
	assert_string_equal(step_at(0), "held");
}

static void two_failures_in_a_row_ask_a_person(void **unused)
{
	(void)unused;
	policy.cooldown_windows = 1;
	history("ddd", ".rr", "rejected");
	assert_true(retrain_stopped(&policy, state));
	history("dd", "hh", "rejected");
	assert_string_equal(last.rule, "stopped");
	retrain_ack(state);
	history("d", "r", "failed");
	assert_false(retrain_stopped(&policy, state));
}

static void a_promotion_forgives_and_begins_anew(void **unused)
{
	(void)unused;
	policy.cooldown_windows = 1;
	history("dd", ".r", "rejected");
	history("d", "r", "promoted");
	assert_false(retrain_stopped(&policy, state));
	assert_string_equal(step('d'), "none");
	assert_string_equal(last.alarm, "none");
}

static void while_one_goes_on_no_other_begins(void **unused)
{
	int64_t open;

	(void)unused;
	policy.cooldown_windows = policy.per_day = policy.per_week = 0;
	history("dddd", ".rhh", NULL);
	assert_string_equal(last.rule, "a retrain goes on");
	assert_true(retrain_open(state, &open));
	assert_int_equal(open, 1);
	retrain_outcome(state, "failed");
	assert_false(retrain_open(state, &open));
	retrain_outcome(state, "failed"); /* told again: there is none */
	assert_false(retrain_stopped(&policy, state));
}

static void what_found_nothing_new_costs_nothing(void **unused)
{
	(void)unused;
	history("ddd", ".rr", "nothing new");
	history("d", "r", "skipped");
	history("dd", "rh", "pending");
}

static void a_pause_holds(void **unused)
{
	struct retrain_window w;

	(void)unused;
	step('d');
	w = window('d');
	w.paused = true;
	retrain_step(&policy, state, &w, &last);
	assert_string_equal(last.outcome, "held");
	assert_string_equal(last.rule, "paused");
	number++;
	history("d", "r", "promoted");
}

static void another_champion_begins_anew(void **unused)
{
	struct retrain_window w;

	(void)unused;
	history("d", ".", NULL);
	w = window('d');
	w.model = "file:1";
	retrain_step(&policy, state, &w, &last);
	assert_string_equal(last.outcome, "none");
	number++;
	w.number = number;
	retrain_step(&policy, state, &w, &last);
	assert_string_equal(last.outcome, "retrain");
}

/* ---- all histories ---- */

static const char kinds[] = "dohuqis";
#define LENGTH 6

struct seen {
	int64_t last, failures; /* of retrains; last -1: none */
	char tail[LENGTH + 1];	/* judged windows since the evidence began */
};

/* What must hold whatever comes; `outcome` is how retrains end. */
static void look(struct seen *seen, char kind, const char *outcome)
{
	const char *got = step(kind);
	int64_t now = number - 1;
	bool judged = kind != 'q' && kind != 'i', retrains = !strcmp(got, "retrain");

	if (kind == 'q')
		assert_string_equal(got, "quarantine");
	if (kind == 'i')
		assert_string_equal(got, "none");
	if (judged) {
		size_t len = strlen(seen->tail), drifts = 0;

		seen->tail[len++] = kind;
		for (size_t i = len > 3 ? len - 3 : 0; i < len; i++)
			drifts += seen->tail[i] == 'd';
		if (drifts >= 2 || kind == 's')
			assert_true(!strcmp(last.alarm, "raised") || !strcmp(last.alarm, "stands"));
		if (!strcmp(last.alarm, "raised"))
			assert_true(drifts >= 2 || kind == 's');
	}
	if (retrains) {
		assert_true(judged && kind != 'o');
		assert_true(seen->last < 0 || now - seen->last >= policy.cooldown_windows);
		assert_true(seen->failures < policy.stop_after);
		seen->last = now;
		retrain_outcome(state, outcome);
		seen->failures = strcmp(outcome, "rejected") ? 0 : seen->failures + 1;
	}
	if ((retrains && !strcmp(outcome, "promoted")) || !strcmp(got, "clear"))
		memset(seen->tail, 0, sizeof(seen->tail));
}

static void no_history_breaks_a_rule(void **unused)
{
	static const char *const outcomes[] = { "rejected", "promoted" };
	size_t n = 1, retrains = 0;

	for (int i = 0; i < LENGTH; i++)
		n *= sizeof(kinds) - 1;
	for (size_t at = 0; at < 2 * n; at++) {
		struct seen seen = { .last = -1 };
		size_t rest = at / 2;

		js_free(state);
		enter(unused);
		policy.cooldown_windows = 2;
		for (int i = 0; i < LENGTH; i++, rest /= sizeof(kinds) - 1)
			look(&seen, kinds[rest % (sizeof(kinds) - 1)], outcomes[at % 2]);
		retrains += seen.last >= 0;
	}
	assert_true(retrains > n / 4);
}

/* The state goes through text between windows, as it does in the database. */
static void the_state_survives_being_written(void **unused)
{
	static const char windows[] = "ddhhdhddqdodd";
	CLEANUP_STRBUF struct strbuf once = STRBUF_INIT, twice = STRBUF_INIT;
	struct error err;

	(void)unused;
	for (size_t i = 0; windows[i]; i++) {
		strbuf_printf(&once, "%s ", step(windows[i]));
		retrain_outcome(state, "rejected");
	}
	js_free(state);
	enter(NULL);
	for (size_t i = 0; windows[i]; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		strbuf_printf(&twice, "%s ", step(windows[i]));
		retrain_outcome(state, "rejected");
		js_dump(state, JS_CANONICAL, &text);
		js_free(state);
		assert_int_equal(js_parse(text.buf, text.len, "state", &state, &err), 0);
	}
	assert_string_equal(once.buf, twice.buf);
}

/* ---- facts ---- */

static void a_policy_is_what_the_trigger_says(void **unused)
{
	static const char text[] = "[trigger.drift]\nmonitor = m\nalarm = 3 of 5\nclear = 0.5 for 4\ncooldown = 2 windows\n"
				   "budget = 2/day\nstop_after = 0\n";
	struct pipeline *pipeline = NULL;
	struct retrain_policy p;
	struct error err = { 0 };

	(void)unused;
	if (pipeline_parse_policy(text, strlen(text), "policy.ini", &pipeline, &err) < 0)
		fail_msg("%s", err.msg);
	retrain_policy_of(&pipeline->triggers[0], &p);
	assert_true(p.retrains);
	assert_int_equal(p.alarm_of, 3);
	assert_int_equal(p.alarm_in, 5);
	assert_true(p.clear_share == 0.5 && p.clear_for == 4);
	assert_int_equal(p.cooldown_windows, 2);
	assert_int_equal(p.per_day, 2);
	assert_int_equal(p.per_week, 0);
	assert_int_equal(p.stop_after, 0);
	pipeline_free(pipeline);
	retrain_policy_of(NULL, &p);
	assert_false(p.retrains);
	assert_int_equal(p.cooldown_windows, 6);
}

static struct js *facts_of(const char *text)
{
	CLEANUP_JS struct js *parsed = NULL;
	struct error err = { 0 };

	if (js_parse(text, strlen(text), "window", &parsed, &err) < 0)
		fail_msg("%s", err.msg);
	return retrain_facts(parsed);
}

static void facts_hold_twelve_digits_and_no_ids(void **unused)
{
	CLEANUP_JS struct js *facts = facts_of(
		"{\"number\":4,\"rows\":700,\"state\":\"DRIFT\",\"judged\":17,\"digest\":\"aa\",\"profile\":\"bb\",\"verdict\":"
		"{\"reference\":\"cc\",\"reason\":\"why\",\"features\":{\"columns\":[{\"name\":\"a\",\"state\":\"DRIFT\","
		"\"score\":0.30000000000000004,\"threshold\":0.1,\"nulls\":{\"score\":0.05,\"threshold\":0.01}}]},"
		"\"performance\":{\"metric\":\"accuracy\",\"rows\":600,\"value\":0.7,\"difference\":{\"high\":-0.01}}}}");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)unused;
	js_dump(facts, JS_CANONICAL, &text);
	assert_string_equal(text.buf, "{\"digest\":\"aa\",\"performance\":{\"difference_high\":-0.01,\"estimated\":false,"
				      "\"metric\":\"accuracy\",\"rows\":600,\"value\":0.7},\"profile\":\"bb\",\"reason\":\"why\","
				      "\"reference\":\"cc\",\"rows\":700,\"scores\":[{\"name\":\"a\",\"null_score\":0.05,"
				      "\"null_threshold\":0.01,\"score\":0.3,\"state\":\"DRIFT\",\"threshold\":0.1}],"
				      "\"state\":\"DRIFT\",\"window\":4,\"worst\":5.0}");
	assert_true(facts_dropped(facts, 500));
	assert_false(facts_dropped(facts, 601));
}

/* p-values of other tests are no scores over a threshold. */
static void without_scores_there_is_no_worst(void **unused)
{
	CLEANUP_JS struct js *facts = facts_of("{\"number\":0,\"state\":\"OK\",\"verdict\":{\"features\":{\"columns\":"
					       "[{\"name\":\"a\",\"p\":0.01,\"threshold\":0.05}]}}}");
	struct retrain_window w;

	(void)unused;
	retrain_window_of(facts, 5, &w);
	assert_true(isnan(w.worst));
	assert_false(w.score_dropped);
	assert_int_equal(w.time_ms, 5);
	assert_false(facts_dropped(facts, 0));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		T(two_of_three_windows_are_an_alarm),
		T(a_dropped_score_is_one_at_once),
		T(two_calm_windows_end_it_and_one_does_not),
		T(near_the_threshold_is_not_calm),
		T(without_a_trigger_nothing_is_started),
		T(a_broken_window_starts_nothing_and_counts_as_none),
		T(cooldown_counts_windows_from_the_last_retrain),
		T(cooldown_in_time_counts_policy_time),
		T(what_was_held_starts_when_the_hold_is_over_and_the_alarm_stands),
		T(a_calm_window_starts_nothing),
		T(budgets_count_policy_time),
		T(two_failures_in_a_row_ask_a_person),
		T(a_promotion_forgives_and_begins_anew),
		T(while_one_goes_on_no_other_begins),
		T(what_found_nothing_new_costs_nothing),
		T(a_pause_holds),
		T(another_champion_begins_anew),
		T(no_history_breaks_a_rule),
		T(the_state_survives_being_written),
		T(a_policy_is_what_the_trigger_says),
		T(facts_hold_twelve_digits_and_no_ids),
		T(without_scores_there_is_no_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
