/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles as they are kept: canonical JSON with everything that a merge needs. docs/format.md has the keys. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "monitor/profile/profile_internal.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/table/stable_hash.h"
#include "monitor/table/table.h"
#include "monitor/profile/values.h"

#define VERSION 1

/* Counts of a column, and its numbers. */
static const struct {
	const char *key;
	size_t at;
} counts[] = {
#define COUNT(f) { #f, offsetof(struct column, f) }
	COUNT(nulls),	   COUNT(nans),	    COUNT(plus_infs), COUNT(minus_infs), COUNT(numbers),   COUNT(zeros),
	COUNT(negatives), COUNT(min_len), COUNT(max_len),   COUNT(total_len),
#undef COUNT
}, reals[] = {
#define REAL(f) { #f, offsetof(struct column, f) }
	REAL(min), REAL(max), REAL(mean), REAL(m2), REAL(m3), REAL(m4), REAL(first), REAL(last),
#undef REAL
};

/* ---- write ---- */

static int compare_texts(const void *a, const void *b)
{
	const struct value *x = *(const struct value *const *)a, *y = *(const struct value *const *)b;
	int order = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* By text, so that their order in the table does not matter. What is no UTF-8, or holds a NUL, goes as base64. */
static struct js *write_values(const struct values *v)
{
	CLEANUP(cleanup_free) const struct value **sorted = xcalloc(v->n + 1, sizeof(*sorted));
	struct js *list = js_array();

	for (size_t i = 0; i < v->n; i++)
		sorted[i] = &v->items[i];
	qsort(sorted, v->n, sizeof(*sorted), compare_texts);
	for (size_t i = 0; i < v->n; i++) {
		const struct value *value = sorted[i];
		struct js *json = js_object();
		CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

		if (utf8_span(value->text, value->len) == value->len && !memchr(value->text, 0, value->len)) {
			js_set(json, "text", js_strn(value->text, value->len));
		} else {
			base64_encode(value->text, value->len, &bytes);
			js_set_str(json, "bytes", bytes.buf);
		}
		js_set_int(json, "count", (int64_t)value->count);
		js_push(list, json);
	}
	return list;
}

static struct js *write_integers(const uint64_t *values, size_t n)
{
	struct js *list = js_array();

	for (size_t i = 0; i < n; i++)
		js_push(list, js_int((int64_t)values[i]));
	return list;
}

static struct js *write_column(const struct column *c)
{
	struct js *json = js_object();

	js_set_str(json, "name", c->name);
	js_set(json, "types", write_integers(c->types, VALUE_TYPES));
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		uint64_t value = *(const uint64_t *)(const void *)((const char *)c + counts[i].at);

		if (value)
			js_set_int(json, counts[i].key, (int64_t)value);
	}
	for (size_t i = 0; c->numbers && i < ARRAY_LEN(reals); i++)
		js_set_real(json, reals[i].key, *(const double *)(const void *)((const char *)c + reals[i].at));
	if (c->numbers) {
		js_set_bool(json, "ascending", c->ascending);
		js_set(json, "sketch", sketch_to_json(c->sketch));
	}
	if (!c->values)
		js_set(json, "distinct", hll_to_json(c->distinct));
	else if (c->values->n)
		js_set(json, "values", write_values(c->values));
	if (c->against)
		js_set(json, "against", write_integers(c->against, c->nagainst));
	return json;
}

/* A column at a time: of many, the values of JSON would be larger than all the text. `put` takes pieces of it. */
static void write_pieces(const struct profile *p, void (*put)(void *, const struct strbuf *), void *ctx)
{
	CLEANUP_STRBUF struct strbuf piece = STRBUF_INIT;

	strbuf_puts(&piece, "{\"columns\":[");
	for (size_t i = 0; i < p->ncolumns; i++) {
		CLEANUP_JS struct js *json = write_column(&p->columns[i]);

		strbuf_puts(&piece, i ? "," : "");
		js_dump(json, JS_CANONICAL, &piece);
		put(ctx, &piece);
		strbuf_clear(&piece);
	}
	strbuf_puts(&piece, "]");
	if (p->exact != SIZE_MAX)
		strbuf_printf(&piece, ",\"exact\":%zu", p->exact);
	strbuf_printf(&piece, ",\"rows\":%llu,\"version\":%d}", (unsigned long long)p->rows, VERSION);
	put(ctx, &piece);
}

static void put_text(void *ctx, const struct strbuf *piece)
{
	strbuf_add(ctx, piece->buf, piece->len);
}

static void put_hash(void *ctx, const struct strbuf *piece)
{
	hasher_update(ctx, piece->buf, piece->len);
}

void profile_write(const struct profile *p, struct strbuf *ret)
{
	write_pieces(p, put_text, ret);
}

void profile_digest(const struct profile *p, struct digest *ret)
{
	struct hasher hasher;

	hasher_init(&hasher);
	write_pieces(p, put_hash, &hasher);
	hasher_final(&hasher, ret);
}

/* ---- read ---- */

/* js_real writes what is not finite as a word. */
static double read_real(const struct js *json)
{
	static const struct {
		const char *word;
		double value;
	} words[] = { { "NaN", NAN }, { "Infinity", HUGE_VAL }, { "-Infinity", -HUGE_VAL } };
	const char *text = js_text(json);

	for (size_t i = 0; text && i < ARRAY_LEN(words); i++)
		if (!strcmp(text, words[i].word))
			return words[i].value;
	return js_number(json);
}

static int read_value(struct values *v, const struct js *json, struct error *err)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	const char *text = js_get_str(json, "text"), *coded = js_get_str(json, "bytes");
	int64_t count = js_get_int(json, "count", 0);

	if (text)
		strbuf_puts(&bytes, text);
	else if (!coded || !base64_decode(coded, &bytes))
		return error_set(err, ERR_DAMAGED, "a value is damaged");
	if (count <= 0 || !values_add(v, bytes.buf, bytes.len, stable_hash(bytes.buf, bytes.len, 0), (uint64_t)count))
		return error_set(err, ERR_DAMAGED, "a value is damaged");
	return 0;
}

static int read_texts(struct column *c, const struct js *json, struct error *err)
{
	const struct js *list = js_get(json, "values");
	uint64_t sum = 0;

	if (js_get(json, "distinct"))
		return hll_from_json(js_get(json, "distinct"), &c->distinct, err);
	c->values = values_new(false);
	for (size_t i = 0; i < js_len(list); i++)
		if (read_value(c->values, js_at(list, i), err) < 0)
			return -1;
	for (size_t i = 0; i < c->values->n; i++)
		sum += c->values->items[i].count;
	if (sum != c->types[VALUE_TEXT] + c->types[VALUE_BOOL])
		return error_set(err, ERR_DAMAGED, "its values do not add up");
	return 0;
}

static int read_numbers(struct column *c, const struct js *json, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(reals); i++)
		*(double *)(void *)((char *)c + reals[i].at) = read_real(js_get(json, reals[i].key));
	c->ascending = js_get_bool(json, "ascending");
	if (sketch_from_json(js_get(json, "sketch"), &c->sketch, err) < 0)
		return -1;
	if (sketch_count(c->sketch) != c->numbers || !isfinite(c->min) || !isfinite(c->max) || !isfinite(c->first) ||
	    !isfinite(c->last) || c->min > c->max)
		return error_set(err, ERR_DAMAGED, "its numbers do not fit together");
	return 0;
}

static int read_against(struct column *c, const struct js *list, struct error *err)
{
	c->nagainst = js_len(list);
	c->against = xcalloc(c->nagainst + 1, sizeof(*c->against));
	for (size_t i = 0; i < c->nagainst; i++) {
		int64_t count = js_int_value(js_at(list, i));

		c->against[i] = (uint64_t)count;
		if (count < 0 || js_typeof(js_at(list, i)) != JS_INT)
			return error_set(err, ERR_DAMAGED, "its counts against a reference are damaged");
	}
	return 0;
}

static int read_column(struct column *c, const struct js *json, uint64_t rows, struct error *err)
{
	const struct js *types = js_get(json, "types");
	uint64_t sum;

	c->count = rows;
	c->ascending = true;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		*(uint64_t *)(void *)((char *)c + counts[i].at) = (uint64_t)js_get_int(json, counts[i].key, 0) & INT64_MAX;
	sum = c->nulls;
	for (size_t t = 0; t < VALUE_TYPES; t++) {
		c->types[t] = (uint64_t)js_int_value(js_at(types, t)) & INT64_MAX;
		sum = c->types[t] > rows || sum > rows ? UINT64_MAX : sum + c->types[t];
	}
	if (sum != rows || c->numbers > rows)
		return error_set(err, ERR_DAMAGED, "its counts do not add up");
	if (read_texts(c, json, err) < 0 || (c->numbers && read_numbers(c, json, err) < 0))
		return -1;
	return js_get(json, "against") ? read_against(c, js_get(json, "against"), err) : 0;
}

static int read_columns(struct profile *p, const struct js *columns, struct error *err)
{
	p->columns = xcalloc(js_len(columns) + 1, sizeof(*p->columns));
	p->cap = js_len(columns) + 1;
	for (size_t i = 0; i < js_len(columns); i++) {
		const char *name = js_get_str(js_at(columns, i), "name");

		if (!name || !*name)
			return error_set(err, ERR_DAMAGED, "column %zu has no name", i);
		p->columns[p->ncolumns++].name = xstrdup(name);
		if (read_column(&p->columns[i], js_at(columns, i), p->rows, err) < 0)
			return error_wrap(err, "column %s", name);
	}
	return 0;
}

int profile_read(const char *text, size_t len, const char *name, struct profile **ret, struct error *err)
{
	CLEANUP(cleanup_profile) struct profile *p = xcalloc(1, sizeof(*p));
	CLEANUP_JS struct js *json = NULL;
	const struct js *columns;
	int64_t rows, exact;

	if (js_parse(text, len, name, &json, err) < 0)
		return -1;
	columns = js_get(json, "columns");
	rows = js_get_int(json, "rows", -1);
	exact = js_get_int(json, "exact", -1);
	if (js_get_int(json, "version", 0) > VERSION)
		return error_set(err, ERR_UNSUPPORTED, "%s is a profile of a later mlops (version %lld)", name,
				 (long long)js_get_int(json, "version", 0));
	if (js_get_int(json, "version", 0) != VERSION || rows < 0 || js_typeof(columns) != JS_ARRAY ||
	    js_len(columns) > TABLE_COLUMNS) {
		error_set(err, ERR_USAGE, "%s is no profile", name);
		return error_help(err, "profiles are made by mlops, and not by hand");
	}
	p->rows = (uint64_t)rows;
	p->exact = exact < 0 ? SIZE_MAX : (size_t)exact;
	if (read_columns(p, columns, err) < 0)
		return error_wrap(err, "%s", name);
	profile_finish(p);
	*ret = steal(&p);
	return 0;
}
