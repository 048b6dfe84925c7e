/* SPDX-License-Identifier: Apache-2.0 */
/* Text of trigger list, show, fire, pause, resume, history and next. */
#include <string.h>
#include <time.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

/* "2026-11-22 03:00" of the reader's zone. */
static void when(int64_t ms, char ret[32])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(ret, 32, "%Y-%m-%d %H:%M", &tm);
}

/* "2026-11-22 03:00" of ISO 8601. */
static void put_next(struct table *table, enum style style, const char *iso)
{
	if (iso)
		table_cell(table, style, "%.10s %.5s", iso, iso + 11);
	else
		table_cell(table, STYLE_DIM, "-");
}

static enum style decision_style(const struct js *firing)
{
	const char *decision = js_get_str(firing, "decision"), *outcome = js_get_str(firing, "outcome");

	if (!strcmp(decision, "skipped") || !strcmp(decision, "waiting"))
		return STYLE_WARN;
	if (strcmp(decision, "run") != 0 || !outcome)
		return STYLE_PLAIN;
	return !strcmp(outcome, "failed") || !strcmp(outcome, "lost") ? STYLE_BAD : STYLE_GOOD;
}

/* What it came to: the outcome of its run, or why there is none. */
static void put_result(struct table *table, const struct js *firing)
{
	const char *decision = js_get_str(firing, "decision"), *outcome = js_get_str(firing, "outcome");

	table_cell(table, decision_style(firing), "%s", strcmp(decision, "run") != 0 ? decision : outcome ? outcome : "running");
}

static void print_firings(struct print *p, const struct js *firings, bool names)
{
	static const struct table_column columns[] = {
		{ .title = "FIRING", .right = true, .drop = 3 }, { .title = "TIME" }, { .title = "TRIGGER" }, { .title = "CAUSE", .shrink = true, .drop = 1 },
		{ .title = "RESULT" }, { .title = "RUN" }, { .title = "WHY", .shrink = true, .drop = 2 },
	};
	struct table table;

	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(firings); i++) {
		const struct js *firing = js_at(firings, i);
		const char *run = js_get_str(firing, "run_id"), *reason = js_get_str(firing, "reason");
		char time[32];

		when(js_get_int(firing, "time", 0), time);
		table_cell(&table, STYLE_DIM, "%lld", (long long)js_get_int(firing, "id", 0));
		table_cell(&table, STYLE_PLAIN, "%s", time);
		if (names)
			table_cell(&table, STYLE_NAME, "%s/%s", js_get_str(firing, "project"), js_get_str(firing, "trigger"));
		else
			table_cell(&table, STYLE_NAME, "%s", js_get_str(firing, "trigger"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(firing, "cause"));
		put_result(&table, firing);
		table_cell(&table, run ? STYLE_NAME : STYLE_DIM, "%.8s", run ? run : "-");
		table_cell(&table, STYLE_PLAIN, "%s", reason ? reason : "");
	}
	table_print(&table, p);
}

void print_trigger_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "TRIGGER" }, { .title = "STARTS", .shrink = true }, { .title = "NEXT (UTC)", .drop = 2 }, { .title = "LAST", .drop = 1 },
	};
	const struct js *rows = js_get(result, "triggers"), *problems = js_get(result, "problems");
	struct table table;

	if (!js_len(rows))
		print_put(p, STYLE_PLAIN, "no triggers; an agent reads [trigger.NAME] of its projects: mlops project add NAME URL\n");
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i), *last = js_at(js_get(row, "firings"), 0);

		table_cell(&table, STYLE_NAME, "%s/%s", js_get_str(row, "project"), js_get_str(row, "trigger"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(row, "starts"));
		if (js_get(row, "paused"))
			table_cell(&table, STYLE_WARN, "paused");
		else
			put_next(&table, STYLE_PLAIN, js_get_str(row, "next"));
		if (last)
			put_result(&table, last);
		else
			table_cell(&table, STYLE_DIM, "-");
	}
	if (js_len(rows))
		table_print(&table, p);
	for (size_t i = 0; i < js_len(problems); i++) {
		print_put(p, STYLE_WARN, "warning: ");
		print_put(p, STYLE_PLAIN, "project %s: %s\n", js_get_str(js_at(problems, i), "project"), js_get_str(js_at(problems, i), "error"));
	}
}

static void print_paused(struct print *p, const struct js *paused)
{
	const char *reason = js_get_str(paused, "reason");

	print_put(p, STYLE_WARN, "paused");
	print_put(p, STYLE_PLAIN, " by %s%s%s\n", js_get_str(paused, "actor"), reason ? ": " : "", reason ? reason : "");
}

void print_trigger_show(struct print *p, const struct js *result)
{
	const struct js *upcoming = js_get(result, "upcoming"), *firings = js_get(result, "firings");

	print_put(p, STYLE_NAME, "%s/%s", js_get_str(result, "project"), js_get_str(result, "trigger"));
	print_put(p, STYLE_PLAIN, "  %s\n", js_get_str(result, "starts"));
	if (js_get(result, "paused"))
		print_paused(p, js_get(result, "paused"));
	for (size_t i = 0; i < js_len(upcoming); i++) {
		const char *iso = js_text(js_at(upcoming, i));

		print_put(p, STYLE_PLAIN, "%s %.10s %.5s%s", i ? "," : "next:", iso, iso + 11, i + 1 == js_len(upcoming) ? " UTC\n" : "");
	}
	if (js_len(firings))
		print_firings(p, firings, false);
	else
		print_put(p, STYLE_DIM, "it has not fired so far\n");
}

void print_trigger_fire(struct print *p, const struct js *result)
{
	const char *run = js_get_str(result, "run_id"), *reason = js_get_str(result, "reason");
	const char *decision = js_get_str(result, "decision");

	if (js_get_bool(result, "repeated"))
		print_put(p, STYLE_PLAIN, "this cause was decided before: ");
	if (run) {
		print_put(p, STYLE_PLAIN, "run %.8s of project %s; follow it: ", run, js_get_str(result, "project"));
		print_put(p, STYLE_NAME, "mlops logs -f %.8s\n", run);
		return;
	}
	print_put(p, decision_style(result), "%s", decision);
	print_put(p, STYLE_PLAIN, "%s%s\n", reason ? ": " : "", reason ? reason : "");
}

void print_trigger_paused(struct print *p, const struct js *result)
{
	const char *project = js_get_str(result, "project"), *trigger = js_get_str(result, "trigger");

	if (!js_get_bool(result, "paused")) {
		print_put(p, STYLE_GOOD, "resumed");
		print_put(p, STYLE_PLAIN, " %s/%s\n", project, trigger);
		return;
	}
	print_put(p, STYLE_WARN, "paused");
	print_put(p, STYLE_PLAIN, " %s/%s; let it go on with: mlops trigger resume %s %s\n", project, trigger, project, trigger);
}

void print_trigger_history(struct print *p, const struct js *result)
{
	if (js_len(js_get(result, "firings")))
		print_firings(p, js_get(result, "firings"), true);
	else
		print_put(p, STYLE_PLAIN, "nothing fired so far\n");
}

void print_trigger_next(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = { { .title = "TIME (UTC)" }, { .title = "TRIGGER" }, { .title = "CRON", .drop = 1 } };
	const struct js *rows = js_get(result, "triggers");
	struct table table;

	if (!js_len(rows)) {
		print_put(p, STYLE_PLAIN, "no trigger has a schedule\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i), *times = js_get(row, "times");
		const char *project = js_get_str(row, "project");

		for (size_t k = 0; k < js_len(times); k++) {
			put_next(&table, js_get_bool(row, "paused") ? STYLE_DIM : STYLE_PLAIN, js_text(js_at(times, k)));
			if (project)
				table_cell(&table, STYLE_NAME, "%s/%s", project, js_get_str(row, "trigger"));
			else
				table_cell(&table, STYLE_DIM, "-");
			table_cell(&table, STYLE_PLAIN, "%s %s", js_get_str(row, "cron"), js_get_str(row, "tz"));
		}
	}
	table_print(&table, p);
}
