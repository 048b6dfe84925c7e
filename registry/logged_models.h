/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Models as runs logged them (MLflow's LoggedModel): a place for files, params, tags, and the metrics that runs log
 * about it. JSON is MLflow's: {info{model_id, experiment_id, name, artifact_uri, status, ...}, data{params[], metrics[]}}.
 *
 * Writers work inside a transaction; what they wrote before an error is for the caller to undo.
 */
struct db;
struct error;
struct js;

#define LOGGED_MODEL_ID 35 /* bytes of "m-" and 32 hex digits, with the NUL */

struct logged_model_new {
	const char *experiment_id;
	const char *name;          /* NULL or "": "adjective-noun-NNN" */
	const char *model_type, *source_run_id; /* NULL: "" */
	const struct js *params, *tags; /* [{key, value}], or NULL */
};
int logged_model_create(struct db *, const struct logged_model_new *, int64_t now_ms, char ret_id[LOGGED_MODEL_ID],
			struct error *);
/* A deleted one only with `deleted`. ERR_NOT_FOUND. */
int logged_model_load(struct db *, const char *model_id, bool deleted, struct js **ret, struct error *);
/* Row of one, deleted or not. ERR_NOT_FOUND. */
int logged_model_row(struct db *, const char *model_id, int64_t *ret, struct error *);
/* The status as MLflow names it: "LOGGED_MODEL_READY", or its number. */
int logged_model_finalize(struct db *, const char *model_id, const struct js *status, int64_t now_ms, struct error *);
/* Its files are still to come. */
int logged_model_is_pending(struct db *, const char *model_id, bool *ret, struct error *);
int logged_model_delete(struct db *, const char *model_id, int64_t now_ms, struct error *);
int logged_model_set_tags(struct db *, const char *model_id, const struct js *tags, struct error *);
int logged_model_delete_tag(struct db *, const char *model_id, const char *key, struct error *);
/* A param keeps its first value: another one is ERR_CONFLICT. */
int logged_model_log_params(struct db *, const char *model_id, const struct js *params, struct error *);
/* Its tag mlflow.modelVersions lists this version of a registered model, too. */
int logged_model_note_version(struct db *, const char *model_id, const char *name, int64_t number, struct error *);

/* A metric of a run that is also one of a model. The metric itself was checked by whoever logs the run's. */
struct logged_model_metric {
	const char *model_id;
	int64_t run; /* row */
	const char *key;
	double value; /* NaN is stored, infinities were clamped */
	int64_t timestamp_ms, step;
	const char *dataset_name, *dataset_digest; /* or NULL */
};
int logged_model_log_metric(struct db *, const struct logged_model_metric *, struct error *);

struct logged_model_query {
	const struct js *experiment_ids; /* ["0", ...] */
	const char *filter;          /* or NULL */
	const struct js *datasets;   /* [{dataset_name, dataset_digest}]: models with metrics on one of them; or NULL */
	const struct js *order_by;   /* [{field_name, ascending, dataset_name, dataset_digest}], or NULL */
	int64_t max_results;         /* 0: 100 */
	const char *page_token;      /* or NULL: bound to all of the above but max_results */
};
/* {models: [...], next_page_token} */
int logged_model_search(struct db *, const struct logged_model_query *, struct js **ret, struct error *);
