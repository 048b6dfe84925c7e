/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows into a block, a column at a time over a few rows, so that its state stays near.
 *
 * Numbers are only kept until the block is complete; then they are sorted, and everything else about them is read from
 * the sorted run: extremes, moments, counts into edges, different values.
 *
 * Memory: above 4 Mi numbers kept (64 columns of 65,536) the limit of all columns is halved until it fits, and above
 * 64 MiB of texts counted the largest columns only estimate. That is looked at every CHUNK rows of a block, so the result
 * does not depend on how the rows came.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/number.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/table/stable_hash.h"
#include "monitor/table/table.h"
#include "monitor/profile/values.h"

#define CHUNK	    64u
#define NUMBERS_MAX ((uint64_t)4 << 20)
#define TEXTS_MAX   ((uint64_t)64 << 20)
#define EXACT_MAX   ((uint64_t)512 << 20) /* of a profile that must be exact */
#define EXACT_MIN   256u

/* ---- one field ---- */

enum { MAY_NUMBER = 1, MAY_BOOL = 2, MAY_TIME = 4 };
/* What a text can be, by its first byte. */
static const uint8_t first_bytes[256] = {
	['0' ... '9'] = MAY_NUMBER | MAY_TIME,
	['+'] = MAY_NUMBER, ['-'] = MAY_NUMBER, ['.'] = MAY_NUMBER,
	['i'] = MAY_NUMBER, ['I'] = MAY_NUMBER, ['n'] = MAY_NUMBER, ['N'] = MAY_NUMBER,
	[' '] = MAY_NUMBER | MAY_TIME, ['\t'] = MAY_NUMBER | MAY_TIME,
	['t'] = MAY_BOOL, ['T'] = MAY_BOOL, ['f'] = MAY_BOOL, ['F'] = MAY_BOOL,
};

static bool is_word(const struct field *f, const char *lower, const char *title, const char *upper)
{
	return !memcmp(f->text, lower, f->len) || !memcmp(f->text, title, f->len) || !memcmp(f->text, upper, f->len);
}

static bool is_bool(const struct field *f, bool *ret)
{
	*ret = f->len == 4;
	return (f->len == 4 && is_word(f, "true", "True", "TRUE")) ||
	       (f->len == 5 && is_word(f, "false", "False", "FALSE"));
}

static void add_text(struct column *c, enum value_type type, const char *text, size_t len)
{
	uint64_t hash = stable_hash(text, len, 0);

	c->types[type]++;
	if (type == VALUE_TEXT) {
		if (c->types[VALUE_TEXT] == 1 || len < c->min_len)
			c->min_len = len;
		if (len > c->max_len)
			c->max_len = len;
		c->total_len += len;
	}
	if (c->values) {
		if (values_add(c->values, text, len, hash, 1))
			return;
		column_leave_values(c);
	}
	hll_add(c->distinct, hash);
}

/* Where the next number of the column goes. */
struct numbers {
	double *at;
	size_t n;
	double last;
};

static void add_number(struct column *c, struct numbers *to, double value)
{
	if (isfinite(value)) {
		value += 0.0; /* there is but one zero */
		c->ascending &= value >= to->last;
		to->last = value;
		to->at[to->n++] = value;
	} else if (isnan(value)) {
		c->nans++;
	} else if (value > 0) {
		c->plus_infs++;
	} else {
		c->minus_infs++;
	}
}

static void add_looked_at(struct column *c, struct numbers *to, const struct field *f)
{
	unsigned may = f->len ? first_bytes[(unsigned char)*f->text] : 0;
	double number;
	int64_t ms;
	bool yes;

	if (may & MAY_NUMBER && f->kind == FIELD_TEXT && number_parse(f->text, f->len, &number, &yes)) {
		c->types[yes ? VALUE_INT : VALUE_REAL]++;
		add_number(c, to, number);
	} else if (may & MAY_TIME && time_parse(f->text, f->len, &ms)) {
		c->types[VALUE_TIME]++;
		add_number(c, to, (double)ms);
	} else if (may & MAY_BOOL && f->kind == FIELD_TEXT && is_bool(f, &yes)) {
		add_text(c, VALUE_BOOL, yes ? "true" : "false", yes ? 4 : 5);
	} else {
		add_text(c, VALUE_TEXT, f->text, f->len);
	}
}

static void add_field(struct column *c, struct numbers *to, const struct field *f)
{
	bool whole = false;
	double number;

	switch (f->kind) {
	case FIELD_NULL:
		c->nulls++;
		break;
	case FIELD_NUMBER:
		number = NAN;
		number_parse(f->text, f->len, &number, &whole);
		c->types[whole ? VALUE_INT : VALUE_REAL]++;
		add_number(c, to, number);
		break;
	case FIELD_BOOL:
		add_text(c, VALUE_BOOL, f->text, f->len);
		break;
	default:
		add_looked_at(c, to, f);
	}
}

/* ---- rows ---- */

static void add_chunk(struct profile *p, struct column *c, const struct field *fields, size_t nrows, size_t stride)
{
	double room[CHUNK];
	bool some = c->sketch && sketch_count(c->sketch);
	struct numbers to = { some ? sketch_room(c->sketch, CHUNK) : room, 0, some ? c->last : -HUGE_VAL };
	uint64_t bytes = c->values ? c->values->bytes : 0;

	if (c->left_out) {
		c->nulls += nrows;
		c->count += nrows;
		return;
	}
	for (size_t i = 0; i < nrows; i++)
		add_field(c, &to, &fields[i * stride]);
	c->count += nrows;
	p->text_bytes += (c->values ? c->values->bytes : 0) - bytes;
	if (!to.n)
		return;
	if (!c->sketch)
		c->sketch = sketch_new(p->exact, stable_hash(c->name, strlen(c->name), 0));
	if (!some) {
		c->first = to.at[0];
		memcpy(sketch_room(c->sketch, CHUNK), room, to.n * sizeof(*room));
	}
	c->last = to.last;
	sketch_took(c->sketch, to.n);
	c->fresh += to.n;
	p->buffered += to.n;
}

int profile_add_block(struct profile *p, const struct table *table, const struct rows *rows, struct error *err)
{
	size_t nrows;

	profile_columns(p, table, rows->ncols);
	if (p->extra)
		extra_add(p, table, rows);
	for (size_t done = 0; done < rows->nrows; done += nrows) {
		nrows = CHUNK - p->rows % CHUNK;
		if (nrows > rows->nrows - done)
			nrows = rows->nrows - done;
		for (size_t i = 0; i < rows->ncols; i++)
			add_chunk(p, &p->columns[i], rows->fields + done * rows->ncols + i, nrows, rows->ncols);
		p->rows += nrows;
		if (p->rows % CHUNK == 0 && profile_bound(p, err) < 0)
			return -1;
	}
	/* JSON lines: columns that other rows have */
	for (size_t i = rows->ncols; i < p->ncolumns; i++) {
		p->columns[i].nulls += p->rows - p->columns[i].count;
		p->columns[i].count = p->rows;
	}
	return 0;
}

/* Everything but the sketch learns of the numbers that are fresh. */
static void take_fresh(struct column *c)
{
	CLEANUP(cleanup_free) double *scratch = NULL;
	double *run;

	if (!c->fresh)
		return;
	scratch = xreallocarray(NULL, c->fresh, sizeof(*scratch));
	run = c->sketch->tail + c->sketch->ntail - c->fresh;
	sort_numbers(run, c->fresh, scratch);
	c->sketch->sorted = c->fresh == c->sketch->ntail;
	moments_add(c, run, c->fresh);
	if (c->edges)
		edges_count(c->edges, run, c->fresh, c->against);
	c->fresh = 0;
}

void profile_seal(struct profile *p)
{
	for (size_t i = 0; i < p->ncolumns; i++) {
		struct column *c = &p->columns[i];

		take_fresh(c);
		if (c->sketch)
			sketch_seal(c->sketch);
	}
	if (p->extra)
		extra_seal(p->extra);
}

void profile_clear(struct profile *p)
{
	size_t exact = p->exact == SIZE_MAX ? SIZE_MAX : PROFILE_EXACT;

	for (size_t i = 0; i < p->ncolumns; i++) {
		struct column *c = &p->columns[i];
		struct column empty = { .name = c->name, .sketch = c->sketch, .edges = c->edges, .against = c->against,
					.nagainst = c->nagainst, .ascending = true, .left_out = c->left_out };

		column_forget(c);
		values_free(c->values);
		hll_free(c->distinct);
		if (c->sketch)
			sketch_clear(c->sketch);
		if (c->against)
			memset(c->against, 0, c->nagainst * sizeof(*c->against));
		*c = empty;
		c->values = values_new(exact == SIZE_MAX);
		if (c->sketch)
			c->sketch->exact = exact;
	}
	if (p->extra)
		extra_clear(p->extra);
	p->exact = exact;
	p->rows = p->buffered = p->text_bytes = 0;
}

/* ---- bounds ---- */

void profile_recount(struct profile *p)
{
	p->buffered = p->text_bytes = 0;
	for (size_t i = 0; i < p->ncolumns; i++) {
		const struct column *c = &p->columns[i];

		p->buffered += c->sketch ? c->sketch->ntail : 0;
		p->text_bytes += c->values ? c->values->bytes : 0;
	}
}

static void keep_limit(struct profile *p)
{
	for (size_t i = 0; i < p->ncolumns; i++) {
		struct column *c = &p->columns[i];

		if (!c->sketch)
			continue;
		if (c->sketch->ntail > p->exact)
			take_fresh(c);
		sketch_limit(c->sketch, p->exact);
	}
}

/* The largest go first. */
static void halve_texts(struct profile *p)
{
	uint64_t most = 0;

	for (size_t i = 0; i < p->ncolumns; i++)
		if (p->columns[i].values && p->columns[i].values->bytes > most)
			most = p->columns[i].values->bytes;
	for (size_t i = 0; i < p->ncolumns; i++)
		if (p->columns[i].values && p->columns[i].values->bytes > most / 2)
			column_leave_values(&p->columns[i]);
}

int profile_bound(struct profile *p, struct error *err)
{
	if (p->exact == SIZE_MAX && p->buffered > EXACT_MAX) {
		error_set(err, ERR_LIMIT, "the table has more than %u Mi numbers, and all of them would be kept", 512u);
		return error_help(err, "choose columns, or take fewer rows");
	}
	if (p->exact != SIZE_MAX && p->buffered > NUMBERS_MAX) {
		keep_limit(p);
		profile_recount(p);
	}
	while (p->exact != SIZE_MAX && p->buffered > NUMBERS_MAX && p->exact > EXACT_MIN) {
		p->exact /= 2;
		keep_limit(p);
		profile_recount(p);
	}
	while (p->text_bytes > TEXTS_MAX) {
		halve_texts(p);
		profile_recount(p);
	}
	return 0;
}
