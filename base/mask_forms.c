/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms of a secret: its lines as they are, in JSON strings and in URLs, and base64 of its lines and of the
 * whole. Encoders disagree on what they leave alone, so there is a row for each habit that is common.
 */
#include "base/mask_internal.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/mask.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#define SMALL 4096 /* bytes of a value that is looked for in all forms, whatever is in it */

struct forms {
	mask_form *each;
	void *ctx;
};

static void put(const struct forms *f, const char *text, size_t len)
{
	if (len >= MASK_SHORTEST)
		f->each(f->ctx, text, len);
}

/* What held a secret leaves nothing behind. */
static void cleanup_secret(struct strbuf *sb)
{
	if (sb->cap)
		explicit_bzero(sb->buf, sb->cap);
	strbuf_release(sb);
}
#define CLEANUP_SECRET CLEANUP(cleanup_secret)

/* ---- base64 ---- */

static void base64_add(const unsigned char *data, size_t len, const char *last_two, struct strbuf *ret)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < len; i += 3) {
		unsigned bits = (unsigned)data[i] << 16;
		if (i + 1 < len)
			bits |= (unsigned)data[i + 1] << 8;
		if (i + 2 < len)
			bits |= data[i + 2];
		for (size_t k = 0; k < 4; k++) {
			unsigned digit = bits >> (18 - 6 * k) & 63;
			strbuf_putc(ret, i + k > len ? '=' : digit < 62 ? letters[digit] : last_two[digit - 62]);
		}
	}
}

/* Texts of `len` bytes that go on, end here, and end here with padding. */
static void put_ends(const struct forms *f, const char *text, size_t sure, size_t bare, size_t padded)
{
	put(f, text, sure);
	if (bare > sure)
		put(f, text, bare);
	if (padded > bare)
		put(f, text, padded);
}

static void put_wrapped(const struct forms *f, const char *text, size_t width, size_t sure, size_t bare, size_t padded)
{
	size_t at = 0;

	for (; padded - at > width; at += width)
		put(f, text + at, width);
	if (at)
		put_ends(f, text + at, sure > at ? sure - at : 0, bare > at ? bare - at : 0, padded - at);
}

/*
 * `skip` bytes stand before it in their group of three, so its first digit may hold bits of a neighbour, and so may
 * its last; between them nothing else decides.
 */
static void put_base64(const struct forms *f, const char *text, size_t len, size_t skip, bool wrapped)
{
	static const char *const alphabets[] = { "+/", "-_" };
	CLEANUP_SECRET struct strbuf bytes = STRBUF_INIT, digits = STRBUF_INIT;
	size_t from = (8 * skip + 5) / 6, bits = 8 * (skip + len);

	strbuf_reserve(&bytes, skip + len);
	strbuf_add(&bytes, "\0\0", skip);
	strbuf_add(&bytes, text, len);
	strbuf_reserve(&digits, bits / 6 + 8);
	for (size_t i = 0; i < ARRAY_LEN(alphabets); i++) {
		strbuf_clear(&digits);
		base64_add((const unsigned char *)bytes.buf, bytes.len, alphabets[i], &digits);
		put_ends(f, digits.buf + from, bits / 6 - from, (bits + 5) / 6 - from, digits.len - from);
		if (!wrapped)
			continue;
		put_wrapped(f, digits.buf, 64, bits / 6, (bits + 5) / 6, digits.len);
		put_wrapped(f, digits.buf, 76, bits / 6, (bits + 5) / 6, digits.len);
	}
}

static void put_base64_all(const struct forms *f, const char *text, size_t len, bool wrapped)
{
	for (size_t skip = 0; skip < 3; skip++)
		put_base64(f, text, len, skip, wrapped && !skip);
}

/* ---- URLs ---- */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void percent_add(const char *text, size_t len, const char *plain, bool form, const char *hex, struct strbuf *ret)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (is_alnum(text[i]) || (c && strchr(plain, c))) {
			strbuf_putc(ret, text[i]);
		} else if (form && c == ' ') {
			strbuf_putc(ret, '+');
		} else {
			char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };
			strbuf_add(ret, escaped, sizeof(escaped));
		}
	}
}

static void put_percent(const struct forms *f, const char *text, size_t len)
{
	static const struct {
		const char *plain; /* besides letters and digits */
		bool form;         /* a blank becomes '+' */
	} habits[] = {
		{ "-._~", false },                /* RFC 3986 */
		{ "-._~/", false },               /* of a path */
		{ "-._~!'()*", false },           /* of a component */
		{ "-._~!'()*/?:@&=+$,;#", false }, /* of a whole URL */
		{ "-._~", true },                 /* of a query */
		{ "-._*", true },                 /* of a browser's form */
		{ "-._", true },                  /* of older libraries */
	};
	static const char *const hexes[] = { "0123456789ABCDEF", "0123456789abcdef" };
	CLEANUP_SECRET struct strbuf escaped = STRBUF_INIT;

	strbuf_reserve(&escaped, 3 * len);
	for (size_t i = 0; i < ARRAY_LEN(habits) * ARRAY_LEN(hexes); i++) {
		strbuf_clear(&escaped);
		percent_add(text, len, habits[i / 2].plain, habits[i / 2].form, hexes[i % 2], &escaped);
		put(f, escaped.buf, escaped.len);
	}
}

/* ---- strings of JSON ---- */

enum json_habit {
	JSON_SLASH = 1, /* "\/" */
	JSON_ASCII = 2, /* what is not ASCII as \uXXXX */
	JSON_HTML = 4,  /* < > & as \uXXXX */
	JSON_UPPER = 8, /* hexadecimal digits */
};

static void add_unit(struct strbuf *ret, unsigned unit, unsigned habit)
{
	char escaped[8];

	snprintf(escaped, sizeof(escaped), habit & JSON_UPPER ? "\\u%04X" : "\\u%04x", unit);
	strbuf_puts(ret, escaped);
	explicit_bzero(escaped, sizeof(escaped));
}

/* The code point at `text` when it is not ASCII, and its bytes; 0: it is, or these are not UTF-8. */
static unsigned wide_point(const char *text, size_t len, size_t *ret_len)
{
	static const unsigned char firsts[] = { 0, 0, 0x1f, 0x0f, 0x07 };
	size_t n = utf8_length(text, len);
	unsigned point;

	if (n < 2)
		return 0;
	point = (unsigned char)*text & firsts[n];
	for (size_t i = 1; i < n; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3f);
	*ret_len = n;
	return point;
}

static void json_add_byte(struct strbuf *ret, char c, unsigned habit)
{
	static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *at = c ? strchr(special, c) : NULL;

	if (at || (c == '/' && habit & JSON_SLASH)) {
		strbuf_putc(ret, '\\');
		strbuf_putc(ret, at ? letters[at - special] : c);
	} else if ((unsigned char)c < 0x20 || (habit & JSON_HTML && (c == '<' || c == '>' || c == '&'))) {
		add_unit(ret, (unsigned char)c, habit);
	} else {
		strbuf_putc(ret, c);
	}
}

static void json_add(const char *text, size_t len, unsigned habit, struct strbuf *ret)
{
	for (size_t i = 0, n = 1; i < len; i += n, n = 1) {
		unsigned point = habit & JSON_ASCII ? wide_point(text + i, len - i, &n) : 0;
		if (!point) {
			json_add_byte(ret, text[i], habit);
		} else if (point < 0x10000) {
			add_unit(ret, point, habit);
		} else {
			add_unit(ret, 0xd800 + ((point - 0x10000) >> 10), habit);
			add_unit(ret, 0xdc00 + ((point - 0x10000) & 0x3ff), habit);
		}
	}
}

static void put_json(const struct forms *f, const char *text, size_t len)
{
	static const unsigned habits[] = {
		0, JSON_SLASH, JSON_ASCII, JSON_ASCII | JSON_SLASH, JSON_HTML, JSON_UPPER, JSON_ASCII | JSON_UPPER,
	};
	CLEANUP_SECRET struct strbuf escaped = STRBUF_INIT;

	strbuf_reserve(&escaped, 6 * len);
	for (size_t i = 0; i < ARRAY_LEN(habits); i++) {
		strbuf_clear(&escaped);
		json_add(text, len, habits[i], &escaped);
		put(f, escaped.buf, escaped.len);
	}
}

/* ---- all of them ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void put_line(const struct forms *f, const char *line, size_t len, bool text)
{
	while (len && is_blank(*line)) {
		line++;
		len--;
	}
	while (len && is_blank(line[len - 1]))
		len--;
	if (len < MASK_SHORTEST)
		return;
	put(f, line, len);
	put_base64_all(f, line, len, false);
	if (!text)
		return;
	put_json(f, line, len);
	put_percent(f, line, len);
}

/* A large binary value is in no URL and no string. */
static bool is_text(const char *secret, size_t len)
{
	for (size_t i = 0; len > SMALL && i < len; i++)
		if ((unsigned char)secret[i] < 0x20 && !is_blank(secret[i]) && secret[i] != '\n')
			return false;
	return true;
}

void mask_each_form(const char *secret, size_t len, mask_form *each, void *ctx)
{
	const struct forms f = { each, ctx };
	bool text = is_text(secret, len);

	if (len < MASK_SHORTEST)
		return;
	put_base64_all(&f, secret, len, true);
	for (size_t at = 0; at < len;) {
		const char *end = memchr(secret + at, '\n', len - at);
		size_t n = end ? (size_t)(end - secret) - at : len - at;
		put_line(&f, secret + at, n, text);
		at += n + 1;
	}
}
