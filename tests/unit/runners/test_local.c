/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "runners/runner.h"

enum { MAX_KEPT = 4096 };

struct bench {
	struct loop *loop;
	struct spawner *spawner;
	struct runner *runner;
	char dir[64];
	int running;
	int to_start; /* trivial steps that follow one another */
};

/* One step, as the scheduler would see it. */
struct seen {
	struct bench *bench;
	pid_t pid;
	struct strbuf text[2]; /* up to MAX_KEPT bytes of each stream */
	uint64_t bytes[2];
	unsigned char sum; /* of all bytes of stdout */
	struct runner_exit end;
	int ended;
	int signal_at_output; /* sent when output comes */
	int signal_at_start;
	int held; /* the step's stdout, held open by us */
};

static void on_started(void *arg, const char *handle)
{
	struct seen *seen = arg;

	assert_int_equal(seen->pid, 0);
	assert_int_equal(seen->bytes[0] + seen->bytes[1], 0);
	assert_int_equal(strncmp(handle, "pid ", 4), 0);
	seen->pid = (pid_t)strtol(handle + 4, NULL, 10);
	if (seen->held) {
		CLEANUP(cleanup_free) char *path = xasprintf("/proc/%d/fd/1", (int)seen->pid);
		CLEANUP(cleanup_free) char *sign = xasprintf("%s/held", seen->bench->dir);

		seen->held = open(path, O_WRONLY | O_CLOEXEC);
		assert_true(seen->held >= 0);
		assert_int_equal(mkdir(sign, 0755), 0);
	}
	if (seen->signal_at_start)
		runner_local.kill(seen->bench->runner, seen, seen->signal_at_start);
}

static void on_output(void *arg, enum runner_stream stream, const char *data, size_t len)
{
	struct seen *seen = arg;
	struct strbuf *text = &seen->text[stream];

	assert_true(seen->pid > 0);
	assert_int_equal(seen->ended, 0);
	assert_true(len > 0);
	seen->bytes[stream] += len;
	for (size_t i = 0; stream == RUNNER_STDOUT && i < len; i++)
		seen->sum = (unsigned char)(seen->sum + (unsigned char)data[i]);
	if (text->len < MAX_KEPT)
		strbuf_add(text, data, len < MAX_KEPT - text->len ? len : MAX_KEPT - text->len);
	if (seen->signal_at_output)
		runner_local.kill(seen->bench->runner, seen, seen->signal_at_output);
}

static void start(struct bench *bench, struct seen *seen, const char *const *argv,
		  const char *workdir)
{
	const struct runner_spec spec = {
		.name = "0123-step-1",
		.argv = argv,
		.env = (const char *const[]){ "PATH=/usr/bin:/bin", "LANG=C", NULL },
		.workdir = workdir ? workdir : bench->dir,
	};
	struct error err = { 0 };

	seen->bench = bench;
	seen->text[0] = seen->text[1] = (struct strbuf)STRBUF_INIT;
	if (runner_local.start(bench->runner, &spec, seen, &err) < 0)
		fail_msg("%s", err.msg);
	bench->running++;
}

static void release(struct seen *seen)
{
	strbuf_release(&seen->text[0]);
	strbuf_release(&seen->text[1]);
}

static void on_exited(void *arg, const struct runner_exit *end)
{
	struct seen *seen = arg;
	struct bench *bench = seen->bench;

	assert_int_equal(seen->ended, 0);
	seen->ended = 1;
	seen->end = *end;
	bench->running--;
	if (bench->to_start > 0) {
		bench->to_start--;
		assert_int_equal(end->code, 0);
		release(seen);
		*seen = (struct seen){ 0 };
		start(bench, seen, (const char *const[]){ "true", NULL }, NULL);
	}
	if (!bench->running)
		loop_stop(bench->loop);
}

static const struct runner_events events = { .started = on_started, .output = on_output, .exited = on_exited };

static int setup(void **state)
{
	struct bench *bench = xcalloc(1, sizeof(*bench));

	snprintf(bench->dir, sizeof(bench->dir), "/tmp/test_local.XXXXXX");
	if (!mkdtemp(bench->dir) || spawner_start(&bench->spawner, NULL) < 0)
		return -1;
	bench->loop = loop_new();
	if (runner_local.open(bench->loop, &events, bench->spawner, &bench->runner, NULL) < 0)
		return -1;
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	CLEANUP_STRBUF struct strbuf nothing = STRBUF_INIT;
	int rc;

	runner_local.close(bench->runner);
	loop_free(bench->loop);
	spawner_stop(bench->spawner);
	rc = process_capture((const char *const[]){ "rm", "-rf", bench->dir, NULL }, NULL, 60000, 0,
			     &nothing, NULL);
	free(bench);
	return rc;
}

static void wait_all(struct bench *bench)
{
	struct error err = { 0 };

	assert_int_equal(loop_run(bench->loop, &err), 0);
	assert_int_equal(bench->running, 0);
}

static void start_sh(struct bench *bench, struct seen *seen, const char *script)
{
	start(bench, seen, (const char *const[]){ "sh", "-c", script, NULL }, NULL);
}

static void run_sh(struct bench *bench, struct seen *seen, const char *script)
{
	start_sh(bench, seen, script);
	wait_all(bench);
}

static pid_t read_pid(struct bench *bench, const char *name)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s/%s", bench->dir, name);
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	return (pid_t)strtol(text, NULL, 10);
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void output_and_exit_status_arrive(void **state)
{
	struct seen seen = { 0 };

	run_sh(*state, &seen, "echo one; echo two >&2; printf three; exit 3");
	assert_string_equal(seen.text[RUNNER_STDOUT].buf, "one\nthree");
	assert_string_equal(seen.text[RUNNER_STDERR].buf, "two\n");
	assert_int_equal(seen.end.cause, CAUSE_EXIT);
	assert_int_equal(seen.end.code, 3);
	assert_true(seen.end.max_rss > 0);
	assert_true(seen.pid > 0);
	release(&seen);
}

static void binary_output_arrives_as_it_is(void **state)
{
	struct seen seen = { 0 };
	static const char want[] = { 0, 1, '\n', (char)0xff, 27, '[', '2', 'J', 0 };

	run_sh(*state, &seen, "printf '\\000\\001\\n\\377\\033[2J\\000'");
	assert_int_equal(seen.text[0].len, sizeof(want));
	assert_memory_equal(seen.text[0].buf, want, sizeof(want));
	release(&seen);
}

static void much_output_arrives_whole(void **state)
{
	struct seen seen = { 0 };

	run_sh(*state, &seen,
	       "head -c 50000001 /dev/zero | tr '\\000' '\\003' & "
	       "head -c 3000000 /dev/zero >&2; wait");
	assert_int_equal(seen.bytes[RUNNER_STDOUT], 50000001);
	assert_int_equal(seen.bytes[RUNNER_STDERR], 3000000);
	assert_int_equal(seen.sum, (unsigned char)(50000001 * 3));
	release(&seen);
}

static void what_cannot_start_says_why(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_free) char *path = xasprintf("%s/bad", bench->dir);
	struct seen absent = { 0 }, nowhere = { 0 }, bad = { 0 };
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_int_equal(write(fd, "nonsense", 8), 8);
	close(fd);
	start(bench, &absent, (const char *const[]){ "no-such-program", NULL }, NULL);
	start(bench, &nowhere, (const char *const[]){ "true", NULL }, "/no/such/place");
	start(bench, &bad, (const char *const[]){ "./bad", NULL }, NULL);
	wait_all(bench);
	assert_int_equal(absent.end.cause, CAUSE_START);
	assert_string_equal(absent.end.message, "cannot run no-such-program: no such program");
	assert_int_equal(nowhere.end.cause, CAUSE_START);
	assert_string_equal(nowhere.end.message,
			    "cannot enter /no/such/place: No such file or directory");
	assert_string_equal(bad.end.message,
			    "cannot run ./bad: no program, and no script with a #! line");
	assert_int_equal(absent.pid + nowhere.pid + bad.pid, 0);
}

static void kill_ends_the_group(void **state)
{
	struct seen seen = { .signal_at_output = SIGTERM };

	run_sh(*state, &seen, "sleep 1000 & echo $! > child; echo ready; wait");
	assert_int_equal(seen.end.cause, CAUSE_SIGNAL);
	assert_int_equal(seen.end.signal, SIGTERM);
	assert_string_equal(seen.end.message, "killed by SIGTERM");
	assert_true(is_gone(read_pid(*state, "child")));
	release(&seen);
}

static void a_kill_before_the_start_is_known_counts(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	start_sh(bench, &seen, "exec sleep 1000");
	runner_local.kill(bench->runner, &seen, SIGKILL);
	wait_all(bench);
	assert_int_equal(seen.end.cause, CAUSE_SIGNAL);
	assert_int_equal(seen.end.signal, SIGKILL);
}

static void term_may_be_ignored_and_kill_may_not(void **state)
{
	struct seen seen = { .signal_at_output = SIGTERM };
	struct bench *bench = *state;

	/* Each echo is answered with TERM, until the step kills itself. */
	run_sh(bench, &seen,
	       "trap '' TERM; for i in 1 2 3; do echo $i; sleep 0.02; done; kill -KILL $$");
	assert_int_equal(seen.end.cause, CAUSE_SIGNAL);
	assert_int_equal(seen.end.signal, SIGKILL);
	assert_string_equal(seen.text[0].buf, "1\n2\n3\n");
	release(&seen);
}

static void signals_to_strangers_are_ignored(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 }, stranger = { 0 };

	runner_local.kill(bench->runner, &stranger, SIGKILL);
	run_sh(bench, &seen, "exit 0");
	runner_local.kill(bench->runner, &seen, SIGKILL);
	assert_int_equal(seen.end.code, 0);
}

static void a_daemon_that_holds_the_pipe_goes_first(void **state)
{
	struct seen seen = { 0 };

	run_sh(*state, &seen,
	       "setsid sh -c 'trap \"\" TERM; echo $$ > daemon; echo daemon; exec sleep 1000' & "
	       "until [ -s daemon ]; do sleep 0.01; done");
	assert_int_equal(seen.end.cause, CAUSE_EXIT);
	assert_string_equal(seen.text[0].buf, "daemon\n");
	assert_true(is_gone(read_pid(*state, "daemon")));
	release(&seen);
}

static void a_pipe_held_by_another_does_not_keep_a_step(void **state)
{
	struct seen seen = { .held = -1 };

	run_sh(*state, &seen, "until [ -e held ]; do sleep 0.01; done; echo end");
	assert_int_equal(seen.end.code, 0);
	assert_string_equal(seen.text[0].buf, "end\n");
	assert_true(seen.held >= 0);
	close(seen.held);
	release(&seen);
}

static void steps_side_by_side_do_not_mix(void **state)
{
	struct bench *bench = *state;
	struct seen seen[8];
	char script[8][64];

	for (int i = 0; i < 8; i++) {
		seen[i] = (struct seen){ 0 };
		snprintf(script[i], sizeof(script[i]),
			 "for x in 1 2 3 4; do echo %d; done; exit %d", i, i);
		start_sh(bench, &seen[i], script[i]);
	}
	wait_all(bench);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(seen[i].end.code, i);
		assert_int_equal(seen[i].text[0].len, 8);
		assert_int_equal(seen[i].text[0].buf[6], '0' + i);
		release(&seen[i]);
	}
}

static void a_thousand_steps_follow_one_another(void **state)
{
	struct bench *bench = *state;
	struct seen seen[2] = { { 0 }, { 0 } };

	bench->to_start = 998;
	for (int i = 0; i < 2; i++)
		start(bench, &seen[i], (const char *const[]){ "true", NULL }, NULL);
	wait_all(bench);
	assert_int_equal(bench->to_start, 0);
	assert_int_equal(seen[0].end.code + seen[1].end.code, 0);
}

static void stop_loop(void *ctx)
{
	loop_stop(ctx);
}

static void close_kills_and_calls_nobody(void **state)
{
	struct bench *bench = *state;
	struct seen left = { 0 }, next = { 0 };

	start_sh(bench, &left, "echo $$ > pid; exec sleep 1000");
	loop_after(bench->loop, 50, stop_loop, bench->loop);
	loop_run(bench->loop, NULL);
	runner_local.close(bench->runner);
	bench->running = 0;
	assert_int_equal(
		runner_local.open(bench->loop, &events, bench->spawner, &bench->runner, NULL), 0);
	run_sh(bench, &next, "exit 5");
	assert_int_equal(next.end.code, 5);
	assert_int_equal(left.ended, 0);
	runner_local.close(bench->runner);
	spawner_stop(steal(&bench->spawner));
	assert_true(left.pid == 0 || is_gone(left.pid));
	assert_int_equal(spawner_start(&bench->spawner, NULL), 0);
	assert_int_equal(
		runner_local.open(bench->loop, &events, bench->spawner, &bench->runner, NULL), 0);
	release(&left);
}

static void a_dead_spawner_loses_its_steps(void **state)
{
	struct bench *bench = *state;
	struct seen first = { 0 }, second = { 0 };
	const struct runner_spec spec = { .name = "x",
					  .argv = (const char *const[]){ "true", NULL },
					  .env = (const char *const[]){ NULL },
					  .workdir = "/" };
	struct error err = { 0 };

	start_sh(bench, &first, "exec sleep 1000");
	start_sh(bench, &second, "echo dying; kill -KILL $PPID; exec sleep 1000");
	wait_all(bench);
	assert_int_equal(first.end.cause, CAUSE_LOST);
	assert_int_equal(second.end.cause, CAUSE_LOST);
	assert_string_equal(second.end.message, "the process that starts steps is gone");
	assert_int_equal(runner_local.start(bench->runner, &spec, &first, &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	release(&first);
	release(&second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(output_and_exit_status_arrive),
		CASE(binary_output_arrives_as_it_is),
		CASE(much_output_arrives_whole),
		CASE(what_cannot_start_says_why),
		CASE(kill_ends_the_group),
		CASE(a_kill_before_the_start_is_known_counts),
		CASE(term_may_be_ignored_and_kill_may_not),
		CASE(signals_to_strangers_are_ignored),
		CASE(a_daemon_that_holds_the_pipe_goes_first),
		CASE(a_pipe_held_by_another_does_not_keep_a_step),
		CASE(steps_side_by_side_do_not_mix),
		CASE(a_thousand_steps_follow_one_another),
		CASE(close_kills_and_calls_nobody),
		CASE(a_dead_spawner_loses_its_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
