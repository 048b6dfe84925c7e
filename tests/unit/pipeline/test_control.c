/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to stop steps of a run that goes on, from inside of one of its steps. */
#include "run_fixture.h"
#include "pipeline/control.h"

static const char four[] = "[step.a]\ncmd = true a\nin = in\nout = x\n"
			   "[step.b]\ncmd = true b\nin = in\nout = y\n"
			   "[step.c]\ncmd = true c\nin = x\nout = z\n"
			   "[step.d]\ncmd = true d\nin = y\nout = w\n";

/* What a step of the run asks for while it runs, and the answer. */
struct asking {
	struct fixture *f;
	const char *step;
	bool kill;
	char run[33];
	int file; /* of the answer */
	struct js *answer;
	struct error err;
};

static void ask(void *ctx, const struct runner_spec *spec)
{
	struct asking *a = ctx;
	struct control_request request = { .step = a->step, .by = "ann@host", .kill = a->kill };
	struct lock_holder holder;

	snprintf(a->run, sizeof(a->run), "%.32s", spec->name);
	assert_true(control_executor(a->f->p, a->run, &holder));
	assert_int_equal(holder.pid, getpid());
	assert_int_equal(control_ask(a->f->p, a->run, &request, &a->file, &a->err), 0);
}

static void hear(void *ctx, const struct runner_spec *spec)
{
	struct asking *a = ctx;

	(void)spec;
	assert_int_equal(control_answer(a->file, &a->answer, &a->err), 1);
	close(a->file);
}

static void expect_answer(struct asking *a, const char *want)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(a->answer, JS_COMPACT, &text);
	assert_string_equal(text.buf, want);
	js_free(a->answer);
	a->answer = NULL;
}

static const struct fake_action hang[] = { { .act = FAKE_HANG } };
static const struct fake_action make_x[] = { { .act = FAKE_FILE, .text = "x", .data = "X" }, { .act = FAKE_END } };
static const struct fake_action make_z[] = { { .act = FAKE_FILE, .text = "z", .data = "Z" }, { .act = FAKE_END } };
static const struct fake_action make_w[] = { { .act = FAKE_FILE, .text = "w", .data = "W" }, { .act = FAKE_END } };

/* Step b asks once a has started or ended, hears the answer later, and makes its output. */
static int run_asking(struct fixture *f, struct asking *a, const struct fake_action *of_a, const char *when)
{
	const struct fake_action of_b[] = {
		{ .act = FAKE_UNTIL, .text = when }, { .act = FAKE_CALL, .call = ask, .ctx = a },
		{ .act = FAKE_DELAY, .value = 100 }, { .act = FAKE_CALL, .call = hear, .ctx = a },
		{ .act = FAKE_FILE, .text = "y", .data = "Y" }, { .act = FAKE_END },
	};
	const struct fake_step steps[] = { { "a", 0, of_a }, { "b", 0, of_b }, { "c", 0, make_z }, { "d", 0, make_w } };
	struct fake_script script = { .steps = steps, .nsteps = 4 };
	int r;

	a->f = f;
	r = run(f, four, &script, (struct run_options){ .jobs = 2, .force = true });
	strlist_release(&script.log);
	return r;
}

static void one_step_is_stopped_and_what_does_not_need_it_goes_on(void **state)
{
	struct fixture *f = *state;
	struct asking a = { .step = "a" };
	char work[64];

	assert_int_equal(run_asking(f, &a, hang, "start a"), -1);
	assert_int_equal(f->err.code, ERR_FAILED);
	assert_string_equal(f->err.msg, "step a was stopped by ann@host");
	expect_answer(&a, "{\"stopped\":[\"a\"],\"waiting\":[],\"ended\":[]}");
	assert_string_equal(state_of(f, "a"), "killed");
	assert_string_equal(state_of(f, "b"), "ok");
	assert_string_equal(state_of(f, "c"), "blocked");
	assert_string_equal(state_of(f, "d"), "ok");
	snprintf(work, sizeof(work), ".mlops/work/%s", a.run);
	expect(f, work, NULL);
}

static void a_step_that_waits_never_starts(void **state)
{
	struct fixture *f = *state;
	struct asking a = { .step = "d" };

	assert_int_equal(run_asking(f, &a, make_x, "exit a"), -1);
	expect_answer(&a, "{\"stopped\":[],\"waiting\":[\"d\"],\"ended\":[]}");
	assert_string_equal(state_of(f, "c"), "ok");
	assert_string_equal(state_of(f, "d"), "killed");
	expect(f, "w", NULL);
}

static void patterns_and_unknown_names(void **state)
{
	struct fixture *f = *state;
	struct asking a = { .step = "[cd]" }, unknown = { .step = "aa" };

	assert_int_equal(run_asking(f, &a, make_x, "start a"), -1);
	expect_answer(&a, "{\"stopped\":[],\"waiting\":[\"c\",\"d\"],\"ended\":[]}");
	assert_int_equal(run_asking(f, &unknown, make_x, "start b"), 0);
	assert_non_null(strstr(js_get_str(unknown.answer, "error"), "has no step 'aa'"));
	assert_string_equal(js_get_str(unknown.answer, "help"), "did you mean 'a'?");
	js_free(unknown.answer);
}

/* The last step of a run is stopped: the run is over before who asked has looked. */
static void an_answer_outlives_the_run(void **state)
{
	struct fixture *f = *state;
	struct asking a = { .f = f, .step = "a" };
	const struct fake_action of_a[] = { { .act = FAKE_CALL, .call = ask, .ctx = &a }, { .act = FAKE_HANG } };
	const struct fake_step steps[] = { { "a", 0, of_a } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };
	struct lock_holder holder;
	char work[64];

	assert_int_equal(run(f, "[step.a]\ncmd = true a\nin = in\nout = x\n", &script, (struct run_options){ 0 }), -1);
	strlist_release(&script.log);
	assert_false(control_executor(f->p, a.run, &holder));
	hear(&a, NULL);
	expect_answer(&a, "{\"stopped\":[\"a\"],\"waiting\":[],\"ended\":[]}");
	snprintf(work, sizeof(work), ".mlops/work/%s", a.run);
	expect(f, work, NULL);
}

/* Its attempt has ended and is being recorded: there would be another. */
static void a_step_that_is_stopped_between_attempts_has_no_other(void **state)
{
	static const struct fake_action fail[] = { { .act = FAKE_EXIT, .value = 1 } };
	struct fixture *f = *state;
	struct asking a = { .f = f, .step = "a" };
	const struct fake_action of_b[] = {
		{ .act = FAKE_UNTIL, .text = "exit a" }, { .act = FAKE_CALL, .call = ask, .ctx = &a },
		{ .act = FAKE_DELAY, .value = 100 }, { .act = FAKE_CALL, .call = hear, .ctx = &a },
		{ .act = FAKE_FILE, .text = "y", .data = "Y" }, { .act = FAKE_END },
	};
	const struct fake_step steps[] = { { "a", 0, fail }, { "b", 0, of_b } };
	struct fake_script script = { .steps = steps, .nsteps = 2 };
	size_t starts = 0;

	assert_int_equal(run(f, "[step.a]\ncmd = true a\nout = x\nretries = 50\nbackoff = 1ms\n"
				"[step.b]\ncmd = true b\nout = y\n",
			     &script, (struct run_options){ .jobs = 2 }),
			 -1);
	for (size_t i = 0; i < script.log.len; i++)
		starts += !strcmp(script.log.items[i], "start a");
	strlist_release(&script.log);
	assert_int_equal(starts, 1);
	expect_answer(&a, "{\"stopped\":[],\"waiting\":[\"a\"],\"ended\":[]}");
	assert_string_equal(state_of(f, "b"), "ok");
}

static void the_whole_run_is_killed_at_once(void **state)
{
	struct fixture *f = *state;
	struct asking a = { .kill = true, .f = f };
	const struct fake_action of_a[] = {
		{ .act = FAKE_IGNORE_TERM }, { .act = FAKE_CALL, .call = ask, .ctx = &a }, { .act = FAKE_HANG },
	};
	const struct fake_step steps[] = { { "a", 0, of_a }, { "b", 0, hang } };
	struct fake_script script = { .steps = steps, .nsteps = 2 };

	assert_int_equal(run(f, four, &script, (struct run_options){ .jobs = 2 }), -1);
	strlist_release(&script.log);
	assert_int_equal(f->err.code, ERR_INTERRUPTED);
	assert_string_equal(state_of(f, "a"), "killed");
	assert_string_equal(state_of(f, "c"), "blocked");
	assert_true(strlist_has(&f->notes, "stopped by ann@host"));
}

static void leave_odd_requests(void *ctx, const struct runner_spec *spec)
{
	static const char *const texts[] = { "", "{", "[]", "\"x\"", "{\"kill\":true}",
					  "{\"step\":3,\"by\":\"x\"}", "{\"step\":\"no\",\"by\":\"x\"}" };
	struct fixture *f = ctx;
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		snprintf(path, sizeof(path), ".mlops/work/%.32s/.stop/%032zu", spec->name, i);
		put(f, path, texts[i]);
	}
	snprintf(path, sizeof(path), ".mlops/work/%.32s/.stop/%032d", spec->name, 9);
	assert_int_equal(symlinkat("/etc/passwd", f->p->rootfd, path), 0);
	snprintf(path, sizeof(path), ".mlops/work/%.32s/.stop/.other", spec->name);
	put(f, path, "{\"by\":\"x\",\"kill\":true}");
	raise(SIGUSR1);
}

static void odd_requests_do_nothing(void **state)
{
	struct fixture *f = *state;
	const struct fake_action of_a[] = {
		{ .act = FAKE_CALL, .call = leave_odd_requests, .ctx = f },
		{ .act = FAKE_DELAY, .value = 50 },
		{ .act = FAKE_FILE, .text = "x", .data = "X" },
		{ .act = FAKE_END },
	};
	const struct fake_step steps[] = { { "a", 0, of_a } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };

	assert_int_equal(run(f, "[step.a]\ncmd = true a\nin = in\nout = x\n", &script, (struct run_options){ 0 }), 0);
	strlist_release(&script.log);
	assert_string_equal(state_of(f, "a"), "ok");
}

static void nobody_can_be_asked_when_nobody_executes(void **state)
{
	static const char run_id[] = "0123456789abcdef0123456789abcdef";
	struct fixture *f = *state;
	struct control_request request = { .by = "ann@host" };
	struct lock_holder holder;
	char pid[33];
	int answer = -1;

	assert_false(control_executor(f->p, run_id, &holder));
	assert_int_equal(control_signal(f->p, run_id, SIGTERM, &f->err), -1);
	assert_int_equal(f->err.code, ERR_CONFLICT);
	/* A dead executor left its lock file, with a process number that may be another's by now. */
	snprintf(pid, sizeof(pid), "%d", getppid());
	put(f, ".mlops/locks/run-0123456789abcdef0123456789abcdef", pid);
	assert_int_equal(control_signal(f->p, run_id, SIGTERM, &f->err), -1);
	assert_int_equal(control_ask(f->p, run_id, &request, &answer, &f->err), -1);
	expect(f, ".mlops/work/0123456789abcdef0123456789abcdef", NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_step_is_stopped_and_what_does_not_need_it_goes_on),
		CASE(a_step_that_waits_never_starts),
		CASE(patterns_and_unknown_names),
		CASE(an_answer_outlives_the_run),
		CASE(a_step_that_is_stopped_between_attempts_has_no_other),
		CASE(the_whole_run_is_killed_at_once),
		CASE(odd_requests_do_nothing),
		CASE(nobody_can_be_asked_when_nobody_executes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
