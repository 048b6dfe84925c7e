/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of tracking, as training code uses it. They take and give MLflow's own JSON. */
#include "api/ops_rows.h"

#define EXPERIMENT FIELD("experiment-id", OPP_REQUIRED, OP_TEXT, "its number")
#define RUN	   FIELD("run-id", OPP_REQUIRED, OP_TEXT, "its id, 32 hexadecimal digits")
#define KEY	   FIELD("key", OPP_REQUIRED, OP_TEXT, "its name")
#define TAGS	   FIELD("tags", OPP_MANY, OP_JSON, "a list of {key, value}")
#define STAMP	   "milliseconds since 1970"

#define READS .role = ROLE_VIEWER, .flags = OP_TRACKING
#define WRITES .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES
#define DELETES .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES | OP_MANAGES
#define MAKES .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES | OP_ONCE

static const struct op rows[] = {
	{ .name = "experiment.create", .method = "POST", .path = "/experiments", MAKES,
	  .handler = op_experiment_create,
	  .params = PARAMS(FIELD("name", OPP_REQUIRED, OP_TEXT, "no other has it, not even a deleted one"),
			   FIELD("artifact-location", 0, OP_TEXT, "a URI where its files go; default: the agent"), TAGS),
	  .summary = "make an experiment" },
	{ .name = "experiment.get", .method = "GET", .path = "/experiments/{experiment_id}", READS,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_get, .params = PARAMS(EXPERIMENT),
	  .summary = "one experiment with its tags" },
	{ .name = "experiment.find", .method = "GET", .path = "/experiments-by-name", READS,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_find,
	  .params = PARAMS(FIELD("experiment-name", OPP_REQUIRED, OP_TEXT, "the whole of it")),
	  .summary = "the experiment of a name" },
	{ .name = "experiment.rename", .method = "PATCH", .path = "/experiments/{experiment_id}", WRITES,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_rename,
	  .params = PARAMS(EXPERIMENT, FIELD("new-name", OPP_REQUIRED, OP_TEXT, "no other has it")),
	  .summary = "rename an experiment" },
	{ .name = "experiment.delete", .method = "DELETE", .path = "/experiments/{experiment_id}", DELETES,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_delete, .params = PARAMS(EXPERIMENT),
	  .summary = "delete an experiment with its runs; it can be restored" },
	{ .name = "experiment.restore", .method = "POST", .path = "/experiments/{experiment_id}/restore", DELETES,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_restore, .params = PARAMS(EXPERIMENT),
	  .summary = "bring back a deleted experiment with its runs" },
	{ .name = "experiment.tag", .method = "POST", .path = "/experiments/{experiment_id}/tags", WRITES,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_tag,
	  .params = PARAMS(EXPERIMENT, KEY, FIELD("value", 0, OP_TEXT, "at most 20,000 characters")),
	  .summary = "set a tag of an experiment" },
	{ .name = "experiment.untag", .method = "DELETE", .path = "/experiments/{experiment_id}/tags", WRITES,
	  .about = ABOUT_EXPERIMENT, .handler = op_experiment_untag, .params = PARAMS(EXPERIMENT, KEY),
	  .summary = "remove a tag of an experiment" },

	{ .name = "run.create", .method = "POST", .path = "/tracking/runs", MAKES, .about = ABOUT_EXPERIMENT,
	  .handler = op_run_create,
	  .params = PARAMS(FIELD("experiment-id", 0, OP_TEXT, "its number; default: 0"),
			   FIELD("user-id", 0, OP_TEXT, "who runs it"), FIELD("start-time", OPP_SIGNED, OP_INT, STAMP),
			   FIELD("run-name", 0, OP_TEXT, "default: two words and a number"), TAGS),
	  .summary = "begin a run whose steps are not known here" },
	{ .name = "run.get", .method = "GET", .path = "/tracking/runs/{run_id}", READS, .about = ABOUT_RUN,
	  .handler = op_run_get, .params = PARAMS(RUN), .summary = "one run with what it logged" },
	{ .name = "run.update", .method = "PATCH", .path = "/tracking/runs/{run_id}", WRITES, .about = ABOUT_RUN,
	  .handler = op_run_update,
	  .params = PARAMS(RUN,
			   FIELD("status", 0, OP_TEXT, "RUNNING, SCHEDULED, FINISHED, FAILED or KILLED"),
			   FIELD("end-time", OPP_SIGNED, OP_INT, STAMP), FIELD("run-name", 0, OP_TEXT, "a new name")),
	  .summary = "end or rename a run" },
	{ .name = "run.delete", .method = "DELETE", .path = "/tracking/runs/{run_id}", DELETES, .about = ABOUT_RUN,
	  .handler = op_run_delete, .params = PARAMS(RUN), .summary = "delete a run; it can be restored" },
	{ .name = "run.restore", .method = "POST", .path = "/tracking/runs/{run_id}/restore", DELETES,
	  .about = ABOUT_RUN, .handler = op_run_restore, .params = PARAMS(RUN), .summary = "bring back a deleted run" },
	{ .name = "run.log", .method = "POST", .path = "/tracking/runs/{run_id}/log", WRITES, .about = ABOUT_RUN,
	  .handler = op_run_log,
	  .params = PARAMS(RUN,
			   FIELD("metrics", OPP_MANY, OP_JSON, "a list of {key, value, timestamp, step}, at most 1000"),
			   FIELD("params", OPP_MANY, OP_JSON, "a list of {key, value}, at most 100"),
			   FIELD("tags", OPP_MANY, OP_JSON, "a list of {key, value}, at most 100")),
	  .summary = "log metrics, params and tags, all or none" },
	{ .name = "metric.log", .method = "POST", .path = "/tracking/runs/{run_id}/metrics", WRITES,
	  .about = ABOUT_RUN, .handler = op_metric_log,
	  .params = PARAMS(RUN, KEY, FIELD("value", OPP_REQUIRED, OP_REAL, "a number"),
			   FIELD("timestamp", OPP_REQUIRED | OPP_SIGNED, OP_INT, STAMP),
			   FIELD("step", OPP_SIGNED, OP_INT, "default: 0"),
			   FIELD("model-id", 0, OP_TEXT, "the logged model that it tells about"),
			   FIELD("dataset-name", 0, OP_TEXT, "the data it was measured on"),
			   FIELD("dataset-digest", 0, OP_TEXT, "and their digest")),
	  .summary = "log one point of a metric" },
	{ .name = "metric.history", .method = "GET", .path = "/tracking/runs/{run_id}/metrics",
	  .role = ROLE_VIEWER, .flags = OP_TRACKING | OP_BYTES | OP_STREAM, .about = ABOUT_RUN, .handler = op_metric_history,
	  .params = PARAMS(RUN, FIELD("metric-key", OPP_REQUIRED, OP_TEXT, "its name"),
			   FIELD("max-results", OPP_SIGNED, OP_INT, "points a page; default: all"),
			   FIELD("page-token", 0, OP_TEXT, "of the page before")),
	  .summary = "all points of a metric, by time" },
	{ .name = "param.log", .method = "POST", .path = "/tracking/runs/{run_id}/params", WRITES,
	  .about = ABOUT_RUN, .handler = op_param_log,
	  .params = PARAMS(RUN, KEY, FIELD("value", 0, OP_TEXT, "cut after 6,000 characters")),
	  .summary = "log a param, which keeps its first value" },
	{ .name = "run.tag", .method = "POST", .path = "/tracking/runs/{run_id}/tags", WRITES, .about = ABOUT_RUN,
	  .handler = op_run_tag,
	  .params = PARAMS(RUN, KEY, FIELD("value", 0, OP_TEXT, "cut after 8,000 characters")),
	  .summary = "set a tag of a run" },
	{ .name = "run.untag", .method = "DELETE", .path = "/tracking/runs/{run_id}/tags", WRITES,
	  .about = ABOUT_RUN, .handler = op_run_untag, .params = PARAMS(RUN, KEY), .summary = "remove a tag of a run" },
};
OP_TABLE(ops_tracking, rows);
