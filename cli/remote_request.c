/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote_request.h"
#include <stdio.h>
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/mem.h"

/* As one segment, or as segments when the field takes all the rest. */
static void put_field(struct strbuf *path, const char *text, bool rest)
{
	while (rest) {
		size_t len = strcspn(text, "/");
		CLEANUP(cleanup_free) char *segment = xstrndup(text, len);

		http_escape(path, segment);
		if (!text[len])
			return;
		strbuf_putc(path, '/');
		text += len + 1;
	}
	http_escape(path, text);
}

static char *value_text(const struct js *value)
{
	struct strbuf text = STRBUF_INIT;

	if (js_typeof(value) == JS_STR)
		strbuf_puts(&text, js_text(value));
	else
		js_dump(value, JS_COMPACT, &text);
	return strbuf_detach(&text);
}

/* Takes the fields out of `rest`. */
static int put_path(const struct op *op, struct js *rest, struct strbuf *path, struct error *err)
{
	const char *at = op->path, *open;

	for (; (open = strchr(at, '{')); at = strchr(open, '}') + 1) {
		size_t len = strcspn(open + 1, "*}");
		CLEANUP(cleanup_free) char *key = xstrndup(open + 1, len), *text = NULL;
		const struct js *value = js_get(rest, key);

		strbuf_add(path, at, (size_t)(open - at));
		if (!value)
			return error_set(err, ERR_USAGE, "%s is missing", key);
		text = value_text(value);
		put_field(path, text, open[1 + len] == '*');
		js_del(rest, key);
	}
	strbuf_puts(path, at);
	return 0;
}

static void put_query(struct strbuf *path, const char *key, const struct js *value, char *sep)
{
	CLEANUP(cleanup_free) char *text = value_text(value);

	strbuf_putc(path, *sep);
	http_escape(path, key);
	strbuf_putc(path, '=');
	http_escape(path, text);
	*sep = '&';
}

int remote_path(const struct op *op, const struct js *args, struct strbuf *ret_path, struct js **ret_body, struct error *err)
{
	CLEANUP_JS struct js *rest = js_object();
	char sep = '?';

	for (void *it = js_iter(args); it; it = js_next(args, it))
		js_set(rest, js_iter_key(it), js_ref(js_iter_value(it)));
	strbuf_puts(ret_path, "/api/v1");
	if (put_path(op, rest, ret_path, err) < 0)
		return -1;
	*ret_body = NULL;
	if (strcmp(op->method, "GET") && !(op->flags & OP_INPUT)) {
		*ret_body = steal(&rest);
		return 0;
	}
	for (void *it = js_iter(rest); it; it = js_next(rest, it)) {
		const struct js *value = js_iter_value(it);

		if (js_typeof(value) != JS_ARRAY)
			put_query(ret_path, js_iter_key(it), value, &sep);
		for (size_t i = 0; js_typeof(value) == JS_ARRAY && i < js_len(value); i++)
			put_query(ret_path, js_iter_key(it), js_at(value, i), &sep);
	}
	return 0;
}
