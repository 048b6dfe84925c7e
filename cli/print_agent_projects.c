/* SPDX-License-Identifier: Apache-2.0 */
/* Text of project add, list and rm, and of a run that an agent was asked for. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"

void print_project_add(struct print *p, const struct js *result)
{
	const char *name = js_get_str(result, "name");

	print_put(p, STYLE_GOOD, js_get_bool(result, "added") ? "added" : "unchanged:");
	print_put(p, STYLE_PLAIN, " project %s, from %s\n", name, js_get_str(result, "source"));
	if (!js_get_bool(result, "added"))
		return;
	print_put(p, STYLE_BOLD, "next:");
	print_put(p, STYLE_PLAIN, " mlops run --project %s\n", name);
}

void print_project_rm(struct print *p, const struct js *result)
{
	print_put(p, STYLE_GOOD, "removed");
	print_put(p, STYLE_PLAIN, " project %s; its runs stay\n", js_get_str(result, "name"));
}

static const char *steps_of(const struct js *row)
{
	if (!strcmp(js_get_str(row, "kind"), "here"))
		return js_get_bool(row, "allow_local") ? "local, in the work tree" : "containers, in the work tree";
	return js_get_bool(row, "allow_local") ? "local" : "containers";
}

void print_project_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "PROJECT" },
		{ .title = "SOURCE", .shrink = true },
		{ .title = "BRANCH", .drop = 2 },
		{ .title = "STEPS", .drop = 1 },
		{ .title = "RUNNING", .right = true },
		{ .title = "QUEUED", .right = true },
	};
	const struct js *rows = js_get(result, "projects");
	struct table table;

	if (!js_len(rows)) {
		print_put(p, STYLE_PLAIN, "no projects; add one with: mlops project add NAME URL\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i);
		const char *branch = js_get_str(row, "branch");

		table_cell(&table, STYLE_NAME, "%s", js_get_str(row, "name"));
		table_cell(&table, STYLE_PLAIN, "%s", js_get_str(row, "source"));
		table_cell(&table, STYLE_PLAIN, "%s", branch ? branch : "-");
		table_cell(&table, STYLE_PLAIN, "%s", steps_of(row));
		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(row, "running", 0));
		table_cell(&table, STYLE_PLAIN, "%lld", (long long)js_get_int(row, "queued", 0));
	}
	table_print(&table, p);
}

void print_submitted(struct print *p, const struct js *result)
{
	const char *run = js_get_str(result, "run_id");

	print_put(p, STYLE_PLAIN, "run %.8s of project %s waits for the agent; follow it: ", run, js_get_str(result, "project"));
	print_put(p, STYLE_NAME, "mlops logs -f %.8s\n", run);
}
