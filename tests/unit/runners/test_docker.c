/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "runners/docker.h"
#include "runners/docker_engine.h"
#include "runners/docker_runner.h"
#include "tests/unit/runners/engine_fixture.h"

#define NAME  "mlops-r-s-1"
#define PAUSE "mlops-pause-r-0"

struct bench {
	struct engine fake;
	struct docker_engine *engine;
	struct loop *loop;
	struct runner *runner;
	char probe[128];
	int running;
};

struct seen {
	struct bench *bench;
	int started, ended, notes;
	char note[200];
	struct strbuf text[2];
	struct runner_exit end;
	int signal_at_start;
};

static void on_started(void *arg, const char *handle)
{
	struct seen *seen = arg;

	assert_int_equal(seen->started++, 0);
	assert_string_equal(handle, "container 0123456789ab");
	if (seen->signal_at_start)
		runner_docker.kill(seen->bench->runner, seen, seen->signal_at_start);
}

static void on_output(void *arg, enum runner_stream stream, const char *data, size_t len)
{
	struct seen *seen = arg;

	assert_int_equal(seen->started, 1);
	assert_int_equal(seen->ended, 0);
	assert_true(len > 0);
	strbuf_add(&seen->text[stream], data, len);
}

static void on_exited(void *arg, const struct runner_exit *end)
{
	struct seen *seen = arg;

	assert_int_equal(seen->ended++, 0);
	seen->end = *end;
	if (--seen->bench->running == 0)
		loop_stop(seen->bench->loop);
}

static void on_note(void *arg, const char *text)
{
	struct seen *seen = arg;

	seen->notes++;
	snprintf(seen->note, sizeof(seen->note), "%s", text);
}

static void stop_loop(void *loop)
{
	loop_stop(loop);
}

static const struct runner_events events = { on_started, on_output, on_exited, on_note };

/* -- a bench -- */

static void open_runner(struct bench *bench)
{
	struct docker_config config = { bench->engine, "/p", "r", bench->probe, NULL };

	assert_int_equal(runner_docker.open(bench->loop, &events, &config, &bench->runner, NULL), 0);
}

static int setup(void **state)
{
	struct bench *bench = xcalloc(1, sizeof(*bench));
	CLEANUP(cleanup_free) char *host = NULL;
	struct error err = { 0 };

	engine_begin(&bench->fake);
	host = xasprintf("unix://%s", bench->fake.path);
	setenv("DOCKER_HOST", host, 1);
	snprintf(bench->probe, sizeof(bench->probe), "%s/probe", bench->fake.dir);
	docker_patience = (struct docker_patience){
		.call = 2000, .lost = 1500, .pause_first = 1, .pause_most = 20, .doubt = 10, .note = 1000, .kill = 200,
		.idle = 20, .look = 1, .poll = 5, .sample_first = 1, .sample = 5, .close = 3000,
	};
	bench->loop = loop_new();
	if (docker_engine_open(&bench->engine, &err) < 0)
		fail_msg("%s", err.msg);
	open_runner(bench);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	if (bench->runner)
		runner_docker.close(bench->runner);
	loop_free(bench->loop);
	docker_engine_close(bench->engine);
	engine_go(&bench->fake);
	engine_finish(&bench->fake);
	free(bench);
	return 0;
}

static const struct engine_message two_lines[] = { { 1, "one\n" }, { 2, "err\n" }, { 1, "end" } };

static void does(struct bench *bench, const struct engine_message *messages, size_t n, int code)
{
	pthread_mutex_lock(&bench->fake.lock);
	bench->fake.messages = messages;
	bench->fake.nmessages = n;
	bench->fake.code = code;
	pthread_mutex_unlock(&bench->fake.lock);
}

static void goes_wrong(struct bench *bench, struct engine_fault fault)
{
	size_t i = 0;

	pthread_mutex_lock(&bench->fake.lock);
	while (bench->fake.faults[i].times)
		i++;
	bench->fake.faults[i] = fault;
	pthread_mutex_unlock(&bench->fake.lock);
}

/* What is left of the first fault, which ends. */
static int end_fault(struct bench *bench)
{
	int left;

	pthread_mutex_lock(&bench->fake.lock);
	left = bench->fake.faults[0].times;
	bench->fake.faults[0].times = 0;
	pthread_mutex_unlock(&bench->fake.lock);
	return left;
}

static struct runner_spec spec(void)
{
	static const char *const argv[] = { "prog", "arg", NULL }, *const env[] = { "A=1", NULL };

	return (struct runner_spec){ .name = "r-s-1", .argv = argv, .env = env, .workdir = "/w", .image = "sha256:1",
				     .image_shown = "img:1", .uid = 1000, .gid = 100, .run = "r", .step = "s" };
}

static void start_spec(struct bench *bench, struct seen *seen, const struct runner_spec *runner_spec)
{
	seen->bench = bench;
	seen->text[0] = seen->text[1] = (struct strbuf)STRBUF_INIT;
	bench->running++;
	assert_int_equal(runner_docker.start(bench->runner, runner_spec, seen, NULL), 0);
}

static void start(struct bench *bench, struct seen *seen)
{
	const struct runner_spec step = spec();

	start_spec(bench, seen, &step);
}

static void wait_all(struct bench *bench)
{
	assert_int_equal(loop_run(bench->loop, NULL), 0);
	assert_int_equal(bench->running, 0);
}

static void run(struct bench *bench, struct seen *seen)
{
	start(bench, seen);
	wait_all(bench);
}

static void release(struct seen *seen)
{
	strbuf_release(&seen->text[0]);
	strbuf_release(&seen->text[1]);
}

static int count(struct bench *bench, const char *text)
{
	int n = 0;

	pthread_mutex_lock(&bench->fake.lock);
	for (const char *at = bench->fake.heard.buf; (at = strstr(at, text)); at++)
		n++;
	pthread_mutex_unlock(&bench->fake.lock);
	return n;
}

static struct engine_container *find(struct bench *bench, const char *name)
{
	struct engine_container *c;

	pthread_mutex_lock(&bench->fake.lock);
	c = engine_find(&bench->fake, name, strlen(name));
	pthread_mutex_unlock(&bench->fake.lock);
	return c;
}

static void was_there(struct bench *bench, enum engine_state state, const char *step, int code)
{
	CLEANUP(cleanup_free) char *body = xasprintf(
		"{\"Labels\":{\"mlops.project\":\"/p\",\"mlops.run\":\"r\",\"mlops.step\":\"%s\"}}", step);

	engine_add(&bench->fake, NAME, body, state)->code = code;
}

static void assert_two_lines(const struct seen *seen, int code)
{
	assert_string_equal(seen->text[RUNNER_STDOUT].buf, "one\nend");
	assert_string_equal(seen->text[RUNNER_STDERR].buf, "err\n");
	assert_int_equal(seen->end.cause, CAUSE_EXIT);
	assert_int_equal(seen->end.code, code);
	assert_int_equal(seen->started, 1);
}

/* -- the life of a step -- */

static void a_step_runs_and_tells_how_it_ended(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 3);
	run(bench, &seen);
	assert_two_lines(&seen, 3);
	assert_string_equal(seen.end.message, "");
	assert_int_equal(find(bench, NAME)->starts, 1);
	assert_int_equal(find(bench, PAUSE)->state, STATE_RUNNING);
	runner_docker.forget(bench->runner, "r-s-1");
	runner_docker.close(steal(&bench->runner));
	assert_null(find(bench, NAME));
	assert_null(find(bench, PAUSE));
	release(&seen);
}

/* Each request of a step's life, lost before and after the engine did it. */
static void a_lost_reply_changes_nothing(void **state)
{
	static const struct {
		const char *method, *path;
	} rows[] = {
		{ "GET", "/images/localhost" },   { "POST", "create?name=mlops-pause" },
		{ "POST", PAUSE "/start" },       { "POST", "create?name=" NAME },
		{ "POST", NAME "/start" },        { "GET", "follow=1" },
		{ "POST", NAME "/wait" },         { "GET", NAME "/json" },
		{ "GET", "timestamps=1" },        { "DELETE", NAME },
	};
	struct bench *bench = *state;

	does(bench, two_lines, 3, 3);
	bench->fake.chunk = 5;
	for (size_t i = 0; i < 4 * ARRAY_LEN(rows); i++) {
		struct seen seen = { 0 };
		enum engine_wrong wrong = i % 2 ? WRONG_AFTER : WRONG_LOST;

		bench->fake.quick = i % 4 < 2;
		goes_wrong(bench, (struct engine_fault){ rows[i / 4].method, rows[i / 4].path, wrong, 2, 0, NULL });
		run(bench, &seen);
		assert_two_lines(&seen, 3);
		assert_int_equal(find(bench, NAME)->starts, 1);
		runner_docker.forget(bench->runner, "r-s-1");
		runner_docker.close(steal(&bench->runner));
		assert_null(find(bench, NAME));
		assert_null(find(bench, PAUSE));
		assert_true(end_fault(bench) < 2);
		open_runner(bench);
		release(&seen);
	}
}

static void wait_is_not_believed(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 3);
	bench->fake.runs_on = true;
	goes_wrong(bench, (struct engine_fault){ "POST", "/wait", WRONG_SAYS, 5, 200, "it ended" });
	start(bench, &seen);
	while (count(bench, "/stats") < 2 || count(bench, NAME "/wait") < 6) {
		loop_after(bench->loop, 5, stop_loop, bench->loop);
		loop_run(bench->loop, NULL);
	}
	assert_int_equal(seen.ended, 0);
	runner_docker.kill(bench->runner, &seen, SIGTERM);
	wait_all(bench);
	assert_int_equal(seen.end.cause, CAUSE_SIGNAL);
	assert_int_equal(seen.end.signal, SIGTERM);
	assert_string_equal(seen.end.message, "killed by SIGTERM");
	assert_true(seen.end.sampled);
	assert_int_equal(seen.end.max_rss, 4000);
	assert_int_equal(seen.end.user_us, 3);
	release(&seen);
}

static void an_end_that_is_not_decided_is_asked_for_again(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 0);
	bench->fake.undecided = 3;
	run(bench, &seen);
	assert_two_lines(&seen, 0);
	assert_true(count(bench, "GET /v1.41/containers/" NAME "/json") >= 4);
	release(&seen);
}

/* -- taking over -- */

static void what_is_there_is_taken_over(void **state)
{
	static const struct {
		enum engine_state state;
		int starts, code;
	} rows[] = { { STATE_CREATED, 1, 3 }, { STATE_RUNNING, 0, 3 }, { STATE_EXITED, 0, 4 } };
	struct bench *bench = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen seen = { 0 };

		does(bench, two_lines, 3, 3);
		was_there(bench, rows[i].state, "s", 4);
		run(bench, &seen);
		assert_two_lines(&seen, rows[i].code);
		assert_int_equal(find(bench, NAME)->starts, rows[i].starts);
		runner_docker.close(steal(&bench->runner));
		find(bench, NAME)->state = STATE_NONE;
		open_runner(bench);
		release(&seen);
	}
}

static void a_strangers_container_is_left_alone(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	was_there(bench, STATE_EXITED, "other", 0);
	run(bench, &seen);
	assert_int_equal(seen.end.cause, CAUSE_START);
	assert_string_equal(seen.end.message, "a container " NAME " is there already, and is none of this step");
	assert_int_equal(find(bench, NAME)->starts, 0);
	release(&seen);
}

static void a_container_that_vanishes_is_lost(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 0);
	goes_wrong(bench, (struct engine_fault){ "GET", NAME "/json", WRONG_SAYS, 1, 404, "No such container" });
	run(bench, &seen);
	assert_int_equal(seen.end.cause, CAUSE_LOST);
	assert_string_equal(seen.end.message, "its container was removed");
	release(&seen);
}

/* -- the log -- */

static void many_lines(struct bench *bench, struct seen *seen, size_t lines)
{
	static const struct engine_message line[] = { { 1, "line\n" } };

	does(bench, line, 1, 0);
	bench->fake.repeat = lines;
	run(bench, seen);
	assert_int_equal(seen->text[RUNNER_STDOUT].len, 5 * lines);
}

static void the_end_of_a_followed_log_is_read_again(void **state)
{
	static const struct {
		size_t lines, lacks;
		int tails, wholes;
	} rows[] = {
		{ 3, 1, 0, 1 },    /* few: all of them */
		{ 400, 1, 1, 0 },  /* many: their end */
		{ 400, 0, 1, 0 },
		{ 400, 150, 1, 1 }, /* more than the end */
		{ 400, 99, 1, 1 }, /* the one known stands first, and may be another */
		{ 400, 98, 1, 0 },
		{ 400, 400, 0, 1 },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen seen = { 0 };

		bench->fake.follow_lacks = rows[i].lacks;
		strbuf_clear(&bench->fake.heard);
		many_lines(bench, &seen, rows[i].lines);
		assert_int_equal(count(bench, "timestamps=1&tail="), rows[i].tails);
		assert_int_equal(count(bench, "timestamps=1\n"), rows[i].wholes);
		runner_docker.close(steal(&bench->runner));
		find(bench, NAME)->state = STATE_NONE;
		open_runner(bench);
		release(&seen);
	}
}

static void a_followed_log_that_breaks_goes_on_without_a_gap(void **state)
{
	struct bench *bench = *state;

	for (size_t at = 1; at < 4; at++) {
		struct seen seen = { 0 };

		does(bench, two_lines, 3, 0);
		bench->fake.runs_on = true;
		bench->fake.follow_breaks = at;
		bench->fake.chunk = 1;
		start(bench, &seen);
		while (seen.text[0].len + seen.text[1].len < 11) {
			loop_after(bench->loop, 5, stop_loop, bench->loop);
			loop_run(bench->loop, NULL);
		}
		runner_docker.kill(bench->runner, &seen, SIGKILL);
		wait_all(bench);
		assert_string_equal(seen.text[RUNNER_STDOUT].buf, "one\nend");
		assert_string_equal(seen.text[RUNNER_STDERR].buf, "err\n");
		assert_int_equal(count(bench, "follow=1"), (int)at * 2);
		find(bench, NAME)->state = STATE_NONE;
		release(&seen);
	}
}

static void podmans_log_is_read_and_not_followed(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 0);
	runner_docker.close(steal(&bench->runner));
	bench->fake.product = "Podman Engine";
	assert_int_equal(docker_engine_renegotiate(bench->engine, NULL), 0);
	open_runner(bench);
	bench->fake.runs_on = true;
	start(bench, &seen);
	while (!seen.text[0].len || count(bench, "timestamps=1\n") < 3) {
		loop_after(bench->loop, 5, stop_loop, bench->loop);
		loop_run(bench->loop, NULL);
	}
	runner_docker.kill(bench->runner, &seen, SIGKILL);
	wait_all(bench);
	assert_string_equal(seen.text[RUNNER_STDOUT].buf, "one\nend");
	assert_int_equal(count(bench, "follow=1"), 0);
	release(&seen);
}

/* -- how it ended -- */

static void the_cause_of_an_end_is_told(void **state)
{
	static const struct {
		int code;
		bool oom;
		enum runner_cause cause;
		const char *message;
	} rows[] = {
		{ 0, false, CAUSE_EXIT, "" },
		{ 0, true, CAUSE_EXIT, "" }, /* a child was killed, and it coped */
		{ 5, true, CAUSE_OOM, "killed by the kernel, out of memory (mem = 512M)" },
		{ 137, true, CAUSE_OOM, "killed by the kernel, out of memory (mem = 512M)" },
		{ 137, false, CAUSE_SIGNAL, "killed by SIGKILL" },
		{ 139, false, CAUSE_SIGNAL, "killed by SIGSEGV" },
		{ 128, false, CAUSE_EXIT, "" },
		{ 255, false, CAUSE_EXIT, "" },
	};
	struct bench *bench = *state;
	struct runner_spec step = spec();

	does(bench, two_lines, 3, 0);
	step.mem = 512 << 20;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen seen = { 0 };

		bench->fake.code = rows[i].code;
		bench->fake.oom = rows[i].oom;
		start_spec(bench, &seen, &step);
		wait_all(bench);
		assert_int_equal(seen.end.cause, rows[i].cause);
		assert_string_equal(seen.end.message, rows[i].message);
		find(bench, NAME)->state = STATE_NONE;
		release(&seen);
	}
}

static void a_program_that_is_not_there_never_started(void **state)
{
	static const struct {
		const char *text;
		enum runner_cause cause;
		const char *message;
	} rows[] = {
		{ "[FATAL tini (7)] exec prog failed: No such file or directory\n", CAUSE_START,
		  "cannot run prog: no such program in the image img:1" },
		{ "ERROR (catatonit:2): failed to exec pid1: No such file or directory\n", CAUSE_START,
		  "cannot run prog: no such program in the image img:1" },
		{ "[FATAL tini (7)] exec prog failed: Permission denied\n", CAUSE_START,
		  "cannot run prog in the image img:1: permission denied" },
		{ "[FATAL tini (7)] exec prog failed: Exec format error\n", CAUSE_START,
		  "cannot run prog: the image img:1 is for linux/arm64, and the engine runs linux/amd64" },
		{ "[FATAL tini (7)] exec other failed: No such file or directory\n", CAUSE_EXIT, "" },
		{ "prog: No such file or directory\n", CAUSE_EXIT, "" },
	};
	struct bench *bench = *state;

	bench->fake.arch = "arm64";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct engine_message message = { 2, rows[i].text };
		struct seen seen = { 0 };

		does(bench, &message, 1, 127);
		run(bench, &seen);
		assert_int_equal(seen.end.cause, rows[i].cause);
		assert_string_equal(seen.end.message, rows[i].message);
		find(bench, NAME)->state = STATE_NONE;
		release(&seen);
	}
}

/* -- what an engine refuses -- */

static void a_refusal_is_told_with_its_fix(void **state)
{
	static const struct {
		const char *path;
		int status;
		const char *words, *message;
	} rows[] = {
		{ NAME "/start", 500, "could not select device driver \\\"\\\" with capabilities: [[gpu]]",
		  "this engine offers no GPU" },
		{ "create?name=" NAME, 404, "No such image: sha256:1", "the engine lost the image: No such image: sha256:1" },
		{ "create?name=" NAME, 400, "invalid mount config: bind source path does not exist: /x",
		  "the container engine does not see what the step needs: invalid mount config: bind source path does "
		  "not exist: /x" },
		{ NAME "/start", 500, "odd\\nwords", "the container engine refused it: odd words" },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct seen seen = { 0 };

		goes_wrong(bench,
			   (struct engine_fault){ "POST", rows[i].path, WRONG_SAYS, 2, rows[i].status, rows[i].words });
		run(bench, &seen);
		assert_int_equal(seen.end.cause, CAUSE_START);
		assert_string_equal(seen.end.message, rows[i].message);
		assert_int_equal(seen.started, 0);
		end_fault(bench);
		if (find(bench, NAME))
			find(bench, NAME)->state = STATE_NONE;
		release(&seen);
	}
}

static void a_refusal_without_a_reason_is_asked_for_once_more(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 3);
	goes_wrong(bench, (struct engine_fault){ "POST", NAME "/start", WRONG_SAYS, 1, 500, "shutting down" });
	goes_wrong(bench, (struct engine_fault){ "POST", PAUSE "/start", WRONG_SAYS, 2, 500, "shutting down" });
	run(bench, &seen);
	assert_two_lines(&seen, 3);
	release(&seen);
}

static void an_engine_that_does_not_see_the_probe_is_refused(void **state)
{
	struct bench *bench = *state;
	CLEANUP(cleanup_free) char *words =
		xasprintf("invalid mount config for type bind: bind source path does not exist: %s", bench->probe);
	struct seen seen = { 0 };
	struct runner_spec step = spec();

	step.network = true; /* also of a step that needs no pause container */
	goes_wrong(bench, (struct engine_fault){ "POST", "create?name=" PAUSE, WRONG_SAYS, 1, 400, words });
	start_spec(bench, &seen, &step);
	wait_all(bench);
	assert_int_equal(seen.end.cause, CAUSE_START);
	assert_non_null(strstr(seen.end.message, "does not see the files of this machine"));
	assert_non_null(strstr(seen.end.help, "DOCKER_HOST"));
	release(&seen);
}

static void a_pause_container_that_died_is_made_anew(void **state)
{
	struct bench *bench = *state;
	struct seen first = { 0 }, second = { 0 };

	does(bench, two_lines, 3, 3);
	run(bench, &first);
	find(bench, NAME)->state = STATE_NONE;
	find(bench, PAUSE)->state = STATE_EXITED;
	run(bench, &second);
	assert_two_lines(&second, 3);
	assert_int_equal(find(bench, PAUSE)->state, STATE_RUNNING);
	assert_int_equal(find(bench, NAME)->starts, 1);
	release(&first);
	release(&second);
}

static void a_pause_container_is_made_once_a_slot(void **state)
{
	struct bench *bench = *state;
	struct seen seen[3] = { 0 };
	struct runner_spec step = spec();

	does(bench, two_lines, 3, 3);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++) {
			char name[16];

			seen[i] = (struct seen){ 0 };
			snprintf(name, sizeof(name), "r-s-%d%d", round, i);
			step.name = name;
			start_spec(bench, &seen[i], &step);
		}
		wait_all(bench);
		for (int i = 0; i < 3; i++) {
			assert_two_lines(&seen[i], 3);
			release(&seen[i]);
		}
	}
	assert_int_equal(count(bench, "create?name=mlops-pause-"), 3);
	assert_int_equal(count(bench, "/images/"), 1);
}

/* -- signals -- */

static void a_signal_before_the_start_prevents_it(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	start(bench, &seen);
	runner_docker.kill(bench->runner, &seen, SIGTERM);
	wait_all(bench);
	assert_int_equal(seen.end.cause, CAUSE_SIGNAL);
	assert_int_equal(seen.end.signal, SIGTERM);
	assert_int_equal(seen.started, 0);
	assert_int_equal(find(bench, NAME)->starts, 0);
	release(&seen);
}

static void a_lost_signal_is_sent_again(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { .signal_at_start = SIGTERM };

	does(bench, two_lines, 3, 0);
	bench->fake.runs_on = true;
	goes_wrong(bench, (struct engine_fault){ "POST", "/kill", WRONG_LOST, 3, 0, NULL });
	run(bench, &seen);
	assert_int_equal(seen.end.signal, SIGTERM);
	release(&seen);
}

static void one_that_cannot_be_killed_is_lost(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { .signal_at_start = SIGKILL };

	does(bench, two_lines, 3, 0);
	bench->fake.runs_on = bench->fake.ignores_kill = true;
	run(bench, &seen);
	assert_int_equal(seen.end.cause, CAUSE_LOST);
	assert_non_null(strstr(seen.end.message, "SIGKILL did not end its container " NAME));
	release(&seen);
}

/* -- an engine that is away -- */

static void come_back(void *ctx)
{
	struct bench *bench = ctx;

	engine_listen(&bench->fake);
}

static void go_away(void *ctx)
{
	struct bench *bench = ctx;

	engine_go(&bench->fake);
	loop_after(bench->loop, 100, come_back, bench);
}

static void kill_it(void *ctx)
{
	struct seen *seen = ctx;

	runner_docker.kill(seen->bench->runner, seen, SIGTERM);
}

static void an_engine_that_restarts_loses_no_step(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 0);
	bench->fake.runs_on = true;
	start(bench, &seen);
	loop_after(bench->loop, 50, go_away, bench);
	loop_after(bench->loop, 400, kill_it, &seen);
	wait_all(bench);
	assert_int_equal(seen.end.signal, SIGTERM);
	assert_int_equal(seen.notes, 1);
	assert_non_null(strstr(seen.note, "waiting for the container engine at unix://"));
	assert_string_equal(seen.text[RUNNER_STDOUT].buf, "one\nend");
	assert_int_equal(find(bench, NAME)->starts, 1);
	release(&seen);
}

static void an_engine_that_stays_away_loses_the_step(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	docker_patience.lost = 150;
	engine_go(&bench->fake);
	run(bench, &seen);
	come_back(bench);
	assert_int_equal(seen.end.cause, CAUSE_LOST);
	assert_non_null(strstr(seen.end.message, "has not answered for 0.15 s"));
	assert_int_equal(seen.notes, 1);
	release(&seen);
}

static void an_engine_that_hangs_is_noticed_while_a_step_runs(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	docker_patience.call = 50;
	docker_patience.lost = 150;
	does(bench, two_lines, 3, 0);
	bench->fake.runs_on = true;
	goes_wrong(bench, (struct engine_fault){ "GET", "/stats", WRONG_HANG, 100, 0, NULL });
	start(bench, &seen);
	while (!seen.started) {
		loop_after(bench->loop, 1, stop_loop, bench->loop);
		loop_run(bench->loop, NULL);
	}
	goes_wrong(bench, (struct engine_fault){ "GET", NAME "/json", WRONG_HANG, 100, 0, NULL });
	wait_all(bench);
	assert_int_equal(seen.end.cause, CAUSE_LOST);
	assert_int_equal(seen.notes, 1);
	release(&seen);
}

static void an_engine_of_another_version_is_negotiated_with(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 3);
	bench->fake.api = "1.44";
	run(bench, &seen);
	assert_two_lines(&seen, 3);
	assert_true(count(bench, "POST /v1.44/containers/" NAME "/start") == 1);
	release(&seen);
}

/* -- closing -- */

static void close_kills_removes_and_calls_nobody(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };

	does(bench, two_lines, 3, 0);
	bench->fake.runs_on = true;
	start(bench, &seen);
	while (!seen.started) {
		loop_after(bench->loop, 1, stop_loop, bench->loop);
		loop_run(bench->loop, NULL);
	}
	goes_wrong(bench, (struct engine_fault){ "DELETE", NAME, WRONG_SAYS, 2, 409, "removal is in progress" });
	goes_wrong(bench, (struct engine_fault){ "DELETE", PAUSE, WRONG_AFTER, 1, 0, NULL });
	runner_docker.close(steal(&bench->runner));
	assert_null(find(bench, NAME));
	assert_null(find(bench, PAUSE));
	assert_int_equal(seen.ended, 0);
	release(&seen);
}

static void close_does_not_wait_for_an_engine_that_is_away(void **state)
{
	struct bench *bench = *state;
	struct seen seen = { 0 };
	int64_t began;

	does(bench, two_lines, 3, 0);
	run(bench, &seen);
	docker_patience.close = 100;
	docker_patience.lost = 600000;
	engine_go(&bench->fake);
	began = clock_mono_ms();
	runner_docker.close(steal(&bench->runner));
	assert_true(clock_mono_ms() - began < 60000);
	come_back(bench);
	release(&seen);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_step_runs_and_tells_how_it_ended),
		CASE(a_lost_reply_changes_nothing),
		CASE(wait_is_not_believed),
		CASE(an_end_that_is_not_decided_is_asked_for_again),
		CASE(what_is_there_is_taken_over),
		CASE(a_strangers_container_is_left_alone),
		CASE(a_container_that_vanishes_is_lost),
		CASE(the_end_of_a_followed_log_is_read_again),
		CASE(a_followed_log_that_breaks_goes_on_without_a_gap),
		CASE(podmans_log_is_read_and_not_followed),
		CASE(the_cause_of_an_end_is_told),
		CASE(a_program_that_is_not_there_never_started),
		CASE(a_refusal_is_told_with_its_fix),
		CASE(a_refusal_without_a_reason_is_asked_for_once_more),
		CASE(an_engine_that_does_not_see_the_probe_is_refused),
		CASE(a_pause_container_that_died_is_made_anew),
		CASE(a_pause_container_is_made_once_a_slot),
		CASE(a_signal_before_the_start_prevents_it),
		CASE(a_lost_signal_is_sent_again),
		CASE(one_that_cannot_be_killed_is_lost),
		CASE(an_engine_that_restarts_loses_no_step),
		CASE(an_engine_that_stays_away_loses_the_step),
		CASE(an_engine_that_hangs_is_noticed_while_a_step_runs),
		CASE(an_engine_of_another_version_is_negotiated_with),
		CASE(close_kills_removes_and_calls_nobody),
		CASE(close_does_not_wait_for_an_engine_that_is_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
