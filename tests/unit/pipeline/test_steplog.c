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
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/steplog_internal.h"

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

	assert_int_equal(steplog_open(f->fd, "r", "s", 1, 0, &log, NULL), 0);
	steplog_feed(log, 0, "one\ntw", 6);
	now = 2000;
	steplog_feed(log, 1, "oops\n", 5);
	steplog_feed(log, 0, "o\nthree", 7);
	steplog_close(log, &tail);
	steplog_finish(log);
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

	assert_int_equal(steplog_open(f->fd, "r", "s", 1, 0, &log, NULL), 0);
	for (int i = 0; i < 100; i++) {
		steplog_feed(log, 0, line, (size_t)snprintf(line, sizeof(line), "%d\n", i));
		if (i % 7 == 0 || i > 95)
			steplog_flush(log);
	}
	steplog_close(log, &tail);
	steplog_finish(log);
	assert_int_equal(tail.len, STEPLOG_TAIL);
	assert_string_equal(tail.items[0], "80");
	assert_string_equal(tail.items[1], "81");
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
	assert_int_equal(steplog_open(f->fd, "r", "s", 1, 0, &log, NULL), 0);
	steplog_feed(log, 0, block, 100000);
	steplog_close(log, NULL);
	assert_int_equal(io_read_file(f->fd, "logs/r/s.log", 1 << 20, &text, NULL), 0);
	assert_int_equal(text.len, 100000 + 2 * strlen("1000 o \n"));
	assert_int_equal(text.buf[7 + 65536], '\n');
	steplog_finish(log);
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

	assert_int_equal(steplog_open(f->fd, "r", "s", 1, 0, &log, NULL), 0);
	io_fault = full;
	steplog_feed(log, 0, "last words\n", 11);
	steplog_flush(log);
	io_fault = NULL;
	assert_int_equal(steplog_error(log), 28);
	steplog_close(log, &tail);
	steplog_finish(log);
	assert_string_equal(tail.items[0], "last words");
	strlist_release(&tail);
}

/* ---- what is read back ---- */

struct told {
	struct strbuf text; /* "o TEXT\n"... */
	int64_t lines;
	int64_t last;       /* time */
};

static int tell(void *ctx, const struct steplog_line *line)
{
	struct told *told = ctx;

	strbuf_putc(&told->text, line->stream);
	strbuf_putc(&told->text, ' ');
	strbuf_add(&told->text, line->text, line->len);
	strbuf_putc(&told->text, '\n');
	told->lines++;
	told->last = line->time;
	return 0;
}

static int open_logs(const struct fixture *f)
{
	return openat(f->fd, "logs/r", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void read_more(struct fixture *f, struct steplog_reader *r, struct told *told)
{
	CLEANUP(cleanup_fd) int dir = open_logs(f);

	assert_int_equal(steplog_read(r, dir, false, tell, told, NULL), 0);
}

static void read_all(struct fixture *f, int attempt, struct told *told)
{
	CLEANUP(cleanup_fd) int dir = open_logs(f);
	struct steplog_reader *r = steplog_reader_new("s", attempt);

	assert_int_equal(steplog_read(r, dir, true, tell, told, NULL), 0);
	steplog_reader_free(r);
}

static bool there(struct fixture *f, const char *name)
{
	return faccessat(f->fd, name, F_OK, 0) == 0;
}

#define MAX (1 << 20)

/* Lines of random lengths, numbered, as they are told. */
static void feed_lines(struct steplog *log, struct strbuf *all, int64_t bytes, size_t longest)
{
	struct strbuf piece = STRBUF_INIT;
	static int number;
	int64_t from = (int64_t)all->len;

	while ((int64_t)all->len - from < bytes) {
		size_t start = all->len, len = (size_t)rand() % longest;

		strbuf_printf(all, "o %d ", number++);
		for (size_t i = 0; i < len; i++)
			strbuf_putc(all, (char)('a' + i % 26));
		strbuf_putc(all, '\n');
		strbuf_add(&piece, all->buf + start + 2, all->len - start - 2);
		if (rand() % 3)
			continue;
		for (size_t at = 0, n; at < piece.len; at += n) {
			n = 1 + (size_t)rand() % 9000;
			n = n < piece.len - at ? n : piece.len - at;
			steplog_feed(log, 0, piece.buf + at, n);
			if (rand() % 4 == 0)
				steplog_flush(log);
		}
		strbuf_clear(&piece);
	}
	steplog_feed(log, 0, piece.buf, piece.len);
	strbuf_release(&piece);
}

/* The told lines are the fed ones, but for one cut whose numbers are those of what is missing, in the middle;
 * what stands before and after it, as lines of the file, is as much as the limit allows. */
static void expect_cut(const struct strbuf *all, const struct told *told, int64_t max)
{
	const char *cut = strstr(told->text.buf, "\nc "), *after;
	struct steplog_line line = { .stream = 'c' };
	struct steplog_at missing, really = { 0, 0 };
	size_t head, tail, kept = 0;

	assert_non_null(cut);
	head = (size_t)(cut + 1 - told->text.buf);
	line.text = cut + 3;
	after = strchr(cut + 1, '\n') + 1;
	line.len = (size_t)(after - 1 - line.text);
	assert_true(steplog_parse_cut(&line, &missing));
	tail = told->text.len - (size_t)(after - told->text.buf);
	assert_memory_equal(told->text.buf, all->buf, head);
	assert_memory_equal(after, all->buf + all->len - tail, tail);
	for (const char *at = all->buf + head; at < all->buf + all->len - tail; at = strchr(at, '\n') + 1)
		really = (struct steplog_at){ really.lines + 1, really.bytes + strchr(at, '\n') + 1 - at - 2 };
	assert_int_equal(missing.lines, really.lines);
	assert_int_equal(missing.bytes, really.bytes);
	if (!max)
		return;
	for (const char *at = all->buf; at < all->buf + all->len; at = strchr(at, '\n') + 1)
		if (at < all->buf + head || at >= all->buf + all->len - tail)
			kept += (size_t)(strchr(at, '\n') + 1 - at) + strlen("1000 ");
	assert_in_range(kept, max - 2000, max);
	assert_in_range(head + 5 * 200, max / 2 - max / 4, max / 2);
}

static void head_and_tail_are_kept_and_the_cut_is_told(void **state)
{
	struct fixture *f = *state;

	for (int seed = 0; seed < 12; seed++) {
		struct strbuf all = STRBUF_INIT;
		struct told told = { .text = STRBUF_INIT };
		struct steplog *log;

		srand((unsigned)seed);
		assert_int_equal(steplog_open(f->fd, "r", "s", 1, MAX, &log, NULL), 0);
		feed_lines(log, &all, MAX + MAX / 10 + rand() % (4 * MAX), 1000);
		steplog_close(log, NULL);
		read_all(f, 1, &told); /* as after a kill: the segments */
		expect_cut(&all, &told, 0);
		strbuf_clear(&told.text);
		steplog_finish(log);
		assert_true(there(f, "logs/r/s.log.zst"));
		assert_false(there(f, "logs/r/s.log") || there(f, "logs/r/s.log.1") || there(f, "logs/r/s.log.2"));
		read_all(f, 1, &told);
		expect_cut(&all, &told, MAX);
		strbuf_release(&told.text);
		strbuf_release(&all);
	}
}

static void what_fits_is_kept_as_a_whole(void **state)
{
	struct fixture *f = *state;

	for (int seed = 0; seed < 8; seed++) {
		struct strbuf all = STRBUF_INIT;
		struct told told = { .text = STRBUF_INIT };
		struct steplog *log;

		srand((unsigned)seed);
		assert_int_equal(steplog_open(f->fd, "r", "s", 1, seed % 2 ? MAX : 0, &log, NULL), 0);
		feed_lines(log, &all, MAX / 2 + MAX / 8 * (seed / 2), 1000); /* and the heads of lines */
		steplog_close(log, NULL);
		steplog_finish(log);
		read_all(f, 1, &told);
		assert_int_equal(told.text.len, all.len);
		assert_memory_equal(told.text.buf, all.buf, all.len);
		strbuf_release(&told.text);
		strbuf_release(&all);
	}
}

/* The longest lines there are, right at each border. */
static void the_longest_lines_are_cut_well(void **state)
{
	struct fixture *f = *state;
	struct strbuf all = STRBUF_INIT;
	struct told told = { .text = STRBUF_INIT };
	struct steplog *log;
	char *line = xmalloc(STEPLOG_LINE_MAX + 1);

	memset(line, 'x', STEPLOG_LINE_MAX);
	line[STEPLOG_LINE_MAX] = '\n';
	assert_int_equal(steplog_open(f->fd, "r", "s", 1, MAX, &log, NULL), 0);
	for (int i = 0; i < 50; i++) {
		memcpy(line, i < 25 ? "head" : "tail", 4);
		strbuf_puts(&all, "o ");
		strbuf_add(&all, line, STEPLOG_LINE_MAX + 1);
		steplog_feed(log, 0, line, STEPLOG_LINE_MAX + 1);
	}
	steplog_close(log, NULL);
	steplog_finish(log);
	read_all(f, 1, &told);
	expect_cut(&all, &told, 0);
	assert_int_equal(told.lines, 7 + 1 + 8);
	strbuf_release(&told.text);
	strbuf_release(&all);
	free(line);
}

static void a_reader_that_follows_is_told_each_line_once(void **state)
{
	struct fixture *f = *state;

	for (int seed = 0; seed < 8; seed++) {
		struct strbuf all = STRBUF_INIT;
		struct told told = { .text = STRBUF_INIT };
		struct steplog_reader *r = steplog_reader_new("s", 1);
		struct steplog *log;
		int rounds = 2 + seed * 6;

		srand((unsigned)seed);
		assert_int_equal(steplog_open(f->fd, "r", "s", 1, seed % 3 ? MAX : 0, &log, NULL), 0);
		for (int i = 0; i < rounds; i++) {
			feed_lines(log, &all, MAX / 7, 300);
			read_more(f, r, &told);
		}
		steplog_close(log, NULL);
		if (seed % 2)
			read_more(f, r, &told);
		steplog_finish(log);
		for (int i = 0; i < 2; i++)
			read_more(f, r, &told);
		assert_int_equal(told.text.len, all.len);
		assert_memory_equal(told.text.buf, all.buf, all.len);
		steplog_reader_free(r);
		strbuf_release(&told.text);
		strbuf_release(&all);
	}
}

/* It looks away while segments come and go, or until all is packed. */
static void a_reader_that_is_late_is_told_what_it_missed(void **state)
{
	struct fixture *f = *state;

	for (int seed = 0; seed < 8; seed++) {
		struct strbuf all = STRBUF_INIT;
		struct told told = { .text = STRBUF_INIT };
		struct steplog_reader *r = steplog_reader_new("s", 1);
		struct steplog *log;

		srand((unsigned)seed);
		assert_int_equal(steplog_open(f->fd, "r", "s", 1, MAX, &log, NULL), 0);
		feed_lines(log, &all, seed % 4 < 2 ? MAX / 4 : MAX, 300);
		steplog_flush(log);
		read_more(f, r, &told);
		feed_lines(log, &all, 3 * MAX, 300);
		steplog_flush(log);
		if (seed % 2)
			read_more(f, r, &told);
		steplog_close(log, NULL);
		steplog_finish(log);
		read_more(f, r, &told);
		expect_cut(&all, &told, 0);
		steplog_reader_free(r);
		strbuf_release(&told.text);
		strbuf_release(&all);
	}
}

static void attempts_have_logs_of_their_own(void **state)
{
	struct fixture *f = *state;
	struct steplog *log;
	struct told told = { .text = STRBUF_INIT };
	char *path;

	for (int attempt = 1; attempt <= 2; attempt++) {
		assert_int_equal(steplog_open(f->fd, "r", "s", attempt, 0, &log, NULL), 0);
		steplog_feed(log, 1, attempt == 1 ? "one\n" : "two\n", 4);
		steplog_close(log, NULL);
		steplog_finish(log);
	}
	expect_log(f, "1000 e one\n");
	read_all(f, 2, &told);
	assert_string_equal(told.text.buf, "e two\n");
	path = steplog_path(f->fd, "r", "s", 2);
	assert_string_equal(path, ".mlops/logs/r/s~2.log");
	free(path);
	strbuf_release(&told.text);
}

static void feed_block(struct fixture *f, int64_t max, size_t lines)
{
	struct steplog *log;

	assert_int_equal(steplog_open(f->fd, "r", "s", 1, max, &log, NULL), 0);
	for (size_t i = 0; i < lines; i++)
		steplog_feed(log, 0, "a line of usual length\n", 23);
	steplog_close(log, NULL);
	steplog_finish(log);
}

static void a_small_log_stays_plain_and_a_new_one_replaces_any(void **state)
{
	struct fixture *f = *state;
	struct told told = { .text = STRBUF_INIT };
	char *path;

	feed_block(f, MAX, 200000);
	path = steplog_path(f->fd, "r", "s", 1);
	assert_string_equal(path, ".mlops/logs/r/s.log.zst");
	free(path);
	feed_block(f, MAX, 3);
	assert_false(there(f, "logs/r/s.log.zst"));
	read_all(f, 1, &told);
	assert_int_equal(told.lines, 3);
	feed_block(f, 0, 200);
	assert_true(there(f, "logs/r/s.log.zst"));
	strbuf_release(&told.text);
}

static int full_for_packing(enum io_op op, const char *name)
{
	return op == IO_WRITE && strstr(name, ".zst") ? 28 /* ENOSPC */ : 0;
}

static int no_rename(enum io_op op, const char *name)
{
	return op == IO_RENAME && strstr(name, ".zst") ? 5 /* EIO */ : 0;
}

static void a_log_that_cannot_be_packed_stays(void **state)
{
	struct fixture *f = *state;
	struct told told = { .text = STRBUF_INIT };

	io_fault = full_for_packing;
	feed_block(f, 0, 200);
	io_fault = no_rename;
	feed_block(f, 0, 200);
	io_fault = NULL;
	assert_true(there(f, "logs/r/s.log"));
	assert_false(there(f, "logs/r/s.log.zst") || there(f, "logs/r/s.log.zst.tmp"));
	read_all(f, 1, &told);
	assert_int_equal(told.lines, 200);
	strbuf_release(&told.text);
}

static int full_in_a_segment(enum io_op op, const char *name)
{
	static int writes;

	return op == IO_WRITE && !strcmp(name, "log") && ++writes > 6 ? 28 /* ENOSPC */ : 0;
}

static void a_disk_that_fills_in_a_segment_keeps_what_was_there(void **state)
{
	struct fixture *f = *state;
	struct told told = { .text = STRBUF_INIT };

	io_fault = full_in_a_segment;
	feed_block(f, MAX, 100000);
	io_fault = NULL;
	assert_true(there(f, "logs/r/s.log") && there(f, "logs/r/s.log.1"));
	read_all(f, 1, &told);
	assert_in_range(told.lines, MAX / 2 / 30, 100000);
	assert_null(strstr(told.text.buf, "\nc "));
	strbuf_release(&told.text);
}

static void a_damaged_log_is_told(void **state)
{
	struct fixture *f = *state;
	struct told told = { .text = STRBUF_INIT };
	struct steplog_reader *r = steplog_reader_new("s", 1);
	struct error err = { 0 };
	int dir;

	feed_block(f, 0, 20000);
	dir = open_logs(f);
	{
		CLEANUP(cleanup_fd) int fd = openat(dir, "s.log.zst", O_WRONLY);
		assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
	}
	assert_int_equal(steplog_read(r, dir, true, tell, &told, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, "s.log.zst"));
	close(dir);
	steplog_reader_free(r);
	strbuf_release(&told.text);
}

static void names_of_logs_are_told_from_others(void **state)
{
	static const struct {
		const char *file, *step;
		int attempt;
	} names[] = {
		{ "a.log", "a", 1 },         { "a.log.zst", "a", 1 },     { "a.log.1", "a", 1 },
		{ "a~2.log", "a", 2 },       { "a~10.log.2", "a", 10 },   { "train@x%2F-1~3.log.zst", "train@x%2F-1", 3 },
		{ "a.log.log", "a.log", 1 }, { "a.log.1.log", "a.log.1", 1 },
		{ ".log", NULL, 0 },         { "a", NULL, 0 },            { "a.log~", NULL, 0 },
		{ "a.log.3", NULL, 0 },      { "a.log.zst.tmp", NULL, 0 }, { "a.log.1.tmp", NULL, 0 },
		{ "a~1.log", NULL, 0 },      { "a~02.log", NULL, 0 },     { "a~.log", NULL, 0 },
		{ "a~x.log", NULL, 0 },      { "~2.log", NULL, 0 },       { "a~99999999999.log", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *step = NULL;
		int attempt = 0;

		assert_int_equal(steplog_parse_name(names[i].file, &step, &attempt), names[i].step != NULL);
		assert_int_equal(attempt, names[i].attempt);
		if (names[i].step)
			assert_string_equal(step, names[i].step);
		free(step);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_carry_time_and_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_last_lines_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endless_line_is_cut_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_loses_the_log_but_not_the_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(head_and_tail_are_kept_and_the_cut_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_fits_is_kept_as_a_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(the_longest_lines_are_cut_well, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_that_follows_is_told_each_line_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_that_is_late_is_told_what_it_missed, setup, teardown),
		cmocka_unit_test_setup_teardown(attempts_have_logs_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(a_small_log_stays_plain_and_a_new_one_replaces_any, setup, teardown),
		cmocka_unit_test_setup_teardown(a_log_that_cannot_be_packed_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_disk_that_fills_in_a_segment_keeps_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_damaged_log_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_logs_are_told_from_others, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
