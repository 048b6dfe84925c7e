/* SPDX-License-Identifier: Apache-2.0 */
#include "drift_fixture.h"

static const struct profile_options plain = { 0 };
static const struct drift_options defaults = DRIFT_OPTIONS_INIT;

/* Two numbers, a category, a constant, an id, a time, a number with gaps. */
#define HEADER "a,b,kind,fixed,id,at,gaps"
static void usual_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	double u = roll(d);

	strbuf_printf(ret, "%.9g,%.9g,%s,7,%zu,2026-01-%02zuT%02zu:00:00,", roll_normal(d) + shift, roll_normal(d) * 3 + 10,
		      u < 0.5 ? "x" : u < 0.8 ? "y" : "z", row + 1, 1 + row / 24 % 28, row % 24);
	if (roll(d) > 0.02)
		strbuf_printf(ret, "%.9g", roll_normal(d));
}

static struct profile *usual(uint64_t seed, size_t rows, double shift)
{
	return profile_of(HEADER, usual_row, seed, rows, shift, &plain);
}

static void without_drift_all_is_well(void **state)
{
	struct profile *ref = usual(1, 4000, 0), *cur = usual(2, 1000, 0);
	struct js *verdict;
	(void)state;

	assert_int_equal(judge(ref, cur, &defaults, &verdict), DRIFT_NONE);
	assert_string_equal(js_get_str(verdict, "state"), "OK");
	assert_int_equal(js_get_int(verdict, "judged", 0), 5);
	assert_string_equal(state_of(verdict, "a"), "OK");
	assert_string_equal(state_of(verdict, "id"), "SKIPPED");
	assert_string_equal(state_of(verdict, "at"), "SKIPPED");
	assert_string_equal(js_get_str(column_of(verdict, "kind"), "test"), "js");
	assert_string_equal(js_get_str(column_of(verdict, "fixed"), "test"), "new_values");
	js_free(verdict);
	profile_free(ref);
	profile_free(cur);
}

static void one_column_of_many_is_not_enough_unless_it_is_critical(void **state)
{
	struct profile *ref = usual(1, 4000, 0), *cur = usual(2, 1000, 0.5);
	struct drift_options critical = DRIFT_OPTIONS_INIT, alone = DRIFT_OPTIONS_INIT, one = DRIFT_OPTIONS_INIT;
	struct js *verdict;
	(void)state;

	assert_int_equal(judge(ref, cur, &defaults, &verdict), DRIFT_NONE);
	assert_string_equal(state_of(verdict, "a"), "DRIFT");
	assert_int_equal(js_get_int(verdict, "drifted", 0), 1);
	assert_string_equal(js_get_str(js_at(js_get(verdict, "columns"), 0), "name"), "a");
	js_free(verdict);
	strlist_push(&critical.critical, "a");
	assert_int_equal(judge(ref, cur, &critical, NULL), DRIFT_FOUND);
	strlist_push(&alone.columns, "a");
	assert_int_equal(judge(ref, cur, &alone, NULL), DRIFT_FOUND);
	one.min_columns = 1;
	assert_int_equal(judge(ref, cur, &one, NULL), DRIFT_FOUND);
	one.share = 0.5;
	assert_int_equal(judge(ref, cur, &one, NULL), DRIFT_NONE);
	drift_options_release(&critical);
	drift_options_release(&alone);
	profile_free(ref);
	profile_free(cur);
}

static void few_rows_are_not_judged(void **state)
{
	struct profile *ref = usual(1, 4000, 0), *cur = usual(2, 499, 3), *none = usual(3, 0, 0);
	struct js *verdict;
	(void)state;

	assert_int_equal(judge(ref, cur, &defaults, &verdict), DRIFT_INSUFFICIENT);
	assert_string_equal(state_of(verdict, "a"), "INSUFFICIENT");
	js_free(verdict);
	assert_int_equal(judge(cur, ref, &defaults, NULL), DRIFT_INSUFFICIENT);
	assert_int_equal(judge(ref, none, &defaults, NULL), DRIFT_INSUFFICIENT);
	assert_int_equal(judge(none, cur, &defaults, NULL), DRIFT_INSUFFICIENT);
	profile_free(ref);
	profile_free(cur);
	profile_free(none);
}

/* ---- columns that are not what they were ---- */

static void odd_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	(void)row;
	if (shift > 0)
		strbuf_printf(ret, "w%d,,%.6g,%.6g", (int)(3 * roll(d)), roll(d), roll(d));
	else
		strbuf_printf(ret, "%.6g,%.6g,%.6g,%.6g", roll(d), roll(d), roll(d), roll(d));
}

static void what_is_gone_quarantines(void **state)
{
	struct profile *ref = profile_of("text,empty,gone,same", odd_row, 1, 900, 0, &plain);
	struct profile *cur = profile_of("text,empty,new,same", odd_row, 2, 900, 1, &plain);
	struct drift_options only = DRIFT_OPTIONS_INIT;
	struct js *verdict;
	(void)state;

	assert_int_equal(judge(ref, cur, &defaults, &verdict), DRIFT_QUARANTINED);
	assert_string_equal(js_get_str(verdict, "state"), "QUARANTINED");
	assert_string_equal(state_of(verdict, "text"), "TYPE_CHANGED");
	assert_string_equal(state_of(verdict, "empty"), "ALL_NULL");
	assert_string_equal(state_of(verdict, "gone"), "MISSING");
	assert_string_equal(state_of(verdict, "new"), "NEW");
	assert_string_equal(state_of(verdict, "same"), "OK");
	assert_non_null(strstr(js_get_str(verdict, "reason"), "gone"));
	js_free(verdict);
	strlist_push(&only.columns, "same");
	assert_int_equal(judge(ref, cur, &only, NULL), DRIFT_NONE);
	drift_options_release(&only);
	profile_free(ref);
	profile_free(cur);
}

static void unknown_column_is_an_error_with_the_nearest_name(void **state)
{
	struct profile *ref = usual(1, 600, 0);
	struct drift_options options = DRIFT_OPTIONS_INIT;
	enum drift_state ret;
	struct js *verdict;
	struct error err;
	(void)state;

	strlist_push(&options.critical, "knd");
	assert_int_equal(drift_judge(ref, ref, NULL, &options, &ret, &verdict, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.help, "kind"));
	drift_options_release(&options);
	profile_free(ref);
}

/* ---- constants, unseen values, nulls, infinities ---- */

static void special_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	double u = roll(d);
	(void)row;

	strbuf_printf(ret, "%s,%s,%s,%s,%d", u < shift ? "4.5" : "4", u < shift ? "new" : "old", u < shift ? "" : "1.5",
		      u < shift ? "inf" : u < 2 * shift ? "nan" : "2.5", (int)(5 * roll(d)));
	strbuf_printf(ret, ",%.9g", roll_normal(d));
}
#define SPECIAL "number,word,holes,inf,few,normal"

static void special_values_are_defined(void **state)
{
	static const struct {
		double share;
		const char *constant, *nulls;
	} cases[] = {
		{ 0, "OK", "OK" }, { 0.004, "OK", "OK" }, { 0.05, "DRIFT", "DRIFT" },
	};
	struct profile *ref = profile_of(SPECIAL, special_row, 1, 5000, 0, &plain);
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct profile *cur = profile_of(SPECIAL, special_row, 7 + i, 2000, cases[i].share, &plain);
		struct js *verdict;

		judge(ref, cur, &defaults, &verdict);
		assert_string_equal(state_of(verdict, "number"), cases[i].constant);
		assert_string_equal(state_of(verdict, "word"), cases[i].constant);
		assert_string_equal(state_of(verdict, "holes"), cases[i].nulls);
		assert_string_equal(state_of(verdict, "inf"), cases[i].nulls);
		assert_string_equal(state_of(verdict, "few"), "OK");
		assert_string_equal(js_get_str(column_of(verdict, "few"), "test"), "js");
		js_free(verdict);
		profile_free(cur);
	}
	profile_free(ref);
}

static void codes_that_are_digits_by_chance_stay_categories(void **state)
{
	static const struct {
		const char *words[3];
		const char *state;
	} cases[] = {
		{ { "1", "2", "1" }, "DRIFT" },  /* known ones, but the letters are gone */
		{ { "8", "9", "10" }, "TYPE_CHANGED" },
	};
	CLEANUP_STRBUF struct strbuf before = STRBUF_INIT;
	(void)state;

	strbuf_puts(&before, "code\n");
	for (size_t i = 0; i < 900; i++)
		strbuf_puts(&before, i % 3 == 0 ? "1\n" : i % 3 == 1 ? "2\n" : "A\n");
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		CLEANUP_STRBUF struct strbuf now = STRBUF_INIT;
		struct profile *ref = profile_of_text(before.buf, &plain), *cur;
		struct js *verdict;

		strbuf_puts(&now, "code\n");
		for (size_t i = 0; i < 900; i++)
			strbuf_printf(&now, "%s\n", cases[k].words[i % 3]);
		cur = profile_of_text(now.buf, &plain);
		judge(ref, cur, &defaults, &verdict);
		assert_string_equal(state_of(verdict, "code"), cases[k].state);
		js_free(verdict);
		profile_free(ref);
		profile_free(cur);
	}
}

static void reference_from_the_future_is_a_warning(void **state)
{
	struct profile *old = profile_of_text("at,x\n2020-01-01,1\n2020-01-02,2\n", &plain);
	struct profile *new = profile_of_text("at,x\n2021-01-01,1\n2021-01-02,2\n", &plain);
	struct js *verdict;
	(void)state;

	judge(old, new, &defaults, &verdict);
	assert_int_equal(js_len(js_get(verdict, "warnings")), 0);
	js_free(verdict);
	judge(new, old, &defaults, &verdict);
	assert_int_equal(js_len(js_get(verdict, "warnings")), 1);
	js_free(verdict);
	profile_free(old);
	profile_free(new);
}

/* ---- sketches and parts ---- */

static void wide_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	(void)row;
	strbuf_printf(ret, "%.9g,%.9g,%.9g,%d", roll_normal(d) + shift, exp(roll_normal(d)) * (1 + shift),
		      roll(d) < 0.3 ? 0 : roll(d), (int)(8 * roll(d)));
}
#define WIDE "normal,skewed,zeros,few"

/* The same rows, cut somewhere else: profiles of parts, merged. */
static struct profile *in_parts(uint64_t seed, size_t rows, double shift, size_t parts, const struct profile *reference)
{
	const struct profile_options options = { .reference = reference };
	struct dice dice = { seed };
	struct profile *whole = NULL;
	struct error err;

	for (size_t p = 0; p < parts; p++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		struct profile *part;

		strbuf_puts(&text, WIDE "\n");
		for (size_t row = rows * p / parts; row < rows * (p + 1) / parts; row++) {
			wide_row(&dice, row, shift, &text);
			strbuf_putc(&text, '\n');
		}
		part = profile_of_text(text.buf, &options);
		if (!whole) {
			whole = part;
			continue;
		}
		assert_int_equal(profile_merge(whole, part, &err), 0);
		profile_free(part);
	}
	profile_finish(whole);
	return whole;
}

static void parts_of_the_current_table_do_not_matter(void **state)
{
	static const size_t cuts[] = { 2, 30 };
	(void)state;

	for (unsigned shift = 0; shift < 3; shift++) {
		struct profile *ref = in_parts(3, 90000, 0, 1, NULL), *whole = in_parts(40 + shift, 80000, 0.06 * shift, 1, ref);
		struct js *first, *verdict;

		judge(ref, whole, &defaults, &first);
		for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
			struct profile *cur = in_parts(40 + shift, 80000, 0.06 * shift, cuts[i], ref);

			judge(ref, cur, &defaults, &verdict);
			assert_string_equal(js_get_str(first, "reason"), js_get_str(verdict, "reason"));
			for (size_t c = 0; c < js_len(js_get(first, "columns")); c++) {
				const struct js *one = js_at(js_get(first, "columns"), c), *other = js_at(js_get(verdict, "columns"), c);

				assert_string_equal(js_get_str(one, "name"), js_get_str(other, "name"));
				assert_string_equal(js_get_str(one, "state"), js_get_str(other, "state"));
				/* but for the last digits of means */
				assert_true(fabs(js_get_real(one, "score", NAN) - js_get_real(other, "score", NAN)) < 1e-12);
				assert_true(js_get_real(one, "p", NAN) == js_get_real(other, "p", NAN));
			}
			js_free(verdict);
			profile_free(cur);
		}
		js_free(first);
		profile_free(whole);
		profile_free(ref);
	}
}

static void parts_of_the_reference_give_one_verdict_or_doubt(void **state)
{
	static const size_t cuts[] = { 1, 3, 11 };
	static const char *const names[] = { "normal", "skewed", "zeros", "few" };
	(void)state;

	for (unsigned shift = 0; shift < 3; shift++) {
		const char *found[ARRAY_LEN(names)] = { NULL };

		for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
			struct profile *ref = in_parts(5, 80000, 0, cuts[i], NULL), *cur = in_parts(60 + shift, 70000, 0.05 * shift, 1, ref);
			struct js *verdict;

			judge(ref, cur, &defaults, &verdict);
			for (size_t k = 0; k < ARRAY_LEN(names); k++) {
				enum drift_state own;

				assert_true(drift_state_parse(state_of(verdict, names[k]), &own));
				if (own == DRIFT_UNDECIDED)
					continue;
				if (found[k])
					assert_string_equal(found[k], drift_state_name(own));
				found[k] = drift_state_name(own);
			}
			js_free(verdict);
			profile_free(ref);
			profile_free(cur);
		}
	}
}

/* What a sketch gives lies within its error of what all numbers give. */
static void error_holds(void **state)
{
	static const struct profile_options exact = { .exact = true };
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		struct profile *all = profile_of(WIDE, wide_row, 9, 100000, 0, &exact);
		struct profile *all_cur = profile_of(WIDE, wide_row, 20 + i, 70000, 0.2 * i, &exact);
		struct profile *ref = profile_of(WIDE, wide_row, 9, 100000, 0, &plain);
		const struct profile_options against = { .reference = ref };
		struct profile *cur = profile_of(WIDE, wide_row, 20 + i, 70000, 0.2 * i, &against);
		struct js *truth, *verdict;

		judge(all, all_cur, &defaults, &truth);
		judge(ref, cur, &defaults, &verdict);
		for (const char *const *name = (const char *const[]){ "normal", "skewed", "zeros", NULL }; *name; name++) {
			double score = js_get_real(column_of(truth, *name), "score", NAN);
			double near = js_get_real(column_of(verdict, *name), "score", NAN);
			double error = js_get_real(column_of(verdict, *name), "error", NAN);

			/* of a heavy tail the ends are bounded by moments alone */
			assert_true(error > 0 && error < (**name == 's' ? 0.1 : 0.03));
			assert_true(fabs(score - near) <= error);
		}
		js_free(truth);
		js_free(verdict);
		profile_free(all);
		profile_free(all_cur);
		profile_free(ref);
		profile_free(cur);
	}
}

/* ---- calibration ---- */

static void wave_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	strbuf_printf(ret, "%.9g,%.9g", sin(2 * M_PI * ((double)row / 1500 + shift)) + 0.3 * roll_normal(d), roll_normal(d));
}

static void seasons_are_no_drift_once_calibrated(void **state)
{
	struct profile *windows[24], *ref = profile_of("wave,flat", wave_row, 1, 24 * 600, 0, &plain);
	struct profile *cur = profile_of("wave,flat", wave_row, 99, 600, 0, &plain);
	struct drift_options options = DRIFT_OPTIONS_INIT;
	struct calibration *calibration, *again;
	struct error err;
	struct js *json, *verdict;
	enum drift_state ret;
	(void)state;

	options.min_columns = 1;
	assert_int_equal(judge(ref, cur, &options, NULL), DRIFT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(windows); i++)
		windows[i] = profile_of("wave,flat", wave_row, 100 + i, 600, 0.4 * (double)i, &plain);
	assert_int_equal(drift_calibrate((const struct profile *const *)windows, 9, &options, &calibration, &err), -1);
	assert_int_equal(err.code, ERR_UNDECIDED);
	assert_int_equal(drift_calibrate((const struct profile *const *)windows, ARRAY_LEN(windows), &options, &calibration, &err), 0);
	json = calibration_to_json(calibration);
	assert_int_equal(calibration_from_json(json, &again, &err), 0);
	assert_int_equal(drift_judge(ref, cur, again, &options, &ret, &verdict, &err), 0);
	assert_int_equal(ret, DRIFT_NONE);
	assert_true(js_get_real(column_of(verdict, "wave"), "threshold", 0) > 0.5);
	assert_true(js_get_real(column_of(verdict, "flat"), "threshold", 1) < 0.15);
	js_free(verdict);
	js_set_int(json, "version", 2);
	assert_int_equal(calibration_from_json(json, &again, &err), -1);
	js_free(json);
	calibration_free(calibration);
	calibration_free(again);
	for (size_t i = 0; i < ARRAY_LEN(windows); i++)
		profile_free(windows[i]);
	profile_free(ref);
	profile_free(cur);
}

/* ---- how often ---- */

static void many_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	(void)row;
	for (int i = 0; i < 20; i++) {
		double x = roll_normal(d) + (i < 3 ? shift : 0);

		strbuf_printf(ret, "%s%.6g", i ? "," : "", i % 5 == 4 ? exp(x) : i % 5 == 3 ? floor(4 * roll(d)) : x);
	}
}
#define MANY "c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,c10,c11,c12,c13,c14,c15,c16,c17,c18,c19"

/* The short form of bench/drift_study.py. */
static void no_false_alarms_and_power(void **state)
{
	struct profile *ref = profile_of(MANY, many_row, 1, 6000, 0, &plain);
	unsigned alarms = 0, found = 0;
	(void)state;

	for (uint64_t i = 0; i < 30; i++) {
		struct profile *same = profile_of(MANY, many_row, 100 + i, 500 + 50 * i, 0, &plain);

		alarms += judge(ref, same, &defaults, NULL) != DRIFT_NONE;
		profile_free(same);
	}
	for (uint64_t i = 0; i < 10; i++) {
		struct profile *moved = profile_of(MANY, many_row, 500 + i, 1000, 0.3, &plain);

		found += judge(ref, moved, &defaults, NULL) == DRIFT_FOUND;
		profile_free(moved);
	}
	assert_int_equal(alarms, 0);
	assert_int_equal(found, 10);
	profile_free(ref);
}

/* Each value is rare, so they are counted together; but that all of them are new is not lost in that. */
static void rare_row(struct dice *d, size_t row, double shift, struct strbuf *ret)
{
	(void)row;
	strbuf_printf(ret, "%c%u,%.9g", shift > 0 ? 'v' : 'u', (unsigned)(1500 * roll(d)), roll_normal(d) * 1e300 + shift * 1e300);
}

static void rare_values_that_all_are_new_drift(void **state)
{
	struct profile *ref = profile_of("kind,huge", rare_row, 1, 2000, 0, &plain);
	struct profile *same = profile_of("kind,huge", rare_row, 2, 2000, 0, &plain);
	struct profile *moved = profile_of("kind,huge", rare_row, 3, 2000, 0.5, &plain);
	struct js *verdict;
	(void)state;

	assert_int_equal(judge(ref, same, &defaults, &verdict), DRIFT_NONE);
	assert_string_equal(state_of(verdict, "kind"), "OK");
	assert_string_equal(state_of(verdict, "huge"), "OK");
	js_free(verdict);
	assert_int_equal(judge(ref, moved, &defaults, &verdict), DRIFT_FOUND);
	assert_string_equal(state_of(verdict, "kind"), "DRIFT");
	assert_string_equal(state_of(verdict, "huge"), "DRIFT");
	assert_string_equal(js_get_str(column_of(verdict, "huge"), "test"), "ks"); /* no double holds its deviation */
	js_free(verdict);
	profile_free(ref);
	profile_free(same);
	profile_free(moved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_drift_all_is_well),
		cmocka_unit_test(one_column_of_many_is_not_enough_unless_it_is_critical),
		cmocka_unit_test(few_rows_are_not_judged),
		cmocka_unit_test(what_is_gone_quarantines),
		cmocka_unit_test(unknown_column_is_an_error_with_the_nearest_name),
		cmocka_unit_test(special_values_are_defined),
		cmocka_unit_test(rare_values_that_all_are_new_drift),
		cmocka_unit_test(codes_that_are_digits_by_chance_stay_categories),
		cmocka_unit_test(reference_from_the_future_is_a_warning),
		cmocka_unit_test(parts_of_the_current_table_do_not_matter),
		cmocka_unit_test(parts_of_the_reference_give_one_verdict_or_doubt),
		cmocka_unit_test(error_holds),
		cmocka_unit_test(seasons_are_no_drift_once_calibrated),
		cmocka_unit_test(no_false_alarms_and_power),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
