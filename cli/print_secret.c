/* SPDX-License-Identifier: Apache-2.0 */
/* Text of secret add, list and rm. */
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

void print_secret_add(struct print *p, const struct js *result)
{
	bool replaced = js_get_bool(result, "replaced");

	print_put(p, STYLE_GOOD, replaced ? "replaced" : "added");
	print_put(p, STYLE_PLAIN, " secret %s\n", js_get_str(result, "name"));
	if (!js_get_bool(result, "masked")) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " it is too short to be masked in what steps print\n");
	}
}

void print_secret_rm(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "removed");
	print_put(p, STYLE_PLAIN, " secret %s\n", js_get_str(result, "name"));
}

static void steps_cell(struct table *table, const struct js *item)
{
	const struct js *steps = js_get(item, "steps");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < js_len(steps); i++)
		strbuf_printf(&text, "%s%s", i ? ", " : "", js_text(js_at(steps, i)));
	table_cell(table, STYLE_PLAIN, "%s", text.len ? text.buf : "-");
}

static void put_table(struct print *p, const struct js *secrets, const struct js *missing)
{
	static const struct table_column columns[] = {
		{ .title = "SECRET", .shrink = true },
		{ .title = "CHANGED", .drop = 1 },
		{ .title = "STEPS", .shrink = true, .drop = 2 },
	};
	struct table table;
	char time[HUMAN];

	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(secrets); i++) {
		const struct js *item = js_at(secrets, i);
		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "name"));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(item, "changed", 0), time));
		steps_cell(&table, item);
	}
	for (size_t i = 0; i < js_len(missing); i++) {
		const struct js *item = js_at(missing, i);
		table_cell(&table, STYLE_NAME, "%s", js_get_str(item, "name"));
		table_cell(&table, STYLE_BAD, "missing");
		steps_cell(&table, item);
	}
	table_print(&table, p);
}

void print_secret_list(struct print *p, const struct js *result)
{
	const struct js *secrets = js_get(result, "secrets"), *missing = js_get(result, "missing");
	const struct js *notes = js_get(result, "notes");

	if (js_len(secrets) || js_len(missing))
		put_table(p, secrets, missing);
	else
		print_put(p, STYLE_PLAIN, "no secrets; add one with: mlops secret add NAME\n");
	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
	if (js_len(missing)) {
		print_put(p, STYLE_BOLD, "next:");
		print_put(p, STYLE_PLAIN, " mlops secret add %s\n", js_get_str(js_at(missing, 0), "name"));
	}
}
