/* SPDX-License-Identifier: Apache-2.0 */
/* Text of model list and show. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

static void aliases_cell(struct table *table, const struct js *aliases)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < js_len(aliases); i++) {
		const struct js *alias = js_at(aliases, i);
		const char *name = js_get_str(alias, "alias");

		strbuf_puts(&text, i ? ", " : "");
		if (name)
			strbuf_printf(&text, "%s=v%s", name, js_get_str(alias, "version"));
		else
			strbuf_puts(&text, js_text(alias));
	}
	table_cell(table, STYLE_GOOD, "%s", text.len ? text.buf : "-");
}

/* The largest number: versions of several stages may be the newest. */
static int64_t newest(const struct js *versions)
{
	int64_t number = 0;

	for (size_t i = 0; i < js_len(versions); i++) {
		int64_t one = strtoll(js_get_str(js_at(versions, i), "version"), NULL, 10);

		number = one > number ? one : number;
	}
	return number;
}

void print_model_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "MODEL", .shrink = true },
		{ .title = "NEWEST", .right = true },
		{ .title = "ALIASES", .shrink = true, .drop = 1 },
		{ .title = "CHANGED", .drop = 2 },
		{ .title = "DESCRIPTION", .shrink = true, .drop = 3 },
	};
	const struct js *models = js_get(result, "registered_models");
	struct table table;
	char time[HUMAN];

	if (!js_len(models)) {
		print_put(p, STYLE_PLAIN, "no registered models\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(models); i++) {
		const struct js *model = js_at(models, i);
		const char *description = js_get_str(model, "description");
		int64_t number = newest(js_get(model, "latest_versions"));

		table_cell(&table, STYLE_NAME, "%s", js_get_str(model, "name"));
		table_cell(&table, STYLE_PLAIN, number ? "v%lld" : "-", (long long)number);
		aliases_cell(&table, js_get(model, "aliases"));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(model, "last_updated_timestamp", 0), time));
		table_cell(&table, STYLE_DIM, "%s", description ? description : "");
	}
	table_print(&table, p);
	if (js_get_str(result, "next_page_token"))
		print_put(p, STYLE_DIM, "more: --page-token %s\n", js_get_str(result, "next_page_token"));
}

static void put_tags(struct print *p, const struct js *tags)
{
	for (size_t i = 0; i < js_len(tags); i++) {
		print_put(p, STYLE_PLAIN, i ? "" : "\ntags\n");
		print_put(p, STYLE_PLAIN, "  %s = ", js_get_str(js_at(tags, i), "key"));
		print_word(p, STYLE_PLAIN, js_get_str(js_at(tags, i), "value"));
		print_put(p, STYLE_PLAIN, "\n");
	}
}

static void put_versions(struct print *p, const struct js *versions)
{
	static const struct table_column columns[] = {
		{ .title = "VERSION" },
		{ .title = "ALIASES", .shrink = true },
		{ .title = "STAGE", .drop = 3 },
		{ .title = "CREATED", .drop = 1 },
		{ .title = "RUN", .drop = 2 },
		{ .title = "SOURCE", .shrink = true, .drop = 4 },
	};
	struct table table;
	char time[HUMAN];

	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(versions); i++) {
		const struct js *v = js_at(versions, i);
		const char *run = js_get_str(v, "run_id");

		table_cell(&table, STYLE_NAME, "v%s", js_get_str(v, "version"));
		aliases_cell(&table, js_get(v, "aliases"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(v, "current_stage"));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(v, "creation_timestamp", 0), time));
		table_cell(&table, STYLE_PLAIN, "%.8s", run && *run ? run : "-");
		table_cell(&table, STYLE_DIM, "%s", js_get_str(v, "source"));
	}
	table_print(&table, p);
}

static void put_line(struct print *p, const char *what, const char *text)
{
	if (!text || !*text)
		return;
	print_put(p, STYLE_PLAIN, "  %s%s", what, *what ? " " : "");
	print_word(p, STYLE_PLAIN, text);
	print_put(p, STYLE_PLAIN, "\n");
}

static void put_candidate(struct print *p, const struct js *candidate)
{
	const struct js *files = js_get(candidate, "files");

	if (!candidate)
		return;
	print_put(p, STYLE_PLAIN, "  by ");
	print_word(p, STYLE_PLAIN, js_get_str(candidate, "author"));
	print_put(p, STYLE_PLAIN, "\n  gate ");
	print_put(p, !strcmp(js_get_str(candidate, "verdict"), "passed") ? STYLE_GOOD : STYLE_BAD, "%s",
		  js_get_str(candidate, "verdict"));
	if (js_get(candidate, "champion"))
		print_put(p, STYLE_PLAIN, " against v%lld", (long long)js_get_int(candidate, "champion", 0));
	print_put(p, STYLE_PLAIN, "\n");
	print_gate_lines(p, js_get(candidate, "lines"));
	for (void *it = js_iter(files); it; it = js_next(files, it))
		put_line(p, js_iter_key(it), js_get_str(js_iter_value(it), "path"));
}

static void put_held(struct print *p, const char *model, const struct js *held)
{
	for (size_t i = 0; i < js_len(held); i++) {
		const char *alias = js_text(js_at(held, i));

		print_put(p, STYLE_BAD, "  %s moves by people only, until: mlops model release %s@%s\n", alias, model, alias);
	}
}

void print_model_version(struct print *p, const struct js *result)
{
	const struct js *v = js_get(result, "model_version"), *aliases = js_get(v, "aliases");
	char time[HUMAN];

	print_put(p, STYLE_NAME, "%s@v%s", js_get_str(v, "name"), js_get_str(v, "version"));
	for (size_t i = 0; i < js_len(aliases); i++)
		print_put(p, STYLE_GOOD, "%s%s", i ? ", " : "  ", js_text(js_at(aliases, i)));
	print_put(p, STYLE_PLAIN, "\n  created %s\n", human_time(js_get_int(v, "creation_timestamp", 0), time));
	if (strcmp(js_get_str(v, "current_stage"), "None") != 0)
		put_line(p, "stage", js_get_str(v, "current_stage"));
	put_line(p, "run", js_get_str(v, "run_id"));
	put_line(p, "logged model", js_get_str(result, "model_id"));
	put_line(p, "source", js_get_str(v, "source"));
	put_line(p, "files", js_get_str(result, "location"));
	put_line(p, "", js_get_str(v, "description"));
	put_line(p, "rejected:", js_get_str(result, "rejected"));
	put_candidate(p, js_get(result, "candidate"));
	put_tags(p, js_get(v, "tags"));
}

void print_model_show(struct print *p, const struct js *result)
{
	const struct js *model = js_get(result, "registered_model");
	char time[HUMAN];

	if (!model) {
		print_model_version(p, result);
		return;
	}
	print_put(p, STYLE_NAME, "%s", js_get_str(model, "name"));
	print_put(p, STYLE_PLAIN, "  registered %s\n", human_time(js_get_int(model, "creation_timestamp", 0), time));
	put_line(p, "", js_get_str(model, "description"));
	put_held(p, js_get_str(model, "name"), js_get(result, "held"));
	put_tags(p, js_get(model, "tags"));
	print_put(p, STYLE_PLAIN, "\n");
	if (js_len(js_get(result, "model_versions")))
		put_versions(p, js_get(result, "model_versions"));
	else
		print_put(p, STYLE_PLAIN, "no versions\n");
}
