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
	snprintf(root, sizeof(root), "/tmp/mlops-fs-XXXXXX");
	assert_non_null(mkdtemp(root));
	rootfd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rootfd >= 0);
	error_clear(&err);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(rootfd);
	return fs_remove_tree(AT_FDCWD, root, NULL);
}

static void put(const char *name, const char *text)
{
	assert_int_equal(fs_make_parents(rootfd, name, 0755, &err), 0);
	assert_int_equal(io_replace_file(rootfd, name, text, strlen(text), 0644, false, &err), 0);
}

static void clean_paths_as_a_user_writes_them(void **state)
{
	static const struct {
		const char *prefix, *text, *want; /* NULL: refused */
	} cases[] = {
		{ "", "a", "a" },
		{ "", "./a//b/", "a/b" },
		{ "", "", "." },
		{ "", ".", "." },
		{ "", "a/..", "." },
		{ "", "a/../b", "b" },
		{ "sub", "", "sub" },
		{ "sub", "x", "sub/x" },
		{ "sub", "../x", "x" },
		{ "sub/dir", "../../x", "x" },
		{ "", "...", "..." },
		{ "", "a b", "a b" },
		{ "", "-x", "-x" },
		{ "", "\xc3\xa4", "\xc3\xa4" },
		{ "", "..", NULL },
		{ "sub", "../..", NULL },
		{ "", "a/../../b", NULL },
		{ "", "/etc", NULL },
		{ "", "a\nb", NULL },
		{ "", "a\x7f", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(cleanup_free) char *got = NULL;
		int r = path_clean(cases[i].prefix, cases[i].text, &got, &err);

		assert_int_equal(r, cases[i].want ? 0 : -1);
		if (cases[i].want)
			assert_string_equal(got, cases[i].want);
		else
			assert_int_equal(err.code, ERR_USAGE);
	}
}

static void contains_goes_by_components(void **state)
{
	(void)state;
	assert_true(path_contains("a", "a"));
	assert_true(path_contains("a", "a/b"));
	assert_false(path_contains("a", "ab"));
	assert_false(path_contains("a/b", "a"));
	assert_true(path_contains(".", "a"));
	assert_string_equal(path_base("a/b"), "b");
	assert_string_equal(path_base("b"), "b");
}

static void patterns_match_whole_paths(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool want;
	} cases[] = {
		{ "*.csv", "a.csv", true },	     { "*.csv", "d/a.csv", false },
		{ "data/*", "data/a", true },	     { "data/*", "data/a/b", false },
		{ "data/**", "data/a/b", true },     { "**/x", "x", true },
		{ "**/x", "a/b/x", true },	     { "**/x", "a/bx", false },
		{ "a/**/b", "a/b", true },	     { "a/**/b", "a/c/d/b", true },
		{ "a/**/b", "a/cb", false },	     { "?", "a", true },
		{ "?", "/", false },		     { "a?c", "a/c", false },
		{ "[a-c]x", "bx", true },	     { "[!a-c]x", "bx", false },
		{ "[!a]x", "/x", false },	     { "[]]", "]", true },
		{ "[[:digit:]]*", "7up", true },     { "[[:digit:]]", "a", false },
		{ "[", "[", true },		     { "[ab", "[ab", true },
		{ "\\*", "*", true },		     { "\\*", "a", false },
		{ "a*b*c", "aXbYbZc", true },	     { "a*b*c", "aXbYbZ", false },
		{ "**", "any/thing", true },	     { "", "", true },
		{ "a", "", false },		     { "*", "", true },
		{ "**/*a/b", "x/ya/c/za/b", true },  { "[a-", "[a-", true },
		{ "a**b", "a/x/b", true },	     { "[\\]]", "]", true },
		{ "[[:nope:]]", "n", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (path_match(cases[i].pattern, cases[i].path) != cases[i].want)
			fail_msg("%s against %s", cases[i].pattern, cases[i].path);
	assert_true(path_is_pattern("a*"));
	assert_false(path_is_pattern("a.b"));
}

static void a_hostile_pattern_ends_soon(void **state)
{
	char path[3001], pattern[101];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (size_t i = 0; i + 1 < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	assert_false(path_match(pattern, path));
}

static void opening_never_leaves_the_root(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	put("in/file", "x");
	assert_int_equal(symlinkat("/etc", rootfd, "out"), 0);
	assert_int_equal(symlinkat("../..", rootfd, "in/up"), 0);
	assert_int_equal(symlinkat("in", rootfd, "alias"), 0);
	assert_int_equal(fs_open_beneath(rootfd, "out/passwd", O_RDONLY, 0, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(fs_open_beneath(rootfd, "in/up/etc", O_RDONLY, 0, &err), -1);
	assert_int_equal(fs_open_beneath(rootfd, "../x", O_RDONLY, 0, &err), -1);
	assert_int_equal(fs_stat_beneath(rootfd, "out/passwd", &st, &err), -1);
	fd = fs_open_beneath(rootfd, "alias/file", O_RDONLY, 0, &err);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fd = fs_open_beneath(rootfd, "in/new", O_CREAT | O_WRONLY, 0640, &err);
	assert_true(fd >= 0);
	close(fd);
}

static void stat_tells_absent_from_broken(void **state)
{
	struct stat st;

	(void)state;
	put("file", "x");
	assert_int_equal(symlinkat("/nowhere", rootfd, "link"), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "file", &st, &err), 1);
	assert_int_equal(fs_stat_beneath(rootfd, "absent/x", &st, &err), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "file/x", &st, &err), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "link", &st, &err), 1);
	assert_true(S_ISLNK(st.st_mode));
}

static void directories_are_made_through_no_symlink(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(mkdirat(rootfd, "real", 0755), 0);
	assert_int_equal(symlinkat("real", rootfd, "alias"), 0);
	assert_int_equal(symlinkat("/tmp", rootfd, "out"), 0);
	assert_int_equal(fs_make_parents(rootfd, "alias/a/file", 0755, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(err.msg,
			    "alias is a symlink to real: nothing is written or removed through a symlink");
	assert_int_equal(fs_stat_beneath(rootfd, "real/a", &st, &err), 0);
	assert_int_equal(fs_make_parents(rootfd, "real/a/b/file", 0755, &err), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "real/a/b", &st, &err), 1);
	assert_int_equal(fs_stat_beneath(rootfd, "real/a/b/file", &st, &err), 0);
	assert_int_equal(fs_make_dirs(rootfd, "x/y/z", 0755, &err), 0);
	assert_int_equal(fs_make_dirs(rootfd, "x/y/z", 0755, &err), 0);
	assert_int_equal(fs_make_dirs(rootfd, "out/mlops-never", 0755, &err), -1);
	put("file", "x");
	assert_int_equal(fs_make_dirs(rootfd, "file/x", 0755, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
}

static void removing_a_tree_opens_closed_directories_and_follows_nothing(void **state)
{
	struct stat st;

	(void)state;
	put("keep/precious", "x");
	put("tree/deep/file", "x");
	assert_int_equal(symlinkat("../keep", rootfd, "tree/link"), 0);
	assert_int_equal(fchmodat(rootfd, "tree/deep", 0555, 0), 0);
	assert_int_equal(fchmodat(rootfd, "tree", 0000, 0), 0);
	assert_int_equal(fs_remove_tree(rootfd, "tree", &err), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "tree", &st, &err), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "keep/precious", &st, &err), 1);
	assert_int_equal(fs_remove_tree(rootfd, "tree", &err), 0);
}

static void removing_and_listing_follow_no_symlink_on_the_way(void **state)
{
	struct strlist names = STRLIST_INIT;
	struct stat st;

	(void)state;
	put("home/photos/dear", "x");
	assert_int_equal(mkdirat(rootfd, "in", 0755), 0);
	assert_int_equal(symlinkat("../home", rootfd, "in/work"), 0);
	assert_int_equal(fs_remove_tree(rootfd, "in/work/photos", &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "in/work is a symlink to ../home"));
	assert_int_equal(fs_stat_beneath(rootfd, "home/photos/dear", &st, &err), 1);
	assert_int_equal(fs_list_dir(rootfd, "in/work", &names, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(fs_list_dir(rootfd, "in/work/photos", &names, &err), -1);
	assert_int_equal(names.len, 0);
	assert_int_equal(fs_open_direct(rootfd, "in/work/photos/dear", O_RDONLY, 0, &err), -1);
	assert_int_equal(fs_remove_tree(rootfd, "in/work", &err), 0);
	assert_int_equal(fs_remove_tree(rootfd, "absent/x", &err), 0);
	assert_int_equal(fs_stat_beneath(rootfd, "home/photos/dear", &st, &err), 1);
	assert_int_equal(fs_stat_beneath(rootfd, "in/work", &st, &err), 0);
}

static void copying_keeps_every_byte(void **state)
{
	size_t size = 3 * 1000 * 1000 + 7;
	CLEANUP(cleanup_free) char *data = xmalloc(size);
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	int from, to;

	(void)state;
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 % 251);
	assert_int_equal(io_replace_file(rootfd, "a", data, size, 0600, false, &err), 0);
	from = openat(rootfd, "a", O_RDONLY | O_CLOEXEC);
	to = io_create(rootfd, "b", 0600, &err);
	assert_int_equal(fs_copy_fd(from, to, "b", &err), 0);
	assert_int_equal(io_read_file(rootfd, "b", size, &got, &err), 0);
	assert_int_equal(got.len, size);
	assert_memory_equal(got.buf, data, size);
	close(from);
	close(to);
	/* A file without a size of its own is still read. */
	from = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	to = io_create(rootfd, "c", 0600, &err);
	assert_int_equal(fs_copy_fd(from, to, "c", &err), 0);
	assert_true(lseek(to, 0, SEEK_END) > 0);
	close(from);
	close(to);
}

static void listing_is_sorted(void **state)
{
	struct strlist names = STRLIST_INIT;

	(void)state;
	put("b", "");
	put("a", "");
	put(".c", "");
	assert_int_equal(fs_list_dir(rootfd, ".", &names, &err), 0);
	assert_int_equal(names.len, 3);
	assert_string_equal(names.items[0], ".c");
	assert_string_equal(names.items[2], "b");
	strlist_release(&names);
	assert_int_equal(fs_list_dir(rootfd, "absent", &names, &err), -1);
	assert_string_equal(fs_kind_name(S_IFIFO), "FIFO");
}

static void near_stats_equal_those_from_the_root(void **state)
{
	static const char *const paths[] = {
		"top", "a/file", "b/file", "c/file", "d/file", "e/file", "a/b/file", "a/link", "a/b", "a/absent",
		"absent/file", "a/file/below", "inside/file", "outside/passwd", "a", ".",
	};
	struct fs_near near = FS_NEAR_INIT(rootfd);

	(void)state;
	put("top", "1");
	for (const char *dir = "abcde"; *dir; dir++)
		put((char[]){ *dir, '/', 'f', 'i', 'l', 'e', '\0' }, "12");
	put("a/b/file", "123");
	assert_int_equal(symlinkat("file", rootfd, "a/link"), 0);
	assert_int_equal(symlinkat("a", rootfd, "inside"), 0);
	assert_int_equal(symlinkat("/etc", rootfd, "outside"), 0);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
			struct stat want = { 0 }, got = { 0 };
			int r = fs_stat_beneath(rootfd, paths[i], &want, &err);
			if (fs_stat_near(&near, paths[i], &got, &err) != r)
				fail_msg("%s", paths[i]);
			assert_int_equal(got.st_ino, want.st_ino);
			assert_int_equal(got.st_mode, want.st_mode);
		}
	}
	assert_int_equal(fs_stat_near(&near, "outside/passwd", &(struct stat){ 0 }, &err), -1);
	assert_string_equal(err.msg, "outside/passwd leaves the project");
	fs_near_release(&near);
}

static void a_release_forgets_directories_that_were_replaced(void **state)
{
	struct fs_near near = FS_NEAR_INIT(rootfd);
	struct stat st;

	(void)state;
	put("a/file", "1");
	assert_int_equal(fs_stat_near(&near, "a/file", &st, &err), 1);
	assert_int_equal(renameat(rootfd, "a", rootfd, "old"), 0);
	put("a/file", "12");
	fs_near_release(&near);
	assert_int_equal(fs_stat_near(&near, "a/file", &st, &err), 1);
	assert_int_equal(st.st_size, 2);
	fs_near_release(&near);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(clean_paths_as_a_user_writes_them),
		CASE(contains_goes_by_components),
		CASE(patterns_match_whole_paths),
		CASE(a_hostile_pattern_ends_soon),
		CASE(opening_never_leaves_the_root),
		CASE(stat_tells_absent_from_broken),
		CASE(directories_are_made_through_no_symlink),
		CASE(removing_a_tree_opens_closed_directories_and_follows_nothing),
		CASE(removing_and_listing_follow_no_symlink_on_the_way),
		CASE(copying_keeps_every_byte),
		CASE(listing_is_sorted),
		CASE(near_stats_equal_those_from_the_root),
		CASE(a_release_forgets_directories_that_were_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
