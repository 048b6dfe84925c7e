/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/hooks.h"
#include "agent/call.h"
#include "agent/router.h"
#include "agent/scheduler.h"
#include "api/webhooks.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"

static const char *header(void *ctx, const char *name)
{
	return call_header(ctx, name);
}

static struct webhook_post post_of(struct call *call)
{
	return (struct webhook_post){ call_field(call, "project"), header, call, call->body.buf, call->body.len };
}

static int begin(struct call *call, struct error *err)
{
	const struct webhook_post post = post_of(call);

	return webhook_look(&post, err);
}

static void forget(void *state)
{
	webhook_free(state);
}

static int deliver(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct db *db;

	if (project_db(project, &db, err) < 0 || webhook_deliver(project, db, call->state, &result, err) < 0)
		return -1;
	scheduler_fetch(call_field(call, "project")); /* its own branch may define other triggers now */
	call_reply_json(call, js_len(js_get(result, "fired")) ? 202 : 200, result);
	return 0;
}

/* Forges wait for seconds only: what a body leads to is decided here, and runs elsewhere. */
static int prove(struct call *call, struct project *project, struct error *err)
{
	const struct webhook_post post = post_of(call);
	struct webhook *hook;

	if (webhook_prove(project, &post, clock_wall_ms(), &hook, err) < 0)
		return -1;
	call->state = hook;
	call_continue(call, LANE_WRITE, deliver);
	return 0;
}

void hooks_start(void)
{
	static const struct route route = {
		.method = "POST", .path = "/api/v1/hooks/{project}", .flags = ROUTE_OPEN | ROUTE_RAW_BODY, .lane = LANE_READ,
		.max_body = WEBHOOK_BODY_MAX, .begin = begin, .serve = prove, .forget = forget, .fail = call_fail_plainly,
	};

	router_add(&route, 1);
}
