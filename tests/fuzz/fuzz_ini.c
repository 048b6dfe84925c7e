/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INI: what comes through inih in pieces is compared with a reader that is as simple
 * as the rules in base/ini.h, and knows neither pieces nor escapes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/ini.h"
#include "base/strbuf.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int write_down(void *ctx, const struct ini_entry *e, struct error *err)
{
	struct strbuf *seen = ctx;
	const char *value = e->value;

	(void)err;
	strbuf_printf(seen, "\x01%s %s %d %d", e->section, e->key ? e->key : "\x02", e->line,
		      e->column);
	for (size_t i = 0; i < e->nlines; i++) {
		size_t n = strlen(e->lines[i].text);

		strbuf_printf(seen, "\x03%s %d %d", e->lines[i].text, e->lines[i].line,
			      e->lines[i].column);
		/* the joined value is the lines and nothing else */
		if (!n || strncmp(value, e->lines[i].text, n) ||
		    value[n] != (i + 1 < e->nlines ? '\n' : '\0'))
			abort();
		value += n + 1;
	}
	if (!e->nlines && *value)
		abort();
	return 0;
}

struct naive {
	struct strbuf section;
	bool in_section, in_value;
};

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One line of `len` bytes; false when it is an error. */
static bool naive_line(struct naive *n, const char *s, int len, int line, struct strbuf *seen)
{
	int from = 0, to = len, equals = 0, key_to;

	while (from < to && blank(s[from]))
		from++;
	while (to > from && blank(s[to - 1]))
		to--;
	if (from == to)
		return true;
	if (from > 0 && n->in_value) {
		strbuf_printf(seen, "\x03%.*s %d %d", to - from, s + from, line, from + 1);
		return true;
	}
	if (s[from] == '#' || s[from] == ';')
		return true;
	if (from > 0)
		return false;
	if (s[0] == '[') {
		for (from = 1; from < to && blank(s[from]);)
			from++;
		if (s[to - 1] != ']' || memchr(s, ']', (size_t)to - 1))
			return false;
		for (to--; to > from && blank(s[to - 1]);)
			to--;
		if (from == to)
			return false;
		strbuf_clear(&n->section);
		strbuf_add(&n->section, s + from, (size_t)(to - from));
		n->in_section = true;
		n->in_value = false;
		strbuf_printf(seen, "\x01%s \x02 %d %d", n->section.buf, line, from + 1);
		return true;
	}
	while (equals < to && s[equals] != '=')
		equals++;
	if (!n->in_section || equals == to || equals == 0)
		return false;
	for (key_to = equals; blank(s[key_to - 1]);)
		key_to--;
	for (from = equals + 1; from < to && blank(s[from]);)
		from++;
	n->in_value = true;
	strbuf_printf(seen, "\x01%s %.*s %d 1", n->section.buf, key_to, s, line);
	if (from < to)
		strbuf_printf(seen, "\x03%.*s %d %d", to - from, s + from, line, from + 1);
	return true;
}

/* The line that is in error, or 0. */
static int naive_read(const char *text, size_t len, struct strbuf *seen)
{
	struct naive n = { .section = STRBUF_INIT };
	const char *end = text + len;
	int line = 0, bad = 0;

	while (text < end && !bad) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		const char *next = stop ? stop + 1 : end;
		const char *to = stop ? stop : end;

		if (to > text && to[-1] == '\r')
			to--;
		line++;
		if (!naive_line(&n, text, (int)(to - text), line, seen))
			bad = line;
		text = next;
	}
	strbuf_release(&n.section);
	return bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct strbuf got = STRBUF_INIT, want = STRBUF_INIT;
	struct error err;
	char where[32] = "";
	size_t bom = size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
	int rc, line;

	error_clear(&err);
	rc = ini_parse_text(text, size, "f", write_down, &got, &err);
	if (size > INI_MAX_BYTES || memchr(text, '\0', size) ||
	    utf8_span(text + bom, size - bom) < size - bom) {
		if (rc == 0 || err.code != ERR_USAGE || got.len)
			abort();
		return 0;
	}
	line = naive_read(text + bom, size - bom, &want);
	if (line)
		snprintf(where, sizeof(where), "f:%d:", line);
	if ((rc < 0) != (line > 0) || strncmp(err.where, where, strlen(where)))
		abort();
	if (got.len != want.len || memcmp(got.buf, want.buf, got.len))
		abort();
	strbuf_release(&got);
	strbuf_release(&want);
	return 0;
}
