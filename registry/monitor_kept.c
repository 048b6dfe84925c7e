/* SPDX-License-Identifier: Apache-2.0 */
/* References that were replaced, and come back. */
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/monitors.h"

int monitor_keep_reference(struct db *db, int64_t monitor, const char *key, bool trained, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT OR IGNORE INTO kept_references (monitor, key, trained, reference, profile)"
					 " SELECT id, ?2, ?3, reference, profile FROM monitors"
					 " WHERE id = ?1 AND reference IS NOT NULL");

	db_bind(q, 1, monitor);
	db_bind(q, 2, key);
	db_bind(q, 3, trained);
	if (db_run(q, err) < 0)
		return -1;
	if (!db_changes(db))
		return 0;
	q = db_query(db, "INSERT INTO kept_parts (kept, place, phase, profile)"
			 " SELECT ?2, place, phase, profile FROM monitor_reference WHERE monitor = ?1");
	db_bind(q, 1, monitor);
	db_bind(q, 2, db_last_id(db));
	return db_run(q, err);
}

/* 0: none. */
static int find_kept(struct db *db, int64_t monitor, const char *key, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT id FROM kept_references WHERE monitor = ?1 AND iif(?2 IS NULL, trained = 0, key = ?2)"
			     " ORDER BY id DESC LIMIT 1");
	int r;

	db_bind(q, 1, monitor);
	db_bind(q, 2, key);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	return r;
}

int monitor_restore_reference(struct db *db, int64_t monitor, const char *key, struct error *err)
{
	static const char *const changes[] = {
		"DELETE FROM monitor_reference WHERE monitor = ?1 AND ?2",
		"UPDATE monitors SET (reference, profile) = (SELECT reference, profile FROM kept_references WHERE id = ?2)"
		" WHERE id = ?1",
		"INSERT INTO monitor_reference (monitor, place, phase, profile)"
		" SELECT ?1, place, phase, profile FROM kept_parts WHERE kept = ?2",
	};
	int64_t kept = 0;
	int r = find_kept(db, monitor, key, &kept, err);

	for (size_t i = 0; r > 0 && i < ARRAY_LEN(changes); i++) {
		struct db_stmt *q = db_query(db, changes[i]);

		db_bind(q, 1, monitor);
		db_bind(q, 2, kept);
		if (db_run(q, err) < 0)
			return -1;
	}
	return r;
}
