/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_internal.h"

static void put_meta(struct html *h, const char *key, const char *name, const char *content)
{
	html_open(h, "meta");
	html_attr(h, key, name);
	html_attr(h, "content", content);
	html_close(h);
}

/* The only text that is not escaped: our own, and without '<' or '&'. */
static void put_style(struct html *h)
{
	html_open(h, "style");
	html_text(h, "");
	strbuf_puts(h->out, style_picture);
	strbuf_puts(h->out, style_page);
	html_close(h);
}

void page_begin(struct html *h, const char *kind, const char *name)
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;

	html_cut(name, HTML_NAME, &cut);
	strbuf_puts(h->out, "<!DOCTYPE html>\n");
	html_open(h, "html");
	html_attr(h, "lang", "en");
	html_open(h, "head");
	html_open(h, "meta");
	html_attr(h, "charset", "utf-8");
	html_close(h);
	put_meta(h, "http-equiv", "Content-Security-Policy",
		 "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
	put_meta(h, "name", "viewport", "width=device-width, initial-scale=1");
	put_meta(h, "name", "color-scheme", "light dark");
	html_elementf(h, "title", NULL, "%s: %s", kind, cut.buf);
	/* Else a browser asks a server for one. */
	html_open(h, "link");
	html_attr(h, "rel", "icon");
	html_attr(h, "href", "data:,");
	html_close(h);
	put_style(h);
	html_close(h);
	html_open(h, "body");
	html_open(h, "header");
	html_element(h, "p", "kind", kind);
	html_open(h, "h1");
	html_data(h, name, HTML_VALUE);
	html_close(h);
}

void page_sub(struct html *h, const char *before, const char *name, const char *after)
{
	html_open_class(h, "p", "sub");
	html_text(h, before);
	if (name)
		html_data(h, name, HTML_VALUE);
	html_text(h, after);
	html_close(h);
}

void page_main(struct html *h)
{
	html_close(h);
	html_open(h, "main");
}

void page_end(struct html *h)
{
	html_close(h);
	html_open(h, "footer");
	html_element(h, "p", NULL,
		     "Made by mlops " MLOPS_VERSION
		     ". Everything on this page is in this file; with --json you get all of its numbers.");
	html_close_n(h, 3);
	strbuf_putc(h->out, '\n');
	assert(!h->depth);
}

static const struct look {
	const char *state, *class, *symbol;
} looks[] = {
	{ "OK", "s-ok", "●" },		    { "DRIFT", "s-alert", "▲" },      { "FAILED", "s-alert", "▲" },
	{ "INSUFFICIENT", "s-wait", "○" },  { "UNDECIDED", "s-wait", "◇" },   { "NEW", "s-new", "✚" },
	{ "QUARANTINED", "s-broken", "■" }, { "MISSING", "s-broken", "■" },   { "ALL_NULL", "s-broken", "■" },
	{ "TYPE_CHANGED", "s-broken", "■" }, { "SKIPPED", "s-wait", "○" },
};

static const struct look *look_of(const char *state)
{
	static const struct look other = { "", "s-wait", "○" };

	for (size_t i = 0; state && i < ARRAY_LEN(looks); i++)
		if (!strcmp(looks[i].state, state))
			return &looks[i];
	return &other;
}

const char *page_state_class(const char *state)
{
	return look_of(state)->class;
}

void page_state(struct html *h, const char *state)
{
	CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;

	html_cut(state ? state : "not judged", PAGE_WORD, &words);
	for (char *p = words.buf; (p = strchr(p, '_'));)
		*p = ' ';
	html_open(h, "span");
	html_attrf(h, "class", "state %s", page_state_class(state));
	html_open(h, "span");
	html_attr(h, "aria-hidden", "true");
	html_text(h, look_of(state)->symbol);
	html_close(h);
	html_text(h, words.buf);
	html_close(h);
}

void page_verdict(struct html *h, const char *state, const char *reason)
{
	html_open(h, "div");
	html_attrf(h, "class", "verdict %s", page_state_class(state));
	page_state(h, state);
	html_open(h, "p");
	html_data(h, reason ? reason : "", 1000);
	html_close_n(h, 2);
}

void page_figure(struct html *h, const char *label, const char *value)
{
	html_open(h, "div");
	html_element(h, "dt", NULL, label);
	html_element(h, "dd", NULL, value);
	html_close(h);
}

void page_th(struct html *h, const char *class, const char *text)
{
	html_open(h, "th");
	html_attr(h, "scope", "col");
	if (class)
		html_attr(h, "class", class);
	html_text(h, text);
	html_close(h);
}

void page_td(struct html *h, const char *class, const char *text)
{
	html_element(h, "td", class, text);
}

void page_td_data(struct html *h, const char *class, const char *text, size_t max)
{
	html_open(h, "td");
	if (class)
		html_attr(h, "class", class);
	html_data(h, text ? text : "", max);
	html_close(h);
}

void page_notes(struct html *h, const struct js *notes, size_t most)
{
	size_t n = js_len(notes) < most ? js_len(notes) : most;

	if (!n)
		return;
	html_open_class(h, "ul", "notes");
	for (size_t i = 0; i < n; i++)
		page_note(h, js_text(js_at(notes, i)) ? js_text(js_at(notes, i)) : "");
	html_close(h);
}

void page_note(struct html *h, const char *text)
{
	html_open(h, "li");
	html_data(h, text, 400);
	html_close(h);
}

static void put_key(struct html *h, const char *class, bool area, const char *text)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

	html_open(h, "li");
	html_open(h, "svg");
	html_attr(h, "viewBox", "0 0 24 12");
	html_attr(h, "aria-hidden", "true");
	path_add(&line, 'M', 0, area ? 12 : 6);
	strbuf_puts(&line, area ? "V3h24V12z" : "h24");
	svg_path(h, class, &line);
	html_close(h);
	html_text(h, text);
	html_close(h);
}

void page_legend(struct html *h)
{
	html_open_class(h, "ul", "legend");
	put_key(h, "ref", true, "reference");
	put_key(h, "cur", true, "current");
	html_close(h);
}

static void put_table(struct html *h, const struct page_rows *rows, const void *ctx, size_t from, size_t to)
{
	html_open_class(h, "div", "scroll");
	html_attr(h, "role", "region");
	html_attr(h, "aria-label", rows->caption);
	html_attr(h, "tabindex", "0");
	html_open(h, "table");
	html_open(h, "thead");
	html_open(h, "tr");
	rows->head(h, ctx);
	html_close_n(h, 2);
	html_open(h, "tbody");
	for (size_t i = from; i < to; i++) {
		html_open(h, "tr");
		rows->row(h, ctx, i);
		html_close(h);
	}
	html_close_n(h, 3);
}

void page_rows(struct html *h, const struct page_rows *rows, const void *ctx)
{
	size_t end = rows->n < PAGE_ALL_ROWS ? rows->n : PAGE_ALL_ROWS;
	char count[FIGURE];

	/* A few more are not worth a fold. */
	if (end <= rows->open + rows->open / 5) {
		put_table(h, rows, ctx, 0, end);
		return;
	}
	put_table(h, rows, ctx, 0, rows->open);
	html_open(h, "details");
	html_elementf(h, "summary", NULL, "%s more %s", figure_count((double)(end - rows->open), count), rows->what);
	put_table(h, rows, ctx, rows->open, end);
	html_close(h);
	if (rows->n > end)
		html_elementf(h, "p", "sub", "The other %s %s are left out of this page; --json has them.",
			      figure_count((double)(rows->n - end), count), rows->what);
}

void page_meter(struct html *h, double score, double threshold)
{
	/* The threshold stands in the middle: twice of it fills the bar. */
	double part = score / threshold / 2;
	char title[2 * FIGURE + 32], one[FIGURE], two[FIGURE];

	if (!isfinite(part) || part < 0)
		return;
	snprintf(title, sizeof(title), "score %s, threshold %s", figure_score(score, one), figure_score(threshold, two));
	svg_open(h, 96, 10, "meter", title, NULL);
	svg_rect(h, "h1", &(struct box){ 0, 2, 96, 6 });
	svg_rect(h, part >= 0.5 ? "over" : "under", &(struct box){ 0, 2, fmin(part, 1) * 96, 6 });
	svg_rect(h, "mark", &(struct box){ 47.3, 0, 1.4, 10 });
	html_close(h);
}

void page_spark(struct html *h, const struct js *picture, const char *name)
{
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT;

	strbuf_puts(&title, "Distribution of ");
	html_cut(name, 40, &title);
	svg_open(h, 112, 28, "spark", title.buf, NULL);
	svg_picture_small(h, picture, &(struct box){ 1, 2, 110, 25 });
	html_close(h);
}

void page_card_id(struct html *h, size_t i)
{
	html_attrf(h, "id", "c%zu", i);
}

void page_card_link(struct html *h, size_t i, const char *name, bool has_card)
{
	if (has_card) {
		html_open(h, "a");
		html_attrf(h, "href", "#c%zu", i);
	}
	html_data(h, name, HTML_NAME);
	if (has_card)
		html_close(h);
}
