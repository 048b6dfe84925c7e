/* SPDX-License-Identifier: Apache-2.0 */
/* Searches of runs and experiments, what went into runs and came out, and metrics of several runs. */
#include <stdlib.h>
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/datasets.h"
#include "registry/experiment_search.h"
#include "registry/experiments.h"
#include "registry/metric_samples.h"
#include "registry/project.h"
#include "registry/run_edit.h"
#include "registry/run_pages.h"

#define RUNS_DEFAULT	    1000
#define PAGE_MAX	    50000
#define DATASET_EXPERIMENTS 20
#define BULK_RUNS	    100
#define BULK_POINTS	    25000
#define SAMPLES		    2500
#define SEE_DOCS	    " See the API docs for more information about request parameters."

/* ---- arguments ---- */

static void list_texts(const struct js *array, struct strlist *ret)
{
	for (size_t i = 0; i < js_len(array); i++)
		strlist_push(ret, js_text(js_at(array, i)));
}

static int parse_experiments(const struct js *array, int64_t **ret, struct error *err)
{
	CLEANUP(cleanup_free) int64_t *ids = xcalloc(js_len(array) + 1, sizeof(*ids));

	for (size_t i = 0; i < js_len(array); i++)
		if (experiment_parse(js_text(js_at(array, i)), &ids[i], err) < 0)
			return -1;
	*ret = steal(&ids);
	return 0;
}

static int check_positive(int64_t max, struct error *err)
{
	if (max > 0)
		return 0;
	return error_set(err, ERR_USAGE, "Invalid value %lld for parameter 'max_results' supplied. It must be a positive integer",
			 (long long)max);
}

/* ---- searches ---- */

static int search_runs(struct db *db, struct run_pages_query *query, const struct js *experiments, struct js **ret,
		       struct error *err)
{
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	CLEANUP(cleanup_free) char *token = NULL;
	CLEANUP_STRBUF struct strbuf runs = STRBUF_INIT;
	struct js *result;
	size_t n;

	if (parse_experiments(experiments, &ids, err) < 0)
		return -1;
	query->experiments = ids;
	query->nexperiments = js_len(experiments);
	if (run_page(db, query, &runs, &n, &token, err) < 0)
		return -1;
	result = js_object();
	if (n)
		js_set(result, "runs", js_raw(&runs));
	js_set_str(result, "next_page_token", token);
	*ret = result;
	return 0;
}

/* run.search {experiment_ids[], filter, run_view_type, max_results, order_by[], page_token} -> {runs[], next_page_token} */
int op_run_search(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t max = js_get_int(args, "max_results", RUNS_DEFAULT);
	struct strlist orders CLEANUP(strlist_release) = STRLIST_INIT;
	struct run_pages_query query = {
		.filter = js_get_str(args, "filter"),
		.order_by = &orders,
		.limit = (size_t)max,
		.token = js_get_str(args, "page_token"),
	};
	struct db *db;

	if (max > PAGE_MAX)
		return error_set(err, ERR_USAGE,
				 "Invalid value %lld for parameter 'max_results' supplied:  Hint: Value was of type 'int'." SEE_DOCS,
				 (long long)max);
	list_texts(js_get(args, "order_by"), &orders);
	if (check_positive(max, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    life_view_parse("run_view_type", js_get(args, "run_view_type"), &query.view, err) < 0)
		return -1;
	return search_runs(db, &query, js_get(args, "experiment_ids"), ret_result, err);
}

/* experiment.search {view_type, max_results, filter, order_by[], page_token} -> {experiments[], next_page_token} */
int op_experiment_search(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	int64_t max = js_get_int(args, "max_results", 0);
	struct strlist orders CLEANUP(strlist_release) = STRLIST_INIT;
	struct experiment_query query = {
		.filter = js_get_str(args, "filter"),
		.order_by = &orders,
		.limit = (size_t)max,
		.token = js_get_str(args, "page_token"),
	};
	CLEANUP(cleanup_free) char *token = NULL;
	struct js *list;
	struct db *db;

	if (max > PAGE_MAX)
		return error_set(err, ERR_USAGE,
				 "Invalid value %lld for parameter 'max_results' supplied. It must be at most %d",
				 (long long)max, PAGE_MAX);
	list_texts(js_get(args, "order_by"), &orders);
	if (check_positive(max, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    life_view_parse("view_type", js_get(args, "view_type"), &query.view, err) < 0 ||
	    experiment_search(db, &query, &list, &token, err) < 0)
		return -1;
	*ret_result = js_object();
	if (js_len(list))
		js_set(*ret_result, "experiments", js_ref(list));
	js_free(list);
	js_set_str(*ret_result, "next_page_token", token);
	return 0;
}

/* dataset.search {experiment_ids[]} -> {dataset_summaries[]} */
int op_dataset_search(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const struct js *experiments = js_get(args, "experiment_ids");
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	size_t n = js_len(experiments);
	CLEANUP_JS struct js *list = NULL;
	struct db *db;

	if (!n)
		return error_set(err, ERR_USAGE, "SearchDatasets request must specify at least one experiment_id.");
	if (n > DATASET_EXPERIMENTS)
		return error_set(err, ERR_USAGE,
				 "SearchDatasets request cannot specify more than %d experiment_ids. Received %zu experiment_ids.",
				 DATASET_EXPERIMENTS, n);
	if (parse_experiments(experiments, &ids, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    dataset_list(db, ids, n, &list, err) < 0)
		return -1;
	*ret_result = js_object();
	if (js_len(list))
		js_set(*ret_result, "dataset_summaries", steal(&list));
	return 0;
}

/* ---- inputs and outputs ---- */

/* What was changed in a run that had ended is an event. */
static int note_edit(struct op_context *ctx, struct db *db, const struct run_ref *ref, const char *operation,
		     const struct js *args, struct error *err)
{
	struct op_event event = { .operation = operation, .subject = js_get_str(args, "run_id"), .body = args };

	return ref->ended ? op_event(ctx, db, &event, err) : 0;
}

/* run.inputs {run_id, datasets[], models[]} */
int op_run_inputs(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_ref ref;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    run_log_inputs(db, js_get_str(args, "run_id"), js_get(args, "datasets"), js_get(args, "models"), &ref, err) < 0)
		return -1;
	return note_edit(ctx, db, &ref, "run.inputs", args, err);
}

/* run.outputs {run_id, models[]} */
int op_run_outputs(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_ref ref;
	struct db *db;

	(void)ret_result;
	if (project_db(ctx->project, &db, err) < 0 ||
	    run_log_outputs(db, js_get_str(args, "run_id"), js_get(args, "models"), &ref, err) < 0)
		return -1;
	return note_edit(ctx, db, &ref, "run.outputs", args, err);
}

/* ---- metrics of several runs ---- */

/* metric.histories {run_id[], metric_key, max_results} -> {metrics[]} */
int op_metric_histories(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct strlist runs CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int64_t max = js_get_int(args, "max_results", BULK_POINTS);
	const char *key = js_get_str(args, "metric_key");
	struct db *db;

	list_texts(js_get(args, "run_id"), &runs);
	if (!runs.len)
		return error_set(err, ERR_USAGE, "GetMetricHistoryBulk request must specify at least one run_id.");
	if (runs.len > BULK_RUNS)
		return error_set(err, ERR_USAGE,
				 "GetMetricHistoryBulk request cannot specify more than %d run_ids. Received %zu run_ids.",
				 BULK_RUNS, runs.len);
	if (!key)
		return error_set(err, ERR_USAGE, "GetMetricHistoryBulk request must specify a metric_key.");
	if (check_positive(max, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    metric_histories(db, &runs, key, max < BULK_POINTS ? max : BULK_POINTS, &text, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "metrics", js_raw(&text));
	return 0;
}

static int check_steps(const struct js *args, struct error *err)
{
	int64_t first = js_get_int(args, "start_step", 0), last = js_get_int(args, "end_step", 0);

	if (!js_get(args, "start_step") != !js_get(args, "end_step"))
		return error_set(err, ERR_USAGE, "If either start step or end step are specified, both must be specified.");
	if (first > last)
		return error_set(err, ERR_USAGE,
				 "end_step must be greater than start_step. Found start_step=%lld and end_step=%lld.",
				 (long long)first, (long long)last);
	return 0;
}

/* metric.samples {run_ids[], metric_key, start_step, end_step, max_results} -> {metrics[]} */
int op_metric_samples(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct strlist runs CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int64_t max = js_get_int(args, "max_results", SAMPLES);
	int64_t first = js_get_int(args, "start_step", INT64_MIN), last = js_get_int(args, "end_step", INT64_MAX);
	struct db *db;

	list_texts(js_get(args, "run_ids"), &runs);
	if (runs.len > BULK_RUNS)
		return error_set(err, ERR_USAGE,
				 "GetMetricHistoryBulkInterval request must specify at most %d run_ids. Received %zu run_ids." SEE_DOCS,
				 BULK_RUNS, runs.len);
	if (max < 1 || max > SAMPLES)
		return error_set(err, ERR_USAGE, "max_results must be between 1 and %d." SEE_DOCS, SAMPLES);
	if (check_steps(args, err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    metric_samples(db, &runs, js_get_str(args, "metric_key"), first, last, max, &text, err) < 0)
		return -1;
	*ret_result = js_object();
	if (text.len > strlen("[]"))
		js_set(*ret_result, "metrics", js_raw(&text));
	return 0;
}
