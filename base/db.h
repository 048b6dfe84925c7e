/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * A SQLite database; the only door to sqlite3.h.
 *
 * WAL, synchronous=FULL, foreign keys on, no mmap. SQLite 3.40 of Debian 12 can
 * corrupt a WAL that two processes reset at once, so every write transaction and
 * every checkpoint holds an exclusive flock on the lock file given at opening;
 * readers never checkpoint, nor does closing. A committed transaction survives
 * power loss. One struct db a thread.
 */
struct error;
struct digest;
struct db;

struct db_migration {
	int version; /* 1.. without a gap; the list ends with version 0 */
	const char *name;
	const char *sql;
};

enum db_mode { DB_READ_WRITE, DB_READ_ONLY };
/* Opens or creates; applies missing migrations in one transaction each. A database of a newer
 * version: ERR_CONFLICT that names both versions. Not a database, another program's, damaged, or gone
 * while its log is there: ERR_DAMAGED with how to recover. Where nothing can be written, opening
 * for writing still works for reading, and db_begin fails. DB_READ_ONLY makes nothing: ERR_NOT_FOUND. */
int db_open(const char *path, const char *lock_path, const struct db_migration *, enum db_mode, struct db **ret,
	    struct error *);
/* A database of another program, only to be read, by one query at a time: it may not attach another one, nor change
 * anything, nor do more than SELECT. It ends 5 minutes after this, and no value has more than 64 MiB: ERR_LIMIT.
 * ERR_NOT_FOUND, ERR_DAMAGED. */
int db_open_stranger(const char *path, struct db **ret, struct error *);
void db_close(struct db *);
void cleanup_db(struct db **);

/* Write transactions nest by counting; only the outermost takes the lock and commits. Rollback undoes
 * all levels, and the outer writes and commits then fail. A commit that fails has rolled back. Never
 * wait for anything else while one is open. Writing a row outside of one is a bug and aborts. */
int db_begin(struct db *, struct error *);
int db_commit(struct db *, struct error *);
void db_rollback(struct db *);
/* Inside a transaction: changes that can be undone by themselves, so that one commit serves many that know nothing of
 * each other. After db_savepoint, either db_release keeps them or db_undo drops them; a db_rollback in between drops
 * them at once, and then only db_undo is left. They do not nest. -1 of db_release: the whole transaction is lost. */
int db_savepoint(struct db *, struct error *);
int db_release(struct db *, struct error *);
void db_undo(struct db *);
/* After how many pages (of 4 KiB) in the log a commit moves them into the database. More of them are moved at less cost
 * each, because pages that changed often go once; whoever opens the database after a kill reads the log. Its file keeps
 * the size that this takes: a sync of what overwrites is more than twice as fast as one of a file that grew. */
void db_set_checkpoint(struct db *, int pages);
/* The transaction that db_begin opened is there no more: a full disk takes all of it. */
bool db_is_lost(const struct db *);
int db_exec(struct db *, const char *sql, struct error *);
/* PRAGMA integrity_check and foreign_key_check; ERR_DAMAGED names the first findings. */
int db_check(struct db *, struct error *);
int db_version(struct db *);

/*
 * Statements are prepared once a text and kept by the database; a text must be a
 * string literal or outlive it. db_query borrows one, ready to bind; db_done gives
 * it back (also legal on NULL). Wrong SQL aborts: it is a bug. Borrowing one that is being read already
 * prepares a second.
 *
 *     struct db_stmt *q = db_query(db, "SELECT name FROM t WHERE id = ?1");
 *     db_bind(q, 1, id);
 *     while ((r = db_step(q, err)) > 0)
 *             use(db_text(q, 0));
 *     db_done(q);
 */
struct db_stmt;
struct db_stmt *db_query(struct db *, const char *sql);
/* For SQL built at run time (filters): not cached; ERR_USAGE when it does not compile. */
int db_query_dynamic(struct db *, const char *sql, struct db_stmt **ret, struct error *);
void db_done(struct db_stmt *);
void cleanup_stmt(struct db_stmt **);
#define CLEANUP_STMT CLEANUP(cleanup_stmt)

void db_bind_int(struct db_stmt *, int index, int64_t);
void db_bind_unsigned(struct db_stmt *, int index, uint64_t); /* at most INT64_MAX */
void db_bind_real(struct db_stmt *, int index, double);
void db_bind_text(struct db_stmt *, int index, const char *); /* copies; NULL binds null */
void db_bind_digest(struct db_stmt *, int index, const struct digest *); /* 32-byte blob; NULL binds null */
void db_bind_blob(struct db_stmt *, int index, const void *, size_t);
#define db_bind(stmt, index, value)                                                                \
	_Generic((value), int: db_bind_int, long: db_bind_int, long long: db_bind_int,             \
		 unsigned: db_bind_unsigned, bool: db_bind_int, unsigned long: db_bind_unsigned,   \
		 double: db_bind_real, char *: db_bind_text, const char *: db_bind_text,           \
		 struct digest *: db_bind_digest, const struct digest *: db_bind_digest)(stmt, index, value)

int db_parameters(const struct db_stmt *); /* N of the last ?N in the text */

int db_step(struct db_stmt *, struct error *); /* 1 a row, 0 done, -1 error */
/* Steps a statement that returns no rows and gives it back. */
int db_run(struct db_stmt *, struct error *);
int64_t db_int(struct db_stmt *, int column);
double db_real(struct db_stmt *, int column);
const char *db_text(struct db_stmt *, int column); /* lent until the next step; NULL for null */
const void *db_blob(struct db_stmt *, int column, size_t *ret_len);
bool db_is_null(struct db_stmt *, int column);
/* false when the column is null or not 32 bytes */
bool db_digest(struct db_stmt *, int column, struct digest *ret);
/* What a query gives; of a database of another program, where it is not known. */
enum db_type { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BLOB };
enum db_type db_type(struct db_stmt *, int column); /* of the value at hand */
int db_columns(const struct db_stmt *);
const char *db_column_name(const struct db_stmt *, int column); /* lent */
int64_t db_last_id(struct db *);
int64_t db_changes(struct db *);
