/* SPDX-License-Identifier: Apache-2.0 */
/* Text of key add, list, rotate, revoke and show. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

static enum style state_style(const char *state)
{
	static const struct {
		const char *state;
		enum style style;
	} styles[] = { { "active", STYLE_GOOD }, { "revoked", STYLE_BAD }, { "retired", STYLE_DIM } };

	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (!strcmp(styles[i].state, state))
			return styles[i].style;
	return STYLE_PLAIN;
}

void print_key_add(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "trusted");
	print_put(p, STYLE_PLAIN, " key %.12s of %s\n", js_get_str(result, "id"), js_get_str(result, "name"));
}

void print_key_rotate(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "rotated");
	print_put(p, STYLE_PLAIN, ": key %.12s of %s signs from now on\n", js_get_str(result, "id"), js_get_str(result, "name"));
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " give its public half to whoever verifies: mlops key show\n");
}

void print_key_revoke(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "revoked");
	print_put(p, STYLE_PLAIN, " key %.12s of %s\n", js_get_str(result, "id"), js_get_str(result, "name"));
	if (js_get_bool(result, "replaced"))
		print_put(p, STYLE_PLAIN, "key %.12s signs from now on\n", js_get_str(result, "active"));
}

static void time_cell(struct table *table, const struct js *key, const char *name)
{
	char time[HUMAN];

	table_cell(table, STYLE_PLAIN, "%s", js_get(key, name) ? human_time(js_get_int(key, name, 0), time) : "-");
}

void print_key_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "KEY" }, { .title = "NAME", .shrink = true }, { .title = "STATE" }, { .title = "MADE", .drop = 2 },
		{ .title = "ENDED", .drop = 3 }, { .title = "WHY", .shrink = true, .drop = 1 },
	};
	const struct js *keys = js_get(result, "keys");
	struct table table;

	if (!js_len(keys)) {
		print_put(p, STYLE_PLAIN, "no keys; the first comes with: mlops audit checkpoint\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(keys); i++) {
		const struct js *key = js_at(keys, i);
		const char *state = js_get_str(key, "state"), *reason = js_get_str(key, "reason");

		table_cell(&table, STYLE_NAME, "%.12s", js_get_str(key, "id"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(key, "name"));
		table_cell(&table, state_style(state), "%s", state);
		time_cell(&table, key, "created");
		time_cell(&table, key, "ended");
		table_cell(&table, STYLE_DIM, "%s", reason ? reason : "-");
	}
	table_print(&table, p);
}

static void put_field(struct print *p, const char *name, const char *text)
{
	if (!text)
		return;
	print_put(p, STYLE_DIM, "%-10s", name);
	print_put(p, STYLE_PLAIN, "%s\n", text);
}

void print_key_show(struct print *p, const struct js *result)
{
	char time[HUMAN];

	put_field(p, "key", js_get_str(result, "id"));
	put_field(p, "name", js_get_str(result, "name"));
	put_field(p, "state", js_get_str(result, "state"));
	put_field(p, "made", human_time(js_get_int(result, "created", 0), time));
	put_field(p, "log", js_get_str(result, "log"));
	put_field(p, "verifier", js_get_str(result, "verifier"));
	put_field(p, "private", js_get_str(result, "private"));
	if (js_get(result, "trouble")) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_get_str(result, "trouble"));
	}
	print_put(p, STYLE_PLAIN, "\n%s", js_get_str(result, "public"));
}
