/* SPDX-License-Identifier: Apache-2.0 */
/* First line: method, blank, target; paths and queries of routes, and heads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "agent/head.h"
#include "agent/router.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int serve(struct call *call, struct project *project, struct error *err)
{
	(void)call;
	(void)project;
	(void)err;
	return 0;
}

static const struct route routes[] = {
	{ .method = "GET", .path = "/a", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "GET", .path = "/a/{name}", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "POST", .path = "/a/{name}/b/{other}", .flags = ROUTE_OPEN, .serve = serve },
	{ .method = "PUT", .path = "/files/{path*}", .flags = ROUTE_OPEN, .serve = serve },
};

struct fake {
	struct call call;
	char server[512]; /* what call_header looks into */
};

/* Values are decoded UTF-8, and none of a path can climb. */
static void check_fields(const struct call *call)
{
	const char *rest = call_field(call, "path");

	for (size_t i = 0; i < call->nfields; i++) {
		const char *value = call->fields[i].value;

		if (utf8_span(value, strlen(value)) != strlen(value))
			abort();
	}
	if (!strncmp(call->path, "/files/", 7) && call->route &&
	    (!rest || *rest == '/' || strstr(rest, "//") || !strncmp(rest, "../", 3) || strstr(rest, "/../")))
		abort();
}

static void find(const char *method, char *target)
{
	struct fake fake = { .call = { .method = method, .fd = -1, .body = STRBUF_INIT, .text = STRBUF_INIT,
				       .peer = { .is_unix = true } } };
	char *mark = strchr(target, '?');
	struct error err = { 0 };

	if (mark)
		*mark = '\0';
	fake.call.path = target;
	if (router_find(&fake.call, mark ? mark + 1 : "", &err) == 0)
		check_fields(&fake.call);
	else
		router_allow(&fake.call);
	for (size_t i = 0; i < fake.call.nfields; i++) {
		free(fake.call.fields[i].name);
		free(fake.call.fields[i].value);
	}
	free(fake.call.fields);
	call_drop_answer(&fake.call);
}

/* The rest: lines that are NAME, ':', VALUE. */
static void check_heads(char *lines)
{
	struct head h = { 0 };
	struct error err = { 0 };
	int64_t length = 0;
	int status;

	for (char *line = lines, *next; line; line = next) {
		char *colon;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		colon = strchr(line, ':');
		if (colon) {
			*colon = '\0';
			head_field(&h, line, colon + 1);
		}
	}
	if (head_check(&h, "HTTP/1.1", &length, &status, &err) == 0 &&
	    (h.hosts != 1 || h.lengths + h.codings > 1 || length < -1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	char *eol = strchr(text, '\n'), *blank;

	if (!router_count()) {
		router_add(routes, ARRAY_LEN(routes));
		router_ready();
	}
	if (eol)
		*eol = '\0';
	blank = strchr(text, ' ');
	if (blank) {
		*blank = '\0';
		if (head_is_target(blank + 1))
			find(text, blank + 1);
	}
	if (eol)
		check_heads(eol + 1);
	return 0;
}
