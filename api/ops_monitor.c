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
	  .details = "Examples:\n"
		     "  mlops profile data.csv\n"
		     "  mlops profile data.csv --target churn --full --html > profile.html\n"
		     "  mlops profile data/clean@v3/train.csv\n"
		     "  zcat big.gz | mlops profile - --format csv --json\n"
		     "\n"
		     "One pass over CSV, TSV or JSON lines, plain, .gz or .zst. A line a column: type,\n"
		     "missing and different values, least, median and largest, and how they lie; then\n"
		     "what is odd. A directory is all the tables in it.\n"
		     "\n"
		     "What is kept of a column is bounded, so a table may be larger than the memory:\n"
		     "above 65,536 numbers or 4,096 texts, counts marked ~ are estimates (1.6 %), and\n"
		     "quantiles have the error that --json says.\n",
	  .handler = op_profile },
	{ .name = "drift.compare", .command = "drift", .method = "POST", .path = "/drift", .role = ROLE_VIEWER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("reference", OPP_REQUIRED, "REFERENCE", COMPLETE_PATH, "the table as it was"),
			   ARG("current", OPP_REQUIRED, "CURRENT", COMPLETE_PATH, "the table as it is"),
			   TABLE_PARAMS,
			   MANY("columns", 0, "NAMES", COMPLETE_NONE, "judge these only, also times and ids"),
			   MANY("ignore", 0, "NAMES", COMPLETE_NONE, "leave these out"),
			   MANY("critical", 0, "NAMES", COMPLETE_NONE, "one of these is enough"),
			   TEXT("method", 0, "mlops|evidently", COMPLETE_CHOICE, "how to judge (default: mlops)"),
			   TEXT("test", 0, "psi", COMPLETE_CHOICE, "of method evidently: instead of what it selects"),
			   { .name = "threshold", .type = OP_REAL, .value = "X", .help = "least effect that is drift (default: 0.1)" },
			   { .name = "alpha", .type = OP_REAL, .value = "P", .help = "largest adjusted p-value (default: 0.05)" },
			   INT("min-rows", 0, "N", "values that each side must have (default: 500)"),
			   { .name = "share", .type = OP_REAL, .value = "X",
			     .help = "the table drifts when at least this share of the columns does, too" },
			   FLAG("calibrate", 0, "thresholds from the reference, whose rows are in order of time"),
			   FLAG("exact", 0, "keep every number: no error of sketches, more memory"),
			   TEXT("label", 0, "COLUMN", COMPLETE_NONE, "what came true: is the model as good as it was?"),
			   TEXT("prediction", 0, "COLUMN", COMPLETE_NONE, "what the model said"),
			   TEXT("score", 0, "COLUMN", COMPLETE_NONE, "how sure it was of the positive class"),
			   FLAG("html", 0, "write a page with pictures"),
			   FLAG("svg", 0, "write one picture"),
			   INT("jobs", 'j', "N", "threads (default: as many as there are)")),
	  .summary = "tell whether a table is still like another",
	  .details = "Examples:\n"
		     "  mlops drift train.csv today.csv\n"
		     "  mlops drift train.csv today.csv --ignore id --critical age --html > page.html\n"
		     "  mlops drift ref.csv cur.csv --label churned --prediction guess --score p\n"
		     "\n"
		     "Exit status 0: no drift; 7: drift, or columns that are missing, empty or of\n"
		     "another type; 8: too few rows, or too near to say.\n"
		     "\n"
		     "A column drifts when it has moved far enough (--threshold), that is no chance\n"
		     "(--alpha, corrected for the number of columns), and both sides have enough\n"
		     "values (--min-rows). The table drifts when two columns do, or a critical one,\n"
		     "or the only one. Times and ids are not judged unless they are named.\n"
		     "--method evidently gives the numbers of Evidently's DataDriftPreset instead.\n",
	  .handler = op_drift },
	{ .name = "schema.infer", .command = "schema infer", .method = "POST", .path = "/schemas", .role = ROLE_VIEWER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("table", OPP_REQUIRED, "FILE|ARTIFACT", COMPLETE_PATH, "a table that is right"),
			   TABLE_PARAMS,
			   TEXT("output", 'o', "FILE", COMPLETE_PATH, "where to write it (default: standard output)"),
			   FLAG("force", 0, "replace that file")),
	  .summary = "write the schema that a table meets",
	  .details = "Examples:\n"
		     "  mlops schema infer data/raw.csv --output schemas/raw.json\n"
		     "  mlops schema check schemas/raw.json data/new.csv\n"
		     "\n"
		     "A file to edit: types, ranges with some room, the values of categories, the\n"
		     "share of missing values, columns that are unique. The table meets it; a\n"
		     "column whose values are of mixed kinds has no type in it.\n",
	  .handler = op_schema_infer },
	{ .name = "schema.check", .command = "schema check", .method = "POST", .path = "/schemas/check",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("schema", 0, "SCHEMA", COMPLETE_PATH, "a schema file, or the name of a [schema.NAME]"),
			   ARG("table", OPP_MANY, "FILE|ARTIFACT", COMPLETE_PATH, "what to check"),
			   TABLE_PARAMS,
			   TEXT("previous", 0, "FILE|ARTIFACT", COMPLETE_PATH, "the last version: how many rows there were (max_change)"),
			   FLAG("html", 0, "write a page")),
	  .summary = "check tables against their schema",
	  .details = "Examples:\n"
		     "  mlops schema check schemas/raw.json data/*.csv\n"
		     "  mlops schema check raw\n"
		     "  zcat new.csv.gz | mlops schema check schemas/raw.json -\n"
		     "\n"
		     "Every breach with its first row and value; the header of CSV is row 1. Exit\n"
		     "status 7 says that a table does not fit, 2 that it or the schema cannot be\n"
		     "read. Without a table those of [schema.NAME] in pipeline.ini are checked,\n"
		     "without SCHEMA those of all such sections.\n",
	  .handler = op_schema_check },
	{ .name = "table.split", .command = "split", .method = "POST", .path = "/splits", .role = ROLE_ENGINEER,
	  .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG,
	  .params = PARAMS(ARG("table", OPP_REQUIRED | OPP_MANY, "FILE|ARTIFACT", COMPLETE_PATH, "what to split; with --check its parts"),
			   TABLE_PARAMS,
			   TEXT("by", 0, "random|group|stratified|time", COMPLETE_CHOICE, "what decides on a row's part (default: random)"),
			   TEXT("column", 0, "COLUMN", COMPLETE_NONE, "of the groups, the classes or the times"),
			   TEXT("parts", 0, "NAME=SHARE,...", COMPLETE_NONE, "default: train=0.8,test=0.2; by time from old to new"),
			   INT("seed", 0, "N", "another seed, another split (default: 0)"),
			   TEXT("output", 'o', "DIR", COMPLETE_PATH, "where the parts are written (default: here)"),
			   FLAG("force", 0, "replace parts that are there"),
			   FLAG("check", 0, "write nothing: look whether parts know of each other")),
	  .summary = "split a table into parts, such as train and test",
	  .details = "Examples:\n"
		     "  mlops split data.csv --parts train=0.7,valid=0.1,test=0.2 -o data/split\n"
		     "  mlops split visits.csv --by group --column patient -o data/split\n"
		     "  mlops split --check train.csv test.csv --by time --column day\n"
		     "\n"
		     "Rows are copied as they stand, in their order, under the same header.\n"
		     "  random      by a hash of the row and the seed: a row stays on its side\n"
		     "              whatever rows are added or removed, and equal rows are together\n"
		     "  group       all rows with one value of COLUMN are together\n"
		     "  stratified  each value of COLUMN has its share in each part\n"
		     "  time        older rows first, cut between two times\n"
		     "The parts are then read and checked for rows, groups or times on the wrong\n"
		     "side. --check does that with parts from anywhere; exit status 7 says that\n"
		     "one part knows of another.\n",
	  .handler = op_split },
	{ .name = "monitor.list", .command = "monitor list", .method = "GET", .path = "/monitors", .role = ROLE_VIEWER,
	  .flags = OP_LOCAL,
	  .params = PARAMS(TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "list the monitors of the pipeline and how they stand",
	  .details =
		"Examples:\n"
		"  mlops monitor list\n"
		"\n"
		"Each [monitor.NAME] of pipeline.ini with the state of its newest window and how\n"
		"many were in which. ALARM: two of the last three windows drifted or were\n"
		"quarantined; two windows without end it.\n",
	  .handler = op_monitor_list },
	{ .name = "monitor.show", .command = "monitor show", .method = "GET", .path = "/monitors/{monitor}",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_PAGED,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   INT("limit", 'n', "N", "newest windows to show (default: 100; of a page 500)"),
			   FLAG("html", 0, "write a page with pictures"),
			   TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "show the windows of a monitor and their verdicts",
	  .details =
		"Examples:\n"
		"  mlops monitor show serving\n"
		"  mlops monitor show serving --html > serving.html\n"
		"  mlops --json monitor show serving | jq '.windows[-1]'\n"
		"\n"
		"A line a window: when, rows, verdict, columns that drifted and their score over\n"
		"the threshold; and how good the model was, once labels are known.\n",
	  .handler = op_monitor_show },
	{ .name = "monitor.check", .command = "monitor check", .method = "POST", .path = "/monitors/{monitor}/check",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_LONG | OP_STREAM | OP_AUDIT,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "judge the windows of a monitor that are due",
	  .details =
		"Examples:\n"
		"  mlops monitor check serving\n"
		"\n"
		"Reads what is new, and judges each window that is complete, once, whatever\n"
		"happens: a check that was killed is done by the next one. What is not complete\n"
		"waits. A window is OK, DRIFT, UNDECIDED (a sketch leaves room for both answers),\n"
		"INSUFFICIENT (fewer rows than min_rows: judged with the next ones) or\n"
		"QUARANTINED (a column is missing, empty or of another type, or it breaks its\n"
		"schema).\n"
		"\n"
		"Exit status: 0 no window that was judged now drifted, or none was due; 7 one\n"
		"drifted or was quarantined; 8 none could be judged.\n",
	  .handler = op_monitor_check },
	{ .name = "monitor.history", .command = "monitor history", .method = "GET", .path = "/monitors/{monitor}/history",
	  .role = ROLE_VIEWER, .flags = OP_PAGED,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   INT("limit", 'n', "N", "newest decisions to show (default: 100)")),
	  .summary = "show what the retraining policy decided on each window",
	  .details =
		"Examples:\n"
		"  mlops monitor history serving\n"
		"  mlops --json monitor history serving | jq -r '.decisions[].digest'\n"
		"\n"
		"A line a decision: the window, the rule that decided and what came of it (none,\n"
		"alarm, clear, retrain, quarantine, held), how retrains ended, and what people\n"
		"said. With --json all that went into each of them, and its digest: the same\n"
		"data, models and policy give the same digests.\n",
	  .handler = op_monitor_history },
	{ .name = "monitor.replay", .command = "monitor replay", .method = "POST", .path = "/monitors/{monitor}/replay",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_LONG | OP_PAGED,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   TEXT("policy", 0, "FILE", COMPLETE_PIPELINE, "another policy: a [trigger.NAME] with this monitor"),
			   TEXT("history", 0, "FILE", COMPLETE_PATH, "windows as JSON lines instead of those on record"),
			   TEXT("assume", 0, "promoted|rejected|failed", COMPLETE_CHOICE,
				"how a retrain ends that never was (default: promoted)")),
	  .summary = "tell what a policy would have done with past windows",
	  .details =
		"Examples:\n"
		"  mlops monitor replay serving\n"
		"  mlops monitor replay serving --policy calmer.ini\n"
		"  mlops monitor replay serving --policy calmer.ini --history weeks.jsonl\n"
		"\n"
		"Goes through the history of the monitor with the policy of pipeline.ini, or with\n"
		"that of FILE, which has a [trigger.NAME] with monitor = NAME and alarm, clear,\n"
		"cooldown, budget or stop_after; tells alarms, retrains, the mean score of the\n"
		"windows with labels and what the retrains cost. Time is that of the windows.\n"
		"Verdicts and scores are those on record: a model that was never made judged\n"
		"nothing. Lines of a history: {\"window\": 4, \"time\": \"1996-06-03\", \"state\":\n"
		"\"DRIFT\", \"worst\": 1.7, \"dropped\": false, \"score\": 0.81, \"outcome\":\n"
		"\"rejected\"}; worst is the largest score over its threshold.\n",
	  .handler = op_monitor_replay },
	{ .name = "monitor.ack", .command = "monitor ack", .method = "POST", .path = "/monitors/{monitor}/ack",
	  .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   TEXT("reason", 'm', "TEXT", COMPLETE_NONE, "what was found")),
	  .summary = "let retrains go on after a person was asked",
	  .details =
		"Examples:\n"
		"  mlops monitor ack serving -m 'the sensor was replaced'\n"
		"\n"
		"After stop_after failed or rejected retrains in a row nothing is retrained until\n"
		"a person has seen it. This says so; counting begins anew.\n",
	  .handler = op_monitor_ack },
	{ .name = "monitor.pause", .command = "monitor pause", .method = "POST", .path = "/monitors/{monitor}/pause",
	  .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   TEXT("reason", 'm', "TEXT", COMPLETE_NONE, "why")),
	  .summary = "start no retrains for a monitor until it is resumed",
	  .details =
		"Examples:\n"
		"  mlops monitor pause serving -m 'migration'\n"
		"\n"
		"Windows are judged and decided on as before, but retrains are held.\n"
		"Resume with: mlops monitor resume NAME\n",
	  .handler = op_monitor_pause },
	{ .name = "monitor.resume", .command = "monitor resume", .method = "POST", .path = "/monitors/{monitor}/resume",
	  .role = ROLE_ENGINEER, .flags = OP_WRITES | OP_AUDIT,
	  .params = PARAMS(ARG("monitor", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a [monitor.NAME]"),
			   TEXT("reason", 'm', "TEXT", COMPLETE_NONE, "why")),
	  .summary = "let a monitor that was paused start retrains again",
	  .details =
		"Examples:\n"
		"  mlops monitor resume serving\n"
		"\n"
		"What was held starts with the next window, if its alarm still stands.\n",
	  .handler = op_monitor_resume },
	{ .name = "monitor.rows", .method = "POST", .path = "/monitors/{monitor}/rows", .role = ROLE_ENGINEER,
	  .flags = OP_ROUTED, .params = PARAMS(FIELD("monitor", OPP_REQUIRED, OP_TEXT, "a [monitor.NAME] with data = http")),
	  .summary = "rows for a monitor: JSON lines, CSV, CloudEvents, inferences; durable when it answers" },
	{ .name = "monitor.labels", .method = "POST", .path = "/monitors/{monitor}/labels", .role = ROLE_ENGINEER,
	  .flags = OP_ROUTED, .params = PARAMS(FIELD("monitor", OPP_REQUIRED, OP_TEXT, "a [monitor.NAME] with labels = http")),
	  .summary = "labels of a monitor's predictions, by id; durable when it answers" },
};
OP_TABLE(ops_monitor, rows);
