/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: whoever reads a table, the rows, their order and the first mistake are the same. */
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
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/table/table.h"

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

static void write_file(const struct strbuf *text)
{
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	assert_int_equal(pwrite(fileno(file), text->buf, text->len, 0), text->len);
}

/* What a scan was given: a sum of all fields that knows their order. */
struct seen {
	uint64_t sum, blocks, rows;
	uint64_t stop_at; /* the block whose end fails */
	unsigned begun, ended;
};
struct seen_block {
	uint64_t sum, number, rows, next;
};

static void add_bytes(uint64_t *sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ p[i]) * UINT64_C(1099511628211);
}

static void *begin(void *ctx, uint64_t number)
{
	struct seen_block *b = xcalloc(1, sizeof(*b));

	__atomic_add_fetch(&((struct seen *)ctx)->begun, 1, __ATOMIC_RELAXED);
	b->number = number;
	b->next = number * TABLE_BLOCK;
	return b;
}

static int add(void *state, const struct rows *rows, struct error *err)
{
	struct seen_block *b = state;

	if (rows->first != b->next)
		return error_set(err, ERR_FAILED, "rows are not in order");
	b->next += rows->nrows;
	b->rows += rows->nrows;
	add_bytes(&b->sum, &rows->nrows, sizeof(rows->nrows)); /* pieces, too, are the same */
	for (size_t i = 0; i < rows->nrows * rows->ncols; i++) {
		add_bytes(&b->sum, &rows->fields[i].kind, 1);
		if (rows->fields[i].kind != FIELD_NULL)
			add_bytes(&b->sum, rows->fields[i].text, rows->fields[i].len);
	}
	return 0;
}

static int end(void *ctx, void *state, bool failed, struct error *err)
{
	struct seen *seen = ctx;
	struct seen_block *b = state;
	int r = 0;

	seen->ended++;
	if (!failed && b->number == seen->stop_at) {
		r = error_set(err, ERR_FAILED, "enough");
	} else if (!failed) {
		assert_int_equal(b->number, seen->blocks);
		seen->blocks++;
		seen->rows += b->rows;
		add_bytes(&seen->sum, &b->sum, sizeof(b->sum));
	}
	free(b);
	return r;
}

static int scan(const char *name, unsigned threads, uint64_t stop_at, struct seen *ret, struct error *err)
{
	static const struct table_work work = { begin, add, end };
	CLEANUP(cleanup_table) struct table *t = NULL;
	int r;

	*ret = (struct seen){ .stop_at = stop_at };
	lseek(fileno(file), 0, SEEK_SET);
	assert_int_equal(table_open(fileno(file), name, NULL, &t, err), 0);
	r = table_scan(t, &work, ret, threads, err);
	assert_int_equal(ret->begun, ret->ended);
	return r;
}

static void compare_threads(const char *name, uint64_t stop_at, const char *want)
{
	struct error first_err = { 0 };
	struct seen first;
	int r = scan(name, 1, stop_at, &first, &first_err);

	if (want && !strstr(first_err.msg, want))
		fail_msg("\"%s\" is not in \"%s\"", want, first_err.msg);
	assert_int_equal(r, want ? -1 : 0);
	for (unsigned threads = 2; threads <= 4; threads++) {
		struct error err = { 0 };
		struct seen seen;

		assert_int_equal(scan(name, threads, stop_at, &seen, &err), r);
		assert_string_equal(err.msg, first_err.msg);
		assert_int_equal(seen.blocks, first.blocks);
		assert_int_equal(seen.rows, first.rows);
		assert_int_equal(seen.sum, first.sum);
	}
}

/* Short rows, quotes over lines, and now and then a long one. */
static void make_rows(unsigned rows, struct strbuf *ret)
{
	strbuf_puts(ret, "a,b,c\n");
	for (unsigned i = 0; i < rows; i++) {
		if (i % 9973 == 5)
			for (int k = 0; k < 20000; k++)
				strbuf_puts(ret, "long ");
		strbuf_printf(ret, "%u,%s,\"x\n%u\"%s", i, i % 3 ? "NA" : "\"a,\"\"b\"", i % 7, i % 2 ? "\n" : "\r\n");
	}
}

static void threads_change_nothing(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	make_rows(2 * TABLE_BLOCK + 5000, &text);
	write_file(&text);
	compare_threads("a.csv", UINT64_MAX, NULL);
	compare_threads("a.csv", 1, "enough");
	strbuf_puts(&text, "1,2\"x,3\n4,5,6\n");
	write_file(&text);
	compare_threads("a.csv", UINT64_MAX, "row 136074, column \"b\": a quote inside");
}

static void threads_change_nothing_of_lines(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	for (int i = 0; i < 2 * (int)TABLE_BLOCK + 5; i++)
		strbuf_printf(&text, "{\"a\":%d,\"b\":\"x\\n%d\"%s}\n", i, i, i % 50000 ? "" : ",\"c\":[1]");
	write_file(&text);
	compare_threads("a.jsonl", 1, "enough");
	strbuf_puts(&text, "{");
	write_file(&text);
	compare_threads("a.jsonl", UINT64_MAX, "row 131078: no name");
}

static void compressed_tables_are_read_like_plain_ones(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct compressor *c;
	struct seen plain, packed;
	struct error err = { 0 };

	(void)state;
	make_rows(TABLE_BLOCK + 7, &text);
	write_file(&text);
	assert_int_equal(scan("a.csv", 1, UINT64_MAX, &plain, NULL), 0);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	lseek(fileno(file), 0, SEEK_SET);
	c = compress_to(fileno(file), "a.csv.zst");
	assert_int_equal(compress_add(c, text.buf, text.len, NULL), 0);
	assert_int_equal(compress_end(c, NULL), 0);
	compress_free(c);
	for (unsigned threads = 1; threads <= 3; threads++) {
		assert_int_equal(scan("a.csv.zst", threads, UINT64_MAX, &packed, NULL), 0);
		assert_int_equal(plain.sum, packed.sum);
	}
	assert_int_equal(ftruncate(fileno(file), lseek(fileno(file), 0, SEEK_END) / 2), 0);
	assert_int_equal(scan("a.csv.zst", 2, UINT64_MAX, &packed, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(threads_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_change_nothing_of_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(compressed_tables_are_read_like_plain_ones, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
