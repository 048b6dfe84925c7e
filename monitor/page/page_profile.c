/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_profile.h"

#define NOTES 50u /* warnings, before the rest is counted */

static const char *name_of(const struct js *column)
{
	const char *name = js_get_str(column, "name");

	return name ? name : "";
}

static bool is_time(const struct js *column)
{
	const char *type = js_get_str(column, "type");

	return type && !strcmp(type, "time");
}

static double null_share(const struct js *column)
{
	double rows = js_number(js_get(column, "rows"));

	return rows > 0 ? js_number(js_get(column, "nulls")) / rows : NAN;
}

/* What bars are drawn of: values of any kind with their shares. NULL: there are none. */
static struct js *top_values(const struct js *column)
{
	const struct js *top = js_get(column, "top");
	double filled = js_number(js_get(column, "rows")) - js_number(js_get(column, "nulls"));
	CLEANUP_JS struct js *picture = js_object();
	struct js *values = js_array(), *shares = js_array();
	char figure[FIGURE];

	js_set(picture, "values", values);
	js_set(picture, "current", shares);
	for (size_t i = 0; i < js_len(top); i++) {
		const struct js *value = js_get(js_at(top, i), "value");

		js_push_str(values, js_text(value) ? js_text(value) : figure_value(value, is_time(column), figure));
		js_push(shares, js_real(js_number(js_get(js_at(top, i), "count")) / filled));
	}
	return js_len(top) && filled > 0 ? steal(&picture) : NULL;
}

static bool has_histogram(const struct js *column)
{
	return js_len(js_get(js_get(column, "histogram"), "counts"));
}

static void put_head(struct html *h, const void *shown)
{
	(void)shown;
	page_th(h, NULL, "Column");
	page_th(h, NULL, "Type");
	page_th(h, NULL, "Distribution");
	page_th(h, "n", "Missing");
	page_th(h, "n wide", "Distinct");
	page_th(h, "n wide", "Least");
	page_th(h, "n wide", "Median");
	page_th(h, "n wide", "Mean");
	page_th(h, "n wide", "Most");
}

static void put_value(struct html *h, const struct js *column, const struct js *value)
{
	char figure[FIGURE];

	html_open_class(h, "td", "n wide");
	if (value)
		html_data(h, figure_value(value, is_time(column), figure), 24);
	html_close(h);
}

static void put_distinct(const struct js *column, char buf[FIGURE + 4])
{
	char figure[FIGURE];

	snprintf(buf, FIGURE + 4, "%s%s", js_get_bool(column, "distinct_exact") ? "" : "≈",
		 figure_count(js_number(js_get(column, "distinct")), figure));
}

static void put_row(struct html *h, const void *shown, size_t i)
{
	const struct js *column = js_at(js_get(shown, "columns"), i);
	CLEANUP_JS struct js *top = has_histogram(column) ? NULL : top_values(column);
	const struct js *picture = top ? top : js_get(column, "histogram");
	const char *type = js_get_str(column, "type");
	char figure[FIGURE + 4];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	page_card_link(h, i, name_of(column), i < PAGE_CARDS);
	html_close(h);
	page_td_data(h, "q w", type, PAGE_WORD);
	html_open(h, "td");
	if (i < PAGE_SPARKS && (top || has_histogram(column)))
		page_spark(h, picture, name_of(column));
	html_close(h);
	page_td(h, "n", figure_share(null_share(column), figure));
	put_distinct(column, figure);
	page_td(h, "n wide", figure);
	put_value(h, column, js_get(column, "min"));
	put_value(h, column, js_get(js_get(column, "quantiles"), "0.5"));
	put_value(h, column, js_get(column, "mean"));
	put_value(h, column, js_get(column, "max"));
}

static void put_histogram(struct html *h, const struct js *column)
{
	static const char *const at[5] = { "0.05", "0.25", "0.5", "0.75", "0.95" };
	struct bins bins = BINS_INIT;
	double quantiles[5];

	if (!bins_from_json(js_get(column, "histogram"), is_time(column), &bins))
		return;
	for (size_t i = 0; i < 5; i++)
		quantiles[i] = js_number(js_get(js_get(column, "quantiles"), at[i]));
	html_open(h, "figure");
	svg_histogram(h, &bins, name_of(column), quantiles);
	html_close(h);
	bins_release(&bins);
}

static void put_top(struct html *h, const struct js *column)
{
	CLEANUP_JS struct js *top = top_values(column);
	struct bars bars = BARS_INIT;
	bool folded = has_histogram(column);

	if (!top || !bars_from_json(top, &bars))
		return;
	html_open(h, folded ? "details" : "figure");
	if (folded)
		html_element(h, "summary", NULL, "most frequent values");
	svg_bars(h, &bars, name_of(column));
	html_close(h);
	bars_release(&bars);
}

/* What a column may have to tell, as it is called on the page. */
static const struct fact {
	const char *label, *key, *inside; /* of the column, or of an object in it */
	enum { FACT_VALUE, FACT_NUMBER, FACT_COUNT, FACT_SHAPE } kind;
} facts[] = {
	{ "least", "min", NULL, FACT_VALUE },
	{ "5 %", "0.05", "quantiles", FACT_VALUE },
	{ "25 %", "0.25", "quantiles", FACT_VALUE },
	{ "median", "0.5", "quantiles", FACT_VALUE },
	{ "75 %", "0.75", "quantiles", FACT_VALUE },
	{ "95 %", "0.95", "quantiles", FACT_VALUE },
	{ "most", "max", NULL, FACT_VALUE },
	{ "mean", "mean", NULL, FACT_VALUE },
	{ "deviation", "std", NULL, FACT_NUMBER },
	{ "skewness", "skewness", NULL, FACT_SHAPE },
	{ "kurtosis", "kurtosis", NULL, FACT_SHAPE },
	{ "zeros", "zeros", NULL, FACT_COUNT },
	{ "negative", "negatives", NULL, FACT_COUNT },
	{ "not a number", "nans", NULL, FACT_COUNT },
	{ "infinite", "infinities", NULL, FACT_COUNT },
	{ "shortest", "min", "length", FACT_COUNT },
	{ "mean length", "mean", "length", FACT_NUMBER },
	{ "longest", "max", "length", FACT_COUNT },
};

/* Of times, which are milliseconds: days. */
static void put_spread(double value, bool time, char buf[FIGURE + 4])
{
	char figure[FIGURE];

	snprintf(buf, FIGURE + 4, "%s%s", figure_score(time ? value / 86400e3 : value, figure), time ? " d" : "");
}

static void put_facts(struct html *h, const struct js *column)
{
	char figure[FIGURE + 4];

	html_open_class(h, "dl", "pairs");
	page_figure(h, "missing", figure_share(null_share(column), figure));
	put_distinct(column, figure);
	page_figure(h, "distinct", figure);
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		const struct js *of = facts[i].inside ? js_get(column, facts[i].inside) : column;
		const struct js *value = js_get(of, facts[i].key);

		/* What there is none of is not worth a word. */
		if (js_typeof(value) == JS_NULL || (facts[i].kind == FACT_COUNT && js_number(value) == 0))
			continue;
		if (facts[i].kind == FACT_VALUE)
			figure_value(value, is_time(column), figure);
		else if (facts[i].kind == FACT_COUNT)
			figure_count(js_number(value), figure);
		else if (facts[i].kind == FACT_SHAPE)
			figure_number(round(js_number(value) * 1000) / 1000, figure); /* the rest is noise */
		else
			put_spread(js_number(value), is_time(column), figure);
		page_figure(h, facts[i].label, figure);
	}
	html_close(h);
}

static void put_card(struct html *h, const struct js *column, size_t i)
{
	const char *type = js_get_str(column, "type"), *evidence = js_get_str(column, "evidence");

	html_open_class(h, "article", "card");
	page_card_id(h, i);
	html_open_class(h, "div", "head");
	html_open(h, "h3");
	html_data(h, name_of(column), HTML_NAME);
	html_close(h);
	html_open(h, "small");
	html_data(h, type ? type : "", PAGE_WORD);
	html_close(h);
	html_close(h);
	if (evidence) {
		html_open(h, "p");
		html_data(h, evidence, HTML_VALUE);
		html_close(h);
	}
	put_histogram(h, column);
	put_top(h, column);
	put_facts(h, column);
	page_notes(h, js_get(column, "warnings"), 8);
	html_close(h);
}

static void put_cards(struct html *h, const struct js *columns)
{
	size_t n = js_len(columns) < PAGE_CARDS ? js_len(columns) : PAGE_CARDS;
	char one[FIGURE], two[FIGURE];

	html_element(h, "h2", NULL, "Each column");
	html_element(h, "p", "explain",
		     "The box above a histogram holds the middle half of the rows, its line is the median, and the "
		     "whiskers end at 5 and 95 %.");
	html_open_class(h, "div", "cards");
	for (size_t i = 0; i < n; i++)
		put_card(h, js_at(columns, i), i);
	html_close(h);
	if (n < js_len(columns))
		html_elementf(h, "p", "sub", "Pictures of the first %s of %s columns: a page of all would be too large.",
			      figure_count((double)n, one), figure_count((double)js_len(columns), two));
}

static void put_note_of(struct html *h, const char *column, const char *text)
{
	html_open(h, "li");
	if (column) {
		html_open(h, "b");
		html_data(h, column, HTML_NAME);
		html_close(h);
		html_text(h, ": ");
	}
	html_data(h, text ? text : "", 400);
	html_close(h);
}

/* Those of the table, then of each column. */
static void put_warnings(struct html *h, const struct js *shown)
{
	const struct js *columns = js_get(shown, "columns");
	size_t all = js_len(js_get(shown, "warnings")), told = 0;
	char count[FIGURE];

	for (size_t i = 0; i < js_len(columns); i++)
		all += js_len(js_get(js_at(columns, i), "warnings"));
	if (!all)
		return;
	html_element(h, "h2", NULL, "What to look at");
	html_open_class(h, "ul", "notes");
	for (size_t i = 0; i <= js_len(columns); i++) {
		const struct js *of = i ? js_at(columns, i - 1) : shown, *warnings = js_get(of, "warnings");

		for (size_t k = 0; k < js_len(warnings) && told < NOTES; k++, told++)
			put_note_of(h, i ? name_of(of) : NULL, js_text(js_at(warnings, k)));
	}
	html_close(h);
	if (told < all)
		html_elementf(h, "p", "sub", "and %s more", figure_count((double)(all - told), count));
}

static void put_figures(struct html *h, const struct js *shown)
{
	const struct js *columns = js_get(shown, "columns");
	double rows = js_number(js_get(shown, "rows")), cells = rows * (double)js_len(columns), nulls = 0;
	char figure[FIGURE];

	for (size_t i = 0; i < js_len(columns); i++)
		nulls += js_number(js_get(js_at(columns, i), "nulls"));
	html_open_class(h, "dl", "figures");
	page_figure(h, "rows", figure_count(rows, figure));
	page_figure(h, "columns", figure_count((double)js_len(columns), figure));
	if (cells > 0)
		page_figure(h, "missing values", figure_share(nulls / cells, figure));
	page_profile_figures(h, shown);
	html_close(h);
}

void page_profile(const struct js *shown, const char *name, struct strbuf *ret)
{
	struct html h = HTML_INIT(ret);
	const struct js *columns = js_get(shown, "columns");
	const struct page_rows rows = { put_head, put_row, "Columns", "columns", js_len(columns), 50 };

	page_begin(&h, "Profile", name);
	put_figures(&h, shown);
	page_main(&h);
	put_warnings(&h, shown);
	page_profile_target(&h, shown);
	html_element(&h, "h2", NULL, "Columns");
	page_rows(&h, &rows, shown);
	put_cards(&h, columns);
	page_profile_full(&h, shown);
	page_end(&h);
}
