/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page_profile.h"

#define MATRIX	24u  /* columns; cells of more could not be read */
#define CELL	26.0
#define NAMES	150.0
#define FIGURES 14u  /* up to so many columns cells have room for their figure */

void page_profile_figures(struct html *h, const struct js *shown)
{
	const struct js *repeated = js_get(js_get(shown, "full"), "duplicate_rows");
	char figure[FIGURE];

	if (repeated)
		page_figure(h, "repeated rows", figure_count(js_number(repeated), figure));
}

/* ---- correlations ---- */

struct matrix {
	const struct js *columns, *values;
	size_t shown[MATRIX], n; /* those that correlate most, in file order */
};
struct strength {
	size_t column;
	double r;
};

static double r_of(const struct matrix *m, size_t i, size_t k)
{
	return js_number(js_at(js_at(m->values, i), k));
}

static int stronger(const void *a, const void *b)
{
	const struct strength *one = a, *two = b;

	if (one->r != two->r)
		return one->r < two->r ? 1 : -1;
	return one->column < two->column ? -1 : 1;
}

static int earlier(const void *a, const void *b)
{
	size_t one = *(const size_t *)a, two = *(const size_t *)b;

	return one < two ? -1 : one > two;
}

static void choose(struct matrix *m)
{
	size_t all = js_len(m->columns);
	CLEANUP(cleanup_free) struct strength *strengths = xcalloc(all ? all : 1, sizeof(*strengths));

	for (size_t i = 0; i < all; i++) {
		strengths[i].column = i;
		for (size_t k = 0; k < all; k++)
			if (k != i)
				strengths[i].r = fmax(strengths[i].r, fabs(r_of(m, i, k)));
	}
	qsort(strengths, all, sizeof(*strengths), stronger);
	m->n = all < MATRIX ? all : MATRIX;
	for (size_t i = 0; i < m->n; i++)
		m->shown[i] = strengths[i].column;
	qsort(m->shown, m->n, sizeof(*m->shown), earlier);
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
	double r = r_of(m, m->shown[i], m->shown[k]), x = NAMES + (double)k * CELL, y = (double)i * CELL + 20;
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
	const char *name = js_text(js_at(m->columns, m->shown[i]));
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;
	char number[16];

	html_cut(name ? name : "", 18, &cut);
	svg_text(h, "label", NAMES - 28, (double)i * CELL + 37, ANCHOR_END, cut.buf);
	snprintf(number, sizeof(number), "%zu", i + 1);
	svg_text(h, "tick", NAMES - 8, (double)i * CELL + 37, ANCHOR_END, number);
	svg_text(h, "tick", NAMES + (double)i * CELL + CELL / 2, 13, ANCHOR_MIDDLE, number);
	for (size_t k = 0; k < m->n; k++)
		put_cell(h, m, i, k);
}

static void describe(const struct matrix *m, struct strbuf *ret)
{
	size_t one = 0, two = 0;
	double most = 0;
	char figure[FIGURE];

	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < i; k++)
			if (fabs(r_of(m, m->shown[i], m->shown[k])) > fabs(most)) {
				most = r_of(m, m->shown[i], m->shown[k]);
				one = k;
				two = i;
			}
	if (most == 0)
		return;
	strbuf_puts(ret, "The strongest is of ");
	html_cut(js_text(js_at(m->columns, m->shown[one])), HTML_NAME, ret);
	strbuf_puts(ret, " with ");
	html_cut(js_text(js_at(m->columns, m->shown[two])), HTML_NAME, ret);
	strbuf_printf(ret, ": %s.", figure_number(round(most * 1000) / 1000, figure));
}

static void put_matrix(struct html *h, const struct js *correlations)
{
	struct matrix m = { .columns = js_get(correlations, "columns"), .values = js_get(correlations, "values") };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (js_len(m.columns) < 2 || js_len(m.values) != js_len(m.columns))
		return;
	choose(&m);
	describe(&m, &text);
	html_element(h, "h2", NULL, "Correlations");
	html_elementf(h, "p", "explain", "Pearson's r in hundredths: blue columns rise together, of brown ones one falls as the other rises. %s%s", text.buf,
		      m.n < js_len(m.columns) ? " Columns that correlate most are shown." : "");
	html_open_class(h, "div", "matrix");
	html_attrf(h, "style", "max-width:%.0fpx", (NAMES + (double)m.n * CELL) * 1.2);
	svg_open(h, NAMES + (double)m.n * CELL, (double)m.n * CELL + 22, "picture", "Correlations of columns",
		 text.len ? text.buf : NULL);
	for (size_t i = 0; i < m.n; i++)
		put_row(h, &m, i);
	html_close_n(h, 2);
}

/* ---- outliers ---- */

static void put_outlier_head(struct html *h, const void *outliers)
{
	(void)outliers;
	page_th(h, NULL, "Column");
	page_th(h, "n", "Beyond 1.5 quartile ranges");
	page_th(h, "n", "Beyond 3.5 median deviations");
	page_th(h, "n wide", "Usual from");
	page_th(h, "n wide", "to");
}

static void put_outlier(struct html *h, const void *outliers, size_t i)
{
	static const char *const keys[] = { "iqr", "mad", "low", "high" };
	const struct js *column = js_at(outliers, i);
	const char *name = js_get_str(column, "name");
	char figure[FIGURE];

	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_data(h, name ? name : "", HTML_NAME);
	html_close(h);
	for (size_t k = 0; k < ARRAY_LEN(keys); k++)
		page_td(h, k < 2 ? "n" : "n wide", figure_number(js_number(js_get(column, keys[k])), figure));
}

void page_profile_full(struct html *h, const struct js *shown)
{
	const struct js *full = js_get(shown, "full"), *outliers = js_get(full, "outliers");
	const struct page_rows rows = { put_outlier_head, put_outlier, "Outliers", "columns", js_len(outliers), 50 };

	put_matrix(h, js_get(full, "correlations"));
	if (!rows.n)
		return;
	html_element(h, "h2", NULL, "Outliers");
	html_element(h, "p", "explain", "Rows that lie far from the middle of their column, by two rules that do not ask for a normal shape.");
	page_rows(h, &rows, outliers);
}
