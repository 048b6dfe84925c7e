/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/schema/schema.h"

#define WIDTH  110u /* of a line */
#define INDENT "     "

/* Words with blanks between, lines broken where they become too long. */
static void put_word(struct strbuf *out, size_t *line, const char *word, const char *after)
{
	if (out->len - *line + strlen(word) > WIDTH) {
		if (out->buf[out->len - 1] == ' ')
			out->buf[--out->len] = '\0';
		strbuf_puts(out, "\n" INDENT);
		*line = out->len - strlen(INDENT);
	}
	strbuf_puts(out, word);
	strbuf_puts(out, after);
}

static void put_list(struct strbuf *out, size_t *line, const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++) {
		CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;

		if (!i)
			strbuf_putc(&word, '[');
		js_dump(js_at(list, i), JS_SPACED, &word);
		put_word(out, line, word.buf, i + 1 < js_len(list) ? ", " : "]");
	}
}

static void put_column(struct strbuf *out, const struct js *column)
{
	size_t line = out->len, n = 0;

	strbuf_puts(out, "    {");
	for (void *it = js_iter(column); it; it = js_next(column, it)) {
		CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
		const struct js *value = js_iter_value(it);

		js_put_str(&word, js_iter_key(it));
		strbuf_puts(&word, ": ");
		if (js_typeof(value) != JS_ARRAY)
			js_dump(value, JS_SPACED, &word);
		put_word(out, &line, word.buf, "");
		if (js_typeof(value) == JS_ARRAY)
			put_list(out, &line, value);
		if (++n < js_len(column))
			strbuf_puts(out, ", ");
	}
	strbuf_puts(out, "}");
}

void schema_write(const struct js *schema, struct strbuf *ret)
{
	const struct js *columns = js_get(schema, "columns");

	strbuf_puts(ret, "{\n");
	for (void *it = js_iter(schema); it; it = js_next(schema, it)) {
		if (js_iter_value(it) == columns)
			continue;
		strbuf_puts(ret, "  ");
		js_put_str(ret, js_iter_key(it));
		strbuf_puts(ret, ": ");
		js_dump(js_iter_value(it), JS_SPACED, ret);
		strbuf_puts(ret, ",\n");
	}
	strbuf_puts(ret, "  \"columns\": [\n");
	for (size_t i = 0; i < js_len(columns); i++) {
		put_column(ret, js_at(columns, i));
		strbuf_puts(ret, i + 1 < js_len(columns) ? ",\n" : "\n");
	}
	strbuf_puts(ret, "  ]\n}\n");
}
