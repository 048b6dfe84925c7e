/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/tables.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/rows.h"

int table_check_store(struct db *db, const struct table_check *check, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT OR REPLACE INTO table_checks (path, content, schema, rows, time)"
					 " VALUES (?1, ?2, ?3, ?4, ?5)");

	db_bind(q, 1, (const char *)check->path);
	db_bind(q, 2, &check->content);
	db_bind(q, 3, &check->schema);
	db_bind_unsigned(q, 4, check->rows);
	db_bind(q, 5, now_ms);
	return db_run(q, err);
}

int table_check_find(struct db *db, struct table_check *check, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT rows FROM table_checks WHERE path = ?1 AND content = ?2 AND schema = ?3");
	int r;

	db_bind(q, 1, (const char *)check->path);
	db_bind(q, 2, &check->content);
	db_bind(q, 3, &check->schema);
	r = db_step(q, err);
	if (r > 0)
		check->rows = (uint64_t)db_int(q, 0);
	return r;
}

int table_rows_before(struct db *db, const char *path, uint64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT rows FROM table_checks WHERE path = ?1 ORDER BY time DESC LIMIT 1");
	int r;

	db_bind(q, 1, path);
	r = db_step(q, err);
	if (r > 0)
		*ret = (uint64_t)db_int(q, 0);
	return r;
}

int table_profile_store(struct db *db, const struct digest *content, const char *format, const struct content *profile,
			struct error *err)
{
	struct db_stmt *q;
	int64_t row;

	if (content_row(db, profile, &row, err) < 0)
		return -1;
	q = db_query(db, "INSERT OR IGNORE INTO table_profiles (content, format, profile) VALUES (?1, ?2, ?3)");
	db_bind(q, 1, content);
	db_bind(q, 2, format);
	db_bind(q, 3, row);
	return db_run(q, err);
}

int table_profile_find(struct db *db, const struct digest *content, const char *format, struct content *ret,
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT c.kind, c.digest, c.size, c.files FROM table_profiles p JOIN contents c ON c.id = p.profile"
			     " WHERE p.content = ?1 AND (?2 IS NULL OR p.format = ?2) ORDER BY p.format LIMIT 1");
	int r;

	db_bind(q, 1, content);
	db_bind(q, 2, format);
	r = db_step(q, err);
	return r > 0 && content_read(q, 0, ret, err) < 0 ? -1 : r;
}
