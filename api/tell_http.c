/* SPDX-License-Identifier: Apache-2.0 */
/* One request to who is told. */
#include <stdlib.h>
#include <string.h>
#include "api/tell_internal.h"
#include "base/error.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "base/reach.h"
#include "policy/notify.h"
#include "registry/project.h"

#define TIMEOUT_MS 20000
#define CONNECT_MS 10000

/* Of a header Retry-After in seconds; a date is not worth reading. */
static int64_t retry_after(const char *text)
{
	return text && *text && strlen(text) < 7 && !text[strspn(text, "0123456789")] ? strtol(text, NULL, 10) * 1000 : 0;
}

/* What another try may change. */
static bool is_passing(int status)
{
	return status >= 500 || status == 408 || status == 425 || status == 429;
}

static int judge(struct exchange *x, const char *server, const char *header, struct error *err)
{
	if (x->status / 100 == 2)
		return 0;
	*x->again_ms = is_passing(x->status) ? retry_after(header) : -1;
	if (x->status / 100 == 3)
		return error_set(err, ERR_ENV, "%s answers %d, and redirects are not followed", server, x->status);
	return error_set(err, ERR_ENV, "%s answers %d", server, x->status);
}

int tell_exchange(struct exchange *x, struct error *err)
{
	struct endpoint endpoint CLEANUP(endpoint_release) = { 0 };
	struct reach reach CLEANUP(reach_release) = { 0 };
	CLEANUP(cleanup_free) char *header = NULL;
	const char *ca = getenv("SSL_CERT_FILE");
	struct error why = { 0 };

	*x->again_ms = -1;
	if (endpoint_parse(x->url, &endpoint, err) < 0 ||
	    reach_parse(settings_get(&x->project->settings, SETTING_NOTIFY_ALLOW), &reach, err) < 0)
		return -1;
	reach.only_listed = endpoint.plain; /* who is on the way would read keys and tokens */
	const struct http_server server = { .url = endpoint.server, .ca = ca && *ca ? ca : NULL, .reach = x->anywhere ? NULL : &reach };
	const struct http_request request = {
		.method = x->method, .path = endpoint.path, .headers = x->headers, .body = x->body,
		.body_len = x->body ? strlen(x->body) : 0, .timeout_ms = x->timeout_ms ? x->timeout_ms : TIMEOUT_MS,
		.connect_ms = CONNECT_MS, .once = true, .max = x->max,
	};
	if (http_exchange(&server, &request, "Retry-After", &x->status, &x->reply, &header, &why) == 0)
		return judge(x, endpoint.server, header, err);
	*x->again_ms = why.code == ERR_DENIED ? -1 : 0;
	error_set(err, why.code, "%s", why.msg);
	if (why.code != ERR_DENIED)
		return -1;
	return error_help(err, "the agent's operator allows networks, and starts it again: mlops config notify.allow 10.0.0.0/8");
}
