/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/page/html.h"
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

/* Characters that reorder text, hide in it or break lines; and those that are no characters. */
static const struct {
	uint32_t from, to;
} unseen[] = {
	{ 0x80, 0x9f },	    { 0xad, 0xad },	{ 0x61c, 0x61c },   { 0x200b, 0x200b }, { 0x200e, 0x200f },
	{ 0x2028, 0x202e }, { 0x2060, 0x2069 }, { 0xfdd0, 0xfdef }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
};

static bool is_unseen(uint32_t c)
{
	if ((c & 0xfffe) == 0xfffe)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(unseen); i++)
		if (c >= unseen[i].from && c <= unseen[i].to)
			return true;
	return false;
}

static uint32_t decode(const char *text, size_t n)
{
	static const unsigned char head[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)text[0] & head[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)text[i] & 0x3f);
	return c;
}

static void escape_ascii(char c, struct strbuf *ret)
{
	/* U+2400 and up are the pictures of control characters. */
	if (c == 0x7f)
		strbuf_puts(ret, "\xe2\x90\xa1");
	else if ((unsigned char)c < 0x20)
		strbuf_add(ret, (char[]){ '\xe2', '\x90', (char)(0x80 | c) }, 3);
	else if (c == '&')
		strbuf_puts(ret, "&amp;");
	else if (c == '<')
		strbuf_puts(ret, "&lt;");
	else if (c == '>')
		strbuf_puts(ret, "&gt;");
	else if (c == '"')
		strbuf_puts(ret, "&quot;");
	else if (c == '\'')
		strbuf_puts(ret, "&#39;");
	else
		strbuf_putc(ret, c);
}

void html_escape(const char *text, size_t len, struct strbuf *ret)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_length(text + i, len - i);
		if (!n) {
			strbuf_printf(ret, "\\x%02x", (unsigned char)text[i]);
			n = 1;
		} else if (n == 1) {
			escape_ascii(text[i], ret);
		} else if (is_unseen(decode(text + i, n))) {
			strbuf_printf(ret, "\\u%04x", decode(text + i, n));
		} else {
			strbuf_add(ret, text + i, n);
		}
	}
}

static size_t character(const char *text, size_t len)
{
	size_t n = utf8_length(text, len);

	return n ? n : 1;
}

size_t html_characters(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i += character(text + i, len - i))
		count++;
	return count;
}

/* Bytes of the first `max` characters, or of all. */
static size_t first_characters(const char *text, size_t len, size_t max)
{
	size_t at = 0;

	for (size_t count = 0; at < len && count < max; count++)
		at += character(text + at, len - at);
	return at;
}

void html_cut(const char *text, size_t max, struct strbuf *ret)
{
	size_t len = strlen(text), kept = first_characters(text, len, max);

	/* The ellipsis is one of them. */
	if (kept < len)
		kept = first_characters(text, len, max ? max - 1 : 0);
	strbuf_add(ret, text, kept);
	if (kept < len)
		strbuf_puts(ret, "…");
}

unsigned html_id(struct html *h)
{
	return ++h->ids;
}

static void end_tag(struct html *h)
{
	if (h->in_tag)
		strbuf_putc(h->out, '>');
	h->in_tag = false;
}

void html_open(struct html *h, const char *tag)
{
	assert(h->depth < HTML_DEPTH);
	end_tag(h);
	strbuf_putc(h->out, '<');
	strbuf_puts(h->out, tag);
	h->tags[h->depth++] = tag;
	h->in_tag = true;
}

void html_open_class(struct html *h, const char *tag, const char *class)
{
	html_open(h, tag);
	html_attr(h, "class", class);
}

/* HTML lets no other element close itself. */
static bool closes_itself(const char *tag)
{
	static const char *const tags[] = { "meta", "link", "br", "path", "rect", "circle" };

	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (!strcmp(tags[i], tag))
			return true;
	return false;
}

void html_close(struct html *h)
{
	const char *tag;

	assert(h->depth);
	tag = h->tags[--h->depth];
	if (h->in_tag && closes_itself(tag))
		strbuf_puts(h->out, "/>");
	else {
		end_tag(h);
		strbuf_printf(h->out, "</%s>", tag);
	}
	h->in_tag = false;
}

void html_close_n(struct html *h, size_t n)
{
	while (n--)
		html_close(h);
}

void html_attr(struct html *h, const char *name, const char *value)
{
	assert(h->in_tag);
	strbuf_printf(h->out, " %s=\"", name);
	html_escape(value, strlen(value), h->out);
	strbuf_putc(h->out, '"');
}

void html_attrf(struct html *h, const char *name, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&value, fmt, args);
	va_end(args);
	html_attr(h, name, value.buf);
}

void html_coordinate(struct html *h, const char *name, double value)
{
	html_attrf(h, name, "%.10g", round(value * 10) / 10 + 0.0); /* there is no -0 */
}

void html_text(struct html *h, const char *text)
{
	end_tag(h);
	html_escape(text, strlen(text), h->out);
}

static void put_textv(struct html *h, const char *fmt, va_list args)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	strbuf_vprintf(&text, fmt, args);
	html_text(h, text.buf);
}

void html_textf(struct html *h, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put_textv(h, fmt, args);
	va_end(args);
}

static void open_maybe_class(struct html *h, const char *tag, const char *class)
{
	html_open(h, tag);
	if (class)
		html_attr(h, "class", class);
}

void html_element(struct html *h, const char *tag, const char *class, const char *text)
{
	open_maybe_class(h, tag, class);
	html_text(h, text);
	html_close(h);
}

void html_elementf(struct html *h, const char *tag, const char *class, const char *fmt, ...)
{
	va_list args;

	open_maybe_class(h, tag, class);
	va_start(args, fmt);
	put_textv(h, fmt, args);
	va_end(args);
	html_close(h);
}

void html_data(struct html *h, const char *text, size_t max)
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;
	size_t all = html_characters(text, strlen(text));

	html_cut(text, max, &cut);
	html_element(h, "bdi", NULL, cut.buf);
	if (all > max)
		html_elementf(h, "small", "cut", " (%zu characters)", all);
}
