/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a browser was led here by another site's page. A name that somebody else owns may point at this machine (DNS
 * rebinding), so a request must call the server by a name that it has; a number is one, nobody can make it point
 * elsewhere. A page may send to other sites without being asked about (CSRF), but its browser says from where.
 */
#include "agent/access_internal.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strlist.h"

#define HOST_MAX 256

static struct strlist allowed; /* as typed; "*.example.org" is all below it */

/* The name in "name:port", "[::1]:port"; false: it is none. Users hate it when ports count. */
static bool host_name(const char *text, size_t len, char ret[HOST_MAX])
{
	const char *end = memchr(text, *text == '[' ? ']' : ':', len);
	const char *port = !end ? text + len : *text == '[' ? end + 1 : end;
	size_t n = (size_t)(port - text), rest = len - n;

	if (!n || n >= HOST_MAX || (*text == '[' && !end) || (rest && *port != ':') || rest > 6)
		return false;
	for (size_t i = 1; i < rest; i++)
		if (port[i] < '0' || port[i] > '9')
			return false;
	memcpy(ret, text, n);
	ret[n] = '\0';
	if (n > 1 && ret[n - 1] == '.') /* a name may end in the root's dot */
		ret[n - 1] = '\0';
	return true;
}

static bool is_number(const char *name)
{
	unsigned char address[16];
	char inner[HOST_MAX];
	size_t len = strlen(name);

	if (inet_pton(AF_INET, name, address) == 1)
		return true;
	if (*name != '[' || len < 3)
		return false;
	snprintf(inner, sizeof(inner), "%.*s", (int)(len - 2), name + 1);
	return inet_pton(AF_INET6, inner, address) == 1;
}

static bool fits(const char *pattern, const char *name)
{
	size_t len = strlen(name), tail;

	if (strncmp(pattern, "*.", 2) != 0)
		return !strcasecmp(pattern, name);
	tail = strlen(pattern + 1);
	return len > tail && !strcasecmp(name + len - tail, pattern + 1);
}

static bool is_allowed(const char *name)
{
	if (is_number(name) || !strcasecmp(name, "localhost"))
		return true;
	for (size_t i = 0; i < allowed.len; i++)
		if (fits(allowed.items[i], name))
			return true;
	return false;
}

void origin_allow(const char *listen, const char *const *more)
{
	char name[HOST_MAX], host[HOST_MAX];

	if (listen && strncmp(listen, "unix:", 5) && host_name(listen, strlen(listen), name)) {
		strlist_push(&allowed, name);
		/* who listens for other machines is called by its own name, too */
		if (strcmp(name, "127.0.0.1") && strcmp(name, "localhost") && strcmp(name, "[::1]") &&
		    gethostname(host, sizeof(host)) == 0)
			strlist_push(&allowed, host);
	}
	for (size_t i = 0; more && more[i]; i++)
		strlist_push(&allowed, more[i]);
}

void origin_release(void)
{
	strlist_release(&allowed);
}

static int refuse_host(const char *host, struct error *err)
{
	CLEANUP(cleanup_free) char *safe = xstrndup(host, 100);

	error_set(err, ERR_DENIED, "Invalid Host header: this agent is not called '%s'", safe);
	return error_help(err, "call it by an address or by localhost, or start it with: --allow-host NAME");
}

/* "https://name:port"; "null" of a page without an origin is nobody's. */
static bool same_host(const char *origin, const char *host)
{
	const char *at = strstr(origin, "://");

	return at && host && !strcasecmp(at + 3, host);
}

static int check_site(const struct origin_head *h, struct error *err)
{
	bool same = !h->fetch_site || !strcmp(h->fetch_site, "same-origin") || !strcmp(h->fetch_site, "none");

	if (same && (!h->origin || same_host(h->origin, h->host)))
		return 0;
	error_set(err, ERR_DENIED, "a page of another site may not change anything here");
	return error_help(err, "programs send no header Origin; pages of this agent have its own");
}

int origin_check(const struct origin_head *h, struct error *err)
{
	char name[HOST_MAX];

	if (!h->is_unix && (!h->host || !host_name(h->host, strlen(h->host), name) || !is_allowed(name)))
		return refuse_host(h->host ? h->host : "", err);
	if (!strcmp(h->method, "GET") || !strcmp(h->method, "HEAD"))
		return 0;
	return check_site(h, err);
}
