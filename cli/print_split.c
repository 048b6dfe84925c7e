/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

#define CLASSES_SHOWN 20

static void put_parts(struct print *p, const struct js *parts, bool times)
{
	static const struct table_column columns[] = {
		{ .title = "PART" },
		{ .title = "ROWS", .right = true },
		{ .title = "SHARE", .right = true },
		{ .title = "FROM", .drop = 1 },
		{ .title = "TO", .drop = 2 },
		{ .title = "FILE", .shrink = true },
	};
	static const struct table_column plain[] = {
		{ .title = "PART" }, { .title = "ROWS", .right = true }, { .title = "SHARE", .right = true }, { .title = "FILE", .shrink = true },
	};
	struct table table;

	table_init(&table, times ? columns : plain, times ? ARRAY_LEN(columns) : ARRAY_LEN(plain));
	for (size_t i = 0; i < js_len(parts); i++) {
		const struct js *part = js_at(parts, i);
		const char *from = js_get_str(part, "from"), *to = js_get_str(part, "to"), *path = js_get_str(part, "path");
		char rows[HUMAN];

		table_cell(&table, STYLE_NAME, "%s", js_get_str(part, "name"));
		table_cell(&table, STYLE_PLAIN, "%s", human_count((uint64_t)js_get_int(part, "rows", 0), rows));
		table_cell(&table, STYLE_PLAIN, "%.2f %%", 100 * js_get_real(part, "share", 0));
		if (times) {
			table_cell(&table, STYLE_PLAIN, "%s", from ? from : "");
			table_cell(&table, STYLE_PLAIN, "%s", to ? to : "");
		}
		table_cell(&table, STYLE_PLAIN, "%s", path ? path : "");
	}
	table_print(&table, p);
}

static void put_classes(struct print *p, const struct js *classes, const struct js *parts)
{
	CLEANUP(cleanup_free) struct table_column *columns = xcalloc(js_len(parts) + 1, sizeof(*columns));
	struct table table;

	columns[0] = (struct table_column){ .title = "CLASS", .shrink = true };
	for (size_t i = 0; i < js_len(parts); i++)
		columns[i + 1] = (struct table_column){ .title = js_get_str(js_at(parts, i), "name"), .right = true };
	table_init(&table, columns, js_len(parts) + 1);
	for (size_t i = 0; i < js_len(classes) && i < CLASSES_SHOWN; i++) {
		const struct js *rows = js_get(js_at(classes, i), "rows");
		const char *value = js_get_str(js_at(classes, i), "value");

		table_cell(&table, STYLE_NAME, "%s", value ? value : "(no value)");
		for (size_t k = 0; k < js_len(rows); k++) {
			int64_t here = js_int_value(js_at(rows, k)), all = js_get_int(js_at(parts, k), "rows", 0);
			char count[HUMAN];

			table_cell(&table, STYLE_PLAIN, "%s (%.1f %%)", human_count((uint64_t)here, count),
				   all ? 100.0 * (double)here / (double)all : 0.0);
		}
	}
	table_print(&table, p);
	if (js_len(classes) > CLASSES_SHOWN)
		print_put(p, STYLE_DIM, "and %zu more classes\n", js_len(classes) - CLASSES_SHOWN);
}

static void put_leak(struct print *p, const struct js *leak)
{
	const struct js *parts = js_get(leak, "parts"), *rows = js_get(leak, "rows");
	const char *kind = js_get_str(leak, "kind"), *value = js_get_str(leak, "value");
	int64_t count = js_get_int(leak, "count", 0);
	char number[HUMAN];

	print_put(p, STYLE_BAD, "%s %s%s %s", human_count((uint64_t)count, number), strcmp(kind, "time") ? kind : "row",
		  count == 1 ? "" : "s", js_get_str(leak, "message"));
	for (size_t i = 0; i < js_len(parts); i++) {
		print_put(p, STYLE_PLAIN, i ? " and row %s of " : ", such as row %s of ",
			  human_count((uint64_t)js_int_value(js_at(rows, i)), number));
		print_word(p, STYLE_NAME, js_text(js_at(parts, i)));
	}
	if (value)
		print_put(p, STYLE_PLAIN, " (%s)", value);
	print_put(p, STYLE_PLAIN, "\n");
}

void print_split(struct print *p, const struct js *result)
{
	const struct js *parts = js_get(result, "parts"), *classes = js_get(result, "classes"), *leaks = js_get(result, "leaks"),
			*warnings = js_get(result, "warnings");

	put_parts(p, parts, !strcmp(js_get_str(result, "by"), "time"));
	if (js_len(classes))
		put_classes(p, classes, parts);
	for (size_t i = 0; i < js_len(warnings); i++)
		print_put(p, STYLE_WARN, "note: %s\n", js_text(js_at(warnings, i)));
	for (size_t i = 0; i < js_len(leaks); i++)
		put_leak(p, js_at(leaks, i));
	if (!js_len(leaks))
		print_put(p, STYLE_GOOD, "%s no part knows of another\n", print_symbol(p, "✓", "ok:"));
}
