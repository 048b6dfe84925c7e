/* SPDX-License-Identifier: Apache-2.0 */
/* The database: statements, nesting, migrations, two processes, and what a broken file says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct db_migration one[] = {
    {1, "0001_init",
     "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER NOT NULL, s TEXT, b BLOB, r REAL) STRICT;"},
    {0, NULL, NULL},
};
static const struct db_migration two[] = {
    {1, "0001_init",
     "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER NOT NULL, s TEXT, b BLOB, r REAL) STRICT;"},
    {2, "0002_more",
     "CREATE TABLE u (t INTEGER REFERENCES t); INSERT INTO t (x) SELECT count(*) + 100 FROM t;"},
    {0, NULL, NULL},
};
static const struct db_migration broken[] = {
    {1, "0001_init", "CREATE TABLE t (id INTEGER PRIMARY KEY);"},
    {2, "0002_broken", "CREATE TABLE u (x); INSERT INTO nowhere VALUES (1);"},
    {0, NULL, NULL},
};

static char dir[64], path[96], lock_path[96], wal_path[128];
static struct error err;

static int enter(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mlops-db-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/registry.db", dir);
	snprintf(wal_path, sizeof(wal_path), "%s-wal", path);
	snprintf(lock_path, sizeof(lock_path), "%s/db", dir);
	error_clear(&err);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	chmod(dir, 0700);
	return fs_remove_tree(AT_FDCWD, dir, NULL);
}

static struct db *open_with(const struct db_migration *migrations)
{
	struct db *db = NULL;

	if (db_open(path, lock_path, migrations, DB_READ_WRITE, &db, &err) < 0)
		fail_msg("%s", err.msg);
	return db;
}

static void refuses_to_open(const struct db_migration *migrations, enum error_code code)
{
	struct db *db = NULL;

	error_clear(&err);
	assert_int_equal(db_open(path, lock_path, migrations, DB_READ_WRITE, &db, &err), -1);
	assert_null(db);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, path));
	assert_string_not_equal(err.help, "");
}

static int put(struct db *db, int64_t x)
{
	struct db_stmt *q = db_query(db, "INSERT INTO t (x) VALUES (?1)");

	db_bind(q, 1, x);
	return db_run(q, &err);
}

static int64_t count(struct db *db)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT count(*) FROM t");

	assert_int_equal(db_step(q, &err), 1);
	return db_int(q, 0);
}

static void write_file(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void values_come_back_as_they_were_bound(void **state)
{
	struct digest digest, back;
	struct db *db = open_with(one);
	struct db_stmt *q;

	(void)state;
	digest_of("abc", 3, &digest);
	assert_int_equal(db_begin(db, &err), 0);
	q = db_query(db, "INSERT INTO t (x, s, b, r) VALUES (?1, ?2, ?3, ?4)");
	db_bind(q, 1, INT64_MIN);
	db_bind(q, 2, "it's \xc3\xa4");
	db_bind(q, 3, &digest);
	db_bind(q, 4, 1e308);
	assert_int_equal(db_run(q, &err), 0);
	assert_int_equal(db_last_id(db), 1);
	q = db_query(db, "INSERT INTO t (x, s, b) VALUES (1, ?1, ?2)");
	db_bind(q, 1, (const char *)NULL);
	db_bind(q, 2, (const struct digest *)NULL);
	assert_int_equal(db_run(q, &err), 0);
	assert_int_equal(db_commit(db, &err), 0);

	q = db_query(db, "SELECT x, s, b, r FROM t ORDER BY id");
	assert_int_equal(db_step(q, &err), 1);
	assert_true(db_int(q, 0) == INT64_MIN);
	assert_string_equal(db_text(q, 1), "it's \xc3\xa4");
	assert_true(db_digest(q, 2, &back));
	assert_true(digest_equal(&back, &digest));
	assert_true(db_real(q, 3) > 9e307);
	assert_int_equal(db_step(q, &err), 1);
	assert_null(db_text(q, 1));
	assert_true(db_is_null(q, 2));
	assert_false(db_digest(q, 2, &back));
	assert_int_equal(db_step(q, &err), 0);
	db_done(q);
	db_done(NULL);
	db_close(db);
}

static void a_statement_may_be_borrowed_while_it_is_read(void **state)
{
	struct db *db = open_with(one);
	static const char sql[] = "SELECT x FROM t WHERE x >= ?1 ORDER BY x";
	struct db_stmt *outer, *inner;

	(void)state;
	assert_int_equal(db_exec(db, "INSERT INTO t (x) VALUES (1), (2), (3)", &err), 0);
	outer = db_query(db, sql);
	db_bind(outer, 1, 1);
	assert_int_equal(db_step(outer, &err), 1);
	inner = db_query(db, sql);
	db_bind(inner, 1, 3);
	assert_int_equal(db_step(inner, &err), 1);
	assert_int_equal(db_int(inner, 0), 3);
	db_done(inner);
	assert_int_equal(db_step(outer, &err), 1);
	assert_int_equal(db_int(outer, 0), 2);
	db_done(outer);
	outer = db_query(db, sql);
	assert_int_equal(db_step(outer, &err), 0); /* nothing is bound any more */
	db_done(outer);
	db_close(db);
}

static void a_dynamic_query_that_does_not_compile_is_the_users(void **state)
{
	static const char *const bad[] = {"SELECT", "SELECT y FROM t", "SELECT 1; SELECT 2",
					  "DELETE FROM t", ""};
	struct db *db = open_with(one);
	struct db_stmt *q;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(db_query_dynamic(db, bad[i], &q, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_int_equal(db_query_dynamic(db, "SELECT ?1 + 1", &q, &err), 0);
	db_bind(q, 1, 41);
	assert_int_equal(db_step(q, &err), 1);
	assert_int_equal(db_int(q, 0), 42);
	db_done(q);
	db_close(db);
}

static void only_the_outermost_commit_counts(void **state)
{
	struct db *db = open_with(one), *other = open_with(one);

	(void)state;
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, 1), 0);
	assert_int_equal(db_commit(db, &err), 0);
	assert_int_equal(count(other), 0);
	assert_int_equal(db_commit(db, &err), 0);
	assert_int_equal(count(other), 1);
	db_close(other);
	db_close(db);
}

static void an_inner_rollback_undoes_all_and_fails_what_follows(void **state)
{
	struct db *db = open_with(one);

	(void)state;
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, 1), 0);
	assert_int_equal(db_begin(db, &err), 0);
	db_rollback(db);
	assert_int_equal(put(db, 2), -1);
	assert_int_equal(db_begin(db, &err), -1);
	assert_int_equal(db_commit(db, &err), -1);
	assert_int_equal(count(db), 0);
	/* and the next one is new */
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, 3), 0);
	assert_int_equal(db_commit(db, &err), 0);
	assert_int_equal(count(db), 1);
	db_close(db);
}

static void closing_rolls_back(void **state)
{
	struct db *db = open_with(one);

	(void)state;
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, 1), 0);
	db_close(db);
	db = open_with(one);
	assert_int_equal(count(db), 0);
	db_close(db);
}

static void a_constraint_is_a_conflict_and_undoes_its_statement_only(void **state)
{
	struct db *db = open_with(one);

	(void)state;
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(put(db, 1), 0);
	assert_int_equal(db_run(db_query(db, "INSERT INTO t (x) VALUES (2), (NULL)"), &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(db_commit(db, &err), 0);
	assert_int_equal(count(db), 1);
	db_close(db);
}

static void durable_settings_are_on(void **state)
{
	static const struct {
		const char *sql, *value;
	} want[] = {
	    {"PRAGMA synchronous", "2"},
	    {"PRAGMA foreign_keys", "1"},
	    {"PRAGMA mmap_size", "0"},
	    {"PRAGMA trusted_schema", "0"},
	};
	struct db *db = open_with(one);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct db_stmt *q = NULL;

		assert_int_equal(db_query_dynamic(db, want[i].sql, &q, &err), 0);
		assert_int_equal(db_step(q, &err), 1);
		assert_string_equal(db_text(q, 0), want[i].value);
		db_done(q);
	}
	db_close(db);
}

/* Opening and versions. */

static void migrations_run_once_and_in_order(void **state)
{
	struct db *db = open_with(one);

	(void)state;
	assert_int_equal(db_version(db), 1);
	assert_int_equal(db_exec(db, "INSERT INTO t (x) VALUES (7)", &err), 0);
	db_close(db);
	for (int i = 0; i < 2; i++) {
		db = open_with(two);
		assert_int_equal(db_version(db), 2);
		assert_int_equal(count(db), 2);
		db_close(db);
	}
}

static void a_migration_that_fails_changes_nothing(void **state)
{
	struct db *db = NULL;

	(void)state;
	assert_int_equal(db_open(path, lock_path, broken, DB_READ_WRITE, &db, &err), -1);
	assert_non_null(strstr(err.msg, "0002_broken"));
	db = open_with((const struct db_migration[]){broken[0], {0, NULL, NULL}});
	assert_int_equal(db_version(db), 1);
	assert_int_equal(db_query_dynamic(db, "SELECT * FROM u", &(struct db_stmt *){NULL}, &err),
			 -1);
	db_close(db);
}

static void a_newer_version_is_refused_by_both_names(void **state)
{
	(void)state;
	db_close(open_with(two));
	refuses_to_open(one, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "format 2"));
	assert_non_null(strstr(err.msg, "up to 1"));
	db_close(open_with(two));
}

static void reading_only_makes_and_converts_nothing(void **state)
{
	struct db *db = NULL;

	(void)state;
	assert_int_equal(db_open(path, lock_path, one, DB_READ_ONLY, &db, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(access(path, F_OK), -1);
	db_close(open_with(one));
	assert_int_equal(db_open(path, lock_path, two, DB_READ_ONLY, &db, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(db_open(path, lock_path, one, DB_READ_ONLY, &db, &err), 0);
	assert_int_equal(count(db), 0);
	assert_int_equal(db_begin(db, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	db_close(db);
}

/* Broken files. */

static void a_file_of_garbage_is_damage_with_a_way_out(void **state)
{
	char text[8192];

	(void)state;
	memset(text, 'x', sizeof(text));
	write_file(path, text, sizeof(text));
	refuses_to_open(one, ERR_DAMAGED);
	assert_non_null(strstr(err.help, "backup"));
	assert_non_null(strstr(err.help, "fsck"));
	assert_non_null(strstr(err.help, "-wal"));
}

static void fill(struct db *db, int rows)
{
	CLEANUP_STMT struct db_stmt *q = NULL;

	assert_int_equal(db_begin(db, &err), 0);
	q = db_query(db,
		     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
		     " INSERT INTO t (x, s) SELECT i, hex(randomblob(200)) FROM n");
	db_bind(q, 1, rows);
	assert_int_equal(db_step(q, &err), 0);
	db_done(steal(&q));
	assert_int_equal(db_commit(db, &err), 0);
}

static void a_truncated_file_is_damage(void **state)
{
	struct db *db = open_with(one);
	struct stat st;

	(void)state;
	fill(db, 2000);
	db_close(db);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 500000);
	assert_int_equal(truncate(path, st.st_size / 2), 0);
	refuses_to_open(one, ERR_DAMAGED);
	assert_int_equal(truncate(path, 50), 0);
	refuses_to_open(one, ERR_DAMAGED);
}

static void damage_inside_is_found_by_the_check(void **state)
{
	struct db *db = open_with(one);
	char zero[4096] = "";
	struct stat st;
	int fd;

	(void)state;
	fill(db, 2000);
	assert_int_equal(db_check(db, &err), 0);
	db_close(db);
	assert_int_equal(stat(path, &st), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, zero, sizeof(zero), st.st_size / 8192 * 4096), sizeof(zero));
	close(fd);
	db = open_with(one);
	assert_int_equal(db_check(db, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_null(strchr(err.msg, '\n'));
	db_close(db);
}

static void a_row_without_its_parent_is_found_by_the_check(void **state)
{
	struct db *db = open_with(two);

	(void)state;
	static char bytes[4 << 20];
	char *found;
	ssize_t len;
	int fd;

	assert_int_equal(db_exec(db, "INSERT INTO u VALUES (999)", &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(
	    db_exec(db, "INSERT INTO t (id, x) VALUES (77777, 0); INSERT INTO u VALUES (77777)",
		    &err),
	    0);
	fill(db, 2000);
	assert_int_equal(db_check(db, &err), 0);
	db_close(db);
	/* In the child's record 77777 is three bytes; the parent's row id is written otherwise. */
	fd = open(path, O_RDWR | O_CLOEXEC);
	len = read(fd, bytes, sizeof(bytes));
	found = memmem(bytes, (size_t)len, "\x01\x2f\xd1", 3);
	assert_non_null(found);
	assert_int_equal(pwrite(fd, "\x01\x2f\xd0", 3, found - bytes), 3);
	close(fd);
	db = open_with(two);
	assert_int_equal(db_check(db, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, "a row of u refers to a missing row of t"));
	db_close(db);
}

static void a_missing_table_is_damage_not_a_crash(void **state)
{
	struct db *db = open_with(one);
	struct db_stmt *q;

	(void)state;
	assert_int_equal(db_exec(db, "DROP TABLE t", &err), 0);
	q = db_query(db, "SELECT x FROM t WHERE x = ?1");
	db_bind(q, 1, 1);
	assert_int_equal(db_step(q, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, "no such table"));
	db_done(q);
	db_close(db);
}

static void another_programs_database_is_left_alone(void **state)
{
	static const struct db_migration theirs[] = {
	    {1, "theirs", "CREATE TABLE runs (x); PRAGMA user_version = 0"},
	    {0, NULL, NULL},
	};
	struct db *db = open_with(theirs);

	(void)state;
	assert_int_equal(db_exec(db, "PRAGMA user_version = 0", &err), 0);
	db_close(db);
	refuses_to_open(one, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, "another program"));
}

static void a_log_without_its_database_is_not_thrown_away(void **state)
{
	struct db *db = open_with(one);
	struct stat before, after;

	(void)state;
	assert_int_equal(db_exec(db, "INSERT INTO t (x) VALUES (1)", &err), 0);
	db_close(db);
	assert_int_equal(stat(wal_path, &before), 0);
	assert_true(before.st_size > 0);
	assert_int_equal(truncate(path, 0), 0);
	refuses_to_open(one, ERR_DAMAGED);
	assert_int_equal(unlink(path), 0);
	refuses_to_open(one, ERR_DAMAGED);
	assert_int_equal(stat(wal_path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
}

static void an_empty_file_is_a_new_database(void **state)
{
	struct db *db;

	(void)state;
	write_file(path, "", 0);
	db = open_with(one);
	assert_int_equal(db_version(db), 1);
	db_close(db);
}

/* As a user who may not write; root is not bound by permissions. */
static void a_read_only_directory_still_reads(void **state)
{
	struct db *db = open_with(one);
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(db_exec(db, "INSERT INTO t (x) VALUES (1)", &err), 0);
	db_close(db);
	assert_int_equal(chmod(dir, 0555), 0);
	assert_int_equal(chmod(path, 0444), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(10);
		if (db_open(path, lock_path, one, DB_READ_WRITE, &db, &err) < 0)
			_exit(11);
		if (db_begin(db, &err) == 0 || err.code != ERR_ENV)
			_exit(12);
		_exit(count(db) == 1 ? 0 : 13);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Two processes. */

static void child_writes(int rows)
{
	struct db *db = NULL;

	for (int i = 0; i < rows; i++) {
		if (!db && db_open(path, lock_path, one, DB_READ_WRITE, &db, &err) < 0)
			_exit(1);
		if (db_begin(db, &err) < 0 || put(db, i) < 0 || put(db, -i) < 0 ||
		    db_commit(db, &err) < 0)
			_exit(2);
		if (i % 7 == 0) {
			db_close(db);
			db = NULL;
		}
	}
	db_close(db);
	_exit(0);
}

static void processes_write_together_and_lose_nothing(void **state)
{
	enum { WRITERS = 3, ROWS = 150 };
	pid_t pids[WRITERS];
	struct db *db;
	int status;

	(void)state;
	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			child_writes(ROWS); /* also races to make the database */
	}
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	db = open_with(one);
	assert_int_equal(count(db), WRITERS * ROWS * 2);
	assert_int_equal(db_check(db, &err), 0);
	db_close(db);
}

static void wait_for_byte(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
}

static void a_killed_writer_leaves_no_lock_and_no_half_transaction(void **state)
{
	struct db *db;
	int ready[2], status;
	pid_t pid;

	(void)state;
	for (int round = 0; round < 5; round++) {
		assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0) {
			db = open_with(one);
			if (db_begin(db, &err) < 0 || put(db, 1) < 0 || db_commit(db, &err) < 0)
				_exit(1);
			if (db_begin(db, &err) < 0)
				_exit(2);
			for (int i = 0; i < 5000; i++) /* enough to spill into the log */
				if (put(db, i) < 0)
					_exit(3);
			if (write(ready[1], "r", 1) != 1)
				_exit(4);
			for (;;)
				pause();
		}
		wait_for_byte(ready[0]);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		close(ready[0]);
		close(ready[1]);
		db = open_with(one);
		assert_int_equal(count(db), round + 1);
		assert_int_equal(db_exec(db, "UPDATE t SET x = x + 1", &err), 0);
		assert_int_equal(db_check(db, &err), 0);
		db_close(db);
	}
}

/* The lock is what stands between two writers: nobody else may have it while one writes. */
static void a_transaction_holds_the_lock(void **state)
{
	struct db *db = open_with(one);
	int fd = open(lock_path, O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_int_equal(db_begin(db, &err), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	db_rollback(db);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	db_close(db);
}

static void the_log_stays_small(void **state)
{
	struct db *db = open_with(one);
	struct stat st;

	(void)state;
	for (int i = 0; i < 60; i++)
		fill(db, 200);
	assert_int_equal(stat(wal_path, &st), 0);
	assert_true(st.st_size < 4 << 20);
	db_close(db);
	assert_int_equal(stat(wal_path, &st), 0);
	assert_int_equal(st.st_size, 0);
	db = open_with(one);
	assert_int_equal(count(db), 60 * 200);
	db_close(db);
}

static void a_reader_never_checkpoints(void **state)
{
	struct db *db = open_with(one), *reader;
	struct stat before, after;

	(void)state;
	fill(db, 100);
	assert_int_equal(stat(wal_path, &before), 0);
	reader = open_with(one);
	assert_int_equal(count(reader), 100);
	db_close(reader);
	assert_int_equal(stat(wal_path, &after), 0);
	assert_true(before.st_size > 0);
	assert_int_equal(before.st_size, after.st_size);
	db_close(db);
}

static int64_t seconds;

static int64_t a_minute_later_each_time(void)
{
	seconds += 60;
	return seconds * 1000000000;
}

static void a_query_of_another_programs_database_ends(void **state)
{
	const char *sql = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c ORDER BY x";
	const struct clock_source real = clock_source;
	struct db *db = open_with(one);
	struct db_stmt *q = NULL;

	(void)state;
	db_close(db);
	clock_source.mono_ns = a_minute_later_each_time;
	assert_int_equal(db_open_stranger(path, &db, &err), 0);
	assert_int_equal(db_query_dynamic(db, sql, &q, &err), 0);
	assert_int_equal(db_step(q, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	db_done(q);
	db_close(db);
	clock_source = real;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
	    TEST(values_come_back_as_they_were_bound),
	    TEST(a_statement_may_be_borrowed_while_it_is_read),
	    TEST(a_dynamic_query_that_does_not_compile_is_the_users),
	    TEST(only_the_outermost_commit_counts),
	    TEST(an_inner_rollback_undoes_all_and_fails_what_follows),
	    TEST(closing_rolls_back),
	    TEST(a_constraint_is_a_conflict_and_undoes_its_statement_only),
	    TEST(durable_settings_are_on),
	    TEST(migrations_run_once_and_in_order),
	    TEST(a_migration_that_fails_changes_nothing),
	    TEST(a_newer_version_is_refused_by_both_names),
	    TEST(reading_only_makes_and_converts_nothing),
	    TEST(a_file_of_garbage_is_damage_with_a_way_out),
	    TEST(a_truncated_file_is_damage),
	    TEST(damage_inside_is_found_by_the_check),
	    TEST(a_row_without_its_parent_is_found_by_the_check),
	    TEST(a_missing_table_is_damage_not_a_crash),
	    TEST(another_programs_database_is_left_alone),
	    TEST(a_log_without_its_database_is_not_thrown_away),
	    TEST(an_empty_file_is_a_new_database),
	    TEST(a_read_only_directory_still_reads),
	    TEST(processes_write_together_and_lose_nothing),
	    TEST(a_killed_writer_leaves_no_lock_and_no_half_transaction),
	    TEST(a_transaction_holds_the_lock),
	    TEST(the_log_stays_small),
	    TEST(a_reader_never_checkpoints),
	    TEST(a_query_of_another_programs_database_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
