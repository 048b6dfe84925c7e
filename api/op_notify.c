/* SPDX-License-Identifier: Apache-2.0 */
/* notify list, notify retry: what the agent tells others. */
#include <stdio.h>
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/events.h"
#include "registry/outbox.h"
#include "registry/project.h"

#define LIMIT	  50
#define LIMIT_MAX 1000

/* notify.list {limit} -> {notifications: [outbox_list]} */
int op_notify_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t limit = js_get_int(args, "limit", LIMIT);
	struct js *list;
	struct db *db;

	if (limit < 1 || limit > LIMIT_MAX)
		return error_set(err, ERR_USAGE, "--limit is a number from 1 to %d", LIMIT_MAX);
	if (project_db(ctx->project, &db, err) < 0 || outbox_list(db, limit, &list, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "notifications", list);
	return 0;
}

static int retry(struct op_context *ctx, struct db *db, int64_t id, struct error *err)
{
	char subject[24];
	const struct event event = {
		.actor = op_actor(ctx),
		.origin = ctx->origin,
		.operation = "notify.retry",
		.subject = subject,
	};

	snprintf(subject, sizeof(subject), "%lld", (long long)id);
	return outbox_again(db, id, clock_wall_ms(), err) < 0 ? -1 : event_append(db, &event, clock_wall_ms(), NULL, err);
}

/* notify.retry {id} -> {id} */
int op_notify_retry(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t id = js_get_int(args, "id", 0);
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (retry(ctx, db, id, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_int(*ret_result, "id", id);
	return 0;
}
