/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a holdout, as a metric needs them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "monitor/table/number.h"
#include "monitor/table/table.h"
#include "policy/gate_internal.h"

enum { LABEL, CANDIDATE, CHAMPION, COLUMNS };
static const char *const names[COLUMNS] = { "label", "candidate", "champion" };

struct reading {
	struct table *table;
	size_t at[COLUMNS];   /* where the columns are */
	bool texts;           /* accuracy of classes with names: all values are texts */
	struct strmap classes; /* text -> its number, from 1 */
	struct example {
		double value[COLUMNS];
	} *rows;
	size_t len, cap;
};

static void reading_release(struct reading *r)
{
	free(r->rows);
	strmap_release(&r->classes);
	table_close(r->table);
}

void gate_examples_release(struct gate_examples *e)
{
	free(e->label);
	free(e->candidate);
	free(e->champion);
}

static int find_columns(struct reading *r, struct error *err)
{
	for (size_t c = 0; c < COLUMNS; c++) {
		if (table_find(r->table, names[c], &r->at[c]))
			continue;
		error_set(err, ERR_USAGE, "%s has no column '%s'", table_name(r->table), names[c]);
		return error_help(err, "write the columns label, candidate and champion, a row for each example");
	}
	return 0;
}

static bool number_of(const struct field *f, double *ret)
{
	bool whole;

	if (f->kind == FIELD_NULL)
		return false;
	if (f->len == 4 && !strncasecmp(f->text, "true", 4))
		return *ret = 1, true;
	if (f->len == 5 && !strncasecmp(f->text, "false", 5))
		return *ret = 0, true;
	return number_parse(f->text, f->len, ret, &whole) && isfinite(*ret);
}

static double class_of(struct reading *r, const struct field *f)
{
	CLEANUP(cleanup_free) char *text = xstrndup(f->text, f->len);
	size_t class = (size_t)strmap_get(&r->classes, text);

	if (!class) {
		class = r->classes.len + 1;
		strmap_set(&r->classes, text, (void *)class);
	}
	return (double)class;
}

static int take_field(struct reading *r, const struct field *f, size_t column, uint64_t row, double *ret, struct error *err)
{
	if (r->texts && f->kind != FIELD_NULL) {
		*ret = class_of(r, f);
		return 0;
	}
	if (number_of(f, ret))
		return 0;
	return error_set(err, ERR_USAGE, f->kind == FIELD_NULL ? "%s, row %llu: %s is empty" :
								 "%s, row %llu: %s is '%.*s', not a finite number",
			 table_name(r->table), (unsigned long long)table_row_number(r->table, row), names[column],
			 (int)(f->len < 40 ? f->len : 40), f->text ? f->text : "");
}

static int take_row(struct reading *r, const struct rows *rows, size_t row, bool names_do, struct error *err)
{
	const struct field *fields = &rows->fields[row * rows->ncols];
	static const struct field absent = { NULL, 0, FIELD_NULL };
	double number;

	if (r->len == PAIRED_ROWS_MAX) {
		error_set(err, ERR_USAGE, "%s has more than %u rows", table_name(r->table), PAIRED_ROWS_MAX);
		return error_help(err, "compare on a sample of them");
	}
	GROW(r->rows, r->len, r->cap);
	if (!r->len && names_do && r->at[LABEL] < rows->ncols && fields[r->at[LABEL]].kind != FIELD_NULL)
		r->texts = !number_of(&fields[r->at[LABEL]], &number);
	for (size_t c = 0; c < COLUMNS; c++) {
		const struct field *field = r->at[c] < rows->ncols ? &fields[r->at[c]] : &absent;

		if (take_field(r, field, c, rows->first + row, &r->rows[r->len].value[c], err) < 0)
			return -1;
	}
	r->len++;
	return 0;
}

static int read_rows(struct reading *r, bool names_do, struct error *err)
{
	struct rows rows;
	int more;

	while ((more = table_next(r->table, &rows, err)) > 0) {
		/* The columns of JSON lines are known when there are rows. */
		if (!r->len && find_columns(r, err) < 0)
			return -1;
		for (size_t i = 0; i < rows.nrows; i++)
			if (take_row(r, &rows, i, names_do, err) < 0)
				return -1;
	}
	if (more == 0 && !r->len)
		return error_set(err, ERR_USAGE, "%s has no rows", table_name(r->table));
	return more;
}

/* What the metric is defined for. */
static const struct {
	bool binary;        /* labels are 0 and 1 */
	bool probabilities; /* predictions are within 0 .. 1 */
	bool halves;        /* and then count as 0 or 1 */
} needs[] = {
	[PAIRED_ACCURACY] = { false, false, true }, [PAIRED_AUC] = { true, false, false },
	[PAIRED_F1] = { true, true, true },	    [PAIRED_LOGLOSS] = { true, true, false },
	[PAIRED_BRIER] = { true, true, false },	    [PAIRED_RMSE] = { false, false, false },
	[PAIRED_MAE] = { false, false, false },
};

static bool is_binary(double value)
{
	return value >= 0 && value <= 1 && floor(value) == value;
}

static bool is_probability(double value)
{
	return value >= 0 && value <= 1;
}

/* The first row of the column that is none; false: all are. */
static bool find_other(const struct reading *r, size_t column, bool (*is)(double), size_t *ret)
{
	for (size_t i = 0; i < r->len; i++)
		if (!is(r->rows[i].value[column]))
			return *ret = i, true;
	return false;
}

static int check(struct reading *r, enum paired_metric metric, struct error *err)
{
	bool ones = !r->texts;
	size_t row;

	for (size_t c = 0; ones && c < COLUMNS; c++) {
		bool asked = c == LABEL ? needs[metric].binary : needs[metric].probabilities;

		if (!find_other(r, c, c == LABEL ? is_binary : is_probability, &row))
			continue;
		ones = false;
		if (asked)
			return error_set(err, ERR_USAGE, "%s, row %llu: %s is %g; %s needs %s", table_name(r->table),
					 (unsigned long long)table_row_number(r->table, row), names[c], r->rows[row].value[c],
					 paired_metric_name(metric), c == LABEL ? "labels 0 and 1" : "probabilities");
	}
	for (size_t c = CANDIDATE; ones && needs[metric].halves && c < COLUMNS; c++)
		for (size_t i = 0; i < r->len; i++)
			r->rows[i].value[c] = r->rows[i].value[c] >= 0.5;
	return 0;
}

static double *column_of(const struct reading *r, size_t column)
{
	double *values = xcalloc(r->len, sizeof(*values));

	for (size_t i = 0; i < r->len; i++)
		values[i] = r->rows[i].value[column];
	return values;
}

int gate_examples_read(int fd, const char *name, enum paired_metric metric, struct gate_examples *ret, struct error *err)
{
	struct reading r CLEANUP(reading_release) = { .len = 0 };

	if (table_open(fd, name, NULL, &r.table, err) < 0 || read_rows(&r, metric == PAIRED_ACCURACY, err) < 0 ||
	    check(&r, metric, err) < 0)
		return -1;
	*ret = (struct gate_examples){ column_of(&r, LABEL), column_of(&r, CANDIDATE), column_of(&r, CHAMPION), r.len };
	return 0;
}
