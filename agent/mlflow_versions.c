/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "base/mem.h"

#define VERSIONS "/model-versions"

static const struct mlflow_route rows[] = {
	{ "POST", VERSIONS "/create", "version.create", NULL, NULL },
	{ "GET", VERSIONS "/get", "version.get", NULL, NULL },
	{ "GET", VERSIONS "/search", "version.search", NULL, NULL },
	{ "PATCH", VERSIONS "/update", "version.describe", NULL, NULL },
	{ "DELETE", VERSIONS "/delete", "version.delete", NULL, NULL },
	{ "GET", VERSIONS "/get-download-uri", "version.location", NULL, NULL },
	{ "POST", VERSIONS "/transition-stage", "version.stage", NULL, NULL },
	{ "POST", VERSIONS "/set-tag", "version.tag", NULL, NULL },
	{ "DELETE", VERSIONS "/delete-tag", "version.untag", NULL, NULL },
};
const struct mlflow_table mlflow_versions = { rows, ARRAY_LEN(rows) };
