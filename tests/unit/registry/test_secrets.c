/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/project.h"
#include "registry/secrets.h"

static char dir[64];
static struct project *p;
static struct error err;

static int enter(void **state)
{
	bool made;

	(void)state;
	error_clear(&err);
	snprintf(dir, sizeof(dir), "/tmp/mlops-secrets-XXXXXX");
	return !mkdtemp(dir) || project_create(dir, &made, &err) < 0 || project_open(dir, &p, &err) < 0 ? -1 : 0;
}

static int leave(void **state)
{
	(void)state;
	project_close(p);
	return fs_remove_tree(AT_FDCWD, dir, NULL);
}

#define ok(call)                                                                                   \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s", err.msg);                                                   \
	} while (0)

#define refused(call, wanted)                                                                      \
	do {                                                                                       \
		error_clear(&err);                                                                 \
		assert_int_equal((call), -1);                                                      \
		assert_int_equal(err.code, (wanted));                                              \
		assert_true(err.help[0]);                                                          \
	} while (0)

static bool put(const char *name, const char *value, size_t len)
{
	bool replaced;

	ok(secret_put(p, name, value, len, &replaced, &err));
	return replaced;
}

static int get(const char *name, const char *wanted, size_t len)
{
	struct strbuf got CLEANUP(secret_wipe) = STRBUF_INIT;

	if (secret_get(p, name, &got, &err) < 0)
		return -1;
	assert_int_equal(got.len, len);
	assert_memory_equal(got.buf, wanted, len);
	return 0;
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(p->dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777u;
}

static void any_bytes_come_back(void **state)
{
	char *large = xmalloc(SECRET_MAX);

	(void)state;
	assert_false(put("KEY", "a\0b\nc", 5));
	ok(get("KEY", "a\0b\nc", 5));
	assert_true(put("KEY", "x", 1));
	ok(get("KEY", "x", 1));
	memset(large, 0xff, SECRET_MAX);
	put("LARGE", large, SECRET_MAX);
	ok(get("LARGE", large, SECRET_MAX));
	free(large);
	assert_int_equal(mode_of("secrets"), 0700);
	assert_int_equal(mode_of("secrets/KEY"), 0600);
}

static void who_holds_a_value_leaves_no_core(void **state)
{
	(void)state;
	prctl(PR_SET_DUMPABLE, 1);
	put("KEY", "value", 5);
	ok(get("KEY", "value", 5));
	assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
	prctl(PR_SET_DUMPABLE, 1);
}

static void a_umask_changes_nothing(void **state)
{
	mode_t before = umask(0);

	(void)state;
	put("KEY", "value", 5);
	umask(before);
	assert_int_equal(mode_of("secrets"), 0700);
	assert_int_equal(mode_of("secrets/KEY"), 0600);
}

static void sizes_and_names_are_checked(void **state)
{
	static const char *const names[] = { "", "1A", "A-B", "a b", "MLOPS_KEY", "../x", "\xc3\xa4" };
	char *large = xcalloc(1, SECRET_MAX + 1);
	bool replaced;

	(void)state;
	refused(secret_put(p, "KEY", "", 0, &replaced, &err), ERR_USAGE);
	refused(secret_put(p, "KEY", large, SECRET_MAX + 1, &replaced, &err), ERR_USAGE);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		refused(secret_put(p, names[i], "x", 1, &replaced, &err), ERR_USAGE);
	memset(large, 'A', 101);
	large[101] = '\0';
	refused(secret_put(p, large, "x", 1, &replaced, &err), ERR_USAGE);
	large[100] = '\0';
	assert_false(put(large, "x", 1));
	free(large);
	refused(get("KEY", "", 0), ERR_NOT_FOUND);
}

static void what_others_may_know_is_refused(void **state)
{
	(void)state;
	put("KEY", "value", 5);
	assert_int_equal(fchmodat(p->dirfd, "secrets/KEY", 0640, 0), 0);
	refused(get("KEY", "", 0), ERR_DENIED);
	assert_non_null(strstr(err.help, "chmod go= .mlops/secrets/KEY"));
	assert_int_equal(fchmodat(p->dirfd, "secrets/KEY", 0600, 0), 0);
	ok(get("KEY", "value", 5));
	assert_int_equal(fchmodat(p->dirfd, "secrets", 0711, 0), 0);
	refused(get("KEY", "", 0), ERR_DENIED);
	assert_int_equal(fchmodat(p->dirfd, "secrets", 0700, 0), 0);
	/* put there, or made to point elsewhere */
	assert_int_equal(symlinkat("KEY", p->dirfd, "secrets/LINK"), 0);
	refused(get("LINK", "", 0), ERR_DENIED);
	assert_int_equal(mkfifoat(p->dirfd, "secrets/PIPE", 0600), 0);
	refused(get("PIPE", "", 0), ERR_DENIED);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(p->dirfd, "secrets/KEY", 12345, (gid_t)-1, 0), 0);
		refused(get("KEY", "", 0), ERR_DENIED);
	}
	/* a new value mends it all */
	assert_true(put("KEY", "new", 3));
	assert_true(put("LINK", "other", 5));
	ok(get("KEY", "new", 3));
	ok(get("LINK", "other", 5));
}

static void a_directory_elsewhere_is_refused(void **state)
{
	bool replaced;

	(void)state;
	assert_int_equal(mkdirat(p->rootfd, "elsewhere", 0700), 0);
	assert_int_equal(symlinkat("../elsewhere", p->dirfd, "secrets"), 0);
	refused(secret_put(p, "KEY", "x", 1, &replaced, &err), ERR_CONFLICT);
	refused(get("KEY", "", 0), ERR_CONFLICT);
}

static void count_refused(void *ctx, const char *name, const struct error *why)
{
	assert_string_equal(name, "B");
	assert_int_equal(why->code, ERR_DENIED);
	(*(int *)ctx)++;
}

static void the_list_is_sorted_and_tells_what_is_refused(void **state)
{
	CLEANUP(secret_list_release) struct secret_list list = { 0 };
	int n = 0;

	(void)state;
	ok(secret_list(p, &list, NULL, NULL, &err));
	assert_int_equal(list.len, 0);
	put("B", "x", 1);
	put("A", "x", 1);
	assert_int_equal(fchmodat(p->dirfd, "secrets/B", 0644, 0), 0);
	ok(secret_list(p, &list, count_refused, &n, &err));
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].name, "A");
	assert_string_equal(list.items[1].name, "B");
	assert_true(list.items[0].changed_ms > 0);
	assert_int_equal(n, 1);
}

static void removing_names_the_nearest(void **state)
{
	(void)state;
	refused(secret_remove(p, "WANDB_KEY", &err), ERR_NOT_FOUND);
	put("WANDB_KEY", "x", 1);
	refused(secret_remove(p, "WANDB_KYE", &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.help, "WANDB_KEY?"));
	ok(secret_remove(p, "WANDB_KEY", &err));
	refused(get("WANDB_KEY", "", 0), ERR_NOT_FOUND);
}

static int fail_rename(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_RENAME ? EIO : 0;
}

static void a_failed_write_leaves_the_old_value_and_no_copy(void **state)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	bool replaced;

	(void)state;
	put("KEY", "old", 3);
	io_fault = fail_rename;
	assert_int_equal(secret_put(p, "KEY", "new", 3, &replaced, &err), -1);
	io_fault = NULL;
	ok(get("KEY", "old", 3));
	/* as a killed writer leaves it */
	assert_true(close(openat(p->dirfd, "secrets/.KEY.0123456789abcdef.tmp", O_CREAT | O_WRONLY, 0600)) == 0);
	put("OTHER", "x", 1);
	ok(fs_list_dir(p->dirfd, "secrets", &names, &err));
	assert_int_equal(names.len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_bytes_come_back, enter, leave),
		cmocka_unit_test_setup_teardown(who_holds_a_value_leaves_no_core, enter, leave),
		cmocka_unit_test_setup_teardown(a_umask_changes_nothing, enter, leave),
		cmocka_unit_test_setup_teardown(sizes_and_names_are_checked, enter, leave),
		cmocka_unit_test_setup_teardown(what_others_may_know_is_refused, enter, leave),
		cmocka_unit_test_setup_teardown(a_directory_elsewhere_is_refused, enter, leave),
		cmocka_unit_test_setup_teardown(the_list_is_sorted_and_tells_what_is_refused, enter, leave),
		cmocka_unit_test_setup_teardown(removing_names_the_nearest, enter, leave),
		cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_value_and_no_copy, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
