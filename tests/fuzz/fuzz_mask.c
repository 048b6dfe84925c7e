/* SPDX-License-Identifier: Apache-2.0 */
/* Up to two lines of secrets, where a NUL stands for a line feed; a byte that tells how to cut; the text. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mask.h"
#include "base/mem.h"
#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t add_secret(struct mask_set *set, const uint8_t *data, size_t size)
{
	const uint8_t *eol = memchr(data, '\n', size);
	size_t len = eol ? (size_t)(eol - data) : 0;
	CLEANUP(cleanup_free) char *secret = xmalloc(len + 1);

	for (size_t i = 0; i < len; i++)
		secret[i] = data[i] ? (char)data[i] : '\n';
	mask_set_add(set, secret, len);
	return eol ? len + 1 : 0;
}

/* Line by line, no secret is left. */
static void check_gone(const uint8_t *secret, size_t len, const struct strbuf *out)
{
	const uint8_t *eol = memchr(secret, '\n', len);
	size_t n = eol ? (size_t)(eol - secret) : 0;

	if (n < MASK_SHORTEST || memchr(secret, 0, n) || memchr(secret, '*', n))
		return;
	while (n && strchr(" \t\r", *secret)) {
		secret++;
		n--;
	}
	while (n && strchr(" \t\r", secret[n - 1]))
		n--;
	if (n >= MASK_SHORTEST && memmem(out->buf, out->len, secret, n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_STRBUF struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;
	struct mask_set *set = mask_set_new();
	size_t at = add_secret(set, data, size), step;
	struct mask_stream *m;
	const char *text;

	at += add_secret(set, data + at, size - at);
	step = at < size ? data[at++] % 9 + 1u : 1;
	text = (const char *)data + at;
	size -= at;
	mask_text(set, text, size, &whole);
	check_gone(data, at, &whole);
	m = mask_stream_new(set);
	for (size_t i = 0; i < size; i += step) {
		bool eol = text[(i + step < size ? i + step : size) - 1] == '\n';
		mask_stream_feed(m, text + i, i + step < size ? step : size - i, &pieces);
		/* nothing is held back across a line feed */
		if (eol && (pieces.len > whole.len || (pieces.len && pieces.buf[pieces.len - 1] != '\n')))
			abort();
	}
	mask_stream_end(m, &pieces);
	if (whole.len != pieces.len || memcmp(whole.buf, pieces.buf, whole.len) != 0)
		abort();
	mask_stream_free(m);
	mask_set_free(set);
	return 0;
}
