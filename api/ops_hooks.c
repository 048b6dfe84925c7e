/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "hooks.install", .command = "hooks install", .method = "PUT", .path = "/hooks",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_TRY_PROJECT, .handler = op_hooks_install,
	  .params = PARAMS(
		TEXT("project", 0, "NAME", COMPLETE_NONE, "what the agent calls it; default: the one that is registered from here"),
		TEXT("to", 0, "URL", COMPLETE_NONE, "the agent to tell; default: MLOPS_AGENT, or that of this project")),
	  .summary = "let git tell the agent of commits, and send data first",
	  .details =
		"Examples:\n"
		"  mlops hooks install\n"
		"  mlops hooks install --project churn --to http://mlops.example:5000\n"
		"  mlops -C churn.git hooks install --project churn --to unix:/srv/a/agent.sock\n"
		"\n"
		"In a work tree: post-commit tells the agent of each commit, and pre-push runs\n"
		"mlops push first and stops git push when the data cannot be sent. In a bare\n"
		"repository: post-receive. Hooks that are there already, in core.hooksPath too,\n"
		"are kept and run first. An agent that does not answer costs a note, never the\n"
		"commit. Which triggers a commit fires is told by the pipeline's [trigger.NAME].\n" },
	{ .name = "hooks.remove", .command = "hooks remove", .method = "DELETE", .path = "/hooks",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_TRY_PROJECT, .handler = op_hooks_remove,
	  .summary = "take the hooks away and put back what was there before",
	  .details =
		"Examples:\n"
		"  mlops hooks remove\n" },
	{ .name = "hooks.run", .command = "hooks run", .method = "POST", .path = "/hooks/run",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_TRY_PROJECT | OP_INPUT, .handler = op_hooks_run,
	  .params = PARAMS(
		ARG("hook", OPP_REQUIRED, "post-commit|pre-push|post-receive", COMPLETE_CHOICE, "which one git calls"),
		ARG("args", OPP_MANY, "WORD", COMPLETE_NONE, "as git gives them")),
	  .summary = "what git runs for an installed hook",
	  .details =
		"Examples:\n"
		"  mlops hooks run post-commit     tells the agent of the last commit again\n"
		"\n"
		"Standard input is what git tells the hook. The same commit at the same ref\n"
		"starts a trigger once, however often it is told.\n" },
	{ .name = "trigger.push", .method = "POST", .path = "/projects/{project}/push", .role = ROLE_ENGINEER,
	  .flags = OP_WRITES | OP_AUDIT, .handler = op_trigger_push,
	  .params = PARAMS(
		FIELD("project", OPP_REQUIRED, OP_TEXT, "its name"),
		FIELD("ref", OPP_REQUIRED, OP_TEXT, "refs/heads/BRANCH or refs/tags/TAG"),
		FIELD("after", 0, OP_TEXT, "the commit that it is at now; absent or zeros: it was deleted"),
		FIELD("before", 0, OP_TEXT, "the commit that it was at; absent or zeros: it is new"),
		FIELD("changed", OPP_MANY, OP_TEXT, "files that differ; absent: any may"),
		FIELD("time", 0, OP_INT, "of the commit, ms since 1970; default: now")),
	  .summary = "tell of a push: what it starts" },
	{ .name = "trigger.approve", .command = "trigger approve", .method = "POST", .path = "/firings/{firing}/approve",
	  .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT, .handler = op_trigger_approve,
	  .params = PARAMS(
		{ .name = "firing", .type = OP_INT, .flags = OPP_POSITIONAL | OPP_REQUIRED, .value = "FIRING",
		  .help = "its number, of mlops trigger history" }),
	  .summary = "let the commits of a fork run",
	  .details =
		"Examples:\n"
		"  mlops trigger history churn       finds what waits\n"
		"  mlops trigger approve 17\n"
		"\n"
		"Pull requests of forks are recorded and held. Approved, they run with the\n"
		"pipeline file of the branch that they would change, without secrets, without\n"
		"network, and leave nothing in the cache. Look at the changes first.\n" },
};
OP_TABLE(ops_hooks, rows);
