/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "monitor/page/html.h"
/*
 * Drawings. Each svg_* of a whole picture writes one <svg role="img"> with a title and a description. Colours and fonts are
 * classes of style/picture.css; what they tell is told by shape, too: the reference is an area, the current table a line.
 *
 * Pictures that keep their shape have their labels inside; strips along time are stretched to any width and get
 * theirs from the page.
 */
struct js;

struct box {
	double x, y, w, h;
};
/* From values to places; `from` may equal `to`, then all is in the middle. */
struct scale {
	double from, to, at, end;
};
double scale_place(const struct scale *, double value);

#define TICKS_MAX 12
struct ticks {
	double at[TICKS_MAX];
	size_t n;
	double step;
	bool is_time;
};
/* Round values within [from, to], about `wanted` of them: 1, 2 and 5 times powers of ten; of times what a calendar has. */
void ticks_make(double from, double to, size_t wanted, bool is_time, struct ticks *ret);
void ticks_label(const struct ticks *, size_t i, char *buf, size_t size);

/* A picture of w x h; `class` may be NULL. Close it with html_close. */
void svg_open(struct html *, double w, double h, const char *class, const char *title, const char *description);
/* The same with a size of its own, for a file that holds nothing else. */
void svg_open_sized(struct html *, double w, double h, const char *title, const char *description);
/* The same without proportions: both directions are stretched to the place it gets. */
void svg_open_stretched(struct html *, double w, double h, const char *class, const char *title, const char *description);
void svg_path(struct html *, const char *class, const struct strbuf *d);
void svg_rect(struct html *, const char *class, const struct box *);
enum svg_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };
void svg_text(struct html *, const char *class, double x, double y, enum svg_anchor, const char *text);
/* Appends "M1.5 2"; the command is not repeated where the one before was the same. */
void path_add(struct strbuf *d, char command, double a, double b);
/* Lines at the ticks of y, which are shares, with labels before them; and an axis below with ticks of x. */
void svg_grid(struct html *, const struct box *, const struct scale *y);
void svg_axis(struct html *, const struct box *, const struct scale *x, bool is_time);

/* Rows of two tables, or one, in the same bins. */
struct bins {
	double *edges;	/* n + 1, ascending and finite */
	double *reference, *current; /* shares; reference NULL: there is one table only */
	size_t n;
	bool is_time;
};
/* Of "edges" with "reference" and "current", or with "counts". False: it is none of numbers, or nothing to draw. */
bool bins_from_json(const struct js *picture, bool is_time, struct bins *ret);
void bins_release(struct bins *);
#define BINS_INIT { NULL, NULL, NULL, 0, false }
/* `quantiles`: 5, 25, 50, 75 and 95 % of the current table, as a box with whiskers above; NULL: none. */
void svg_histogram(struct html *, const struct bins *, const char *name, const double quantiles[5]);
/* Cumulated shares; between edges they are drawn straight. The largest distance is marked. */
void svg_ecdf(struct html *, const struct bins *, const char *name);
/* Into a box of another drawing, without axes. */
void svg_bins_small(struct html *, const struct bins *, const struct box *);

/* Shares of values, those that differ most first. */
struct bars {
	const char **values;
	double *reference, *current; /* reference NULL: one table only */
	size_t n, all;	/* drawn; how many there are */
};
#define BARS_MAX 10
bool bars_from_json(const struct js *picture, struct bars *ret); /* lends texts of it */
void bars_release(struct bars *);
#define BARS_INIT { NULL, NULL, NULL, 0, 0 }
void svg_bars(struct html *, const struct bars *, const char *name);
void svg_bars_small(struct html *, const struct bars *, const struct box *);

/* The small picture of whatever kind `picture` is, into a box; nothing when it is none. */
void svg_picture_small(struct html *, const struct js *picture, const struct box *);

/* Along windows, one unit wide each. NaN is a gap. */
struct steps {
	const double *values;
	const double *thresholds; /* NULL: none */
	const bool *alerts;	  /* NULL: none; marked at the value */
	const double *low, *high; /* NULL: no band */
	size_t n;
	double bottom, top; /* of the picture; values beyond are drawn at them */
};
double steps_height(const struct steps *, double value); /* 0 to 1, as it is drawn */
void svg_steps(struct html *, const struct steps *, const char *class, const char *title, const char *description);
/* Windows as cells, of classes h0, h1 ... */
void svg_strip(struct html *, const unsigned char *levels, size_t n, const char *title, const char *description);
