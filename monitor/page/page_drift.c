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

static double number_of(const struct js *object, const char *key)
{
	return js_number(js_get(object, key));
}

/* Adjusted over all columns; method evidently does not adjust. */
static double p_of(const struct js *column)
{
	return number_of(column, js_get(column, "p_adjusted") ? "p_adjusted" : "p");
}

static bool has_picture(const struct js *column)
{
	return js_len(js_get(js_get(column, "picture"), "current"));
}

static void put_head(struct html *h, const void *verdict)
{
	(void)verdict;
	page_th(h, NULL, "Column");
	page_th(h, NULL, "State");
	page_th(h, NULL, "Distribution");
	page_th(h, "n", "Score");
	page_th(h, "wide", "Against its threshold");
	page_th(h, "n wide", "Threshold");
	page_th(h, "wide", "Test");
	page_th(h, "n wide", "p");
	page_th(h, "n wide", "Nulls");
}

static void put_nulls(struct html *h, const struct js *nulls)
{
	char before[FIGURE], now[FIGURE];

	html_open_class(h, "td", "n wide");
	if (nulls) {
		figure_share(number_of(nulls, "reference"), before);
		figure_share(number_of(nulls, "current"), now);
		/* One figure where nothing changed. */
		if (!strcmp(before, now))
			html_text(h, now);
		else
			html_textf(h, "%s → %s", before, now);
	}
	html_close(h);
}

static void put_row(struct html *h, const void *verdict, size_t i)
{
	const struct js *column = js_at(js_get(verdict, "columns"), i);
	double score = number_of(column, "score"), threshold = number_of(column, "threshold");
	char figure[FIGURE];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	page_card_link(h, i, text_of(column, "name"), i < PAGE_CARDS && has_picture(column));
	if (js_get_bool(column, "critical"))
		html_element(h, "small", NULL, " critical");
	html_close(h);
	html_open(h, "td");
	page_state(h, js_get_str(column, "state"));
	html_close(h);
	html_open(h, "td");
	if (i < PAGE_SPARKS && has_picture(column))
		page_spark(h, js_get(column, "picture"), text_of(column, "name"));
	html_close(h);
	page_td(h, "n", figure_score(score, figure));
	html_open_class(h, "td", "wide");
	/* A p-value alone is no length. */
	page_meter(h, score, threshold);
	html_close(h);
	page_td(h, "n wide", figure_score(threshold, figure));
	page_td_data(h, "wide w", text_of(column, "test"), PAGE_WORD);
	page_td(h, "n wide", figure_p(p_of(column), figure));
	put_nulls(h, js_get(column, "nulls"));
}

static void put_pictures(struct html *h, const struct js *column)
{
	const struct js *picture = js_get(column, "picture");
	bool is_time = !strcmp(text_of(column, "type"), "time");
	const char *name = text_of(column, "name");
	struct bins bins = BINS_INIT;
	struct bars bars = BARS_INIT;

	if (bins_from_json(picture, is_time, &bins)) {
		html_open(h, "figure");
		svg_histogram(h, &bins, name, NULL);
		html_close(h);
		html_open(h, "figure");
		svg_ecdf(h, &bins, name);
		html_close(h);
	} else if (bars_from_json(picture, &bars)) {
		html_open(h, "figure");
		svg_bars(h, &bars, name);
		if (bars.all > bars.n)
			html_elementf(h, "figcaption", NULL, "the %zu of %zu values that differ most", bars.n, bars.all);
		html_close(h);
	}
	bins_release(&bins);
	bars_release(&bars);
}

/* "wasserstein 0.31 ± 0.002, threshold 0.1, p 0.003" */
static void put_measure(struct html *h, const struct js *column)
{
	double score = number_of(column, "score"), error = number_of(column, "error"),
	       p = p_of(column);
	char figure[FIGURE];

	if (!js_get_str(column, "test"))
		return;
	html_open(h, "p");
	html_data(h, text_of(column, "test"), PAGE_WORD);
	if (isfinite(score)) {
		html_text(h, " ");
		html_element(h, "b", NULL, figure_score(score, figure));
	}
	if (error > 0)
		html_textf(h, " ± %s", figure_score(error, figure));
	html_textf(h, ", threshold %s", figure_score(number_of(column, "threshold"), figure));
	if (isfinite(p))
		html_textf(h, ", p %s", figure_p(p, figure));
	html_close(h);
}

static void put_card(struct html *h, const struct js *column, size_t i)
{
	html_open_class(h, "article", "card");
	page_card_id(h, i);
	html_open_class(h, "div", "head");
	html_open(h, "h3");
	html_data(h, text_of(column, "name"), HTML_NAME);
	html_close(h);
	page_state(h, js_get_str(column, "state"));
	html_close(h);
	put_measure(h, column);
	if (js_get_str(column, "reason")) {
		html_open(h, "p");
		html_data(h, text_of(column, "reason"), 400);
		html_close(h);
	}
	put_pictures(h, column);
	html_close(h);
}

static void put_cards(struct html *h, const struct js *columns)
{
	size_t drawn = 0, all = 0;
	char one[FIGURE], two[FIGURE];

	for (size_t i = 0; i < js_len(columns); i++)
		all += has_picture(js_at(columns, i));
	if (!all)
		return;
	html_element(h, "h2", NULL, "Distributions");
	html_element(h, "p", "explain",
		     "Above, the share of the rows in each bin, where the outermost half percent of either side is in "
		     "the bins at the ends; below, the cumulated share, and D where the two are furthest apart.");
	page_legend(h);
	html_open_class(h, "div", "cards");
	for (size_t i = 0; i < js_len(columns) && i < PAGE_CARDS; i++) {
		if (!has_picture(js_at(columns, i)))
			continue;
		put_card(h, js_at(columns, i), i);
		drawn++;
	}
	html_close(h);
	if (drawn < all)
		html_elementf(h, "p", "sub",
			      "Pictures of the first %s of %s columns, the worst ones: a page of all would be too large.",
			      figure_count((double)drawn, one), figure_count((double)all, two));
}

static void put_figures(struct html *h, const struct js *verdict)
{
	const struct js *rows = js_get(verdict, "rows");
	char figure[FIGURE];

	html_open_class(h, "dl", "figures");
	page_figure(h, "rows of the reference", figure_count(number_of(rows, "reference"), figure));
	page_figure(h, "rows now", figure_count(number_of(rows, "current"), figure));
	page_figure(h, "columns judged", figure_count(number_of(verdict, "judged"), figure));
	page_figure(h, "columns drifted", figure_count(number_of(verdict, "drifted"), figure));
	page_figure(h, "method", text_of(verdict, "method"));
	html_close(h);
}

void page_drift(const struct js *verdict, const char *reference, const char *current, struct strbuf *ret)
{
	struct html h = HTML_INIT(ret);
	const struct js *columns = js_get(verdict, "columns");
	const struct page_rows rows = { put_head, put_row, "Columns", "columns", js_len(columns), 50 };

	page_begin(&h, "Drift", current);
	page_sub(&h, "compared with ", reference, "");
	page_verdict(&h, js_get_str(verdict, "state"), js_get_str(verdict, "reason"));
	put_figures(&h, verdict);
	page_main(&h);
	if (js_len(js_get(verdict, "warnings")))
		html_element(&h, "h2", NULL, "What to look at");
	page_notes(&h, js_get(verdict, "warnings"), 50);
	page_outcomes(&h, js_get(verdict, "performance"));
	html_element(&h, "h2", NULL, "Columns");
	html_element(&h, "p", "explain", "The worst come first: by state, then by score over threshold.");
	page_rows(&h, &rows, verdict);
	put_cards(&h, columns);
	page_end(&h);
}
