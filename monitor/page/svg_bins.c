/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_number.h"
#include "monitor/page/svg.h"

#define WIDTH  360
#define HEIGHT 172
static const struct box plot = { 40, 20, 314, 126 };

/* Numbers of an array, which must have n of them, none negative; as shares of their sum. */
static double *shares_of(const struct js *array, size_t n)
{
	double *shares, sum = 0;

	if (!n || js_len(array) != n)
		return NULL;
	shares = xcalloc(n, sizeof(*shares));
	for (size_t i = 0; i < n; i++) {
		shares[i] = js_number(js_at(array, i));
		sum += shares[i] >= 0 ? shares[i] : NAN;
	}
	if (!(sum > 0) || !isfinite(sum)) {
		free(shares);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		shares[i] /= sum;
	return shares;
}

static double *edges_of(const struct js *array)
{
	size_t n = js_len(array);
	double *edges = xcalloc(n, sizeof(*edges));

	for (size_t i = 0; i < n; i++) {
		edges[i] = js_number(js_at(array, i));
		if (!isfinite(edges[i]) || (i && edges[i] < edges[i - 1]))
			return free(edges), NULL;
	}
	if (edges[n - 1] > edges[0] && isfinite(edges[n - 1] - edges[0]))
		return edges;
	free(edges);
	return NULL;
}

bool bins_from_json(const struct js *picture, bool is_time, struct bins *ret)
{
	const struct js *edges = js_get(picture, "edges"), *counts = js_get(picture, "counts");
	struct bins bins = { .is_time = is_time };

	if (js_len(edges) < 2)
		return false;
	bins.n = js_len(edges) - 1;
	bins.edges = edges_of(edges);
	bins.current = shares_of(counts ? counts : js_get(picture, "current"), bins.n);
	if (!counts)
		bins.reference = shares_of(js_get(picture, "reference"), bins.n);
	if (!bins.edges || !bins.current || (!counts && !bins.reference)) {
		bins_release(&bins);
		return false;
	}
	*ret = bins;
	return true;
}

void bins_release(struct bins *bins)
{
	free(bins->edges);
	free(bins->reference);
	free(bins->current);
	*bins = (struct bins)BINS_INIT;
}

/* Where bins differ in width their areas are the shares, so that a wide one does not look full. */
static double height_of(const struct bins *bins, const double *shares, size_t i)
{
	double usual = (bins->edges[bins->n] - bins->edges[0]) / (double)bins->n;
	double width = bins->edges[i + 1] - bins->edges[i];

	if (fabs(width - usual) <= usual * 1e-3)
		return shares[i];
	return width > 0 ? shares[i] * usual / width : 0;
}

static double highest(const struct bins *bins, const double *shares)
{
	double top = 0;

	for (size_t i = 0; shares && i < bins->n; i++)
		top = fmax(top, height_of(bins, shares, i));
	return top;
}

static bool equally_wide(const struct bins *bins)
{
	double usual = (bins->edges[bins->n] - bins->edges[0]) / (double)bins->n;

	for (size_t i = 0; i < bins->n; i++)
		if (fabs(bins->edges[i + 1] - bins->edges[i] - usual) > usual * 1e-3)
			return false;
	return true;
}

/* The outline of the bars, from the ground and back to it. */
static void outline(const struct bins *bins, const double *shares, const struct scale *x, const struct scale *y,
		    struct strbuf *ret)
{
	path_add(ret, 'M', scale_place(x, bins->edges[0]), y->at);
	for (size_t i = 0; i < bins->n; i++) {
		path_add(ret, 'V', scale_place(y, height_of(bins, shares, i)), 0);
		path_add(ret, 'H', scale_place(x, bins->edges[i + 1]), 0);
	}
	path_add(ret, 'V', y->at, 0);
}

static void draw(struct html *h, const struct bins *bins, const struct scale *x, const struct scale *y)
{
	CLEANUP_STRBUF struct strbuf reference = STRBUF_INIT, current = STRBUF_INIT;

	if (bins->reference)
		outline(bins, bins->reference, x, y, &reference);
	outline(bins, bins->current, x, y, &current);
	svg_path(h, "ref", &reference);
	svg_path(h, bins->reference ? "cur" : "one", &current);
}

static void scales(const struct bins *bins, const struct box *box, double top, struct scale *x, struct scale *y)
{
	*x = (struct scale){ bins->edges[0], bins->edges[bins->n], box->x, box->x + box->w };
	*y = (struct scale){ 0, top, box->y + box->h, box->y };
}

static void put_edge(const struct bins *bins, size_t i, char buf[FIGURE])
{
	if (bins->is_time)
		figure_time(bins->edges[i], bins->edges[i + 1 > bins->n ? i : i + 1] - bins->edges[i], buf);
	else
		figure_number(bins->edges[i], buf);
}

/* "most are from 0.4 to 0.44 (12 %)" */
static void describe(const struct bins *bins, const double *shares, const char *whose, struct strbuf *ret)
{
	char from[FIGURE], to[FIGURE], share[FIGURE];
	size_t most = 0;

	for (size_t i = 1; i < bins->n; i++)
		if (shares[i] > shares[most])
			most = i;
	put_edge(bins, most, from);
	put_edge(bins, most + 1, to);
	strbuf_printf(ret, "%s: the fullest of %zu bins is from %s to %s, with %s of the rows. ", whose, bins->n, from,
		      to, figure_share(shares[most], share));
}

/* The box is the middle half of the rows, its line the median; whiskers end at 5 and 95 %. */
static void draw_box(struct html *h, const double quantiles[5], const struct scale *x)
{
	CLEANUP_STRBUF struct strbuf whiskers = STRBUF_INIT, median = STRBUF_INIT;
	double at[5];

	for (size_t i = 0; i < 5; i++) {
		if (!isfinite(quantiles[i]))
			return;
		at[i] = scale_place(x, quantiles[i]);
	}
	path_add(&whiskers, 'M', at[0], 6);
	path_add(&whiskers, 'H', at[4], 0);
	svg_path(h, "axis", &whiskers);
	svg_rect(h, "ref", &(struct box){ at[1], 2, fmax(at[3] - at[1], 1), 8 });
	path_add(&median, 'M', at[2], 1);
	path_add(&median, 'v', 10, 0);
	svg_path(h, "median", &median);
}

void svg_histogram(struct html *h, const struct bins *bins, const char *name, const double quantiles[5])
{
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT, text = STRBUF_INIT;
	double top = fmax(highest(bins, bins->current), highest(bins, bins->reference));
	struct scale x, y;

	strbuf_puts(&title, "Distribution of ");
	html_cut(name, HTML_NAME, &title);
	if (bins->reference)
		describe(bins, bins->reference, "Reference", &text);
	describe(bins, bins->current, bins->reference ? "Current" : "Histogram", &text);
	svg_open(h, WIDTH, HEIGHT, "picture", title.buf, text.buf);
	scales(bins, &plot, (top > 0 ? top : 1) * 1.05, &x, &y);
	if (equally_wide(bins))
		svg_grid(h, &plot, &y);
	draw(h, bins, &x, &y);
	if (quantiles)
		draw_box(h, quantiles, &x);
	svg_axis(h, &plot, &x, bins->is_time);
	html_close(h);
}

void svg_bins_small(struct html *h, const struct bins *bins, const struct box *box)
{
	double top = highest(bins, bins->current), other = highest(bins, bins->reference);
	struct scale x, y;

	/* Beside a single tall bar a flat shape would be a line on the ground: so tall ones are cut off. */
	if (bins->reference)
		top = fmin(fmax(top, other), 3 * fmin(top, other));
	scales(bins, box, top, &x, &y);
	draw(h, bins, &x, &y);
}

static void cumulate(const struct bins *bins, const double *shares, const struct scale *x, const struct scale *y,
		     struct strbuf *ret)
{
	double sum = 0;

	path_add(ret, 'M', scale_place(x, bins->edges[0]), y->at);
	for (size_t i = 0; i < bins->n; i++) {
		sum += shares[i];
		path_add(ret, 'L', scale_place(x, bins->edges[i + 1]), scale_place(y, sum));
	}
}

struct gap {
	size_t edge;
	double reference, current; /* cumulated there */
};

static struct gap widest_gap(const struct bins *bins)
{
	struct gap sum = { 0 }, widest = { 0 };

	for (size_t i = 0; i < bins->n; i++) {
		sum.edge = i + 1;
		sum.reference += bins->reference[i];
		sum.current += bins->current[i];
		if (fabs(sum.reference - sum.current) > fabs(widest.reference - widest.current))
			widest = sum;
	}
	return widest;
}

static void mark_gap(struct html *h, const struct gap *gap, double at, const struct scale *y, const char *label)
{
	double one = scale_place(y, gap->reference), other = scale_place(y, gap->current);
	bool right = at < WIDTH * 0.7;
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT, dots = STRBUF_INIT;

	path_add(&line, 'M', at, one);
	path_add(&line, 'V', other, 0);
	for (int i = 0; i < 2; i++) {
		path_add(&dots, 'M', at, i ? one : other);
		path_add(&dots, 'h', 0, 0);
	}
	svg_path(h, "gap", &line);
	svg_path(h, "dot", &dots);
	svg_text(h, "note halo", right ? at + 8 : at - 8, (one + other) / 2 + 4, right ? ANCHOR_START : ANCHOR_END,
		 label);
}

void svg_ecdf(struct html *h, const struct bins *bins, const char *name)
{
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT, text = STRBUF_INIT, reference = STRBUF_INIT,
				     current = STRBUF_INIT;
	char at[FIGURE], distance[FIGURE], label[FIGURE + 8];
	struct gap gap = widest_gap(bins);
	struct scale x, y;

	scales(bins, &plot, 1, &x, &y);
	put_edge(bins, gap.edge, at);
	figure_number(round(fabs(gap.reference - gap.current) * 1000) / 1000, distance);
	strbuf_puts(&title, "Cumulated shares of ");
	html_cut(name, HTML_NAME, &title);
	strbuf_printf(&text, "The curves are furthest apart at %s: D is %s.", at, distance);
	svg_open(h, WIDTH, HEIGHT, "picture", title.buf, text.buf);
	svg_grid(h, &plot, &y);
	cumulate(bins, bins->reference, &x, &y, &reference);
	cumulate(bins, bins->current, &x, &y, &current);
	svg_path(h, "ref-line", &reference);
	svg_path(h, "cur-line", &current);
	snprintf(label, sizeof(label), "D = %s", distance);
	if (gap.reference != gap.current)
		mark_gap(h, &gap, scale_place(&x, bins->edges[gap.edge]), &y, label);
	svg_axis(h, &plot, &x, bins->is_time);
	html_close(h);
}
