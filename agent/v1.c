/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/v1.h"
#include <string.h>
#include "agent/call.h"
#include "agent/events_feed.h"
#include "agent/openapi.h"
#include "agent/operation.h"
#include "agent/router.h"
#include "agent/streams.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/json.h"
#include "base/mem.h"

bool v1_serves(const struct op *op)
{
	return !(op->flags & OP_LOCAL);
}

/* ---- serving ---- */

/* A result may come with its error (damage was found, and where): then both are told. Of a change, which is undone at
 * an error, the error alone. */
static int serve_operation(struct call *call, struct project *project, struct error *err)
{
	const struct op *op = call->route->op;
	CLEANUP_JS struct js *args = NULL, *result = NULL;
	struct error why = { 0 };
	int r;

	if (operation_args(call, op, true, &args, err) < 0)
		return -1;
	r = operation_call(call, op, project, args, &result, &why);
	if (r < 0 && (js_typeof(result) != JS_OBJECT || op->flags & OP_WRITES)) {
		*err = why;
		return -1;
	}
	if (!result)
		result = js_object();
	if (r < 0)
		js_set(result, "error", error_to_json(&why));
	call_reply_json(call, r < 0 ? error_http_status(why.code) : 200, result);
	return 0;
}

static int serve_stream(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *args = NULL;

	(void)project;
	if (operation_args(call, call->route->op, true, &args, err) < 0 || op_check(call->route->op, args, err) < 0)
		return -1;
	return stream_begin(call, steal(&args), err);
}

static int serve_events(struct call *call, struct project *project, struct error *err)
{
	const char *accept = call_header(call, "Accept");

	return accept && strstr(accept, "text/event-stream") ? events_feed_begin(call, err)
							     : serve_stream(call, project, err);
}

static int serve_local(struct call *call, struct project *project, struct error *err)
{
	const struct op *op = call->route->op;

	(void)project;
	error_set(err, ERR_CONFLICT, "%s needs the work tree in which it is asked for", op->name);
	return error_help(err, "go there and run: mlops %s", op->command);
}

/* ---- routes ---- */

static enum lane lane_of(const struct op *op)
{
	if (op->flags & OP_WRITES)
		return LANE_WRITE;
	return strcmp(op->method, "GET") || op->flags & OP_LONG ? LANE_SLOW : LANE_READ;
}

static struct route route_of(const struct op *op)
{
	struct route route = {
		.method = op->method,
		.path = xasprintf("/api/v1%s", op->path),
		.op = op,
		.flags = op->flags & OP_INPUT ? ROUTE_RAW_BODY : 0,
		.lane = lane_of(op),
		.serve = serve_operation,
		.fail = call_fail_plainly,
	};

	if (!v1_serves(op)) {
		route.lane = LANE_HERE;
		route.serve = serve_local;
	} else if (op->flags & OP_STREAM) {
		route.lane = LANE_OWN;
		route.serve = op->handler == op_event_list ? serve_events : serve_stream;
	}
	return route;
}

void v1_start(void)
{
	static const struct route own[] = {
		{ .method = "GET", .path = "/api/v1/openapi.json", .flags = ROUTE_OPEN, .serve = openapi_serve,
		  .fail = call_fail_plainly },
	};
	const struct op *op;
	struct route *routes;
	size_t n = 0;

	while (op_at(n))
		n++;
	routes = xcalloc(n, sizeof(*routes)); /* for the life of the process */
	n = 0;
	for (size_t i = 0; (op = op_at(i)); i++)
		if (!(op->flags & OP_ROUTED))
			routes[n++] = route_of(op);
	router_add(own, ARRAY_LEN(own));
	router_add(routes, n);
}
