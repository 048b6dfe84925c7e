/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "runners/docker_log.h"

#define STAMP  "2026-11-22T08:00:00.123456789Z "
#define PODMAN "2026-11-22T08:00:00+01:00 "

struct seen {
	struct strbuf text[2];
	uint64_t marks[16];
	size_t n;
	size_t stop_at; /* the callback fails then; 0 never */
};

static int on_frame(void *ctx, const struct docker_frame *frame)
{
	struct seen *seen = ctx;

	if (seen->n < ARRAY_LEN(seen->marks))
		seen->marks[seen->n] = frame->mark;
	strbuf_add(&seen->text[frame->stream], frame->text, frame->len);
	return ++seen->n == seen->stop_at ? -1 : 0;
}

static void add_frame(struct strbuf *log, int stream, const char *text, size_t len)
{
	const char head[8] = { (char)stream, 0, 0, 0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len };

	strbuf_add(log, head, sizeof(head));
	strbuf_add(log, text, len);
}

static void add(struct strbuf *log, int stream, const char *text)
{
	add_frame(log, stream, text, strlen(text));
}

static int feed(const struct strbuf *bytes, size_t split, struct seen *seen, struct error *err)
{
	struct docker_log log;
	int rc = 0;

	*seen = (struct seen){ .text = { STRBUF_INIT, STRBUF_INIT }, .stop_at = seen->stop_at };
	docker_log_init(&log, on_frame, seen);
	for (size_t at = 0; at < bytes->len && rc == 0; at += split) {
		size_t left = bytes->len - at;
		CLEANUP(cleanup_free) char *part = xmemdup(bytes->buf + at, left < split ? left : split);

		rc = docker_log_feed(&log, part, left < split ? left : split, err);
	}
	if (rc == 0)
		rc = docker_log_end(&log, err);
	docker_log_release(&log);
	return rc;
}

static void release(struct seen *seen)
{
	strbuf_release(&seen->text[0]);
	strbuf_release(&seen->text[1]);
}

static void any_split_gives_the_same_text(void **state)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf big = STRBUF_INIT;

	(void)state;
	strbuf_puts(&big, STAMP);
	for (int i = 0; i < 400; i++)
		strbuf_printf(&big, "%d,", i);
	add(&bytes, 1, STAMP "one\n");
	add(&bytes, 2, PODMAN "err\n");
	add(&bytes, 1, STAMP);
	add(&bytes, 1, big.buf);
	add(&bytes, 1, STAMP "end");
	for (size_t split = 1; split <= bytes.len; split++) {
		struct seen seen = { 0 };

		assert_int_equal(feed(&bytes, split, &seen, NULL), 0);
		assert_int_equal(seen.n, 5);
		assert_string_equal(seen.text[RUNNER_STDERR].buf, "err\n");
		assert_int_equal(seen.text[RUNNER_STDOUT].len, 4 + big.len - strlen(STAMP) + 3);
		assert_int_equal(strncmp(seen.text[RUNNER_STDOUT].buf, "one\n0,1,2,", 10), 0);
		assert_string_equal(seen.text[RUNNER_STDOUT].buf + seen.text[RUNNER_STDOUT].len - 4, ",end");
		release(&seen);
	}
}

static void text_may_hold_any_bytes(void **state)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	struct seen seen = { 0 };
	static const char text[] = STAMP "\0\1\xff 2026-11-22T08:00:00Z \0";

	(void)state;
	add_frame(&bytes, 1, text, sizeof(text));
	assert_int_equal(feed(&bytes, 7, &seen, NULL), 0);
	assert_int_equal(seen.text[0].len, sizeof(text) - strlen(STAMP));
	assert_memory_equal(seen.text[0].buf, text + strlen(STAMP), seen.text[0].len);
	release(&seen);
}

static void marks_tell_messages_apart(void **state)
{
	static const struct {
		int stream;
		const char *text;
	} rows[] = {
		{ 1, STAMP "a" },
		{ 2, STAMP "a" },
		{ 1, STAMP "b" },
		{ 1, "2026-11-22T08:00:00.123456788Z a" },
		{ 1, STAMP "aaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ 1, STAMP "aaaaaaaaaaaaaaaaaaaaaaaaaab" },
		{ 1, STAMP "baaaaaaaaaaaaaaaaaaaaaaaaaa" },
	};
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
	struct seen seen = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		add(&bytes, rows[i].stream, rows[i].text);
	add(&bytes, rows[0].stream, rows[0].text);
	assert_int_equal(feed(&bytes, bytes.len, &seen, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t j = 0; j < i; j++)
			assert_true(seen.marks[i] != seen.marks[j]);
	assert_true(seen.marks[ARRAY_LEN(rows)] == seen.marks[0]);
	release(&seen);
}

static void refuse(int stream, const char *text, size_t len, const char *why)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	add_frame(&bytes, stream, text, len);
	for (size_t split = 1; split <= bytes.len; split++) {
		struct error err = { 0 };
		struct seen seen = { 0 };

		assert_int_equal(feed(&bytes, split, &seen, &err), -1);
		assert_non_null(strstr(err.msg, why));
		release(&seen);
	}
}

static void what_is_no_log_is_refused(void **state)
{
	CLEANUP_STRBUF struct strbuf cut = STRBUF_INIT;
	struct error err = { 0 };
	struct seen seen = { 0 };

	(void)state;
	refuse(0, STAMP "x", strlen(STAMP) + 1, "has no frames");
	refuse('h', "ello", 4, "has no frames");
	refuse(1, "no stamp here", 13, "without a time stamp");
	refuse(1, "", 0, "without a time stamp");
	refuse(3, "disk\nfull", 9, "cannot read the log: disk full");
	add(&cut, 1, STAMP "whole");
	cut.len -= 2;
	assert_int_equal(feed(&cut, 3, &seen, &err), -1);
	assert_non_null(strstr(err.msg, "inside a message"));
	release(&seen);
}

static void a_giant_message_is_refused_before_it_is_held(void **state)
{
	static const char head[8] = { 1, 0, 0, 0, 0x7f, 0, 0, 0 };
	struct error err = { 0 };
	struct seen seen = { 0 };
	struct docker_log log;

	(void)state;
	docker_log_init(&log, on_frame, &seen);
	assert_int_equal(docker_log_feed(&log, head, sizeof(head), &err), -1);
	assert_non_null(strstr(err.msg, "message of 2130706432 bytes"));
	docker_log_release(&log);
}

static void the_callback_can_stop_it(void **state)
{
	CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;

	(void)state;
	add(&bytes, 1, STAMP "a");
	add(&bytes, 1, STAMP "b");
	add(&bytes, 1, STAMP "c");
	for (size_t split = 1; split <= bytes.len; split++) {
		struct seen seen = { .stop_at = 2 };

		assert_int_equal(feed(&bytes, split, &seen, NULL), -1);
		assert_string_equal(seen.text[0].buf, "ab");
		release(&seen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same_text),
		cmocka_unit_test(text_may_hold_any_bytes),
		cmocka_unit_test(marks_tell_messages_apart),
		cmocka_unit_test(what_is_no_log_is_refused),
		cmocka_unit_test(a_giant_message_is_refused_before_it_is_held),
		cmocka_unit_test(the_callback_can_stop_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
