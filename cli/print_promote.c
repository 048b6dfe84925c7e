/* SPDX-License-Identifier: Apache-2.0 */
/* Text of model promote, approve, reject, rollback, release, approvals and card. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

static void put_enforced(struct print *p, const struct js *result)
{
	if (!js_get_bool(result, "enforced"))
		print_put(p, STYLE_DIM, "roles are not enforced here: they are by an agent\n");
}

static void put_who(struct strbuf *text, const struct js *who)
{
	for (size_t i = 0; i < js_len(who); i++)
		strbuf_printf(text, "%s%s", i ? " or " : "", js_text(js_at(who, i)));
}

static void put_pending(struct print *p, const struct js *result)
{
	CLEANUP_STRBUF struct strbuf who = STRBUF_INIT;
	char time[HUMAN];

	put_who(&who, js_get(result, "who"));
	print_put(p, STYLE_PLAIN, "%s has to agree, until %s\n", who.buf, human_time(js_get_int(result, "expires", 0), time));
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " mlops model approve %s@v%lld, by somebody else\n", js_get_str(result, "model"),
		  (long long)js_get_int(result, "number", 0));
}

/* "promoted churn@champion: v2 -> v3" */
void print_model_moved(struct print *p, const struct js *result)
{
	const char *outcome = js_get_str(result, "outcome"), *model = js_get_str(result, "model");
	const char *alias = js_get_str(result, "alias");
	bool no = !strcmp(outcome, "rejected");
	long long number = js_get_int(result, "number", 0), before = js_get_int(result, "before", 0);

	print_put(p, no ? STYLE_BAD : STYLE_GOOD, "%s", outcome);
	if (no)
		print_put(p, STYLE_PLAIN, " %s@v%lld for %s\n", model, number, alias);
	else if (before)
		print_put(p, STYLE_PLAIN, " %s@%s: v%lld -> v%lld\n", model, alias, before, number);
	else if (number)
		print_put(p, STYLE_PLAIN, " %s@%s: v%lld\n", model, alias, number);
	else
		print_put(p, STYLE_PLAIN, " %s@%s\n", model, alias);
	if (js_get(result, "who"))
		put_pending(p, result);
	if (!strcmp(outcome, "rolled back")) {
		print_put(p, STYLE_PLAIN, "v%lld is rejected, and %s moves by people only\n", before, alias);
		print_put(p, STYLE_BOLD, "next:");
		print_put(p, STYLE_PLAIN, " mlops model release %s@%s, when candidates may take it again\n", model, alias);
	}
	if (no || js_get(result, "who") || js_get(result, "agreed"))
		put_enforced(p, result);
}

void print_model_approvals(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "VERSION", .shrink = true }, { .title = "ALIAS" },	       { .title = "STATE" },
		{ .title = "WHO", .shrink = true, .drop = 1 }, { .title = "ASKED", .drop = 3 }, { .title = "UNTIL", .drop = 2 },
		{ .title = "MADE BY", .shrink = true, .drop = 4 }, { .title = "RUN", .drop = 5 },
	};
	const struct js *list = js_get(result, "approvals");
	struct table table;
	char time[HUMAN];

	if (!js_len(list)) {
		print_put(p, STYLE_PLAIN, "no version waits for people\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *row = js_at(list, i);
		const char *author = js_get_str(row, "author"), *run = js_get_str(row, "run_id");
		const char *state = js_get_str(row, "state"), *actor = js_get_str(row, "actor");
		CLEANUP_STRBUF struct strbuf who = STRBUF_INIT;

		put_who(&who, js_get(row, "who"));
		table_cell(&table, STYLE_NAME, "%s@v%lld", js_get_str(row, "name"), (long long)js_get_int(row, "number", 0));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(row, "alias"));
		table_cell(&table, strcmp(state, "waiting") ? STYLE_PLAIN : STYLE_WARN, "%s%s%s", state, actor ? " by " : "",
			   actor ? actor : "");
		table_cell(&table, STYLE_PLAIN, "%s", who.buf);
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(row, "asked", 0), time));
		table_cell(&table, STYLE_PLAIN, "%s", human_time(js_get_int(row, "expires", 0), time));
		table_cell(&table, STYLE_PLAIN, "%s", author ? author : "-");
		table_cell(&table, STYLE_DIM, "%.8s", run && *run ? run : "-");
	}
	table_print(&table, p);
	put_enforced(p, result);
}

void print_model_card(struct print *p, const struct js *result)
{
	const char *page = js_get_str(result, "page");

	print_put(p, STYLE_PLAIN, "%s", page ? page : js_get_str(result, "markdown"));
}
