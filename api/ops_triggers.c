/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on triggers of registered projects. */
#include "api/ops_rows.h"

#define PROJECT(flags) ARG("project", flags, "PROJECT", COMPLETE_NONE, "a project that the agent runs")
#define TRIGGER(flags) ARG("trigger", flags, "TRIGGER", COMPLETE_NONE, "NAME of its [trigger.NAME]")

static const struct op rows[] = {
	{ .name = "trigger.list", .command = "trigger list", .method = "GET", .path = "/triggers",
	  .role = ROLE_VIEWER, .flags = OP_LONG, .handler = op_trigger_list,
	  .params = PARAMS(PROJECT(0)),
	  .summary = "what starts runs without a person",
	  .details =
		"Examples:\n"
		"  mlops trigger list\n"
		"  mlops trigger list churn\n"
		"\n"
		"An agent reads [trigger.NAME] of the pipeline.ini of each of its projects, of\n"
		"their default branch only, when it starts and when the file changes. A file\n"
		"that cannot be read leaves its triggers as they were, and is told here.\n" },
	{ .name = "trigger.show", .command = "trigger show", .method = "GET", .path = "/projects/{project}/triggers/{trigger}",
	  .role = ROLE_VIEWER, .handler = op_trigger_show,
	  .params = PARAMS(PROJECT(OPP_REQUIRED), TRIGGER(OPP_REQUIRED)),
	  .summary = "a trigger: what it says, when it is due, what it did",
	  .details =
		"Examples:\n"
		"  mlops trigger show churn nightly\n" },
	{ .name = "trigger.fire", .command = "trigger fire", .method = "POST",
	  .path = "/projects/{project}/triggers/{trigger}/fire", .role = ROLE_ENGINEER,
	  .flags = OP_WRITES | OP_AUDIT | OP_ONCE, .handler = op_trigger_fire,
	  .params = PARAMS(PROJECT(OPP_REQUIRED), TRIGGER(OPP_REQUIRED),
		TEXT("time", 0, "TIME", COMPLETE_NONE, "its logical time, ${trigger.time}; default: now"),
		TEXT("id", 0, "ID", COMPLETE_NONE, "a name of this cause: it counts once, however often it is told"),
		MANY("param", 'p', "KEY=VALUE", COMPLETE_PARAM, "change a parameter for this run"),
		TEXT("reason", 0, "TEXT", COMPLETE_NONE, "why, for the record")),
	  .summary = "start what a trigger starts, now",
	  .details =
		"Examples:\n"
		"  mlops trigger fire churn nightly\n"
		"  mlops trigger fire churn nightly --time 2026-01-31T03:00Z --reason 'was off'\n"
		"  curl -H \"Authorization: Bearer $TOKEN\" --json '{\"id\": \"etl-4711\"}' \\\n"
		"       https://HOST/api/v1/projects/churn/triggers/nightly/fire\n"
		"\n"
		"Budget and cooldown do not hold it back, nor does it ask whether it is time. One\n"
		"that is paused starts nothing, and of one group one run goes on at a time.\n" },
	{ .name = "trigger.pause", .command = "trigger pause", .method = "POST",
	  .path = "/projects/{project}/triggers/{trigger}/pause", .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT,
	  .handler = op_trigger_pause,
	  .params = PARAMS(PROJECT(OPP_REQUIRED), TRIGGER(OPP_REQUIRED),
		TEXT("reason", 0, "TEXT", COMPLETE_NONE, "why, for who wonders")),
	  .summary = "let a trigger start nothing until it is resumed",
	  .details =
		"Examples:\n"
		"  mlops trigger pause churn nightly --reason 'the warehouse moves'\n"
		"\n"
		"Its causes are recorded as skipped meanwhile, and are not made up for.\n" },
	{ .name = "trigger.resume", .command = "trigger resume", .method = "POST",
	  .path = "/projects/{project}/triggers/{trigger}/resume", .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT,
	  .handler = op_trigger_resume,
	  .params = PARAMS(PROJECT(OPP_REQUIRED), TRIGGER(OPP_REQUIRED)),
	  .summary = "let a trigger go on",
	  .details =
		"Examples:\n"
		"  mlops trigger resume churn nightly\n" },
	{ .name = "trigger.history", .command = "trigger history", .method = "GET", .path = "/firings",
	  .role = ROLE_VIEWER, .handler = op_trigger_history,
	  .params = PARAMS(PROJECT(0), TRIGGER(0), INT("limit", 'n', "N", "so many, the newest first (default: 30)")),
	  .summary = "causes, what was decided, and what came of it",
	  .details =
		"Examples:\n"
		"  mlops trigger history\n"
		"  mlops trigger history churn nightly -n 100\n"
		"  mlops --json trigger history churn | jq '.firings[0].evidence'\n"
		"\n"
		"Every cause is decided once: run, waiting for its group, skipped and why, or\n"
		"nothing new, when all of its steps were up to date.\n" },
	{ .name = "trigger.next", .command = "trigger next", .method = "GET", .path = "/triggers/next",
	  .role = ROLE_VIEWER, .flags = OP_TRY_PROJECT, .handler = op_trigger_next,
	  .params = PARAMS(PROJECT(0), TRIGGER(0),
		TEXT("cron", 0, "TIMES", COMPLETE_NONE, "of this schedule: minute hour day month weekday"),
		TEXT("tz", 0, "ZONE", COMPLETE_NONE, "with --cron: its time zone (default: UTC)"),
		TEXT("after", 0, "TIME", COMPLETE_NONE, "after this moment; default: now"),
		INT("count", 'n', "N", "so many of each (default: 5)")),
	  .summary = "when triggers with a schedule are due",
	  .details =
		"Examples:\n"
		"  mlops trigger next\n"
		"  mlops trigger next churn nightly -n 10\n"
		"  mlops trigger next --cron '30 2 * * *' --tz Europe/Berlin --after 2026-03-28\n"
		"\n"
		"Times are UTC. Where clocks are set forward, a time that is left out happens at\n"
		"the change; where they are set back, a time that comes twice happens once.\n" },
};
OP_TABLE(ops_triggers, rows);
