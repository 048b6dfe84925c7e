/* SPDX-License-Identifier: Apache-2.0 */
/* events and whoami: who changed what, and who asks. */
#include <time.h>
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "registry/events.h"
#include "registry/project.h"

#define LIMIT	  20
#define LIMIT_MAX 10000
#define PIECE	  500
#define TICK_NS	  200000000

static int read_query(const struct js *args, struct event_query *ret, struct error *err)
{
	const char *since = js_get_str(args, "since");

	*ret = (struct event_query){
		.after = js_get_int(args, "after", 0),
		.limit = js_get_int(args, "limit", LIMIT),
		.oldest_first = js_get(args, "after") != NULL,
	};
	if (since && parse_moment(since, clock_wall_ms(), &ret->since_ms, err) < 0)
		return error_wrap(err, "--since");
	if (ret->limit < 1 || ret->limit > LIMIT_MAX)
		return error_set(err, ERR_USAGE, "--limit is 1 to %d, not %lld", LIMIT_MAX, (long long)ret->limit);
	return 0;
}

static void emit(struct op_context *ctx, struct js *event, int64_t *last)
{
	js_set_str(event, "event", "change");
	ctx->emit(ctx->ctx, event);
	*last = js_get_int(event, "seq", 0);
}

/* The newest there are, oldest first, then each new one. Other processes write them too, so it looks. */
static int follow(struct op_context *ctx, struct event_query query, struct error *err)
{
	static const struct timespec tick = { 0, TICK_NS };
	CLEANUP_JS struct js *old = NULL;
	int64_t last = query.after;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || (!last && event_last(db, &last, err) < 0) ||
	    event_find(db, &query, &old, err) < 0)
		return -1;
	for (size_t i = 0, n = js_len(old); i < n; i++)
		emit(ctx, js_at(old, query.oldest_first ? i : n - 1 - i), &last);
	query = (struct event_query){ .limit = PIECE, .oldest_first = true };
	while (!ctx->stopped || !ctx->stopped(ctx->ctx)) {
		CLEANUP_JS struct js *found = NULL;

		query.after = last;
		if (event_find(db, &query, &found, err) < 0)
			return -1;
		for (size_t i = 0; i < js_len(found); i++)
			emit(ctx, js_at(found, i), &last);
		if (js_len(found) < PIECE)
			nanosleep(&tick, NULL);
	}
	return 0;
}

/* event.list {after, since, limit, follow} -> {events: [...]}, the newest first, after `after` the oldest first; with
 * `follow` none: each is emitted as {event: "change", seq, ...}. */
int op_event_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct event_query query;
	struct js *events;
	struct db *db;

	if (read_query(args, &query, err) < 0)
		return -1;
	if (js_get_bool(args, "follow"))
		return follow(ctx, query, err);
	if (project_db(ctx->project, &db, err) < 0 || event_find(db, &query, &events, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "events", events);
	return 0;
}

/* access.whoami -> {actor, enforced, role, ...}: of who asks an agent, what it knows of him; else who he is here, where
 * only the files' permissions count. */
int op_whoami(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *result;

	(void)args;
	(void)err;
	if (ctx->who) {
		*ret_result = js_ref((struct js *)(uintptr_t)ctx->who);
		return 0;
	}
	result = js_object();
	js_set_str(result, "actor", op_actor(ctx));
	js_set_bool(result, "enforced", false);
	*ret_result = result;
	return 0;
}
