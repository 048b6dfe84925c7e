/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include <string.h>
#include "agent/operation.h"
#include "agent/router.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

/* The newest line whose clients were tried. */
#define MLFLOW_VERSION "3.17.2"

static const struct mlflow_table *const tables[] = { &mlflow_experiments };
static const char *const prefixes[] = { "/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0" };

/* ---- errors ---- */

static const struct {
	enum error_code code;
	const char *name;
	int status;
} names[] = {
	{ ERR_USAGE, "INVALID_PARAMETER_VALUE", 400 },
	{ ERR_NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", 404 },
	{ ERR_EXISTS, "RESOURCE_ALREADY_EXISTS", 400 },
	{ ERR_CONFLICT, "INVALID_PARAMETER_VALUE", 400 },
	{ ERR_DENIED, "PERMISSION_DENIED", 403 },
	{ ERR_AUTH, "UNAUTHENTICATED", 401 },
	{ ERR_UNSUPPORTED, "NOT_IMPLEMENTED", 501 },
	{ ERR_LIMIT, "REQUEST_LIMIT_EXCEEDED", 429 },
	{ ERR_ENV, "TEMPORARILY_UNAVAILABLE", 503 },
};

void mlflow_fail(struct call *call, const struct error *err)
{
	CLEANUP_JS struct js *json = js_object();
	const char *name = "INTERNAL_ERROR";
	int status = 500;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].code == err->code) {
			name = names[i].name;
			status = names[i].status;
		}
	js_set_str(json, "error_code", name);
	js_set_str(json, "message", err->msg);
	call_reply_json(call, status, json);
}

/* ---- operations ---- */

static int serve_operation(struct call *call, struct project *project, struct error *err)
{
	const struct mlflow_route *row = call->route->more;
	CLEANUP_JS struct js *args = NULL;
	CLEANUP_JS struct js *result = NULL;

	if (operation_args(call, call->route->op, false, &args, err) < 0 ||
	    (row->decode && row->decode(call, args, err) < 0) ||
	    operation_call(call, call->route->op, project, args, &result, err) < 0)
		return -1;
	if (!result)
		result = js_object();
	if (row->encode)
		row->encode(call, result);
	call_reply_json(call, 200, result);
	return 0;
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
				.lane = op->flags & OP_WRITES ? LANE_WRITE : LANE_READ,
				.serve = serve_operation,
				.fail = mlflow_fail,
				.more = &table->rows[i],
			};
		}
	router_add(routes, n);
}

void mlflow_start(void)
{
	router_add(fixed, ARRAY_LEN(fixed));
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		add_table(tables[i]);
}
