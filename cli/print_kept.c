/* SPDX-License-Identifier: Apache-2.0 */
/* What a run, a diff and a failure tell of tables: kept profiles, and what does not fit a schema. */
#include <math.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"
#include "cli/text.h"

#define COLUMNS_SHOWN 20 /* of a profile */
#define CHANGES_SHOWN 8  /* of two */

void print_misfits(struct print *p, const struct js *reports)
{
	for (size_t i = 0; i < js_len(reports); i++) {
		const struct js *report = js_at(reports, i), *lines = js_get(report, "lines");

		print_word(p, STYLE_NAME, js_get_str(report, "path"));
		print_put(p, STYLE_BAD, " does not fit");
		print_put(p, STYLE_PLAIN, " [schema.%s]\n", js_get_str(report, "schema"));
		for (size_t k = 0; k < js_len(lines); k++) {
			print_put(p, STYLE_PLAIN, "  ");
			print_word(p, STYLE_PLAIN, js_text(js_at(lines, k)));
			print_put(p, STYLE_PLAIN, "\n");
		}
	}
}

static void number_cell(struct table *table, const struct js *column, const char *key)
{
	char text[HUMAN];

	if (js_get(column, key))
		table_cell(table, STYLE_PLAIN, "%s", human_number(js_get_real(column, key, NAN), text));
	else
		table_cell(table, STYLE_PLAIN, "%s", "");
}

static void print_columns(struct print *p, const struct js *columns)
{
	static const struct table_column head[] = {
		{ .title = "COLUMN", .shrink = true }, { .title = "TYPE" }, { .title = "NULL", .right = true },
		{ .title = "DISTINCT", .right = true }, { .title = "MIN", .right = true }, { .title = "MEDIAN", .right = true },
		{ .title = "MEAN", .right = true }, { .title = "MAX", .right = true },
	};
	struct table table;
	char text[HUMAN];

	table_init(&table, head, ARRAY_LEN(head));
	table.indent = 2;
	for (size_t i = 0; i < js_len(columns) && i < COLUMNS_SHOWN; i++) {
		const struct js *column = js_at(columns, i);

		table_cell(&table, STYLE_NAME, "%s", js_get_str(column, "name"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(column, "type"));
		table_cell(&table, STYLE_PLAIN, "%.3g %%", 100 * js_get_real(column, "nulls", 0));
		table_cell(&table, STYLE_PLAIN, "%s", human_count((uint64_t)(js_get_real(column, "distinct", 0) + 0.5), text));
		number_cell(&table, column, "min");
		number_cell(&table, column, "median");
		number_cell(&table, column, "mean");
		number_cell(&table, column, "max");
	}
	table_print(&table, p);
	if (js_len(columns) > COLUMNS_SHOWN)
		print_put(p, STYLE_DIM, "  and %zu more columns\n", js_len(columns) - COLUMNS_SHOWN);
}

void print_run_profiles(struct print *p, const struct js *profiles)
{
	char text[HUMAN];

	for (size_t i = 0; i < js_len(profiles); i++) {
		const struct js *profile = js_at(profiles, i), *columns = js_get(profile, "columns");

		print_word(p, STYLE_BOLD, js_get_str(profile, "path"));
		if (js_get_bool(profile, "missing")) {
			print_put(p, STYLE_DIM, "  is not here: mlops pull\n");
			continue;
		}
		print_put(p, STYLE_PLAIN, "  %s rows, %zu column%s\n",
			  human_count((uint64_t)js_get_int(profile, "rows", 0), text), js_len(columns),
			  js_len(columns) == 1 ? "" : "s");
		print_columns(p, columns);
	}
}

static void add_numbers(struct strbuf *out, const struct js *change, const char *what, double scale, const char *unit)
{
	CLEANUP(cleanup_free) char *old = xasprintf("old_%s", what);
	CLEANUP(cleanup_free) char *now = xasprintf("new_%s", what);
	char a[HUMAN], b[HUMAN];

	if (!js_get(change, old))
		return;
	strbuf_printf(out, "%s%s %s -> %s%s", out->len ? ", " : "", what,
		      human_number(scale * js_get_real(change, old, NAN), a),
		      human_number(scale * js_get_real(change, now, NAN), b), unit);
}

/* "type int -> text, nulls 0 -> 4 %, mean 1.5 -> 1.9 (+0.3 sd)" */
static void change_text(const struct js *change, struct strbuf *out)
{
	const char *kind = js_get_str(change, "change"), *old = js_get_str(change, "old_type"), *now = js_get_str(change, "new_type");

	if (strcmp(kind, "changed") != 0) {
		strbuf_printf(out, "%s (%s)", kind, old ? old : now);
		return;
	}
	if (old)
		strbuf_printf(out, "type %s -> %s", old, now);
	add_numbers(out, change, "nulls", 100, " %");
	add_numbers(out, change, "median", 1, "");
	add_numbers(out, change, "mean", 1, "");
	if (js_get(change, "shift"))
		strbuf_printf(out, " (%+.2g sd)", js_get_real(change, "shift", 0));
	add_numbers(out, change, "distinct", 1, "");
}

void print_profile_changes(struct print *p, const struct js *changes)
{
	const struct js *columns = js_get(changes, "columns");
	char old[HUMAN], now[HUMAN];

	if (!changes)
		return;
	print_put(p, STYLE_PLAIN, "    rows %s -> %s, %lld column%s as before\n",
		  human_count((uint64_t)js_get_int(changes, "old_rows", 0), old),
		  human_count((uint64_t)js_get_int(changes, "new_rows", 0), now),
		  (long long)js_get_int(changes, "unchanged", 0), js_get_int(changes, "unchanged", 0) == 1 ? "" : "s");
	for (size_t i = 0; i < js_len(columns) && i < CHANGES_SHOWN; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		change_text(js_at(columns, i), &text);
		print_put(p, STYLE_PLAIN, "    ");
		print_word(p, STYLE_NAME, js_get_str(js_at(columns, i), "name"));
		print_put(p, STYLE_PLAIN, ": %s\n", text.buf);
	}
	if (js_len(columns) > CHANGES_SHOWN)
		print_put(p, STYLE_DIM, "    and %zu more columns changed\n", js_len(columns) - CHANGES_SHOWN);
}
