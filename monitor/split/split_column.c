/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "monitor/table/number.h"
#include "monitor/split/split_internal.h"

static int no_column(const struct split_column *c, const struct table *table, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	for (size_t i = 0; i < table_ncolumns(table); i++)
		strlist_push(&names, table_column(table, i));
	near = strlist_nearest(&names, c->options->column);
	error_set(err, ERR_USAGE, "%s has no column '%s'", table_name(table), c->options->column);
	return near ? error_help(err, "did you mean '%s'?", near) : -1;
}

int split_column_find(struct split_column *c, const struct table *table, const struct rows *rows, struct error *err)
{
	c->at = SIZE_MAX;
	if (!c->options->column)
		return 0;
	if (!table_find(table, c->options->column, &c->at))
		return no_column(c, table, err);
	if (c->at >= rows->ncols)
		c->at = SIZE_MAX;
	return 0;
}

const struct field *split_column_field(const struct split_column *c, const struct rows *rows, size_t row)
{
	const struct field *f = c->at == SIZE_MAX ? NULL : &rows->fields[row * rows->ncols + c->at];

	return !f || f->kind == FIELD_NULL ? NULL : f;
}

/* The order of unsigned numbers is that of the doubles. */
static uint64_t key_of_number(double x)
{
	uint64_t bits;

	x += 0.0; /* there is but one zero */
	memcpy(&bits, &x, sizeof(bits));
	return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double number_of_key(uint64_t key)
{
	uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

int split_time_key(struct split_column *c, const struct table *table, const struct rows *rows, size_t row, uint64_t *ret,
		   struct error *err)
{
	const struct field *f = split_column_field(c, rows, row);
	uint64_t number = table_row_number(table, rows->first + row);
	double x = NAN;
	int64_t ms;
	bool whole;

	if (!f) {
		error_set(err, ERR_USAGE, "%s: row %" PRIu64 ", column \"%s\": no time", table_name(table), number,
			  c->options->column);
		return error_help(err, "a row without a time is on neither side; leave such rows out");
	}
	if (!c->known)
		c->times = f->kind != FIELD_NUMBER && time_parse(f->text, f->len, &ms);
	c->known = true;
	if (c->times && time_parse(f->text, f->len, &ms)) {
		*ret = (uint64_t)ms ^ (uint64_t)1 << 63;
		return 0;
	}
	if (!c->times && f->kind != FIELD_STRING && f->kind != FIELD_BOOL && number_parse(f->text, f->len, &x, &whole) &&
	    isfinite(x)) {
		*ret = key_of_number(x);
		return 0;
	}
	error_set(err, ERR_USAGE, "%s: row %" PRIu64 ", column \"%s\": '%.*s' is no %s", table_name(table), number,
		  c->options->column, f->len > 60 ? 60 : (int)f->len, f->text, c->times ? "time" : "number");
	return error_help(err, "times are ISO 8601, such as 2026-01-31 or 2026-01-31T10:00:05Z, or all are numbers");
}

void split_time_show(const struct split_column *c, uint64_t key, struct strbuf *ret)
{
	char text[32];

	if (!c->times) {
		strbuf_printf(ret, "%.15g", number_of_key(key));
		return;
	}
	clock_format_utc((int64_t)(key ^ (uint64_t)1 << 63), text);
	strbuf_puts(ret, text);
}
