/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_profile.h"

#define MATRIX	24u  /* columns; cells of more could not be read */
#define CELL	26.0
#define NAMES	150.0
#define FIGURES 14u  /* up to so many columns cells have room for their figure */

void page_profile_figures(struct html *h, const struct js *shown)
{
	const struct js *repeated = js_get(js_get(shown, "full"), "duplicate_rows");
	char figure[FIGURE], text[FIGURE + 4];

	if (!repeated)
		return;
	snprintf(text, sizeof(text), "%s%s", js_get_bool(repeated, "exact") ? "" : "≈",
		 figure_count(js_number(js_get(repeated, "count")), figure));
	page_figure(h, "repeated rows", text);
}

/* ---- correlations ---- */

/* Pairs came, strongest first; a matrix is shown. */
struct matrix {
	const char *names[MATRIX]; /* lent; of the strongest pairs, as they came */
	double r[MATRIX][MATRIX];  /* NaN: not known */
	size_t n;
	bool more; /* columns than fit */
};

/* MATRIX: there is no more room. */
static size_t place_of(struct matrix *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (!strcmp(m->names[i], name))
			return i;
	if (m->n == MATRIX) {
		m->more = true;
		return MATRIX;
	}
	m->names[m->n] = name;
	return m->n++;
}

static void matrix_fill(struct matrix *m, const struct js *pairs)
{
	*m = (struct matrix){ .n = 0 };
	for (size_t i = 0; i < MATRIX; i++)
		for (size_t k = 0; k < MATRIX; k++)
			m->r[i][k] = i == k ? 1 : (double)NAN;
	for (size_t i = 0; i < js_len(pairs); i++) {
		const char *a = js_get_str(js_at(pairs, i), "a"), *b = js_get_str(js_at(pairs, i), "b");
		size_t one = a ? place_of(m, a) : MATRIX, two = b ? place_of(m, b) : MATRIX;

		if (one < MATRIX && two < MATRIX)
			m->r[one][two] = m->r[two][one] = js_number(js_get(js_at(pairs, i), "r"));
	}
}

/* Five steps either way; what is below a tenth has none. */
static void class_of(double r, char *buf, size_t size)
{
	unsigned step = (unsigned)ceil((fabs(r) - 0.1) / 0.9 * 5);

	if (isnan(r))
		snprintf(buf, size, "h0");
	else if (!(fabs(r) > 0.1))
		snprintf(buf, size, "r0");
	else
		snprintf(buf, size, "%c%u", r > 0 ? 'p' : 'm', step > 5 ? 5 : step);
}

static void put_cell(struct html *h, const struct matrix *m, size_t i, size_t k)
{
	double r = m->r[i][k], x = NAMES + (double)k * CELL, y = (double)i * CELL + 20;
	char class[16], text[16];

	class_of(r, class, sizeof(class));
	svg_rect(h, class, &(struct box){ x, y, CELL - 1, CELL - 1 });
	if (m->n > FIGURES || isnan(r) || i == k)
		return;
	/* In hundredths: there is no room for more. */
	snprintf(text, sizeof(text), "%s%.0f", r < 0 ? "\u2212" : "", fabs(r) * 100);
	svg_text(h, fabs(r) > 0.64 ? "cell strong" : "cell", x + CELL / 2 - 0.5, y + CELL / 2 + 3.5, ANCHOR_MIDDLE, text);
}

static void put_row(struct html *h, const struct matrix *m, size_t i)
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;
	char number[24];

	html_cut(m->names[i], 18, &cut);
	svg_text(h, "label", NAMES - 28, (double)i * CELL + 37, ANCHOR_END, cut.buf);
	snprintf(number, sizeof(number), "%zu", i + 1);
	svg_text(h, "tick", NAMES - 8, (double)i * CELL + 37, ANCHOR_END, number);
	svg_text(h, "tick", NAMES + (double)i * CELL + CELL / 2, 13, ANCHOR_MIDDLE, number);
	for (size_t k = 0; k < m->n; k++)
		put_cell(h, m, i, k);
}

static void put_matrix(struct html *h, const struct js *pairs)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char figure[FIGURE];
	struct matrix m;

	matrix_fill(&m, pairs);
	if (m.n < 2)
		return;
	strbuf_puts(&text, "The strongest is of ");
	html_cut(m.names[0], HTML_NAME, &text);
	strbuf_puts(&text, " with ");
	html_cut(m.names[1], HTML_NAME, &text);
	strbuf_printf(&text, ": %s.", figure_number(round(m.r[0][1] * 1000) / 1000, figure));
	html_element(h, "h2", NULL, "Correlations");
	html_open_class(h, "p", "explain");
	html_text(h,
		  "Pearson's r in hundredths: blue columns rise together, of brown ones one falls as the other rises. ");
	html_text(h, text.buf);
	if (m.more)
		html_text(h, " Columns of the strongest pairs are shown.");
	html_close(h);
	html_open_class(h, "div", "matrix");
	html_attrf(h, "style", "max-width:%.0fpx", (NAMES + (double)m.n * CELL) * 1.2);
	svg_open(h, NAMES + (double)m.n * CELL, (double)m.n * CELL + 22, "picture", "Correlations of columns", text.buf);
	for (size_t i = 0; i < m.n; i++)
		put_row(h, &m, i);
	html_close_n(h, 2);
}

/* ---- outliers ---- */

static void put_outlier_head(struct html *h, const void *outliers)
{
	(void)outliers;
	page_th(h, NULL, "Column");
	page_th(h, "n", "By quartiles");
	page_th(h, "n wide", "outside");
	page_th(h, "n", "By median deviation");
	page_th(h, "n wide", "outside");
}

static void put_rule(struct html *h, const struct js *column, const char *count, const char *low, const char *high)
{
	char from[FIGURE], to[FIGURE];

	page_td(h, "n", figure_count(js_number(js_get(column, count)), from));
	html_open_class(h, "td", "n wide q");
	html_textf(h, "%s to %s", figure_number(js_number(js_get(column, low)), from),
		   figure_number(js_number(js_get(column, high)), to));
	html_close(h);
}

static void put_outlier(struct html *h, const void *outliers, size_t i)
{
	const struct js *column = js_at(outliers, i);
	const char *name = js_get_str(column, "name");

	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_data(h, name ? name : "", HTML_NAME);
	html_close(h);
	put_rule(h, column, "iqr", "iqr_low", "iqr_high");
	put_rule(h, column, "mad", "mad_low", "mad_high");
}

void page_profile_full(struct html *h, const struct js *shown)
{
	const struct js *full = js_get(shown, "full"), *outliers = js_get(full, "outliers");
	const struct page_rows rows = { put_outlier_head, put_outlier, "Outliers", "columns", js_len(outliers), 50 };

	put_matrix(h, js_get(full, "correlations"));
	if (!rows.n)
		return;
	html_element(h, "h2", NULL, "Outliers");
	html_element(h, "p", "explain",
		     "Rows that lie far from the middle of their column: beyond the quartiles by 1.5 times their "
		     "distance, or by a robust z-score, which is made of the median deviation, above 3.5.");
	page_rows(h, &rows, outliers);
}
