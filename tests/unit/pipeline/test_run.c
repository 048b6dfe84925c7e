/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of small pipelines with a scripted runner: what runs, what is kept, what is recorded. */
#include "run_fixture.h"
#include <sys/resource.h>
#include "registry/secrets.h"

static const char chain[] = "[step.a]\ncmd = true a\nin = in\nout = x\n"
			    "[step.b]\ncmd = true b\nin = x\nout = y\n"
			    "[step.c]\ncmd = true c\nin = y\nout = z\n";

static const struct fake_action make_x[] = { { .act = FAKE_FILE, .text = "x", .data = "X" }, { .act = FAKE_END } };
static const struct fake_action make_y[] = { { .act = FAKE_FILE, .text = "y", .data = "Y" }, { .act = FAKE_END } };
static const struct fake_action make_z[] = { { .act = FAKE_FILE, .text = "z", .data = "Z" }, { .act = FAKE_END } };
static const struct fake_step chain_steps[] = {
	{ "a", 0, make_x }, { "b", 0, make_y }, { "c", 0, make_z },
};

static struct fake_script chain_script(void)
{
	return (struct fake_script){ .steps = chain_steps, .nsteps = 3 };
}

static void expect_starts(struct fake_script *script, const char *want)
{
	struct strbuf got = STRBUF_INIT;

	for (size_t i = 0; i < script->log.len; i++)
		if (!strncmp(script->log.items[i], "start ", 6))
			strbuf_printf(&got, "%s ", script->log.items[i] + 6);
	assert_string_equal(got.buf, want);
	strbuf_release(&got);
	strlist_release(&script->log);
}

static void a_chain_runs_once_and_then_not_again(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = chain_script();

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	assert_int_equal(count(f, "ran"), 3);
	expect_starts(&script, "a b c ");
	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	assert_int_equal(js_len(js_get(f->result, "steps")), 0);
	assert_int_equal(js_typeof(js_get(f->result, "run_id")), JS_NULL);
	expect_starts(&script, "");
}

static void an_unchanged_output_stops_the_rerun(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = chain_script();

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	strlist_release(&script.log);
	put(f, "in", "2");
	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	expect_starts(&script, "a ");
	assert_int_equal(count(f, "ran"), 1);
	assert_int_equal(count(f, "fresh"), 2);
}

static void an_old_state_comes_from_the_cache(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action other_x[] = { { .act = FAKE_FILE, .text = "x", .data = "X2" }, { .act = FAKE_END } };
	static const struct fake_step steps[] = { { "a", 0, other_x }, { "b", 0, make_y }, { "c", 0, make_z } };
	struct fake_script script = chain_script(), second = { .steps = steps, .nsteps = 3 };

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	put(f, "in", "2");
	assert_int_equal(run(f, chain, &second, (struct run_options){ 0 }), 0);
	expect(f, "x", "X2");
	strlist_release(&script.log);
	strlist_release(&second.log);
	put(f, "in", "1");
	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	expect_starts(&script, "");
	assert_string_equal(state_of(f, "a"), "cached");
	expect(f, "x", "X");
}

static void a_lost_output_is_restored_and_a_changed_one_moved_aside(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = chain_script();

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	strlist_release(&script.log);
	assert_int_equal(unlinkat(f->p->rootfd, "x", 0), 0);
	put(f, "z", "edited by hand");
	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	expect_starts(&script, "");
	assert_int_equal(count(f, "restored"), 2);
	expect(f, "x", "X");
	expect(f, "z", "Z");
	assert_int_equal(f->notes.len, 1);
	assert_non_null(strstr(f->notes.items[0], ".mlops/aside/"));
}

static void a_failure_blocks_what_needs_it_and_puts_outputs_back(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action fail[] = {
		{ .act = FAKE_FILE, .text = "y", .data = "half" },
		{ .act = FAKE_STDERR, .text = "boom\n" },
		{ .act = FAKE_EXIT, .value = 3 },
	};
	static const struct fake_action other_x[] = { { .act = FAKE_FILE, .text = "x", .data = "X2" }, { .act = FAKE_END } };
	static const struct fake_step steps[] = { { "a", 0, other_x }, { "b", 0, fail }, { "c", 0, make_z } };
	struct fake_script script = chain_script(), bad = { .steps = steps, .nsteps = 3 };
	const struct js *failure;

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	put(f, "in", "2");
	assert_int_equal(run(f, chain, &bad, (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_FAILED);
	failure = js_get(f->result, "failure");
	assert_string_equal(js_get_str(failure, "step"), "b");
	assert_string_equal(js_text(js_at(js_get(failure, "log"), 0)), "boom");
	assert_int_equal(js_get_int(failure, "exit_code", 0), 3);
	assert_string_equal(state_of(f, "c"), "blocked");
	expect(f, "y", "Y");
	assert_non_null(js_get_str(failure, "kept"));
	/* The failure was not cached: with the step mended, it runs. */
	strlist_release(&script.log);
	strlist_release(&bad.log);
	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), 0);
	expect_starts(&script, "b ");
}

static void a_step_that_writes_nothing_fails(void **state)
{
	struct fixture *f = *state;
	struct fake_script script = { 0 };

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_FAILED);
	assert_non_null(strstr(f->err.msg, "did not write its output x"));
	strlist_release(&script.log);
}

static const char wide[] = "[step.a]\ncmd = true a\nout = x\n[step.b]\ncmd = true b\nout = y\n"
			   "[step.c]\ncmd = true c\nout = z\nafter = a\n";

static void keep_going_runs_what_does_not_depend_on_the_failure(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action fail[] = { { .act = FAKE_EXIT, .value = 1 } };
	static const struct fake_step steps[] = { { "a", 0, fail }, { "b", 0, make_y }, { "c", 0, make_z } };
	struct fake_script script = { .steps = steps, .nsteps = 3 };

	assert_int_equal(run(f, wide, &script, (struct run_options){ .jobs = 1, .keep_going = true }), -1);
	assert_string_equal(state_of(f, "b"), "ok");
	assert_string_equal(state_of(f, "c"), "blocked");
	strlist_release(&script.log);
}

static void failing_fast_starts_nothing_more(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action fail[] = { { .act = FAKE_EXIT, .value = 1 } };
	static const struct fake_step steps[] = { { "a", 0, fail }, { "b", 0, make_y }, { "c", 0, make_z } };
	struct fake_script script = { .steps = steps, .nsteps = 3 };

	assert_int_equal(run(f, wide, &script, (struct run_options){ .jobs = 1 }), -1);
	assert_string_equal(state_of(f, "b"), "blocked");
	expect_starts(&script, "a ");
}

static void no_more_steps_at_a_time_than_jobs(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action slow[] = { { .act = FAKE_DELAY, .value = 5 }, { .act = FAKE_END } };
	struct strbuf ini = STRBUF_INIT;
	struct fake_step all = { "never", 0, slow };
	struct fake_script script = { .steps = &all, .nsteps = 1 };

	for (int i = 0; i < 12; i++)
		strbuf_printf(&ini, "[step.s%d]\ncmd = true %d\n", i, i);
	assert_int_equal(run(f, ini.buf, &script, (struct run_options){ .jobs = 3 }), 0);
	assert_int_equal(count(f, "ran"), 12);
	assert_true(script.most_running <= 3);
	strbuf_release(&ini);
	strlist_release(&script.log);
}

static void change_input(void *ctx, const struct runner_spec *spec)
{
	(void)spec;
	put(ctx, "in", "changed while it runs");
}

static void a_result_of_a_changing_input_is_kept_but_not_reused(void **state)
{
	struct fixture *f = *state;
	const struct fake_action change[] = {
		{ .act = FAKE_CALL, .call = change_input, .ctx = f },
		{ .act = FAKE_FILE, .text = "x", .data = "X" },
		{ .act = FAKE_END },
	};
	const struct fake_step steps[] = { { "a", 0, change } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };
	static const char ini[] = "[step.a]\ncmd = true a\nin = in\nout = x\n";

	assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), 0);
	assert_true(f->notes.len == 1 && strstr(f->notes.items[0], "changed while it ran"));
	expect(f, "x", "X");
	strlist_release(&script.log);
	assert_int_equal(unlinkat(f->p->rootfd, "mlops.lock", 0), 0);
	put(f, "in", "1");
	assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), 0);
	expect_starts(&script, "a ");
}

static void a_step_beyond_its_timeout_is_stopped(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action hang[] = { { .act = FAKE_HANG } };
	static const struct fake_step steps[] = { { "a", 0, hang } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };

	assert_int_equal(run(f, "[step.a]\ncmd = true a\nout = x\ntimeout = 10ms\n", &script, (struct run_options){ 0 }), -1);
	assert_string_equal(state_of(f, "a"), "timeout");
	assert_true(strlist_has(&script.log, "kill a SIGTERM"));
	strlist_release(&script.log);
}

static void interrupt_us(void *ctx, const struct runner_spec *spec)
{
	(void)ctx, (void)spec;
	kill(getpid(), SIGINT);
}

static void an_interrupt_stops_the_run_and_says_so(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action hang[] = { { .act = FAKE_CALL, .call = interrupt_us }, { .act = FAKE_HANG } };
	static const struct fake_step steps[] = { { "a", 0, hang } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };
	struct js *runs;
	struct db *db;

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_INTERRUPTED);
	assert_string_equal(state_of(f, "a"), "killed");
	assert_string_equal(state_of(f, "b"), "blocked");
	assert_int_equal(project_db(f->p, &db, NULL), 0);
	assert_int_equal(run_search(db, &(struct run_query){ .all = true }, &runs, NULL), 0);
	assert_int_equal(js_len(runs), 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(js_get_str(js_at(runs, i), "status"), "KILLED");
	js_free(runs);
	strlist_release(&script.log);
}

static void a_runner_that_cannot_start_fails_the_step_only(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action refuse[] = { { .act = FAKE_REFUSE, .text = "no more processes" } };
	static const struct fake_step steps[] = { { "a", 0, refuse } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };

	assert_int_equal(run(f, chain, &script, (struct run_options){ 0 }), -1);
	assert_int_equal(f->err.code, ERR_ENV);
	assert_string_equal(state_of(f, "a"), "failed");
	strlist_release(&script.log);
}

/* What was made to mask its output goes with it. */
static void a_step_with_secrets_that_cannot_start_leaves_nothing(void **state)
{
	static const struct fake_action refuse[] = { { .act = FAKE_REFUSE, .text = "no more processes" } };
	static const struct fake_step steps[] = { { "a", 0, refuse } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 1 };
	bool replaced;

	assert_int_equal(secret_put(f->p, "KEY", "hush-hush", 9, &replaced, NULL), 0);
	assert_int_equal(run(f, "[step.a]\ncmd = true\nsecrets = KEY\n", &script, (struct run_options){ 0 }), -1);
	assert_string_equal(f->err.msg, "no more processes");
	strlist_release(&script.log);
}

static void metrics_params_and_contents_are_recorded(void **state)
{
	struct fixture *f = *state;
	static const struct fake_action make[] = {
		{ .act = FAKE_FILE, .text = "x", .data = "X" },
		{ .act = FAKE_FILE, .text = "m.json", .data = "{\"auc\": 0.75}" },
		{ .act = FAKE_END },
	};
	static const struct fake_step steps[] = { { "a", 0, make } };
	struct fake_script script = { .steps = steps, .nsteps = 1 };
	struct js *record;
	struct db *db;

	assert_int_equal(run(f, "[params]\nlr = 0.1\n[step.a]\ncmd = true ${params.lr}\nin = in\nout = x\nmetrics = m.json\n",
			     &script, (struct run_options){ 0 }), 0);
	assert_int_equal(project_db(f->p, &db, NULL), 0);
	assert_int_equal(run_load(db, js_get_str(f->result, "run_id"), &record, NULL), 0);
	assert_string_equal(js_get_str(js_get(record, "params"), "lr"), "0.1");
	assert_true(js_number(js_get(js_get(record, "metrics"), "auc")) == 0.75);
	assert_int_equal(js_len(js_get(record, "inputs")), 2); /* and its code */
	assert_int_equal(js_len(js_get(record, "outputs")), 2);
	assert_string_equal(js_get_str(record, "status"), "FINISHED");
	js_free(record);
	strlist_release(&script.log);
}

/* Nor does it look as if all were well: what could not be written is told. */
static void a_killed_run_that_cannot_be_ended_is_told(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef";
	struct fixture *f = *state;
	struct run_new row = { .id = id, .user = "ann@host", .start_ms = 1 };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit full, none;
	struct error why;
	struct db *db;

	assert_int_equal(project_db(f->p, &db, NULL), 0);
	assert_int_equal(experiment_ensure(db, "p", &row.experiment, NULL), 0);
	assert_int_equal(run_create(db, &row, NULL), 0);
	assert_int_equal(run_set_tag(db, id, "mlops.steps", "1", NULL), 0);
	put(f, ".mlops/work/0123456789abcdef0123456789abcdef/a/journal", "");
	sigaction(SIGXFSZ, &ignore, NULL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &full), 0);
	none = (struct rlimit){ 1, full.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	error_clear(&why);
	assert_int_equal(run_recover(f->p, &f->notes, &why), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(why.code, ERR_ENV);
	assert_int_equal(run_recover(f->p, &f->notes, &f->err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(a_chain_runs_once_and_then_not_again),
		CASE(an_unchanged_output_stops_the_rerun),
		CASE(an_old_state_comes_from_the_cache),
		CASE(a_lost_output_is_restored_and_a_changed_one_moved_aside),
		CASE(a_failure_blocks_what_needs_it_and_puts_outputs_back),
		CASE(a_step_that_writes_nothing_fails),
		CASE(keep_going_runs_what_does_not_depend_on_the_failure),
		CASE(failing_fast_starts_nothing_more),
		CASE(no_more_steps_at_a_time_than_jobs),
		CASE(a_result_of_a_changing_input_is_kept_but_not_reused),
		CASE(a_step_beyond_its_timeout_is_stopped),
		CASE(an_interrupt_stops_the_run_and_says_so),
		CASE(a_runner_that_cannot_start_fails_the_step_only),
		CASE(a_step_with_secrets_that_cannot_start_leaves_nothing),
		CASE(metrics_params_and_contents_are_recorded),
		CASE(a_killed_run_that_cannot_be_ended_is_told),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
