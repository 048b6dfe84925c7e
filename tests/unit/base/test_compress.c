/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/compress.h"
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"

static FILE *file;

static int setup(void **state)
{
	(void)state;
	file = tmpfile();
	return file ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return fclose(file);
}

static size_t some(size_t most)
{
	return 1 + (size_t)rand() % most;
}

/* Text of which some repeats and some does not. */
static char *make_text(size_t len)
{
	char *text = xmalloc(len);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(i % 7 ? 'a' + (char)(i / 100 % 26) : rand());
	return text;
}

static void write_pieces(const char *text, size_t len, size_t most)
{
	struct compressor *c = compress_to(fileno(file), "log");

	for (size_t at = 0, n; at < len; at += n) {
		n = some(most);
		n = n < len - at ? n : len - at;
		assert_int_equal(compress_add(c, text + at, n, NULL), 0);
	}
	assert_int_equal(compress_end(c, NULL), 0);
	compress_free(c);
}

/* Bytes, or -1 and *err. */
static ssize_t read_pieces(struct strbuf *ret, size_t most, struct error *err)
{
	CLEANUP(cleanup_decompressor) struct decompressor *d = decompress_from(fileno(file), "log");
	char *buf = xmalloc(most);
	ssize_t n;

	lseek(fileno(file), 0, SEEK_SET);
	while ((n = decompress_read(d, buf, some(most), err)) > 0)
		strbuf_add(ret, buf, (size_t)n);
	free(buf);
	return n < 0 ? n : (ssize_t)ret->len;
}

static void what_went_in_comes_out(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, 131072, 3000000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *text = make_text(sizes[i] + 1);
		struct strbuf back = STRBUF_INIT;

		assert_int_equal(ftruncate(fileno(file), 0), 0);
		lseek(fileno(file), 0, SEEK_SET);
		write_pieces(text, sizes[i], i % 2 ? 1000 : 300000);
		assert_int_equal(read_pieces(&back, i % 2 ? 200000 : 700, NULL), sizes[i]);
		assert_memory_equal(back.buf, text, sizes[i]);
		strbuf_release(&back);
		free(text);
	}
}

static void one_frame_after_another_is_read_on(void **state)
{
	struct strbuf back = STRBUF_INIT;

	(void)state;
	write_pieces("one", 3, 10);
	write_pieces("two", 3, 10);
	assert_int_equal(read_pieces(&back, 10, NULL), 6);
	assert_string_equal(back.buf, "onetwo");
	strbuf_release(&back);
}

static void what_lacks_its_end_is_damaged(void **state)
{
	char *text = make_text(5000);
	off_t size;

	(void)state;
	write_pieces(text, 5000, 5000);
	size = lseek(fileno(file), 0, SEEK_END);
	for (off_t len = size - 1; len >= 0; len -= len > 20 ? 17 : 1) {
		struct strbuf back = STRBUF_INIT;
		struct error err = { 0 };

		assert_int_equal(ftruncate(fileno(file), len), 0);
		assert_int_equal(read_pieces(&back, 1000, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		strbuf_release(&back);
	}
	free(text);
}

static void what_was_changed_is_damaged(void **state)
{
	char *text = make_text(5000), byte;

	(void)state;
	write_pieces(text, 5000, 5000);
	for (off_t at = 20; at < 3000; at += 97) {
		struct strbuf back = STRBUF_INIT;
		struct error err = { 0 };

		if (pread(fileno(file), &byte, 1, at) != 1)
			break;
		byte ^= 4;
		assert_int_equal(pwrite(fileno(file), &byte, 1, at), 1);
		assert_int_equal(read_pieces(&back, 1000, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		byte ^= 4;
		assert_int_equal(pwrite(fileno(file), &byte, 1, at), 1);
		strbuf_release(&back);
	}
	free(text);
}

static int full(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_WRITE ? 28 /* ENOSPC */ : 0;
}

static void a_full_disk_is_told(void **state)
{
	struct compressor *c = compress_to(fileno(file), "log");
	struct error err = { 0 };

	(void)state;
	assert_int_equal(compress_add(c, "text", 4, NULL), 0);
	io_fault = full;
	assert_int_equal(compress_end(c, &err), -1);
	io_fault = NULL;
	assert_int_equal(err.sys, 28);
	assert_non_null(strstr(err.msg, "log"));
	compress_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_went_in_comes_out, setup, teardown),
		cmocka_unit_test_setup_teardown(one_frame_after_another_is_read_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_lacks_its_end_is_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_changed_is_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
