/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "base/mem.h"

static const struct mlflow_route rows[] = {
	{ "POST", "/runs/search", "run.search", NULL, NULL },
	{ "POST", "/experiments/search", "experiment.search", NULL, NULL },
	{ "GET", "/experiments/search", "experiment.search", NULL, NULL },
	{ "POST", "/experiments/search-datasets", "dataset.search", NULL, NULL },
	{ "POST", "/runs/log-inputs", "run.inputs", NULL, NULL },
	{ "POST", "/runs/outputs", "run.outputs", NULL, NULL },
	{ "GET", "/metrics/get-history-bulk", "metric.histories", NULL, NULL },
	{ "GET", "/metrics/get-history-bulk-interval", "metric.samples", NULL, NULL },
};
const struct mlflow_table mlflow_search = { rows, ARRAY_LEN(rows) };
