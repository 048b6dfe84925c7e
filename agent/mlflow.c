/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include <string.h>
#include "agent/mlflow_args.h"
#include "agent/operation.h"
#include "agent/router.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

/* The newest line whose clients were tried. */
#define MLFLOW_VERSION "3.17.2"
#define HERE_MAX (128u << 10) /* bytes of a body that are read on a thread of the server */

static const struct mlflow_table *const tables[] = { &mlflow_artifacts, &mlflow_experiments, &mlflow_runs, &mlflow_search, &mlflow_models,
						     &mlflow_versions, &mlflow_logged_models };
static const char *const prefixes[] = { "/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0" };

/* ---- errors ---- */

#define USER   "KAM00"
#define SYSTEM "XXM00"
static const struct named {
	enum error_code code;
	const char *name;
	int status;
	const char *sqlstate, *class; /* of the 3.x line; NULL: it tells none */
} names[] = {
	{ ERR_USAGE, "INVALID_PARAMETER_VALUE", 400, USER, "INVALID_PARAMETER_VALUE" },
	{ ERR_NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", 404, USER, "RESOURCE_NOT_FOUND" },
	{ ERR_EXISTS, "RESOURCE_ALREADY_EXISTS", 400, USER, "RESOURCE_ALREADY_EXISTS" },
	{ ERR_CONFLICT, "INVALID_PARAMETER_VALUE", 400, USER, "INVALID_PARAMETER_VALUE" },
	{ ERR_DENIED, "PERMISSION_DENIED", 403, USER, "PERMISSION_DENIED" },
	{ ERR_AUTH, "UNAUTHENTICATED", 401, NULL, NULL },
	{ ERR_UNSUPPORTED, "NOT_IMPLEMENTED", 501, NULL, NULL },
	{ ERR_METHOD, "ENDPOINT_NOT_FOUND", 405, USER, "RESOURCE_NOT_FOUND" },
	{ ERR_TOO_LARGE, "BAD_REQUEST", 413, USER, "INVALID_PARAMETER_VALUE" },
	{ ERR_LIMIT, "REQUEST_LIMIT_EXCEEDED", 429, NULL, NULL },
	{ ERR_ENV, "TEMPORARILY_UNAVAILABLE", 503, SYSTEM, "CLIENT_INTERNAL_ERROR" },
};
static const struct named no_route = { 0, "ENDPOINT_NOT_FOUND", 404, USER, "RESOURCE_NOT_FOUND" };
static const struct named other = { 0, "INTERNAL_ERROR", 500, SYSTEM, "CLIENT_INTERNAL_ERROR" };

void mlflow_fail(struct call *call, const struct error *err)
{
	CLEANUP_JS struct js *json = js_object();
	const struct named *named = &other;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].code == err->code)
			named = &names[i];
	if (!call->route && err->code == ERR_NOT_FOUND)
		named = &no_route;
	js_set_str(json, "error_code", named->name);
	js_set_str(json, "message", err->msg);
	js_set_str(json, "sqlstate", named->sqlstate);
	js_set_str(json, "error_class", named->class);
	call_reply_json(call, named->status, json);
}

/* ---- operations ---- */

/* On the lane, with the arguments that serve_args left. */
static int serve_operation(struct call *call, struct project *project, struct error *err)
{
	const struct mlflow_route *row = call->route->more;
	CLEANUP_JS struct js *result = NULL;

	if (call->route->op->flags & OP_BYTES)
		return mlflow_serve_bytes(call, project, err);
	if (operation_call(call, call->route->op, project, call->state, &result, err) < 0)
		return -1;
	if (!result)
		result = js_object();
	if (row->encode)
		row->encode(call, result);
	call_reply_json(call, 200, result);
	return 0;
}

static enum lane lane_of(const struct op *op)
{
	if (op->flags & OP_WRITES)
		return LANE_WRITE;
	return op->flags & OP_LONG ? LANE_SLOW : LANE_READ;
}

static int decode(struct call *call, struct error *err)
{
	const struct mlflow_route *row = call->route->more;
	CLEANUP_JS struct js *args = NULL;

	if (mlflow_args(call, call->route->op, &args, err) < 0 || (row->decode && row->decode(call, args, err) < 0))
		return -1;
	if (!(call->route->op->flags & OP_ONCE)) /* whose body tells repeats */
		strbuf_release(&call->body);
	call->state = steal(&args);
	return 0;
}

static int serve_large(struct call *call, struct project *project, struct error *err)
{
	return decode(call, err) < 0 ? -1 : serve_operation(call, project, err);
}

/* On a thread of the server, because the writer is one for all; but what takes long to read would hold up others. */
static int serve_args(struct call *call, struct project *project, struct error *err)
{
	enum lane lane = lane_of(call->route->op);

	(void)project;
	if (call->body.len > HERE_MAX) {
		call_continue(call, lane, serve_large);
		return 0;
	}
	if (decode(call, err) < 0)
		return -1;
	call_continue(call, lane, serve_operation);
	return 0;
}

static void forget_args(void *args)
{
	js_free(args);
}

/* ---- what stands beside the API ---- */

static int serve_health(struct call *call, struct project *project, struct error *err)
{
	(void)project;
	(void)err;
	call_reply(call, 200, "text/plain; charset=utf-8", "OK", 2);
	return 0;
}

static int serve_version(struct call *call, struct project *project, struct error *err)
{
	(void)project;
	(void)err;
	call_reply(call, 200, "text/plain; charset=utf-8", MLFLOW_VERSION, strlen(MLFLOW_VERSION));
	return 0;
}

static int serve_info(struct call *call, struct project *project, struct error *err)
{
	static const char info[] =
		"{\"store_type\":\"SqlStore\",\"workspaces_enabled\":false,\"trace_archival_enabled\":false,"
		"\"multipart_uploads_enabled\":false,\"multipart_downloads_enabled\":false}";

	(void)project;
	(void)err;
	call_reply(call, 200, "application/json", info, sizeof(info) - 1);
	return 0;
}

static const struct route fixed[] = {
	{ .method = "GET", .path = "/health", .flags = ROUTE_OPEN, .serve = serve_health },
	{ .method = "GET", .path = "/version", .flags = ROUTE_OPEN, .serve = serve_version },
	{ .method = "GET", .path = "/api/3.0/mlflow/server-info", .flags = ROUTE_OPEN, .serve = serve_info },
	{ .method = "GET", .path = "/ajax-api/3.0/mlflow/server-info", .flags = ROUTE_OPEN, .serve = serve_info },
};

static void add_table(const struct mlflow_table *table)
{
	/* for the life of the process */
	struct route *routes = xcalloc(table->len * ARRAY_LEN(prefixes), sizeof(*routes));
	size_t n = 0;

	for (size_t p = 0; p < ARRAY_LEN(prefixes); p++)
		for (size_t i = 0; i < table->len; i++) {
			const struct op *op = op_find(table->rows[i].op);

			routes[n++] = (struct route){
				.method = table->rows[i].method,
				.path = xasprintf("%s/mlflow%s", prefixes[p], table->rows[i].path),
				.op = op,
				.lane = LANE_HERE,
				.serve = serve_args,
				.forget = forget_args,
				.fail = mlflow_fail,
				.more = &table->rows[i],
			};
		}
	router_add(routes, n);
}

void mlflow_start(void)
{
	router_add(fixed, ARRAY_LEN(fixed));
	mlflow_artifacts_start();
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		add_table(tables[i]);
	mlflow_unsupported_start();
}
