/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/matrix.h"
#include "pipeline/problems.h"

#define STEP "[step.train]\ncmd = x\n"

static struct pipeline *parse(const char *text)
{
	struct pipeline *pipeline = NULL;
	struct error err = { 0 };

	if (pipeline_parse(text, strlen(text), "p.ini", NULL, NULL, &pipeline, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return pipeline;
}

static int expand(const struct pipeline *pipeline, struct problems *problems, struct matrix *ret)
{
	return matrix_expand(&pipeline->steps[0], pipeline->params, "p.ini", problems, ret);
}

/* The keys of the step's instances, joined by blanks. */
static void assert_keys(const char *text, const char *want)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = parse(text);
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct matrix matrix CLEANUP(matrix_release) = { 0 };
	CLEANUP(cleanup_free) char *got = NULL;

	if (expand(pipeline, &problems, &matrix) < 0)
		fail_msg("%s: %s", text, problems.items[0].error.msg);
	assert_int_equal(problems.count, 0);
	got = strlist_join(&matrix.keys, " ");
	assert_string_equal(got, want);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void assert_refused(const char *text, const char *where, const char *message, const char *help)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = parse(text);
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct matrix matrix CLEANUP(matrix_release) = { 0 };

	if (expand(pipeline, &problems, &matrix) == 0)
		fail_msg("accepted: %s", text);
	assert_string_equal(problems.items[0].error.where, where);
	assert_contains(problems.items[0].error.msg, message);
	assert_contains(problems.items[0].error.msg, "step train: ");
	assert_contains(problems.items[0].error.help, help);
}

static void the_last_axis_turns_fastest(void **state)
{
	(void)state;
	assert_keys(STEP "matrix.model = xgb, mlp\nmatrix.seed = 1..3\n", "xgb-1 xgb-2 xgb-3 mlp-1 mlp-2 mlp-3");
	assert_keys(STEP "matrix.seed = 7\n", "7");
	assert_keys(STEP, "");
}

static void ranges_are_counted_exactly(void **state)
{
	static const struct {
		const char *range, *values;
	} cases[] = {
		{ "1..3", "1 2 3" },
		{ "-1..1", "-1 0 1" },
		{ "5..5", "5" },
		{ "0..100:25", "0 25 50 75 100" },
		{ "1..10:4", "1 5 9" },
		{ "0.1..0.5:0.1", "0.1 0.2 0.3 0.4 0.5" },
		{ "0..1:0.25", "0 0.25 0.5 0.75 1" },
		{ "-0.5..0.5:0.5", "-0.5 0 0.5" },
		{ "0.001..0.003:0.001", "0.001 0.002 0.003" },
		{ "1.50..1.7:0.1", "1.5 1.6 1.7" },
		{ "0.9..1.1:0.05", "0.9 0.95 1 1.05 1.1" },
		{ "999999999999999998..999999999999999999", "999999999999999998 999999999999999999" },
		{ "1..2, 5..6", "1 2 5 6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(STEP "matrix.x = %s\n", cases[i].range);
		assert_keys(text, cases[i].values);
	}
	/* Text with dots is no range. */
	assert_keys(STEP "matrix.x = ../a, a..b, 1.5, v1\n", "%2E.%2Fa a..b 1.5 v1");
}

static void params_stand_for_their_items(void **state)
{
	static const char params[] = "[params]\nseeds = [1, 2.5, true, \"a b\"]\none = xgb\ntrain.n = 3\n";
	CLEANUP(cleanup_free) char *list = xasprintf("%s" STEP "matrix.x = ${params.seeds}, 9\n", params);
	CLEANUP(cleanup_free) char *scalar = xasprintf("%s" STEP "matrix.x = ${params.one}\n ${params.train.n}\n", params);

	(void)state;
	assert_keys(list, "1 2.5 true a%20b 9");
	assert_keys(scalar, "xgb 3");
}

static void values_of_axes_are_checked(void **state)
{
	static const struct {
		const char *values, *where, *message, *help;
	} bad[] = {
		{ "3..1", "p.ini:8:12", "range '3..1' goes down", "smaller number first" },
		{ "0.5..0.1:0.1", "p.ini:8:12", "goes down", "" },
		{ "0.1..0.5", "p.ini:8:12", "does not say its step", "0.1..0.5:0.1" },
		{ "1..9:0", "p.ini:8:12", "the step of range '1..9:0' is not above 0", "" },
		{ "1..9:-1", "p.ini:8:12", "is not above 0", "" },
		{ "1..x", "p.ini:8:12", "'x' in range '1..x' is not a number", "1..3" },
		{ "1..", "p.ini:8:12", "'' in range '1..' is not a number", "" },
		{ "1...3", "p.ini:8:12", "is not a number", "" },
		{ "1..3:", "p.ini:8:12", "is not a number", "" },
		{ "+1..3", "p.ini:8:12", "'+1' in range '+1..3' is not a number", "without a sign but '-'" },
		{ "1e3..2e3", "p.ini:8:12", "'1e3' in range", "" },
		{ "01..10", "p.ini:8:12", "begins with a zero", "" },
		{ "0..99999999999999999999", "p.ini:8:12", "more than 18 digits; a step has at most 10000", "" },
		{ "0.1..999999999999999999:0.1", "p.ini:8:12", "has too many digits", "" },
		{ "1, 2, 1..3", "p.ini:8:18", "value '1' stands twice in 'matrix.x'", "" },
		{ "a, b, a", "p.ini:8:18", "value 'a' stands twice", "" },
		{ "${params.nothing}", "p.ini:8:12", "unknown param 'nothing'", "nothing = VALUE" },
		{ "a${params.empty}", "p.ini:8:12", "only ${params.KEY} may stand there, alone", "[params]" },
		{ "${env.HOME}", "p.ini:8:12", "only ${params.KEY}", "" },
		{ "${params.empty}", "p.ini:8:12", "is an empty list", "when" },
		{ "${params.nested}", "p.ini:8:12", "${params.nested} holds a list", "" },
		{ "${params.group}", "p.ini:8:12", "holds a group of params", "" },
		{ "${params.nil}", "p.ini:8:12", "holds null", "" },
		{ "1..1000000000", "p.ini:8:1", "its matrix has 1000000000 combinations; at most 10000", "exclude" },
		{ "0..1:0.00000001", "p.ini:8:1", "has 100000001 combinations", "" },
		{ "1..10001", "p.ini:8:1", "has 10001 combinations", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(
			"[params]\nempty = []\nnested = [[1]]\ngroup.x = 1\nnil = null\n[step.train]\ncmd = x\nmatrix.x = %s\n",
			bad[i].values);
		assert_refused(text, bad[i].where, bad[i].message, bad[i].help);
	}
}

static void counting_goes_beyond_64_bits(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	(void)state;
	strbuf_puts(&text, STEP);
	for (int i = 0; i < 40; i++)
		strbuf_printf(&text, "matrix.a%d = 1..1000000000\n", i);
	assert_refused(text.buf, "p.ini:3:1", "more than 18446744073709551614 combinations; at most 10000", "");
	strbuf_clear(&text);
	strbuf_puts(&text, STEP "matrix.a = 1\nexclude = a=1");
	for (int i = 0; i < 10000; i++)
		strbuf_puts(&text, ", a=1");
	assert_refused(text.buf, "p.ini:4:50011", "'exclude' has more than 10000 items", "");
	strbuf_clear(&text);
	strbuf_puts(&text, STEP "matrix.a = 1..100\nmatrix.b = 1..101\n");
	assert_refused(text.buf, "p.ini:3:1", "has 10100 combinations", "");
}

#define GRID STEP "matrix.model = xgb, mlp\nmatrix.seed = 1..3\n"

static void exclude_takes_away_what_all_conditions_match(void **state)
{
	(void)state;
	assert_keys(GRID "exclude = model=mlp seed=3\n", "xgb-1 xgb-2 xgb-3 mlp-1 mlp-2");
	assert_keys(GRID "exclude = model=m*, seed=?\tmodel=xgb\ninclude = model=svm seed=9\n", "svm-9");
	assert_keys(GRID "exclude = seed=2\n", "xgb-1 xgb-3 mlp-1 mlp-3");
	assert_keys(GRID "exclude = seed=1, model=mlp seed=1\n", "xgb-2 xgb-3 mlp-2 mlp-3");
}

static void include_adds_whole_combinations(void **state)
{
	(void)state;
	assert_keys(GRID "exclude = model=*\ninclude = seed=7 model=xgb\n          model=new seed=1\n", "xgb-7 new-1");
	assert_keys(STEP "matrix.a = 1\ninclude = a=x=y\n", "1 x=y");
}

static void mistakes_in_exclude_and_include_are_told(void **state)
{
	static const struct {
		const char *line, *where, *message, *help;
	} bad[] = {
		{ "exclude = modle=mlp", "p.ini:5:11", "'exclude' names an unknown axis 'modle'", "'model'" },
		{ "exclude = colour=red", "p.ini:5:11", "unknown axis 'colour'", "its axes are: model, seed" },
		{ "exclude = model=mpl", "p.ini:5:11", "no value of axis 'model' is 'mpl'", "did you mean 'mlp'?" },
		{ "exclude = model=mlp, seed=4", "p.ini:5:22", "no value of axis 'seed' is '4'", "" },
		{ "exclude = mlp", "p.ini:5:11", "'mlp' of 'exclude' is not AXIS=VALUE", "exclude = model=xgb seed=1" },
		{ "exclude = model=", "p.ini:5:11", "is not AXIS=VALUE", "" },
		{ "exclude = seed=1 seed=2", "p.ini:5:11", "names axis 'seed' twice", "" },
		{ "exclude = model=*", "p.ini:5:11", "'exclude' leaves no combination", "keep one" },
		{ "include = model=svm", "p.ini:5:11", "'include' does not say the value of axis 'seed'",
		  "model=svm seed=VALUE" },
		{ "include = model=xgb seed=1", "p.ini:5:11", "'include' adds model=xgb seed=1, which the matrix has", "" },
		{ "include = model=a seed=1\n  seed=1 model=a", "p.ini:6:3", "which the matrix has already", "" },
		{ "include = model=xgb-1 seed=1, model=xgb seed=1-1", "p.ini:5:31",
		  "model=xgb-1 seed=1 and model=xgb seed=1-1 would both be named train@xgb-1-1", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf(GRID "%s\n", bad[i].line);
		assert_refused(text, bad[i].where, bad[i].message, bad[i].help);
	}
	assert_refused(STEP "exclude = a=1\n", "p.ini:3:11", "'exclude' without a matrix", "add an axis");
	assert_refused(STEP "include = a=1\n", "p.ini:3:11", "'include' without a matrix", "");
}

static void all_mistakes_of_a_matrix_are_told(void **state)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline =
		parse(STEP "matrix.a = 3..1, x, 1..y\nmatrix.b = 01..2\n");
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct matrix matrix;

	(void)state;
	assert_int_equal(expand(pipeline, &problems, &matrix), -1);
	assert_int_equal(problems.count, 3);
}

static void names_are_escaped_and_stable(void **state)
{
	(void)state;
	assert_keys(STEP "matrix.a = a/b, .hidden, a.b, \"x, y\", 50%, \xc3\xa4, A_+=z\n",
		    "a%2Fb %2Ehidden a.b x,%20y 50%25 %C3%A4 A_+=z");
	/* The same combination keeps its name in another matrix. */
	assert_keys(STEP "matrix.a = .b, a/b\nmatrix.c = .1\n", "%2Eb-.1 a%2Fb-.1");
}

static void names_that_clash_or_are_too_long_are_refused(void **state)
{
	CLEANUP(cleanup_free) char *fits = xasprintf(STEP "matrix.a = %0194d\n", 1);
	CLEANUP(cleanup_free) char *same = xasprintf("%0194d", 1);
	CLEANUP(cleanup_free) char *longer = xasprintf(STEP "matrix.a = %0195d\n", 1);

	(void)state;
	assert_refused(STEP "matrix.x = a-b, a\nmatrix.y = c, b-c\n", "p.ini:3:1",
		       "x=a-b y=c and x=a y=b-c would both be named train@a-b-c", "");
	assert_keys(fits, same);
	assert_refused(longer, "p.ini:3:1", "has 201 bytes; at most 200", "short values");
}

static void ten_thousand_are_allowed(void **state)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline =
		parse(STEP "matrix.a = 1..100\nmatrix.b = 1..100\nexclude = a=1 b=1\ninclude = a=1 b=0\n");
	CLEANUP(cleanup_pipeline) struct pipeline *more =
		parse(STEP "matrix.a = 1..100\nmatrix.b = 1..100\ninclude = a=1 b=0\n");
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct matrix matrix CLEANUP(matrix_release) = { 0 };
	struct matrix none;

	(void)state;
	assert_int_equal(expand(pipeline, &problems, &matrix), 0);
	assert_int_equal(matrix.len, 10000);
	assert_string_equal(matrix_value(&matrix, 9999, 1), "0");
	assert_int_equal(expand(more, &problems, &none), -1);
	assert_contains(problems.items[0].error.msg, "has 10001 combinations");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_axis_turns_fastest),
		cmocka_unit_test(ranges_are_counted_exactly),
		cmocka_unit_test(params_stand_for_their_items),
		cmocka_unit_test(values_of_axes_are_checked),
		cmocka_unit_test(counting_goes_beyond_64_bits),
		cmocka_unit_test(exclude_takes_away_what_all_conditions_match),
		cmocka_unit_test(include_adds_whole_combinations),
		cmocka_unit_test(mistakes_in_exclude_and_include_are_told),
		cmocka_unit_test(all_mistakes_of_a_matrix_are_told),
		cmocka_unit_test(names_are_escaped_and_stable),
		cmocka_unit_test(names_that_clash_or_are_too_long_are_refused),
		cmocka_unit_test(ten_thousand_are_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
