/* SPDX-License-Identifier: Apache-2.0 */
/* Runs inside a CI, and what an agent tells others. */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "ci.run", .command = "ci", .method = "POST", .path = "/ci",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_STREAM | OP_AUDIT | OP_SPAWNS, .handler = op_ci,
	  .params = PARAMS(
		ARG("args", OPP_MANY, "FILE.ini|STEP", COMPLETE_PIPELINE_STEP,
		    "a pipeline file, then steps; default: pipeline.ini, all"),
		MANY("param", 'p', "KEY=VALUE", COMPLETE_PARAM, "change a parameter for this run"),
		INT("jobs", 'j', "N", "steps at a time; default: one a core"),
		FLAG("keep-going", 'k', "after a failure, run what does not depend on it"),
		TEXT("base", 0, "REVISION", COMPLETE_NONE, "compare with this commit; default: the branch that CI says"),
		TEXT("summary", 0, "FILE", COMPLETE_PATH, "append the Markdown to it; default: the one that CI says")),
	  .summary = "run the pipeline in a CI job; metrics and gates as Markdown",
	  .details =
		"Examples:\n"
		"  mlops ci\n"
		"  mlops ci --base origin/main --summary report.md\n"
		"  mlops ci train -p lr=0.1\n"
		"\n"
		"It runs what is not up to date, compares the metrics with those that mlops.lock\n"
		"of the base names, and tells the gates of models. In GitHub Actions, Gitea and\n"
		"GitLab CI the base of a pull request is found by itself, and the summary goes\n"
		"where the first two show it. Exit status 0: all is well; 1: a step failed; 7: a\n"
		"gate is not passed.\n" },
	{ .name = "notify.list", .command = "notify list", .method = "GET", .path = "/notifications",
	  .role = ROLE_ENGINEER, .handler = op_notify_list,
	  .params = PARAMS(INT("limit", 'n', "N", "at most so many; default: 50")),
	  .summary = "what the agent told others, tells them, and could not tell",
	  .details =
		"Examples:\n"
		"  mlops notify list\n"
		"  mlops notify list -n 5\n" },
	{ .name = "notify.retry", .command = "notify retry", .method = "POST", .path = "/notifications/{id}/retry",
	  .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT, .handler = op_notify_retry,
	  .params = PARAMS({ .name = "id", .type = OP_INT, .flags = OPP_POSITIONAL | OPP_REQUIRED, .value = "ID",
			     .help = "of one that has failed, as notify list shows it" }),
	  .summary = "try a notification that has failed once more",
	  .details =
		"Examples:\n"
		"  mlops notify retry 7\n" },
};
OP_TABLE(ops_ci, rows);
