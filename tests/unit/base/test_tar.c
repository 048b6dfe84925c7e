/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tar.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/error.h"

static void a_head_is_read_as_it_was_written(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 511, 512, (1ull << 33) - 1, 1ull << 33, INT64_MAX };
	uint8_t block[TAR_BLOCK];
	struct tar_head head;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		tar_header("objects/ab/cdef", sizes[i], block);
		assert_int_equal(tar_parse(block, &head, &err), 1);
		assert_string_equal(head.name, "objects/ab/cdef");
		assert_true(head.size == sizes[i]);
	}
}

static void a_name_may_fill_its_field(void **state)
{
	char name[TAR_NAME + 1];
	uint8_t block[TAR_BLOCK];
	struct tar_head head;

	(void)state;
	memset(name, 'a', TAR_NAME);
	name[TAR_NAME] = '\0';
	tar_header(name, 7, block);
	assert_int_equal(tar_parse(block, &head, NULL), 1);
	assert_string_equal(head.name, name);
}

static void names_that_climb_or_hide_are_refused(void **state)
{
	static const char *const names[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "a\\b",
					     "a\nb", "\xc3\xa4", "a:b", "a\x7f" };
	uint8_t block[TAR_BLOCK];
	struct tar_head head;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		tar_header(names[i], 1, block);
		assert_int_equal(tar_parse(block, &head, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
	}
}

/* Every byte of a head means something: none may be another. */
static void no_byte_can_be_changed_unseen(void **state)
{
	uint8_t block[TAR_BLOCK];
	struct tar_head head;

	(void)state;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		tar_header("runs/1.json", 42, block);
		block[i] ^= 1;
		assert_int_equal(tar_parse(block, &head, NULL), -1);
	}
}

static void zeros_are_the_end(void **state)
{
	uint8_t block[TAR_BLOCK] = { 0 };
	struct tar_head head;

	(void)state;
	assert_int_equal(tar_parse(block, &head, NULL), 0);
	assert_int_equal(TAR_PADDING(0), 0);
	assert_int_equal(TAR_PADDING(1), 511);
	assert_int_equal(TAR_PADDING(512), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_read_as_it_was_written),
		cmocka_unit_test(a_name_may_fill_its_field),
		cmocka_unit_test(names_that_climb_or_hide_are_refused),
		cmocka_unit_test(no_byte_can_be_changed_unseen),
		cmocka_unit_test(zeros_are_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
