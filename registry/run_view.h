/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* Runs as MLflow's server writes them: fields that it leaves out when they are empty are left out. */
struct db;
struct error;
struct js;

/* {run_uuid, run_id, experiment_id, run_name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage} */
int run_view_info(struct db *, int64_t run, struct js **ret, struct error *);
/* {metrics[], params[], tags[]} */
int run_view_data(struct db *, int64_t run, struct js **ret, struct error *);
/* {info, data} */
int run_view(struct db *, int64_t run, struct js **ret, struct error *);
