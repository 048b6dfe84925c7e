/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_internal.h"

static const char *text_of(const struct js *object, const char *key)
{
	const char *text = js_get_str(object, key);

	return text ? text : "";
}

/* One line a breach: of the table first, then column by column. */
struct line {
	const struct js *column, *breach; /* either may be NULL */
};
struct report {
	struct line *lines;
	size_t n, cap, breaches;
};

static void add_line(struct report *report, const struct js *column, const struct js *breach)
{
	GROW(report->lines, report->n, report->cap);
	report->lines[report->n++] = (struct line){ column, breach };
	report->breaches += breach != NULL;
}

static void collect(const struct js *shown, struct report *ret)
{
	const struct js *columns = js_get(shown, "columns"), *breaches = js_get(shown, "breaches");

	for (size_t i = 0; i < js_len(breaches); i++)
		add_line(ret, NULL, js_at(breaches, i));
	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *column = js_at(columns, i);

		breaches = js_get(column, "breaches");
		for (size_t k = 0; k < js_len(breaches); k++)
			add_line(ret, column, js_at(breaches, k));
	}
}

static void put_breach_head(struct html *h, const void *ctx)
{
	(void)ctx;
	page_th(h, NULL, "Where");
	page_th(h, NULL, "Check");
	page_th(h, NULL, "What is wrong");
	page_th(h, "n", "Rows");
	page_th(h, "n", "First row");
	page_th(h, "wide", "Value there");
}

static void put_count(struct html *h, const struct js *breach, const char *key)
{
	double count = js_number(js_get(breach, key));
	char figure[FIGURE];

	page_td(h, "n", count > 0 ? figure_count(count, figure) : "");
}

static void put_breach(struct html *h, const void *ctx, size_t i)
{
	const struct line *line = &((const struct report *)ctx)->lines[i];
	const struct js *value = js_get(line->breach, "value");
	char figure[FIGURE];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	if (line->column)
		html_data(h, text_of(line->column, "name"), HTML_NAME);
	else
		html_text(h, "the table");
	html_close(h);
	page_td_data(h, "q w", text_of(line->breach, "check"), PAGE_WORD);
	page_td_data(h, NULL, text_of(line->breach, "message"), 300);
	put_count(h, line->breach, "count");
	put_count(h, line->breach, "row");
	html_open_class(h, "td", "wide");
	if (js_typeof(value) != JS_NULL)
		html_data(h, js_text(value) ? js_text(value) : figure_value(value, false, figure), 60);
	html_close(h);
}

static void put_column_head(struct html *h, const void *ctx)
{
	(void)ctx;
	page_th(h, NULL, "Column");
	page_th(h, NULL, "State");
	page_th(h, "n", "Breaches");
	page_th(h, "wide", "Once called");
}

static void put_column(struct html *h, const void *ctx, size_t i)
{
	const struct js *column = js_at(ctx, i);
	const char *state = js_get_str(column, "state");
	size_t breaches = js_len(js_get(column, "breaches"));
	char figure[FIGURE];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_data(h, text_of(column, "name"), HTML_NAME);
	html_close(h);
	html_open(h, "td");
	/* It is there and of its type, and does not fit for all that. */
	page_state(h, state && !strcmp(state, "OK") && breaches ? "FAILED" : state);
	html_close(h);
	page_td(h, "n", figure_count((double)breaches, figure));
	page_td_data(h, "wide", text_of(column, "renamed_from"), HTML_NAME);
}

static void put_figures(struct html *h, const struct js *shown, const struct report *report)
{
	char figure[FIGURE];

	html_open_class(h, "dl", "figures");
	page_figure(h, "rows", figure_count(js_number(js_get(shown, "rows")), figure));
	page_figure(h, "columns", figure_count((double)js_len(js_get(shown, "columns")), figure));
	page_figure(h, "breaches", figure_count((double)report->breaches, figure));
	html_close(h);
}

void page_schema(const struct js *shown, const char *name, struct strbuf *ret)
{
	struct html h = HTML_INIT(ret);
	struct report report = { 0 };
	const struct js *columns = js_get(shown, "columns");
	bool fits = js_get_bool(shown, "ok");

	collect(shown, &report);
	page_begin(&h, "Schema check", name);
	page_verdict(&h, fits ? "OK" : "FAILED",
		     fits ? "The table fits its schema." : "The table does not fit its schema.");
	put_figures(&h, shown, &report);
	page_main(&h);
	if (report.n) {
		const struct page_rows rows = { put_breach_head, put_breach, "Breaches", "breaches", report.n, 100 };

		html_element(&h, "h2", NULL, "What does not fit");
		html_element(&h, "p", "explain", "Rows are counted as an editor counts records: the header is row 1.");
		page_rows(&h, &rows, &report);
	}
	if (js_len(columns)) {
		const struct page_rows rows = { put_column_head, put_column, "Columns", "columns", js_len(columns), 50 };

		html_element(&h, "h2", NULL, "Columns");
		page_rows(&h, &rows, columns);
	}
	page_end(&h);
	free(report.lines);
}
