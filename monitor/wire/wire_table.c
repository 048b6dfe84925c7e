/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in a request: looked at by the reader that will read them again, so nothing comes in that it would not take. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "monitor/table/json_text.h"
#include "monitor/table/number.h"
#include "monitor/table/table.h"
#include "monitor/wire/wire_internal.h"

static const char name[] = "the body";

static int open_table(const char *text, size_t len, enum table_format format, int *ret_fd, struct table **ret,
		      struct error *err)
{
	const struct table_options options = { .format = format };
	CLEANUP(cleanup_fd) int fd = memfd_create("rows", MFD_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "cannot keep a request");
	if (len > 1 && (!memcmp(text, "\x1f\x8b", 2) || !memcmp(text, "\x28\xb5", 2)))
		return error_set(err, ERR_USAGE, "the body is compressed");
	if (io_write_all(fd, text, len, name, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "cannot read a request");
	if (table_open(fd, name, &options, ret, err) < 0)
		return -1;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int check_columns(const struct wiring *w, const struct table *table, struct error *err)
{
	const struct wire_columns *columns = w->columns;
	size_t at;

	if (!columns->label || (table_find(table, columns->id, &at) && table_find(table, columns->label, &at)))
		return 0;
	return error_set(err, ERR_USAGE, "the rows have no columns '%s' and '%s'", columns->id, columns->label);
}

/* ---- JSON lines ---- */

int wire_lines(struct wiring *w, const char *text, size_t len, struct error *err)
{
	static const char mark[] = "\xef\xbb\xbf";
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct strbuf *lines = &w->out->lines;
	struct rows rows;
	int r;

	if (!len)
		return 0;
	if (open_table(text, len, TABLE_JSONL, &fd, &table, err) < 0)
		return -1;
	while ((r = table_next(table, &rows, err)) > 0)
		w->out->rows += rows.nrows;
	if (r < 0 || check_columns(w, table, err) < 0)
		return -1;
	if (len >= 3 && !memcmp(text, mark, 3)) {
		text += 3;
		len -= 3;
	}
	strbuf_add(lines, text, len);
	if (lines->len && lines->buf[lines->len - 1] != '\n')
		strbuf_putc(lines, '\n');
	return 0;
}

/* ---- CSV ---- */

static void put_text(struct strbuf *to, const char *text, size_t len)
{
	CLEANUP_JS struct js *value = NULL;
	size_t plain = 0;

	while (plain < len && text[plain] >= ' ' && text[plain] < 0x7f && text[plain] != '"' && text[plain] != '\\')
		plain++;
	if (plain < len) {
		value = js_strn(text, len);
		js_dump(value, JS_COMPACT, to);
		return;
	}
	strbuf_putc(to, '"');
	strbuf_add(to, text, len);
	strbuf_putc(to, '"');
}

static bool is_json_number(const char *text, size_t len)
{
	struct json_text json = { .p = text, .end = text + len };

	return (*text == '-' || (*text >= '0' && *text <= '9')) && json_number(&json) && json.p == json.end;
}

/* A number that JSON cannot write is the nearest that it can: too large to be one is infinite, and NaN is nothing. */
static void put_field(struct strbuf *to, const struct field *f)
{
	double x;
	bool whole;

	if (f->kind == FIELD_NULL)
		strbuf_puts(to, "null");
	else if (is_json_number(f->text, f->len))
		strbuf_add(to, f->text, f->len);
	else if (!number_parse(f->text, f->len, &x, &whole))
		put_text(to, f->text, f->len);
	else if (isfinite(x))
		js_put_real(to, x);
	else
		strbuf_puts(to, isnan(x) ? "null" : x > 0 ? "1e999" : "-1e999");
}

/* What stands before each field: {"a": and ,"b": */
static void put_keys(const struct table *table, struct strlist *keys)
{
	for (size_t i = 0; i < table_ncolumns(table); i++) {
		struct strbuf key = STRBUF_INIT;
		strbuf_putc(&key, i ? ',' : '{');
		put_text(&key, table_column(table, i), strlen(table_column(table, i)));
		strbuf_putc(&key, ':');
		strlist_push_owned(keys, strbuf_detach(&key));
	}
}

int wire_csv(struct wiring *w, const char *text, size_t len, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_table) struct table *table = NULL;
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	struct strbuf *lines = &w->out->lines;
	struct rows rows;
	int r;

	if (open_table(text, len, TABLE_CSV, &fd, &table, err) < 0 || check_columns(w, table, err) < 0)
		return -1;
	put_keys(table, &keys);
	while ((r = table_next(table, &rows, err)) > 0) {
		for (size_t i = 0; i < rows.nrows; i++) {
			for (size_t c = 0; c < rows.ncols; c++) {
				strbuf_puts(lines, keys.items[c]);
				put_field(lines, &rows.fields[i * rows.ncols + c]);
			}
			strbuf_puts(lines, "}\n");
			if (wire_room(1, lines->len, err) < 0)
				return -1;
		}
		w->out->rows += rows.nrows;
	}
	return r;
}
