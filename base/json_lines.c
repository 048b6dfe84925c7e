/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_lines.h"
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

static int take_line(struct lines *l, const char *text, size_t len, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	if (strspn(text, " \t\r") >= len)
		return 0;
	if (js_parse(text, len, "the agent's answer", &json, err) < 0) {
		if (err)
			err->code = ERR_ENV;
		return -1;
	}
	return l->each(l->ctx, json, err);
}

static int take_rest(struct lines *l, struct error *err)
{
	int r = take_line(l, l->rest.buf, l->rest.len, err);

	strbuf_clear(&l->rest);
	return r;
}

int lines_add(struct lines *l, const char *data, size_t len, struct error *err)
{
	const char *end = data + len, *newline;

	while ((newline = memchr(data, '\n', (size_t)(end - data)))) {
		strbuf_add(&l->rest, data, (size_t)(newline - data));
		data = newline + 1;
		if (take_rest(l, err) < 0)
			return -1;
	}
	strbuf_add(&l->rest, data, (size_t)(end - data));
	if (l->rest.len <= LINE_BYTES)
		return 0;
	return error_set(err, ERR_ENV, "the agent's answer has a line of more than %zu bytes", LINE_BYTES);
}

int lines_end(struct lines *l, struct error *err)
{
	return l->rest.len ? take_rest(l, err) : 0;
}

void lines_release(struct lines *l)
{
	strbuf_release(&l->rest);
}
