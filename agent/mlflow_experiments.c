/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "base/mem.h"

static const struct mlflow_route rows[] = {
	{ "GET", "/experiments/get", "experiment.get", NULL, NULL },
};
const struct mlflow_table mlflow_experiments = { rows, ARRAY_LEN(rows) };
