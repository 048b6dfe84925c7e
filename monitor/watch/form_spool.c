/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a window as a table of its own, for what reads tables: JSON lines, or CSV where they came as CSV. */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/watch/form_internal.h"

static void put_quoted(struct strbuf *out, const char *text, size_t len)
{
	strbuf_putc(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			strbuf_putc(out, '"');
		strbuf_putc(out, text[i]);
	}
	strbuf_putc(out, '"');
}

static void put_csv(struct strbuf *out, const struct field *row, size_t ncols)
{
	for (size_t i = 0; i < ncols; i++) {
		if (i)
			strbuf_putc(out, ',');
		if (row[i].kind != FIELD_NULL)
			put_quoted(out, row[i].text, row[i].len);
	}
	strbuf_putc(out, '\n');
}

static void put_line(struct strbuf *out, const struct table *names, const struct field *row, size_t ncols)
{
	bool begun = false;

	strbuf_putc(out, '{');
	for (size_t i = 0; i < ncols; i++) {
		if (row[i].kind == FIELD_NULL)
			continue;
		if (begun)
			strbuf_putc(out, ',');
		begun = true;
		js_put_str(out, table_column(names, i));
		strbuf_putc(out, ':');
		if (row[i].kind == FIELD_NUMBER || row[i].kind == FIELD_BOOL) {
			strbuf_add(out, row[i].text, row[i].len);
		} else {
			CLEANUP_JS struct js *text = js_strn(row[i].text, row[i].len);
			js_dump(text, JS_COMPACT, out);
		}
	}
	strbuf_puts(out, "}\n");
}

static void put_header(struct strbuf *out, const struct table *names)
{
	for (size_t i = 0; i < table_ncolumns(names); i++) {
		if (i)
			strbuf_putc(out, ',');
		put_quoted(out, table_column(names, i), strlen(table_column(names, i)));
	}
	strbuf_putc(out, '\n');
}

int form_spool(struct form *form, const struct rows *rows, struct error *err)
{
	struct form_private *p = form->private;
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	if (!form->spool) {
		form->spool = tmpfile();
		p->spooled_lines = p->lines;
		p->spooled_columns = table_ncolumns(p->names);
		if (!p->lines)
			put_header(&out, p->names);
	}
	for (size_t i = 0; i < rows->nrows; i++) {
		const struct field *row = rows->fields + i * rows->ncols;
		if (p->spooled_lines)
			put_line(&out, p->names, row, rows->ncols);
		else
			put_csv(&out, row, p->spooled_columns);
	}
	if (!form->spool || fwrite(out.buf, 1, out.len, form->spool) != out.len || fflush(form->spool))
		return error_set(err, ERR_ENV, "cannot write a temporary file in /tmp");
	return 0;
}

enum table_format form_spooled(const struct form *form)
{
	return form->private->spooled_lines ? TABLE_JSONL : TABLE_CSV;
}
