/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define MOST_NAMES 8

/* ---- runs --active ---- */

static void add_running(const struct js *run, int64_t now, struct strbuf *to)
{
	const struct js *running = js_get(run, "running");
	size_t n = js_len(running);
	char time[HUMAN];

	for (size_t i = 0; i < n && i < MOST_NAMES; i++) {
		const struct js *step = js_at(running, i);
		int64_t spent = now - js_get_int(step, "start_time", now);

		strbuf_printf(to, "%s%s %s", i ? ", " : "", js_get_str(step, "step"),
			      human_duration(spent > 0 ? spent : 0, time));
	}
	if (n > MOST_NAMES)
		strbuf_printf(to, " and %zu more", n - MOST_NAMES);
}

static void active_row(struct table *table, const struct js *run, int64_t now)
{
	CLEANUP_STRBUF struct strbuf running = STRBUF_INIT;
	const char *host = js_get_str(run, "host");
	bool lost = !strcmp(js_get_str(run, "state"), "lost");
	int64_t spent = now - js_get_int(run, "start_time", now);
	char time[HUMAN];

	if (lost)
		strbuf_puts(&running, "lost: its process is gone; the next mlops run ends it");
	else if (strcmp(js_get_str(run, "state"), "running") != 0)
		strbuf_puts(&running, js_get_str(run, "state")); /* an agent has it */
	else
		add_running(run, now, &running);
	table_cell(table, STYLE_NAME, "%.8s", js_get_str(run, "run_id"));
	table_cell(table, STYLE_PLAIN, "%s", js_get_str(run, "pipeline"));
	table_cell(table, STYLE_PLAIN, "%s", human_duration(spent > 0 ? spent : 0, time));
	table_cell(table, STYLE_PLAIN, "%lld/%lld", (long long)js_get_int(run, "done", 0),
		   (long long)js_get_int(run, "total", 0));
	table_cell(table, lost ? STYLE_BAD : STYLE_PLAIN, "%s", running.buf);
	table_cell(table, STYLE_DIM, "%s", host ? host : "");
	if (js_get(run, "pid"))
		table_cell(table, STYLE_DIM, "%lld", (long long)js_get_int(run, "pid", 0));
	else
		table_cell(table, STYLE_DIM, "-");
}

void print_active(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "RUN" },
		{ .title = "PIPELINE", .shrink = true },
		{ .title = "SINCE", .right = true },
		{ .title = "DONE", .right = true },
		{ .title = "RUNNING", .shrink = true },
		{ .title = "HOST", .drop = 2 },
		{ .title = "PID", .right = true, .drop = 1 },
	};
	const struct js *runs = js_get(result, "active");
	struct table table;

	if (!js_len(runs)) {
		print_put(p, STYLE_PLAIN, "no run is going on\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(runs); i++)
		active_row(&table, js_at(runs, i), js_get_int(result, "now", 0));
	table_print(&table, p);
}

/* ---- stop ---- */

static void print_names(struct print *p, const char *title, const struct js *names)
{
	size_t n = js_len(names);

	if (!n)
		return;
	print_put(p, STYLE_PLAIN, "%s ", title);
	for (size_t i = 0; i < n && i < MOST_NAMES; i++)
		print_put(p, STYLE_NAME, "%s%s", i ? ", " : "", js_text(js_at(names, i)));
	if (n > MOST_NAMES)
		print_put(p, STYLE_PLAIN, " and %zu more", n - MOST_NAMES);
	print_put(p, STYLE_PLAIN, "\n");
}

void print_stop(struct print *p, const struct js *result)
{
	if (js_get(result, "stopped")) {
		print_names(p, "stopped:", js_get(result, "stopped"));
		print_names(p, "will not start:", js_get(result, "waiting"));
		print_names(p, "had ended already:", js_get(result, "ended"));
		return;
	}
	print_put(p, STYLE_PLAIN, "run %.8s has ended: %s\n", js_get_str(result, "run_id"), js_get_str(result, "status"));
}
