/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/mem.h"
#include "pipeline/dockerignore.h"

static struct dockerignore *parse(const char *text)
{
	struct dockerignore *ignore;
	struct error err;

	if (dockerignore_parse(text, strlen(text), ".dockerignore", &ignore, &err) < 0)
		fail_msg("%s", err.msg);
	return ignore;
}

static const struct {
	const char *text, *path;
	bool out;
} cases[] = {
	{ "", "a", false },
	{ "a", "a", true },
	{ "a", "a/b/c", true },
	{ "a", "b/a", false },
	{ "a", "ab", false },
	{ "/a/", "a", true },
	{ "  a\t", "a", true },
	{ "./a//b/../c/", "a/c", true },
	{ "#a", "#a", false },
	{ " #a", "#a", true },
	{ "*.pyc", "x.pyc", true },
	{ "*.pyc", "d/x.pyc", false },
	{ "*/x", "d/x", true },
	{ "*/x", "x", false },
	{ "*", "a/b", true },
	{ "**/*.pyc", "x.pyc", true },
	{ "**/*.pyc", "a/b/x.pyc", true },
	{ "**/x", "ax", false },
	{ "**", "a", true },
	{ "**", "a/b", true },
	{ "a/**", "a/b/c", true },
	{ "a/**", "a", false },
	{ "a/**/z", "a/z", true },
	{ "a/**/z", "a/b/c/z", true },
	{ "a/**/z", "a/bz", false },
	{ "**/b/**/d", "a/b/c/d", true },
	{ "?.txt", "a.txt", true },
	{ "?.txt", "ab.txt", false },
	{ "a?b", "a/b", false },
	{ "[a-c]x", "bx", true },
	{ "[a-c]x", "dx", false },
	{ "[^a-c]x", "dx", true },
	{ "[^a-c]x", "ax", false },
	{ "a[^b]c", "a/c", false },
	{ "[\\]]x", "]x", true },
	{ "a\\*", "a*", true },
	{ "a\\*", "ab", false },
	{ "*\n!keep", "keep", false },
	{ "*\n!keep", "drop", true },
	{ "a\n!a/b", "a/b", false },
	{ "a\n!a/b", "a/c", true },
	{ "a\n!a/b\na/b", "a/b", true },
	{ "!a", "a", false },
	{ "*\n!**/keep", "x/keep", false },
	{ "\xef\xbb\xbf" "a", "a", true },
	{ "a\r\nb\r\n", "b", true },
	{ ".", "a", false },
	{ "/", "a", false },
	{ "../a", "a", false },
	{ "a+(b)", "a+(b)", true },
};

static void test_what_is_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dockerignore *ignore = parse(cases[i].text);

		if (dockerignore_match(ignore, cases[i].path) != cases[i].out)
			fail_msg("%s: %s", cases[i].text, cases[i].path);
		dockerignore_free(ignore);
	}
	assert_false(dockerignore_match(NULL, "a"));
}

static void test_what_an_exception_may_bring_back(void **state)
{
	static const struct {
		const char *text, *dir;
		bool may;
	} dirs[] = {
		{ "a", "a", false },          { "a\n!a/b", "a", true },     { "a\n!b", "a", false },
		{ "*\n!a/b/c", "a/b", true }, { "*\n!**/x", "deep", true }, { "*\n!a*/x", "ab", true },
		{ "*\n!ab/x", "a", false },   { "*\n!a", "a/b", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		struct dockerignore *ignore = parse(dirs[i].text);

		if (dockerignore_may_return(ignore, dirs[i].dir) != dirs[i].may)
			fail_msg("%s: %s", dirs[i].text, dirs[i].dir);
		dockerignore_free(ignore);
	}
}

static void test_bad_patterns_name_their_line(void **state)
{
	static const char *const bad[] = { "ok\n[a", "ok\n[]a]", "ok\n[a-", "ok\n[z-a]", "ok\na\\", "ok\n!", "ok\n[-]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct dockerignore *ignore = NULL;
		struct error err = { 0 };

		if (dockerignore_parse(bad[i], strlen(bad[i]), "c/.dockerignore", &ignore, &err) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(err.code, ERR_USAGE);
		assert_string_equal(err.where, "c/.dockerignore:2");
		assert_true(*err.help);
	}
}

/* A pattern of many stars has no bad case. */
static void test_stars_take_no_time(void **state)
{
	char text[401], path[2001];
	struct dockerignore *ignore;

	(void)state;
	for (size_t i = 0; i < 400; i += 4)
		memcpy(text + i, "**/*", 4);
	text[400] = '\0';
	memset(path, 'a', 2000);
	path[2000] = '\0';
	text[399] = 'b';
	ignore = parse(text);
	assert_false(dockerignore_match(ignore, path));
	dockerignore_free(ignore);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_left_out),
		cmocka_unit_test(test_what_an_exception_may_bring_back),
		cmocka_unit_test(test_bad_patterns_name_their_line),
		cmocka_unit_test(test_stars_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
