/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mlflow.h"
#include "agent/mlflow_args.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/life.h"

/* Its JSON has enumerations, whose unknown words are as if they were not there. */
static int decode_view(const struct call *call, struct js *args, struct error *err)
{
	static const char *const keys[] = { "view_type", "run_view_type" };
	enum life_view view;

	(void)call;
	(void)err;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get_str(args, keys[i]) && life_view_parse(keys[i], js_get(args, keys[i]), &view, NULL) < 0)
			js_del(args, keys[i]);
	return 0;
}

static int decode_outputs(const struct call *call, struct js *args, struct error *err)
{
	(void)call;
	return mlflow_need(args, "models", err);
}

static const struct mlflow_route rows[] = {
	{ "POST", "/runs/search", "run.search", decode_view, NULL },
	{ "POST", "/experiments/search", "experiment.search", decode_view, NULL },
	{ "GET", "/experiments/search", "experiment.search", decode_view, NULL },
	{ "POST", "/experiments/search-datasets", "dataset.search", NULL, NULL },
	{ "POST", "/runs/log-inputs", "run.inputs", NULL, NULL },
	{ "POST", "/runs/outputs", "run.outputs", decode_outputs, NULL },
	{ "GET", "/metrics/get-history-bulk", "metric.histories", NULL, NULL },
	{ "GET", "/metrics/get-history-bulk-interval", "metric.samples", NULL, NULL },
};
const struct mlflow_table mlflow_search = { rows, ARRAY_LEN(rows) };
