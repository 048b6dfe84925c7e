/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that write their JSON themselves, because it may be long (OP_BYTES). What is short is an answer like any
 * other. What is not is begun again on a thread for slow work and goes out as it is read, so that neither its size nor
 * a slow client costs anybody else; one that takes nothing for half a minute is cut off.
 */
#include <string.h>
#include "agent/access.h"
#include "agent/call.h"
#include "agent/feed.h"
#include "agent/httpd.h"
#include "agent/mlflow.h"
#include "agent/router.h"
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

static int send_on(void *feed, const void *data, size_t len)
{
	return feed_write(feed, data, len);
}

static int run(const struct principal *who, const struct op *op, struct project *project, const struct js *args,
	       int (*write)(void *, const void *, size_t), void *to, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct op_context ctx = {
		.project = project,
		.dir = project->root,
		.command_line = op->name,
		.origin = "http",
		.actor = who->name,
		.write = write,
		.ctx = to,
	};

	if (access_op(who, op, project, args, err) < 0)
		return -1;
	return op_call(op, &ctx, args, &result, err);
}

/* The call is the server's as soon as its answer has begun: what is needed on is taken from it before. */
static int serve_long(struct call *call, struct project *project, struct error *err)
{
	CLEANUP_JS struct js *args = call->state;
	const struct op *op = call->route->op;
	struct principal who = call->who;
	struct feed *feed = feed_ref(call_reply_feed(call, 200, JSON_TYPE));

	call->state = NULL;
	httpd_answer(call);
	if (run(&who, op, project, args, send_on, feed, err) < 0)
		feed_cut(feed);
	else
		feed_end(feed);
	feed_free(feed);
	return 1;
}

int mlflow_serve_bytes(struct call *call, struct project *project, struct error *err)
{
	struct sink sink = { .text = STRBUF_INIT };
	int r = run(&call->who, call->route->op, project, call->state, keep, &sink, err);

	if (r == 0) {
		call_reply_buf(call, 200, JSON_TYPE, &sink.text);
	} else if (sink.full) {
		call_continue(call, LANE_SLOW, serve_long);
		r = 0;
	}
	strbuf_release(&sink.text);
	return r;
}
