/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Changing runs as clients of MLflow do: its rules, and errors in its words. What the runs of pipelines share with it
 * is in runs.h.
 *
 * Only an active run takes anything; deleting and restoring twice is no mistake. Name and parent of a run are the tags
 * mlflow.runName and mlflow.parentRunId too, whichever is set. Writers call these inside db_begin/db_commit; each also
 * works alone, wholly or not at all.
 */
struct db;
struct error;
struct js;

struct run_ref {
	int64_t row, experiment;
	bool active; /* not deleted */
	bool ended;  /* FINISHED, FAILED or KILLED */
};
/* ERR_NOT_FOUND: "Run with id=X not found". */
int run_find(struct db *, const char *run_id, struct run_ref *ret, struct error *);
/* ERR_USAGE when it is deleted. */
int run_find_active(struct db *, const char *run_id, struct run_ref *ret, struct error *);

struct run_begin {
	const char *experiment; /* NULL or "": "0" */
	const char *name, *user; /* may be NULL */
	int64_t start_ms;
	const struct js *tags;   /* [{key, value}], may be NULL */
};
int run_begin(struct db *, const struct run_begin *, char ret_id[33], int64_t *ret_row, struct error *);

struct run_change {
	const char *status, *name; /* NULL: stays; an empty name too */
	const int64_t *end_ms;
};
/* *ret: as it was before. */
int run_update(struct db *, const char *run_id, const struct run_change *, struct run_ref *ret, struct error *);
int run_delete(struct db *, const char *run_id, struct error *);
int run_restore(struct db *, const char *run_id, struct error *);
int run_delete_tag(struct db *, const char *run_id, const char *key, struct run_ref *ret, struct error *);

/* What is logged at once, JSON arrays of MLflow's objects, each NULL or [{key, value, ...}]. */
struct run_batch {
	const struct js *metrics; /* value, timestamp, step; model_id, dataset_name, dataset_digest of a logged model's */
	const struct js *params, *tags;
	bool single; /* errors name no index */
};
#define BATCH_METRICS 1000
#define BATCH_PARAMS  100 /* and as many tags */
#define BATCH_ALL     1000
/* All or nothing. *ret: as it was before. */
int run_log_batch(struct db *, const char *run_id, const struct run_batch *, struct run_ref *ret, struct error *);

/* A number as protobuf's JSON has it: also a text; "NaN", "Infinity" and "-Infinity" are numbers. */
bool wire_real(const struct js *, double *ret);
bool wire_int(const struct js *, int64_t *ret);
