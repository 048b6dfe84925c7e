/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* What db.c (opening, transactions) and db_stmt.c (statements) share. */
struct db_stmt;
struct error;
struct sqlite3;

struct db {
	struct sqlite3 *h;
	char *path;
	const char *name; /* last part of path */
	char *lock_path;  /* NULL: read only */
	int lock_fd;      /* opened by the first write, then kept */
	int depth;        /* of db_begin */
	int saved;        /* depth at db_savepoint, or 0 */
	bool undone;      /* a db_rollback dropped what came after it */
	int64_t deadline_ms; /* of a stranger's: monotonic */
	int wal_pages, checkpoint_at, checkpoint_every;
	struct db_stmt **kept;
	size_t nkept, cap;
};
/* Turns a result code of SQLite into an error. */
int db_error(const struct db *, int rc, struct error *);
/* No transaction is open in SQLite: within db_begin it was rolled back, by db_rollback or by
 * SQLite. Or what came after db_savepoint was. */
bool db_rolled_back(const struct db *);
int db_refuse_rolled_back(struct error *);
void db_forget_statements(struct db *);
/* Runs a statement that begins or ends a transaction, or a part of one. */
int db_control(struct db *, const char *sql, struct error *);
