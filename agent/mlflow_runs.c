/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "agent/mlflow_args.h"
#include "base/json.h"
#include "base/mem.h"

/* The operation has a default for who writes requests by hand. */
static int decode_create(const struct call *call, struct js *args, struct error *err)
{
	(void)call;
	return mlflow_need(args, "experiment_id", err);
}

static const struct mlflow_route rows[] = {
	{ "POST", "/runs/create", "run.create", decode_create, NULL },
	{ "GET", "/runs/get", "run.get", NULL, NULL },
	{ "POST", "/runs/update", "run.update", NULL, NULL },
	{ "POST", "/runs/delete", "run.delete", NULL, NULL },
	{ "POST", "/runs/restore", "run.restore", NULL, NULL },
	{ "POST", "/runs/log-batch", "run.log", NULL, NULL },
	{ "POST", "/runs/log-metric", "metric.log", NULL, NULL },
	{ "POST", "/runs/log-parameter", "param.log", NULL, NULL },
	{ "POST", "/runs/set-tag", "run.tag", NULL, NULL },
	{ "POST", "/runs/delete-tag", "run.untag", NULL, NULL },
	{ "GET", "/metrics/get-history", "metric.history", NULL, NULL },
};
const struct mlflow_table mlflow_runs = { rows, ARRAY_LEN(rows) };
