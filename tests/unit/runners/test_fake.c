/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "runners/fake.h"

struct bench {
	struct loop *loop;
	struct runner *runner;
	struct fake_script script;
	struct strbuf story; /* what the events said */
	int kill_at_output;
};

/* A task is its name's first letter. */
struct actor {
	struct bench *bench;
	char letter;
	struct runner_exit end;
	int ended;
};

static void on_started(void *task, const char *handle)
{
	struct actor *actor = task;

	assert_non_null(handle);
	strbuf_printf(&actor->bench->story, "%c+ ", actor->letter);
}

static void on_output(void *task, enum runner_stream stream, const char *data, size_t len)
{
	struct actor *actor = task;
	struct bench *bench = actor->bench;

	strbuf_printf(&bench->story, "%c%s%.*s ", actor->letter,
		      stream == RUNNER_STDERR ? "!" : ":", (int)len, data);
	if (bench->kill_at_output)
		runner_fake.kill(bench->runner, task, bench->kill_at_output);
}

static void on_exited(void *task, const struct runner_exit *end)
{
	struct actor *actor = task;

	assert_int_equal(actor->ended, 0);
	actor->ended = 1;
	actor->end = *end;
	strbuf_printf(&actor->bench->story, "%c- ", actor->letter);
}

static const struct runner_events events = { .started = on_started, .output = on_output, .exited = on_exited };

static int setup(void **state)
{
	struct bench *bench = xcalloc(1, sizeof(*bench));

	bench->story = (struct strbuf)STRBUF_INIT;
	bench->loop = loop_new();
	*state = bench;
	return runner_fake.open(bench->loop, &events, &bench->script, &bench->runner, NULL);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	runner_fake.close(bench->runner);
	loop_free(bench->loop);
	strlist_release(&bench->script.log);
	strbuf_release(&bench->story);
	free(bench);
	return 0;
}

static int start_in(struct bench *bench, struct actor *actor, const char *name, const char *dir,
		    struct error *err)
{
	const struct runner_spec spec = { .name = name,
					  .argv = (const char *const[]){ "x", "y", NULL },
					  .env = (const char *const[]){ "A=1", NULL },
					  .workdir = dir };

	actor->bench = bench;
	return runner_fake.start(bench->runner, &spec, actor, err);
}

static void start(struct bench *bench, struct actor *actor, const char *name)
{
	assert_int_equal(start_in(bench, actor, name, "/tmp", NULL), 0);
}

static void run(struct bench *bench)
{
	assert_int_equal(loop_run(bench->loop, NULL), 0);
}

static void play(struct bench *bench, struct actor *actor, const char *name,
		 const struct fake_action *actions)
{
	const struct fake_step step = { .name = "s", .actions = actions };

	bench->script.steps = &step;
	bench->script.nsteps = 1;
	start(bench, actor, name);
	run(bench);
	bench->script.nsteps = 0;
}

static void a_step_without_a_script_succeeds(void **state)
{
	struct bench *bench = *state;
	struct actor actor = { .letter = 'a' };

	start(bench, &actor, "0123-prepare-1");
	assert_int_equal(bench->story.len, 0); /* nothing is called from inside start */
	run(bench);
	assert_string_equal(bench->story.buf, "a+ a- ");
	assert_int_equal(actor.end.cause, CAUSE_EXIT);
	assert_int_equal(actor.end.code, 0);
}

static void actions_are_played_in_order(void **state)
{
	struct bench *bench = *state;
	struct actor actor = { .letter = 'a' };

	play(bench, &actor, "r-s-1",
	     (const struct fake_action[]){ { FAKE_STDOUT, .text = "one" },
					   { FAKE_DELAY, .value = 1 },
					   { FAKE_STDERR, .text = "two" },
					   { FAKE_EXIT, .value = 3 } });
	assert_string_equal(bench->story.buf, "a+ a:one a!two a- ");
	assert_int_equal(actor.end.code, 3);
}

static void tasks_take_turns(void **state)
{
	struct bench *bench = *state;
	const struct fake_action prints[] = { { FAKE_STDOUT, .text = "1" },
					      { FAKE_STDOUT, .text = "2" },
					      { 0 } };
	const struct fake_step steps[] = { { .name = "s@k-1", .actions = prints },
					   { .name = "t", .actions = prints } };
	struct actor a = { .letter = 'a' }, b = { .letter = 'b' };

	bench->script.steps = steps;
	bench->script.nsteps = 2;
	start(bench, &a, "r-s@k-1-1");
	start(bench, &b, "r-t-1");
	run(bench);
	assert_string_equal(bench->story.buf, "a+ b+ a:1 b:1 a:2 b:2 a- b- ");
	assert_int_equal(bench->script.most_running, 2);
	assert_int_equal(bench->script.running, 0);
}

static void each_attempt_has_its_script(void **state)
{
	struct bench *bench = *state;
	const struct fake_action fails[] = { { FAKE_EXIT, .value = 9 } };
	const struct fake_step steps[] = { { .name = "s", .attempt = 1, .actions = fails } };
	struct actor first = { .letter = 'a' }, second = { .letter = 'b' };

	bench->script.steps = steps;
	bench->script.nsteps = 1;
	start(bench, &first, "r-s-1");
	start(bench, &second, "r-s-2");
	run(bench);
	assert_int_equal(first.end.code, 9);
	assert_int_equal(second.end.code, 0);
}

static void every_end_has_its_cause(void **state)
{
	struct bench *bench = *state;
	static const struct {
		struct fake_action action;
		enum runner_cause cause;
		int signal;
		const char *message;
	} rows[] = {
		{ { FAKE_SIGNAL, .value = SIGSEGV }, CAUSE_SIGNAL, SIGSEGV, "SIGSEGV" },
		{ { .act = FAKE_OOM }, CAUSE_OOM, SIGKILL, "out of memory" },
		{ { FAKE_LOST, .text = "engine died" }, CAUSE_LOST, 0, "engine died" },
		{ { FAKE_CANNOT, .text = "no such image" }, CAUSE_START, 0, "no such image" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct actor actor = { .letter = 'a' };

		play(bench, &actor, "r-s-1", (const struct fake_action[]){ rows[i].action });
		assert_int_equal(actor.end.cause, rows[i].cause);
		assert_int_equal(actor.end.signal, rows[i].signal);
		assert_string_equal(actor.end.message, rows[i].message);
	}
	/* What cannot start never says that it did. */
	assert_string_equal(bench->story.buf, "a+ a- a+ a- a+ a- a- ");
}

static void a_refused_start_calls_nobody(void **state)
{
	struct bench *bench = *state;
	const struct fake_action actions[] = { { FAKE_REFUSE, .text = "no engine" } };
	const struct fake_step steps[] = { { .name = "s", .actions = actions } };
	struct actor actor = { .letter = 'a' };
	struct error err = { 0 };

	bench->script.steps = steps;
	bench->script.nsteps = 1;
	assert_int_equal(start_in(bench, &actor, "r-s-1", "/tmp", &err), -1);
	assert_int_equal(err.code, ERR_ENV);
	assert_string_equal(err.msg, "no engine");
	run(bench);
	assert_int_equal(bench->story.len, 0);
	assert_string_equal(bench->script.log.items[0], "refuse s");
}

static void a_kill_ends_a_hanging_task(void **state)
{
	struct bench *bench = *state;
	struct actor actor = { .letter = 'a' };

	bench->kill_at_output = SIGTERM;
	play(bench, &actor, "r-s-1",
	     (const struct fake_action[]){ { FAKE_STDOUT, .text = "x" }, { .act = FAKE_HANG } });
	assert_int_equal(actor.end.cause, CAUSE_SIGNAL);
	assert_int_equal(actor.end.signal, SIGTERM);
	assert_string_equal(bench->script.log.items[1], "kill s SIGTERM");
	runner_fake.kill(bench->runner, &actor, SIGKILL); /* ended: ignored */
	assert_int_equal(bench->script.log.len, 3);
}

static void only_kill_ends_one_that_ignores_term(void **state)
{
	struct bench *bench = *state;
	const struct fake_action stubborn[] = { { .act = FAKE_IGNORE_TERM },
						{ FAKE_STDOUT, .text = "x" },
						{ FAKE_STDOUT, .text = "y" },
						{ FAKE_EXIT, .value = 0 } };
	struct actor actor = { .letter = 'a' }, killed = { .letter = 'b' };

	bench->kill_at_output = SIGTERM;
	play(bench, &actor, "r-s-1", stubborn);
	assert_int_equal(actor.end.cause, CAUSE_EXIT);
	bench->kill_at_output = SIGKILL;
	play(bench, &killed, "r-s-1", stubborn);
	assert_int_equal(killed.end.signal, SIGKILL);
	assert_string_equal(bench->story.buf, "a+ a:x a:y a- b+ b:x b- ");
}

static void until_waits_for_another(void **state)
{
	struct bench *bench = *state;
	const struct fake_action waits[] = { { FAKE_UNTIL, .text = "exit t" },
					     { FAKE_STDOUT, .text = "late" },
					     { 0 } };
	const struct fake_action slow[] = { { FAKE_DELAY, .value = 5 }, { 0 } };
	const struct fake_step steps[] = { { .name = "s", .actions = waits },
					   { .name = "t", .actions = slow } };
	struct actor a = { .letter = 'a' }, b = { .letter = 'b' }, c = { .letter = 'c' };

	bench->script.steps = steps;
	bench->script.nsteps = 2;
	start(bench, &a, "r-s-1");
	start(bench, &b, "r-t-1");
	run(bench);
	assert_string_equal(bench->story.buf, "a+ b+ b- a:late a- ");
	/* What the log holds already is not waited for. */
	start(bench, &c, "r-s-2");
	run(bench);
	assert_int_equal(c.ended, 1);
}

static void look(void *ctx, const struct runner_spec *spec)
{
	struct bench *bench = ctx;

	strbuf_printf(&bench->story, "[%s %s %s %s] ", spec->name, spec->argv[1], spec->env[0],
		      spec->workdir);
}

static void a_call_sees_a_copy_of_the_spec(void **state)
{
	struct bench *bench = *state;
	const struct fake_action actions[] = { { FAKE_CALL, .call = look, .ctx = bench }, { 0 } };
	const struct fake_step steps[] = { { .name = "s", .actions = actions } };
	struct actor actor = { .letter = 'a' };
	char name[] = "r-s-1", dir[] = "/tmp";

	bench->script.steps = steps;
	bench->script.nsteps = 1;
	assert_int_equal(start_in(bench, &actor, name, dir, NULL), 0);
	memset(name, '?', sizeof(name) - 1);
	memset(dir, '?', sizeof(dir) - 1);
	run(bench);
	assert_string_equal(bench->story.buf, "a+ [r-s-1 y A=1 /tmp] a- ");
}

static void files_are_written_below_the_workdir(void **state)
{
	struct bench *bench = *state;
	const struct fake_action actions[] = { { FAKE_FILE, .text = "model", .data = "weights" },
					       { 0 } };
	const struct fake_step steps[] = { { .name = "s", .actions = actions } };
	struct actor actor = { .letter = 'a' }, nowhere = { .letter = 'b' };
	char dir[] = "/tmp/test_fake.XXXXXX";
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/model", dir);
	bench->script.steps = steps;
	bench->script.nsteps = 1;
	assert_int_equal(start_in(bench, &actor, "r-s-1", dir, NULL), 0);
	run(bench);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(start_in(bench, &nowhere, "r-s-1", dir, NULL), 0);
	run(bench);
	assert_int_equal(nowhere.end.code, 1);
	assert_non_null(strstr(bench->story.buf, "b!cannot write"));
}

static void close_ends_tasks_without_calls(void **state)
{
	struct bench *bench = *state;
	struct actor actor = { .letter = 'a' };

	start(bench, &actor, "r-s-1");
	runner_fake.close(bench->runner);
	assert_int_equal(bench->script.running, 0);
	run(bench); /* no timer is left behind */
	assert_int_equal(bench->story.len, 0);
	assert_int_equal(
		runner_fake.open(bench->loop, &events, &bench->script, &bench->runner, NULL), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_step_without_a_script_succeeds),
		CASE(actions_are_played_in_order),
		CASE(tasks_take_turns),
		CASE(each_attempt_has_its_script),
		CASE(every_end_has_its_cause),
		CASE(a_refused_start_calls_nobody),
		CASE(a_kill_ends_a_hanging_task),
		CASE(only_kill_ends_one_that_ignores_term),
		CASE(until_waits_for_another),
		CASE(a_call_sees_a_copy_of_the_spec),
		CASE(files_are_written_below_the_workdir),
		CASE(close_ends_tasks_without_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
