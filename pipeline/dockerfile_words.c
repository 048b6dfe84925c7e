/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/dockerfile_words.h"
#include <ctype.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/show.h"

#define DEPTH_MAX 16   /* of words in ${NAME:-word} */
#define BYTES_MAX 4096 /* of what a word becomes: each ARG may double the one before */

bool dockerfile_word(const char *text, char escape, size_t *at, size_t *ret_len)
{
	size_t start = *at, len = 0;
	char quote = '\0';

	while (text[start] && isspace((unsigned char)text[start]))
		start++;
	for (; text[start + len]; len++) {
		char c = text[start + len];

		if (!quote && isspace((unsigned char)c))
			break;
		if (c == escape && quote != '\'' && text[start + len + 1])
			len++;
		else if (quote)
			quote = c == quote ? '\0' : quote;
		else if (c == '\'' || c == '"')
			quote = c;
	}
	*at = start;
	*ret_len = len;
	return len > 0;
}

struct expanding {
	const struct dockerfile_scope *scope;
	const char *text;
	size_t at, len;
	struct error *err;
	int depth;
};

static const char *value_of(const struct dockerfile_scope *scope, const char *name, size_t len)
{
	const struct strlist *vars = scope->vars;

	for (size_t i = vars ? vars->len : 0; i-- > 0;)
		if (!strncmp(vars->items[i], name, len) && vars->items[i][len] == '=')
			return vars->items[i] + len + 1;
	return NULL;
}

static size_t name_len(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (isalnum((unsigned char)text[n]) || text[n] == '_'))
		n++;
	return n && isdigit((unsigned char)*text) ? 0 : n;
}

static int unknown(const struct expanding *x, const char *name, size_t len)
{
	static const char *const automatic[] = { "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
						 "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT" };

	error_set(x->err, ERR_USAGE, "$%.*s has no value", len > 80 ? 80 : (int)len, name);
	for (size_t i = 0; i < ARRAY_LEN(automatic); i++)
		if (strlen(automatic[i]) == len && !memcmp(automatic[i], name, len))
			return error_help(x->err, "only BuildKit sets it: give it one, ARG %s=VALUE before FROM",
					  automatic[i]);
	return error_help(x->err, "declare it before the first FROM, ARG %.*s=VALUE, or give it in args=",
			  len > 80 ? 80 : (int)len, name);
}

static int expand_until(struct expanding *x, char stop, struct strbuf *out);

/* "${NAME}", "${NAME:-word}", "${NAME:+word}", from behind the brace. */
static int expand_braced(struct expanding *x, struct strbuf *out)
{
	CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
	const char *name = x->text + x->at, *value;
	size_t n = name_len(name, x->len - x->at);
	char how = '\0';

	x->at += n;
	if (x->at + 1 < x->len && x->text[x->at] == ':' && strchr("-+", x->text[x->at + 1])) {
		how = x->text[x->at + 1];
		x->at += 2;
		if (expand_until(x, '}', &word) < 0)
			return -1;
	}
	if (!n || x->at >= x->len || x->text[x->at] != '}') {
		CLEANUP(cleanup_free) char *shown = xstrndup(x->text, x->len);

		error_set(x->err, ERR_USAGE, "%s: this ${ cannot be read", SHOW(shown));
		return error_help(x->err, "known are ${NAME}, ${NAME:-word} and ${NAME:+word}");
	}
	x->at++;
	value = value_of(x->scope, name, n);
	if (how == '+') {
		strbuf_puts(out, value && *value ? word.buf : "");
		return 0;
	}
	if (how == '-' && (!value || !*value))
		value = word.buf;
	if (!value)
		return unknown(x, name, n);
	strbuf_puts(out, value);
	return 0;
}

static int expand_dollar(struct expanding *x, struct strbuf *out)
{
	const char *name = x->text + ++x->at, *value;
	size_t n;

	if (x->at < x->len && *name == '{') {
		x->at++;
		return expand_braced(x, out);
	}
	n = name_len(name, x->len - x->at);
	if (!n) {
		strbuf_putc(out, '$');
		return 0;
	}
	x->at += n;
	value = value_of(x->scope, name, n);
	if (!value)
		return unknown(x, name, n);
	strbuf_puts(out, value);
	return 0;
}

/* To the end, or to `stop`, which is not taken. */
static int expand_until(struct expanding *x, char stop, struct strbuf *out)
{
	char quote = '\0';

	if (++x->depth > DEPTH_MAX)
		return error_set(x->err, ERR_USAGE, "${ is nested more than %d deep", DEPTH_MAX);
	while (x->at < x->len && (quote || !stop || x->text[x->at] != stop)) {
		char c = x->text[x->at];

		if (c == '$' && quote != '\'') {
			if (expand_dollar(x, out) < 0)
				return -1;
			if (out->len > BYTES_MAX) {
				error_set(x->err, ERR_USAGE, "its variables make it longer than %d bytes", BYTES_MAX);
				return error_help(x->err, "FROM needs a name: give other instructions what is long themselves");
			}
			continue;
		}
		x->at++;
		if (c == x->scope->escape && quote != '\'' && x->at < x->len)
			strbuf_putc(out, x->text[x->at++]);
		else if (quote ? c == quote : c == '\'' || c == '"')
			quote = quote ? '\0' : c;
		else
			strbuf_putc(out, c);
	}
	x->depth--;
	return 0;
}

int dockerfile_expand(const struct dockerfile_scope *scope, const char *word, size_t len, char **ret,
		      struct error *err)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct expanding x = { .scope = scope, .text = word, .len = len, .err = err };

	if (expand_until(&x, '\0', &out) < 0)
		return -1;
	*ret = strbuf_detach(&out);
	return 0;
}
