/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_number.h"
#include "monitor/page/svg.h"

#define WIDTH	360
#define LABEL	118 /* of which a label takes at most */
#define ROW	26
#define LEGIBLE 17 /* characters that fit there */

struct value {
	const char *text;
	double reference, current;
	bool single;
};

static double weight(const struct value *v)
{
	return v->single ? v->current : fabs(v->current - v->reference);
}

static int heavier(const void *a, const void *b)
{
	const struct value *one = a, *two = b;
	double left = weight(one), right = weight(two);

	if (left != right)
		return left < right ? 1 : -1;
	return one->current < two->current ? 1 : one->current > two->current ? -1 : strcmp(one->text, two->text);
}

static double share(const struct js *array, size_t i)
{
	double value = js_number(js_at(array, i));

	return value > 0 && value <= 1 ? value : 0;
}

bool bars_from_json(const struct js *picture, struct bars *ret)
{
	const struct js *values = js_get(picture, "values"), *reference = js_get(picture, "reference");
	const struct js *current = js_get(picture, "current");
	size_t n = js_len(values);
	CLEANUP(cleanup_free) struct value *sorted = NULL;
	struct bars bars;

	if (!n || js_len(current) != n || (reference && js_len(reference) != n))
		return false;
	sorted = xcalloc(n, sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct value){ js_text(js_at(values, i)), share(reference, i), share(current, i),
					    !reference };
	for (size_t i = 0; i < n; i++)
		if (!sorted[i].text)
			sorted[i].text = "";
	qsort(sorted, n, sizeof(*sorted), heavier);
	bars = (struct bars){ .n = n < BARS_MAX ? n : BARS_MAX, .all = n };
	bars.values = xcalloc(bars.n, sizeof(*bars.values));
	bars.reference = reference ? xcalloc(bars.n, sizeof(double)) : NULL;
	bars.current = xcalloc(bars.n, sizeof(double));
	for (size_t i = 0; i < bars.n; i++) {
		bars.values[i] = sorted[i].text;
		bars.current[i] = sorted[i].current;
		if (reference)
			bars.reference[i] = sorted[i].reference;
	}
	*ret = bars;
	return true;
}

void bars_release(struct bars *bars)
{
	free(bars->values);
	free(bars->reference);
	free(bars->current);
	*bars = (struct bars)BARS_INIT;
}

static double highest(const struct bars *bars)
{
	double top = 0;

	for (size_t i = 0; i < bars->n; i++)
		top = fmax(top, fmax(bars->current[i], bars->reference ? bars->reference[i] : 0));
	return top > 0 ? top : 1;
}

static void describe(const struct bars *bars, struct strbuf *ret)
{
	char before[FIGURE], now[FIGURE];

	for (size_t i = 0; i < bars->n && i < 3; i++) {
		html_cut(bars->values[i], LEGIBLE, ret);
		figure_share(bars->current[i], now);
		if (bars->reference)
			strbuf_printf(ret, ": %s, now %s. ", figure_share(bars->reference[i], before), now);
		else
			strbuf_printf(ret, ": %s. ", now);
	}
}

/* Drawings have no way to cut a text at a width but a drawing of that width. */
static void put_label(struct html *h, const char *text, double y)
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;

	html_cut(*text ? text : "(empty)", LEGIBLE, &cut);
	html_open(h, "svg");
	html_coordinate(h, "y", y);
	html_attrf(h, "width", "%d", LABEL);
	html_attrf(h, "height", "%d", ROW);
	svg_text(h, "label", LABEL - 2, 17, ANCHOR_END, cut.buf);
	html_close(h);
}

static void put_row(struct html *h, const struct bars *bars, size_t i, const struct scale *x)
{
	double y = (double)i * ROW + 2, end = scale_place(x, bars->current[i]), reference = 0;
	char figure[FIGURE];

	put_label(h, bars->values[i], y);
	if (bars->reference) {
		reference = scale_place(x, bars->reference[i]);
		svg_rect(h, "ref", &(struct box){ x->at, y + 3, reference - x->at, 8 });
	}
	svg_rect(h, bars->reference ? "cur-bar" : "one",
		 &(struct box){ x->at, y + (bars->reference ? 12 : 6), end - x->at, bars->reference ? 8 : 13 });
	svg_text(h, "tick", fmax(end, reference) + 6, y + 16, ANCHOR_START, figure_share(bars->current[i], figure));
}

void svg_bars(struct html *h, const struct bars *bars, const char *name)
{
	CLEANUP_STRBUF struct strbuf title = STRBUF_INIT, text = STRBUF_INIT;
	struct scale x = { 0, highest(bars), LABEL + 6, WIDTH - 50 };

	strbuf_puts(&title, "Values of ");
	html_cut(name, HTML_NAME, &title);
	describe(bars, &text);
	svg_open(h, WIDTH, (double)bars->n * ROW + 6, "picture", title.buf, text.buf);
	for (size_t i = 0; i < bars->n; i++)
		put_row(h, bars, i, &x);
	html_close(h);
}

void svg_bars_small(struct html *h, const struct bars *bars, const struct box *box)
{
	double wide = box->w / (double)bars->n, bar = wide * (bars->reference ? 0.4 : 0.8), top = highest(bars);

	for (size_t i = 0; i < bars->n; i++) {
		double x = box->x + (double)i * wide, now = bars->current[i] / top * box->h;

		if (bars->reference) {
			double before = bars->reference[i] / top * box->h;

			svg_rect(h, "ref", &(struct box){ x, box->y + box->h - before, bar, before });
			x += bar;
		}
		svg_rect(h, bars->reference ? "cur-bar" : "one", &(struct box){ x, box->y + box->h - now, bar, now });
	}
}

void svg_picture_small(struct html *h, const struct js *picture, const struct box *box)
{
	struct bins bins = BINS_INIT;
	struct bars bars = BARS_INIT;

	if (bins_from_json(picture, false, &bins))
		svg_bins_small(h, &bins, box);
	else if (bars_from_json(picture, &bars))
		svg_bars_small(h, &bars, box);
	bins_release(&bins);
	bars_release(&bars);
}
