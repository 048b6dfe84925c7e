/* SPDX-License-Identifier: Apache-2.0 */
/* Where rows end, and what a piece of a file holds. Which file is which is told by tests/e2e/test_monitor.py. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/watch/inflow.h"
#include "monitor/watch/inflow_internal.h"

static size_t whole(const char *text, bool lines)
{
	bool quoted = false;

	return inflow_whole_rows(text, strlen(text), lines, &quoted);
}

static void only_whole_rows_count(void **state)
{
	(void)state;
	assert_int_equal(whole("a,b\n1,2\n3", false), 8);
	assert_int_equal(whole("a,b", false), 0);
	assert_int_equal(whole("", false), 0);
	assert_int_equal(whole("a\r\n1\r\n", false), 6);
	assert_int_equal(whole("a\r1\r2", false), 4);
	assert_int_equal(whole("a\r1\r", false), 2); /* a line inflow may follow */
	assert_int_equal(whole("a\n\"x\ny\"\n\"z\n", false), 8);
	assert_int_equal(whole("{\"a\":\"\\\"\"}\n{", true), 11);
}

static void quotes_go_on_in_the_next_piece(void **state)
{
	bool quoted = false;

	(void)state;
	assert_int_equal(inflow_whole_rows("a\n\"x\n", 5, false, &quoted), 2);
	assert_true(quoted);
	assert_int_equal(inflow_whole_rows("y\"\nb\n", 5, false, &quoted), 5);
	assert_false(quoted);
}

static int file_of(const char *text, size_t len)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	return fd;
}

static void what_was_read_is_known_by_its_digest(void **state)
{
	const struct inflow_how how = { .format = TABLE_GUESS };
	struct monitor_source known = { .seen = 4 };
	CLEANUP(cleanup_fd) int fd = file_of("a,b\n1,2\n3", 9);
	struct inflow_look look;

	(void)state;
	digest_of("a,b\n", 4, &known.digest);
	assert_int_equal(inflow_look_at(fd, "x.csv", &how, &known, false, &look, NULL), 0);
	assert_true(look.begins);
	assert_int_equal(look.whole, 8);
	digest_of("a,c\n", 4, &known.digest);
	assert_int_equal(inflow_look_at(fd, "x.csv", &how, &known, false, &look, NULL), 0);
	assert_false(look.begins);
	known.seen = 10; /* more than there is */
	assert_int_equal(inflow_look_at(fd, "x.csv", &how, &known, false, &look, NULL), 0);
	assert_false(look.begins);
}

struct seen {
	uint64_t rows, next;
};

static int see_rows(void *ctx, const struct inflow_piece *piece, const struct table *table, const struct rows *rows,
		    uint64_t first, struct error *err)
{
	struct seen *seen = ctx;

	(void)piece;
	(void)table;
	(void)err;
	assert_int_equal(first, seen->next);
	for (size_t i = 0; i < rows->nrows; i++) {
		CLEANUP(cleanup_free) char *text = xstrndup(rows->fields[i * rows->ncols].text, rows->fields[i * rows->ncols].len);
		assert_int_equal(strtoull(text, NULL, 10), seen->next++);
	}
	seen->rows += rows->nrows;
	return 0;
}

/* Pieces are whole rows: together they are the file, each row once, with its number. */
static void pieces_are_the_file(void **state)
{
	static const char *const forms[][2] = { { "n,t\n", "x.csv" }, { "", "x.jsonl" } };
	enum { ROWS = 120000 };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		struct inflow_file file = { .at.name = (char *)forms[k][1], .lines = k == 1 };
		struct inflow inflow = { .files = &file, .len = 1 };
		struct inflow_piece piece;
		struct seen seen = { 0 };
		size_t pieces = 0;
		uint64_t from = 0;

		strbuf_puts(&text, forms[k][0]);
		for (unsigned i = 0; i < ROWS; i++)
			if (file.lines)
				strbuf_printf(&text, "{\"n\":%u,\"t\":\"%u\"}\n", i, i);
			else
				strbuf_printf(&text, "%u,\"two\nlines, %u\"\n", i, i);
		file.fd = file_of(text.buf, text.len);
		file.at.seen = text.len;
		for (; inflow_piece_at(&inflow, 0, from, seen.rows, &piece, NULL) > 0; from = piece.to, pieces++)
			assert_int_equal(inflow_read(&inflow, &piece, see_rows, &seen, NULL), 0);
		assert_int_equal(seen.rows, ROWS);
		assert_int_equal(from, text.len);
		assert_true(pieces > 1);
		close(file.fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_rows_count),
		cmocka_unit_test(quotes_go_on_in_the_next_piece),
		cmocka_unit_test(what_was_read_is_known_by_its_digest),
		cmocka_unit_test(pieces_are_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
