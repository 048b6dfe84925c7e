/* SPDX-License-Identifier: Apache-2.0 */
/* What a git index names, as git writes it: tests/fuzz/corpus/git_index has one of each kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/home.h"

static int names(const char *file, const char *path, char base[80])
{
	CLEANUP(cleanup_free) char *full = path_join(GOLDEN_DIR "/../fuzz/corpus/git_index", file);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	assert_int_equal(io_read_file(AT_FDCWD, full, 1 << 20, &text, NULL), 0);
	return git_index_names(text.buf, text.len, path, base);
}

static void every_version_names_what_is_tracked(void **state)
{
	static const char *const tracked[] = { "v2-tracked", "v3-tracked", "v4-tracked", "sha256" };
	static const char *const clean[] = { "v2-clean", "v3-clean", "v4-clean", "empty" };
	char base[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tracked); i++) {
		assert_int_equal(names(tracked[i], ".mlops", base), 1);
		assert_int_equal(names(tracked[i], ".MLOPS", base), 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(clean); i++) {
		assert_int_equal(names(clean[i], ".mlops", base), 0);
		assert_string_equal(base, "");
	}
	assert_int_equal(names("v4-clean", "sub/.mlops", base), 1);
	assert_int_equal(names("v4-clean", "sub/.ml", base), 0);
}

static void a_split_index_names_its_base(void **state)
{
	char base[80];

	(void)state;
	assert_int_equal(names("split", ".mlops", base), 0);
	assert_int_equal(strlen(base), strlen("sharedindex.") + 40);
}

static void a_cut_index_is_none(void **state)
{
	char base[80];

	(void)state;
	assert_int_equal(names("cut", ".mlops", base), -1);
	assert_int_equal(git_index_names("", 0, ".mlops", base), -1);
	assert_int_equal(git_index_names("DIRC\0\0\0\5\0\0\0\0", 12, ".mlops", base), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_names_what_is_tracked),
		cmocka_unit_test(a_split_index_names_its_base),
		cmocka_unit_test(a_cut_index_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
