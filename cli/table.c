/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define GAP       2 /* blanks between columns */
#define NARROWEST 4 /* a shrunk column stays at least this wide */
#define ENOUGH    12 /* no column is left out so that another may be wider than this */
#define DROPPED   (-1) /* as a width */

void table_init(struct table *table, const struct table_column *columns, size_t ncolumns)
{
	*table = (struct table){ .columns = columns, .ncolumns = ncolumns };
}

void table_cell(struct table *table, enum style style, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf raw = STRBUF_INIT, safe = STRBUF_INIT;
	struct table_cell *cell;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&raw, fmt, args);
	va_end(args);
	text_escape(raw.buf, raw.len, TEXT_ONE_LINE, &safe);
	GROW(table->cells, table->len, table->cap);
	cell = &table->cells[table->len++];
	cell->width = text_width(safe.buf);
	cell->style = style;
	cell->text = strbuf_detach(&safe);
}

static bool has_titles(const struct table *table)
{
	for (size_t c = 0; c < table->ncolumns; c++)
		if (table->columns[c].title)
			return true;
	return false;
}

static void measure(const struct table *table, int *widths)
{
	for (size_t c = 0; c < table->ncolumns; c++) {
		const char *title = table->columns[c].title;

		widths[c] = title ? text_width(title) : 0;
	}
	for (size_t i = 0; i < table->len; i++) {
		int *width = &widths[i % table->ncolumns];

		if (table->cells[i].width > *width)
			*width = table->cells[i].width;
	}
}

static int drop_width(const struct table *table, const int *widths, size_t c)
{
	const char *title = table->columns[c].title;
	int least = title && text_width(title) > ENOUGH ? text_width(title) : ENOUGH;

	return table->columns[c].shrink && widths[c] > least ? least : widths[c];
}

/* The column that is to be kept next: the lowest `drop` above `least`; ncolumns when none is left. */
static size_t next_to_keep(const struct table *table, int least)
{
	size_t next = table->ncolumns;

	for (size_t c = 0; c < table->ncolumns; c++)
		if (table->columns[c].drop > least &&
		    (next == table->ncolumns || table->columns[c].drop < table->columns[next].drop))
			next = c;
	return next;
}

/* Leaves out whole columns for which there is no room, even if others shrink. */
static size_t drop(const struct table *table, int *widths, int limit)
{
	int total = table->indent - GAP, least = 0;
	size_t n = 0, c;

	for (c = 0; c < table->ncolumns; c++)
		if (!table->columns[c].drop)
			total += drop_width(table, widths, c) + GAP;
	while ((c = next_to_keep(table, least)) < table->ncolumns) {
		int width = drop_width(table, widths, c) + GAP;

		least = table->columns[c].drop;
		if (total + width <= limit) {
			total += width;
			continue;
		}
		widths[c] = DROPPED;
		n++;
	}
	return n;
}

/* Takes columns from the widest that may shrink, one at a time, until the line fits. */
static void shrink(const struct table *table, int *widths, int limit)
{
	int total = table->indent - GAP;

	for (size_t c = 0; c < table->ncolumns; c++)
		total += widths[c] == DROPPED ? 0 : widths[c] + GAP;
	while (total > limit) {
		size_t widest = table->ncolumns;

		for (size_t c = 0; c < table->ncolumns; c++)
			if (table->columns[c].shrink && widths[c] > NARROWEST &&
			    (widest == table->ncolumns || widths[c] > widths[widest]))
				widest = c;
		if (widest == table->ncolumns)
			return;
		widths[widest]--;
		total--;
	}
}

/* Blanks are owed until text follows, so that no line ends in them. */
static void put_text(struct print *p, int *owed, enum style style, const char *text)
{
	if (!*text)
		return;
	if (*owed > 0)
		fprintf(p->out, "%*s", *owed, "");
	*owed = 0;
	print_put(p, style, "%s", text);
}

static void put_cell(struct print *p, int *owed, const struct table_column *column,
		     const char *text, enum style style, int width)
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;
	int blanks;

	if (width == DROPPED)
		return;
	text_cut(text, width, p->utf8, &cut);
	blanks = width - text_width(cut.buf);
	if (column->right)
		*owed += blanks;
	put_text(p, owed, style, cut.buf);
	*owed += GAP + (column->right ? 0 : blanks);
}

static void put_titles(struct print *p, const struct table *table, const int *widths)
{
	int owed = table->indent;

	for (size_t c = 0; c < table->ncolumns; c++) {
		const char *title = table->columns[c].title;

		put_cell(p, &owed, &table->columns[c], title ? title : "", STYLE_BOLD, widths[c]);
	}
	putc('\n', p->out);
}

static void put_rows(struct print *p, const struct table *table, const int *widths)
{
	int owed = 0;

	for (size_t i = 0; i < table->len; i++) {
		const struct table_cell *cell = &table->cells[i];
		size_t c = i % table->ncolumns;

		if (c == 0)
			owed = table->indent;
		put_cell(p, &owed, &table->columns[c], cell->text, cell->style, widths[c]);
		if (c + 1 == table->ncolumns)
			putc('\n', p->out);
	}
}

size_t table_print(struct table *table, struct print *p)
{
	CLEANUP(cleanup_free) int *widths = xcalloc(table->ncolumns, sizeof(*widths));
	size_t dropped = 0;

	measure(table, widths);
	if (p->width) {
		dropped = drop(table, widths, p->width);
		shrink(table, widths, p->width);
	}
	if (has_titles(table) && table->len)
		put_titles(p, table, widths);
	put_rows(p, table, widths);
	for (size_t i = 0; i < table->len; i++)
		free(table->cells[i].text);
	free(table->cells);
	table->cells = NULL;
	table->len = table->cap = 0;
	return dropped;
}
