/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define HOST_MAX 255

static int refuse(const char *text, const char *why, struct error *err)
{
	error_set(err, ERR_USAGE, "'%.200s' is no address of an agent: %s", text, why);
	return error_help(err, "such as: http://127.0.0.1:5000, https://mlops.example:5000, unix:/run/mlops/agent.sock");
}

static int parse_unix(const char *text, const char *path, struct address *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;

	if (!*path)
		return refuse(text, "it names no socket", err);
	if (*path != '/' && !(dir = getcwd(NULL, 0)))
		return error_sys(err, errno, "cannot tell the working directory");
	ret->unix_path = dir ? xasprintf("%s/%s", dir, path) : xstrdup(path);
	ret->name = xasprintf("unix:%s", ret->unix_path);
	ret->url = xstrdup("http://localhost");
	ret->prefix = xstrdup("");
	ret->is_private = true;
	return 0;
}

/* ---- http and https ---- */

struct parts {
	const char *host; /* with the brackets of IPv6 */
	size_t host_len;
	unsigned port;
	const char *path; /* what follows */
};

static bool host_is_clean(const char *host, size_t len)
{
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
	static const char numbers[] = "ABCDEFabcdef0123456789:.";
	bool is_ipv6 = len > 2 && *host == '[' && host[len - 1] == ']';

	if (!len || len > HOST_MAX)
		return false;
	return is_ipv6 ? strspn(host + 1, numbers) == len - 2 : strspn(host, name) >= len;
}

static int split(const char *text, const char *rest, unsigned port, struct parts *ret, struct error *err)
{
	size_t len = *rest == '[' ? strcspn(rest, "]") : strcspn(rest, ":/?#");
	char *end;

	if (rest[strcspn(rest, "@?#\\")])
		return refuse(text, "it has a name, a query or a fragment", err);
	len += rest[len] == ']';
	*ret = (struct parts){ .host = rest, .host_len = len, .port = port, .path = rest + len };
	if (!host_is_clean(rest, len))
		return refuse(text, "its host is none", err);
	if (*ret->path == ':') {
		unsigned long given = isdigit((unsigned char)ret->path[1]) ? strtoul(ret->path + 1, &end, 10) : 0;

		if (!given || given > 65535)
			return refuse(text, "its port is none", err);
		ret->port = (unsigned)given;
		ret->path = end;
	}
	return *ret->path && *ret->path != '/' ? refuse(text, "its host is none", err) : 0;
}

static bool path_is_clean(const char *path)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%/";

	return !path[strspn(path, allowed)] && !strstr(path, "//") && !strstr(path, "/.");
}

static bool is_loopback(const char *host, size_t len)
{
	static const char *const names[] = { "localhost", "[::1]" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (len == strlen(names[i]) && !strncasecmp(host, names[i], len))
			return true;
	return len > 4 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") >= len;
}

static char *lower(const char *text, size_t len)
{
	char *copy = xstrndup(text, len);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static int parse_http(const char *text, const char *rest, bool tls, bool chosen, struct address *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *host = NULL, *prefix = NULL;
	struct parts p = { 0 };
	size_t len;

	if (split(text, rest, 0, &p, err) < 0)
		return -1;
	tls = chosen ? tls : !is_loopback(p.host, p.host_len);
	for (len = strlen(p.path); len && p.path[len - 1] == '/';)
		len--;
	prefix = xstrndup(p.path, len);
	if (!path_is_clean(prefix))
		return refuse(text, "its path is not clean", err);
	host = lower(p.host, p.host_len);
	ret->url = p.port && p.port != (tls ? 443u : 80u)
			   ? xasprintf("http%s://%s:%u", tls ? "s" : "", host, p.port)
			   : xasprintf("http%s://%s", tls ? "s" : "", host);
	ret->prefix = steal(&prefix);
	ret->name = xasprintf("%s%s", ret->url, ret->prefix);
	ret->is_private = tls || is_loopback(p.host, p.host_len);
	return 0;
}

int address_parse(const char *text, struct address *ret, struct error *err)
{
	*ret = (struct address){ 0 };
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return refuse(text, "it holds a control byte", err);
	if (!strncmp(text, "unix:", 5))
		return parse_unix(text, text + 5, ret, err);
	if (!strncasecmp(text, "http://", 7))
		return parse_http(text, text + 7, false, true, ret, err);
	if (!strncasecmp(text, "https://", 8))
		return parse_http(text, text + 8, true, true, ret, err);
	if (strstr(text, "://"))
		return refuse(text, "its scheme is none of http, https, unix", err);
	return parse_http(text, text, false, false, ret, err);
}

void address_release(struct address *a)
{
	free(a->name);
	free(a->url);
	free(a->prefix);
	free(a->unix_path);
	*a = (struct address){ 0 };
}

struct http_server address_server(const struct address *a)
{
	const char *ca = getenv("SSL_CERT_FILE");

	return (struct http_server){ .url = a->url, .unix_path = a->unix_path, .ca = ca && *ca ? ca : NULL };
}
