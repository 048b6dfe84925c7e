/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/metrics.h"
#include <math.h>
#include "base/db.h"
#include "base/mem.h"

#define POINTS                                                                                                         \
	"SELECT timestamp, step, value, is_nan FROM metrics"                                                           \
	" WHERE run = (SELECT id FROM runs WHERE run_id = ?1) AND key = ?2"
#define ORDER " ORDER BY timestamp, step, value, is_nan LIMIT ?3"

static struct db_stmt *prepare(struct db *db, const struct metric_point *after, int64_t skip)
{
	struct db_stmt *q;

	if (!after) {
		q = db_query(db, POINTS ORDER " OFFSET ?4");
		db_bind(q, 4, skip);
		return q;
	}
	q = db_query(db, POINTS " AND (timestamp, step, value, is_nan) > (?4, ?5, ?6, ?7)" ORDER);
	db_bind(q, 4, after->timestamp_ms);
	db_bind(q, 5, after->step);
	db_bind(q, 6, isnan(after->value) ? 0.0 : after->value);
	db_bind(q, 7, isnan(after->value) != 0);
	return q;
}

int metric_points(struct db *db, const char *run_id, const char *key, const struct metric_point *after, int64_t skip,
		  int limit, int (*each)(void *ctx, const struct metric_point *), void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = prepare(db, after, skip);
	int n = 0, r;

	db_bind(q, 1, run_id);
	db_bind(q, 2, key);
	db_bind(q, 3, limit);
	while ((r = db_step(q, err)) > 0) {
		struct metric_point point = { db_int(q, 0), db_int(q, 1), db_int(q, 3) ? (double)NAN : db_real(q, 2) };

		if (each(ctx, &point) < 0)
			return -1;
		n++;
	}
	return r < 0 ? -1 : n;
}
