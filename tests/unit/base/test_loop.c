/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* What happened, one letter each. */
struct story {
	struct loop *loop;
	struct strbuf text;
	struct loop_timer *victim;
	int fd[2];
	int count;
};

static int setup(void **state)
{
	struct story *story = xcalloc(1, sizeof(*story));

	story->loop = loop_new();
	story->text = (struct strbuf)STRBUF_INIT;
	if (pipe2(story->fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	*state = story;
	return 0;
}

static int teardown(void **state)
{
	struct story *story = *state;

	loop_free(story->loop);
	strbuf_release(&story->text);
	close(story->fd[0]);
	if (story->fd[1] >= 0)
		close(story->fd[1]);
	free(story);
	return 0;
}

struct note {
	struct story *story;
	char letter;
};

static void write_note(void *ctx)
{
	struct note *note = ctx;

	strbuf_putc(&note->story->text, note->letter);
}

static void run(struct story *story)
{
	struct error err = { 0 };

	assert_int_equal(loop_run(story->loop, &err), 0);
}

static int64_t frozen_ns;
static int64_t (*real_mono)(void);

static int64_t frozen_mono(void)
{
	return frozen_ns;
}

/* So that a test's timers start from one moment, however slowly the machine sets them. */
static void freeze_clock(void)
{
	real_mono = clock_source.mono_ns;
	frozen_ns = real_mono();
	clock_source.mono_ns = frozen_mono;
}

static void thaw_clock(void)
{
	clock_source.mono_ns = real_mono;
}

static void timers_fire_by_time_then_by_order(void **state)
{
	struct story *story = *state;
	struct note notes[] = { { story, 'c' }, { story, 'a' }, { story, 'd' }, { story, 'b' } };

	freeze_clock();
	loop_after(story->loop, 20, write_note, &notes[0]);
	loop_after(story->loop, -5, write_note, &notes[1]);
	loop_after(story->loop, 40, write_note, &notes[2]);
	loop_after(story->loop, 0, write_note, &notes[3]);
	thaw_clock();
	run(story);
	assert_string_equal(story->text.buf, "abcd");
}

static void cancelled_timers_never_fire(void **state)
{
	struct story *story = *state;
	struct note notes[40];
	struct loop_timer *timers[40];

	freeze_clock();
	for (int i = 0; i < 40; i++) {
		notes[i] = (struct note){ story, (char)('A' + i) };
		timers[i] = loop_after(story->loop, (i * 7) % 40, write_note, &notes[i]);
	}
	for (int i = 0; i < 40; i++)
		if (i % 4)
			loop_cancel(story->loop, timers[i]);
	loop_cancel(story->loop, NULL);
	thaw_clock();
	run(story);
	/* 0 4 8 ... 36, in the order of (i * 7) % 40 */
	assert_string_equal(story->text.buf, "AMYeIUaEQ]");
}

static void delayed_timers_fire_later(void **state)
{
	struct story *story = *state;
	struct note notes[] = { { story, 'a' }, { story, 'b' }, { story, 'c' }, { story, 'd' } };
	struct loop_timer *timers[4];

	freeze_clock();
	for (int i = 0; i < 4; i++)
		timers[i] = loop_after(story->loop, i, write_note, &notes[i]);
	loop_delay(story->loop, timers[0], 2);
	loop_delay(story->loop, timers[2], 20);
	loop_delay(story->loop, timers[1], -5);
	loop_delay(story->loop, NULL, 5);
	thaw_clock();
	run(story);
	assert_string_equal(story->text.buf, "badc");
}

static void cancel_victim(void *ctx)
{
	struct story *story = ctx;

	strbuf_putc(&story->text, 'k');
	loop_cancel(story->loop, story->victim);
}

static void a_timer_may_cancel_one_that_is_due_too(void **state)
{
	struct story *story = *state;
	struct note late = { story, 'x' };

	loop_after(story->loop, 0, cancel_victim, story);
	story->victim = loop_after(story->loop, 0, write_note, &late);
	run(story);
	assert_string_equal(story->text.buf, "k");
}

static void again(void *ctx)
{
	struct story *story = ctx;

	strbuf_putc(&story->text, 't');
	if (++story->count < 1000)
		loop_after(story->loop, 0, again, story);
}

static void read_byte(void *ctx, int fd)
{
	struct story *story = ctx;
	char byte;

	if (read(fd, &byte, 1) == 1) {
		strbuf_putc(&story->text, byte);
		return;
	}
	strbuf_putc(&story->text, '$');
	loop_unwatch(story->loop, fd);
}

static void immediate_timers_do_not_starve_descriptors(void **state)
{
	struct story *story = *state;

	loop_watch(story->loop, story->fd[0], read_byte, story);
	assert_int_equal(write(story->fd[1], "r", 1), 1);
	close(steal_fd(&story->fd[1]));
	loop_after(story->loop, 0, again, story);
	run(story);
	assert_int_equal(story->text.len, 1002);
	assert_in_range(strcspn(story->text.buf, "$"), 1, 900);
}

static void bytes_before_a_hang_up_are_read(void **state)
{
	struct story *story = *state;

	loop_watch(story->loop, story->fd[0], read_byte, story);
	assert_int_equal(write(story->fd[1], "abc", 3), 3);
	close(steal_fd(&story->fd[1]));
	run(story);
	assert_string_equal(story->text.buf, "abc$");
}

struct pair {
	struct story *story;
	int fds[2][2];
};

/* Closes the other pipe, whose readiness is already known, and puts a quiet one in its place. */
static void replace_other(void *ctx, int fd)
{
	struct pair *pair = ctx;
	struct story *story = pair->story;
	int other = fd == pair->fds[0][0] ? pair->fds[1][0] : pair->fds[0][0];

	strbuf_putc(&story->text, '1');
	loop_unwatch(story->loop, fd);
	loop_unwatch(story->loop, other);
	assert_int_equal(dup3(story->fd[0], other, O_CLOEXEC), other);
	loop_watch(story->loop, other, read_byte, story);
	loop_after(story->loop, 0, cancel_victim, story);
	story->victim = NULL;
	close(steal_fd(&story->fd[1]));
}

static void a_reused_descriptor_is_not_taken_for_the_old_one(void **state)
{
	struct story *story = *state;
	struct pair pair = { .story = story };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(pair.fds[i], O_CLOEXEC | O_NONBLOCK), 0);
		loop_watch(story->loop, pair.fds[i][0], replace_other, &pair);
		assert_int_equal(write(pair.fds[i][1], "z", 1), 1);
	}
	run(story);
	assert_string_equal(story->text.buf, "1k$");
	for (int i = 0; i < 4; i++)
		close(pair.fds[i / 2][i % 2]);
}

static void stop(void *ctx)
{
	loop_stop(ctx);
}

static void stop_leaves_the_rest_for_the_next_run(void **state)
{
	struct story *story = *state;
	struct note before = { story, 'a' }, after = { story, 'b' };

	loop_after(story->loop, 0, write_note, &before);
	loop_after(story->loop, 0, stop, story->loop);
	loop_after(story->loop, 0, write_note, &after);
	run(story);
	assert_string_equal(story->text.buf, "a");
	run(story);
	assert_string_equal(story->text.buf, "ab");
}

static void an_empty_loop_returns(void **state)
{
	run(*state);
}

static void note_signal(void *ctx, int signo)
{
	struct story *story = ctx;

	strbuf_putc(&story->text, signo == SIGUSR1 ? 'u' : signo == SIGTERM ? 't' : '?');
	if (story->text.len == 2)
		loop_stop(story->loop);
}

static void raise_both(void *ctx)
{
	(void)ctx;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGTERM);
}

static void signals_become_calls(void **state)
{
	struct story *story = *state;
	struct note never = { story, 'x' };

	assert_int_equal(loop_signal(story->loop, SIGUSR1, note_signal, story, NULL), 0);
	assert_int_equal(loop_signal(story->loop, SIGTERM, note_signal, story, NULL), 0);
	loop_after(story->loop, 0, raise_both, story);
	loop_after(story->loop, 600000, write_note, &never);
	run(story);
	assert_int_equal(story->text.len, 2);
	assert_non_null(strchr(story->text.buf, 'u'));
	assert_non_null(strchr(story->text.buf, 't'));
}

static void signals_alone_do_not_keep_it_running(void **state)
{
	struct story *story = *state;

	assert_int_equal(loop_signal(story->loop, SIGUSR1, note_signal, story, NULL), 0);
	run(story);
}

static void a_freed_loop_gives_signals_back(void **state)
{
	struct loop *loop = loop_new();
	sigset_t mask;

	assert_int_equal(loop_signal(loop, SIGUSR2, note_signal, *state, NULL), 0);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGUSR2), 1);
	kill(getpid(), SIGUSR2); /* consumed, or the test would die of it */
	loop_free(loop);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGUSR2), 0);
}

struct job {
	struct story *story;
	pthread_t ran_on;
	int input, output;
	int *begun; /* with one thread only: how many jobs began before */
	int order;
};

static void square(void *ctx)
{
	struct job *job = ctx;

	job->ran_on = pthread_self();
	job->output = job->input * job->input;
	if (job->begun)
		job->order = (*job->begun)++;
}

static void sum_up(void *ctx)
{
	struct job *job = ctx;

	assert_false(pthread_equal(job->ran_on, pthread_self()));
	job->story->count += job->output;
}

static void work_runs_elsewhere_and_is_done_here(void **state)
{
	struct story *story = *state;
	struct job jobs[100];

	for (int i = 0; i < 100; i++) {
		jobs[i] = (struct job){ .story = story, .input = i };
		loop_work(story->loop, square, sum_up, &jobs[i]);
	}
	run(story);
	assert_int_equal(story->count, 328350);
}

static void append_input(void *ctx)
{
	struct job *job = ctx;

	sum_up(ctx);
	strbuf_putc(&job->story->text, (char)('a' + job->input));
}

static void one_thread_keeps_the_order(void **state)
{
	struct story *story = *state;
	struct job jobs[20];
	int begun = 0;

	loop_threads(story->loop, 1);
	for (int i = 0; i < 20; i++) {
		jobs[i] = (struct job){ .story = story, .input = i, .begun = &begun };
		loop_work(story->loop, square, append_input, &jobs[i]);
	}
	run(story);
	assert_string_equal(story->text.buf, "abcdefghijklmnopqrst");
	for (int i = 0; i < 20; i++)
		assert_int_equal(jobs[i].order, i);
}

static void chain(void *ctx)
{
	struct job *job = ctx;

	strbuf_putc(&job->story->text, 'w');
	if (++job->input < 5)
		loop_work(job->story->loop, square, chain, job);
	else
		loop_stop(job->story->loop);
}

static void done_may_give_more_work(void **state)
{
	struct story *story = *state;
	struct job job = { .story = story };

	loop_watch(story->loop, story->fd[0], read_byte, story);
	loop_work(story->loop, square, chain, &job);
	run(story);
	assert_string_equal(story->text.buf, "wwwww");
}

static void stop_at_once(void *ctx)
{
	struct job *job = ctx;

	strbuf_putc(&job->story->text, 's');
	loop_stop(job->story->loop);
}

static void a_stop_between_finished_work_loses_none(void **state)
{
	struct story *story = *state;
	struct job jobs[3];

	for (int i = 0; i < 3; i++) {
		jobs[i] = (struct job){ .story = story, .input = i };
		loop_work(story->loop, square, stop_at_once, &jobs[i]);
	}
	for (int i = 0; i < 3; i++) {
		run(story);
		assert_int_equal(story->text.len, i + 1);
	}
	run(story);
	assert_int_equal(story->text.len, 3);
}

static void block_on_pipe(void *ctx)
{
	struct job *job = ctx;
	char byte;

	job->output = (int)read(job->input, &byte, 1);
}

static void never_done(void *ctx)
{
	(void)ctx;
	fail_msg("done was called by loop_free");
}

static void free_waits_for_running_work_and_drops_the_rest(void **state)
{
	struct loop *loop = loop_new();
	struct job jobs[5];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	loop_threads(loop, 1);
	for (int i = 0; i < 5; i++) {
		jobs[i] = (struct job){ .input = fds[0] };
		loop_work(loop, block_on_pipe, never_done, &jobs[i]);
	}
	close(fds[1]);
	loop_free(loop);
	close(fds[0]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(timers_fire_by_time_then_by_order),
		CASE(cancelled_timers_never_fire),
		CASE(delayed_timers_fire_later),
		CASE(a_timer_may_cancel_one_that_is_due_too),
		CASE(immediate_timers_do_not_starve_descriptors),
		CASE(bytes_before_a_hang_up_are_read),
		CASE(a_reused_descriptor_is_not_taken_for_the_old_one),
		CASE(stop_leaves_the_rest_for_the_next_run),
		CASE(an_empty_loop_returns),
		CASE(signals_become_calls),
		CASE(signals_alone_do_not_keep_it_running),
		CASE(a_freed_loop_gives_signals_back),
		CASE(work_runs_elsewhere_and_is_done_here),
		CASE(one_thread_keeps_the_order),
		CASE(done_may_give_more_work),
		CASE(a_stop_between_finished_work_loses_none),
		CASE(free_waits_for_running_work_and_drops_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
