/* SPDX-License-Identifier: Apache-2.0 */
/* A profile and its columns: life, merge, end. */
#include "monitor/profile/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/table/table.h"
#include "monitor/profile/values.h"

/* ---- columns ---- */

void column_unlist(struct column *c)
{
	for (size_t i = 0; i < c->nlisted; i++)
		free((char *)c->listed[i].text);
	free(steal(&c->listed));
	c->nlisted = 0;
}

void column_forget(struct column *c)
{
	column_unlist(c);
	free(steal(&c->fine.at));
	c->fine.n = 0;
}

static void column_release(struct column *c)
{
	column_forget(c);
	sketch_free(c->sketch);
	values_free(c->values);
	hll_free(c->distinct);
	free(c->against);
	free(c->name);
}

void column_leave_values(struct column *c)
{
	if (!c->distinct)
		c->distinct = hll_new();
	for (size_t i = 0; i < c->values->n; i++)
		hll_add(c->distinct, c->values->items[i].hash);
	values_free(steal(&c->values));
}

struct column *profile_find(const struct profile *p, const char *name)
{
	for (size_t i = 0; i < p->ncolumns; i++)
		if (!strcmp(p->columns[i].name, name))
			return &p->columns[i];
	return NULL;
}

/* Tables that belong together mostly have their columns in one order. */
static struct column *find_near(const struct profile *p, const char *name, size_t i)
{
	return i < p->ncolumns && !strcmp(p->columns[i].name, name) ? &p->columns[i] : profile_find(p, name);
}

struct column *profile_column(struct profile *p, const char *name)
{
	const struct column *before = p->reference ? find_near(p->reference, name, p->ncolumns) : NULL;
	struct column *c;

	GROW(p->columns, p->ncolumns, p->cap);
	c = &p->columns[p->ncolumns++];
	*c = (struct column){
		.name = xstrdup(name), .count = p->rows, .nulls = p->rows, .ascending = true, .values = values_new(p->exact == SIZE_MAX),
	};
	c->left_out = p->only && !strlist_has(p->only, name);
	if (before && before->fine.n) {
		c->edges = &before->fine;
		c->nagainst = before->fine.n + 1;
		c->against = xcalloc(c->nagainst, sizeof(*c->against));
	}
	return c;
}

void profile_columns(struct profile *p, const struct table *table, size_t ncols)
{
	for (size_t i = p->ncolumns; i < ncols; i++)
		profile_column(p, table_column(table, i));
}

/* ---- life ---- */

struct profile *profile_new(const struct profile_options *options)
{
	struct profile *p = xcalloc(1, sizeof(*p));

	p->reference = options->reference;
	p->only = options->only;
	p->exact = options->exact ? SIZE_MAX : PROFILE_EXACT;
	p->extra = options->full ? extra_new() : NULL;
	return p;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	profile_free(p->open);
	for (size_t i = 0; i < p->ncolumns; i++)
		column_release(&p->columns[i]);
	extra_free(p->extra);
	free(p->columns);
	free(p);
}

void cleanup_profile(struct profile **p)
{
	profile_free(*p);
}

/* ---- by hand ---- */

static int close_block(struct profile *p, struct error *err)
{
	profile_seal(p->open);
	if (profile_merge(p, p->open, err) < 0)
		return -1;
	profile_clear(p->open);
	return 0;
}

int profile_add(struct profile *p, const struct table *table, const struct rows *rows, struct error *err)
{
	struct rows part = *rows;

	if (!p->open)
		p->open = profile_new(&(struct profile_options){
			.reference = p->reference, .only = p->only, .exact = p->exact == SIZE_MAX, .full = p->extra });
	for (size_t done = 0; done < rows->nrows; done += part.nrows) {
		size_t room = TABLE_BLOCK - p->open->rows;

		part.first = rows->first + done;
		part.fields = rows->fields + done * rows->ncols;
		part.nrows = rows->nrows - done < room ? rows->nrows - done : room;
		if (profile_add_block(p->open, table, &part, err) < 0 ||
		    (part.nrows == room && close_block(p, err) < 0))
			return -1;
	}
	return 0;
}

void profile_finish(struct profile *p)
{
	if (p->open) {
		close_block(p, NULL);
		profile_free(steal(&p->open));
	}
	for (size_t i = 0; i < p->ncolumns; i++) {
		struct column *c = &p->columns[i];

		column_forget(c);
		c->edges = NULL;
		c->against_nulls = c->count - c->numbers;
		column_infer(c);
		if (c->numbers)
			edges_make(c);
	}
	p->reference = NULL;
	p->only = NULL;
}

void profile_take_numbers(struct profile *into, struct profile *exact)
{
	for (size_t i = 0; i < exact->ncolumns; i++) {
		struct column *from = &exact->columns[i], *c = find_near(into, from->name, i);
		struct sketch *sketch;

		if (!c || !c->sketch || !from->sketch || from->numbers != c->numbers)
			continue;
		sketch = c->sketch;
		c->sketch = from->sketch;
		from->sketch = sketch;
		column_unlist(c);
		column_unlist(from);
	}
}

/* ---- merge ---- */

static void merge_texts(struct column *into, struct column *from)
{
	if (from->types[VALUE_TEXT]) {
		if (!into->types[VALUE_TEXT] || from->min_len < into->min_len)
			into->min_len = from->min_len;
		if (from->max_len > into->max_len)
			into->max_len = from->max_len;
		into->total_len += from->total_len;
	}
	if (into->values && !(from->values && values_merge(into->values, from->values)))
		column_leave_values(into);
	if (into->values)
		return;
	if (from->values)
		column_leave_values(from);
	hll_merge(into->distinct, from->distinct);
}

static void merge_numbers(struct column *into, struct column *from)
{
	if (!from->numbers)
		return;
	into->ascending &= from->ascending && (!into->numbers || into->last <= from->first);
	if (!into->numbers)
		into->first = from->first;
	into->last = from->last;
	moments_merge(into, from);
	if (into->sketch)
		sketch_merge(into->sketch, from->sketch);
	else
		into->sketch = steal(&from->sketch);
}

static void merge_column(struct column *into, struct column *from)
{
	column_forget(into);
	into->count += from->count;
	into->nulls += from->nulls;
	into->nans += from->nans;
	into->plus_infs += from->plus_infs;
	into->minus_infs += from->minus_infs;
	merge_numbers(into, from);
	merge_texts(into, from);
	for (size_t t = 0; t < VALUE_TYPES; t++)
		into->types[t] += from->types[t];
	if (from->against && !into->against) {
		into->nagainst = from->nagainst;
		into->against = xcalloc(into->nagainst, sizeof(*into->against));
	}
	for (size_t i = 0; i < from->nagainst; i++)
		into->against[i] += from->against[i];
}

static int check_edges(const struct profile *into, const struct profile *from, struct error *err)
{
	for (size_t i = 0; i < from->ncolumns; i++) {
		const struct column *c = &from->columns[i], *other = find_near(into, c->name, i);

		if (other && other->nagainst != c->nagainst)
			return error_set(err, ERR_CONFLICT, "profiles that were counted against two references "
					 "cannot be merged (column %s)", c->name);
	}
	return 0;
}

int profile_merge(struct profile *into, struct profile *from, struct error *err)
{
	if (check_edges(into, from, err) < 0 || (from->open && close_block(from, err) < 0))
		return -1;
	if (from->exact < into->exact)
		into->exact = from->exact;
	for (size_t i = 0; i < from->ncolumns; i++) {
		struct column *c = find_near(into, from->columns[i].name, i);

		merge_column(c ? c : profile_column(into, from->columns[i].name), &from->columns[i]);
	}
	if (into->extra && from->extra)
		extra_merge(into, from);
	into->rows += from->rows;
	/* a column that one side lacks was null in all of its rows */
	for (size_t i = 0; i < into->ncolumns; i++) {
		struct column *c = &into->columns[i];

		c->nulls += into->rows - c->count;
		c->count = into->rows;
	}
	profile_clear(from);
	profile_recount(into);
	return profile_bound(into, err);
}
