/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include "base/mem.h"
#include "monitor/page/svg.h"

#define HEIGHT 100

/* Strokes at the ends stay inside. */
static double place(const struct steps *s, double value)
{
	struct scale y = { s->bottom, s->top, HEIGHT - 2, 2 };

	return scale_place(&y, value);
}

double steps_height(const struct steps *s, double value)
{
	return 1 - place(s, value) / HEIGHT;
}

/* A level for each window; a gap is not bridged. */
static void stepped(const struct steps *s, const double *values, struct strbuf *ret)
{
	bool drawing = false;

	for (size_t i = 0; i < s->n; i++) {
		if (isnan(values[i])) {
			drawing = false;
			continue;
		}
		if (drawing)
			path_add(ret, 'V', place(s, values[i]), 0);
		else
			path_add(ret, 'M', (double)i, place(s, values[i]));
		/* Windows of one level are one stroke. */
		while (i + 1 < s->n && values[i + 1] == values[i])
			i++;
		path_add(ret, 'H', (double)i + 1, 0);
		drawing = true;
	}
}

/* Down to the ground, of each stretch without a gap. */
static void filled(const struct steps *s, struct strbuf *ret)
{
	bool drawing = false;

	for (size_t i = 0; i < s->n; i++) {
		bool here = !isnan(s->values[i]);

		if (here && !drawing)
			path_add(ret, 'M', (double)i, HEIGHT);
		if (here) {
			path_add(ret, 'V', place(s, s->values[i]), 0);
			path_add(ret, 'H', (double)i + 1, 0);
		}
		if (drawing && !here)
			path_add(ret, 'V', HEIGHT, 0);
		drawing = here;
	}
	if (drawing)
		path_add(ret, 'V', HEIGHT, 0);
}

static void band(const struct steps *s, struct strbuf *ret)
{
	for (size_t i = 0; i < s->n; i++) {
		double low = place(s, s->low[i]), high = place(s, s->high[i]);

		if (isnan(s->low[i]) || isnan(s->high[i]))
			continue;
		path_add(ret, 'M', (double)i, high);
		path_add(ret, 'h', 1, 0);
		path_add(ret, 'V', low, 0);
		path_add(ret, 'h', -1, 0);
		strbuf_putc(ret, 'z');
	}
}

/* A stroke without length has round ends that no stretching makes oval. */
static void dots(const struct steps *s, struct strbuf *ret)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!s->alerts[i] || isnan(s->values[i]))
			continue;
		path_add(ret, 'M', (double)i + 0.5, place(s, s->values[i]));
		path_add(ret, 'h', 0, 0);
	}
}

void svg_steps(struct html *h, const struct steps *s, const char *class, const char *title, const char *description)
{
	CLEANUP_STRBUF struct strbuf area = STRBUF_INIT, line = STRBUF_INIT, threshold = STRBUF_INIT, marks = STRBUF_INIT;

	svg_open_stretched(h, s->n ? (double)s->n : 1, HEIGHT, class, title, description);
	if (s->low && s->high)
		band(s, &area);
	else
		filled(s, &area);
	stepped(s, s->values, &line);
	if (s->thresholds)
		stepped(s, s->thresholds, &threshold);
	if (s->alerts)
		dots(s, &marks);
	svg_path(h, "area", &area);
	svg_path(h, "threshold", &threshold);
	svg_path(h, "steps", &line);
	svg_path(h, "alert", &marks);
	html_close(h);
}

void svg_strip(struct html *h, const unsigned char *levels, size_t n, const char *title, const char *description)
{
	svg_open_stretched(h, n ? (double)n : 1, 1, "strip", title, description);
	for (size_t i = 0, from = 0; i < n; i++) {
		char class[8];

		if (i + 1 < n && levels[i + 1] == levels[i])
			continue;
		snprintf(class, sizeof(class), "h%u", levels[i]);
		svg_rect(h, class, &(struct box){ (double)from, 0, (double)(i + 1 - from), 1 });
		from = i + 1;
	}
	html_close(h);
}
