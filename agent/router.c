/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/router.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent/access.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

static const struct route **routes; /* in the order they were added */
static size_t nroutes, routes_cap;
/* For the look-up: those without a field by their path; after them the others. */
static const struct route **sorted;
static size_t nexact;

void router_add(const struct route *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		GROW(routes, nroutes, routes_cap);
		routes[nroutes++] = &list[i];
	}
}

static bool has_fields(const struct route *route)
{
	return strchr(route->path, '{') != NULL;
}

static int compare_routes(const void *a, const void *b)
{
	const struct route *const *one = a, *const *two = b;

	if (has_fields(*one) != has_fields(*two))
		return has_fields(*one) - has_fields(*two);
	return has_fields(*one) ? 0 : strcmp((*one)->path, (*two)->path);
}

void router_ready(void)
{
	free(sorted);
	sorted = xreallocarray(NULL, nroutes + 1, sizeof(*sorted));
	memcpy(sorted, routes, nroutes * sizeof(*sorted));
	sorted[nroutes] = NULL;
	/* stable: glibc's qsort merges */
	qsort(sorted, nroutes, sizeof(*sorted), compare_routes);
	for (nexact = 0; nexact < nroutes && !has_fields(sorted[nexact]);)
		nexact++;
}

const struct route *router_at(size_t i)
{
	return i < nroutes ? routes[i] : NULL;
}

size_t router_count(void)
{
	return nroutes;
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

/* ---- finding ---- */

/* The first of those without a field that has the path, or could stand there. */
static size_t first_exact(const char *path)
{
	size_t low = 0, high = nexact;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(sorted[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Goes through the routes whose path this is; NULL after the last. *at is 0 at first. */
static const struct route *next_route(const char *path, size_t *at)
{
	size_t i = *at ? *at - 1 : first_exact(path);

	if (i < nexact && strcmp(sorted[i]->path, path))
		i = nexact;
	while (i >= nexact && i < nroutes && match(sorted[i]->path, path, NULL) != MATCH_YES)
		i++;
	*at = i + 2;
	return i < nroutes ? sorted[i] : NULL;
}

static const struct route *find_route(const char *path, const char *method)
{
	const struct route *route;
	size_t at = 0;

	while ((route = next_route(path, &at)))
		if (!strcmp(route->method, method))
			return route;
	return NULL;
}

static int no_route(const struct call *call, struct error *err)
{
	size_t at = 0;

	if (next_route(call->path, &at))
		error_set(err, ERR_METHOD, "%.32s is not for %.200s", call->method, call->path);
	else
		error_set(err, ERR_NOT_FOUND, "there is nothing at %.200s", call->path);
	/* tells it from a thing that is not found; clients of another version see which it is */
	return error_where(err, call->path, 0, 0);
}

void router_allow(struct call *call)
{
	CLEANUP_STRBUF struct strbuf list = STRBUF_INIT;
	const struct route *route;
	size_t at = 0;

	/* no method's name stands in another's */
	while ((route = next_route(call->path, &at)))
		if (!strstr(list.buf, route->method))
			strbuf_printf(&list, "%s%s", list.len ? ", " : "", route->method);
	if (strstr(list.buf, "GET") && !strstr(list.buf, "HEAD"))
		strbuf_puts(&list, ", HEAD");
	call_add_header(call, "Allow", list.buf);
}

/* How long the common start of two paths is, in whole segments; 0: shorter than three of them ("/api/v1/"). */
static size_t common_start(const char *a, const char *b)
{
	size_t slashes = 0, len = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/' && ++slashes >= 3)
			len = i + 1;
	return len;
}

void (*router_fail(const struct call *call))(struct call *, const struct error *)
{
	const struct route *near = call->route;
	size_t best = 0;

	for (size_t i = 0; !call->route && i < nroutes; i++) {
		size_t len = common_start(call->path, routes[i]->path);

		if (len > best) {
			best = len;
			near = routes[i];
		}
	}
	return near ? near->fail : NULL;
}

/* What is kept as a body is JSON, and says so: a page of another site cannot send that without being asked about. */
static int check_type(const struct call *call, struct error *err)
{
	static const char json[] = "application/json";
	const char *type = call_header(call, "Content-Type");

	if (!call->body_length || call->route->take || call->route->flags & ROUTE_RAW_BODY ||
	    (call->route->op && call->route->op->flags & OP_INPUT))
		return 0;
	if (!type)
		return error_set(err, ERR_USAGE, "Bad Request. Content-Type header is missing.");
	if (strncasecmp(type, json, sizeof(json) - 1) || (type[sizeof(json) - 1] && !strchr(" \t;", type[sizeof(json) - 1])))
		return error_set(err, ERR_USAGE, "Bad Request. Content-Type must be one of ['%s'].", json);
	return 0;
}

int router_find(struct call *call, const char *query, struct error *err)
{
	if (access_admit(call, err) < 0)
		return -1;
	call->route = find_route(call->path, call->method);
	if (!call->route && !strcmp(call->method, "HEAD"))
		call->route = find_route(call->path, "GET");
	if (!call->route)
		return no_route(call, err);
	if (match(call->route->path, call->path, call) != MATCH_YES)
		return error_set(err, ERR_USAGE, "the path is not one that is well escaped and clean");
	if (split_query(call, query, err) < 0 || access_check(call, err) < 0)
		return -1;
	return check_type(call, err);
}
