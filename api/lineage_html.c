/* SPDX-License-Identifier: Apache-2.0 */
/* Lineage as a page: a picture of what is near, and all that is shown as tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/lineage.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/page/page_parts.h"
#include "monitor/page/svg.h"

#define DRAWN_NODES 60u  /* of the picture */
#define BOX_W	    150.0
#define BOX_H	    34.0
#define COLUMN_W    200.0
#define ROW_H	    46.0
#define LABEL_MAX   24u
#define CELL_MAX    400u
#define OPEN_ROWS   50u
#define VALUES_MAX  12u  /* params and metrics of a run */

/* ---- the picture ---- */

struct picture {
	const struct js *graph;
	size_t n;
	struct box boxes[DRAWN_NODES];
	double w, h;
};

static const struct js *node_at(const struct js *graph, size_t i)
{
	return js_at(js_get(graph, "nodes"), i);
}

static int64_t depth_of(const struct js *graph, size_t i)
{
	return js_get_int(node_at(graph, i), "depth", 0);
}

/* A column for each distance, what made it to the left, in the order of the walk. */
static void place_boxes(struct picture *p)
{
	int64_t first = 0, last = 0;

	for (size_t i = 0; i < p->n; i++) {
		int64_t depth = depth_of(p->graph, i);
		first = depth < first ? depth : first;
		last = depth > last ? depth : last;
	}
	p->w = (double)(last - first) * COLUMN_W + BOX_W + 8;
	for (size_t i = 0; i < p->n; i++) {
		int64_t depth = depth_of(p->graph, i);
		size_t above = 0;

		for (size_t k = 0; k < i; k++)
			above += depth_of(p->graph, k) == depth;
		p->boxes[i] = (struct box){ 4 + (double)(depth - first) * COLUMN_W, 4 + (double)above * ROW_H, BOX_W, BOX_H };
		if (p->boxes[i].y + BOX_H + 4 > p->h)
			p->h = p->boxes[i].y + BOX_H + 4;
	}
}

static void draw_edge(struct html *h, const struct box *from, const struct box *to)
{
	CLEANUP_STRBUF struct strbuf d = STRBUF_INIT;
	double x = from->x + from->w, y = from->y + from->h / 2, end = to->y + to->h / 2;

	path_add(&d, 'M', x, y);
	path_add(&d, 'L', x + 12, y);
	path_add(&d, 'L', to->x - 12, end);
	path_add(&d, 'L', to->x, end);
	svg_path(h, "axis", &d);
}

static void draw_node(struct html *h, const struct js *node, const struct box *box, bool root)
{
	CLEANUP_STRBUF struct strbuf label = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;

	lineage_label(node, &label);
	html_cut(label.buf, LABEL_MAX, &cut);
	svg_rect(h, js_get(node, "hole") ? "gap" : root ? "cur" : "paper", box);
	svg_rect(h, "grid", box);
	svg_text(h, "tick", box->x + 6, box->y + 13, ANCHOR_START, js_get_str(node, "kind"));
	svg_text(h, "label", box->x + 6, box->y + 27, ANCHOR_START, cut.buf);
}

static void put_picture(struct html *h, const struct js *graph)
{
	const struct js *edges = js_get(graph, "edges");
	struct picture p = { .graph = graph, .n = js_len(js_get(graph, "nodes")) };

	if (p.n > DRAWN_NODES)
		p.n = DRAWN_NODES;
	place_boxes(&p);
	svg_open(h, p.w, p.h, NULL, "Lineage", "What made it to the left, what it touched to the right; the tables below say the same.");
	for (size_t i = 0; i < js_len(edges); i++) {
		size_t from = (size_t)js_get_int(js_at(edges, i), "from", 0), to = (size_t)js_get_int(js_at(edges, i), "to", 0);

		if (from < p.n && to < p.n)
			draw_edge(h, &p.boxes[from], &p.boxes[to]);
	}
	for (size_t i = 0; i < p.n; i++)
		draw_node(h, node_at(graph, i), &p.boxes[i], i == 0);
	html_close(h);
	if (p.n < js_len(js_get(graph, "nodes")))
		html_elementf(h, "p", "sub", "The picture has the %zu nearest.", p.n);
}

/* ---- the tables ---- */

struct side {
	const struct js *graph;
	size_t *rows, n;
};

static void put_head(struct html *h, const void *ctx)
{
	static const char *const titles[] = { "Away", "Kind", "What", "Known of it", "Since" };

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		page_th(h, NULL, titles[i]);
}

static void add_value(struct strbuf *ret, const char *key, const struct js *value)
{
	const char *text = js_text(value);

	if (ret->len)
		strbuf_puts(ret, ", ");
	strbuf_printf(ret, "%s ", key);
	if (text)
		strbuf_puts(ret, text);
	else
		js_dump(value, JS_COMPACT, ret);
}

static void add_all(struct strbuf *ret, const struct js *values)
{
	size_t n = 0;

	for (void *it = js_iter(values); it && n < VALUES_MAX; it = js_next(values, it), n++)
		add_value(ret, js_iter_key(it), js_iter_value(it));
	if (js_len(values) > VALUES_MAX)
		strbuf_printf(ret, " and %zu more", js_len(values) - VALUES_MAX);
}

/* What makes a row worth reading, in few words. */
static void describe(const struct js *node, struct strbuf *ret)
{
	static const char *const keys[] = { "hole", "status", "state", "gate", "verdict", "decision", "outcome", "cause", "how",
					    "asker", "actor", "user", "author", "experiment", "reason", "size" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get(node, keys[i]))
			add_value(ret, keys[i], js_get(node, keys[i]));
	add_all(ret, js_get(node, "params"));
	add_all(ret, js_get(node, "metrics"));
}

static void put_row(struct html *h, const void *ctx, size_t i)
{
	const struct side *side = ctx;
	const struct js *node = node_at(side->graph, side->rows[i]);
	CLEANUP_STRBUF struct strbuf label = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf known = STRBUF_INIT;
	char away[24], since[32] = "-";

	snprintf(away, sizeof(away), "%lld", llabs((long long)js_get_int(node, "depth", 0)));
	if (js_get_int(node, "time", 0))
		clock_format_utc(js_get_int(node, "time", 0), since);
	lineage_label(node, &label);
	describe(node, &known);
	page_td(h, "n", away);
	page_td(h, NULL, js_get_str(node, "kind"));
	page_td_data(h, NULL, label.buf, CELL_MAX);
	page_td_data(h, NULL, known.buf, CELL_MAX);
	page_td(h, NULL, since);
}

/* `sign`: -1 what made it, 1 what it touched. */
static void put_side(struct html *h, const struct js *graph, int sign, const char *title)
{
	CLEANUP(cleanup_free) size_t *rows = NULL;
	struct side side = { .graph = graph };
	size_t cap = 0;

	for (size_t i = 1; i < js_len(js_get(graph, "nodes")); i++)
		if (depth_of(graph, i) * sign > 0) {
			GROW(rows, side.n, cap);
			rows[side.n++] = i;
		}
	if (!side.n)
		return;
	side.rows = rows;
	html_element(h, "h2", NULL, title);
	page_rows(h, &(struct page_rows){ .head = put_head, .row = put_row, .caption = title, .what = "nodes", .n = side.n,
					  .open = OPEN_ROWS }, &side);
}

static void put_figures(struct html *h, const struct js *graph)
{
	bool more;
	int64_t left = lineage_left_out(graph, LINEAGE_DRAWN, &more);
	char text[32];

	html_open_class(h, "dl", "figures");
	snprintf(text, sizeof(text), "%zu", js_len(js_get(graph, "nodes")));
	page_figure(h, "Nodes", text);
	snprintf(text, sizeof(text), "%s%lld", more ? "at least " : "", (long long)left);
	page_figure(h, "Left out", text);
	snprintf(text, sizeof(text), "%lld", (long long)js_get_int(graph, "holes", 0));
	page_figure(h, "Holes", text);
	html_close(h);
}

void lineage_html(const struct js *graph, struct strbuf *page)
{
	const struct js *root = node_at(graph, 0);
	struct html h = HTML_INIT(page);

	page_begin(&h, "Lineage", js_get_str(root, "name"));
	put_figures(&h, graph);
	page_main(&h);
	put_picture(&h, graph);
	put_side(&h, graph, -1, "What made it");
	put_side(&h, graph, 1, "What it touched");
	page_end(&h);
}
