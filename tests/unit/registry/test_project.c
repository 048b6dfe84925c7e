/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and making a project. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/project.h"
#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static struct error err;

static int enter(void **state)
{
	(void)state;
	error_clear(&err);
	snprintf(dir, sizeof(dir), "/tmp/mlops-project-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
	(void)state;
	return fs_remove_tree(AT_FDCWD, dir, NULL);
}

#define ok(call)                                                                                   \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s", err.msg);                                                   \
	} while (0)

/* Below the test's directory; lent until the fourth call after it. */
static const char *at(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static bool create(void)
{
	bool made;

	ok(project_create(dir, &made, &err));
	return made;
}

static void refuses_to_open(const char *start, enum error_code code, const char *in_message,
			    const char *in_help)
{
	struct project *p = NULL;

	error_clear(&err);
	assert_int_equal(project_open(start, &p, &err), -1);
	assert_null(p);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, in_message));
	assert_non_null(strstr(err.help, in_help));
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(at(name), &st), 0);
	return st.st_mode & 07777;
}

static void init_makes_all_parts(void **state)
{
	static const char *const parts[] = {
	    "objects", "staging", "quarantine",  "work",       "failed",     "aside",
	    "logs",    "locks",   "registry.db", "config.ini", ".gitignore",
	};
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	char name[64];

	(void)state;
	assert_true(create());
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(name, sizeof(name), ".mlops/%s", parts[i]);
		assert_int_equal(access(at(name), F_OK), 0);
	}
	assert_int_equal(mode_of(".mlops"), 0700);
	ok(io_read_file(AT_FDCWD, at(".mlops/.gitignore"), 100, &text, &err));
	assert_string_equal(text.buf, "*\n");
}

static void init_again_keeps_what_is_there_and_adds_what_is_missing(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	assert_true(create());
	ok(io_replace_file(AT_FDCWD, at(".mlops/config.ini"), "[run]\njobs = 3\n", 15, 0644, false,
			   &err));
	assert_int_equal(rmdir(at(".mlops/aside")), 0);
	assert_int_equal(unlink(at(".mlops/.gitignore")), 0);
	assert_false(create());
	assert_int_equal(access(at(".mlops/aside"), F_OK), 0);
	assert_int_equal(access(at(".mlops/.gitignore"), F_OK), 0);
	ok(io_read_file(AT_FDCWD, at(".mlops/config.ini"), 100, &text, &err));
	assert_string_equal(text.buf, "[run]\njobs = 3\n");
}

static void a_project_is_found_from_below_and_through_symlinks(void **state)
{
	struct project *p;

	(void)state;
	create();
	ok(io_mkdir(AT_FDCWD, at("src"), 0777, &err));
	ok(io_mkdir(AT_FDCWD, at("src/deep"), 0777, &err));
	assert_int_equal(symlink("src/deep", at("link")), 0);
	ok(project_open(at("link"), &p, &err));
	assert_string_equal(p->root, dir);
	assert_string_equal(p->prefix, "src/deep");
	assert_int_equal(faccessat(p->dirfd, "registry.db", F_OK, 0), 0);
	assert_int_equal(faccessat(p->rootfd, ".mlops", F_OK, 0), 0);
	project_close(p);
	ok(project_open(dir, &p, &err));
	assert_string_equal(p->prefix, "");
	project_close(p);
	project_close(NULL);
}

static void the_nearest_project_wins(void **state)
{
	struct project *p;
	bool made;

	(void)state;
	create();
	ok(io_mkdir(AT_FDCWD, at("inner"), 0777, &err));
	ok(project_create(at("inner"), &made, &err));
	ok(project_open(at("inner"), &p, &err));
	assert_string_equal(p->root, at("inner"));
	project_close(p);
}

static void no_project_says_init(void **state)
{
	(void)state;
	refuses_to_open(dir, ERR_NOT_FOUND, dir, "mlops init");
	refuses_to_open("/", ERR_NOT_FOUND, "in / or above", "mlops init");
	refuses_to_open(at("nowhere"), ERR_NOT_FOUND, "nowhere", "");
}

static void a_file_of_that_name_is_named(void **state)
{
	bool made;

	(void)state;
	ok(io_replace_file(AT_FDCWD, at(".mlops"), "x", 1, 0644, false, &err));
	refuses_to_open(dir, ERR_CONFLICT, ".mlops is a regular file, not a directory",
			"mlops init");
	assert_int_equal(project_create(dir, &made, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void a_dangling_symlink_of_that_name_is_not_followed(void **state)
{
	bool made;

	(void)state;
	assert_int_equal(symlink("/nowhere/at/all", at(".mlops")), 0);
	assert_int_equal(project_create(dir, &made, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, dir));
}

static void a_half_made_project_says_init(void **state)
{
	(void)state;
	ok(io_mkdir(AT_FDCWD, at(".mlops"), 0700, &err));
	refuses_to_open(dir, ERR_NOT_FOUND, ".mlops/locks", "mlops init");
	assert_false(create());
}

static void a_lost_database_is_not_taken_for_a_new_one(void **state)
{
	struct project *p;
	struct db *db;

	(void)state;
	create();
	for (int round = 0; round < 2; round++) {
		if (round)
			assert_int_equal(unlink(at(".mlops/registry.db")), 0);
		else
			assert_int_equal(truncate(at(".mlops/registry.db"), 0), 0);
		unlink(at(".mlops/registry.db-wal"));
		ok(project_open(dir, &p, &err));
		assert_int_equal(project_db(p, &db, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_non_null(strstr(err.help, "backup"));
		assert_non_null(strstr(err.help, "mlops init"));
		project_close(p);
	}
	create();
	ok(project_open(dir, &p, &err));
	ok(project_db(p, &db, &err));
	project_close(p);
}

static void parts_open_once(void **state)
{
	const struct ignore *ignore, *ignore_again;
	struct store *store, *store_again;
	struct db *db, *db_again;
	struct project *p;

	(void)state;
	create();
	ok(project_open(dir, &p, &err));
	ok(project_db(p, &db, &err));
	ok(project_db(p, &db_again, &err));
	assert_ptr_equal(db, db_again);
	ok(project_store(p, &store, &err));
	ok(project_store(p, &store_again, &err));
	assert_ptr_equal(store, store_again);
	ok(project_ignore(p, &ignore, &err));
	ok(project_ignore(p, &ignore_again, &err));
	assert_ptr_equal(ignore, ignore_again);
	assert_non_null(project_statcache(p));
	assert_ptr_equal(project_statcache(p), project_statcache(p));
	project_close(p);
}

static void the_actor_needs_no_environment(void **state)
{
	struct passwd *pw = getpwuid(getuid());
	char want[128];
	struct project *p;

	(void)state;
	create();
	clearenv();
	ok(project_open(dir, &p, &err));
	assert_non_null(strchr(p->actor, '@'));
	if (pw) {
		snprintf(want, sizeof(want), "%s@", pw->pw_name);
		assert_int_equal(strncmp(p->actor, want, strlen(want)), 0);
	}
	project_close(p);
}

/* Exit status: what project_open said, as another user; 100 when it opened. */
static int open_as(uid_t uid)
{
	struct project *p;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setuid(uid) < 0)
			_exit(101);
		if (project_open(dir, &p, &err) == 0)
			_exit(100);
		_exit(*err.help && strstr(err.msg, dir) ? (int)err.code : 102);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void other_peoples_projects_are_not_used(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	create();
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(open_as(65534), ERR_ENV); /* root's, but 0700 */
	assert_int_equal(chown(at(".mlops"), 12345, 12345), 0);
	assert_int_equal(open_as(65534), ERR_DENIED);
	assert_int_equal(chmod(at(".mlops"), 0777),
			 0); /* and with a pager of theirs in config.ini */
	assert_int_equal(open_as(65534), ERR_DENIED);
	assert_int_equal(open_as(12345), 100);
	assert_int_equal(open_as(0), 100);
}

static void init_where_nothing_may_be_written_fails(void **state)
{
	int status;
	pid_t pid;
	bool made;

	(void)state;
	assert_int_equal(chmod(dir, 0555), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setuid(65534) < 0)
			_exit(101);
		_exit(project_create(dir, &made, &err) == -1 ? (int)err.code : 100);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), ERR_ENV);
	assert_int_equal(chmod(dir, 0755), 0);
}

static int full_disk(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_WRITE ? ENOSPC : 0;
}

static void init_on_a_full_disk_fails_and_succeeds_later(void **state)
{
	bool made;
	int r;

	(void)state;
	io_fault = full_disk;
	r = project_create(dir, &made, &err);
	io_fault = NULL;
	assert_int_equal(r, -1);
	assert_int_equal(err.code, ERR_ENV);
	create();
}

static size_t count_homes(void)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	size_t n = 0;

	ok(fs_list_dir(AT_FDCWD, dir, &names, &err));
	for (size_t i = 0; i < names.len; i++)
		n += !strncmp(names.items[i], ".mlops", 6);
	return n;
}

static int steps_left;

static int die_later(enum io_op op, const char *name)
{
	(void)op;
	(void)name;
	if (!steps_left--)
		_exit(99);
	return 0;
}

static void a_killed_maker_leaves_no_half_project(void **state)
{
	int status;

	(void)state;
	for (int kill_at = 0;; kill_at++) {
		pid_t pid = fork();
		struct project *p;
		struct db *db;

		if (pid == 0) {
			bool made;

			steps_left = kill_at;
			io_fault = die_later;
			_exit(project_create(dir, &made, &err) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (access(at(".mlops"), F_OK) == 0) {
			ok(project_open(dir, &p, &err));
			ok(project_db(p, &db, &err));
			project_close(p);
		}
		create();
		assert_int_equal(count_homes(), 1);
		if (WEXITSTATUS(status) != 99)
			break;
		ok(fs_remove_tree(AT_FDCWD, at(".mlops"), &err));
		/* a run that was killed before its first step proves nothing */
		assert_true(kill_at < 1000);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void make_other(void)
{
	assert_int_equal(mkdir(at(".mlops"), 0700), 0);
	ok(io_replace_file(AT_FDCWD, at(".mlops/of-the-other"), "x", 1, 0600, false, &err));
}

static int other_comes_first(enum io_op op, const char *name)
{
	(void)name;
	if (op != IO_MKDIR)
		return 0;
	io_fault = NULL;
	make_other();
	return 0;
}

static void the_home_of_who_was_first_stays(void **state)
{
	bool made = true;

	(void)state;
	io_fault = other_comes_first;
	ok(project_create(dir, &made, &err));
	io_fault = NULL;
	assert_false(made);
	assert_int_equal(access(at(".mlops/of-the-other"), F_OK), 0);
	assert_int_equal(count_homes(), 1);
}

static void write_lock(uid_t owner)
{
	ok(io_replace_file(AT_FDCWD, at("mlops.lock"), "# mlops.lock 1\n", 15, 0644, false, &err));
	if (geteuid() == 0)
		assert_int_equal(chown(at("mlops.lock"), owner, (gid_t)-1), 0);
}

static void adoption_refuses(const char *what)
{
	char *root = NULL;

	error_clear(&err);
	assert_int_equal(project_adopt(dir, &root, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, what));
	assert_non_null(strstr(err.help, "mlops init"));
	assert_int_equal(count_homes(), 0);
}

static void what_others_put_there_is_not_adopted_by_root_either(void **state)
{
	char *root = NULL;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_lock(12345);
	adoption_refuses("mlops.lock belongs to");
	write_lock(0);
	assert_int_equal(chown(dir, 12345, (gid_t)-1), 0);
	adoption_refuses("belongs to");
	assert_int_equal(chown(dir, 0, (gid_t)-1), 0);
	/* both are ours: now only the text of the file is looked at */
	error_clear(&err);
	if (project_adopt(dir, &root, &err) < 0)
		assert_null(strstr(err.msg, "belongs to"));
	free(root);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
	    TEST(init_makes_all_parts),
	    TEST(init_again_keeps_what_is_there_and_adds_what_is_missing),
	    TEST(a_project_is_found_from_below_and_through_symlinks),
	    TEST(the_nearest_project_wins),
	    TEST(no_project_says_init),
	    TEST(a_file_of_that_name_is_named),
	    TEST(a_dangling_symlink_of_that_name_is_not_followed),
	    TEST(a_half_made_project_says_init),
	    TEST(a_lost_database_is_not_taken_for_a_new_one),
	    TEST(parts_open_once),
	    TEST(the_actor_needs_no_environment),
	    TEST(other_peoples_projects_are_not_used),
	    TEST(init_where_nothing_may_be_written_fails),
	    TEST(init_on_a_full_disk_fails_and_succeeds_later),
	    TEST(a_killed_maker_leaves_no_half_project),
	    TEST(the_home_of_who_was_first_stays),
	    TEST(what_others_put_there_is_not_adopted_by_root_either),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
