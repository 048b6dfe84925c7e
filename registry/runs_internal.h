/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/* What runs.c (of pipelines) and run_edit.c, run_batch.c (of clients) share. All inside a transaction. */
struct db;
struct error;
struct js;
struct run_new;
struct run_ref;

#define TAG_RUN_NAME "mlflow.runName"
#define TAG_PARENT   "mlflow.parentRunId"

/* A new run with its name, by chance unless it has one, and its parent as tags. All texts are checked. */
int run_insert(struct db *, const struct run_new *, int64_t *ret_row, struct error *);
/* Cuts the value, and keeps name and parent of the run what their tags say. */
int run_put_tag(struct db *, int64_t run, const char *key, const char *value, struct error *);

struct metric {
	const char *key;
	double value; /* 0 for NaN */
	bool is_nan;
	int64_t timestamp_ms, step;
	const struct js *said; /* by a client, which may name a logged model; or NULL */
};
/* As they are stored. */
void metric_set_value(struct metric *, double value);
/* A point of the history; a repeat is dropped. */
int metric_insert(struct db *, int64_t run, const struct metric *, struct error *);
/* The latest of its key, if it is. */
int metric_insert_latest(struct db *, int64_t run, const struct metric *, struct error *);

/* As run_find_active, but REFUSED. */
int run_find_writable(struct db *, const char *run_id, struct run_ref *ret, struct error *);
