/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/router.h"
#include <stdlib.h>
#include <string.h>
#include "agent/access.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

static struct family {
	const struct route *routes;
	size_t len;
} families[16];
static size_t nfamilies;

void router_add(const struct route *routes, size_t n)
{
	if (nfamilies == ARRAY_LEN(families))
		abort();
	families[nfamilies++] = (struct family){ routes, n };
}

const struct route *router_at(size_t i)
{
	for (size_t f = 0; f < nfamilies; f++) {
		if (i < families[f].len)
			return &families[f].routes[i];
		i -= families[f].len;
	}
	return NULL;
}

/* ---- decoding ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Each %XX once; in a query '+' is a blank. NULL: an escape that is none, a NUL, or no UTF-8. */
static char *decode(const char *text, size_t len, bool query)
{
	char *out = xmalloc(len + 1), *at = out;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				goto bad;
			c = hex(text[i + 1]) << 4 | hex(text[i + 2]);
			i += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		if (!c)
			goto bad;
		*at++ = (char)c;
	}
	*at = '\0';
	if (utf8_span(out, (size_t)(at - out)) == (size_t)(at - out))
		return out;
bad:
	free(out);
	return NULL;
}

static void add_field(struct call *call, char *name, char *value)
{
	call->fields = xreallocarray(call->fields, call->nfields + 1, sizeof(*call->fields));
	call->fields[call->nfields++] = (struct field){ name, value };
}

/* ---- matching ---- */

/* A segment of a path that may name something. */
static char *decode_segment(const char *text, size_t len)
{
	char *segment = decode(text, len, false);

	if (segment && *segment && !strchr(segment, '/') && strcmp(segment, ".") && strcmp(segment, ".."))
		return segment;
	free(segment);
	return NULL;
}

static char *decode_rest(const char *text)
{
	struct strbuf rest = STRBUF_INIT;

	for (;;) {
		size_t len = strcspn(text, "/");
		char *segment = decode_segment(text, len);

		if (!segment) {
			strbuf_release(&rest);
			return NULL;
		}
		strbuf_puts(&rest, segment);
		free(segment);
		if (!text[len])
			return strbuf_detach(&rest);
		strbuf_putc(&rest, '/');
		text += len + 1;
	}
}

enum match { MATCH_NO, MATCH_YES, MATCH_BAD /* the pattern fits, a value does not */ };

/* With `call`, keeps the values. */
static enum match match(const char *pattern, const char *path, struct call *call)
{
	while (*pattern && *path) {
		size_t len, name;
		char *value;
		bool rest;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return MATCH_NO;
			continue;
		}
		name = strcspn(pattern, "}");
		rest = pattern[name - 1] == '*';
		len = rest ? strlen(path) : strcspn(path, "/");
		if (!call) {
			if (!len)
				return MATCH_NO;
		} else {
			value = rest ? decode_rest(path) : decode_segment(path, len);
			if (!value)
				return MATCH_BAD;
			add_field(call, xstrndup(pattern + 1, name - 1 - rest), value);
		}
		pattern += name + 1;
		path += len;
	}
	return *pattern || *path ? MATCH_NO : MATCH_YES;
}

static int split_query(struct call *call, const char *query, struct error *err)
{
	while (*query) {
		size_t len = strcspn(query, "&"), name = strcspn(query, "=&");
		char *key = decode(query, name, true);
		char *value = name < len ? decode(query + name + 1, len - name - 1, true) : xstrdup("");

		if (!key || !value) {
			free(key);
			free(value);
			return error_set(err, ERR_USAGE, "the query is not escaped UTF-8");
		}
		if (*key)
			add_field(call, key, value);
		else {
			free(key);
			free(value);
		}
		query += len + (query[len] == '&');
	}
	return 0;
}

static int no_route(const struct call *call, bool other_method, struct error *err)
{
	if (other_method)
		return error_set(err, ERR_UNSUPPORTED, "%s is not for %.200s", call->method, call->path);
	return error_set(err, ERR_NOT_FOUND, "there is nothing at %.200s", call->path);
}

int router_find(struct call *call, const char *query, struct error *err)
{
	const struct route *route;
	bool other_method = false;

	for (size_t i = 0; (route = router_at(i)); i++) {
		if (match(route->path, call->path, NULL) != MATCH_YES)
			continue;
		if (!strcmp(route->method, call->method))
			break;
		other_method = true;
	}
	if (!route)
		return no_route(call, other_method, err);
	call->route = route;
	if (match(route->path, call->path, call) != MATCH_YES)
		return error_set(err, ERR_USAGE, "the path is not one that is well escaped and clean");
	if (split_query(call, query, err) < 0)
		return -1;
	return access_check(call, err);
}
