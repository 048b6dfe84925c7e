/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "project.add", .command = "project add", .method = "PUT", .path = "/projects/{name}",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_project_add,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "what it will be called"),
		ARG("source", OPP_REQUIRED, "URL|DIR", COMPLETE_NONE, "where git finds it, or a directory"),
		TEXT("branch", 'b', "NAME", COMPLETE_NONE, "run this branch; default: the source's own"),
		FLAG("allow-local", 0, "its steps may run outside of containers, as the agent's user"),
		FLAG("no-checkout", 0, "run in the agent's own work tree, which DIR is"),
		{ .name = "forge", .complete = COMPLETE_CHOICE, .value = "github|gitea|gitlab",
		  .help = "where commits get a status, and pull requests a comment" },
		TEXT("forge-url", 0, "URL", COMPLETE_NONE, "its site; of GitHub its API; default: https://api.github.com"),
		TEXT("forge-repo", 0, "OWNER/NAME", COMPLETE_NONE, "the repository there"),
		TEXT("forge-secret", 0, "NAME", COMPLETE_SECRET, "secret that holds a token for it")),
	  .summary = "let the agent run a project by its name",
	  .details =
		"Examples:\n"
		"  mlops project add churn https://git.example.org/team/churn.git\n"
		"  mlops project add churn git@example.org:team/churn.git --branch main\n"
		"  mlops project add nightly /srv/nightly --allow-local\n"
		"  mlops project add churn https://git.example.org/team/churn.git --forge gitea \\\n"
		"      --forge-url https://git.example.org --forge-repo team/churn \\\n"
		"      --forge-secret FORGE_TOKEN\n"
		"  mlops run --project churn -p lr=0.1\n"
		"\n"
		"Each run has a checkout of its own and shares store, cache and records with all\n"
		"others. A pipeline file may start containers only, unless --allow-local says\n"
		"more. Directories must be below one that the setting agent.dirs names.\n" },
	{ .name = "project.list", .command = "project list", .method = "GET", .path = "/projects",
	  .role = ROLE_VIEWER, .handler = op_project_list,
	  .summary = "projects that the agent runs",
	  .details =
		"Examples:\n"
		"  mlops project list\n" },
	{ .name = "project.rm", .command = "project rm", .method = "DELETE", .path = "/projects/{name}",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_project_rm,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a project that the agent runs")),
	  .summary = "forget a project; its runs stay",
	  .details =
		"Examples:\n"
		"  mlops project rm churn\n" },
	{ .name = "run.submit", .method = "POST", .path = "/projects/{project}/runs", .role = ROLE_ENGINEER,
	  .flags = OP_WRITES | OP_AUDIT | OP_ONCE, .handler = op_run_submit,
	  .params = PARAMS(
		FIELD("project", OPP_REQUIRED, OP_TEXT, "its name"),
		FIELD("args", OPP_MANY, OP_TEXT, "a pipeline file, then steps; default: pipeline.ini, all"),
		FIELD("param", OPP_MANY, OP_TEXT, "KEY=VALUE: change a parameter for this run"),
		FIELD("jobs", 0, OP_INT, "steps at a time; default: one a core"),
		FLAG("keep-going", 0, "after a failure, run what does not depend on it"),
		FLAG("only", 0, "just the named steps, not what they need"),
		FLAG("downstream", 0, "the named steps and all that depends on them"),
		FLAG("force", 0, "run also what is up to date"),
		FIELD("update", OPP_MANY, OP_TEXT, "first move this data to its newest stored version"),
		FIELD("trigger-time", 0, OP_TEXT, "what ${trigger.time} is"),
		FIELD("trigger-window", 0, OP_INT, "what ${trigger.window} is")),
	  .summary = "run a project of the agent" },
};
OP_TABLE(ops_projects, rows);
