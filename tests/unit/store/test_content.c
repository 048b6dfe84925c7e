/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "store/content.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void text_and_back(void **state)
{
	static const char *const texts[] = { "-", "file:" HEX, "exec:" HEX, "tree:" HEX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct content content;
		char text[CONTENT_TEXT];

		assert_true(content_parse(texts[i], &content));
		assert_int_equal(content.kind, i);
		assert_string_equal(content_format(&content, text), texts[i]);
	}
}

static void other_texts_are_refused(void **state)
{
	static const char *const texts[] = { "", "file:", "link:" HEX, "file:" HEX "0", "File:" HEX, "--",
					     "file:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct content content = { .kind = CONTENT_TREE };

		assert_false(content_parse(texts[i], &content));
		assert_int_equal(content.kind, CONTENT_TREE);
	}
}

static void equal_means_kind_and_digest(void **state)
{
	struct content a, b;

	(void)state;
	assert_true(content_parse("file:" HEX, &a));
	b = a;
	b.size = 9;
	assert_true(content_equal(&a, &b));
	b.kind = CONTENT_EXEC;
	assert_false(content_equal(&a, &b));
	b = a;
	b.id.b[31] ^= 1;
	assert_false(content_equal(&a, &b));
	a.kind = b.kind = CONTENT_ABSENT;
	assert_true(content_equal(&a, &b));
	assert_string_equal(content_kind_name(CONTENT_TREE), "tree");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(equal_means_kind_and_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
