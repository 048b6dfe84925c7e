/* SPDX-License-Identifier: Apache-2.0 */
/* Databases of other programs: read, and nothing else. */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/db_internal.h"
#include "base/error.h"
#include "base/mem.h"

#define STRANGER_BUSY_MS 5000
#define VALUE_MAX	 (64 << 20) /* bytes of a value or row, and of what a query makes on its way */
#define QUERY_MS	 (5 * 60 * 1000)
#define OPCODES		 100000 /* between two looks at the clock */

/* Called while a query is compiled. */
static int allow_reading(void *ctx, int action, const char *a, const char *b, const char *c, const char *d)
{
	(void)ctx;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION || action == SQLITE_RECURSIVE
		       ? SQLITE_OK
		       : SQLITE_DENY;
}

/* Called while a query runs; other than 0: it ends. */
static int is_late(void *ctx)
{
	const struct db *db = ctx;

	return clock_mono_ms() > db->deadline_ms;
}

static int check_database(struct db *db, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->h, "SELECT count(*) FROM sqlite_schema", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	sqlite3_finalize(st);
	if (rc == SQLITE_ROW)
		return 0;
	if ((rc & 0xff) != SQLITE_NOTADB && (rc & 0xff) != SQLITE_CORRUPT)
		return db_error(db, rc, err);
	return error_set(err, ERR_USAGE, "%s is no SQLite database, or is damaged", db->path);
}

int db_open_stranger(const char *path, struct db **ret, struct error *err)
{
	CLEANUP(cleanup_db) struct db *db = xcalloc(1, sizeof(*db));
	struct stat st;

	db->path = xstrdup(path);
	db->name = strrchr(db->path, '/') ? strrchr(db->path, '/') + 1 : db->path;
	db->lock_fd = -1;
	if (stat(path, &st) < 0)
		return error_sys(err, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "%s is not a file", path);
	if (sqlite3_open_v2(path, &db->h, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return error_set(err, ERR_ENV, "cannot open %s", path);
	sqlite3_extended_result_codes(db->h, 1);
	sqlite3_busy_timeout(db->h, STRANGER_BUSY_MS);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	if (check_database(db, err) < 0)
		return -1;
	sqlite3_set_authorizer(db->h, allow_reading, NULL);
	sqlite3_limit(db->h, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	db->deadline_ms = clock_mono_ms() + QUERY_MS;
	sqlite3_progress_handler(db->h, OPCODES, is_late, db);
	*ret = steal(&db);
	return 0;
}
