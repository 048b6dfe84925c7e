/* SPDX-License-Identifier: Apache-2.0 */
/* Text of ci, notify list and notify retry. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

void print_ci(struct print *p, const struct js *result)
{
	print_put(p, STYLE_PLAIN, "%s", js_get_str(result, "markdown"));
}

static enum style state_style(const char *state)
{
	return !strcmp(state, "failed") ? STYLE_BAD : !strcmp(state, "sent") ? STYLE_GOOD : STYLE_WARN;
}

void print_notify_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "ID", .right = true }, { .title = "TIME", .drop = 2 }, { .title = "KIND" }, { .title = "TO" }, { .title = "WHAT", .shrink = true },
		{ .title = "STATE" }, { .title = "TRIES", .right = true, .drop = 3 }, { .title = "WHY", .shrink = true, .drop = 1 },
	};
	const struct js *rows = js_get(result, "notifications");
	struct table table;
	char time[HUMAN];

	if (!js_len(rows)) {
		print_put(p, STYLE_PLAIN, "nothing was told; say in pipeline.ini who wants to know: [notify.NAME]\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i);
		const char *target = js_get_str(row, "target"), *error = js_get_str(row, "error"), *title = js_get_str(row, "title");

		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(row, "id", 0));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(row, "created", 0), time));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(row, "kind"));
		table_cell(&table, STYLE_NAME, "%s", *target ? target : "the operator");
		table_cell(&table, STYLE_PLAIN, "%s", title ? title : "-");
		table_cell(&table, state_style(js_get_str(row, "state")), "%s", js_get_str(row, "state"));
		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(row, "tries", 0));
		table_cell(&table, STYLE_PLAIN, "%s", error ? error : "");
	}
	table_print(&table, p);
}

void print_notify_retry(struct print *p, const struct js *result)
{
	print_put(p, STYLE_PLAIN, "notification %lld waits for the agent again; see: ", (long long)js_get_int(result, "id", 0));
	print_put(p, STYLE_NAME, "mlops notify list\n");
}
