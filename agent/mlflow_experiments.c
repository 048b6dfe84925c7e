/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "base/mem.h"

static const struct mlflow_route rows[] = {
	{ "POST", "/experiments/create", "experiment.create", NULL, NULL },
	{ "GET", "/experiments/get", "experiment.get", NULL, NULL },
	{ "GET", "/experiments/get-by-name", "experiment.find", NULL, NULL },
	{ "POST", "/experiments/update", "experiment.rename", NULL, NULL },
	{ "POST", "/experiments/delete", "experiment.delete", NULL, NULL },
	{ "POST", "/experiments/restore", "experiment.restore", NULL, NULL },
	{ "POST", "/experiments/set-experiment-tag", "experiment.tag", NULL, NULL },
	{ "POST", "/experiments/delete-experiment-tag", "experiment.untag", NULL, NULL },
};
const struct mlflow_table mlflow_experiments = { rows, ARRAY_LEN(rows) };
