/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/strbuf.h"
#include "pipeline/steplog.h"

static int64_t now;
static int64_t fixed_wall(void)
{
	return now;
}

struct fixture {
	char dir[64];
	int fd;
};

static int setup(void **state)
{
	static struct fixture f;

	snprintf(f.dir, sizeof(f.dir), "/tmp/mlops-steplog-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	clock_source.wall_ms = fixed_wall;
	now = 1000;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fs_remove_tree(AT_FDCWD, f->dir, NULL);
	return close(f->fd);
}

static void expect_log(struct fixture *f, const char *want)
{
	struct strbuf text = STRBUF_INIT;

	assert_int_equal(io_read_file(f->fd, "logs/r/s.log", 1 << 20, &text, NULL), 0);
	assert_string_equal(text.buf, want);
	strbuf_release(&text);
}

static void lines_carry_time_and_stream(void **state)
{
	struct fixture *f = *state;
	struct steplog *log;
	struct strlist tail = STRLIST_INIT;

	assert_int_equal(steplog_open(f->fd, "r", "s", &log, NULL), 0);
	steplog_feed(log, 0, "one\ntw", 6);
	now = 2000;
	steplog_feed(log, 1, "oops\n", 5);
	steplog_feed(log, 0, "o\nthree", 7);
	steplog_close(log, &tail);
	expect_log(f, "1000 o one\n2000 e oops\n2000 o two\n2000 o three\n");
	assert_int_equal(tail.len, 4);
	assert_string_equal(tail.items[3], "three");
	strlist_release(&tail);
}

static void only_the_last_lines_are_remembered(void **state)
{
	struct fixture *f = *state;
	struct steplog *log;
	struct strlist tail = STRLIST_INIT;
	char line[16];

	assert_int_equal(steplog_open(f->fd, "r", "s", &log, NULL), 0);
	for (int i = 0; i < 100; i++)
		steplog_feed(log, 0, line, (size_t)snprintf(line, sizeof(line), "%d\n", i));
	steplog_close(log, &tail);
	assert_int_equal(tail.len, STEPLOG_TAIL);
	assert_string_equal(tail.items[0], "80");
	assert_string_equal(tail.items[STEPLOG_TAIL - 1], "99");
	strlist_release(&tail);
}

static void an_endless_line_is_cut_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct steplog *log;
	struct strbuf text = STRBUF_INIT;
	char *block = malloc(100000);

	memset(block, 'x', 100000);
	assert_int_equal(steplog_open(f->fd, "r", "s", &log, NULL), 0);
	steplog_feed(log, 0, block, 100000);
	steplog_close(log, NULL);
	assert_int_equal(io_read_file(f->fd, "logs/r/s.log", 1 << 20, &text, NULL), 0);
	assert_int_equal(text.len, 100000 + 2 * strlen("1000 o \n"));
	assert_int_equal(text.buf[7 + 65536], '\n');
	strbuf_release(&text);
	free(block);
}

static int full(enum io_op op, const char *name)
{
	(void)name;
	return op == IO_WRITE ? 28 /* ENOSPC */ : 0;
}

static void a_full_disk_loses_the_log_but_not_the_tail(void **state)
{
	struct fixture *f = *state;
	struct steplog *log;
	struct strlist tail = STRLIST_INIT;

	assert_int_equal(steplog_open(f->fd, "r", "s", &log, NULL), 0);
	io_fault = full;
	steplog_feed(log, 0, "last words\n", 11);
	io_fault = NULL;
	assert_int_equal(steplog_error(log), 28);
	steplog_close(log, &tail);
	assert_string_equal(tail.items[0], "last words");
	strlist_release(&tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_carry_time_and_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_last_lines_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endless_line_is_cut_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_loses_the_log_but_not_the_tail, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
