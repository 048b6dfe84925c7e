/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Experiments, as MLflow means them. */
struct db;
struct error;
struct js;

/* {experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, tags[{key, value}]}.
 * ERR_NOT_FOUND. */
int experiment_load(struct db *, const char *id, struct js **ret, struct error *);
