/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/census.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"

static int count_runs(struct db *db, struct census *c, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT status, count(*) FROM runs WHERE lifecycle_stage = 'active' GROUP BY status");
	enum run_status status;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (run_status_parse(db_text(q, 0), &status))
			c->runs[status] = db_int(q, 1);
	return r;
}

static int count_others(struct db *db, struct census *c, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT (SELECT count(*) FROM experiments WHERE lifecycle_stage = 'active'), "
			     "(SELECT count(*) FROM registered_models), (SELECT count(*) FROM model_versions)");

	if (db_step(q, err) < 0)
		return -1;
	c->experiments = db_int(q, 0);
	c->models = db_int(q, 1);
	c->versions = db_int(q, 2);
	return 0;
}

int census_take(struct db *db, struct census *ret, struct error *err)
{
	struct census c = { 0 };

	if (count_runs(db, &c, err) < 0 || count_others(db, &c, err) < 0)
		return -1;
	*ret = c;
	return 0;
}
