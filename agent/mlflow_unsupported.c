/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MLflow's server has and we have not. Its clients are told so, once and for all: 501 is an answer that they do
 * not try again, and for training code these are things at the side, such as traces.
 */
#include <string.h>
#include "agent/mlflow.h"
#include "agent/router.h"
#include "base/error.h"
#include "base/mem.h"

#define GET    1u
#define POST   2u
#define PUT    4u
#define PATCH  8u
#define DELETE 16u
static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

#define V2 1u /* below /api/2.0/mlflow and /ajax-api/2.0/mlflow */
#define V3 2u
#define V0 4u /* the path is whole */
static const struct prefix {
	unsigned version;
	const char *text;
} prefixes[] = {
	{ V2, "/api/2.0/mlflow" }, { V2, "/ajax-api/2.0/mlflow" }, { V3, "/api/3.0/mlflow" },
	{ V3, "/ajax-api/3.0/mlflow" }, { V0, "" },
};

static const struct family {
	const char *path; /* and all below it */
	unsigned versions, methods;
	const char *what;
} families[] = {
	{ "/webhooks", V2, GET | POST | PATCH | DELETE, "webhooks" },
	{ "/traces", V2 | V3, GET | POST | PATCH | DELETE, "traces" },
	{ "/unified-traces", V2, GET, "traces" },
	{ "/get-online-trace-details", V2, GET, "traces" },
	{ "/get-trace-artifact", V2 | V3, GET, "traces" },
	{ "/v1/traces", V0, POST, "traces" },
	{ "/v1/metrics", V0, POST, "OpenTelemetry metrics" },
	{ "/datasets", V3, GET | POST | PATCH | DELETE, "evaluation datasets" },
	{ "/scorers", V3, GET | POST | PUT | DELETE, "scorers" },
	{ "/scorer", V3, POST, "scorers" },
	{ "/genai", V3, POST, "GenAI evaluation" },
	{ "/issues", V3, GET | POST | PATCH, "issues" },
	{ "/label-schemas", V3, GET | POST | PATCH | DELETE, "label schemas" },
	{ "/review-queues", V3, GET | POST, "review queues" },
	{ "/prompt-optimization", V3, GET | POST | DELETE, "prompt optimization" },
	{ "/gateway", V3, GET | POST | PATCH | DELETE, "the AI gateway" },
	{ "/gateway-proxy", V2, GET | POST, "the AI gateway" },
	{ "/runs/create-promptlab-run", V2, POST, "the prompt lab" },
	{ "/workspaces", V3, GET | POST | PATCH | DELETE, "workspaces" },
	{ "/jobs", V3, GET | POST | PATCH, "jobs of MLflow's server" },
	{ "/ajax-api/3.0/jobs", V0, GET | POST | PATCH, "jobs of MLflow's server" },
	{ "/demo", V3, POST, "demo data" },
	{ "/ui-telemetry", V3, GET | POST, "telemetry" },
	{ "/artifacts/presigned-download-url", V2, POST, "presigned URLs" },
	{ "/artifacts/presigned-upload-url", V2, POST, "presigned URLs" },
	{ "/graphql", V0, GET | POST, "GraphQL" },
};

static int refuse(struct call *call, struct project *project, struct error *err)
{
	const struct family *family = call->route->more;

	(void)project;
	return error_set(err, ERR_UNSUPPORTED, "Not supported by this server, which is mlops and not MLflow's own: %s",
			 family->what);
}

static size_t put(struct route *routes, size_t n, const struct family *family, const char *method, char *path)
{
	routes[n] = (struct route){
		.method = method,
		.path = path,
		.flags = ROUTE_TRACKING | ROUTE_RAW_BODY | ROUTE_REFUSED,
		.lane = LANE_HERE,
		.serve = refuse,
		.fail = mlflow_fail,
		.more = family,
	};
	return n + 1;
}

static size_t put_all(struct route *routes)
{
	size_t n = 0;

	for (size_t f = 0; f < ARRAY_LEN(families); f++)
		for (size_t p = 0; p < ARRAY_LEN(prefixes); p++)
			for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
				const struct family *family = &families[f];

				if (!(family->versions & prefixes[p].version) || !(family->methods & 1u << m))
					continue;
				n = put(routes, n, family, methods[m], xasprintf("%s%s", prefixes[p].text, family->path));
				n = put(routes, n, family, methods[m],
					xasprintf("%s%s/{rest*}", prefixes[p].text, family->path));
			}
	return n;
}

void mlflow_unsupported_start(void)
{
	/* for the life of the process */
	struct route *routes = xcalloc(2 * ARRAY_LEN(families) * ARRAY_LEN(prefixes) * ARRAY_LEN(methods), sizeof(*routes));

	router_add(routes, put_all(routes));
}
