/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A struct js is jansson's json_t under another name. Text is written here and not by
 * jansson: canonical text is hashed into keys, so its form must not follow a library's
 * version, and numbers should read as people wrote them (0.1, not 0.10000000000000001).
 */
#include "base/json.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/real.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#define DEPTH_MAX 512

static json_t *in(const struct js *value)
{
	return (json_t *)(uintptr_t)value;
}

/* Small values: running out of memory aborts, as everywhere. */
static struct js *out(json_t *value)
{
	if (!value)
		abort();
	return (struct js *)value;
}

/* jansson refuses a change only for a wrong type or a value put into itself: our bugs. */
static void must(int rc)
{
	if (rc < 0)
		abort();
}

struct js *js_object(void)
{
	return out(json_object());
}

struct js *js_array(void)
{
	return out(json_array());
}

/* U+FFFD for each byte that is not UTF-8, and for NUL, which C strings cannot hold. */
static void put_clean(struct strbuf *ret, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		/* As far as the next NUL at most: looking further at each would be quadratic. */
		size_t valid = utf8_span(text + at, strnlen(text + at, len - at));

		strbuf_add(ret, text + at, valid);
		at += valid;
		if (at < len) {
			strbuf_puts(ret, "\xef\xbf\xbd");
			at++;
		}
	}
}

struct js *js_strn(const char *text, size_t len)
{
	CLEANUP_STRBUF struct strbuf clean = STRBUF_INIT;

	if (utf8_span(text, len) == len && !memchr(text, '\0', len))
		return out(json_stringn_nocheck(text, len));
	put_clean(&clean, text, len);
	return out(json_stringn_nocheck(clean.buf, clean.len));
}

struct js *js_str(const char *text)
{
	return text ? js_strn(text, strlen(text)) : js_null();
}

struct js *js_int(int64_t value)
{
	return out(json_integer(value));
}

struct js *js_real(double value)
{
	if (isnan(value))
		return js_str("NaN");
	if (isinf(value))
		return js_str(value < 0 ? "-Infinity" : "Infinity");
	return out(json_real(value));
}

struct js *js_bool(bool value)
{
	return out(json_boolean(value));
}

struct js *js_null(void)
{
	return out(json_null());
}

struct js *js_ref(struct js *value)
{
	return (struct js *)json_incref(in(value));
}

void js_free(struct js *value)
{
	json_decref(in(value));
}

void cleanup_js(struct js **value)
{
	js_free(*value);
}

void js_set(struct js *object, const char *key, struct js *value)
{
	CLEANUP_STRBUF struct strbuf clean = STRBUF_INIT;
	size_t len = strlen(key);

	if (utf8_span(key, len) < len) {
		put_clean(&clean, key, len);
		key = clean.buf;
	}
	must(json_object_set_new_nocheck(in(object), key, in(value)));
}

void js_push(struct js *array, struct js *value)
{
	must(json_array_append_new(in(array), in(value)));
}

bool js_del(struct js *object, const char *key)
{
	return json_object_del(in(object), key) == 0;
}

void js_set_str(struct js *object, const char *key, const char *text)
{
	if (text)
		js_set(object, key, js_str(text));
}

void js_set_int(struct js *object, const char *key, int64_t value)
{
	js_set(object, key, js_int(value));
}

void js_set_real(struct js *object, const char *key, double value)
{
	js_set(object, key, js_real(value));
}

void js_set_bool(struct js *object, const char *key, bool value)
{
	js_set(object, key, js_bool(value));
}

void js_push_str(struct js *array, const char *text)
{
	js_push(array, js_str(text));
}

/* A string that begins with a byte that no other string here has. */
#define RAW '\xff'

struct js *js_raw(struct strbuf *text)
{
	json_t *raw;

	strbuf_putc(text, RAW); /* makes room; then it goes to the front */
	memmove(text->buf + 1, text->buf, text->len - 1);
	text->buf[0] = RAW;
	raw = json_stringn_nocheck(text->buf, text->len);
	strbuf_release(text);
	return out(raw);
}

static bool is_raw(json_t *value)
{
	return json_is_string(value) && json_string_value(value)[0] == RAW;
}

struct js *js_open(struct js *value)
{
	struct js *json = NULL;

	if (js_typeof(value) != JS_RAW)
		return js_ref(value);
	js_parse(json_string_value(in(value)) + 1, json_string_length(in(value)) - 1, "raw", &json, NULL);
	return json;
}

enum js_type js_typeof(const struct js *value)
{
	static const enum js_type types[] = {
		[JSON_OBJECT] = JS_OBJECT, [JSON_ARRAY] = JS_ARRAY,  [JSON_STRING] = JS_STR,
		[JSON_INTEGER] = JS_INT,   [JSON_REAL] = JS_REAL,    [JSON_TRUE] = JS_BOOL,
		[JSON_FALSE] = JS_BOOL,    [JSON_NULL] = JS_NULL,
	};

	if (value && is_raw(in(value)))
		return JS_RAW;
	return value ? types[json_typeof(in(value))] : JS_NULL;
}

struct js *js_get(const struct js *object, const char *key)
{
	return (struct js *)json_object_get(in(object), key);
}

const char *js_get_str(const struct js *object, const char *key)
{
	return js_text(js_get(object, key));
}

int64_t js_get_int(const struct js *object, const char *key, int64_t fallback)
{
	const struct js *value = js_get(object, key);

	return js_typeof(value) == JS_INT ? js_int_value(value) : fallback;
}

double js_get_real(const struct js *object, const char *key, double fallback)
{
	const struct js *value = js_get(object, key);

	return json_is_number(in(value)) ? js_number(value) : fallback;
}

bool js_get_bool(const struct js *object, const char *key)
{
	return js_truth(js_get(object, key));
}

const char *js_text(const struct js *value)
{
	return is_raw(in(value)) ? NULL : json_string_value(in(value));
}

int64_t js_int_value(const struct js *value)
{
	return json_integer_value(in(value));
}

double js_number(const struct js *value)
{
	return json_is_number(in(value)) ? json_number_value(in(value)) : (double)NAN;
}

bool js_truth(const struct js *value)
{
	return json_is_true(in(value));
}

size_t js_len(const struct js *value)
{
	return json_is_array(in(value)) ? json_array_size(in(value)) : json_object_size(in(value));
}

struct js *js_at(const struct js *array, size_t i)
{
	return (struct js *)json_array_get(in(array), i);
}

bool js_equal(const struct js *a, const struct js *b)
{
	return json_equal(in(a), in(b));
}

void *js_iter(const struct js *object)
{
	return json_object_iter(in(object));
}

void *js_next(const struct js *object, void *it)
{
	return json_object_iter_next(in(object), it);
}

const char *js_iter_key(void *it)
{
	return json_object_iter_key(it);
}

struct js *js_iter_value(void *it)
{
	return (struct js *)json_object_iter_value(it);
}

static int refuse(const char *name, int line, int column, const char *why, struct error *err)
{
	char clean[JSON_ERROR_TEXT_LENGTH];
	size_t n = 0;

	/* jansson quotes the text nearby, which may hold anything. */
	for (; why[n] && n < sizeof(clean) - 1; n++)
		clean[n] = (unsigned char)why[n] < ' ' || why[n] == 0x7f ? ' ' : why[n];
	clean[n] = '\0';
	return error_set(err, ERR_USAGE, "%s is not valid JSON: line %d, column %d: %s", name, line,
			 column, clean);
}

/* jansson recurses 2048 deep, and so would all who walk the value; it takes NUL for the end. */
static int check_text(const char *text, size_t len, const char *name, struct error *err)
{
	size_t line_at = 0;
	int line = 1, depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '\0':
			return refuse(name, line, (int)(i - line_at) + 1, "a NUL byte", err);
		case '\n':
			line++;
			line_at = i + 1;
			break;
		case '"':
			quoted = !quoted;
			break;
		case '\\':
			i += quoted;
			break;
		case '[':
		case '{':
			depth += !quoted;
			break;
		case ']':
		case '}':
			depth -= !quoted;
			break;
		default:
			break;
		}
		if (depth > DEPTH_MAX)
			return refuse(name, line, (int)(i - line_at) + 1,
				      "nested more than 512 deep", err);
	}
	return 0;
}

size_t js_count(const char *text, size_t len)
{
	size_t n = 1;
	bool quoted = false;

	for (size_t i = 0; i < len; i++)
		if (text[i] == '"')
			quoted = !quoted;
		else if (text[i] == '\\')
			i += quoted;
		else
			n += !quoted && (text[i] == ',' || text[i] == '[' || text[i] == '{');
	return n;
}

int js_parse(const char *text, size_t len, const char *name, struct js **ret, struct error *err)
{
	json_error_t why;
	json_t *value;

	if (check_text(text, len, name, err) < 0)
		return -1;
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!value)
		return refuse(name, why.line, why.column, why.text, err);
	*ret = (struct js *)value;
	return 0;
}

static void put_indent(enum js_style style, int depth, struct strbuf *ret)
{
	if (style != JS_PRETTY)
		return;
	strbuf_putc(ret, '\n');
	for (int i = 0; i < depth; i++)
		strbuf_puts(ret, "  ");
}

static void put_string(const char *text, size_t len, struct strbuf *ret)
{
	static const char short_form[256] = {
		['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
		['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	};
	size_t from = 0;

	strbuf_putc(ret, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		strbuf_add(ret, text + from, i - from);
		from = i + 1;
		if (short_form[c])
			strbuf_printf(ret, "\\%c", short_form[c]);
		else
			strbuf_printf(ret, "\\u%04x", c);
	}
	strbuf_add(ret, text + from, len - from);
	strbuf_putc(ret, '"');
}

static void put_value(json_t *value, enum js_style style, int depth, struct strbuf *ret);

static void put_array(json_t *array, enum js_style style, int depth, struct strbuf *ret)
{
	size_t n = json_array_size(array);

	strbuf_putc(ret, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_puts(ret, style == JS_SPACED ? ", " : ",");
		put_indent(style, depth + 1, ret);
		put_value(json_array_get(array, i), style, depth + 1, ret);
	}
	if (n)
		put_indent(style, depth, ret);
	strbuf_putc(ret, ']');
}

static int by_key(const void *a, const void *b)
{
	return strcmp(json_object_iter_key(*(void *const *)a),
		      json_object_iter_key(*(void *const *)b));
}

static void put_object(json_t *object, enum js_style style, int depth, struct strbuf *ret)
{
	size_t n = json_object_size(object), i = 0;
	CLEANUP(cleanup_free) void **members = xcalloc(n + 1, sizeof(*members));

	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
		members[i++] = it;
	if (style == JS_CANONICAL)
		qsort(members, n, sizeof(*members), by_key);
	strbuf_putc(ret, '{');
	for (i = 0; i < n; i++) {
		const char *key = json_object_iter_key(members[i]);

		if (i)
			strbuf_puts(ret, style == JS_SPACED ? ", " : ",");
		put_indent(style, depth + 1, ret);
		put_string(key, strlen(key), ret);
		strbuf_puts(ret, style == JS_PRETTY || style == JS_SPACED ? ": " : ":");
		put_value(json_object_iter_value(members[i]), style, depth + 1, ret);
	}
	if (n)
		put_indent(style, depth, ret);
	strbuf_putc(ret, '}');
}

static void put_value(json_t *value, enum js_style style, int depth, struct strbuf *ret)
{
	char real[REAL_TEXT];

	switch (js_typeof((struct js *)value)) {
	case JS_NULL:
		strbuf_puts(ret, "null");
		break;
	case JS_BOOL:
		strbuf_puts(ret, json_is_true(value) ? "true" : "false");
		break;
	case JS_INT:
		strbuf_printf(ret, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JS_REAL:
		strbuf_add(ret, real, real_format(json_real_value(value), real));
		break;
	case JS_STR:
		put_string(json_string_value(value), json_string_length(value), ret);
		break;
	case JS_RAW:
		strbuf_add(ret, json_string_value(value) + 1, json_string_length(value) - 1);
		break;
	case JS_ARRAY:
		put_array(value, style, depth, ret);
		break;
	case JS_OBJECT:
		put_object(value, style, depth, ret);
		break;
	}
}

void js_dump(const struct js *value, enum js_style style, struct strbuf *ret)
{
	put_value(in(value), style, 0, ret);
}

void js_put_str(struct strbuf *ret, const char *text)
{
	put_string(text, strlen(text), ret);
}

void js_put_real(struct strbuf *ret, double value)
{
	char text[REAL_TEXT];

	if (isnan(value) || isinf(value))
		strbuf_puts(ret, isnan(value) ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
	else
		strbuf_add(ret, text, real_format(value, text));
}

void js_put_int(struct strbuf *ret, int64_t value)
{
	char text[24], *at = text + sizeof(text);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		*--at = '-';
	strbuf_add(ret, at, (size_t)(text + sizeof(text) - at));
}
