/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_internal.h"

/* One drawing for a report or a chat: a line a column, with its picture. */
#define WIDTH 860
#define TOP   92
#define ROW   38
#define LINES 100u /* then the rest is counted */

static void put_row(struct html *h, const struct js *column, double y)
{
	double score = js_number(js_get(column, "score")), threshold = js_number(js_get(column, "threshold"));
	const char *name = js_get_str(column, "name"), *state = js_get_str(column, "state");
	double part = fmin(score / threshold / 2, 1);
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT, word = STRBUF_INIT, line = STRBUF_INIT;
	char figure[FIGURE], label[FIGURE * 2 + 8];

	path_add(&line, 'M', 24, y + ROW);
	path_add(&line, 'h', WIDTH - 48, 0);
	svg_path(h, "grid", &line);
	html_cut(name ? name : "", 30, &cut);
	svg_text(h, "name", 24, y + 24, ANCHOR_START, cut.buf);
	html_cut(state ? state : "", PAGE_WORD, &word);
	svg_text(h, page_state_class(state), 250, y + 24, ANCHOR_START, word.buf);
	svg_picture_small(h, js_get(column, "picture"), &(struct box){ 370, y + 5, 200, ROW - 10 });
	if (isfinite(score))
		svg_text(h, "name", 650, y + 24, ANCHOR_END, figure_score(score, figure));
	if (!isfinite(part) || part < 0)
		return;
	svg_rect(h, "h1", &(struct box){ 670, y + 16, 96, 7 });
	svg_rect(h, part >= 0.5 ? "over" : "under", &(struct box){ 670, y + 16, part * 96, 7 });
	svg_rect(h, "mark", &(struct box){ 717.3, y + 13, 1.4, 13 });
	snprintf(label, sizeof(label), "%s", figure_score(threshold, figure));
	svg_text(h, "tick", WIDTH - 24, y + 24, ANCHOR_END, label);
}

static void put_heading(struct html *h, const struct js *verdict)
{
	static const struct {
		double x;
		enum svg_anchor anchor;
		const char *text;
	} titles[] = {
		{ 24, ANCHOR_START, "Column" },
		{ 250, ANCHOR_START, "State" },
		{ 370, ANCHOR_START, "Reference (area), current (line)" },
		{ 650, ANCHOR_END, "Score" },
		{ WIDTH - 24, ANCHOR_END, "Threshold" },
	};
	const char *state = js_get_str(verdict, "state"), *reason = js_get_str(verdict, "reason");
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;

	svg_rect(h, "paper", &(struct box){ 0, 0, WIDTH, 1e5 });
	html_open_class(h, "g", "large");
	svg_text(h, page_state_class(state), 24, 36, ANCHOR_START, state ? state : "");
	html_close(h);
	html_cut(reason ? reason : "", 110, &cut);
	svg_text(h, "tick", 24, 58, ANCHOR_START, cut.buf);
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		svg_text(h, "tick", titles[i].x, TOP - 8, titles[i].anchor, titles[i].text);
}

void svg_drift(const struct js *verdict, struct strbuf *ret)
{
	struct html h = HTML_INIT(ret);
	const struct js *columns = js_get(verdict, "columns");
	size_t all = js_len(columns), n = all < LINES ? all : LINES;
	const char *reason = js_get_str(verdict, "reason");
	char count[FIGURE], label[FIGURE + 40];

	svg_open_sized(&h, WIDTH, TOP + (double)n * ROW + (n < all ? 44 : 20), "Drift of each column", reason);
	html_open(&h, "style");
	html_text(&h, "");
	strbuf_puts(ret, style_picture);
	html_close(&h);
	put_heading(&h, verdict);
	for (size_t i = 0; i < n; i++)
		put_row(&h, js_at(columns, i), TOP + (double)i * ROW);
	if (n < all) {
		snprintf(label, sizeof(label), "and %s columns with lower scores",
			 figure_count((double)(all - n), count));
		svg_text(&h, "tick", 24, TOP + (double)n * ROW + 24, ANCHOR_START, label);
	}
	html_close(&h);
	strbuf_putc(ret, '\n');
}
