/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "store/ignore.h"

static bool matches(const char *rules, const char *path, bool is_dir)
{
	struct ignore *ignore;
	bool r;

	assert_int_equal(ignore_parse(rules, strlen(rules), &ignore, &err), 0);
	r = ignore_match(ignore, path, is_dir);
	ignore_free(ignore);
	return r;
}

static void rules_read_as_gitignore_reads_them(void **state)
{
	static const struct {
		const char *rules, *path;
		bool is_dir, want;
	} cases[] = {
		{ "*.tmp", "a.tmp", false, true },
		{ "*.tmp", "d/e/a.tmp", false, true },
		{ "*.tmp", "a.tmpx", false, false },
		{ "/a", "a", false, true },
		{ "/a", "d/a", false, false },
		{ "d/a", "d/a", false, true },
		{ "d/a", "x/d/a", false, false },
		{ "cache/", "x/cache", true, true },
		{ "cache/", "x/cache", false, false },
		{ "cache/", "cache/file", false, true },
		{ "**/logs", "a/b/logs", true, true },
		{ "logs/**", "logs/a/b", false, true },
		{ "logs/**", "logs", true, false },
		{ "a/**/b", "a/b", false, true },
		{ "a/**/b", "a/x/y/b", false, true },
		{ "a**b", "a/b", false, false },
		{ "a**b", "axxb", false, true },
		{ "*.log\n!keep.log", "keep.log", false, false },
		{ "*.log\n!keep.log", "x.log", false, true },
		{ "!keep.log\n*.log", "keep.log", false, true },
		{ "d/\n!d/x", "d/x", false, true }, /* nothing comes back from an ignored directory */
		{ "# comment\n\n  \n", "# comment", false, false },
		{ "\\#a", "#a", false, true },
		{ "\\!a", "!a", false, true },
		{ "a  ", "a", false, true },
		{ "a\\ ", "a ", false, true },
		{ "a\r\nb\r\n", "a", false, true },
		{ "\xef\xbb\xbf" "a", "a", false, true },
		{ "[ab]?", "b1", false, true },
		{ "[!ab]", "c", false, true },
		{ "?", "\xc3", false, true },
		{ "/", "a", false, false },
		{ "!", "a", false, false },
		{ "d/*.c", "d/x.c", false, true },
		{ "d/*.c", "d/e/x.c", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (matches(cases[i].rules, cases[i].path, cases[i].is_dir) != cases[i].want)
			fail_msg("\"%s\" against %s", cases[i].rules, cases[i].path);
}

static void some_names_are_never_versioned(void **state)
{
	(void)state;
	assert_true(matches("", ".mlops", true));
	assert_true(matches("!.mlops", ".mlops/objects/ab", true));
	assert_true(matches("", "sub/.git", true));
	assert_true(matches("", "sub/.git", false));
	assert_true(matches("!*.pyc", "a/b.pyc", false));
	assert_true(matches("", "a/__pycache__", true));
	assert_false(matches("", "a/__pycache__", false));
	assert_true(matches("", ".ipynb_checkpoints/x.ipynb", false));
	assert_true(matches("", "d/.DS_Store", false));
	assert_false(matches("", ".gitignore", false));
	assert_false(matches("", ".pyc", false));
	assert_true(ignore_match_here(NULL, "x/.git", true));
	assert_false(ignore_match_here(NULL, "x", true));
}

static void the_file_is_read_from_the_root(void **state)
{
	struct ignore *ignore;

	(void)state;
	assert_int_equal(ignore_load(rootfd, &ignore, &err), 0);
	assert_false(ignore_match(ignore, "a.tmp", false));
	ignore_free(ignore);
	put(".mlopsignore", "*.tmp\n");
	assert_int_equal(ignore_load(rootfd, &ignore, &err), 0);
	assert_true(ignore_match(ignore, "a.tmp", false));
	ignore_free(ignore);
	ignore_free(NULL);
}

static void a_binary_or_huge_file_is_refused(void **state)
{
	size_t size = IGNORE_MAX_BYTES + 1;
	CLEANUP(cleanup_free) char *big = xmalloc(size);
	struct ignore *ignore;

	(void)state;
	assert_int_equal(ignore_parse("a\0b", 3, &ignore, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	memset(big, '\n', size);
	put_bytes(".mlopsignore", big, size);
	assert_int_equal(ignore_load(rootfd, &ignore, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(rules_read_as_gitignore_reads_them),
		CASE(some_names_are_never_versioned),
		CASE(the_file_is_read_from_the_root),
		CASE(a_binary_or_huge_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
