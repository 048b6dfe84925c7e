/* SPDX-License-Identifier: Apache-2.0 */
#include "drift_fixture.h"

static const struct profile_options exact = { .exact = true };

static struct profile *column(const char *const *values, size_t n)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	strbuf_puts(&text, "x,row\n");
	for (size_t i = 0; i < n; i++)
		strbuf_printf(&text, "%s,%zu\n", values[i], i);
	return profile_of_text(text.buf, &exact);
}

static struct evidently_verdict judged(const struct profile *ref, const struct profile *cur, bool psi)
{
	struct evidently_verdict verdict;
	struct error err;

	assert_int_equal(evidently_judge(profile_find(ref, "x"), profile_find(cur, "x"), psi, &verdict, &err), 0);
	return verdict;
}

static void near(double value, double golden)
{
	assert_true(fabs(value - golden) <= 1e-12 * fabs(golden));
}

static void small_numbers_get_the_exact_test(void **state)
{
	static const char *const a[] = { "38.7", "41.5", "43.8", "44.5", "45.5", "46", "47.7", "58" };
	static const char *const b[] = { "39.2", "39.3", "39.7", "41.4", "41.8", "42.9", "43.3", "45.8" };
	struct profile *ref = column(a, 8), *cur = column(b, 8);
	struct evidently_verdict verdict = judged(ref, cur, false);
	(void)state;

	assert_int_equal(verdict.test, EVIDENTLY_KS);
	near(verdict.score, .08702408702408701);
	assert_false(verdict.drift);
	profile_free(ref);
	profile_free(cur);
}

static struct profile *throws(const int counts[6])
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	strbuf_puts(&text, "x,row\n");
	for (int side = 0; side < 6; side++)
		for (int i = 0; i < counts[side]; i++)
			strbuf_printf(&text, "%d,%d\n", side + 1, i);
	return profile_of_text(text.buf, &exact);
}

static void few_integers_are_categories(void **state)
{
	struct profile *ref = throws((const int[]){ 16, 18, 16, 14, 12, 12 }), *cur = throws((const int[]){ 16, 16, 16, 16, 16, 8 });
	struct evidently_verdict verdict = judged(ref, cur, false);
	(void)state;

	assert_int_equal(evidently_type(profile_find(cur, "x")), EVIDENTLY_CATEGORIES);
	assert_int_equal(verdict.test, EVIDENTLY_CHI2);
	near(verdict.score, .6730876006966301);
	near(judged(ref, cur, true).score, .03721838157729083);
	profile_free(ref);
	profile_free(cur);
}

static struct profile *generated(uint64_t seed, size_t n, double power)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct dice dice = { seed };

	strbuf_puts(&text, "x,row\n");
	for (size_t i = 0; i < n; i++)
		strbuf_printf(&text, "%.17g,%zu\n", pow(roll(&dice), power), i);
	return profile_of_text(text.buf, &exact);
}

static void generated_numbers_have_golden_values(void **state)
{
	struct profile *ref = generated(1, 500, 1), *cur = generated(2, 400, 1.2);
	(void)state;

	near(judged(ref, cur, false).score, .085388741913712193);
	near(judged(ref, cur, true).score, .063578396538056178);
	profile_free(ref);
	profile_free(cur);
}

static void the_rows_of_the_reference_select(void **state)
{
	struct profile *small = generated(1, 1000, 1), *large = generated(1, 1001, 1);
	(void)state;

	assert_int_equal(judged(small, large, false).test, EVIDENTLY_KS);
	assert_int_equal(judged(large, small, false).test, EVIDENTLY_WASSERSTEIN);
	profile_free(small);
	profile_free(large);
}

static void columns_are_what_pandas_reads(void **state)
{
	static const struct {
		const char *csv;
		enum evidently_type type;
	} cases[] = {
		{ "x,y\n1,a\n2,a\n2,a\n", EVIDENTLY_CATEGORIES },	/* few whole numbers */
		{ "x,y\n1,a\n2,a\n,a\n", EVIDENTLY_NUMBERS },		/* with a gap they are reals */
		{ "x,y\n1.0,a\n2,a\n2,a\n", EVIDENTLY_NUMBERS },
		{ "x,y\nTrue,a\nFALSE,a\n", EVIDENTLY_CATEGORIES },
		{ "x,y\nTrue,a\n,a\n", EVIDENTLY_UNKNOWN },		/* objects */
		{ "x,y\nu,a\nu,a\nv,a\nv,a\n", EVIDENTLY_CATEGORIES },
		{ "x,y\nu,a\nv,a\nw,a\nw,a\n", EVIDENTLY_TEXT },
		{ "x,y\n9223372036854779904,a\n1,a\n", EVIDENTLY_UNKNOWN }, /* uint64 */
		{ "x,y\n9223372036854775807,a\n1,a\n", EVIDENTLY_WIDE },    /* int64, which no double holds */
		{ "x,y\n-9007199254740993,a\n1,a\n", EVIDENTLY_WIDE },
		{ "x,y\n9007199254740991,a\n1,a\n", EVIDENTLY_CATEGORIES },
		{ "x,y\n9007199254740994,a\n,a\n", EVIDENTLY_NUMBERS },     /* doubles in pandas, too */
		{ "x,y\n99999999999999999999,a\n1,a\n", EVIDENTLY_WIDE },   /* objects */
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile *p = profile_of_text(cases[i].csv, &exact);

		assert_int_equal(evidently_type(profile_find(p, "x")), cases[i].type);
		profile_free(p);
	}
}

/* A report that leaves infinities out of the score counts them among the drifted columns. */
static void infinities_count_where_columns_are_counted(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct profile *ref = generated(1, 2000, 1), *cur;
	struct dice dice = { 3 };
	struct evidently_verdict verdict;
	(void)state;

	strbuf_puts(&text, "x,row\ninf,0\n");
	for (size_t i = 0; i < 900; i++)
		strbuf_printf(&text, "%.17g,%zu\n", roll(&dice), i);
	cur = profile_of_text(text.buf, &exact);
	verdict = judged(ref, cur, false);
	assert_false(verdict.drift);
	assert_true(verdict.counted);
	profile_free(ref);
	profile_free(cur);
}

static void nothing_to_compare_is_an_error(void **state)
{
	struct profile *ref = profile_of_text("x,y\ninf,1\n", &exact), *cur = generated(1, 30, 1);
	struct evidently_verdict verdict;
	struct error err;
	(void)state;

	assert_int_equal(evidently_judge(profile_find(ref, "x"), profile_find(cur, "x"), false, &verdict, &err), -1);
	assert_int_equal(err.code, ERR_UNDECIDED);
	profile_free(ref);
	profile_free(cur);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_numbers_get_the_exact_test),
		cmocka_unit_test(few_integers_are_categories),
		cmocka_unit_test(generated_numbers_have_golden_values),
		cmocka_unit_test(the_rows_of_the_reference_select),
		cmocka_unit_test(columns_are_what_pandas_reads),
		cmocka_unit_test(infinities_count_where_columns_are_counted),
		cmocka_unit_test(nothing_to_compare_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
