/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of steps: what they may ask for, what they skip, and when that is known. */
#include "run_fixture.h"
#include "pipeline/when.h"

static const char pick[] = "[step.pick]\ncmd = true pick\nin = in\nmetrics = m.json\n";
static const char deploy[] = "[step.deploy]\ncmd = true deploy\nin = in\nout = d\nwhen = ";
static const char below[] = "[step.tell]\ncmd = true tell\nin = d\nout = t\n"
			    "[step.last]\ncmd = true last\nin = t\nout = l\n";

static const struct fake_action report[] = {
	{ .act = FAKE_FILE, .text = "m.json", .data = "{\"auc\": 0.87, \"loss\": {\"val\": 0.5}, \"bad\": NaN}" },
	{ .act = FAKE_END },
};
static const struct fake_action make_d[] = { { .act = FAKE_FILE, .text = "d", .data = "D" }, { .act = FAKE_END } };
static const struct fake_action make_t[] = { { .act = FAKE_FILE, .text = "t", .data = "T" }, { .act = FAKE_END } };
static const struct fake_action make_l[] = { { .act = FAKE_FILE, .text = "l", .data = "L" }, { .act = FAKE_END } };
static const struct fake_step all_steps[] = {
	{ "pick", 0, report }, { "deploy", 0, make_d }, { "tell", 0, make_t }, { "last", 0, make_l },
};

static int go(struct fixture *f, const char *ini, bool dry, const char *only)
{
	struct fake_script script = { .steps = all_steps, .nsteps = ARRAY_LEN(all_steps) };
	struct run_options opt = { .dry = dry };
	int r;

	if (only)
		strlist_push(&opt.steps, only);
	opt.select = only ? SELECT_ONLY : SELECT_UP_TO;
	r = run(f, ini, &script, opt);
	strlist_release(&script.log);
	strlist_release(&opt.steps);
	return r;
}

static char *ini_of(const char *params, const char *when)
{
	return xasprintf("%s%s%s%s\n%s", params, pick, deploy, when, below);
}

static const char *reason_of(struct fixture *f, const char *step)
{
	const struct js *steps = js_get(f->result, "steps");

	for (size_t i = 0; i < js_len(steps); i++)
		if (!strcmp(js_get_str(js_at(steps, i), "name"), step))
			return js_get_str(js_at(steps, i), "reason");
	return "";
}

static void expect_plan(struct fixture *f, const char *when, const char *state, const char *reason)
{
	CLEANUP(cleanup_free) char *ini =
		ini_of("[params]\nlr = 0.1\nname = xgb\nfull = true\nseed = 7\nbig = 1e300\n", when);

	if (go(f, ini, true, NULL) < 0)
		fail_msg("%s: %s", when, f->err.msg);
	if (strcmp(state_of(f, "deploy"), state) != 0)
		fail_msg("%s: %s, not %s", when, state_of(f, "deploy"), state);
	if (reason && strcmp(reason_of(f, "deploy"), reason) != 0)
		fail_msg("%s:\n  %s, not\n  %s", when, reason_of(f, "deploy"), reason);
}

static void params_are_known_at_once(void **state)
{
	struct fixture *f = *state;

	expect_plan(f, "params.lr < 1", "stale", "never run here");
	expect_plan(f, "params.lr > 1", "skipped", "params.lr > 1 does not hold (params.lr = 0.1)");
	expect_plan(f, "params.name == 'xgb' and params.full", "stale", NULL);
	expect_plan(f, "not params.full", "skipped", "not params.full does not hold (params.full = true)");
	expect_plan(f, "params.name != \"xgb\"", "skipped",
		    "params.name != \"xgb\" does not hold (params.name = \"xgb\")");
	expect_plan(f, "params.seed > 7 or params.seed < 7", "skipped",
		    "params.seed > 7 or params.seed < 7 does not hold (params.seed = 7)");
	expect_plan(f, "params.full and params.lr * params.seed > 1", "skipped",
		    "params.full and params.lr * params.seed > 1 does not hold (params.full = true, params.lr = 0.1, "
		    "params.seed = 7)");
	expect_plan(f, "false", "skipped", "false does not hold");
}

static void what_needs_a_skipped_step_is_skipped(void **state)
{
	struct fixture *f = *state;

	expect_plan(f, "params.lr > 1", "skipped", NULL);
	assert_string_equal(state_of(f, "tell"), "skipped");
	assert_string_equal(reason_of(f, "tell"), "needs deploy, which is skipped");
	assert_string_equal(state_of(f, "last"), "skipped");
	assert_string_equal(reason_of(f, "last"), "needs tell, which is skipped");
	assert_string_equal(state_of(f, "pick"), "stale");
}

static void a_metric_is_waited_for_unless_the_rest_decides(void **state)
{
	struct fixture *f = *state;

	expect_plan(f, "pick.auc > 0.9", "blocked", "its condition waits for pick");
	expect_plan(f, "params.lr > 1 and pick.auc > 0.9", "skipped", NULL);
	expect_plan(f, "pick.auc > 0.9 and params.lr > 1", "blocked", NULL);
	expect_plan(f, "params.lr < 1 or pick.auc > 0.9", "blocked", "waits for pick");
}

static void a_metric_of_an_up_to_date_step_decides(void **state)
{
	CLEANUP(cleanup_free) char *first = ini_of("", "true");
	struct fixture *f = *state;

	assert_int_equal(go(f, first, false, "pick"), 0);
	expect_plan(f, "pick.auc > 0.9", "skipped", "pick.auc > 0.9 does not hold (pick.auc = 0.87)");
	expect_plan(f, "pick.auc > 0.8", "stale", "never run here");
	expect_plan(f, "${pick.loss.val} == 0.5 and pick.auc < 1", "stale", NULL);
	/* What would be restored may, or may not, have it: it is not read before it is there. */
	assert_int_equal(unlinkat(f->p->rootfd, "m.json", 0), 0);
	expect_plan(f, "pick.auc > 0.9", "blocked", "its condition waits for pick");
	/* A step that is not part of the run counts as it stands. */
	put(f, "m.json", "{\"auc\": 0.1}");
	expect_plan(f, "pick.auc > 0.9", "blocked", NULL);
	first = (free(first), ini_of("", "pick.auc > 0.9"));
	assert_int_equal(go(f, first, true, "deploy"), 0);
	assert_string_equal(reason_of(f, "deploy"), "pick.auc > 0.9 does not hold (pick.auc = 0.1)");
}

static void expect_error(struct fixture *f, const char *when, int column, const char *message, const char *help)
{
	CLEANUP(cleanup_free) char *ini =
		ini_of("[params]\nzero = 0\nname = xgb\nbig = 1e300\n", when);
	CLEANUP(cleanup_free) char *wanted = xasprintf("step deploy: its condition cannot be judged: %s", message);
	CLEANUP(cleanup_free) char *place = xasprintf("pipeline.ini:13:%d", 8 + column);

	assert_int_equal(go(f, ini, true, NULL), -1);
	assert_int_equal(f->err.code, ERR_FAILED);
	assert_string_equal(f->err.msg, wanted);
	assert_string_equal(f->err.where, place);
	assert_string_equal(f->err.help, help);
}

static void what_cannot_be_judged_names_place_and_values(void **state)
{
	CLEANUP(cleanup_free) char *first = ini_of("", "true");
	struct fixture *f = *state;

	expect_error(f, "1 / params.zero > 1", 2, "division by zero (params.zero = 0)", "");
	expect_error(f, "params.name > 1", 12, "> compares a text with a number (params.name = \"xgb\")", "");
	expect_error(f, "params.big * params.big > 1", 11,
		     "the result of * is too large for a number (params.big = 1e+300)", "");
	expect_error(f, "params.zero", 0, "it is a number, and a truth is asked for (params.zero = 0)",
		     "compare it with something: ... > 0");
	expect_error(f, "params.zero == 0 and git.branch == 'main'", 21,
		     "the project is in no git repository (params.zero = 0)",
		     "make it one: git init, or take git.branch out of the condition");
	assert_int_equal(go(f, first, false, "pick"), 0);
	expect_error(f, "pick.auk > 1", 0, "pick reported no metric 'auk'", "did you mean pick.auc?");
	expect_error(f, "pick.f1score > 1", 0, "pick reported no metric 'f1score'",
		     "it reported auc, loss.val, bad");
	expect_error(f, "pick.auc > 0 and pick.bad > 1", 17, "pick.bad is no finite number (pick.auc = 0.87, pick.bad = nan)", "");
	/* Only a step that is not part of the run can lack its file. */
	assert_int_equal(unlinkat(f->p->rootfd, "m.json", 0), 0);
	free(first);
	first = ini_of("", "pick.auc > 1");
	assert_int_equal(go(f, first, true, "deploy"), -1);
	assert_non_null(strstr(f->err.msg, "its condition cannot be judged: metrics of pick: "));
	assert_non_null(strstr(f->err.msg, "m.json"));
	assert_string_equal(f->err.help, "make them: mlops run pick");
}

static void values_of_a_matrix_are_numbers_when_they_read_as_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(go(f,
			    "[step.t]\ncmd = true t ${matrix.n} ${matrix.model}\nin = in\nout = o/${matrix.n}-${matrix.model}\n"
			    "matrix.n = 1, 10\nmatrix.model = xgb, mlp\n"
			    "when = matrix.n < 5 and matrix.model == 'xgb'\n",
			    true, NULL),
			 0);
	assert_string_equal(state_of(f, "t@1-xgb"), "stale");
	assert_string_equal(reason_of(f, "t@1-mlp"),
			    "matrix.n < 5 and matrix.model == 'xgb' does not hold (matrix.n = 1, matrix.model = \"mlp\")");
	assert_string_equal(reason_of(f, "t@10-xgb"),
			    "matrix.n < 5 and matrix.model == 'xgb' does not hold (matrix.n = 10)");
}

static void a_run_goes_on_around_a_skipped_step(void **state)
{
	CLEANUP(cleanup_free) char *open = ini_of("", "pick.auc > 0.8");
	CLEANUP(cleanup_free) char *shut = ini_of("", "pick.auc > 0.9");
	struct fixture *f = *state;

	assert_int_equal(go(f, shut, false, NULL), 0);
	assert_int_equal(count(f, "ran"), 1);
	assert_int_equal(count(f, "skipped"), 3);
	assert_string_equal(state_of(f, "deploy"), "skipped");
	assert_string_equal(reason_of(f, "deploy"), "pick.auc > 0.9 does not hold (pick.auc = 0.87)");
	assert_string_equal(state_of(f, "last"), "skipped");
	expect(f, "d", NULL);
	assert_int_equal(go(f, open, false, NULL), 0);
	assert_int_equal(count(f, "ran"), 3);
	expect(f, "l", "L");
}

static void old_outputs_of_a_skipped_step_stay(void **state)
{
	CLEANUP(cleanup_free) char *open = ini_of("[params]\nship = true\n", "params.ship");
	CLEANUP(cleanup_free) char *shut = ini_of("[params]\nship = false\n", "params.ship");
	CLEANUP_STRBUF struct strbuf before = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf after = STRBUF_INIT;
	struct fixture *f = *state;

	assert_int_equal(go(f, open, false, NULL), 0);
	assert_int_equal(io_read_file(f->p->rootfd, "mlops.lock", 1 << 20, &before, NULL), 0);
	assert_int_equal(go(f, shut, false, NULL), 0);
	assert_int_equal(count(f, "skipped"), 3);
	assert_int_equal(count(f, "fresh"), 1);
	assert_int_equal(js_typeof(js_get(f->result, "run_id")), JS_NULL);
	expect(f, "d", "D");
	assert_int_equal(io_read_file(f->p->rootfd, "mlops.lock", 1 << 20, &after, NULL), 0);
	assert_string_equal(after.buf, before.buf);
	/* And with the condition back they are up to date. */
	assert_int_equal(go(f, open, false, NULL), 0);
	assert_int_equal(count(f, "fresh"), 4);
}

static void an_error_in_the_run_fails_the_step_and_no_other(void **state)
{
	CLEANUP(cleanup_free) char *ini = ini_of("", "1 / (pick.auc - pick.auc) > 1");
	struct fixture *f = *state;

	assert_int_equal(go(f, ini, false, NULL), -1);
	assert_int_equal(f->err.code, ERR_FAILED);
	assert_string_equal(state_of(f, "pick"), "ok");
	assert_string_equal(state_of(f, "deploy"), "failed");
	assert_string_equal(state_of(f, "tell"), "blocked");
	assert_non_null(strstr(f->err.msg, "division by zero (pick.auc = 0.87)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(params_are_known_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(what_needs_a_skipped_step_is_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_metric_is_waited_for_unless_the_rest_decides, setup, teardown),
		cmocka_unit_test_setup_teardown(a_metric_of_an_up_to_date_step_decides, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_judged_names_place_and_values, setup, teardown),
		cmocka_unit_test_setup_teardown(values_of_a_matrix_are_numbers_when_they_read_as_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_run_goes_on_around_a_skipped_step, setup, teardown),
		cmocka_unit_test_setup_teardown(old_outputs_of_a_skipped_step_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(an_error_in_the_run_fails_the_step_and_no_other, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
