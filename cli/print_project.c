/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

void print_version(struct print *p, const struct js *result)
{
	print_put(p, STYLE_PLAIN, "%s %s\n", js_get_str(result, "name"),
		  js_get_str(result, "version"));
}

static void put_paths(struct print *p, const char *title, const struct js *paths)
{
	for (size_t i = 0; i < js_len(paths); i++) {
		print_put(p, STYLE_DIM, "  %-9s", i ? "" : title);
		print_word(p, STYLE_PLAIN, js_text(js_at(paths, i)));
		putc('\n', p->out);
	}
}

void print_init(struct print *p, const struct js *result)
{
	const struct js *wrote = js_get(result, "wrote"), *notes = js_get(result, "notes");

	print_put(p, STYLE_GOOD, js_get_bool(result, "created") ? "made" : "kept");
	print_put(p, STYLE_PLAIN, " the project ");
	print_word(p, STYLE_BOLD, js_get_str(result, "root"));
	putc('\n', p->out);
	if (wrote) {
		print_put(p, STYLE_GOOD, "wrote");
		print_put(p, STYLE_PLAIN, " %s, a guess to look over: step %s\n",
			  js_get_str(wrote, "file"), js_get_str(wrote, "step"));
		print_put(p, STYLE_DIM, "  %-9s", "cmd");
		print_word(p, STYLE_PLAIN, js_get_str(wrote, "cmd"));
		putc('\n', p->out);
		put_paths(p, "in", js_get(wrote, "in"));
		put_paths(p, "out", js_get(wrote, "out"));
		put_paths(p, "metrics", js_get(wrote, "metrics"));
	}
	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " %s\n", js_get_str(result, "next"));
}

static void put_state(struct print *p, const char *state)
{
	static const struct {
		const char *state;
		enum style style;
		const char *utf8, *ascii;
	} states[] = { { "pass", STYLE_GOOD, "✓", "+" },
		       { "note", STYLE_DIM, "·", "." },
		       { "warn", STYLE_WARN, "!", "!" },
		       { "fail", STYLE_BAD, "✗", "x" } };

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (!strcmp(states[i].state, state))
			print_put(p, states[i].style, "%s %s",
				  print_symbol(p, states[i].utf8, states[i].ascii), state);
}

void print_doctor(struct print *p, const struct js *result)
{
	const struct js *checks = js_get(result, "checks");

	for (size_t i = 0; i < js_len(checks); i++) {
		const struct js *check = js_at(checks, i);
		const char *fix = js_get_str(check, "fix");

		put_state(p, js_get_str(check, "state"));
		print_put(p, STYLE_BOLD, "  %-11s  ", js_get_str(check, "check"));
		print_word(p, STYLE_PLAIN, js_get_str(check, "text"));
		putc('\n', p->out);
		if (fix) {
			fprintf(p->out, "%21s", "");
			print_word(p, STYLE_NAME, fix);
			putc('\n', p->out);
		}
	}
}

static void put_settings(struct print *p, const struct js *settings)
{
	static const struct table_column columns[] = {
		{ .title = "KEY" },     { .title = "VALUE", .shrink = true },  { .title = "DEFAULT", .shrink = true },
		{ .title = "FROM" }, { .title = "MEANING", .shrink = true },
	};
	struct table table;

	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(settings); i++) {
		const struct js *setting = js_at(settings, i);
		bool changed = strcmp(js_get_str(setting, "origin"), "default") != 0;

		table_cell(&table, STYLE_NAME, "%s", js_get_str(setting, "key"));
		table_cell(&table, changed ? STYLE_BOLD : STYLE_PLAIN, "%s",
			   js_get_str(setting, "value"));
		table_cell(&table, STYLE_DIM, "%s", js_get_str(setting, "default"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(setting, "origin"));
		table_cell(&table, STYLE_DIM, "%s", js_get_str(setting, "help"));
	}
	table_print(&table, p);
}

/* One key that was asked for is its bare value, for scripts. */
void print_config(struct print *p, const struct js *result)
{
	const struct js *settings = js_get(result, "settings"), *first = js_at(settings, 0);

	if (!js_get_bool(result, "one")) {
		put_settings(p, settings);
		return;
	}
	if (js_get_bool(result, "changed"))
		print_put(p, STYLE_PLAIN, "%s = ", js_get_str(first, "key"));
	print_word(p, STYLE_PLAIN, js_get_str(first, "value"));
	putc('\n', p->out);
}
