/* SPDX-License-Identifier: Apache-2.0 */
#include "api/events.h"
#include "api/ops.h"
#include "base/clock.h"
#include "registry/events.h"

int op_event(struct op_context *ctx, struct db *db, const struct op_event *e, struct error *err)
{
	struct event event = {
		.actor = op_actor(ctx),
		.origin = ctx->origin ? ctx->origin : "cli",
		.operation = e->operation,
		.subject = e->subject,
		.before = e->before,
		.after = e->after,
		.body = e->body,
	};

	return event_append(db, &event, clock_wall_ms(), NULL, err);
}
