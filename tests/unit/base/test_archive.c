/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/archive.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define BLOCK 512

static const struct archive_entry_spec entries[] = {
	{ "Dockerfile", "FROM scratch\n", 13, 0644 },
	{ "bin/run", "#!/bin/sh\n", 10, 0755 },
	{ "empty", "", 0, 0600 },
};

/* POSIX: a text field of a header block. */
static const char *field(const char *block, size_t at)
{
	return block + at;
}

static unsigned long octal(const char *block, size_t at)
{
	return strtoul(block + at, NULL, 8);
}

static unsigned long checksum(const char *block)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)block[i];
	return sum;
}

static void header_of_each_file_is_plain_ustar(void **state)
{
	CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT;
	const char *block;
	struct error err;

	(void)state;
	assert_int_equal(archive_tar(entries, ARRAY_LEN(entries), &tar, &err), 0);
	block = tar.buf;
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		assert_string_equal(field(block, 0), entries[i].path);
		assert_int_equal(octal(block, 100), entries[i].mode);
		assert_int_equal(octal(block, 108), 0); /* uid */
		assert_int_equal(octal(block, 116), 0); /* gid */
		assert_int_equal(octal(block, 124), entries[i].len);
		assert_int_equal(octal(block, 136), 0); /* mtime */
		assert_int_equal(octal(block, 148), checksum(block));
		assert_int_equal(block[156], '0');      /* a regular file */
		assert_memory_equal(field(block, 257), "ustar\00000", 8);
		assert_string_equal(field(block, 265), "root");
		assert_string_equal(field(block, 297), "root");
		assert_memory_equal(block + BLOCK, entries[i].data, entries[i].len);
		block += BLOCK + (entries[i].len + BLOCK - 1) / BLOCK * BLOCK;
	}
	assert_int_equal(tar.len % BLOCK, 0);
	assert_true((size_t)(block - tar.buf) + 2 * BLOCK <= tar.len);
	for (; block < tar.buf + tar.len; block++)
		assert_int_equal(*block, 0);
}

static void equal_entries_give_equal_bytes(void **state)
{
	CLEANUP_STRBUF struct strbuf one = STRBUF_INIT, two = STRBUF_INIT;
	struct error err;

	(void)state;
	strbuf_puts(&two, "before");
	assert_int_equal(archive_tar(entries, ARRAY_LEN(entries), &one, &err), 0);
	assert_int_equal(archive_tar(entries, ARRAY_LEN(entries), &two, &err), 0);
	assert_int_equal(two.len, one.len + 6);
	assert_memory_equal(two.buf, "before", 6);
	assert_memory_equal(two.buf + 6, one.buf, one.len);
}

static void path_too_long_for_ustar_is_refused_and_leaves_the_buffer(void **state)
{
	CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT;
	char path[400] = { 0 };
	struct archive_entry_spec specs[] = { entries[0], { path, "x", 1, 0644 } };
	struct error err;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	assert_int_equal(archive_tar(specs, 2, &tar, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "\"pppp"));
	assert_int_equal(tar.len, 0);
	assert_int_equal(archive_tar(specs, 2, &tar, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_of_each_file_is_plain_ustar),
		cmocka_unit_test(equal_entries_give_equal_bytes),
		cmocka_unit_test(path_too_long_for_ustar_is_refused_and_leaves_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
