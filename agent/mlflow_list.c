/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include "agent/mlflow.h"
#include "agent/router.h"
#include "api/ops.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

void mlflow_list(void)
{
	mlflow_start();
	for (size_t i = 0; i < router_count(); i++) {
		const struct route *route = router_at(i);
		bool refused = route->flags & ROUTE_REFUSED;
		CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
		CLEANUP_JS struct js *json = js_object();

		js_set_str(json, "method", route->method);
		js_set_str(json, "path", route->path);
		js_set_str(json, "state", refused ? "refused" : "served");
		js_set_str(json, "operation", route->op && !refused ? route->op->name : NULL);
		js_dump(json, JS_COMPACT, &line);
		puts(line.buf);
	}
}
