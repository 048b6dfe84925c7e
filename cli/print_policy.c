/* SPDX-License-Identifier: Apache-2.0 */
/* monitor history, replay, ack, pause, resume: a line a decision, and how the policy stands. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

#define DAY_MS 86400000

static const char *text_of(const struct js *json, const char *key)
{
	const char *text = js_get_str(json, key);

	return text ? text : "";
}

static enum style style_of(const char *outcome)
{
	static const struct {
		const char *outcome;
		enum style style;
	} styles[] = {
		{ "none", STYLE_DIM },	    { "clear", STYLE_GOOD },  { "promoted", STYLE_GOOD }, { "finished", STYLE_GOOD },
		{ "alarm", STYLE_BAD },	    { "retrain", STYLE_BOLD }, { "quarantine", STYLE_BAD }, { "failed", STYLE_BAD },
		{ "lost", STYLE_BAD },
	};

	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (!strcmp(styles[i].outcome, outcome))
			return styles[i].style;
	return STYLE_WARN;
}

/* "1996-11-05", or with the time of day where there is one. */
static void cell_time(struct table *table, int64_t ms)
{
	char text[32];

	clock_format_utc(ms, text);
	text[ms % DAY_MS ? 16 : 10] = 0;
	table_cell(table, STYLE_PLAIN, "%s", text);
}

/* "windows drifted: 2 of the last 3" */
static void cell_rule(struct table *table, const struct js *decision, const struct js *body)
{
	const char *detail = text_of(body, "detail");

	detail = *detail ? detail : text_of(body, "reason");
	if (!strcmp(text_of(decision, "rule"), "no alarm"))
		detail = "";
	table_cell(table, STYLE_PLAIN, "%s%s%s", text_of(decision, "rule"), *detail ? ": " : "", detail);
}

static void put_decision(struct table *table, const struct js *decision, const struct js *body)
{
	const char *outcome = text_of(decision, "outcome");
	double worst = js_number(js_get(body, "worst"));

	table_cell(table, STYLE_DIM, "%lld", (long long)js_get_int(decision, "window", 0));
	cell_time(table, js_get_int(decision, "time", 0));
	table_cell(table, STYLE_PLAIN, "%s", text_of(body, "state"));
	if (isnan(worst))
		table_cell(table, STYLE_PLAIN, "%s", "");
	else
		table_cell(table, STYLE_PLAIN, "%.2f", worst);
	table_cell(table, style_of(outcome), "%s", outcome);
	cell_rule(table, decision, body);
}

static void put_stand(struct print *p, const struct js *result)
{
	const char *name = text_of(result, "monitor");
	const struct js *paused = js_get(result, "paused");

	print_put(p, STYLE_NAME, "%s", name);
	print_put(p, STYLE_PLAIN, ": ");
	print_put(p, js_get_bool(result, "alarm") ? STYLE_BAD : STYLE_GOOD, js_get_bool(result, "alarm") ? "ALARM" : "no alarm");
	if (js_get(result, "retrain_of_window"))
		print_put(p, STYLE_PLAIN, ", the retrain of window %lld goes on",
			  (long long)js_get_int(result, "retrain_of_window", 0));
	print_put(p, STYLE_PLAIN, "\n");
	if (js_get_bool(result, "stopped"))
		print_put(p, STYLE_WARN, "%lld retrains in a row failed or were rejected; when you have seen why: mlops monitor ack %s\n",
			  (long long)js_get_int(result, "failures", 0), name);
	if (paused)
		print_put(p, STYLE_WARN, "paused by %s; go on: mlops monitor resume %s\n", text_of(paused, "by"), name);
}

void print_monitor_history(struct print *p, const struct js *result)
{
	static const struct table_column titles[] = {
		{ "WINDOW", true, false, 0 }, { "UNTIL", false, false, 1 },   { "STATE", false, false, 2 },
		{ "SCORE", true, false, 4 },  { "DECISION", false, false, 0 }, { "RULE", false, true, 3 },
		{ "RUN", false, false, 5 },
	};
	const struct js *decisions = js_get(result, "decisions");
	struct table table;

	if (!js_len(decisions)) {
		print_put(p, STYLE_PLAIN, "nothing was decided so far: an agent does that, of windows that it checks\n");
		return;
	}
	table_init(&table, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < js_len(decisions); i++) {
		const struct js *decision = js_at(decisions, i);
		put_decision(&table, decision, js_get(decision, "body"));
		table_cell(&table, STYLE_DIM, "%.8s", text_of(decision, "run_id"));
	}
	table_print(&table, p);
	put_stand(p, result);
}

/* ---- replay ---- */

static void put_counts(struct print *p, const struct js *counts)
{
	static const struct {
		const char *key, *text;
	} words[] = {
		{ "windows", "windows" },   { "alarms", "alarms" },	{ "retrain", "retrains" },
		{ "promoted", "promoted" }, { "rejected", "rejected" }, { "failed", "failed" },
		{ "held", "held" },	    { "clear", "cleared" },	{ "quarantine", "quarantined" },
	};
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		int64_t n = js_get_int(counts, words[i].key, 0);
		if (!n && i > 2)
			continue;
		print_put(p, STYLE_PLAIN, "%s%lld %s", first ? "" : ", ", (long long)n, words[i].text);
		first = false;
	}
	print_put(p, STYLE_PLAIN, "\n");
	if (js_get_int(counts, "assumed", 0))
		print_put(p, STYLE_DIM, "%lld retrains never were: how they end is assumed (--assume)\n",
			  (long long)js_get_int(counts, "assumed", 0));
	if (js_get_int(counts, "different", 0))
		print_put(p, STYLE_WARN, "%lld decisions are others than on record\n", (long long)js_get_int(counts, "different", 0));
	else if (js_get_int(counts, "same", 0))
		print_put(p, STYLE_GOOD, "all decisions are as on record\n");
}

static void put_cost(struct print *p, const struct js *result)
{
	const struct js *cost = js_get(result, "cost");

	if (js_get(result, "score"))
		print_put(p, STYLE_PLAIN, "mean score %.4f\n", js_number(js_get(result, "score")));
	if (js_get(cost, "seconds"))
		print_put(p, STYLE_PLAIN, "cost of the retrains: %.1f s, %.1f s each\n", js_number(js_get(cost, "seconds")),
			  js_number(js_get(cost, "seconds_each")));
}

void print_monitor_replay(struct print *p, const struct js *result)
{
	static const struct table_column titles[] = {
		{ "WINDOW", true, false, 0 },	{ "UNTIL", false, false, 1 }, { "STATE", false, false, 2 },
		{ "DECISION", false, false, 0 }, { "RULE", false, true, 3 },  { "ON RECORD", false, false, 4 },
	};
	const struct js *decisions = js_get(result, "decisions");
	struct table table;

	table_init(&table, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < js_len(decisions); i++) {
		const struct js *decision = js_at(decisions, i);
		table_cell(&table, STYLE_DIM, "%lld", (long long)js_get_int(decision, "window", 0));
		cell_time(&table, js_get_int(decision, "time", 0));
		table_cell(&table, STYLE_PLAIN, "%s", text_of(decision, "state"));
		table_cell(&table, style_of(text_of(decision, "outcome")), "%s", text_of(decision, "outcome"));
		cell_rule(&table, decision, decision);
		table_cell(&table, STYLE_DIM, "%s", text_of(decision, "recorded"));
	}
	table_print(&table, p);
	put_counts(p, js_get(result, "counts"));
	put_cost(p, result);
}

/* ---- what a person says ---- */

void print_monitor_said(struct print *p, const struct js *result)
{
	static const char *const said[][2] = {
		{ "ack", "retrains may go on, and failures are counted anew" },
		{ "pause", "no retrains are started until it is resumed" },
		{ "resume", "retrains may start again" },
	};

	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		if (!strcmp(said[i][0], text_of(result, "said")))
			print_put(p, STYLE_PLAIN, "%s: %s\n", text_of(result, "monitor"), said[i][1]);
}
