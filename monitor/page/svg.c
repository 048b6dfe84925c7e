/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/page/svg.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

double scale_place(const struct scale *s, double value)
{
	/* Halves, since the distance of two doubles may be none. */
	double span = s->to / 2 - s->from / 2, part;

	part = span > 0 ? (value / 2 - s->from / 2) / span : 0.5;
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return s->at + part * (s->end - s->at);
}

enum fit { FIT_WIDTH, FIT_BOTH, FIT_NOTHING };

static void open_picture(struct html *h, double w, double height, const char *class, enum fit fit, const char *title,
			 const char *description)
{
	unsigned id = html_id(h);

	html_open(h, "svg");
	html_attr(h, "xmlns", "http://www.w3.org/2000/svg");
	html_attrf(h, "viewBox", "0 0 %.10g %.10g", w, height);
	if (fit == FIT_BOTH)
		html_attr(h, "preserveAspectRatio", "none");
	if (fit == FIT_NOTHING) {
		html_coordinate(h, "width", w);
		html_coordinate(h, "height", height);
	}
	if (class)
		html_attr(h, "class", class);
	html_attr(h, "role", "img");
	html_attrf(h, "aria-labelledby", "t%u", id);
	if (description)
		html_attrf(h, "aria-describedby", "d%u", id);
	html_open(h, "title");
	html_attrf(h, "id", "t%u", id);
	html_text(h, title);
	html_close(h);
	if (!description)
		return;
	html_open(h, "desc");
	html_attrf(h, "id", "d%u", id);
	html_text(h, description);
	html_close(h);
}

void svg_open(struct html *h, double w, double height, const char *class, const char *title, const char *description)
{
	open_picture(h, w, height, class, FIT_WIDTH, title, description);
}

void svg_open_sized(struct html *h, double w, double height, const char *title, const char *description)
{
	open_picture(h, w, height, NULL, FIT_NOTHING, title, description);
}

void svg_open_stretched(struct html *h, double w, double height, const char *class, const char *title,
			const char *description)
{
	open_picture(h, w, height, class, FIT_BOTH, title, description);
}

void svg_path(struct html *h, const char *class, const struct strbuf *d)
{
	if (!d->len)
		return;
	html_open_class(h, "path", class);
	html_attr(h, "d", d->buf);
	html_close(h);
}

void svg_rect(struct html *h, const char *class, const struct box *box)
{
	html_open_class(h, "rect", class);
	html_coordinate(h, "x", box->x);
	html_coordinate(h, "y", box->y);
	html_coordinate(h, "width", box->w);
	html_coordinate(h, "height", box->h);
	html_close(h);
}

void svg_text(struct html *h, const char *class, double x, double y, enum svg_anchor anchor, const char *text)
{
	static const char *const anchors[] = { [ANCHOR_MIDDLE] = "middle", [ANCHOR_END] = "end" };

	html_open_class(h, "text", class);
	html_coordinate(h, "x", x);
	html_coordinate(h, "y", y);
	if (anchor != ANCHOR_START)
		html_attr(h, "text-anchor", anchors[anchor]);
	html_text(h, text);
	html_close(h);
}

void path_add(struct strbuf *d, char command, double a, double b)
{
	if (command == 'h' || command == 'H' || command == 'v' || command == 'V')
		strbuf_printf(d, "%c%.10g", command, round(a * 10) / 10 + 0.0);
	else
		strbuf_printf(d, "%c%.10g %.10g", command, round(a * 10) / 10 + 0.0, round(b * 10) / 10 + 0.0);
}

void svg_grid(struct html *h, const struct box *box, const struct scale *y)
{
	CLEANUP_STRBUF struct strbuf lines = STRBUF_INIT;
	struct scale percent = *y;
	struct ticks ticks;
	char label[48], text[sizeof(label) + 8];

	percent.to *= 100;
	ticks_make(0, percent.to, 3, false, &ticks);
	for (size_t i = 0; i < ticks.n; i++) {
		path_add(&lines, 'M', box->x, scale_place(&percent, ticks.at[i]));
		path_add(&lines, 'h', box->w, 0);
	}
	svg_path(h, "grid", &lines);
	for (size_t i = 0; i < ticks.n; i++) {
		ticks_label(&ticks, i, label, sizeof(label));
		snprintf(text, sizeof(text), "%s %%", label);
		svg_text(h, "tick", box->x - 6, scale_place(&percent, ticks.at[i]) + 3.5, ANCHOR_END, text);
	}
}

#define CHARACTER 6.2 /* of a label, about */

void svg_axis(struct html *h, const struct box *box, const struct scale *x, bool is_time)
{
	double below = box->y + box->h, free_from = -INFINITY;
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	struct ticks ticks;
	char label[48];

	ticks_make(x->from, x->to, is_time ? 4 : 5, is_time, &ticks);
	path_add(&line, 'M', box->x, below);
	path_add(&line, 'h', box->w, 0);
	for (size_t i = 0; i < ticks.n; i++) {
		path_add(&line, 'M', scale_place(x, ticks.at[i]), below);
		path_add(&line, 'v', 4, 0);
	}
	svg_path(h, "axis", &line);
	for (size_t i = 0; i < ticks.n; i++) {
		double at = scale_place(x, ticks.at[i]), half;
		enum svg_anchor anchor = ANCHOR_MIDDLE;

		ticks_label(&ticks, i, label, sizeof(label));
		half = (double)html_characters(label, strlen(label)) * CHARACTER / 2;
		/* Labels at the ends turn inwards, and none lies upon another. */
		if (at - half < box->x - 2)
			anchor = ANCHOR_START;
		else if (at + half > box->x + box->w + 2)
			anchor = ANCHOR_END;
		if (at - (anchor == ANCHOR_START ? 0 : anchor == ANCHOR_END ? 2 * half : half) < free_from)
			continue;
		svg_text(h, "tick", at, below + 15, anchor, label);
		free_from = at + (anchor == ANCHOR_START ? 2 * half : anchor == ANCHOR_END ? 0 : half) + 8;
	}
}
