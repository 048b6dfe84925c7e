/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"

static char root[64];
static int rootfd;
static struct error err;

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/mlops-io-XXXXXX");
	assert_non_null(mkdtemp(root));
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rootfd >= 0);
	error_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	io_fault = NULL;
	close(rootfd);
	return fs_remove_tree(AT_FDCWD, root, NULL);
}

/* Fails the nth operation from now on; counts all. */
static int fault_at, fault_seen, fault_errno;

static int fail_nth(enum io_op op, const char *name)
{
	(void)op;
	(void)name;
	return ++fault_seen == fault_at ? fault_errno : 0;
}

static void arm(int n, int sys)
{
	fault_at = n;
	fault_seen = 0;
	fault_errno = sys;
	io_fault = fail_nth;
}

static void assert_file(const char *name, const char *want)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	assert_int_equal(io_read_file(rootfd, name, 1 << 20, &got, &err), 0);
	assert_string_equal(got.buf, want);
}

static size_t count_names(void)
{
	struct strlist names = STRLIST_INIT;
	size_t n;

	assert_int_equal(fs_list_dir(rootfd, ".", &names, &err), 0);
	n = names.len;
	strlist_release(&names);
	return n;
}

static void create_refuses_what_exists(void **state)
{
	int fd = io_create(rootfd, "a", 0600, &err);

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(io_create(rootfd, "a", 0600, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void replace_gives_the_whole_file_with_its_mode(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(io_replace_file(rootfd, "a", "one", 3, 0600, true, &err), 0);
	assert_file("a", "one");
	assert_int_equal(io_replace_file(rootfd, "a", "two!", 4, 0640, false, &err), 0);
	assert_file("a", "two!");
	assert_int_equal(fstatat(rootfd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(count_names(), 1);
}

static void replace_works_in_a_subdirectory(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(rootfd, "sub", 0700), 0);
	assert_int_equal(io_replace_file(rootfd, "sub/a", "x", 1, 0600, true, &err), 0);
	assert_file("sub/a", "x");
}

static void a_failing_replace_leaves_the_old_file_and_no_litter(void **state)
{
	int n;

	(void)state;
	assert_int_equal(io_replace_file(rootfd, "a", "old", 3, 0600, true, &err), 0);
	for (n = 1;; n++) {
		arm(n, ENOSPC);
		if (io_replace_file(rootfd, "a", "new", 3, 0600, true, &err) == 0)
			break;
		io_fault = NULL;
		assert_int_equal(err.code, ERR_ENV);
		assert_int_equal(err.sys, ENOSPC);
		assert_int_equal(count_names(), 1);
		/* The last operation syncs the directory: the new file then stands, but not for sure. */
		if (n < 5)
			assert_file("a", "old");
		assert_true(n < 100);
	}
	assert_int_equal(n, 6);
	io_fault = NULL;
	assert_file("a", "new");
}

static void publish_never_replaces(void **state)
{
	(void)state;
	assert_int_equal(io_replace_file(rootfd, "a", "first", 5, 0600, false, &err), 0);
	assert_int_equal(io_replace_file(rootfd, "b", "second", 6, 0600, false, &err), 0);
	assert_int_equal(io_publish(rootfd, "b", rootfd, "a", &err), 0);
	assert_file("a", "first");
	assert_file("b", "second");
	assert_int_equal(io_publish(rootfd, "b", rootfd, "c", &err), 1);
	assert_file("c", "second");
	assert_int_equal(io_publish(rootfd, "absent", rootfd, "d", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void unlink_and_mkdir_may_find_their_work_done(void **state)
{
	(void)state;
	assert_int_equal(io_unlink(rootfd, "absent", &err), 0);
	assert_int_equal(io_mkdir(rootfd, "d", 0700, &err), 0);
	assert_int_equal(io_mkdir(rootfd, "d", 0700, &err), 0);
	assert_int_equal(io_replace_file(rootfd, "f", "", 0, 0600, false, &err), 0);
	assert_int_equal(io_mkdir(rootfd, "f", 0700, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void every_operation_can_be_made_to_fail(void **state)
{
	int fd = io_create(rootfd, "a", 0600, &err);

	(void)state;
	assert_true(fd >= 0);
	arm(1, EIO);
	assert_int_equal(io_write_all(fd, "x", 1, "a", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_sync_file(fd, "a", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_sync_dir(rootfd, ".", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_sync_fs(rootfd, ".", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_unlink(rootfd, "a", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_rename(rootfd, "a", rootfd, "b", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_publish(rootfd, "a", rootfd, "b", &err), -1);
	arm(1, EIO);
	assert_int_equal(io_mkdir(rootfd, "d", 0700, &err), -1);
	io_fault = NULL;
	assert_file("a", "");
	assert_int_equal(count_names(), 1);
	assert_int_equal(err.sys, EIO);
	close(fd);
}

static void reading_is_bounded_and_refuses_what_is_no_file(void **state)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	(void)state;
	assert_int_equal(io_replace_file(rootfd, "a", "12345", 5, 0600, false, &err), 0);
	assert_int_equal(io_read_file(rootfd, "a", 5, &got, &err), 0);
	assert_int_equal(got.len, 5);
	assert_int_equal(io_read_file(rootfd, "a", 4, &got, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(mkfifoat(rootfd, "fifo", 0600), 0);
	assert_int_equal(io_read_file(rootfd, "fifo", 10, &got, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(io_read_file(rootfd, "absent", 10, &got, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(create_refuses_what_exists),
		CASE(replace_gives_the_whole_file_with_its_mode),
		CASE(replace_works_in_a_subdirectory),
		CASE(a_failing_replace_leaves_the_old_file_and_no_litter),
		CASE(publish_never_replaces),
		CASE(unlink_and_mkdir_may_find_their_work_done),
		CASE(every_operation_can_be_made_to_fail),
		CASE(reading_is_bounded_and_refuses_what_is_no_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
