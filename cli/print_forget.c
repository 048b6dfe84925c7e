/* SPDX-License-Identifier: Apache-2.0 */
/* Text of forget and its requests. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define SHOWN 12 /* names; --json has more */

static void put_enforced(struct print *p, const struct js *result)
{
	if (!js_get_bool(result, "enforced"))
		print_put(p, STYLE_DIM, "persons are not proven here: they are by an agent\n");
}

static void put_list(struct print *p, const char *title, const struct js *list, int64_t total)
{
	if (!js_len(list))
		return;
	print_put(p, STYLE_BOLD, "%s", title);
	print_put(p, STYLE_PLAIN, "\n");
	for (size_t i = 0; i < js_len(list) && i < SHOWN; i++) {
		print_put(p, STYLE_PLAIN, "  ");
		print_word(p, STYLE_NAME, js_text(js_at(list, i)));
		print_put(p, STYLE_PLAIN, "\n");
	}
	if (total > SHOWN)
		print_put(p, STYLE_DIM, "  and %lld more\n", (long long)total - SHOWN);
}

static void put_counts(struct print *p, const struct js *impact)
{
	static const struct {
		const char *key, *one, *many;
	} counts[] = {
		{ "profiles", "profile goes, too", "profiles go, too" }, { "runs", "run", "runs" },
		{ "windows", "window of a monitor", "windows of monitors" }, { "predictions", "prediction", "predictions" },
	};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		long long n = js_get_int(impact, counts[i].key, 0);

		if (n)
			strbuf_printf(&text, "%s%lld %s", text.len ? ", " : "", n, n == 1 ? counts[i].one : counts[i].many);
	}
	if (text.len)
		print_put(p, STYLE_PLAIN, "touched: %s\n", text.buf);
}

static void put_impact(struct print *p, const struct js *impact)
{
	const struct js *names = js_get(impact, "names");

	put_list(p, "the same bytes, by all their names:", names, js_get_int(impact, "names_total", 0));
	put_list(p, "models that came of it:", js_get(impact, "models"), (int64_t)js_len(js_get(impact, "models")));
	put_list(p, "aliases that had one of them:", js_get(impact, "aliases"), (int64_t)js_len(js_get(impact, "aliases")));
	put_list(p, "versions that came of it:", js_get(impact, "versions"), (int64_t)js_len(js_get(impact, "versions")));
	put_counts(p, impact);
}

static void put_size(struct print *p, const struct js *result)
{
	long long n = js_get_int(result, "contents", 0);
	char size[HUMAN], count[HUMAN];

	print_put(p, STYLE_PLAIN, ": %s object%s, %s\n", human_count((uint64_t)n, count), n == 1 ? "" : "s",
		  human_bytes((uint64_t)js_get_int(result, "bytes", 0), size));
}

void print_forget(struct print *p, const struct js *result)
{
	long long id = js_get_int(result, "id", 0);

	print_put(p, STYLE_WARN, id ? "asked to forget" : "would be forgotten");
	print_put(p, STYLE_PLAIN, " ");
	print_word(p, STYLE_NAME, js_get_str(result, "subject"));
	put_size(p, result);
	put_impact(p, js_get(result, "impact"));
	if (!id)
		return;
	print_put(p, STYLE_PLAIN, "nothing is removed before somebody else agrees\n");
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " mlops forget agree %lld, by another admin\n", id);
	put_enforced(p, result);
}

static void put_left(struct print *p, const struct js *result)
{
	const struct js *left = js_get(result, "left");

	for (size_t i = 0; i < js_len(left); i++) {
		print_put(p, STYLE_WARN, "remote %s may still have it:", js_get_str(js_at(left, i), "remote"));
		print_put(p, STYLE_PLAIN, " %s\n", js_get_str(js_at(left, i), "why"));
	}
	if (!js_len(left))
		return;
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " mlops forget agree %lld, once it can be reached\n", (long long)js_get_int(result, "id", 0));
}

void print_forget_agree(struct print *p, const struct js *result)
{
	const struct js *paths = js_get(result, "work_tree");
	long long removed = js_get_int(result, "removed", 0), copies = js_get_int(result, "copies", 0);

	print_put(p, STYLE_GOOD, "forgotten");
	print_put(p, STYLE_PLAIN, " ");
	print_word(p, STYLE_NAME, js_get_str(result, "subject"));
	put_size(p, result);
	if (js_get(result, "removed"))
		print_put(p, STYLE_PLAIN, "removed %lld from the store, and %lld other cop%s below .mlops\n", removed, copies,
			  copies == 1 ? "y" : "ies");
	put_list(p, "still in the work tree, for you to delete:", paths, (int64_t)js_len(paths));
	put_left(p, result);
	put_enforced(p, result);
}

void print_forget_withdraw(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "withdrawn");
	print_put(p, STYLE_PLAIN, ": ");
	print_word(p, STYLE_NAME, js_get_str(result, "subject"));
	print_put(p, STYLE_PLAIN, " is kept\n");
}

static const char *who_decided(const struct js *row)
{
	const char *agreed = js_get_str(row, "agreed_by"), *withdrawn = js_get_str(row, "withdrawn_by");

	return agreed ? agreed : withdrawn ? withdrawn : "-";
}

void print_forget_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "ID", .right = true }, { .title = "WHAT", .shrink = true }, { .title = "STATE" },
		{ .title = "ASKED BY", .shrink = true, .drop = 2 }, { .title = "ASKED", .drop = 4 },
		{ .title = "DECIDED BY", .shrink = true, .drop = 3 }, { .title = "OBJECTS", .right = true, .drop = 5 },
		{ .title = "WHY", .shrink = true, .drop = 1 },
	};
	const struct js *list = js_get(result, "requests");
	struct table table;
	char text[HUMAN];

	if (!js_len(list)) {
		print_put(p, STYLE_PLAIN, "nothing waits to be forgotten\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i);
		const char *state = js_get_str(row, "state");
		bool open = !strcmp(state, "waiting") || js_len(js_get(row, "left"));

		table_cell(&table, STYLE_BOLD, "%lld", (long long)js_get_int(row, "id", 0));
		table_cell(&table, STYLE_NAME, "%s", js_get_str(row, "subject"));
		table_cell(&table, open ? STYLE_WARN : STYLE_PLAIN, "%s%s", state,
			   js_len(js_get(row, "left")) ? ", not at a remote" : "");
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(row, "asked_by"));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(row, "asked", 0), text));
		table_cell(&table, STYLE_PLAIN, "%s", who_decided(row));
		table_cell(&table, STYLE_PLAIN, "%s", human_count((uint64_t)js_get_int(row, "contents", 0), text));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(row, "reason"));
	}
	table_print(&table, p);
	put_enforced(p, result);
}

void print_forget_show(struct print *p, const struct js *result)
{
	char text[HUMAN];

	print_word(p, STYLE_NAME, js_get_str(result, "subject"));
	put_size(p, result);
	print_put(p, STYLE_PLAIN, "why:      %s\n", js_get_str(result, "reason"));
	print_put(p, STYLE_PLAIN, "asked by: %s, %s\n", js_get_str(result, "asked_by"),
		  human_time(js_get_int(result, "asked", 0), text));
	print_put(p, STYLE_PLAIN, "state:    %s", js_get_str(result, "state"));
	if (strcmp(who_decided(result), "-") != 0)
		print_put(p, STYLE_PLAIN, ", by %s, %s", who_decided(result), human_time(js_get_int(result, "decided", 0), text));
	print_put(p, STYLE_PLAIN, "\n");
	put_left(p, result);
	put_impact(p, js_get(result, "impact"));
}
