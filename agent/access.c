/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/access.h"
#include "agent/router.h"
#include "api/ops.h"
#include "base/json.h"

int access_check(struct call *call, struct error *err)
{
	const struct route *route = call->route;

	call->who = js_object();
	js_set_str(call->who, "actor", call->peer.is_unix ? "socket" : "anonymous");
	if (route->flags & (ROUTE_OPEN | ROUTE_TRACKING) || call->peer.is_unix ||
	    (route->op && route->op->flags & OP_TRACKING && call->peer.is_loopback))
		return 0;
	return error_set(err, ERR_AUTH, "this needs a token");
}
