/* SPDX-License-Identifier: Apache-2.0 */
/* First line: NAME=VALUE of args=; the rest: a Dockerfile. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/dockerfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *pin(void *ctx, const char *base)
{
	(void)base;
	return ctx;
}

static size_t lines(const struct strbuf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += text->buf[i] == '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char exact[] = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const uint8_t *eol = memchr(data, '\n', size);
	size_t head = eol ? (size_t)(eol - data) : size;
	struct strlist args CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_dockerfile) struct dockerfile *file = NULL, *again = NULL;
	CLEANUP_STRBUF struct strbuf pinned = STRBUF_INIT;
	struct strbuf text;

	if (memchr(data, 0, head) || size > 65536)
		return 0;
	strlist_push_owned(&args, xstrndup((const char *)data, head));
	head += eol != NULL;
	text = (struct strbuf){ (char *)data + head, size - head, 0 };
	if (dockerfile_parse(text.buf, text.len, "Dockerfile", &args, &file, NULL) < 0)
		return 0;
	/* With pins in their places it names nothing but them, on the same lines. */
	dockerfile_pinned(file, pin, exact, &pinned);
	if (lines(&pinned) - lines(&text) > 1)
		abort();
	if (dockerfile_parse(pinned.buf, pinned.len, "Dockerfile", &args, &again, NULL) < 0)
		abort();
	for (size_t i = 0; i < dockerfile_bases(again)->len; i++)
		if (strcmp(dockerfile_bases(again)->items[i], exact) != 0)
			abort();
	for (int i = 0; i < 100; i++)
		if (dockerfile_line(file, i) != dockerfile_line(again, i))
			abort();
	return 0;
}
