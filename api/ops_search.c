/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of searching, and of what several runs have. They take and give MLflow's own JSON. */
#include "api/ops_rows.h"

#define LIST(n, f, h) { .name = (n), .flags = OPP_MANY | (f), .value = "VALUE", .help = (h) }
#define FILTER	  FIELD("filter", 0, OP_TEXT, "conditions in MLflow's grammar, or with OR and parentheses: metrics.auc > 0.9")
#define ORDER	  LIST("order-by", 0, "what comes first: metrics.auc DESC")
#define TOKEN	  FIELD("page-token", 0, OP_TEXT, "of the page before")
#define VIEW(n)	  FIELD(n, 0, OP_JSON, "ACTIVE_ONLY, DELETED_ONLY or ALL; default: the first")
#define RUN	  FIELD("run-id", OPP_REQUIRED, OP_TEXT, "its id, 32 hexadecimal digits")
#define METRIC(f) FIELD("metric-key", f, OP_TEXT, "its name")

#define READS  .role = ROLE_VIEWER, .flags = OP_TRACKING
#define WRITES .role = ROLE_ENGINEER, .flags = OP_TRACKING | OP_WRITES

static const struct op rows[] = {
	{ .name = "run.search", .method = "POST", .path = "/tracking/runs/search", READS, .handler = op_run_search,
	  .params = PARAMS(LIST("experiment-ids", 0, "where to search"), FILTER, VIEW("run-view-type"),
			   FIELD("max-results", OPP_SIGNED, OP_INT, "runs a page, at most 50,000; default: 1,000"), ORDER,
			   TOKEN),
	  .summary = "runs that meet conditions, page by page" },
	{ .name = "experiment.search", .method = "POST", .path = "/experiments/search", READS,
	  .handler = op_experiment_search,
	  .params = PARAMS(VIEW("view-type"),
			   FIELD("max-results", OPP_SIGNED, OP_INT, "experiments a page, at most 50,000"), FILTER, ORDER,
			   TOKEN),
	  .summary = "experiments that meet conditions, page by page" },
	{ .name = "dataset.search", .method = "POST", .path = "/datasets/search", READS, .handler = op_dataset_search,
	  .params = PARAMS(LIST("experiment-ids", 0, "at most 20")),
	  .summary = "data sets that runs of some experiments used" },
	{ .name = "run.inputs", .method = "POST", .path = "/tracking/runs/{run_id}/inputs", WRITES, .about = ABOUT_RUN,
	  .handler = op_run_inputs,
	  .params = PARAMS(RUN, { .name = "datasets", .type = OP_JSON, .flags = OPP_MANY, .value = "VALUE",
				  .help = "{dataset{name, digest, source_type, source, schema, profile}, tags[]}" },
			   { .name = "models", .type = OP_JSON, .flags = OPP_MANY, .value = "VALUE", .help = "{model_id}" }),
	  .summary = "log data sets and models that a run used" },
	{ .name = "run.outputs", .method = "POST", .path = "/tracking/runs/{run_id}/outputs", WRITES, .about = ABOUT_RUN,
	  .handler = op_run_outputs,
	  .params = PARAMS(RUN, { .name = "models", .type = OP_JSON, .flags = OPP_MANY, .value = "VALUE",
				  .help = "{model_id, step}" }),
	  .summary = "log models that a run made" },
	{ .name = "metric.histories", .method = "GET", .path = "/tracking/metrics", READS, .about = ABOUT_RUN,
	  .handler = op_metric_histories,
	  .params = PARAMS(LIST("run-id", 0, "at most 100"), METRIC(0),
			   FIELD("max-results", OPP_SIGNED, OP_INT, "points in all, at most 25,000, which is the default")),
	  .summary = "all points of a metric in several runs" },
	{ .name = "metric.samples", .method = "GET", .path = "/tracking/metric-samples", READS, .about = ABOUT_RUN,
	  .handler = op_metric_samples,
	  .params = PARAMS(LIST("run-ids", OPP_REQUIRED, "at most 100"), METRIC(OPP_REQUIRED),
			   FIELD("start-step", OPP_SIGNED, OP_INT, "with the other: points with steps from here on"),
			   FIELD("end-step", OPP_SIGNED, OP_INT, "and up to here"),
			   FIELD("max-results", OPP_SIGNED, OP_INT, "points a run, at most 2,500, which is the default")),
	  .summary = "points of a metric in several runs, evenly spread" },
};
OP_TABLE(ops_search, rows);
