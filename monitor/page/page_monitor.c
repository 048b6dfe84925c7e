/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/page/page_monitor.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"

#define STRIPS 60u /* columns in the map */
#define CHARTS 24u /* columns with charts of their own */
#define REACH  4.0 /* times the threshold that charts reach, so that what is near it can be told apart */

static const char *text_of(const struct js *object, const char *key)
{
	const char *text = js_get_str(object, key);

	return text ? text : "";
}

static void put_overview(struct html *h, const struct lanes *lanes)
{
	struct steps steps = {
		.values = lanes->highest, .thresholds = lanes->ones, .alerts = lanes->alerts, .n = lanes->n
	};
	char text[160];
	size_t alerts = 0;
	double highest = 0;

	for (size_t i = 0; i < lanes->n; i++) {
		alerts += lanes->alerts[i];
		highest = fmax(highest, lanes->highest[i]);
	}
	steps.top = fmax(fmin(highest, REACH), 1.5);
	snprintf(text, sizeof(text), "%zu windows, %zu of them with drift.", lanes->n, alerts);
	html_element(h, "h2", NULL, "Score over time");
	html_element(h, "p", "explain",
		     "The highest score of each window over its threshold: drift may begin at 1, the dashed line. Dots "
		     "are windows with drift; what is far above is drawn at the upper edge.");
	html_open_class(h, "div", "plot");
	page_chart(h, &steps, false, "tall", "Highest score over its threshold, by window", text);
	svg_strip(h, lanes->states, lanes->n, "State of each window", text);
	page_along(h, lanes->windows, lanes->first);
	html_close(h);
}

static void put_map_legend(struct html *h)
{
	static const char *const words[LEVELS] = {
		[LEVEL_HALF] = "below half its threshold", [LEVEL_BELOW] = "below it",	[LEVEL_ABOVE] = "1 to 2 times",
		[LEVEL_TWICE] = "2 to 4 times",		   [LEVEL_FAR] = "4 times and more",
		[LEVEL_UNSURE] = "too few rows, or undecided", [LEVEL_BROKEN] = "missing, empty or of another type",
	};

	html_open_class(h, "ul", "legend");
	for (unsigned i = LEVEL_HALF; i < LEVELS; i++) {
		char class[8];

		snprintf(class, sizeof(class), "h%u", i);
		html_open(h, "li");
		html_open(h, "svg");
		html_attr(h, "viewBox", "0 0 24 12");
		html_attr(h, "aria-hidden", "true");
		svg_rect(h, class, &(struct box){ 0, 0, 24, 12 });
		html_close(h);
		html_text(h, words[i]);
		html_close(h);
	}
	html_close(h);
}

static void put_lane(struct html *h, const struct lanes *lanes, const struct lane *lane)
{
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT;
	char text[128], figure[FIGURE];

	strbuf_puts(&title, "Drift by window of ");
	html_cut(lane->name, HTML_NAME, &title);
	snprintf(text, sizeof(text), "%zu of %zu windows with drift; at most %s times the threshold.", lane->alerted,
		 lanes->n, figure_score(lane->highest, figure));
	html_open_class(h, "div", "name");
	html_data(h, lane->name, 40);
	html_close(h);
	svg_strip(h, lane->levels, lanes->n, title.buf, text);
}

static void put_rest(struct html *h, size_t shown, const struct lanes *lanes)
{
	char one[FIGURE], two[FIGURE];

	if (shown < lanes->len)
		html_elementf(h, "p", "sub", "The first %s of %s columns, those that drifted most often.",
			      figure_count((double)shown, one), figure_count((double)lanes->len, two));
}

static void put_map(struct html *h, const struct lanes *lanes)
{
	size_t n = lanes->len < STRIPS ? lanes->len : STRIPS;

	html_element(h, "h2", NULL, "Columns over time");
	html_element(h, "p", "explain", "A line a column, a cell a window, coloured by the score over its threshold.");
	put_map_legend(h);
	html_open_class(h, "div", "lanes");
	for (size_t i = 0; i < n; i++)
		put_lane(h, lanes, &lanes->items[i]);
	html_element(h, "div", "name", "");
	html_open(h, "div");
	page_along(h, lanes->windows, lanes->first);
	html_close_n(h, 2);
	put_rest(h, n, lanes);
}

static double highest_of(const double *values, size_t n)
{
	double highest = 0;

	for (size_t i = 0; i < n; i++)
		highest = fmax(highest, values[i]); /* of NaN and a number: the number */
	return highest;
}

static void put_scores(struct html *h, const struct lanes *lanes, const struct lane *lane, const char *title)
{
	double highest = highest_of(lane->scores, lanes->n), threshold = highest_of(lane->thresholds, lanes->n);
	struct steps steps = {
		.values = lane->scores,
		.thresholds = lane->thresholds,
		.alerts = lane->alerts,
		.n = lanes->n,
		.top = threshold > 0 ? fmax(fmin(highest, REACH * threshold), 1.3 * threshold) : highest,
	};
	char text[128];

	snprintf(text, sizeof(text), "%zu of %zu windows with drift.", lane->alerted, lanes->n);
	page_chart(h, &steps, false, NULL, title, text);
}

static void put_nulls(struct html *h, const struct lanes *lanes, const struct lane *lane)
{
	double highest = highest_of(lane->nulls, lanes->n);
	struct steps steps = { .values = lane->nulls, .n = lanes->n, .top = highest };
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT;
	char figure[FIGURE];

	if (!(highest > 0))
		return;
	strbuf_puts(&title, "Share of nulls of ");
	html_cut(lane->name, HTML_NAME, &title);
	html_elementf(h, "figcaption", NULL, "nulls, at most %s", figure_share(highest, figure));
	html_open_class(h, "div", "chart");
	svg_steps(h, &steps, "nulls", title.buf, "");
	html_close(h);
}

static void put_chart(struct html *h, const struct lanes *lanes, const struct lane *lane)
{
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT;
	char share[FIGURE];

	strbuf_puts(&title, "Score over time of ");
	html_cut(lane->name, HTML_NAME, &title);
	html_open_class(h, "article", "card");
	html_open_class(h, "div", "head");
	html_open(h, "h3");
	html_data(h, lane->name, HTML_NAME);
	html_close(h);
	html_elementf(h, "small", NULL, "drift in %s", figure_share((double)lane->alerted / (double)lanes->n, share));
	html_close(h);
	html_open_class(h, "figure", "plot");
	put_scores(h, lanes, lane, title.buf);
	put_nulls(h, lanes, lane);
	page_along(h, lanes->windows, lanes->first);
	html_close_n(h, 2);
}

static void put_charts(struct html *h, const struct lanes *lanes)
{
	size_t n = lanes->len < CHARTS ? lanes->len : CHARTS;

	html_element(h, "h2", NULL, "Each column");
	html_element(h, "p", "explain",
		     "The score of each window, its threshold as a dashed line, and dots where the column drifted.");
	html_open_class(h, "div", "cards");
	for (size_t i = 0; i < n; i++)
		put_chart(h, lanes, &lanes->items[i]);
	html_close(h);
	put_rest(h, n, lanes);
}

static void put_head(struct html *h, const void *ctx)
{
	(void)ctx;
	page_th(h, NULL, "Window");
	page_th(h, NULL, "State");
	page_th(h, NULL, "From");
	page_th(h, "wide", "To");
	page_th(h, "n", "Rows");
	page_th(h, "n wide", "Drifted");
	page_th(h, "n wide", "Over threshold");
	page_th(h, "wide", "Why");
}

static void put_value(struct html *h, const char *class, const struct js *value)
{
	char figure[FIGURE];

	html_open(h, "td");
	if (class)
		html_attr(h, "class", class);
	if (js_typeof(value) != JS_NULL)
		html_data(h, figure_value(value, false, figure), 24);
	html_close(h);
}

/* The latest first. */
static void put_window(struct html *h, const void *ctx, size_t i)
{
	const struct lanes *lanes = ctx;
	size_t at = lanes->n - 1 - i;
	const struct js *window = js_at(lanes->windows, lanes->first + at);
	char one[FIGURE], two[FIGURE];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_data(h, js_get_str(window, "window") ? js_get_str(window, "window")
						  : figure_value(js_get(window, "window"), false, one), 24);
	html_close(h);
	html_open(h, "td");
	page_state(h, js_get_str(window, "state"));
	html_close(h);
	put_value(h, "w", js_get(window, "from"));
	put_value(h, "w wide", js_get(window, "to"));
	page_td(h, "n", figure_count(js_number(js_get(window, "rows")), one));
	html_open_class(h, "td", "n wide");
	if (js_get(window, "judged"))
		html_textf(h, "%s of %s", figure_count(js_number(js_get(window, "drifted")), one),
			   figure_count(js_number(js_get(window, "judged")), two));
	html_close(h);
	page_td(h, "n wide", figure_score(lanes->highest[at], one));
	page_td_data(h, "wide", text_of(window, "reason"), HTML_VALUE);
}

/* Also of the windows that were not asked for. */
static size_t total(const struct js *shown, const struct lanes *lanes)
{
	const struct js *counts = js_get(shown, "windows_by_state");
	double n = 0;

	for (void *it = js_iter(counts); it; it = js_next(counts, it))
		n += fmax(js_number(js_iter_value(it)), 0);
	return n > (double)js_len(lanes->windows) && n < 1e15 ? (size_t)n : js_len(lanes->windows);
}

static void put_windows(struct html *h, const struct js *shown, const struct lanes *lanes)
{
	size_t left = total(shown, lanes) - lanes->n;

	const struct page_rows rows = { put_head, put_window, "Windows", "windows", lanes->n, 12 };
	char count[FIGURE];

	html_element(h, "h2", NULL, "Windows");
	page_rows(h, &rows, lanes);
	if (left)
		html_elementf(h, "p", "sub", "%s older %s left out of this page; --json with -n has them.",
			      figure_count((double)left, count), left == 1 ? "window is" : "windows are");
}

static void put_figures(struct html *h, const struct js *shown, const struct lanes *lanes)
{
	size_t counts[LEVELS] = { 0 }, alerts = 0;
	double rows = 0;
	char figure[FIGURE], all[FIGURE], windows[2 * FIGURE + 4];

	for (size_t i = 0; i < lanes->n; i++) {
		counts[lanes->states[i]]++;
		alerts += lanes->alerts[i];
		rows += js_get_real(js_at(lanes->windows, lanes->first + i), "rows", 0);
	}
	html_open_class(h, "dl", "figures");
	snprintf(windows, sizeof(windows), lanes->n < total(shown, lanes) ? "%s of %s" : "%s",
		 figure_count((double)lanes->n, figure), figure_count((double)total(shown, lanes), all));
	page_figure(h, "windows", windows);
	page_figure(h, "with drift", figure_count((double)alerts, figure));
	if (counts[LEVEL_UNSURE])
		page_figure(h, "not decided", figure_count((double)counts[LEVEL_UNSURE], figure));
	if (counts[LEVEL_BROKEN])
		page_figure(h, "quarantined", figure_count((double)counts[LEVEL_BROKEN], figure));
	page_figure(h, "rows", figure_count(rows, figure));
	if (js_get_str(shown, "method"))
		page_figure(h, "method", text_of(shown, "method"));
	html_close(h);
}

static void put_verdict(struct html *h, const struct js *shown, const struct js *last)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (js_get_bool(shown, "alarm"))
		strbuf_puts(&text, "ALARM, two of the last three windows. The last one: ");
	strbuf_puts(&text, text_of(last, "reason"));
	page_verdict(h, js_get_str(last, "state"), text.buf);
}

void page_monitor(const struct js *shown, struct strbuf *ret)
{
	struct html h = HTML_INIT(ret);
	const struct js *windows = js_get(shown, "windows"), *last = js_at(windows, js_len(windows) - 1);
	struct lanes lanes;

	lanes_make(windows, &lanes);
	page_begin(&h, "Monitor", text_of(shown, "monitor"));
	if (js_get_str(shown, "reference"))
		page_sub(&h, "compared with ", text_of(shown, "reference"), "");
	if (lanes.n)
		put_verdict(&h, shown, last);
	put_figures(&h, shown, &lanes);
	page_main(&h);
	if (!lanes.n)
		html_element(&h, "p", "explain", "No window was judged so far.");
	if (lanes.n)
		put_overview(&h, &lanes);
	page_performance(&h, js_get(shown, "performance"));
	if (lanes.len) {
		put_map(&h, &lanes);
		put_charts(&h, &lanes);
	}
	if (lanes.n)
		put_windows(&h, shown, &lanes);
	page_end(&h);
	lanes_release(&lanes);
}
