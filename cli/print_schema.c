/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define VALUE_SHOWN 40

void print_schema_infer(struct print *p, const struct js *result)
{
	const char *output = js_get_str(result, "output"), *text = js_get_str(result, "text");
	int64_t columns = js_get_int(result, "columns", 0);

	if (!output) {
		/* what is not a terminal gets the file, byte for byte */
		if (p->width)
			print_put(p, STYLE_PLAIN, "%s", text);
		else
			fputs(text, p->out);
		return;
	}
	print_put(p, STYLE_PLAIN, "wrote ");
	print_word(p, STYLE_NAME, output);
	print_put(p, STYLE_PLAIN, " (%jd column%s)\n", (intmax_t)columns, columns == 1 ? "" : "s");
}

static bool says_something(const struct js *column)
{
	return js_len(js_get(column, "breaches")) || strcmp(js_get_str(column, "state"), "OK") || js_get_str(column, "renamed_from");
}

/* Of a column that is there and of its type, with values that do not fit: as on the page. */
static const char *state_of(const struct js *column)
{
	const char *state = js_get_str(column, "state");

	return js_len(js_get(column, "breaches")) && !strcmp(state, "OK") ? "FAILED" : state;
}

static enum style style_of(const struct js *column)
{
	const char *state = js_get_str(column, "state");

	if (js_len(js_get(column, "breaches")))
		return STYLE_BAD;
	return !strcmp(state, "OK") ? STYLE_GOOD : STYLE_WARN;
}

/* "3 rows, first row 17: 300"; of unique: which row it repeats. */
static void say_where(const struct js *breach, struct strbuf *text)
{
	const char *value = js_get_str(breach, "value");
	int64_t count = js_get_int(breach, "count", 0), row = js_get_int(breach, "row", 0), before = js_get_int(breach, "before", 0);
	char number[HUMAN];

	if (!count)
		return;
	if (count > 1 || !row)
		strbuf_printf(text, "%s row%s%s", human_count((uint64_t)count, number), count == 1 ? "" : "s", row ? ", first " : "");
	if (row)
		strbuf_printf(text, "row %s", human_count((uint64_t)row, number));
	if (before)
		strbuf_printf(text, " as in row %s", human_count((uint64_t)before, number));
	if (value) {
		strbuf_puts(text, ": ");
		text_cut(value, VALUE_SHOWN, true, text);
	}
}

static void add_row(struct table *table, const char *name, const char *state, enum style style, const char *message,
		    const struct js *breach)
{
	CLEANUP_STRBUF struct strbuf where = STRBUF_INIT;

	if (breach)
		say_where(breach, &where);
	table_cell(table, style, "%s", state);
	table_cell(table, STYLE_NAME, "%s", name);
	table_cell(table, breach ? STYLE_PLAIN : STYLE_DIM, "%s", message);
	table_cell(table, STYLE_PLAIN, "%s", where.buf);
}

static void add_column(struct table *table, const struct js *column)
{
	const struct js *breaches = js_get(column, "breaches");
	const char *name = js_get_str(column, "name"), *state = state_of(column), *was = js_get_str(column, "renamed_from");
	CLEANUP(cleanup_free) char *note = NULL;

	if (was)
		note = !strcmp(state, "NEW") ? xasprintf("looks like %s under another name", was)
					     : xasprintf("was found as %s", was);
	if (note || !js_len(breaches))
		add_row(table, name, state, style_of(column), note ? note : "", NULL);
	for (size_t i = 0; i < js_len(breaches); i++) {
		const struct js *breach = js_at(breaches, i);
		bool first = !i && !note;

		add_row(table, first ? name : "", first ? state : "", style_of(column), js_get_str(breach, "message"), breach);
	}
}

static void put_report(struct print *p, const struct js *report)
{
	static const struct table_column titles[] = {
		{ .title = "STATE" },
		{ .title = "COLUMN", .shrink = true },
		{ .title = "WHAT IS WRONG", .shrink = true },
		{ .title = "WHERE", .shrink = true },
	};
	const struct js *columns = js_get(report, "columns"), *breaches = js_get(report, "breaches");
	struct table table;

	table_init(&table, titles, ARRAY_LEN(titles));
	for (size_t i = 0; i < js_len(columns); i++)
		if (says_something(js_at(columns, i)))
			add_column(&table, js_at(columns, i));
	for (size_t i = 0; i < js_len(breaches); i++)
		add_row(&table, "", i ? "" : "the table", STYLE_BAD, js_get_str(js_at(breaches, i), "message"), js_at(breaches, i));
	table_print(&table, p);
}

static void put_verdict(struct print *p, const struct js *report)
{
	bool ok = js_get_bool(report, "ok");
	char rows[HUMAN], columns[HUMAN];

	print_put(p, ok ? STYLE_GOOD : STYLE_BAD, "%s ", ok ? print_symbol(p, "✓", "ok:") : print_symbol(p, "✗", "no:"));
	print_word(p, STYLE_NAME, js_get_str(report, "table"));
	print_put(p, STYLE_PLAIN, ok ? " fits " : " does not fit ");
	print_word(p, STYLE_NAME, js_get_str(report, "schema"));
	print_put(p, STYLE_PLAIN, " (%s rows, %s columns)\n", human_count((uint64_t)js_get_int(report, "rows", 0), rows),
		  human_count(js_len(js_get(report, "columns")), columns));
}

void print_schema_check(struct print *p, const struct js *result)
{
	const struct js *tables = js_get(result, "tables");

	for (size_t i = 0; i < js_len(tables); i++) {
		put_report(p, js_at(tables, i));
		put_verdict(p, js_at(tables, i));
	}
}
