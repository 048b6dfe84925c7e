/* SPDX-License-Identifier: Apache-2.0 */
/* What `mlops run -p lr=0.1,0.01` came to: a line for each combination, and what to type next. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "cli/print.h"

#define MOST_METRICS 12 /* columns; `mlops runs` has all */

static void metric_names(const struct js *rows, struct strlist *ret)
{
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *metrics = js_get(js_at(rows, i), "metrics");
		for (void *it = js_iter(metrics); it; it = js_next(metrics, it))
			if (ret->len < MOST_METRICS && !strlist_has(ret, js_iter_key(it)))
				strlist_push(ret, js_iter_key(it));
	}
}

static void status_cell(struct table *table, const char *status)
{
	static const struct {
		const char *status, *word;
		enum style style;
	} words[] = {
		{ "FINISHED", "ok", STYLE_GOOD }, { "FAILED", "failed", STYLE_BAD }, { "KILLED", "killed", STYLE_BAD },
	};

	for (size_t i = 0; status && i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].status, status) != 0)
			continue;
		table_cell(table, words[i].style, "%s", words[i].word);
		return;
	}
	table_cell(table, STYLE_DIM, "not run");
}

static void row_cells(struct table *table, const struct js *row, const struct strlist *metrics)
{
	const struct js *params = js_get(row, "params");
	const char *run = js_get_str(row, "run_id");
	char text[HUMAN];

	for (void *it = js_iter(params); it; it = js_next(params, it))
		table_cell(table, STYLE_PLAIN, "%s", js_text(js_iter_value(it)));
	for (size_t i = 0; i < metrics->len; i++) {
		const struct js *value = js_get(js_get(row, "metrics"), metrics->items[i]);
		if (js_typeof(value) == JS_INT || js_typeof(value) == JS_REAL)
			table_cell(table, STYLE_PLAIN, "%s", human_number(js_number(value), text));
		else
			table_cell(table, STYLE_DIM, "%s", js_text(value) ? js_text(value) : "-");
	}
	table_cell(table, STYLE_NAME, "%.8s", run ? run : "-");
	status_cell(table, js_get_str(row, "status"));
	table_cell(table, STYLE_DIM, "%s", js_get(row, "duration_ms") ?
		   human_duration(js_get_int(row, "duration_ms", 0), text) : "-");
}

/* In the order of the command line: what is best is not ours to say. */
static void print_rows(struct print *p, const struct js *rows)
{
	const struct js *params = js_get(js_at(rows, 0), "params");
	size_t n = 0, left;
	CLEANUP(strlist_release) struct strlist metrics = STRLIST_INIT;
	CLEANUP(cleanup_free) struct table_column *columns = NULL;
	struct table table;

	metric_names(rows, &metrics);
	columns = xcalloc(js_len(params) + metrics.len + 3, sizeof(*columns));
	for (void *it = js_iter(params); it; it = js_next(params, it))
		columns[n++] = (struct table_column){ .title = js_iter_key(it), .right = true, .shrink = true };
	for (size_t i = 0; i < metrics.len; i++)
		columns[n++] = (struct table_column){ .title = metrics.items[i], .right = true, .drop = (int)i + 2 };
	columns[n++] = (struct table_column){ .title = "RUN" };
	columns[n++] = (struct table_column){ .title = "STATUS" };
	columns[n++] = (struct table_column){ .title = "TOOK", .right = true, .drop = 1 };
	table_init(&table, columns, n);
	for (size_t i = 0; i < js_len(rows); i++)
		row_cells(&table, js_at(rows, i), &metrics);
	left = table_print(&table, p);
	if (left)
		print_put(p, STYLE_DIM, "%zu more column%s: --json\n", left, left == 1 ? "" : "s");
}

static void print_troubles(struct print *p, const struct js *rows)
{
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *row = js_at(rows, i), *failure = js_get(row, "failure");
		const char *message = js_get_str(js_get(row, "error"), "message"), *run = js_get_str(row, "run_id");
		const char *tree = js_get_str(row, "tree");
		if (!tree)
			continue;
		print_put(p, STYLE_BAD, "%s", js_get_str(row, "label"));
		print_put(p, STYLE_PLAIN, ": %s\n", message ? message : "failed");
		if (run && js_get_str(failure, "step"))
			print_put(p, STYLE_PLAIN, "  its log: mlops logs %.8s %s\n", run, js_get_str(failure, "step"));
		print_put(p, STYLE_PLAIN, "  its files, until the next experiment: %s\n", tree);
	}
}

/* The first two that finished. */
static size_t find_runs(const struct js *rows, const char *ret[2])
{
	size_t n = 0;

	for (size_t i = 0; i < js_len(rows) && n < 2; i++) {
		const char *status = js_get_str(js_at(rows, i), "status"), *run = js_get_str(js_at(rows, i), "run_id");
		if (run && status && !strcmp(status, "FINISHED"))
			ret[n++] = run;
	}
	return n;
}

static void print_next(struct print *p, const struct js *result)
{
	const struct js *rows = js_get(result, "combinations");
	const char *runs[2], *file = js_get_str(result, "file");
	size_t n = find_runs(rows, runs);

	if (!n)
		return;
	print_put(p, STYLE_DIM, "\nlist them again   ");
	print_put(p, STYLE_PLAIN, "mlops runs --filter 'tags.mlops.experiment = \"%s\"'\n", js_get_str(result, "experiment"));
	if (n == 2) {
		print_put(p, STYLE_DIM, "compare two       ");
		print_put(p, STYLE_PLAIN, "mlops diff %.8s %.8s\n", runs[0], runs[1]);
	}
	print_put(p, STYLE_DIM, "take one          ");
	print_put(p, STYLE_PLAIN, "mlops checkout --from RUN");
	print_put(p, STYLE_DIM, ", and write its ");
	for (void *it = js_iter(js_get(js_at(rows, 0), "params")), *first = it; it;
	     it = js_next(js_get(js_at(rows, 0), "params"), it))
		print_put(p, STYLE_DIM, "%s%s", it == first ? "" : ", ", js_iter_key(it));
	print_put(p, STYLE_DIM, " into [params] of %s\n", file);
}

static size_t count_state(const struct js *steps, const char *state)
{
	size_t n = 0;

	for (size_t i = 0; i < js_len(steps); i++)
		n += !strcmp(js_get_str(js_at(steps, i), "state"), state);
	return n;
}

static void print_dry(struct print *p, const struct js *rows)
{
	static const struct table_column columns[] = { { .shrink = true }, { 0 }, { 0 }, { 0 } };
	struct table table;

	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(rows); i++) {
		const struct js *steps = js_get(js_at(rows, i), "steps");
		table_cell(&table, STYLE_NAME, "%s", js_get_str(js_at(rows, i), "label"));
		table_cell(&table, STYLE_WARN, "%zu would run", count_state(steps, "stale"));
		table_cell(&table, STYLE_DIM, "%zu wait", count_state(steps, "blocked"));
		table_cell(&table, STYLE_GOOD, "%zu would be restored", count_state(steps, "restore"));
	}
	table_print(&table, p);
}

void print_experiments(struct print *p, const struct js *result)
{
	const struct js *rows = js_get(result, "combinations");

	if (!js_get(result, "finished")) {
		print_dry(p, rows);
		return;
	}
	print_rows(p, rows);
	print_troubles(p, rows);
	print_next(p, result);
}
