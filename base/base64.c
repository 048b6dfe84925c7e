/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include <string.h>
#include "base/strbuf.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const void *data, size_t len, const char *alphabet, struct strbuf *out)
{
	const unsigned char *bytes = data;

	strbuf_reserve(out, len / 3 * 4 + 4);
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		unsigned bits = (unsigned)bytes[i] << 16;

		bits |= have > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
		bits |= have > 2 ? bytes[i + 2] : 0;
		for (size_t k = 0; k < 4; k++)
			strbuf_putc(out, k > have ? '=' : alphabet[bits >> (18 - 6 * k) & 63]);
	}
}

void base64_encode(const void *data, size_t len, struct strbuf *out)
{
	encode(data, len, standard, out);
}

void base64url_encode(const void *data, size_t len, struct strbuf *out)
{
	encode(data, len, url, out);
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, struct strbuf *out)
{
	size_t len = strspn(text, standard), padding = strspn(text + len, "=");
	unsigned bits = 0;

	if (text[len + padding] || len % 4 == 1 || (padding && (len + padding) % 4 != 0) || padding > 2)
		return false;
	strbuf_reserve(out, len / 4 * 3 + 3);
	for (size_t i = 0; i < len; i++) {
		bits = bits << 6 | (unsigned)digit(text[i]);
		if (i % 4 != 0)
			strbuf_putc(out, (char)(bits >> (6 - 2 * (i % 4))));
	}
	return true;
}
