/* SPDX-License-Identifier: Apache-2.0 */
/* Making again what was made. */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "model.reproduce", .command = "reproduce", .method = "POST", .path = "/reproductions",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_STREAM | OP_AUDIT | OP_SPAWNS, .handler = op_reproduce,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NAME, "a model version, a run, or a version of what a step made"),
		TEXT("step", 0, "STEP", COMPLETE_NONE, "only this step, or pattern of steps, from what it read then"),
		TEXT("compare", 0, "exact|metrics", COMPLETE_CHOICE,
		     "metrics: other bytes will do when the numbers agree; default: exact"),
		{ .name = "tolerance", .type = OP_REAL, .value = "T",
		  .help = "how far numbers may be apart, of the larger of the two or of 1; default: 1e-6" }),
	  .summary = "make it again, from nothing but the store, and compare",
	  .details =
		"Examples:\n"
		"  mlops reproduce churn@v7\n"
		"  mlops reproduce churn@champion --compare metrics --tolerance 0.001\n"
		"  mlops reproduce 3f2a91bc --step train\n"
		"\n"
		"Code, data, params, settings and images come from the record of its run, into\n"
		"a project of its own in .mlops/scratch that knows no result, and its steps run\n"
		"there; secrets are those of today. Of a model version, or of a version of a\n"
		"path, those run that made it; of a run, all that it had, also one that deploys.\n"
		"\n"
		"IDENTICAL: the same bytes. EQUIVALENT: other bytes, and numbers that agree.\n"
		"DIFFERENT, exit status 7: the first step, file and byte that differ, and why;\n"
		"for that the step runs once more. IMPOSSIBLE, exit status 8: what is missing,\n"
		"and where it was last seen. The verdict goes on record; [model.NAME] with\n"
		"reproduced = yes waits for it.\n" },
};
OP_TABLE(ops_reproduce, rows);
