/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ingest.h"
#include <stdlib.h>
#include <string.h>
#include "agent/lanes.h"
#include "agent/monitors.h"
#include "agent/router.h"
#include "api/ingest.h"
#include "api/ops.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/ingest.h"

/* the writer's */
static struct ingest *ingest;
static struct strlist put; /* monitors for whom something was put since the last commit */

static const char *header(void *ctx, const char *name)
{
	return call_header(ctx, name);
}

static bool is_labels(const struct call *call)
{
	return call->route->more != NULL;
}

static void forget(void *state)
{
	rows_free(state);
}

static int keep(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *json = NULL;

	if (rows_keep(project, ingest, call->state, &json, err) < 0)
		return -1;
	if (!strlist_has(&put, call_field(call, "monitor")))
		strlist_push(&put, call_field(call, "monitor"));
	call_reply_json(call, 200, json);
	return 0;
}

static int read_with(void *ctx, const struct followed *monitor, struct error *err)
{
	struct call *call = ctx;
	struct rows_in *in;
	const struct rows_request request = {
		.labels = is_labels(call), .header = header, .ctx = call, .body = call->body.buf, .len = call->body.len,
	};

	if (rows_read(monitor, &request, &in, err) < 0)
		return -1;
	call->state = in;
	return 0;
}

static int take(struct call *call, struct project *project, struct error *err)
{
	if (monitors_with(project, call_field(call, "monitor"), read_with, call, err) < 0)
		return -1;
	strbuf_release(&call->body);
	call_continue(call, LANE_WRITE, keep);
	return 0;
}

static int sync_all(struct error *err)
{
	return ingest_sync(ingest, err);
}

/* Not before: who looks sooner finds nothing, and would not look again. */
void ingest_committed(void)
{
	for (size_t i = 0; i < put.len; i++)
		monitors_wake(put.items[i]);
	strlist_release(&put);
}

int ingest_start(const struct project *project, struct error *err)
{
	static const struct route rows[] = {
		{ .method = "POST", .path = "/api/v1/monitors/{monitor}/rows", .flags = ROUTE_RAW_BODY, .lane = LANE_SLOW,
		  .serve = take, .forget = forget, .fail = call_fail_plainly },
		{ .method = "POST", .path = "/api/v1/monitors/{monitor}/labels", .flags = ROUTE_RAW_BODY, .lane = LANE_SLOW,
		  .serve = take, .forget = forget, .fail = call_fail_plainly, .more = "labels" },
	};
	struct route *routes;

	if (ingest_open(project, &ingest, err) < 0)
		return -1;
	routes = xmemdup(rows, sizeof(rows)); /* for the life of the process */
	routes[0].op = op_find("monitor.rows");
	routes[1].op = op_find("monitor.labels");
	router_add(routes, ARRAY_LEN(rows));
	lanes_before_commit(sync_all);
	return 0;
}

void ingest_stop(void)
{
	ingest_close(ingest);
	strlist_release(&put);
}
