/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/experiments.h"
#include <stdlib.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

int experiment_load(struct db *db, const char *id, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT experiment_id, name, lifecycle_stage, creation_time, last_update_time"
			     " FROM experiments WHERE experiment_id = ?1");
	CLEANUP(cleanup_free) char *location = NULL;
	struct js *experiment;
	int r;

	db_bind(q, 1, strtoll(id, NULL, 10));
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "No Experiment with id=%s exists", id);
	location = xasprintf("mlflow-artifacts:/%s", db_text(q, 0));
	experiment = js_object();
	js_set_str(experiment, "experiment_id", db_text(q, 0));
	js_set_str(experiment, "name", db_text(q, 1));
	js_set_str(experiment, "artifact_location", location);
	js_set_str(experiment, "lifecycle_stage", db_text(q, 2));
	js_set_int(experiment, "creation_time", db_int(q, 3));
	js_set_int(experiment, "last_update_time", db_int(q, 4));
	*ret = experiment;
	return 0;
}
