/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from a thread to a reader that sleeps when there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "agent/call.h"
#include "agent/feed.h"
#include "base/mem.h"

/* A reader as the server is: asleep it does nothing until it is woken. */
struct sleeper {
	atomic_bool asleep;
	atomic_int wakes;
};

static void on_sleep(void *ctx)
{
	atomic_store(&((struct sleeper *)ctx)->asleep, true);
}

static void on_wake(void *ctx)
{
	struct sleeper *s = ctx;

	atomic_store(&s->asleep, false);
	atomic_fetch_add(&s->wakes, 1);
}

static ssize_t read_some(struct feed *f, struct sleeper *s, char *buf, size_t max)
{
	return feed_read(f, &(struct feed_reader){ on_sleep, on_wake, s }, buf, max);
}

static void what_is_written_is_read_and_then_its_end(void **state)
{
	struct feed *f = feed_new();
	struct sleeper s = { 0 };
	char buf[8];

	(void)state;
	assert_int_equal(read_some(f, &s, buf, sizeof(buf)), 0);
	assert_true(s.asleep && feed_sleeps(f));
	assert_int_equal(feed_write(f, "hello, world", 12), 0);
	assert_false(s.asleep || feed_sleeps(f));
	assert_int_equal(read_some(f, &s, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "hello, w", 8);
	feed_end(f);
	assert_int_equal(read_some(f, &s, buf, sizeof(buf)), 4);
	assert_int_equal(read_some(f, &s, buf, sizeof(buf)), FEED_END);
	assert_int_equal(s.wakes, 1);
	feed_free(f);
}

static void what_does_not_fit_is_not_taken(void **state)
{
	struct feed *f = feed_new();
	char *half = xcalloc(1, FEED_MAX / 2 + 1);

	(void)state;
	assert_true(feed_offer(f, half, FEED_MAX / 2 + 1));
	assert_false(feed_offer(f, half, FEED_MAX / 2 + 1));
	assert_true(feed_offer(f, half, FEED_MAX / 2 - 1));
	free(half);
	feed_free(f);
}

static void who_left_is_written_to_no_more(void **state)
{
	struct feed *f = feed_new();
	struct sleeper s = { 0 };
	char buf[8];

	(void)state;
	read_some(f, &s, buf, sizeof(buf));
	feed_leave(f);
	assert_true(feed_gone(f));
	assert_int_equal(feed_write(f, "x", 1), -1);
	assert_false(feed_offer(f, "x", 1));
	assert_int_equal(s.wakes, 0);
	feed_free(f);
}

static void a_cut_wakes_both_sides(void **state)
{
	struct feed *f = feed_new();
	struct sleeper s = { 0 };
	char buf[8];

	(void)state;
	read_some(f, &s, buf, sizeof(buf));
	feed_cut(f);
	assert_int_equal(s.wakes, 1);
	assert_int_equal(read_some(f, &s, buf, sizeof(buf)), FEED_GONE);
	assert_int_equal(feed_write(f, "x", 1), -1);
	feed_free(f);
}

#define TOTAL (8u << 20)

static void *write_all(void *ctx)
{
	struct feed *f = ctx;
	unsigned char piece[70001];

	for (size_t at = 0; at < TOTAL;) {
		size_t n = TOTAL - at < sizeof(piece) ? TOTAL - at : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = (unsigned char)((at + i) * 31 >> 3);
		assert_int_equal(feed_write(f, piece, n), 0);
		at += n;
	}
	feed_end(f);
	feed_free(f);
	return NULL;
}

static void a_fast_writer_waits_for_its_reader(void **state)
{
	struct feed *f = feed_new();
	struct sleeper s = { 0 };
	unsigned char buf[32768];
	pthread_t writer;
	size_t at = 0;
	ssize_t n;

	(void)state;
	pthread_create(&writer, NULL, write_all, feed_ref(f));
	while ((n = read_some(f, &s, (char *)buf, sizeof(buf))) != FEED_END) {
		assert_true(n >= 0);
		for (ssize_t i = 0; i < n; i++, at++)
			if (buf[i] != (unsigned char)(at * 31 >> 3))
				fail_msg("byte %zu is another", at);
		while (atomic_load(&s.asleep))
			sched_yield();
	}
	assert_int_equal(at, TOTAL);
	pthread_join(writer, NULL);
	feed_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_and_then_its_end),
		cmocka_unit_test(what_does_not_fit_is_not_taken),
		cmocka_unit_test(who_left_is_written_to_no_more),
		cmocka_unit_test(a_cut_wakes_both_sides),
		cmocka_unit_test(a_fast_writer_waits_for_its_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
