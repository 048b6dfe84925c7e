/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

/* "pipeline.ini:3:7: what is wrong", as editors read it, and the fix below. */
static void put_problem(struct print *p, const struct js *problem)
{
	int64_t line = js_get_int(problem, "line", 0), column = js_get_int(problem, "column", 0);
	const char *help = js_get_str(problem, "help");

	print_word(p, STYLE_NAME, js_get_str(problem, "file"));
	if (line)
		print_put(p, STYLE_NAME, column ? ":%jd:%jd" : ":%jd", (intmax_t)line, (intmax_t)column);
	print_put(p, STYLE_PLAIN, ": %s\n", js_get_str(problem, "message"));
	if (help)
		print_put(p, STYLE_DIM, "    %s\n", help);
}

void print_check(struct print *p, const struct js *result)
{
	const struct js *problems = js_get(result, "problems");
	int64_t steps = js_get_int(result, "steps", 0), instances = js_get_int(result, "instances", 0);
	int64_t more = js_get_int(result, "more", 0);

	for (size_t i = 0; i < js_len(problems); i++)
		put_problem(p, js_at(problems, i));
	if (more)
		print_put(p, STYLE_DIM, "and %jd more\n", (intmax_t)more);
	if (js_len(problems))
		return;
	print_word(p, STYLE_NAME, js_get_str(result, "file"));
	print_put(p, STYLE_PLAIN, ": no mistakes (%jd step%s, %jd instance%s)\n", (intmax_t)steps, steps == 1 ? "" : "s",
		  (intmax_t)instances, instances == 1 ? "" : "s");
}

static void put_section(struct print *p, const struct js *keys, size_t from, size_t to)
{
	static const struct table_column columns[] = { { .title = "KEY" },
						       { .title = "VALUE" },
						       { .title = "DEFAULT", .drop = 1 },
						       { .title = "WHAT IT SAYS" } };
	struct table table;

	table_init(&table, columns, ARRAY_LEN(columns));
	table.indent = 2;
	for (size_t i = from; i < to; i++) {
		const struct js *key = js_at(keys, i);
		const char *fallback = js_get_str(key, "default");
		bool supported = js_get_bool(key, "supported");
		enum style style = supported ? STYLE_PLAIN : STYLE_DIM;
		table_cell(&table, supported ? STYLE_NAME : STYLE_DIM, "%s", js_get_str(key, "key"));
		table_cell(&table, style, "%s", js_get_str(key, "type"));
		table_cell(&table, style, "%s", fallback ? fallback : "");
		table_cell(&table, style, "%s%s", js_get_str(key, "help"), supported ? "" : " (not supported yet)");
	}
	table_print(&table, p);
}

void print_keys(struct print *p, const struct js *result)
{
	const struct js *keys = js_get(result, "keys");

	for (size_t i = 0, end; i < js_len(keys); i = end) {
		const char *section = js_get_str(js_at(keys, i), "section");
		end = i;
		while (end < js_len(keys) && !strcmp(js_get_str(js_at(keys, end), "section"), section))
			end++;
		print_put(p, STYLE_BOLD, "%s[%s]\n", i ? "\n" : "", section);
		put_section(p, keys, i, end);
	}
}
