/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/run_view.h"
#include <math.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"

int run_view_info(struct db *db, int64_t run, struct js **ret, struct error *err)
{
	/* In the order of their columns, NULLs left out. */
	static const struct {
		const char *name;
		bool is_int;
	} fields[] = { { "run_uuid", false },	{ "experiment_id", false }, { "run_name", false },
		       { "user_id", false },	{ "status", false },	    { "start_time", true },
		       { "end_time", true },	{ "artifact_uri", false },  { "lifecycle_stage", false },
		       { "run_id", false } };
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT r.run_id, r.experiment, r.name, r.user_id, r.status, r.start_time, r.end_time,"
			     " coalesce(e.artifact_location, 'mlflow-artifacts:/' || e.experiment_id) || '/' || r.run_id ||"
			     " '/artifacts', r.lifecycle_stage, r.run_id"
			     " FROM runs r JOIN experiments e ON e.experiment_id = r.experiment WHERE r.id = ?1");
	struct js *info;
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "no run of row %lld", (long long)run);
	info = js_object();
	for (int i = 0; i < (int)ARRAY_LEN(fields); i++) {
		if (fields[i].is_int && !db_is_null(q, i))
			js_set_int(info, fields[i].name, db_int(q, i));
		else if (!fields[i].is_int)
			js_set_str(info, fields[i].name, db_text(q, i));
	}
	*ret = info;
	return 0;
}

/* An array of {key, value...}; none when there are none. */
static int add_list(struct db *db, const char *sql, int64_t run, const char *name, struct js *data, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);
	struct js *list = NULL;
	int r;

	db_bind(q, 1, run);
	while ((r = db_step(q, err)) > 0) {
		struct js *item = js_object();

		js_set_str(item, "key", db_text(q, 0));
		if (db_is_null(q, 2)) {
			js_set_str(item, "value", db_text(q, 1));
		} else {
			js_set_real(item, "value", db_int(q, 2) ? (double)NAN : db_real(q, 1));
			js_set_int(item, "timestamp", db_int(q, 3));
			js_set_int(item, "step", db_int(q, 4));
		}
		if (!list)
			js_set(data, name, list = js_array());
		js_push(list, item);
	}
	return r;
}

int run_view_data(struct db *db, int64_t run, struct js **ret, struct error *err)
{
	static const struct {
		const char *name, *sql;
	} lists[] = {
		{ "metrics", "SELECT key, value, is_nan, timestamp, step FROM latest_metrics WHERE run = ?1" },
		{ "params", "SELECT key, value, NULL FROM params WHERE run = ?1" },
		{ "tags", "SELECT key, value, NULL FROM tags WHERE run = ?1" },
	};
	CLEANUP_JS struct js *data = js_object();

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (add_list(db, lists[i].sql, run, lists[i].name, data, err) < 0)
			return -1;
	*ret = steal(&data);
	return 0;
}

int run_view(struct db *db, int64_t run, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *object = js_object();
	struct js *info, *data;

	if (run_view_info(db, run, &info, err) < 0)
		return -1;
	js_set(object, "info", info);
	if (run_view_data(db, run, &data, err) < 0)
		return -1;
	js_set(object, "data", data);
	*ret = steal(&object);
	return 0;
}
