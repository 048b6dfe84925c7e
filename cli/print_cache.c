/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "base/strbuf.h"
#include "cli/print.h"

static char *output_paths(const struct js *outputs)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < js_len(outputs); i++)
		strbuf_printf(&sb, "%s%s", i ? ", " : "", js_get_str(js_at(outputs, i), "path"));
	return strbuf_detach(&sb);
}

/* The step that was asked for, as it was typed. */
static void print_step(struct print *p, const char *step)
{
	CLEANUP(cleanup_free) char *word = step ? shell_word(step) : NULL;

	if (word)
		print_put(p, STYLE_DIM, "%s ", word);
}

void print_cache_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "KEY" }, { .title = "STEP", .shrink = true }, { .title = "RUN" }, { .title = "CREATED" },
		{ .title = "SIZE", .right = true }, { .title = "HERE" }, { .title = "OUTPUTS", .shrink = true },
	};
	const struct js *list = js_get(result, "results");
	int64_t total = js_get_int(result, "total", 0);
	struct table table;
	char text[HUMAN];

	if (!js_len(list)) {
		print_put(p, STYLE_PLAIN, "no results\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i);
		bool here = js_get_bool(row, "here");
		CLEANUP(cleanup_free) char *paths = output_paths(js_get(row, "outputs"));
		table_cell(&table, STYLE_DIM, "%.8s", js_get_str(row, "key"));
		table_cell(&table, STYLE_NAME, "%s", js_get_str(row, "step"));
		table_cell(&table, STYLE_PLAIN, "%.8s", js_get_str(row, "run"));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(row, "created", 0), text));
		table_cell(&table, STYLE_PLAIN, "%s", human_bytes((uint64_t)js_get_int(row, "size", 0), text));
		table_cell(&table, here ? STYLE_GOOD : STYLE_WARN, "%s%s", here ? "yes" : "no",
			   js_get_bool(row, "accepted") ? ", accepted" : "");
		table_cell(&table, STYLE_PLAIN, "%s", paths);
	}
	table_print(&table, p);
	if ((int64_t)js_len(list) < total) {
		print_put(p, STYLE_DIM, "%lld more: mlops cache list ", (long long)(total - (int64_t)js_len(list)));
		print_step(p, js_get_str(result, "step"));
		print_put(p, STYLE_DIM, "-n %lld\n", (long long)total);
	}
}

void print_cache_rm(struct print *p, const struct js *result)
{
	const struct js *list = js_get(result, "forgotten"), *notes = js_get(result, "notes");

	print_put(p, STYLE_PLAIN, "forgot %zu result%s\n", js_len(list), js_len(list) == 1 ? "" : "s");
	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
}
