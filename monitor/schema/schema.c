/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/schema/schema.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "monitor/table/number.h"
#include "monitor/schema/schema_internal.h"
#include "monitor/table/table.h"

#define DEPTH 8

/* Where the parser is: the file, the members it went through, the column's name for messages. */
struct parser {
	const char *text, *file, *column;
	size_t len;
	struct place_step steps[DEPTH];
	size_t depth;
};

typedef int read_value(struct parser *, const struct js *, void *into, struct error *);
struct key {
	const char *name;
	read_value *read;
	size_t offset;
};
struct keys {
	const struct key *items;
	size_t len;
};

void schema_free(struct schema *schema)
{
	if (!schema)
		return;
	for (size_t i = 0; i < schema->ncolumns; i++) {
		struct schema_column *c = &schema->columns[i];

		free(c->name);
		free(c->description);
		free(c->numbers);
		free(c->pattern_text);
		strlist_release(&c->was);
		strlist_release(&c->words);
		if (c->has_pattern)
			regfree(&c->pattern);
	}
	free(schema->columns);
	free(schema);
}

void cleanup_schema(struct schema **schema)
{
	schema_free(*schema);
}

__attribute__((format(printf, 4, 5)))
static int refuse(const struct parser *ps, bool at_key, struct error *err, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
	int line, column;
	va_list args;

	if (ps->column)
		strbuf_printf(&message, "column '%.100s': ", ps->column);
	va_start(args, fmt);
	strbuf_vprintf(&message, fmt, args);
	va_end(args);
	error_set(err, ERR_USAGE, "%s", message.buf);
	schema_place(ps->text, ps->len, ps->steps, ps->depth, at_key, &line, &column);
	return error_where(err, ps->file, line, column);
}

static int refuse_value(const struct parser *ps, struct error *err, const char *want)
{
	const char *key = NULL;

	for (size_t i = ps->depth; i-- > 0 && !key;)
		key = ps->steps[i].key;
	return refuse(ps, false, err, "%s must be %s", key ? key : "the schema", want);
}

static void enter(struct parser *ps, const char *key, size_t index)
{
	ps->steps[ps->depth++] = (struct place_step){ key, index };
}

static int unknown_key(struct parser *ps, const struct keys *keys, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	CLEANUP(cleanup_free) char *all = NULL;
	const char *nearest;

	for (size_t i = 0; i < keys->len; i++)
		strlist_push(&known, keys->items[i].name);
	nearest = strlist_nearest(&known, name);
	all = strlist_join(&known, ", ");
	refuse(ps, true, err, "there is no key '%.100s'", name);
	return nearest ? error_help(err, "did you mean '%s'?", nearest) : error_help(err, "keys here are: %s", all);
}

static const struct key *key_find(const struct keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->len; i++)
		if (!strcmp(keys->items[i].name, name))
			return &keys->items[i];
	return NULL;
}

static int read_object(struct parser *ps, const struct js *object, const struct keys *keys, void *into, struct error *err)
{
	if (js_typeof(object) != JS_OBJECT)
		return refuse_value(ps, err, "an object, {...}");
	for (void *it = js_iter(object); it; it = js_next(object, it)) {
		const char *name = js_iter_key(it);
		const struct key *key = key_find(keys, name);

		enter(ps, key ? key->name : name, 0);
		if (!key)
			return unknown_key(ps, keys, name, err);
		if (key->read(ps, js_iter_value(it), (char *)into + key->offset, err) < 0)
			return -1;
		ps->depth--;
	}
	return 0;
}

static int read_bool(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (js_typeof(value) != JS_BOOL)
		return refuse_value(ps, err, "true or false");
	*(bool *)into = js_truth(value);
	return 0;
}

static int read_count(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (js_typeof(value) != JS_INT || js_int_value(value) < 0)
		return refuse_value(ps, err, "a whole number, 0 or more");
	*(uint64_t *)into = (uint64_t)js_int_value(value);
	return 0;
}

static bool is_number(const struct js *value)
{
	return (js_typeof(value) == JS_INT || js_typeof(value) == JS_REAL) && isfinite(js_number(value));
}

static int read_change(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (!is_number(value) || js_number(value) < 0)
		return refuse_value(ps, err, "a share such as 0.5: half as many rows, or half of them more");
	*(double *)into = js_number(value);
	return 0;
}

static int read_share(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (!is_number(value) || js_number(value) < 0 || js_number(value) > 1)
		return refuse_value(ps, err, "a share from 0 to 1");
	*(double *)into = js_number(value);
	return 0;
}

static int read_extra(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	const char *text = js_text(value);

	if (!text || (strcmp(text, "allow") && strcmp(text, "refuse")))
		return refuse_value(ps, err, "\"allow\" or \"refuse\"");
	*(bool *)into = !strcmp(text, "refuse");
	return 0;
}

static int read_text(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (!js_text(value))
		return refuse_value(ps, err, "a text");
	*(char **)into = xstrdup(js_text(value));
	return 0;
}

static int read_name(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (!js_text(value) || !*js_text(value))
		return refuse_value(ps, err, "the name of a column");
	return read_text(ps, value, into, err);
}

static int read_names(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	if (js_typeof(value) != JS_ARRAY)
		return refuse_value(ps, err, "a list of names");
	for (size_t i = 0; i < js_len(value); i++) {
		enter(ps, NULL, i);
		if (!js_text(js_at(value, i)) || !*js_text(js_at(value, i)))
			return refuse_value(ps, err, "a list of names");
		strlist_push(into, js_text(js_at(value, i)));
		ps->depth--;
	}
	return 0;
}

static int read_type(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	static const enum column_type types[] = { COLUMN_INT,  COLUMN_REAL,	COLUMN_BOOL,
						  COLUMN_TIME, COLUMN_CATEGORY, COLUMN_TEXT };
	struct schema_column *c = into;
	const char *names[ARRAY_LEN(types)], *text = js_text(value), *nearest;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		names[i] = column_type_name(types[i]);
		if (!text || strcmp(names[i], text))
			continue;
		c->type = types[i];
		c->typed = true;
		return 0;
	}
	nearest = text ? nearest_word(names, ARRAY_LEN(names), text) : NULL;
	refuse_value(ps, err, "integer, real, boolean, time, category or text");
	return nearest ? error_help(err, "did you mean \"%s\"?", nearest) : -1;
}

/* A number, or a time as text: which one is right is known when the type is. */
static int read_limit(struct parser *ps, const struct js *value, bool *has, bool *is_time, double *into, struct error *err)
{
	const char *text = js_text(value);
	int64_t ms;

	if (is_number(value)) {
		*into = js_number(value);
	} else if (text && time_parse(text, strlen(text), &ms)) {
		*into = (double)ms;
		*is_time = true;
	} else {
		return refuse_value(ps, err, "a number, or a time such as \"2024-01-31\" or \"2024-01-31T10:00:00Z\"");
	}
	*has = true;
	return 0;
}

static int read_min(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	struct schema_column *c = into;

	return read_limit(ps, value, &c->has_min, &c->min_time, &c->min, err);
}

static int read_max(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	struct schema_column *c = into;

	return read_limit(ps, value, &c->has_max, &c->max_time, &c->max, err);
}

static int read_pattern(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	struct schema_column *c = into;
	struct error why;

	if (read_text(ps, value, &c->pattern_text, err) < 0)
		return -1;
	if (pattern_compile(c->pattern_text, &c->pattern, &why) < 0)
		return refuse(ps, false, err, "pattern: %s", why.msg);
	c->has_pattern = true;
	return 0;
}

static int read_length(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	static const struct key keys[] = {
		{ "min", read_count, offsetof(struct schema_column, min_len) },
		{ "max", read_count, offsetof(struct schema_column, max_len) },
	};
	struct schema_column *c = into;

	if (read_object(ps, value, &(struct keys){ keys, ARRAY_LEN(keys) }, into, err) < 0)
		return -1;
	return c->min_len > c->max_len ? refuse(ps, false, err, "length: min is above max") : 0;
}

/* Read when the type is known: read_values_typed. */
static int read_values(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	struct schema_column *c = into;

	if (js_typeof(value) != JS_ARRAY || !js_len(value))
		return refuse_value(ps, err, "a list of at least one value");
	c->has_values = true;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int read_values_typed(struct parser *ps, const struct js *values, struct schema_column *c, struct error *err)
{
	bool numeric = c->typed && type_is_number(c->type);

	enter(ps, "values", 0);
	c->numbers = numeric ? xcalloc(js_len(values), sizeof(*c->numbers)) : NULL;
	for (size_t i = 0; i < js_len(values); i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		const struct js *value = js_at(values, i);
		enum js_type type = js_typeof(value);

		enter(ps, NULL, i);
		if (numeric && !is_number(value))
			return refuse(ps, false, err, "values of type %s must be numbers", column_type_name(c->type));
		if (type != JS_STR && type != JS_INT && type != JS_REAL && type != JS_BOOL)
			return refuse_value(ps, err, "texts or numbers; a share of missing ones is said by nulls");
		ps->depth--;
		if (numeric) {
			c->numbers[c->nnumbers++] = js_number(value);
			continue;
		}
		if (type != JS_STR)
			js_dump(value, JS_COMPACT, &text);
		strlist_push(&c->words, type == JS_STR ? js_text(value) : text.buf);
	}
	ps->depth--;
	if (numeric)
		qsort(c->numbers, c->nnumbers, sizeof(*c->numbers), by_number);
	strlist_sort(&c->words);
	return 0;
}

static int limit_check(struct parser *ps, const struct schema_column *c, const char *key, bool has, bool is_time,
		       struct error *err)
{
	bool time = c->typed && c->type == COLUMN_TIME, number = c->typed && type_is_number(c->type);

	if (!has || (time && is_time) || (number && !is_time))
		return 0;
	enter(ps, key, 0);
	if (!c->typed || (!time && !number))
		return refuse(ps, false, err, "%s needs type integer, real or time", key);
	return refuse(ps, false, err, time ? "%s of type time must be a time, as text" : "%s must be a number", key);
}

/* What only the whole column tells. */
static int column_check(struct parser *ps, const struct js *object, struct schema_column *c, struct error *err)
{
	if (!c->name)
		return refuse(ps, false, err, "a column needs a name");
	if (limit_check(ps, c, "min", c->has_min, c->min_time, err) < 0 ||
	    limit_check(ps, c, "max", c->has_max, c->max_time, err) < 0)
		return -1;
	if (c->has_min && c->has_max && c->min > c->max)
		return refuse(ps, false, err, "min is above max");
	if (c->ascending && !(c->typed && (type_is_number(c->type) || c->type == COLUMN_TIME)))
		return refuse(ps, false, err, "ascending needs type integer, real or time");
	if (!c->has_values && js_get(object, "unseen"))
		return refuse(ps, false, err, "unseen needs values");
	return c->has_values ? read_values_typed(ps, js_get(object, "values"), c, err) : 0;
}

static const struct key column_keys[] = {
	{ "name", read_name, offsetof(struct schema_column, name) },
	{ "type", read_type, 0 },
	{ "required", read_bool, offsetof(struct schema_column, required) },
	{ "nulls", read_share, offsetof(struct schema_column, nulls) },
	{ "min", read_min, 0 },
	{ "max", read_max, 0 },
	{ "values", read_values, 0 },
	{ "unseen", read_share, offsetof(struct schema_column, unseen) },
	{ "unique", read_bool, offsetof(struct schema_column, unique) },
	{ "pattern", read_pattern, 0 },
	{ "ascending", read_bool, offsetof(struct schema_column, ascending) },
	{ "constant", read_bool, offsetof(struct schema_column, constant) },
	{ "length", read_length, 0 },
	{ "was", read_names, offsetof(struct schema_column, was) },
	{ "description", read_text, offsetof(struct schema_column, description) },
};

static int read_columns(struct parser *ps, const struct js *list, void *into, struct error *err)
{
	struct schema *schema = into;

	if (js_typeof(list) != JS_ARRAY)
		return refuse_value(ps, err, "a list of columns, [{\"name\": ...}, ...]");
	if (js_len(list) > TABLE_COLUMNS)
		return refuse(ps, false, err, "there are more than %u columns", TABLE_COLUMNS);
	schema->columns = xcalloc(js_len(list) + 1, sizeof(*schema->columns));
	for (size_t i = 0; i < js_len(list); i++) {
		struct schema_column *c = &schema->columns[schema->ncolumns++];

		*c = (struct schema_column){ .required = true, .nulls = 1, .constant = true, .max_len = UINT64_MAX };
		enter(ps, NULL, i);
		/* Messages name the column, wherever its name stands. */
		ps->column = js_get_str(js_at(list, i), "name");
		if (read_object(ps, js_at(list, i), &(struct keys){ column_keys, ARRAY_LEN(column_keys) }, c, err) < 0 ||
		    column_check(ps, js_at(list, i), c, err) < 0)
			return -1;
		ps->column = NULL;
		ps->depth--;
	}
	return 0;
}

static int read_rows(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	static const struct key keys[] = {
		{ "min", read_count, offsetof(struct schema, min_rows) },
		{ "max", read_count, offsetof(struct schema, max_rows) },
		{ "max_change", read_change, offsetof(struct schema, max_change) },
	};
	struct schema *schema = into;

	if (read_object(ps, value, &(struct keys){ keys, ARRAY_LEN(keys) }, into, err) < 0)
		return -1;
	return schema->min_rows > schema->max_rows ? refuse(ps, false, err, "rows: min is above max") : 0;
}

static int read_version(struct parser *ps, const struct js *value, void *into, struct error *err)
{
	(void)into;
	if (js_typeof(value) == JS_INT && js_int_value(value) == 1)
		return 0;
	refuse_value(ps, err, "1");
	return error_help(err, "this mlops reads version 1 of the format; docs/data.md has it");
}

static const struct key schema_keys[] = {
	{ "version", read_version, 0 },
	{ "rows", read_rows, 0 },
	{ "order", read_bool, offsetof(struct schema, order) },
	{ "extra", read_extra, offsetof(struct schema, refuse_extra) },
	{ "unique_rows", read_bool, offsetof(struct schema, unique_rows) },
	{ "columns", read_columns, 0 },
};

static void enter_column(struct parser *ps, size_t i)
{
	ps->depth = 0;
	enter(ps, "columns", 0);
	enter(ps, NULL, i);
}

/* A name stands for one column, also one of before. */
static int names_check(struct parser *ps, struct schema *schema, struct error *err)
{
	CLEANUP(strmap_release) struct strmap names = STRMAP_INIT;
	size_t unique = 0;

	for (size_t i = 0; i < schema->ncolumns; i++) {
		enter_column(ps, i);
		if (strmap_set(&names, schema->columns[i].name, schema))
			return refuse(ps, false, err, "column '%.100s' is there twice", schema->columns[i].name);
		unique += schema->columns[i].unique;
		if (unique > SCHEMA_UNIQUE)
			return refuse(ps, false, err, "more than %u columns are unique", SCHEMA_UNIQUE);
	}
	for (size_t i = 0; i < schema->ncolumns; i++) {
		const struct strlist *was = &schema->columns[i].was;

		enter_column(ps, i);
		for (size_t k = 0; k < was->len; k++)
			if (strmap_set(&names, was->items[k], schema))
				return refuse(ps, false, err, "was: '%.100s' is another column, too", was->items[k]);
	}
	return 0;
}

int schema_parse(const char *text, size_t len, const char *name, struct schema **ret, struct error *err)
{
	CLEANUP(cleanup_schema) struct schema *schema = NULL;
	CLEANUP_JS struct js *json = NULL;
	struct parser ps = { .text = text, .file = name, .len = len };

	if (len > SCHEMA_BYTES || js_count(text, len) > JS_STRANGERS_MAX)
		return error_set(err, ERR_USAGE, "%s is too large for a schema", name);
	if (js_parse(text, len, name, &json, err) < 0)
		return -1;
	schema = xcalloc(1, sizeof(*schema));
	schema->max_rows = UINT64_MAX;
	schema->max_change = -1;
	if (read_object(&ps, json, &(struct keys){ schema_keys, ARRAY_LEN(schema_keys) }, schema, err) < 0)
		return -1;
	if (!js_get(json, "version") || !js_get(json, "columns")) {
		refuse(&ps, false, err, "a schema needs \"version\": 1 and \"columns\": [...]");
		return error_help(err, "mlops schema infer FILE writes one for a table that is right");
	}
	if (names_check(&ps, schema, err) < 0)
		return -1;
	*ret = steal(&schema);
	return 0;
}
