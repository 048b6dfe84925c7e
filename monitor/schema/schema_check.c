/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/schema/schema_check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "monitor/table/number.h"
#include "monitor/table/repeats.h"
#include "monitor/table/table.h"

#define SHOWN 80u /* bytes of a value that a report shows */

void misfit_note(struct misfit *m, uint64_t row, const struct field *f)
{
	size_t len = f ? f->len : 0;

	if (m->count++)
		return;
	m->row = row;
	if (len > SHOWN)
		len = utf8_span(f->text, SHOWN);
	m->value = f ? xstrndup(f->text, len) : NULL;
}

/* Allowed values. */
static bool number_allowed(const struct schema_column *spec, double x)
{
	size_t low = 0, high = spec->nnumbers;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (spec->numbers[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low < spec->nnumbers && spec->numbers[low] <= x;
}

bool schema_word_allowed(const struct schema_column *spec, const char *text, size_t len)
{
	size_t low = 0, high = spec->words.len;

	while (low < high) {
		size_t mid = (low + high) / 2, n = strlen(spec->words.items[mid]);
		int cmp = memcmp(spec->words.items[mid], text, n < len ? n : len);

		cmp = cmp ? cmp : (n > len) - (n < len);
		if (!cmp)
			return true;
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static void check_range(struct column_state *c, uint64_t row, const struct field *f, double x)
{
	const struct schema_column *spec = c->spec;

	if ((spec->has_min && x < spec->min) || (spec->has_max && x > spec->max))
		misfit_note(&c->misfits[CHECK_RANGE], row, f);
	if (spec->ascending && c->has_last && x < c->last)
		misfit_note(&c->misfits[CHECK_ASCENDING], row, f);
	c->last = x;
	c->has_last = true;
}

static void check_number(struct column_state *c, uint64_t row, const struct field *f, double x, bool whole)
{
	const struct schema_column *spec = c->spec;

	if (spec->type == COLUMN_INT && !whole)
		misfit_note(&c->misfits[CHECK_TYPE], row, f);
	check_range(c, row, f, x);
	if (spec->has_values && !number_allowed(spec, x))
		misfit_note(&c->misfits[CHECK_VALUES], row, f);
}

static bool is_truth(const struct field *f)
{
	static const char *const words[] = { "true", "false", "True", "False", "TRUE", "FALSE" };

	for (size_t i = 0; f->kind == FIELD_TEXT && i < ARRAY_LEN(words); i++)
		if (f->len == strlen(words[i]) && !memcmp(f->text, words[i], f->len))
			return true;
	return f->kind == FIELD_BOOL;
}

/* Of a column that holds no numbers. */
static void check_word(struct column_state *c, uint64_t row, const struct field *f)
{
	const struct schema_column *spec = c->spec;
	bool fits = true;
	int64_t ms;

	if (spec->typed && spec->type == COLUMN_TIME) {
		fits = (f->kind == FIELD_TEXT || f->kind == FIELD_STRING) && time_parse(f->text, f->len, &ms);
		if (fits)
			check_range(c, row, f, (double)ms);
	} else if (spec->typed && spec->type == COLUMN_BOOL) {
		fits = is_truth(f);
	}
	if (!fits)
		misfit_note(&c->misfits[CHECK_TYPE], row, f);
	else if (spec->has_values && !schema_word_allowed(spec, f->text, f->len))
		misfit_note(&c->misfits[CHECK_VALUES], row, f);
}

static int check_field(struct column_state *c, uint64_t row, const struct field *f, struct error *err)
{
	const struct schema_column *spec = c->spec;
	bool numeric = spec->typed && type_is_number(spec->type), whole = false, number = false;
	double x = 0;

	if (numeric && (f->kind == FIELD_TEXT || f->kind == FIELD_NUMBER))
		number = number_parse(f->text, f->len, &x, &whole);
	if (f->kind == FIELD_NULL || (number && isnan(x))) {
		c->nulls++;
		misfit_note(&c->misfits[CHECK_NULLS], row, NULL);
		return 0;
	}
	if (!c->values++)
		misfit_note(&c->first, row, f);
	if (number)
		check_number(c, row, f, x, whole);
	else if (numeric)
		misfit_note(&c->misfits[CHECK_TYPE], row, f);
	else
		check_word(c, row, f);
	if (spec->has_pattern && !pattern_fits(&spec->pattern, f->text, f->len))
		misfit_note(&c->misfits[CHECK_PATTERN], row, f);
	if (f->len < spec->min_len || f->len > spec->max_len)
		misfit_note(&c->misfits[CHECK_LENGTH], row, f);
	if (c->repeats) {
		int again = repeats_add(c->repeats, field_hash(f), row, 0, err);

		if (again < 0)
			return -1;
		if (again && !c->misfits[CHECK_UNIQUE].count)
			misfit_note(&c->misfits[CHECK_UNIQUE], row, f);
	}
	return 0;
}

/* Of JSON lines new columns may come with any row; all rows before lack them. */
static void find_columns(struct check *check, size_t ncols, uint64_t rows_before)
{
	for (size_t i = 0; i < check->schema->ncolumns; i++) {
		struct column_state *c = &check->columns[i];
		const struct strlist *was = &c->spec->was;

		for (size_t k = 0; c->at == SIZE_MAX && k <= was->len; k++) {
			const char *name = k ? was->items[k - 1] : c->spec->name;

			size_t at;

			if (!table_find(check->table, name, &at) || at >= ncols)
				continue;
			c->at = at;
			c->found = name;
			c->nulls = rows_before;
			if (rows_before)
				c->misfits[CHECK_NULLS] = (struct misfit){ .count = rows_before };
		}
	}
}

int check_rows(struct check *check, const struct rows *rows, struct error *err)
{
	find_columns(check, rows->ncols, rows->first);
	for (size_t i = 0; i < check->schema->ncolumns; i++) {
		struct column_state *c = &check->columns[i];

		for (size_t r = 0; c->at != SIZE_MAX && r < rows->nrows; r++)
			if (check_field(c, rows->first + r, &rows->fields[r * rows->ncols + c->at], err) < 0)
				return -1;
	}
	for (size_t r = 0; check->row_repeats && r < rows->nrows; r++)
		if (repeats_add(check->row_repeats, row_hash(&check->hashes, check->table, rows, r), rows->first + r, 0, err) < 0)
			return -1;
	check->rows = rows->first + rows->nrows;
	return profile_add(check->profile, check->table, rows, err);
}

static void check_init(struct check *check, const struct schema *schema, const struct table *table)
{
	size_t nunique = schema->unique_rows;

	*check = (struct check){ .schema = schema, .table = table };
	check->columns = xcalloc(schema->ncolumns + 1, sizeof(*check->columns));
	check->profile = profile_new(&(struct profile_options){ 0 });
	for (size_t i = 0; i < schema->ncolumns; i++)
		nunique += schema->columns[i].unique;
	for (size_t i = 0; i < schema->ncolumns; i++) {
		check->columns[i].spec = &schema->columns[i];
		check->columns[i].at = SIZE_MAX;
		check->columns[i].found = schema->columns[i].name;
		if (schema->columns[i].unique)
			check->columns[i].repeats = repeats_new(REPEATS_MEMORY / nunique);
	}
	if (schema->unique_rows)
		check->row_repeats = repeats_new(REPEATS_MEMORY / nunique);
	find_columns(check, table_ncolumns(table), 0);
}

static void check_release(struct check *check)
{
	for (size_t i = 0; i < check->schema->ncolumns; i++) {
		for (size_t k = 0; k < COLUMN_CHECKS; k++)
			free(check->columns[i].misfits[k].value);
		free(check->columns[i].first.value);
		repeats_free(check->columns[i].repeats);
	}
	free(check->columns);
	repeats_free(check->row_repeats);
	row_hashes_release(&check->hashes);
	profile_free(check->profile);
}

static int check_table(struct check *check, struct table *table, bool *ret_ok, struct js **ret, struct error *err)
{
	struct rows rows;
	int more;

	while ((more = table_next(table, &rows, err)) > 0)
		if (check_rows(check, &rows, err) < 0)
			return -1;
	if (more < 0)
		return -1;
	profile_finish(check->profile);
	return check_report(check, ret_ok, ret, err);
}

int schema_check(const struct schema *schema, struct table *table, uint64_t before_rows, bool *ret_ok, struct js **ret,
		 struct profile **ret_profile, struct error *err)
{
	struct check check;
	int r;

	check_init(&check, schema, table);
	check.before_rows = before_rows;
	r = check_table(&check, table, ret_ok, ret, err);
	if (!r && ret_profile)
		*ret_profile = steal(&check.profile);
	check_release(&check);
	return r;
}
