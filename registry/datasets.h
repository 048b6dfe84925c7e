/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * What went into a run and came out of it, as MLflow's clients tell: data sets and logged models. A data set is known
 * in its experiment by name and digest, and keeps what was first said of it; a run has it once, with the tags of the
 * first time. What `mlops run` records is among them where they are read (registry/run_read.h, dataset_list).
 *
 * Writers call these inside db_begin/db_commit; each also works alone, wholly or not at all. *ret: the run as it was.
 */
struct db;
struct error;
struct js;
struct run_ref;

/* datasets: [{dataset{name, digest, source_type, source, schema, profile}, tags[{key, value}]}], models: [{model_id}];
 * either may be NULL. Errors in MLflow's words. */
int run_log_inputs(struct db *, const char *run_id, const struct js *datasets, const struct js *models,
		   struct run_ref *ret, struct error *);
/* models: [{model_id, step}]; another step replaces the first one. */
int run_log_outputs(struct db *, const char *run_id, const struct js *models, struct run_ref *ret, struct error *);

/* [{experiment_id, name, digest, context}] of some experiments, without repeats; at most 1,000. */
int dataset_list(struct db *, const int64_t *experiments, size_t n, struct js **ret, struct error *);
