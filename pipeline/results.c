/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/results.h"
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

void metric_list_release(struct metric_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].key);
	free(list->items);
	*list = (struct metric_list)METRIC_LIST_INIT;
}

static void push(struct metric_list *list, const char *key, double value, int64_t step, int64_t timestamp)
{
	GROW(list->items, list->len, list->cap);
	list->items[list->len++] = (struct metric_point){ xstrdup(key), value, step, timestamp };
}

static const struct {
	const char *word;
	double value;
} specials[] = { { "NaN", NAN }, { "Infinity", INFINITY }, { "-Infinity", -INFINITY } };

/* NaN, Infinity and -Infinity outside strings become strings: JSON has no such numbers, Python writes them. */
static void quote_specials(const char *text, size_t len, struct strbuf *ret)
{
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		size_t word = 0;
		if (in_string && text[i] == '\\' && i + 1 < len) {
			strbuf_add(ret, text + i++, 2);
			continue;
		}
		in_string ^= text[i] == '"';
		for (size_t k = 0; !in_string && k < ARRAY_LEN(specials); k++) {
			size_t n = strlen(specials[k].word);
			if (len - i >= n && !memcmp(text + i, specials[k].word, n))
				word = n;
		}
		if (!word) {
			strbuf_putc(ret, text[i]);
			continue;
		}
		strbuf_putc(ret, '"');
		strbuf_add(ret, text + i, word);
		strbuf_putc(ret, '"');
		i += word - 1;
	}
}

static bool number_of(const struct js *value, double *ret)
{
	const char *text = js_text(value);

	switch (js_typeof(value)) {
	case JS_INT:
	case JS_REAL:
		*ret = js_number(value);
		return true;
	case JS_BOOL:
		*ret = js_truth(value);
		return true;
	default:
		break;
	}
	for (size_t i = 0; text && i < ARRAY_LEN(specials); i++) {
		if (!strcmp(text, specials[i].word)) {
			*ret = specials[i].value;
			return true;
		}
	}
	return false;
}

static int flatten(const struct js *value, struct strbuf *key, const char *name, struct metric_list *list,
		   struct error *err)
{
	size_t len = key->len;
	double number;

	for (void *it = js_iter(value); it; it = js_next(value, it)) {
		strbuf_printf(key, "%s%s", len ? "." : "", js_iter_key(it));
		if (flatten(js_iter_value(it), key, name, list, err) < 0)
			return -1;
		key->len = len;
		key->buf[len] = '\0';
	}
	for (size_t i = 0; js_typeof(value) == JS_ARRAY && i < js_len(value); i++) {
		strbuf_printf(key, "%s%zu", len ? "." : "", i);
		if (flatten(js_at(value, i), key, name, list, err) < 0)
			return -1;
		key->len = len;
		key->buf[len] = '\0';
	}
	if (!number_of(value, &number))
		return 0;
	if (list->len == RESULTS_MAX_METRICS)
		return error_set(err, ERR_USAGE, "%s holds more than %d metrics", name, RESULTS_MAX_METRICS);
	push(list, len ? key->buf : "value", number, 0, 0);
	return 0;
}

int results_parse_metrics(const char *text, size_t len, const char *name, struct metric_list *list,
			  struct error *err)
{
	CLEANUP_STRBUF struct strbuf plain = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf key = STRBUF_INIT;
	CLEANUP_JS struct js *value = NULL;

	quote_specials(text, len, &plain);
	if (js_parse(plain.buf, plain.len, name, &value, err) < 0)
		return error_help(err, "write one JSON object, for example {\"auc\": 0.93}");
	return flatten(value, &key, name, list, err);
}

static int parse_line(const char *text, size_t len, const char *name, int line, struct metric_list *list,
		      struct error *err)
{
	static const char example[] = "write one object a line: {\"key\": \"loss\", \"value\": 0.3, \"step\": 7}";
	CLEANUP_STRBUF struct strbuf plain = STRBUF_INIT;
	CLEANUP_JS struct js *point = NULL;
	struct error why;
	const char *key;
	double value;

	quote_specials(text, len, &plain);
	if (js_parse(plain.buf, plain.len, name, &point, &why) < 0) {
		error_set(err, ERR_USAGE, "%s line %d: not JSON", name, line);
		return error_help(err, "%s", example);
	}
	key = js_get_str(point, "key");
	if (!key || !number_of(js_get(point, "value"), &value)) {
		error_set(err, ERR_USAGE, "%s line %d: \"key\" or a numeric \"value\" is missing", name, line);
		return error_help(err, "%s", example);
	}
	if (js_get_int(point, "timestamp", 0) < 0)
		return error_set(err, ERR_USAGE, "%s line %d: \"timestamp\" is negative", name, line);
	push(list, key, value, js_get_int(point, "step", 0), js_get_int(point, "timestamp", 0));
	return 0;
}

size_t results_parse_lines(const char *text, size_t len, const char *name, int line, struct metric_list *list,
			   size_t *ret_used, struct error *err)
{
	const char *at = text, *end;
	size_t bad = 0;

	for (; (end = memchr(at, '\n', len - (size_t)(at - text))); line++) {
		const char *start = at;
		size_t n = (size_t)(end - at);
		at = end + 1;
		while (n && (start[n - 1] == '\r' || start[n - 1] == ' '))
			n--;
		if (n && parse_line(start, n, name, line, list, bad ? NULL : err) < 0)
			bad++;
	}
	*ret_used = (size_t)(at - text);
	return bad;
}

char *results_metric_of(const char *step, const char *key)
{
	CLEANUP_STRBUF struct strbuf full = STRBUF_INIT;

	for (const char *c = step; *c; c++) {
		if (strchr("+=,", *c))
			strbuf_printf(&full, ":%02X", (unsigned char)*c);
		else
			strbuf_putc(&full, *c == '@' ? '/' : *c == '%' ? ':' : *c);
	}
	strbuf_printf(&full, ".%s", key);
	return strbuf_detach(&full);
}
