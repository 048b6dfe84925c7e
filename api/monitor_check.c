/* SPDX-License-Identifier: Apache-2.0 */
/* A check: what monitor/watch asks of its host. */
#include <string.h>
#include "api/events.h"
#include "api/monitors.h"
#include "api/ops.h"
#include "api/snapshot.h"
#include "api/tables.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/ingest.h"
#include "registry/project.h"

struct hosted {
	struct op_context *ctx;
	const struct watch *watch;
	const struct monitor_how *how;
};

/* A name in the store, whatever files of that name are beside the agent. */
static int open_stored(struct op_context *ctx, const char *name, struct table_inputs *ret, struct error *err)
{
	CLEANUP(snapshot_release) struct snapshot snap = SNAPSHOT_INIT;
	struct content content;
	struct store *store;
	const char *inside;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	if (snapshot_within(ctx, name, &snap, &inside, err) < 0 || snapshot_content(&snap, store, inside, &content, err) < 0)
		return error_help(err, "name what is stored, such as ARTIFACT@v1; files are read of a project that is the agent's own "
				       "work tree (--no-checkout)");
	return table_inputs_of(ctx, &content, name, ret, err);
}

static int open_reference(const struct hosted *h, const struct content *trained, struct table_inputs *ret,
			  struct error *err)
{
	if (trained)
		return table_inputs_of(h->ctx, trained, "the table the model was trained on", ret, err);
	return h->how->stored ? open_stored(h->ctx, h->watch->reference, ret, err) :
				table_inputs_open(h->ctx, h->watch->reference, ret, err);
}

static int read_reference(void *ctx, const struct content *trained,
			  int (*each)(void *, int, const char *, struct error *), void *each_ctx, struct error *err)
{
	const struct hosted *h = ctx;
	CLEANUP(table_inputs_release) struct table_inputs inputs = TABLE_INPUTS_INIT;

	if (open_reference(h, trained, &inputs, err) < 0)
		return error_wrap(err, "reference of monitor %s", h->watch->name);
	for (size_t i = 0; i < inputs.len; i++)
		if (each(each_ctx, inputs.items[i].fd, inputs.items[i].name, err) < 0)
			return error_wrap(err, "reference of monitor %s", h->watch->name);
	return 0;
}

static int write_event(void *ctx, struct db *db, const char *operation, const char *after, const struct js *body,
		       struct error *err)
{
	const struct hosted *h = ctx;
	struct op_event event = { .operation = operation, .subject = h->watch->name, .after = after, .body = body };

	return op_event(h->ctx, db, &event, err);
}

static void emit(void *ctx, const struct js *event)
{
	const struct hosted *h = ctx;

	if (h->ctx->emit)
		h->ctx->emit(h->ctx->ctx, event);
}

static bool is_stopped(void *ctx)
{
	const struct hosted *h = ctx;

	return h->ctx->stopped && h->ctx->stopped(h->ctx->ctx);
}

static int next(void *ctx, struct error *err)
{
	const struct hosted *h = ctx;

	return h->how->next ? h->how->next(h->how->ctx, err) : 1;
}

int monitor_check(struct op_context *ctx, const struct watch *watch, const struct monitor_how *how, struct js **ret,
		  struct error *err)
{
	static const struct monitor_how usual;
	struct hosted hosted = { ctx, watch, how ? how : &usual };
	struct watch_host host = { .project = ctx->project, .reference = read_reference, .event = write_event,
				   .emit = emit, .next = next, .stopped = is_stopped, .ctx = &hosted };
	CLEANUP_JS struct js *result = NULL;
	int64_t lost;

	if (watch_check(watch, &host, &result, err) < 0)
		return -1;
	if (monitor_takes(watch) && ingest_clean(ctx->project, watch->name, clock_wall_ms(), &lost, err) < 0)
		return -1;
	if (monitor_takes(watch) && lost)
		js_set_int(result, "lost", lost);
	*ret = steal(&result);
	return 0;
}
