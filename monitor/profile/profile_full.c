/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --full adds: correlations and repeated rows.
 *
 * Rows are held until there are HELD of them, at rows that do not depend on how they came; then each pair of columns gets
 * their co-moments, merged like those of one column. Repeated rows are counted among a sample of rows by hash (Gibbons,
 * "Distinct sampling", 2001): all of those whose hash begins with `level` zeros, so a row is in it with all its repeats.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "monitor/table/number.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/table/row_hash.h"
#include "monitor/table/table.h"

#define SLOTS	   64u /* columns of correlations: the first that hold numbers */
#define HELD	   64u
#define SAMPLE_MAX 16384u
#define SHOWN	   100u /* correlations */

struct pair {
	uint64_t n;
	double mean[2], m2[2], c;
};
struct sampled {
	uint64_t hash, count; /* 0: free */
};
struct profile_extra {
	size_t columns[SLOTS], nslots;
	uint8_t *slots; /* of each column: 1 + its slot, 0: none */
	size_t nseen;
	double held[SLOTS][HELD]; /* NaN: no number */
	size_t nheld;
	struct pair pairs[SLOTS * (SLOTS - 1) / 2];
	struct row_hashes hashes;
	struct sampled *sample; /* 2 * SAMPLE_MAX places */
	size_t nsample;
	unsigned level;
};

struct profile_extra *extra_new(void)
{
	struct profile_extra *x = xcalloc(1, sizeof(*x));

	x->sample = xcalloc((size_t)2 * SAMPLE_MAX, sizeof(*x->sample));
	return x;
}

void extra_free(struct profile_extra *x)
{
	if (!x)
		return;
	row_hashes_release(&x->hashes);
	free(x->sample);
	free(x->slots);
	free(x);
}

void extra_clear(struct profile_extra *x)
{
	x->nslots = x->nheld = x->nsample = x->nseen = 0;
	x->level = 0;
	memset(x->pairs, 0, sizeof(x->pairs));
	memset(x->sample, 0, sizeof(*x->sample) * 2 * SAMPLE_MAX);
}

/* ---- repeated rows ---- */

static void sample_put(struct profile_extra *x, uint64_t hash, uint64_t count)
{
	size_t at = hash & (2 * SAMPLE_MAX - 1);

	while (x->sample[at].count && x->sample[at].hash != hash)
		at = (at + 1) & (2 * SAMPLE_MAX - 1);
	x->nsample += !x->sample[at].count;
	x->sample[at].hash = hash;
	x->sample[at].count += count;
}

static void sample_thin(struct profile_extra *x)
{
	CLEANUP(cleanup_free) struct sampled *old = x->sample;

	x->level++;
	x->sample = xcalloc((size_t)2 * SAMPLE_MAX, sizeof(*x->sample));
	x->nsample = 0;
	for (size_t i = 0; i < 2 * SAMPLE_MAX; i++)
		if (old[i].count && !(old[i].hash >> (64 - x->level)))
			sample_put(x, old[i].hash, old[i].count);
}

static void sample_add(struct profile_extra *x, uint64_t hash, uint64_t count)
{
	if (x->level && hash >> (64 - x->level))
		return;
	sample_put(x, hash, count);
	while (x->nsample > SAMPLE_MAX)
		sample_thin(x);
}

static void sample_merge(struct profile_extra *into, const struct profile_extra *from)
{
	while (into->level < from->level)
		sample_thin(into);
	for (size_t i = 0; i < 2 * SAMPLE_MAX; i++)
		if (from->sample[i].count)
			sample_add(into, from->sample[i].hash, from->sample[i].count);
}

/* ---- correlations ---- */

static struct pair *pair_of(struct profile_extra *x, size_t a, size_t b)
{
	return a > b ? &x->pairs[a * (a - 1) / 2 + b] : &x->pairs[b * (b - 1) / 2 + a];
}

static void pair_merge(struct pair *a, const struct pair *b)
{
	double na = (double)a->n, nb = (double)b->n, n = na + nb, d[2];

	if (!b->n)
		return;
	for (size_t i = 0; i < 2; i++)
		d[i] = b->mean[i] - a->mean[i];
	for (size_t i = 0; i < 2; i++) {
		a->mean[i] += d[i] * nb / n;
		a->m2[i] += b->m2[i] + d[i] * d[i] * na * nb / n;
	}
	a->c += b->c + d[0] * d[1] * na * nb / n;
	a->n += b->n;
}

/* Of the rows in which both have a number; `u` belongs to the lower slot. */
static void pair_take(struct pair *ret, const double *u, const double *v, size_t n)
{
	struct pair p = { 0 };

	for (size_t i = 0; i < n; i++) {
		bool both = !isnan(u[i]) && !isnan(v[i]);

		p.n += both;
		p.mean[0] += both ? u[i] : 0;
		p.mean[1] += both ? v[i] : 0;
	}
	if (!p.n)
		return;
	p.mean[0] /= (double)p.n;
	p.mean[1] /= (double)p.n;
	for (size_t i = 0; i < n; i++) {
		bool both = !isnan(u[i]) && !isnan(v[i]);
		double du = both ? u[i] - p.mean[0] : 0, dv = both ? v[i] - p.mean[1] : 0;

		p.m2[0] += du * du;
		p.m2[1] += dv * dv;
		p.c += du * dv;
	}
	pair_merge(ret, &p);
}

void extra_seal(struct profile_extra *x)
{
	for (size_t b = 1; b < x->nslots; b++)
		for (size_t a = 0; a < b; a++)
			pair_take(pair_of(x, a, b), x->held[a], x->held[b], x->nheld);
	x->nheld = 0;
}

static void see_columns(struct profile_extra *x, size_t n)
{
	if (n <= x->nseen)
		return;
	x->slots = xreallocarray(x->slots, n, sizeof(*x->slots));
	memset(x->slots + x->nseen, 0, n - x->nseen);
	x->nseen = n;
}

/* The slot of a column, a new one if need be; SLOTS: there is none left. */
static size_t slot_of(struct profile_extra *x, size_t column)
{
	if (x->slots[column])
		return x->slots[column] - 1u;
	if (x->nslots == SLOTS)
		return SLOTS;
	for (size_t i = 0; i < HELD; i++)
		x->held[x->nslots][i] = NAN;
	x->columns[x->nslots++] = column;
	x->slots[column] = (uint8_t)x->nslots;
	return x->nslots - 1;
}

static double field_number(const struct field *f)
{
	double number;
	bool whole;

	if ((f->kind != FIELD_TEXT && f->kind != FIELD_NUMBER) || !number_parse(f->text, f->len, &number, &whole))
		return NAN;
	return isfinite(number) ? number : NAN;
}

static void hold_row(struct profile_extra *x, const struct field *fields, size_t ncols)
{
	for (size_t s = 0; s < x->nslots; s++)
		x->held[s][x->nheld] = NAN;
	for (size_t i = 0; i < ncols; i++) {
		double number = x->slots[i] || x->nslots < SLOTS ? field_number(&fields[i]) : NAN;

		if (!isnan(number))
			x->held[slot_of(x, i)][x->nheld] = number;
	}
	x->nheld++;
}

void extra_add(struct profile *p, const struct table *table, const struct rows *rows)
{
	struct profile_extra *x = p->extra;

	see_columns(x, rows->ncols);
	for (size_t i = 0; i < rows->nrows; i++) {
		sample_add(x, row_hash(&x->hashes, table, rows, i), 1);
		hold_row(x, rows->fields + i * rows->ncols, rows->ncols);
		if (x->nheld == HELD)
			extra_seal(x);
	}
}

void extra_merge(struct profile *into, const struct profile *from)
{
	struct profile_extra *x = into->extra, *y = from->extra;
	size_t slots[SLOTS];

	see_columns(x, into->ncolumns);
	for (size_t s = 0; s < y->nslots; s++) {
		const struct column *c = profile_find(into, from->columns[y->columns[s]].name);

		slots[s] = slot_of(x, (size_t)(c - into->columns));
	}
	for (size_t b = 1; b < y->nslots; b++)
		for (size_t a = 0; a < b; a++) {
			struct pair pair = *pair_of(y, a, b);
			bool turned = slots[a] > slots[b];

			if (slots[a] == SLOTS || slots[b] == SLOTS)
				continue;
			if (turned)
				pair = (struct pair){ pair.n, { pair.mean[1], pair.mean[0] }, { pair.m2[1], pair.m2[0] }, pair.c };
			pair_merge(pair_of(x, slots[a], slots[b]), &pair);
		}
	sample_merge(x, y);
}

/* ---- what is shown ---- */

struct correlation {
	const char *a, *b;
	double r;
	uint64_t n;
};
static int compare_strength(const void *a, const void *b)
{
	const struct correlation *x = a, *y = b;
	int order;

	if (fabs(x->r) != fabs(y->r))
		return fabs(x->r) < fabs(y->r) ? 1 : -1;
	order = strcmp(x->a, y->a);
	return order ? order : strcmp(x->b, y->b);
}

static bool is_number(const struct profile *p, size_t column)
{
	return p->columns[column].type == COLUMN_INT || p->columns[column].type == COLUMN_REAL;
}

static struct js *show_correlations(const struct profile *p)
{
	struct profile_extra *x = p->extra;
	CLEANUP(cleanup_free) struct correlation *found = xcalloc(SLOTS * SLOTS / 2, sizeof(*found));
	struct js *list = js_array();
	size_t n = 0;

	for (size_t b = 1; b < x->nslots; b++)
		for (size_t a = 0; a < b; a++) {
			const struct pair *pair = pair_of(x, a, b);
			double r = pair->c / sqrt(pair->m2[0]) / sqrt(pair->m2[1]);

			if (pair->n < 3 || !isfinite(r) || !is_number(p, x->columns[a]) || !is_number(p, x->columns[b]))
				continue;
			found[n++] = (struct correlation){ p->columns[x->columns[a]].name, p->columns[x->columns[b]].name,
							   fmax(-1, fmin(1, r)), pair->n };
		}
	qsort(found, n, sizeof(*found), compare_strength);
	for (size_t i = 0; i < n && i < SHOWN; i++) {
		struct js *json = js_object();

		js_set_str(json, "a", found[i].a);
		js_set_str(json, "b", found[i].b);
		js_set_real(json, "r", found[i].r);
		js_set_int(json, "rows", (int64_t)found[i].n);
		js_push(list, json);
	}
	return list;
}

static struct js *show_outliers(const struct profile *p)
{
	struct js *list = js_array();

	for (size_t i = 0; i < p->ncolumns; i++) {
		const struct column *c = &p->columns[i];
		struct outliers far;
		struct js *json;

		if (!is_number(p, i) || !c->numbers || column_distinct(c) <= 2)
			continue;
		far = column_outliers(c);
		json = js_object();
		js_set_str(json, "name", c->name);
		js_set_int(json, "iqr", (int64_t)far.iqr);
		js_set_int(json, "mad", (int64_t)far.mad);
		js_set_real(json, "iqr_low", far.iqr_low);
		js_set_real(json, "iqr_high", far.iqr_high);
		js_set_real(json, "mad_low", far.mad_low);
		js_set_real(json, "mad_high", far.mad_high);
		js_push(list, json);
	}
	return list;
}

/* Rows that say the same as one before; of a sample times what it stands for, with an error that holds with 99 %. */
static struct js *show_repeats(const struct profile_extra *x)
{
	struct js *json = js_object();
	double again = 0, squares = 0, scale = ldexp(1, (int)x->level);

	for (size_t i = 0; i < 2 * SAMPLE_MAX; i++)
		if (x->sample[i].count) {
			double more = (double)(x->sample[i].count - 1);

			again += more;
			squares += more * more;
		}
	js_set_int(json, "count", (int64_t)llround(again * scale));
	js_set_bool(json, "exact", !x->level);
	js_set_int(json, "error", x->level ? (int64_t)ceil(2.5758293035489004 * scale * sqrt(squares)) : 0);
	return json;
}

struct js *extra_show(const struct profile *p)
{
	struct js *json = js_object();

	js_set(json, "correlations", show_correlations(p));
	js_set(json, "outliers", show_outliers(p));
	js_set(json, "duplicate_rows", show_repeats(p->extra));
	return json;
}
