/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/shell.h"

static void a_shell_reads_the_same_word(void **state)
{
	static const char *const words[][2] = {
		{ "data/raw.csv", "data/raw.csv" }, { "a=b@v2:c", "a=b@v2:c" },
		{ "", "''" },                       { "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },           { "$HOME", "'$HOME'" },
		{ "d\xc3\xbc", "d\xc3\xbc" },       { "~x", "'~x'" },
		{ "a;b", "'a;b'" },                 { "a\nb", "'a\nb'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *got = shell_word(words[i][0]);

		assert_string_equal(got, words[i][1]);
		free(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_shell_reads_the_same_word) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
