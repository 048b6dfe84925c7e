/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"
#include "base/db_internal.h"
#include "base/error.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whoever opens a database after everybody had left reads its whole WAL: at 2 MB about 2 ms. */
#define CHECKPOINT_PAGES 512
#define CLOSE_PAGES      64 /* a WAL smaller than this is not worth a checkpoint when closing */
#define BUSY_MS          10000

static int damaged(const struct db *db, const char *why, struct error *err)
{
	error_set(err, ERR_DAMAGED, "%s is damaged: %s", db->path, why);
	return error_help(
	    err,
	    "keep it: move %s, %s-wal and %s-shm away together; then put a backup in its place, or "
	    "make an empty one with `mlops init`; `mlops fsck` tells what the store still holds",
	    db->path, db->name, db->name);
}

static int env_error(const struct db *db, const char *verb, struct error *err)
{
	int sys = sqlite3_system_errno(db->h);

	if (!sys) {
		error_set(err, ERR_ENV, "cannot %s %s: %s", verb, db->path, sqlite3_errmsg(db->h));
		return error_help(err, "check the disk and the permissions of its directory");
	}
	return error_sys(err, sys, "cannot %s %s", verb, db->path);
}

int db_error(const struct db *db, int rc, struct error *err)
{
	switch (rc & 0xff) {
	case SQLITE_NOTADB:
		return damaged(db, "it is not a database", err);
	case SQLITE_CORRUPT:
		return damaged(db, sqlite3_errmsg(db->h), err);
	case SQLITE_NOMEM:
		abort();
	case SQLITE_FULL:
		return error_sys(err, ENOSPC, "cannot write %s", db->path);
	case SQLITE_READONLY:
		return error_sys(err, access(db->path, W_OK) < 0 ? errno : EROFS, "cannot write %s",
				 db->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		error_set(err, ERR_CONFLICT, "another program keeps %s locked", db->path);
		return error_help(err, "find it with: fuser %s", db->path);
	case SQLITE_INTERRUPT:
		error_set(err, ERR_LIMIT, "a query of %s takes too long", db->path);
		return error_help(err, "let it select less, and end: a recursive one may not");
	case SQLITE_TOOBIG:
		return error_set(err, ERR_LIMIT, "a query of %s makes a value that is too large", db->path);
	case SQLITE_CONSTRAINT:
		return error_set(err, ERR_CONFLICT, "%s: %s", db->name, sqlite3_errmsg(db->h));
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS)
			return damaged(db, "it ends too early", err);
		return env_error(db, "read or write", err);
	case SQLITE_CANTOPEN:
		return env_error(db, "open", err);
	default:
		return error_set(err, ERR_ENV, "cannot use %s: %s", db->path,
				 sqlite3_errmsg(db->h));
	}
}

static int run_sql(struct db *db, const char *sql, struct error *err)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_error(db, rc, err);
}

/* First column of the first row of a pragma or query. */
static int read_value(struct db *db, const char *sql, char *ret, size_t size, struct error *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db->h, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		snprintf(ret, size, "%s", (const char *)sqlite3_column_text(st, 0));
	else
		db_error(db, rc, err);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : -1;
}

static int read_int(struct db *db, const char *sql, int *ret, struct error *err)
{
	char text[32];

	if (read_value(db, sql, text, sizeof(text), err) < 0)
		return -1;
	*ret = (int)strtol(text, NULL, 10);
	return 0;
}

/* The lock: its own descriptor, kept open, so that a transaction costs two system calls. */

static int db_lock(struct db *db, int operation, struct error *err)
{
	int r;

	if (!db->lock_path)
		return error_set(err, ERR_ENV, "%s was opened for reading only", db->path);
	if (db->lock_fd < 0)
		db->lock_fd = open(db->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (db->lock_fd < 0)
		return error_sys(err, errno, "cannot open the lock file %s", db->lock_path);
	do
		r = flock(db->lock_fd, operation);
	while (r < 0 && errno == EINTR);
	return r < 0 ? error_sys(err, errno, "cannot lock %s", db->lock_path) : 0;
}

static void db_unlock(struct db *db)
{
	flock(db->lock_fd, LOCK_UN);
}

static int note_wal(void *ctx, sqlite3 *h, const char *name, int pages)
{
	struct db *db = ctx;

	(void)h;
	(void)name;
	if (pages < db->wal_pages)
		db->checkpoint_at = db->checkpoint_every;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/* Under the lock. Nothing is lost when it fails or readers are in the way: the WAL holds all, and
 * a later commit tries again. */
static void checkpoint(struct db *db, int mode)
{
	sqlite3_wal_checkpoint_v2(db->h, NULL, mode, NULL, NULL);
	db->checkpoint_at = db->wal_pages + db->checkpoint_every;
}

/* Opening. */

/* A WAL without its database is what a moved or truncated file leaves behind; SQLite would delete
 * it. */
static int refuse_lost_database(struct db *db, struct error *err)
{
	CLEANUP(cleanup_free) char *wal = xasprintf("%s-wal", db->path);
	struct stat st;

	if (stat(wal, &st) < 0 || st.st_size == 0)
		return 0;
	if (stat(db->path, &st) == 0 && st.st_size > 0)
		return 0;
	return damaged(db, "it is missing or empty, but its log (-wal) is there", err);
}

/* What SQLite counts of its memory nobody reads, and a lock around each allocation is an eighth of what it takes to open. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int open_handle(struct db *db, struct error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags =
	    db->lock_path ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	static const int options[][2] = {
	    {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}, {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
	    {SQLITE_DBCONFIG_DEFENSIVE, 1},        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	    {SQLITE_DBCONFIG_DQS_DML, 0},          {SQLITE_DBCONFIG_DQS_DDL, 0},
	};
	int rc;

	pthread_once(&once, configure);
	rc = sqlite3_open_v2(db->path, &db->h, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (!db->h)
		abort();
	if (rc != SQLITE_OK)
		return env_error(db, "open", err);
	sqlite3_extended_result_codes(db->h, 1);
	sqlite3_busy_timeout(db->h, BUSY_MS);
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		sqlite3_db_config(db->h, options[i][0], options[i][1], NULL);
	/* A hook takes the place of SQLite's own checkpoints, which would not hold the lock. */
	db->checkpoint_every = db->checkpoint_at = CHECKPOINT_PAGES;
	sqlite3_wal_hook(db->h, note_wal, db);
	return run_sql(
	    db,
	    "PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;"
	    "PRAGMA journal_size_limit = 8388608",
	    err);
}

static int use_wal(struct db *db, struct error *err)
{
	char mode[16];
	int r;

	if (read_value(db, "PRAGMA journal_mode", mode, sizeof(mode), err) < 0)
		return -1;
	if (strcmp(mode, "wal") == 0)
		return 0;
	if (db_lock(db, LOCK_EX, err) < 0)
		return -1;
	r = read_value(db, "PRAGMA journal_mode = WAL", mode, sizeof(mode), err);
	db_unlock(db);
	if (r < 0)
		return -1;
	if (strcmp(mode, "wal") == 0)
		return 0;
	error_set(err, ERR_ENV, "the file system of %s cannot share memory between processes",
		  db->path);
	return error_help(err, "keep the project on a local disk");
}

/* Applies the one migration after `version`, or finds that another process just did. */
static int migrate_once(struct db *db, const struct db_migration *migrations, int *version,
			struct error *err)
{
	char pragma[64];
	int tables;

	if (db_begin(db, err) < 0)
		return -1;
	if (read_int(db, "PRAGMA user_version", version, err) < 0 ||
	    read_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
		goto fail;
	if (*version == 0 && tables > 0) {
		damaged(db, "it holds tables of another program", err);
		goto fail;
	}
	for (const struct db_migration *m = migrations; m->version; m++) {
		if (m->version != *version + 1)
			continue;
		snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", m->version);
		if (run_sql(db, m->sql, err) < 0 || run_sql(db, pragma, err) < 0) {
			error_wrap(err, "migration %s", m->name);
			goto fail;
		}
		*version = m->version;
		break;
	}
	return db_commit(db, err);
fail:
	db_rollback(db);
	return -1;
}

static int check_version(struct db *db, const struct db_migration *migrations, struct error *err)
{
	int version, target = 0;

	for (const struct db_migration *m = migrations; m->version; m++)
		target = m->version;
	if (read_int(db, "PRAGMA user_version", &version, err) < 0)
		return -1;
	while (version < target) {
		if (!db->lock_path) {
			error_set(err, ERR_CONFLICT, "%s has format %d, but this program reads %d",
				  db->path, version, target);
			return error_help(err,
					  "run any command that writes; it converts the database");
		}
		if (migrate_once(db, migrations, &version, err) < 0)
			return -1;
	}
	if (version == target)
		return 0;
	error_set(err, ERR_CONFLICT,
		  "%s has format %d, made by a newer mlops; this one knows up to %d", db->path,
		  version, target);
	return error_help(err, "install the newer mlops; nothing was changed");
}

int db_open(const char *path, const char *lock_path, const struct db_migration *migrations,
	    enum db_mode mode, struct db **ret, struct error *err)
{
	CLEANUP(cleanup_db) struct db *db = xcalloc(1, sizeof(*db));

	db->path = xstrdup(path);
	db->name = strrchr(db->path, '/') ? strrchr(db->path, '/') + 1 : db->path;
	db->lock_path = mode == DB_READ_WRITE ? xstrdup(lock_path) : NULL;
	db->lock_fd = -1;
	if (refuse_lost_database(db, err) < 0 || open_handle(db, err) < 0)
		return -1;
	if (db->lock_path && use_wal(db, err) < 0)
		return -1;
	if (check_version(db, migrations, err) < 0)
		return -1;
	*ret = steal(&db);
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	db_forget_statements(db);
	if (db->depth) {
		db->depth = 1;
		db_rollback(db);
	}
	/* A writer leaves a short WAL behind for whoever opens next, unless others are busy. */
	if (db->wal_pages >= CLOSE_PAGES && db_lock(db, LOCK_EX | LOCK_NB, NULL) == 0) {
		sqlite3_busy_timeout(db->h, 0);
		checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
		db_unlock(db);
	}
	sqlite3_close(db->h);
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	free(db->lock_path);
	free(db->path);
	free(db);
}

void cleanup_db(struct db **db)
{
	db_close(*db);
}

/* Transactions. */

int db_refuse_rolled_back(struct error *err)
{
	return error_set(err, ERR_CONFLICT, "the transaction was rolled back");
}

int db_begin(struct db *db, struct error *err)
{
	if (db->depth > 0) {
		if (db_rolled_back(db))
			return db_refuse_rolled_back(err);
		db->depth++;
		return 0;
	}
	if (db_lock(db, LOCK_EX, err) < 0)
		return -1;
	if (db_control(db, "BEGIN IMMEDIATE", err) < 0) {
		db_unlock(db);
		return -1;
	}
	db->depth = 1;
	return 0;
}

int db_commit(struct db *db, struct error *err)
{
	if (db->depth > 1) {
		db->depth--;
		return db_rolled_back(db) ? db_refuse_rolled_back(err) : 0;
	}
	if (db_rolled_back(db))
		db_refuse_rolled_back(err);
	if (db_rolled_back(db) || db_control(db, "COMMIT", err) < 0) {
		db_rollback(db);
		return -1;
	}
	db->depth = 0;
	if (db->wal_pages >= db->checkpoint_at)
		checkpoint(db, SQLITE_CHECKPOINT_PASSIVE);
	db_unlock(db);
	return 0;
}

void db_rollback(struct db *db)
{
	bool in_savepoint = db->saved && db->depth > db->saved;

	if (!db_rolled_back(db))
		sqlite3_exec(db->h, in_savepoint ? "ROLLBACK TO part" : "ROLLBACK", NULL, NULL, NULL);
	db->undone = in_savepoint;
	if (--db->depth == 0)
		db_unlock(db);
}

int db_savepoint(struct db *db, struct error *err)
{
	if (db_rolled_back(db))
		return db_refuse_rolled_back(err);
	if (db_control(db, "SAVEPOINT part", err) < 0)
		return -1;
	db->saved = db->depth;
	return 0;
}

int db_release(struct db *db, struct error *err)
{
	bool lost = db_rolled_back(db);

	db->saved = 0;
	db->undone = false;
	if (lost)
		return db_refuse_rolled_back(err);
	return db_control(db, "RELEASE part", err);
}

void db_undo(struct db *db)
{
	db->saved = 0;
	db->undone = false;
	if (!sqlite3_get_autocommit(db->h))
		sqlite3_exec(db->h, "ROLLBACK TO part; RELEASE part", NULL, NULL, NULL);
}

void db_set_checkpoint(struct db *db, int pages)
{
	char pragma[64];

	snprintf(pragma, sizeof(pragma), "PRAGMA journal_size_limit = %lld", 2 * 4096ll * pages);
	run_sql(db, pragma, NULL);
	db->checkpoint_every = db->checkpoint_at = pages;
}

bool db_is_lost(const struct db *db)
{
	return sqlite3_get_autocommit(db->h);
}

int db_exec(struct db *db, const char *sql, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	if (run_sql(db, sql, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

/* Appends up to a few findings of a checking pragma to `text`. */
static int collect_findings(struct db *db, const char *pragma, char *text, size_t size,
			    struct error *err)
{
	struct db_stmt *q;
	int r;

	if (db_query_dynamic(db, pragma, &q, err) < 0)
		return -1;
	while ((r = db_step(q, err)) > 0) {
		const char *row = db_text(q, 0);
		size_t len = strlen(text);

		if (row && strcmp(row, "ok") != 0 && len < size)
			snprintf(text + len, size - len, "%s%.200s", len ? "; " : "", row);
	}
	db_done(q);
	return r;
}

int db_check(struct db *db, struct error *err)
{
	char text[600] = "";

	if (collect_findings(db, "PRAGMA integrity_check(5)", text, sizeof(text), err) < 0 ||
	    collect_findings(
		db,
		"SELECT 'a row of ' || \"table\" || ' refers to a missing row of ' || parent"
		" FROM pragma_foreign_key_check LIMIT 5",
		text, sizeof(text), err) < 0)
		return -1;
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return *text ? damaged(db, text, err) : 0;
}

int db_version(struct db *db)
{
	int version;

	return read_int(db, "PRAGMA user_version", &version, NULL) < 0 ? -1 : version;
}
