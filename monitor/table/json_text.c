/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/json_text.h"
#include <stdint.h>
#include <string.h>
#include "base/utf8.h"

static bool wrong(struct json_text *j, const char *why)
{
	j->why = why;
	return false;
}

void json_blanks(struct json_text *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t'))
		j->p++;
}

bool json_sign(struct json_text *j, char c)
{
	json_blanks(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* uXXXX, from the u. */
static bool read_unit(struct json_text *j, unsigned *ret)
{
	unsigned unit = 0;

	if (j->end - j->p < 5 || *j->p != 'u')
		return wrong(j, "\\u without four hex digits");
	for (int i = 1; i <= 4; i++) {
		int digit = hex(j->p[i]);

		if (digit < 0)
			return wrong(j, "\\u without four hex digits");
		unit = unit * 16 + (unsigned)digit;
	}
	j->p += 5;
	*ret = unit;
	return true;
}

static char *put_character(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 63));
		}
		*out++ = (char)(0x80 | (c >> 6 & 63));
	}
	*out++ = (char)(0x80 | (c & 63));
	return out;
}

static bool read_unicode(struct json_text *j, char **out)
{
	unsigned c, low;

	if (!read_unit(j, &c))
		return false;
	if (!c)
		return wrong(j, "a NUL (\\u0000)");
	if (c >= 0xdc00 && c <= 0xdfff)
		return wrong(j, "half of a surrogate pair");
	if (c >= 0xd800 && c <= 0xdbff) {
		if (j->p == j->end || *j->p != '\\')
			return wrong(j, "half of a surrogate pair");
		j->p++;
		if (!read_unit(j, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff)
			return wrong(j, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*out = put_character(*out, c);
	return true;
}

static bool read_escape(struct json_text *j, char **out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	j->p++;
	if (j->p < j->end && *j->p == 'u')
		return read_unicode(j, out);
	at = j->p < j->end && *j->p ? strchr(from, *j->p) : NULL;
	if (!at)
		return wrong(j, "an escape that JSON does not have");
	*(*out)++ = to[at - from];
	j->p++;
	return true;
}

/* Bytes that may stand in a string as they are. */
static bool take_plain(struct json_text *j)
{
	while (j->p < j->end) {
		unsigned char c = (unsigned char)*j->p;
		size_t n = 1;

		if (c == '"' || c == '\\')
			return true;
		if (c < 0x20)
			return wrong(j, c == '\n' || c == '\r' ? "a string that does not end in its row"
							       : "a control character in a string");
		if (c >= 0x80)
			n = utf8_length(j->p, (size_t)(j->end - j->p));
		if (!n)
			return wrong(j, "bytes that are not UTF-8");
		j->p += n;
	}
	return wrong(j, "a string that does not end in its row");
}

bool json_string(struct json_text *j, const char **ret, size_t *ret_len)
{
	const char *begin = ++j->p;
	char *text = j->room, *out = text;

	if (!take_plain(j))
		return false;
	if (*j->p == '"') {
		*ret = begin;
		*ret_len = (size_t)(j->p++ - begin);
		return true;
	}
	for (;;) {
		memcpy(out, begin, (size_t)(j->p - begin));
		out += j->p - begin;
		if (*j->p == '"')
			break;
		if (!read_escape(j, &out))
			return false;
		begin = j->p;
		if (!take_plain(j))
			return false;
	}
	j->p++;
	j->room = out;
	*ret = text;
	*ret_len = (size_t)(out - text);
	return true;
}

static bool digits(struct json_text *j)
{
	const char *begin = j->p;

	while (j->p < j->end && *j->p >= '0' && *j->p <= '9')
		j->p++;
	return j->p > begin;
}

bool json_number(struct json_text *j)
{
	const char *begin = j->p;

	if (j->p < j->end && *j->p == '-')
		j->p++;
	if (j->p < j->end && *j->p == '0')
		j->p++;
	else if (!digits(j)) {
		j->p = begin;
		return wrong(j, "what is no value of JSON");
	}
	if (j->p < j->end && *j->p == '.') {
		j->p++;
		if (!digits(j))
			return wrong(j, "a number without digits behind its point");
	}
	if (j->p < j->end && (*j->p == 'e' || *j->p == 'E')) {
		j->p++;
		if (j->p < j->end && (*j->p == '-' || *j->p == '+'))
			j->p++;
		if (!digits(j))
			return wrong(j, "a number without digits in its exponent");
	}
	return true;
}

bool json_word(struct json_text *j, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(j->end - j->p) < len || memcmp(j->p, word, len) != 0)
		return wrong(j, "what is no value of JSON");
	j->p += len;
	return true;
}

static bool skip_members(struct json_text *j, bool object, unsigned depth)
{
	char close = object ? '}' : ']';
	const char *text;
	size_t len;

	j->p++;
	if (json_sign(j, close))
		return true;
	do {
		json_blanks(j);
		if (object) {
			if (j->p == j->end || *j->p != '"')
				return wrong(j, "no name where one must be");
			if (!json_string(j, &text, &len))
				return false;
			if (!json_sign(j, ':'))
				return wrong(j, "no ':' behind a name");
		}
		if (!json_skip(j, depth + 1))
			return false;
	} while (json_sign(j, ','));
	return json_sign(j, close) || wrong(j, object ? "no ',' or '}' behind a value" : "no ',' or ']' behind a value");
}

bool json_skip(struct json_text *j, unsigned depth)
{
	const char *text;
	size_t len;

	json_blanks(j);
	if (depth > JSON_DEPTH)
		return wrong(j, "values that are nested too deep");
	switch (j->p < j->end ? *j->p : '\0') {
	case '"':
		return json_string(j, &text, &len);
	case '{':
	case '[':
		return skip_members(j, *j->p == '{', depth);
	case 't':
		return json_word(j, "true");
	case 'f':
		return json_word(j, "false");
	case 'n':
		return json_word(j, "null");
	default:
		return json_number(j);
	}
}
