/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/watch/form.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/watch/form_internal.h"
#include "monitor/table/number.h"
#include "monitor/profile/profile.h"

#define ABSENT SIZE_MAX
#define SLICE  256u /* rows at a time */

bool same_value(const char *a, size_t alen, const char *b, size_t blen)
{
	double x, y;
	bool whole;

	if (alen == blen && !memcmp(a, b, alen))
		return true;
	return number_parse(a, alen, &x, &whole) && number_parse(b, blen, &y, &whole) && x == y;
}

struct form *form_new(const struct form_options *columns, const struct profile *reference, bool keep_rows)
{
	struct profile_options options = { .reference = reference, .exact = columns->exact, .threads = 1 };
	struct form *form = xcalloc(1, sizeof(*form));

	form->private = xcalloc(1, sizeof(*form->private));
	form->private->columns = *columns;
	form->private->names = table_of_names();
	form->private->keep_rows = keep_rows;
	form->profile = profile_new(&options);
	form->errors = (struct strbuf)STRBUF_INIT;
	hasher_init(&form->private->hasher);
	return form;
}

void form_free(struct form *form)
{
	if (!form)
		return;
	profile_free(form->profile);
	strbuf_release(&form->errors);
	free(form->probability);
	free(form->predicted);
	free(form->label);
	if (form->waiting)
		fclose(form->waiting);
	if (form->answers)
		fclose(form->answers);
	if (form->spool)
		fclose(form->spool);
	strmap_release(&form->private->models);
	hasher_release(&form->private->hasher);
	table_close(form->private->names);
	free(form->private->map);
	free(form->private->fields);
	free(form->private);
	free(form);
}

static size_t find(const struct table *table, const char *column)
{
	size_t i;

	return column && table_find(table, column, &i) ? i : ABSENT;
}

void form_table(struct form *form, const struct table *table, bool lines)
{
	struct form_private *p = form->private;

	p->table = table;
	p->lines = lines;
	p->nmap = 0;
}

/* Where each column of the table stands among those of the window, as far as that is known. */
static void map_columns(struct form_private *p, size_t ncols)
{
	p->map = xreallocarray(p->map, ncols + 1, sizeof(*p->map));
	for (; p->nmap < ncols; p->nmap++) {
		p->map[p->nmap] = find(p->names, table_column(p->table, p->nmap));
		if (p->map[p->nmap] != ABSENT || p->lines)
			continue;
		p->map[p->nmap] = table_ncolumns(p->names);
		table_add_name(p->names, table_column(p->table, p->nmap));
	}
	p->id = find(p->table, p->columns.id);
	p->prediction = find(p->table, p->columns.prediction);
	p->probability = find(p->table, p->columns.probability);
	p->label = find(p->table, p->columns.label);
}

/* A column of JSON lines is there when a row has a value in it; those of one row come by name. */
static void add_lines_columns(struct form_private *p, const struct field *row)
{
	for (;;) {
		size_t next = ABSENT;
		for (size_t i = 0; i < p->nmap; i++)
			if (p->map[i] == ABSENT && row[i].kind != FIELD_NULL &&
			    (next == ABSENT || strcmp(table_column(p->table, i), table_column(p->table, next)) < 0))
				next = i;
		if (next == ABSENT)
			return;
		p->map[next] = table_ncolumns(p->names);
		table_add_name(p->names, table_column(p->table, next));
	}
}

static void hash_row(struct hasher *h, const struct field *row, size_t ncols)
{
	for (size_t i = 0; i < ncols; i++) {
		uint32_t head[3] = { (uint32_t)i, row[i].kind, row[i].len };
		if (row[i].kind == FIELD_NULL)
			continue;
		hasher_update(h, head, sizeof(head));
		hasher_update(h, row[i].text, row[i].len);
	}
	hasher_update(h, "\n", 1);
}

static bool has(const struct field *row, size_t column)
{
	return column != ABSENT && row[column].kind != FIELD_NULL;
}

/* 0, 1, or 2 for what is neither: also false, true, no, yes. */
static uint8_t class_of(const struct field *f)
{
	static const char *const words[][2] = { { "false", "true" }, { "False", "True" }, { "no", "yes" } };
	double x;
	bool whole;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		for (uint8_t k = 0; k < 2; k++)
			if (f->len == strlen(words[i][k]) && !memcmp(f->text, words[i][k], f->len))
				return k;
	if (!number_parse(f->text, f->len, &x, &whole) || (x != 0 && x != 1))
		return 2;
	return (uint8_t)x;
}

static void note_score(struct form *form, const struct field *row)
{
	const struct form_private *p = form->private;
	const struct field *f;
	double x;
	bool whole;
	uint8_t predicted;

	if (!has(row, p->probability) || !has(row, p->prediction) || form->nscores == FORM_SCORES)
		return;
	f = &row[p->probability];
	predicted = class_of(&row[p->prediction]);
	if (!number_parse(f->text, f->len, &x, &whole) || !(x >= 0 && x <= 1) || predicted > 1)
		return;
	if (form->nscores == form->scores_cap) {
		form->scores_cap = form->scores_cap ? form->scores_cap * 2 : 256;
		form->probability = xreallocarray(form->probability, form->scores_cap, sizeof(*form->probability));
		form->predicted = xreallocarray(form->predicted, form->scores_cap, 1);
		form->label = xreallocarray(form->label, form->scores_cap, 1);
	}
	form->probability[form->nscores] = x;
	form->predicted[form->nscores] = predicted;
	form->label[form->nscores++] = has(row, p->label) ? class_of(&row[p->label]) : 2;
}

static int note_waiting(struct form *form, const struct field *id, const struct field *prediction, struct error *err)
{
	if (memchr(id->text, 0, id->len) || memchr(prediction->text, 0, prediction->len))
		return 0;
	if (!form->waiting)
		form->waiting = tmpfile();
	if (!form->waiting || fwrite(id->text, 1, id->len, form->waiting) != id->len || putc(0, form->waiting) == EOF ||
	    fwrite(prediction->text, 1, prediction->len, form->waiting) != prediction->len || putc(0, form->waiting) == EOF)
		return error_set(err, ERR_ENV, "cannot write a temporary file in /tmp");
	return 0;
}

static int note_prediction(struct form *form, const struct field *row, struct error *err)
{
	const struct form_private *p = form->private;

	if (!has(row, p->prediction))
		return 0;
	if (has(row, p->label)) {
		const struct field *a = &row[p->prediction], *b = &row[p->label];
		bool wrong = !same_value(a->text, a->len, b->text, b->len);
		strbuf_putc(&form->errors, wrong);
		form->wrong += wrong;
		return 0;
	}
	return has(row, p->id) ? note_waiting(form, &row[p->id], &row[p->prediction], err) : 0;
}

/* The rows in the order of the window's columns. */
static const struct field *permute(struct form_private *p, const struct field *rows, size_t nrows, size_t ncols, size_t width)
{
	p->fields = xreallocarray(p->fields, nrows * width + 1, sizeof(*p->fields));
	memset(p->fields, 0, nrows * width * sizeof(*p->fields));
	for (size_t i = 0; i < nrows; i++)
		for (size_t k = 0; k < ncols; k++)
			if (p->map[k] != ABSENT)
				p->fields[i * width + p->map[k]] = rows[i * ncols + k];
	return p->fields;
}

static int add_slice(struct form *form, const struct field *rows, size_t nrows, size_t ncols, struct error *err)
{
	struct form_private *p = form->private;
	size_t width = table_ncolumns(p->names);
	struct rows slice = { .first = form->rows, .nrows = nrows, .ncols = width };

	slice.fields = permute(p, rows, nrows, ncols, width);
	for (size_t i = 0; i < nrows; i++) {
		hash_row(&p->hasher, slice.fields + i * width, width);
		note_score(form, rows + i * ncols);
		if (note_prediction(form, rows + i * ncols, err) < 0)
			return -1;
	}
	if (p->keep_rows && form_spool(form, &slice, err) < 0)
		return -1;
	if (profile_add(form->profile, p->names, &slice, err) < 0)
		return -1;
	form->rows += nrows;
	return 0;
}

int form_add(struct form *form, const struct rows *rows, struct error *err)
{
	struct form_private *p = form->private;
	size_t n;

	map_columns(p, rows->ncols);
	for (size_t i = 0; i < rows->nrows; i += n) {
		const struct field *row = rows->fields + i * rows->ncols;
		n = rows->nrows - i < SLICE ? rows->nrows - i : SLICE;
		for (size_t k = 0; p->lines && k < n; k++)
			add_lines_columns(p, row + k * rows->ncols);
		if (add_slice(form, row, n, rows->ncols, err) < 0)
			return -1;
	}
	return 0;
}

void form_time(struct form *form, int64_t ms)
{
	if (!form->timed || ms > form->time_ms)
		form->time_ms = ms;
	form->timed = true;
}

void form_finish(struct form *form)
{
	profile_finish(form->profile);
	for (size_t i = 0; i < table_ncolumns(form->private->names); i++)
		hasher_update(&form->private->hasher, table_column(form->private->names, i),
			      strlen(table_column(form->private->names, i)) + 1);
	hasher_final(&form->private->hasher, &form->digest);
}
