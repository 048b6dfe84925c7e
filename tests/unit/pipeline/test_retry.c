/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts after a failure, and admission: with a scripted runner. */
#include "run_fixture.h"
#include "pipeline/budget.h"
#include "pipeline/retry.h"

/* ---- attempts ---- */

static const struct fake_action fail_75[] = { { .act = FAKE_FILE, .text = "x", .data = "half" },
					      { .act = FAKE_EXIT, .value = 75 } };
static const struct fake_action fail_1[] = { { .act = FAKE_EXIT, .value = 1 } };
static const struct fake_action die_oom[] = { { .act = FAKE_OOM } };
static const struct fake_action die_term[] = { { .act = FAKE_SIGNAL, .value = SIGSEGV } };
static const struct fake_action lost[] = { { .act = FAKE_LOST, .text = "the machine went away" } };
static const struct fake_action hang[] = { { .act = FAKE_HANG } };
static const struct fake_action make_x[] = { { .act = FAKE_FILE, .text = "x", .data = "X" }, { .act = FAKE_END } };
static const struct fake_action nothing[] = { { .act = FAKE_END } };

static size_t starts(struct fake_script *script, const char *step)
{
	CLEANUP(cleanup_free) char *line = xasprintf("start %s", step);
	size_t n = 0;

	for (size_t i = 0; i < script->log.len; i++)
		n += !strcmp(script->log.items[i], line);
	return n;
}

static int64_t attempts_of(struct fixture *f, const char *step, const char *state)
{
	CLEANUP_JS struct js *list = NULL;
	struct db *db;
	int64_t n = 0;

	assert_int_equal(project_db(f->p, &db, NULL), 0);
	assert_int_equal(attempts_list(db, js_get_str(f->result, "run_id"), &list, NULL), 0);
	for (size_t i = 0; i < js_len(list); i++)
		n += !strcmp(js_get_str(js_at(list, i), "step"), step) &&
		     !strcmp(js_get_str(js_at(list, i), "state"), state);
	return n;
}

static void a_step_that_recovers_succeeds(void **state)
{
	static const struct fake_step steps[] = { { "a", 1, fail_75 }, { "a", 2, die_oom }, { "a", 3, make_x } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 3 };

	assert_int_equal(run(f, "[step.a]\ncmd = true\nin = in\nout = x\nretries = 2\nbackoff = 1ms..2ms\n", &script,
			     (struct run_options){ 0 }),
			 0);
	assert_int_equal(starts(&script, "a"), 3);
	assert_int_equal(count(f, "ran"), 1);
	expect(f, "x", "X");
	assert_int_equal(attempts_of(f, "a", "failed"), 2);
	assert_int_equal(attempts_of(f, "a", "ok"), 1);
	strlist_release(&script.log);
}

static void only_named_causes_are_tried_again(void **state)
{
	static const struct {
		const char *on;
		const struct fake_action *end;
		size_t want;
	} rows[] = {
		{ "75", fail_75, 3 },	 { "75", fail_1, 1 },	   { "exit", fail_1, 3 },      { "oom", die_oom, 3 },
		{ "oom", fail_75, 1 },	 { "signal", die_term, 3 }, { "oom, 75", die_term, 1 }, { "engine", lost, 3 },
		{ "signal", lost, 1 },	 { "timeout", hang, 3 },    { "oom", hang, 1 },	       { "exit", nothing, 1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fake_step step = { "a", 0, rows[i].end };
		struct fake_script script = { .steps = &step, .nsteps = 1 };
		CLEANUP(cleanup_free) char *ini =
			xasprintf("[step.a]\ncmd = true %zu\nin = in\nout = x\nretries = 2\nbackoff = 1ms\n%s"
				  "retry_on = %s\n",
				  i, rows[i].end == hang ? "timeout = 5ms\n" : "", rows[i].on);
		assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), -1);
		assert_int_equal(starts(&script, "a"), rows[i].want);
		strlist_release(&script.log);
	}
}

static void without_retries_there_is_one_attempt(void **state)
{
	static const struct fake_step steps[] = { { "a", 0, fail_1 } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 1 };

	assert_int_equal(run(f, "[step.a]\ncmd = true\nout = x\nretry_on = exit\n", &script, (struct run_options){ 0 }), -1);
	assert_int_equal(starts(&script, "a"), 1);
	strlist_release(&script.log);
}

static void a_deadline_ends_all_attempts(void **state)
{
	static const struct fake_step steps[] = { { "a", 0, hang } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 1 };

	assert_int_equal(run(f, "[step.a]\ncmd = true\nout = x\nretries = 100000\nbackoff = 1ms\ntimeout = 10ms\n"
				"deadline = 80ms\n",
			     &script, (struct run_options){ 0 }),
			 -1);
	assert_true(starts(&script, "a") >= 1 && starts(&script, "a") < 10);
	strlist_release(&script.log);
}

/* Another step's failure ends the run: who waits for another attempt is not waited for. */
static void a_run_that_stops_does_not_wait(void **state)
{
	static const struct fake_action later[] = { { .act = FAKE_DELAY, .value = 30 }, { .act = FAKE_EXIT, .value = 1 } };
	static const struct fake_step steps[] = { { "a", 0, fail_1 }, { "b", 0, later } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 2 };
	assert_int_equal(run(f, "[step.a]\ncmd = true\nout = x\nretries = 5\nbackoff = 10h\n[step.b]\ncmd = true\nout = y\n",
			     &script, (struct run_options){ .jobs = 2 }),
			 -1);
	assert_int_equal(starts(&script, "a"), 1);
	assert_string_equal(state_of(f, "a"), "failed");
	assert_string_equal(state_of(f, "b"), "failed");
	strlist_release(&script.log);
}

/* It is its turn no more, and it has failed as if it still waited. */
static void who_is_ready_for_another_attempt_has_failed(void **state)
{
	static const struct fake_action later[] = { { .act = FAKE_DELAY, .value = 60 }, { .act = FAKE_EXIT, .value = 1 } };
	static const struct fake_step steps[] = { { "a", 0, fail_75 }, { "b", 0, later } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 2 };

	assert_int_equal(run(f, "[step.a]\ncmd = true\nout = x\nretries = 5\nbackoff = 1ms\n[step.b]\ncmd = true\nout = y\n"
				"[step.c]\ncmd = true\nin = x\nout = z\n",
			     &script, (struct run_options){ .jobs = 1 }),
			 -1);
	assert_int_equal(starts(&script, "a"), 1);
	assert_string_equal(state_of(f, "a"), "failed");
	assert_string_equal(js_get_str(js_at(js_get(f->result, "steps"), 0), "error"), "step a failed with exit status 75");
	assert_string_equal(state_of(f, "b"), "failed");
	assert_string_equal(state_of(f, "c"), "blocked");
	strlist_release(&script.log);
}

static void the_wait_doubles_up_to_its_most(void **state)
{
	const struct step step = { .backoff_ms = 10, .backoff_max_ms = 100 };
	static const int64_t want[] = { 10, 20, 40, 80, 100, 100 };

	(void)state;
	for (int i = 0; i < (int)ARRAY_LEN(want); i++)
		assert_int_equal(retry_most_ms(&step, i + 1), want[i]);
	assert_int_equal(retry_most_ms(&step, 1000000), 100);
}

static void many_retries_keep_one_set_of_failed_outputs(void **state)
{
	static const struct fake_step steps[] = { { "a", 0, fail_75 } };
	struct fixture *f = *state;
	struct fake_script script = { .steps = steps, .nsteps = 1 };
	struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_free) char *dir = NULL;

	assert_int_equal(run(f, "[step.a]\ncmd = true\nin = in\nout = x\nretries = 20\nbackoff = 1ms\n", &script,
			     (struct run_options){ 0 }),
			 -1);
	assert_int_equal(starts(&script, "a"), 21);
	dir = xasprintf(".mlops/failed/%s/a", js_get_str(f->result, "run_id"));
	assert_int_equal(fs_list_dir(f->p->rootfd, dir, &names, NULL), 0);
	assert_int_equal(names.len, 1);
	strlist_release(&names);
	strlist_release(&script.log);
}

/* ---- admission ---- */

static void never_more_runs_than_fits(void **state)
{
	static const struct {
		const char *pipeline, *step;
		size_t most;
	} rows[] = {
		{ "", "", 6 },
		{ "parallel = 4\n", "", 4 },
		{ "pool.one = 1\n", "pool = one\n", 1 },
		{ "pool.two = 2\n", "pool = two\n", 2 },
		{ "", "cpu = 0.1\n", 6 },
		{ "", "cpu = 3\n", 2 },
		{ "", "mem = 300M\n", 3 },
		{ "", "gpu = 2\n", 2 },
	};
	struct fixture *f = *state;

	setenv("MLOPS_RUN_CPU", "8", 1);
	setenv("MLOPS_RUN_MEM", "1000M", 1);
	setenv("MLOPS_RUN_GPU", "4", 1);
	assert_int_equal(settings_load(&f->p->settings, "/nonexistent", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const struct fake_action wait[] = { { .act = FAKE_DELAY, .value = 3 }, { .act = FAKE_END } };
		struct fake_step steps[6] = { 0 };
		struct fake_script script = { .steps = steps, .nsteps = 6 };
		struct strbuf ini = STRBUF_INIT;
		char names[6][4];

		strbuf_printf(&ini, "[pipeline]\nname = p%zu\n%s", i, rows[i].pipeline);
		for (size_t k = 0; k < 6; k++) {
			snprintf(names[k], sizeof(names[k]), "s%zu", k);
			steps[k] = (struct fake_step){ names[k], 0, wait };
			strbuf_printf(&ini, "[step.%s]\ncmd = true %zu\n%s", names[k], i, rows[i].step);
		}
		assert_int_equal(run(f, ini.buf, &script,
				     (struct run_options){ .jobs = *rows[i].pipeline == 'p' && rows[i].pipeline[1] == 'a' ? 0 : 6 }),
				 0);
		assert_int_equal(script.most_running, rows[i].most);
		strbuf_release(&ini);
		strlist_release(&script.log);
	}
	unsetenv("MLOPS_RUN_CPU");
	unsetenv("MLOPS_RUN_MEM");
	unsetenv("MLOPS_RUN_GPU");
}

static void what_can_never_fit_is_refused(void **state)
{
	static const struct {
		const char *line, *message;
	} rows[] = {
		{ "cpu = 9\n", "step a asks for cpu = 9, and there are 8 cores" },
		{ "mem = 3G\n", "step a asks for mem = 3.0G, and there is 1.0G of memory" },
		{ "gpu = 1\n", "step a asks for gpu = 1, and there is no GPU" },
	};
	struct fixture *f = *state;

	setenv("MLOPS_RUN_CPU", "8", 1);
	setenv("MLOPS_RUN_MEM", "1G", 1);
	setenv("MLOPS_RUN_GPU", "0", 1);
	assert_int_equal(settings_load(&f->p->settings, "/nonexistent", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *ini = xasprintf("[step.a]\ncmd = true\n%s", rows[i].line);
		struct fake_script script = { 0 };
		assert_int_equal(run(f, ini, &script, (struct run_options){ 0 }), -1);
		assert_int_equal(f->err.code, ERR_ENV);
		assert_string_equal(f->err.msg, rows[i].message);
		assert_int_equal(script.log.len, 0);
	}
	unsetenv("MLOPS_RUN_CPU");
	unsetenv("MLOPS_RUN_MEM");
	unsetenv("MLOPS_RUN_GPU");
}

static void gpus_are_handed_out_by_id(void **state)
{
	const struct step two = { .gpu = 2 }, one = { .gpu = 1 };
	const struct pipeline pipeline = { .file = (char *)"p.ini" };
	struct settings settings = { 0 };
	struct budget b CLEANUP(budget_release) = { 0 };
	char *first = NULL, *second = NULL, *third = NULL;

	(void)state;
	settings.values[SETTING_RUN_GPU] = xstrdup("0,3,GPU-7,3");
	budget_open(&b, &settings, &pipeline);
	budget_take(&b, &two, &first);
	assert_string_equal(first, "0,3");
	assert_int_equal(budget_fits(&b, &two), BUDGET_SHORT);
	budget_take(&b, &one, &second);
	assert_string_equal(second, "GPU-7");
	assert_int_equal(budget_fits(&b, &one), BUDGET_SHORT);
	budget_give(&b, &two, first);
	assert_int_equal(b.gpus_free, 2);
	budget_take(&b, &one, &third);
	assert_string_equal(third, "0");
	free(first);
	free(second);
	free(third);
	settings_release(&settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_step_that_recovers_succeeds, setup, teardown),
		cmocka_unit_test_setup_teardown(only_named_causes_are_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(without_retries_there_is_one_attempt, setup, teardown),
		cmocka_unit_test_setup_teardown(a_deadline_ends_all_attempts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_run_that_stops_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_ready_for_another_attempt_has_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(many_retries_keep_one_set_of_failed_outputs, setup, teardown),
		cmocka_unit_test_setup_teardown(never_more_runs_than_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(what_can_never_fit_is_refused, setup, teardown),
		cmocka_unit_test(the_wait_doubles_up_to_its_most),
		cmocka_unit_test(gpus_are_handed_out_by_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
