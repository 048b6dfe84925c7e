/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/mem.h"
#include "registry/version_source.h"

#define ALPHA "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

void uri_split(const char *uri, struct uri_parts *ret)
{
	size_t scheme = strspn(uri, ALPHA DIGIT "+-.");
	const char *rest = uri;

	*ret = (struct uri_parts){ .scheme = "", .netloc = "" };
	if (uri[scheme] == ':' && scheme && strchr(ALPHA, uri[0])) {
		ret->scheme = uri;
		ret->scheme_len = scheme;
		rest = uri + scheme + 1;
	}
	if (!strncmp(rest, "//", 2)) {
		ret->netloc = rest + 2;
		ret->netloc_len = strcspn(ret->netloc, "/?#");
		rest = ret->netloc + ret->netloc_len;
	}
	ret->path = rest;
	ret->path_len = strcspn(rest, "?#");
}

/* ---- escapes ---- */

static int hex(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	if (c >= '0' && c <= '9')
		return c - '0';
	return at && at - digits >= 10 ? (int)(at - digits) : -1;
}

/* One level, in place; returns whether there was any. A NUL becomes one that ends nothing: \1. */
static bool unescape(char *text)
{
	bool found = false;
	char *to = text;

	for (const char *s = text; *s; s++, to++) {
		*to = *s;
		if (*s != '%' || hex(s[1]) < 0 || hex(s[2]) < 0)
			continue;
		*to = (char)(hex(s[1]) << 4 | hex(s[2]));
		*to = *to ? *to : '\1';
		s += 2;
		found = true;
	}
	*to = '\0';
	return found;
}

/* Nobody escapes deeper. */
#define LEVELS 8

static char *unescape_all(const char *text, size_t len)
{
	char *copy = xstrndup(text, len);

	for (int i = 0; i < LEVELS && unescape(copy); i++)
		;
	return copy;
}

static bool climbs(const char *part, size_t len)
{
	return (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.');
}

bool uri_is_clean(const char *uri)
{
	CLEANUP(cleanup_free) char *plain = unescape_all(uri, strlen(uri));
	struct uri_parts parts;

	if (unescape(plain) || strchr(plain, '\1'))
		return false;
	for (const char *s = plain; ; s++) {
		size_t len = strcspn(s, "/\\");

		if (climbs(s, len))
			return false;
		s += len;
		if (!*s)
			break;
	}
	uri_split(plain, &parts);
	return parts.path_len > 1 && parts.path[0] == '/';
}

/* The next part of a path that is not empty, its escapes undone; NULL at the end. */
static char *next_part(const char **at, const char *end)
{
	const char *part;

	while (*at < end && **at == '/')
		++*at;
	if (*at == end)
		return NULL;
	part = *at;
	while (*at < end && **at != '/')
		++*at;
	return unescape_all(part, (size_t)(*at - part));
}

static bool same_text(const char *a, size_t alen, const char *b, size_t blen)
{
	return alen == blen && !strncasecmp(a, b, alen);
}

bool uri_is_within(const char *uri, const char *root)
{
	struct uri_parts u, r;
	const char *at, *above;
	bool any = false;

	uri_split(uri, &u);
	uri_split(root, &r);
	if (!same_text(u.scheme, u.scheme_len, r.scheme, r.scheme_len) ||
	    !same_text(u.netloc, u.netloc_len, r.netloc, r.netloc_len))
		return false;
	at = u.path;
	above = r.path;
	for (;;) {
		CLEANUP(cleanup_free) char *want = next_part(&above, r.path + r.path_len);
		CLEANUP(cleanup_free) char *have = want ? next_part(&at, u.path + u.path_len) : NULL;

		if (!want)
			return any;
		if (!have || strcmp(have, want))
			return false;
		any = true;
	}
}

/* ---- models:/ ---- */

void models_uri_release(struct models_uri *m)
{
	free(m->model_id);
	free(m->name);
	free(m->version);
	free(m->alias);
	free(m->stage);
}

static int refuse(const char *uri, struct error *err)
{
	return error_set(err, ERR_USAGE,
			 "Not a proper models:/ URI: %.300s. Models URIs must be of the form 'models:/name/suffix' or"
			 " 'models:/name@alias' where suffix is a version, stage, or the string 'latest' and where alias is"
			 " a registered model alias. Only one of suffix or alias can be defined at a time.", uri);
}

static void take_suffix(const char *suffix, size_t len, struct models_uri *ret)
{
	if (strspn(suffix, DIGIT) >= len)
		ret->version = xstrndup(suffix, len);
	else if (!same_text(suffix, len, "latest", strlen("latest")))
		ret->stage = xstrndup(suffix, len);
}

static const char *last_at(const char *text, size_t len)
{
	while (len--)
		if (text[len] == '@')
			return text + len;
	return NULL;
}

int models_uri_parse(const char *uri, struct models_uri *ret, struct error *err)
{
	struct uri_parts parts;
	const char *name, *end, *at;
	size_t len;

	uri_split(uri, &parts);
	if (!same_text(parts.scheme, parts.scheme_len, "models", strlen("models")) || parts.path_len < 2 ||
	    parts.path[0] != '/')
		return refuse(uri, err);
	end = parts.path + parts.path_len;
	for (name = parts.path; name < end && *name == '/'; name++)
		;
	for (len = 0; name + len < end && name[len] != '/'; len++)
		;
	if (!len || (name + len < end && (name + len + 1 == end || memchr(name + len + 1, '/', (size_t)(end - name) - len - 1))))
		return refuse(uri, err);
	*ret = (struct models_uri){ 0 };
	if (name + len < end) {
		ret->name = xstrndup(name, len);
		take_suffix(name + len + 1, (size_t)(end - name) - len - 1, ret);
		return 0;
	}
	at = last_at(name, len);
	if (!at) {
		ret->model_id = xstrndup(name, len);
		return 0;
	}
	if (at == name || at + 1 == end)
		return refuse(uri, err);
	ret->name = xstrndup(name, (size_t)(at - name));
	ret->alias = xstrndup(at + 1, (size_t)(end - at) - 1);
	return 0;
}
