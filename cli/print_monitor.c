/* SPDX-License-Identifier: Apache-2.0 */
/* monitor: a line a monitor, a line a window, and what they say together. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"
#include "cli/text.h"

#define NAMED	 3 /* columns of a window that are named */
#define ACCURACY "ACCURACY"

static enum style style_of(const char *state)
{
	static const struct {
		const char *state;
		enum style style;
	} styles[] = { { "OK", STYLE_GOOD }, { "DRIFT", STYLE_BAD }, { "QUARANTINED", STYLE_BAD } };

	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (!strcmp(styles[i].state, state))
			return styles[i].style;
	return STYLE_WARN;
}

static const char *text_of(const struct js *json, const char *key)
{
	const char *text = js_get_str(json, key);

	return text ? text : "";
}

/* ---- list ---- */

/* "83 DRIFT, 25 OK" */
static void put_counts(const struct js *counts, struct strbuf *ret)
{
	for (void *it = js_iter(counts); it; it = js_next(counts, it))
		if (js_int_value(js_iter_value(it)))
			strbuf_printf(ret, "%s%lld %s", ret->len ? ", " : "", (long long)js_int_value(js_iter_value(it)),
				      js_iter_key(it));
}

void print_monitor_list(struct print *p, const struct js *result)
{
	static const struct table_column titles[] = {
		{ "MONITOR", false, true, 0 },	 { "STATE", false, false, 0 }, { "", false, false, 0 },
		{ "WINDOWS", false, true, 1 },	 { "OF", false, false, 2 },    { "DATA", false, true, 3 },
		{ "REFERENCE", false, true, 4 }, { "MODEL", false, true, 5 },
	};
	const struct js *monitors = js_get(result, "monitors");
	struct table table;

	if (!js_len(monitors)) {
		print_put(p, STYLE_PLAIN, "no monitors: add a section [monitor.NAME] to pipeline.ini\n");
		return;
	}
	table_init(&table, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < js_len(monitors); i++) {
		const struct js *m = js_at(monitors, i);
		CLEANUP_STRBUF struct strbuf counts = STRBUF_INIT;
		put_counts(js_get(m, "windows_by_state"), &counts);
		table_cell(&table, STYLE_NAME, "%s", text_of(m, "monitor"));
		table_cell(&table, style_of(text_of(m, "state")), "%s", text_of(m, "state"));
		table_cell(&table, STYLE_BAD, "%s", js_get_bool(m, "alarm") ? "ALARM" : "");
		table_cell(&table, STYLE_PLAIN, "%s", counts.len ? counts.buf : "-");
		table_cell(&table, STYLE_DIM, "%s", text_of(m, "window"));
		table_cell(&table, STYLE_DIM, "%s", text_of(m, "data"));
		table_cell(&table, STYLE_DIM, "%s", text_of(m, "reference"));
		table_cell(&table, STYLE_DIM, "%s", text_of(m, "model"));
	}
	table_print(&table, p);
}

/* ---- windows ---- */

static void cell_place(struct table *table, const struct js *window, const char *key)
{
	if (js_get_str(window, key))
		table_cell(table, STYLE_PLAIN, "%s", js_get_str(window, key));
	else
		table_cell(table, STYLE_PLAIN, "%lld", (long long)js_get_int(window, key, 0));
}

static bool is_calm(const char *state)
{
	static const char *const calm[] = { "OK", "SKIPPED", "INSUFFICIENT", "NEW" };

	for (size_t i = 0; i < ARRAY_LEN(calm); i++)
		if (!strcmp(calm[i], state))
			return true;
	return false;
}

/* "transfer, vicprice, vicdemand and 2 more"; of the model's own: "prediction (what the model says)". */
static void name_columns(const struct js *columns, struct strbuf *ret)
{
	size_t named = 0, more = 0;

	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *column = js_at(columns, i);
		if (is_calm(text_of(column, "state")))
			continue;
		if (named++ >= NAMED) {
			more++;
			continue;
		}
		strbuf_printf(ret, "%s%s%s", ret->len ? ", " : "", text_of(column, "name"),
			      js_get_bool(column, "prediction") ? " (what the model says)" : "");
	}
	if (more)
		strbuf_printf(ret, " and %zu more", more);
}

static const struct js *performance_of(const struct js *figures, const struct js *window)
{
	for (size_t i = 0; i < js_len(figures); i++)
		if (js_get_int(js_at(figures, i), "window", -1) == js_get_int(window, "window", -2))
			return js_at(figures, i);
	return NULL;
}

static void cell_performance(struct table *table, const struct js *figure)
{
	if (!figure)
		table_cell(table, STYLE_PLAIN, "%s", "");
	else
		table_cell(table, STYLE_PLAIN, "%s%.3f [%.3f, %.3f]",
			   strcmp(text_of(figure, "metric"), "accuracy") ? "~" : "", js_get_real(figure, "value", NAN),
			   js_get_real(figure, "low", NAN), js_get_real(figure, "high", NAN));
}

static void put_windows(struct print *p, const struct js *windows, const struct js *performance)
{
	static const struct table_column titles[] = {
		{ "WINDOW", true, false, 0 },	 { "FROM", false, false, 1 },  { "TO", false, false, 6 },
		{ "ROWS", true, false, 5 },	 { "STATE", false, false, 0 }, { "SCORE", true, false, 3 },
		{ ACCURACY, false, false, 4 },	 { "COLUMNS", false, true, 2 },
	};
	struct table_column columns[ARRAY_LEN(titles)];
	struct table table;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (js_len(performance) || strcmp(titles[i].title, ACCURACY))
			columns[n++] = titles[i];
	table_init(&table, columns, n);
	for (size_t i = 0; i < js_len(windows); i++) {
		const struct js *w = js_at(windows, i);
		CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;
		double most = js_get_real(w, "score_max", NAN);
		name_columns(js_get(w, "columns"), &names);
		table_cell(&table, STYLE_DIM, "%lld", (long long)js_get_int(w, "window", 0));
		cell_place(&table, w, "from");
		cell_place(&table, w, "to");
		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(w, "rows", 0));
		table_cell(&table, style_of(text_of(w, "state")), "%s", text_of(w, "state"));
		if (isnan(most))
			table_cell(&table, STYLE_PLAIN, "%s", "");
		else
			table_cell(&table, STYLE_PLAIN, "%.2f", most);
		if (js_len(performance))
			cell_performance(&table, performance_of(performance, w));
		table_cell(&table, STYLE_PLAIN, "%s", names.len ? names.buf : is_calm(text_of(w, "state")) ? "" : text_of(w, "reason"));
	}
	table_print(&table, p);
}

static void put_state(struct print *p, const struct js *result)
{
	const char *state = text_of(result, "state");

	print_put(p, STYLE_NAME, "%s", text_of(result, "monitor"));
	print_put(p, STYLE_PLAIN, ": ");
	print_put(p, style_of(state), "%s", state);
	if (js_get_bool(result, "alarm"))
		print_put(p, STYLE_BAD, ", ALARM");
	print_put(p, STYLE_DIM, js_get_bool(result, "alarm") ? " (two of the last three windows)\n" : "\n");
}

void print_monitor_show(struct print *p, const struct js *result)
{
	const struct js *errors = js_get(result, "errors");

	print_put(p, STYLE_DIM, "windows of %s of %s, beside %s\n", text_of(result, "window"), text_of(result, "data"),
		  text_of(result, "reference"));
	if (js_len(js_get(result, "windows")))
		put_windows(p, js_get(result, "windows"), js_get(result, "performance"));
	if (js_get_int(errors, "changes", 0))
		print_put(p, STYLE_BAD, "errors became more frequent %lld times (ADWIN)\n",
			  (long long)js_get_int(errors, "changes", 0));
	put_state(p, result);
}

void print_monitor_check(struct print *p, const struct js *result)
{
	const struct js *windows = js_get(result, "windows"), *notes = js_get(result, "notes");
	long long waiting = (long long)js_get_int(result, "waiting", 0);

	for (size_t i = 0; i < js_len(notes); i++)
		print_put(p, STYLE_DIM, "%s\n", js_text(js_at(notes, i)));
	if (js_len(windows))
		put_windows(p, windows, NULL);
	else if (!js_get_bool(result, "referred"))
		print_put(p, STYLE_PLAIN, "the windows of the reference are not complete: %lld rows wait\n", waiting);
	else
		print_put(p, STYLE_PLAIN, "no window was due: %lld rows wait\n", waiting);
	if (js_get_int(result, "labels", 0))
		print_put(p, STYLE_PLAIN, "%lld labels found their prediction\n", (long long)js_get_int(result, "labels", 0));
	put_state(p, result);
}
