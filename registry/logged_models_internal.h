/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of logged models share. */
struct db;
struct db_stmt;
struct error;
struct js;

/* Of `logged_models m`. */
#define LOGGED_MODEL_COLUMNS                                                                                         \
	"m.id, m.model_id, m.experiment, m.name, m.creation_time, m.last_update_time, m.location, m.status, m.model_type," \
	" m.source_run_id"

/* From a row of these. */
int logged_model_json(struct db *, struct db_stmt *, struct js **ret, struct error *);
