/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that write their JSON themselves, because it may be long (OP_BYTES). What is short is an answer like any
 * other. What is not is begun again as a stream (streams.h) and goes out as it is read, so that neither its size nor a
 * slow client costs anybody else; one that takes nothing for half a minute is cut off.
 */
#include <string.h>
#include "agent/access.h"
#include "agent/call.h"
#include "agent/mlflow.h"
#include "agent/router.h"
#include "agent/streams.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/project.h"

#define SHORT_MAX (256u << 10)
#define JSON_TYPE "application/json"

struct sink {
	struct strbuf text;
	bool full;
};

static int keep(void *ctx, const void *data, size_t len)
{
	struct sink *sink = ctx;

	sink->full = sink->text.len + len > SHORT_MAX;
	if (sink->full)
		return -1;
	strbuf_add(&sink->text, data, len);
	return 0;
}

static int run(const struct call *call, struct project *project, struct sink *to, struct error *err)
{
	const struct op *op = call->route->op;
	CLEANUP_JS struct js *result = NULL;
	struct op_context ctx = {
		.project = project,
		.dir = project->root,
		.command_line = op->name,
		.origin = "http",
		.actor = call->who.name,
		.write = keep,
		.ctx = to,
	};

	if (access_op(&call->who, op, project, call->state, err) < 0)
		return -1;
	return op_call(op, &ctx, call->state, &result, err);
}

int mlflow_serve_bytes(struct call *call, struct project *project, struct error *err)
{
	struct sink sink = { .text = STRBUF_INIT };
	int r = run(call, project, &sink, err);

	if (r == 0) {
		call_reply_buf(call, 200, JSON_TYPE, &sink.text);
	} else if (sink.full) {
		struct js *args = call->state;

		call->state = NULL;
		r = stream_go_on(call, args, JSON_TYPE, err);
	}
	strbuf_release(&sink.text);
	return r;
}
