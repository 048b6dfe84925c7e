/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that look at tables: profiles, schemas, splits, drift, monitors. */
#include "api/ops_rows.h"

/* How a table is read. */
#define TABLE_PARAMS                                                                               \
	TEXT("format", 0, "csv|tsv|jsonl", COMPLETE_CHOICE, "what the file is, when its name does not tell"), \
		TEXT("delimiter", 0, "CHAR", COMPLETE_NONE, "between fields of CSV (default: , or ; by the header)"), \
		TEXT("null", 0, "WORDS", COMPLETE_NONE, "words that stand for no value (default: NA,N/A,NULL,None and the like)")

static const struct op rows[] = {
	{ .name = "profile.make", .command = "profile", .method = "POST", .path = "/profiles", .role = ROLE_VIEWER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("table", OPP_REQUIRED, "FILE|ARTIFACT", COMPLETE_PATH, "a table, - for standard input, or an artifact"),
			   TABLE_PARAMS,
			   TEXT("target", 0, "COLUMN", COMPLETE_NONE, "the column that a model shall predict: its balance"),
			   FLAG("full", 0, "also correlations, outliers and repeated rows"),
			   FLAG("html", 0, "write a page with pictures"),
			   INT("jobs", 'j', "N", "threads (default: as many as there are)")),
	  .summary = "describe every column of a table",
	  .details = "",
	  .handler = op_profile },
	{ .name = "drift.compare", .command = "drift", .method = "POST", .path = "/drift", .role = ROLE_VIEWER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("reference", OPP_REQUIRED, "REFERENCE", COMPLETE_PATH, "the table as it was"),
			   ARG("current", OPP_REQUIRED, "CURRENT", COMPLETE_PATH, "the table as it is"),
			   TABLE_PARAMS),
	  .summary = "tell whether a table is still like another",
	  .details = "",
	  .handler = op_drift },
	{ .name = "schema.infer", .command = "schema infer", .method = "POST", .path = "/schemas", .role = ROLE_VIEWER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("table", OPP_REQUIRED, "FILE|ARTIFACT", COMPLETE_PATH, "a table that is right"),
			   TABLE_PARAMS),
	  .summary = "write the schema that a table meets",
	  .details = "",
	  .handler = op_schema_infer },
	{ .name = "schema.check", .command = "schema check", .method = "POST", .path = "/schemas/check",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("schema", 0, "SCHEMA", COMPLETE_PATH, "a schema file, or the name of a [schema.NAME]"),
			   ARG("table", 0, "FILE|ARTIFACT", COMPLETE_PATH, "what to check"),
			   TABLE_PARAMS),
	  .summary = "check tables against their schema",
	  .details = "",
	  .handler = op_schema_check },
	{ .name = "table.split", .command = "split", .method = "POST", .path = "/splits", .role = ROLE_ENGINEER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("table", OPP_REQUIRED, "FILE|ARTIFACT", COMPLETE_PATH, "what to split"), TABLE_PARAMS),
	  .summary = "split a table into parts, such as train and test",
	  .details = "",
	  .handler = op_split },
	{ .name = "monitor.list", .command = "monitor list", .method = "GET", .path = "/monitors", .role = ROLE_VIEWER,
	  .summary = "list the monitors of the pipeline and how they stand",
	  .details = "",
	  .handler = op_monitor_list },
	{ .name = "monitor.show", .command = "monitor show", .method = "GET", .path = "/monitors/{monitor}",
	  .role = ROLE_VIEWER,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]")),
	  .summary = "show the windows of a monitor and their verdicts",
	  .details = "",
	  .handler = op_monitor_show },
	{ .name = "monitor.check", .command = "monitor check", .method = "POST", .path = "/monitors/{monitor}/check",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_LONG | OP_STREAM | OP_AUDIT,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]")),
	  .summary = "judge the windows of a monitor that are due",
	  .details = "",
	  .handler = op_monitor_check },
};
OP_TABLE(ops_monitor, rows);
