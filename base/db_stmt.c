/* SPDX-License-Identifier: Apache-2.0 */
#include "base/db.h"
#include "base/db_internal.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct db_stmt {
	struct db *db;
	sqlite3_stmt *st;
	const char *sql;
	bool kept, busy;
	struct error *broken; /* why it could not be prepared; db_step tells */
};

static void bug(const struct db_stmt *s, const char *what)
{
	fprintf(stderr, "mlops: bug: %s: %s\n", what, s->sql);
	abort();
}

bool db_rolled_back(const struct db *db)
{
	return db->undone || sqlite3_get_autocommit(db->h);
}

/* A missing table or column is a damaged schema: the statement itself is a literal that tests have
 * run. */
static void stmt_break(struct db_stmt *s, int rc)
{
	const char *why = sqlite3_errmsg(s->db->h);

	s->broken = xcalloc(1, sizeof(*s->broken));
	if (rc == SQLITE_ERROR && strncmp(why, "no such ", 8) == 0)
		rc = SQLITE_CORRUPT;
	else if (rc == SQLITE_ERROR)
		bug(s, why);
	db_error(s->db, rc, s->broken);
}

struct db_stmt *db_query(struct db *db, const char *sql)
{
	struct db_stmt *s;
	bool keep = true;
	int rc;

	for (size_t i = 0; i < db->nkept; i++) {
		s = db->kept[i];
		if (s->sql != sql)
			continue;
		if (!s->busy) {
			s->busy = true;
			return s;
		}
		keep = false; /* its rows are being read further up: a second one, for now */
		break;
	}
	s = xcalloc(1, sizeof(*s));
	s->db = db;
	s->sql = sql;
	s->busy = true;
	rc = sqlite3_prepare_v3(db->h, sql, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, &s->st, NULL);
	if (rc != SQLITE_OK) {
		stmt_break(s, rc);
		return s;
	}
	s->kept = keep;
	if (keep) {
		GROW(db->kept, db->nkept, db->cap);
		db->kept[db->nkept++] = s;
	}
	return s;
}

int db_query_dynamic(struct db *db, const char *sql, struct db_stmt **ret, struct error *err)
{
	sqlite3_stmt *st = NULL;
	const char *tail;
	int rc = sqlite3_prepare_v2(db->h, sql, -1, &st, &tail);

	if (rc == SQLITE_ERROR || rc == SQLITE_AUTH)
		return error_set(err, ERR_USAGE, "%s", sqlite3_errmsg(db->h));
	if (rc != SQLITE_OK)
		return db_error(db, rc, err);
	if (!st || *tail || !sqlite3_stmt_readonly(st)) {
		sqlite3_finalize(st);
		return error_set(err, ERR_USAGE, "not one query: %.200s", sql);
	}
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->db = db;
	(*ret)->st = st;
	(*ret)->sql = "a dynamic query";
	return 0;
}

static void stmt_free(struct db_stmt *s)
{
	sqlite3_finalize(s->st);
	free(s->broken);
	free(s);
}

void db_done(struct db_stmt *s)
{
	if (!s)
		return;
	if (!s->kept) {
		stmt_free(s);
		return;
	}
	sqlite3_reset(s->st);
	sqlite3_clear_bindings(s->st);
	s->busy = false;
}

void cleanup_stmt(struct db_stmt **s)
{
	db_done(*s);
}

void db_forget_statements(struct db *db)
{
	for (size_t i = 0; i < db->nkept; i++)
		stmt_free(db->kept[i]);
	free(db->kept);
	db->kept = NULL;
	db->nkept = db->cap = 0;
}

/* Binding. */

static void bound(struct db_stmt *s, int rc)
{
	if (rc != SQLITE_OK && !s->broken)
		bug(s, sqlite3_errstr(rc));
}

void db_bind_int(struct db_stmt *s, int index, int64_t value)
{
	bound(s, sqlite3_bind_int64(s->st, index, value));
}

void db_bind_unsigned(struct db_stmt *s, int index, uint64_t value)
{
	db_bind_int(s, index, (int64_t)value);
}

void db_bind_real(struct db_stmt *s, int index, double value)
{
	bound(s, sqlite3_bind_double(s->st, index, value));
}

void db_bind_text(struct db_stmt *s, int index, const char *value)
{
	bound(s, sqlite3_bind_text(s->st, index, value, -1, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db_stmt *s, int index, const void *data, size_t len)
{
	bound(s, sqlite3_bind_blob64(s->st, index, data, len, SQLITE_TRANSIENT));
}

void db_bind_digest(struct db_stmt *s, int index, const struct digest *value)
{
	if (value)
		db_bind_blob(s, index, value->b, sizeof(value->b));
	else
		bound(s, sqlite3_bind_null(s->st, index));
}

int db_parameters(const struct db_stmt *s)
{
	return sqlite3_bind_parameter_count(s->st);
}

/* Stepping and reading. */

static int step(struct db_stmt *s, struct error *err)
{
	int rc;

	if (s->broken) {
		if (err)
			*err = *s->broken;
		return -1;
	}
	rc = sqlite3_step(s->st);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_error(s->db, rc, err);
}

int db_step(struct db_stmt *s, struct error *err)
{
	if (!s->broken && !sqlite3_stmt_readonly(s->st) && db_rolled_back(s->db)) {
		if (!s->db->depth)
			bug(s, "a write outside db_begin");
		return db_refuse_rolled_back(err);
	}
	return step(s, err);
}

int db_control(struct db *db, const char *sql, struct error *err)
{
	struct db_stmt *s = db_query(db, sql);
	int r = step(s, err);

	db_done(s);
	return r < 0 ? -1 : 0;
}

int db_run(struct db_stmt *s, struct error *err)
{
	int r = db_step(s, err);

	db_done(s);
	return r < 0 ? -1 : 0;
}

int64_t db_int(struct db_stmt *s, int column)
{
	return sqlite3_column_int64(s->st, column);
}

double db_real(struct db_stmt *s, int column)
{
	return sqlite3_column_double(s->st, column);
}

const char *db_text(struct db_stmt *s, int column)
{
	return (const char *)sqlite3_column_text(s->st, column);
}

const void *db_blob(struct db_stmt *s, int column, size_t *ret_len)
{
	const void *data = sqlite3_column_blob(s->st, column);

	*ret_len = (size_t)sqlite3_column_bytes(s->st, column);
	return data;
}

bool db_is_null(struct db_stmt *s, int column)
{
	return sqlite3_column_type(s->st, column) == SQLITE_NULL;
}

enum db_type db_type(struct db_stmt *s, int column)
{
	static const enum db_type types[] = {
		[SQLITE_INTEGER] = DB_INT, [SQLITE_FLOAT] = DB_REAL, [SQLITE_TEXT] = DB_TEXT,
		[SQLITE_BLOB] = DB_BLOB,   [SQLITE_NULL] = DB_NULL,
	};

	return types[sqlite3_column_type(s->st, column)];
}

int db_columns(const struct db_stmt *s)
{
	return sqlite3_column_count(s->st);
}

const char *db_column_name(const struct db_stmt *s, int column)
{
	return sqlite3_column_name(s->st, column);
}

bool db_digest(struct db_stmt *s, int column, struct digest *ret)
{
	size_t len;
	const void *data = db_blob(s, column, &len);

	if (!data || len != sizeof(ret->b))
		return false;
	memcpy(ret->b, data, len);
	return true;
}

int64_t db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->h);
}

int64_t db_changes(struct db *db)
{
	return sqlite3_changes64(db->h);
}
