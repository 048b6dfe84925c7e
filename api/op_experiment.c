/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops.h"
#include "base/json.h"
#include "registry/experiments.h"
#include "registry/project.h"

/* experiment.get {experiment_id} -> {experiment{}} */
int op_experiment_get(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *experiment;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    experiment_load(db, js_get_str(args, "experiment_id"), &experiment, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "experiment", experiment);
	return 0;
}
