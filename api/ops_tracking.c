/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "experiment.get", .method = "GET", .path = "/experiments/{experiment_id}", .role = ROLE_VIEWER,
	  .about = ABOUT_EXPERIMENT, .flags = OP_TRACKING, .handler = op_experiment_get,
	  .params = PARAMS(FIELD("experiment-id", OPP_REQUIRED, OP_TEXT, "its number")),
	  .summary = "one experiment with its tags" },
};
OP_TABLE(ops_tracking, rows);
