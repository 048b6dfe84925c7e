/* SPDX-License-Identifier: Apache-2.0 */
/* What a table is: a line a column, then what one should know before using it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define COLUMNS_SHOWN  500
#define WARNINGS_SHOWN 40
#define BARS	       12 /* characters of a small histogram */
#define VALUE_WIDTH    16

/* Bins of the histogram as bars, neighbours joined until they are few. Needs block characters. */
static void put_bars(const struct js *counts, struct strbuf *ret)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	double bars[BARS] = { 0 }, most = 0;
	size_t n = js_len(counts), each = (n + BARS - 1) / BARS, shown = (n + each - 1) / each;

	for (size_t i = 0; i < n; i++) {
		size_t bar = i / each, joined = n - bar * each < each ? n - bar * each : each;

		bars[bar] += (double)js_int_value(js_at(counts, i)) / (double)joined;
	}
	for (size_t i = 0; i < shown; i++)
		most = fmax(most, bars[i]);
	for (size_t i = 0; i < shown; i++)
		strbuf_puts(ret, bars[i] > 0 ? blocks[(size_t)fmin(7, 8 * bars[i] / most)] : " ");
}

/* Milliseconds since 1970 as a date, with its time unless that is midnight; UTC. */
static void put_time(double ms, struct strbuf *ret)
{
	char text[64] = "";
	time_t seconds;
	struct tm tm;

	if (!(fabs(ms) < 8.64e15)) /* 275,000 years */
		return;
	seconds = (time_t)floor(ms / 1000);
	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), seconds % 86400 ? "%Y-%m-%d %H:%M" : "%Y-%m-%d", &tm);
	strbuf_puts(ret, text);
}

static void put_value(const struct js *value, bool time, struct strbuf *ret)
{
	char number[HUMAN];

	if (js_text(value))
		text_cut(js_text(value), VALUE_WIDTH, true, ret);
	else if (time)
		put_time(js_number(value), ret);
	else
		strbuf_puts(ret, human_number(js_number(value), number));
}

/* "red 34 %, blue 33 %, green 33 %" */
static void put_top(const struct js *column, struct strbuf *ret)
{
	const struct js *top = js_get(column, "top");
	double filled = (double)(js_get_int(column, "rows", 0) - js_get_int(column, "nulls", 0));

	for (size_t i = 0; i < js_len(top) && i < 4; i++) {
		strbuf_puts(ret, i ? ", " : "");
		put_value(js_get(js_at(top, i), "value"), false, ret);
		strbuf_printf(ret, " %.3g %%", 100 * (double)js_get_int(js_at(top, i), "count", 0) / filled);
	}
	if (js_get_int(column, "distinct", 0) > 4)
		strbuf_puts(ret, ", ...");
}

static void number_cell(struct table *table, const struct js *column, const struct js *value)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (value)
		put_value(value, !strcmp(js_get_str(column, "type"), "time"), &text);
	table_cell(table, STYLE_PLAIN, "%s", text.buf);
}

static void add_column(struct print *p, struct table *table, const struct js *column)
{
	CLEANUP_STRBUF struct strbuf shape = STRBUF_INIT;
	int64_t rows = js_get_int(column, "rows", 0), nulls = js_get_int(column, "nulls", 0);
	const struct js *counts = js_get(js_get(column, "histogram"), "counts");
	char text[HUMAN];

	if (!counts)
		put_top(column, &shape);
	else if (p->utf8)
		put_bars(counts, &shape);
	table_cell(table, STYLE_NAME, "%s", js_get_str(column, "name"));
	table_cell(table, STYLE_PLAIN, "%s", js_get_str(column, "type"));
	table_cell(table, nulls ? STYLE_PLAIN : STYLE_DIM, "%.3g %%", rows ? 100 * (double)nulls / (double)rows : 0);
	table_cell(table, STYLE_PLAIN, "%s%s", js_get_bool(column, "distinct_exact") ? "" : "~",
		   human_count((uint64_t)js_get_int(column, "distinct", 0), text));
	number_cell(table, column, js_get(column, "min"));
	number_cell(table, column, js_get(js_get(column, "quantiles"), "0.5"));
	number_cell(table, column, js_get(column, "max"));
	table_cell(table, STYLE_PLAIN, "%s", shape.buf);
}

static void print_columns(struct print *p, const struct js *columns)
{
	static const struct table_column head[] = {
		{ .title = "COLUMN", .shrink = true },	     { .title = "TYPE" },
		{ .title = "NULL", .right = true },	     { .title = "DISTINCT", .right = true, .drop = 2 },
		{ .title = "MIN", .right = true, .drop = 3 }, { .title = "MEDIAN", .right = true, .drop = 1 },
		{ .title = "MAX", .right = true, .drop = 4 }, { .title = "VALUES", .shrink = true },
	};
	size_t n = js_len(columns);
	struct table table;

	table_init(&table, head, ARRAY_LEN(head));
	for (size_t i = 0; i < n && i < COLUMNS_SHOWN; i++)
		add_column(p, &table, js_at(columns, i));
	table_print(&table, p);
	if (n > COLUMNS_SHOWN)
		print_put(p, STYLE_DIM, "and %zu more columns; --json has all\n", n - COLUMNS_SHOWN);
}

/* ---- what follows the table ---- */

static void print_target(struct print *p, const struct js *target)
{
	const struct js *classes = js_get(target, "classes");
	char number[HUMAN];

	if (!target)
		return;
	print_put(p, STYLE_BOLD, "\ntarget ");
	print_word(p, STYLE_NAME, js_get_str(target, "name"));
	if (js_get(target, "mean"))
		print_put(p, STYLE_PLAIN, "  mean %s", human_number(js_get_real(target, "mean", NAN), number));
	if (js_get(target, "std"))
		print_put(p, STYLE_PLAIN, ", standard deviation %s", human_number(js_get_real(target, "std", NAN), number));
	print_put(p, STYLE_PLAIN, "\n");
	for (size_t i = 0; i < js_len(classes); i++) {
		const struct js *class = js_at(classes, i);
		CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;

		put_value(js_get(class, "value"), false, &value);
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, STYLE_PLAIN, value.buf);
		print_put(p, STYLE_DIM, "  %s rows, %.3g %%\n", human_count((uint64_t)js_get_int(class, "count", 0), number),
			  100 * js_get_real(class, "share", 0));
	}
}

static void print_correlations(struct print *p, const struct js *pairs)
{
	if (js_len(pairs))
		print_put(p, STYLE_BOLD, "\ncorrelations\n");
	for (size_t i = 0; i < js_len(pairs) && i < 10; i++) {
		const struct js *pair = js_at(pairs, i);

		print_put(p, STYLE_PLAIN, "  %+.3f  ", js_get_real(pair, "r", 0));
		print_word(p, STYLE_NAME, js_get_str(pair, "a"));
		print_put(p, STYLE_PLAIN, ", ");
		print_word(p, STYLE_NAME, js_get_str(pair, "b"));
		print_put(p, STYLE_PLAIN, "\n");
	}
}

static void print_full(struct print *p, const struct js *full)
{
	const struct js *repeated = js_get(full, "duplicate_rows"), *outliers = js_get(full, "outliers");
	char count[HUMAN], error[HUMAN];
	bool any = false;

	if (!full)
		return;
	print_correlations(p, js_get(full, "correlations"));
	for (size_t i = 0; i < js_len(outliers); i++) {
		const struct js *far = js_at(outliers, i);

		if (!js_get_int(far, "iqr", 0) && !js_get_int(far, "mad", 0))
			continue;
		print_put(p, STYLE_BOLD, "%s", any ? "" : "\noutliers\n");
		any = true;
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, STYLE_NAME, js_get_str(far, "name"));
		print_put(p, STYLE_PLAIN, "  %s by quartiles", human_count((uint64_t)js_get_int(far, "iqr", 0), count));
		print_put(p, STYLE_PLAIN, ", %s by median deviation\n", human_count((uint64_t)js_get_int(far, "mad", 0), count));
	}
	print_put(p, STYLE_BOLD, "\nrepeated rows  ");
	print_put(p, STYLE_PLAIN, "%s%s", js_get_bool(repeated, "exact") ? "" : "~",
		  human_count((uint64_t)js_get_int(repeated, "count", 0), count));
	if (js_get_int(repeated, "error", 0))
		print_put(p, STYLE_DIM, " (+- %s)", human_count((uint64_t)js_get_int(repeated, "error", 0), error));
	print_put(p, STYLE_PLAIN, "\n");
}

static void print_warning(struct print *p, const char *column, const char *text)
{
	print_put(p, STYLE_WARN, "! ");
	if (column) {
		print_word(p, STYLE_NAME, column);
		print_put(p, STYLE_PLAIN, ": ");
	}
	print_word(p, STYLE_PLAIN, text);
	print_put(p, STYLE_PLAIN, "\n");
}

static void print_warnings(struct print *p, const struct js *result)
{
	const struct js *columns = js_get(result, "columns"), *own = js_get(result, "warnings");
	size_t shown = 0, hidden = 0;

	for (size_t i = 0; i < js_len(own); i++)
		print_warning(p, NULL, js_text(js_at(own, i)));
	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *list = js_get(js_at(columns, i), "warnings");

		for (size_t k = 0; k < js_len(list); k++) {
			if (shown++ >= WARNINGS_SHOWN)
				hidden++;
			else
				print_warning(p, js_get_str(js_at(columns, i), "name"), js_text(js_at(list, k)));
		}
	}
	if (hidden)
		print_put(p, STYLE_DIM, "and %zu more warnings; --json has all\n", hidden);
}

void print_profile(struct print *p, const struct js *result)
{
	const char *page = js_get_str(result, "page"), *name = js_get_str(result, "table");
	const struct js *columns = js_get(result, "columns");
	char rows[HUMAN];

	if (page) {
		fputs(page, p->out);
		return;
	}
	print_word(p, STYLE_BOLD, name);
	print_put(p, STYLE_PLAIN, "  %s row%s, %zu column%s\n\n", human_count((uint64_t)js_get_int(result, "rows", 0), rows),
		  js_get_int(result, "rows", 0) == 1 ? "" : "s", js_len(columns), js_len(columns) == 1 ? "" : "s");
	print_columns(p, columns);
	print_target(p, js_get(result, "target"));
	print_full(p, js_get(result, "full"));
	if (js_len(js_get(result, "warnings")) || js_len(columns))
		print_put(p, STYLE_PLAIN, "\n");
	print_warnings(p, result);
}
