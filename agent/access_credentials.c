/* SPDX-License-Identifier: Apache-2.0 */
/* The header "Authorization". */
#include "agent/access_internal.h"
#include <string.h>
#include <strings.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#define HEADER_MAX 4096 /* of what may be credentials */

void credentials_release(struct credentials *c)
{
	if (c->text)
		explicit_bzero(c->text, strlen(c->text));
	free(c->text);
	*c = (struct credentials){ 0 };
}

/* NULL: it is none, or holds a NUL. */
static char *base64_text(const char *text, size_t len)
{
	CLEANUP(cleanup_free) char *copy = xstrndup(text, len);
	struct strbuf out = STRBUF_INIT;
	char *plain = NULL;

	/* one piece: a buffer that grows leaves copies behind */
	strbuf_reserve(&out, len);
	if (base64_decode(copy, &out) && strlen(out.buf) == out.len)
		plain = xstrdup(out.buf);
	if (out.cap)
		explicit_bzero(out.buf, out.cap);
	explicit_bzero(copy, len);
	strbuf_release(&out);
	return plain;
}

static int refuse(struct error *err)
{
	error_set(err, ERR_AUTH, "the header Authorization holds no credentials that are taken here");
	return error_help(err, "send 'Bearer TOKEN', or 'Basic' with a user and a password");
}

static int parse_basic(const char *text, size_t len, struct credentials *ret, struct error *err)
{
	struct credentials c = { .text = base64_text(text, len) };
	char *colon = c.text ? strchr(c.text, ':') : NULL;

	if (!colon || utf8_span(c.text, strlen(c.text)) != strlen(c.text)) {
		credentials_release(&c);
		return refuse(err);
	}
	*colon = '\0';
	c.user = c.text;
	c.secret = colon + 1;
	*ret = c;
	return 0;
}

int credentials_parse(const char *header, struct credentials *ret, struct error *err)
{
	size_t word = strcspn(header, " \t"), len;
	const char *rest = header + word + strspn(header + word, " \t");

	len = strlen(rest);
	while (len && strchr(" \t", rest[len - 1]))
		len--;
	if (!len || len > HEADER_MAX)
		return refuse(err);
	if (word == 5 && !strncasecmp(header, "Basic", word))
		return parse_basic(rest, len, ret, err);
	if (word != 6 || strncasecmp(header, "Bearer", word))
		return refuse(err);
	*ret = (struct credentials){ .text = xstrndup(rest, len) };
	ret->secret = ret->text;
	return 0;
}
