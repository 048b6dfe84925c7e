/* SPDX-License-Identifier: Apache-2.0 */
/* Performance without labels is estimated as NannyML does it. Right values: tests/golden/stats/make_cbpe.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/stats/isotonic.h"
#include "monitor/stats/labels.h"
#include "monitor/stats/stratified.h"
#include "near_fixture.h"
#include <string.h>

#define CURRENT 500
#define MOST	4000
static double probability[MOST];
static uint8_t predicted[MOST], label[MOST];

static bool as_promised(double u, double p)
{
	return u < p;
}

static bool too_sure(double u, double p)
{
	return u < p * p;
}

static bool too_shy(double u, double p)
{
	return u < 1 - (1 - p) * (1 - p) * (1 - p);
}

static bool nearly_apart(double u, double p)
{
	return (u < 0.0001) != (p > 0.5);
}

static void make_table(uint64_t seed, size_t n, bool (*is_positive)(double u, double p))
{
	for (size_t i = 0; i < n; i++) {
		probability[i] = uniform(&seed);
		predicted[i] = probability[i] >= 0.5;
		label[i] = is_positive(uniform(&seed), probability[i]);
	}
}

static const struct {
	bool (*is_positive)(double u, double p);
	size_t rows;
	bool calibrated;
	double scores[15]; /* accuracy, precision, recall, f1, auc: each with low and high */
} estimates[] = {
	{ as_promised, 300, true,
	  { 0.8164683491584183, 0.7641921595497637, 0.8687445387670728,
	    0.827856966387344, 0.7556038294732592, 0.9001101033014287,
	    0.8140212826937465, 0.739432603504705, 0.8886099618827881,
	    0.8208808296750835, 0.7254167508200324, 0.9163449085301345,
	    0.9078435643188509, 0.8749413125319513, 0.9407458161057506 } },
	{ as_promised, 4000, false,
	  { 0.7420471876019823, 0.6834202484016454, 0.8006741268023192,
	    0.7420176475541242, 0.6591137509412615, 0.824921544166987,
	    0.748140110596892, 0.6658720919593342, 0.8304081292344498,
	    0.7450663016978765, 0.6408237965243456, 0.8493088068714073,
	    0.8243240142377373, 0.7871259243953581, 0.8615221040801164 } },
	{ too_sure, 300, true,
	  { 0.8097730778886582, 0.7561074464286632, 0.8634387093486531,
	    0.6914873812551683, 0.6020507325546488, 0.7809240299556878,
	    0.9129303053856974, 0.8470267637135867, 0.9788338470578082,
	    0.7869269846573851, 0.6774635271900181, 0.896390442124752,
	    0.9080815101670735, 0.8843671111360135, 0.9317959091981335 } },
	{ too_sure, 4000, true,
	  { 0.7447903309019105, 0.6864269905245812, 0.8031536712792398,
	    0.5783443477465336, 0.48529982769375074, 0.6713888677993165,
	    0.8775159023656903, 0.8016415820682901, 0.9533902226630906,
	    0.6971910417250218, 0.5794967806024682, 0.8148853028475753,
	    0.8662498676001206, 0.8283669091020325, 0.9041328260982087 } },
	{ too_shy, 300, true,
	  { 0.7802613663787735, 0.7240901993978393, 0.8364325333597078,
	    0.979753570834218, 0.9489832890017172, 1.0,
	    0.7038138460365416, 0.6297252374128136, 0.7779024546602696,
	    0.8191702000726011, 0.7308433984340059, 0.9074970017111963,
	    0.9274866131775134, 0.8972556512543038, 0.9577175751007229 } },
	{ too_shy, 4000, true,
	  { 0.7157617168836035, 0.6556046568241225, 0.7759187769430844,
	    0.9681974792432455, 0.9357281233720985, 1.0,
	    0.6472258123758747, 0.5735901478834468, 0.7208614768683027,
	    0.7758243963604203, 0.6860793251113568, 0.8655694676094838,
	    0.8922508198252959, 0.856107855781918, 0.9283937838686738 } },
	{ nearly_apart, 300, false,
	  { 0.7420471876019823, 0.7420471876019823, 0.7420471876019823,
	    0.7420176475541242, 0.7420176475541242, 0.7420176475541242,
	    0.748140110596892, 0.748140110596892, 0.748140110596892,
	    0.7450663016978765, 0.7450663016978765, 0.7450663016978765,
	    0.8243240142377373, 0.8243240142377373, 0.8243240142377373 } },
	{ nearly_apart, 4000, false,
	  { 0.7420471876019823, 0.7399261324400405, 0.7441682427639241,
	    0.7420176475541242, 0.7378304871302889, 0.7462048079779596,
	    0.748140110596892, 0.748140110596892, 0.748140110596892,
	    0.7450663016978765, 0.7408781076624825, 0.7492544957332704,
	    0.8243240142377373, 0.8214944472858297, 0.8271535811896449 } },
};

static void check_estimate(const struct cbpe_estimate *e, const double *right)
{
	const struct interval *scores[] = { &e->accuracy, &e->precision, &e->recall, &e->f1, &e->auc };
	for (size_t i = 0; i < ARRAY_LEN(scores); i++) {
		assert_near(scores[i]->value, right[3 * i], 1e-13);
		assert_near(scores[i]->low, right[3 * i + 1], 1e-13);
		assert_near(scores[i]->high, right[3 * i + 2], 1e-13);
	}
	assert_int_equal(e->rows, CURRENT);
	assert_int_equal(e->left_out, 0);
}

static struct cbpe *through_json(struct cbpe *c)
{
	struct js *json = cbpe_to_json(c), *read = NULL;
	struct strbuf text = STRBUF_INIT;
	js_dump(json, JS_COMPACT, &text);
	assert_int_equal(js_parse(text.buf, text.len, "state", &read, NULL), 0);
	cbpe_free(c);
	assert_int_equal(cbpe_from_json(read, &c, NULL), 0);
	js_free(json);
	js_free(read);
	strbuf_release(&text);
	return c;
}

static void estimates_and_their_errors_are_nannymls(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(estimates); i++) {
		struct cbpe *c = NULL;
		make_table(1, estimates[i].rows, estimates[i].is_positive);
		assert_int_equal(cbpe_fit(probability, predicted, label, estimates[i].rows, &c, NULL), 0);
		assert_true(cbpe_calibrated(c) == estimates[i].calibrated);
		make_table(2, CURRENT, estimates[i].is_positive);
		struct cbpe_estimate e = cbpe_estimate(c, probability, predicted, CURRENT);
		check_estimate(&e, estimates[i].scores);
		c = through_json(c);
		struct cbpe_estimate again = cbpe_estimate(c, probability, predicted, CURRENT);
		assert_memory_equal(&e, &again, sizeof(e));
		cbpe_free(c);
	}
}

static void check_splits(const uint8_t *labels, uint32_t n, const uint32_t right[3][5])
{
	struct stratified *s = stratified_new(labels, n, 42);
	bool held_out[50];
	for (int split = 0; split < 3; split++) {
		uint32_t found = 0;
		stratified_next(s, held_out);
		for (uint32_t r = 0; r < n; r++)
			if (held_out[r])
				assert_int_equal(r, right[split][found++]);
		assert_int_equal(found, stratified_test_rows(s));
	}
	stratified_free(s);
}

static void splits_are_row_for_row_those_of_scikit_learn(void **unused)
{
	(void)unused;
	static const uint32_t thirds[3][5] = { { 10, 22, 27, 29, 33 }, { 18, 22, 31, 33, 35 }, { 0, 16, 27, 34, 38 } };
	static const uint32_t remainders[3][5] = { { 12, 13 }, { 9, 14 }, { 3, 12 } };
	static const uint32_t lots[3][5] = { { 20, 23, 28, 38, 43 }, { 1, 4, 5, 14, 32 }, { 4, 9, 11, 32, 47 } };
	uint8_t third[45], even[50];
	for (int i = 0; i < 45; i++)
		third[i] = i % 3 == 0;
	for (int i = 0; i < 50; i++)
		even[i] = i % 2 == 1;
	check_splits(third, 45, thirds);
	check_splits(even, 15, remainders);
	check_splits(even, 50, lots);
}

static void isotonic_regression_pools_what_falls_and_what_ties(void **unused)
{
	(void)unused;
	static const double x[] = { 0.1, 0.2, 0.2, 0.3, 0.4, 0.4 + 1e-16, 0.5, 0.6, 0.7, 0.9 };
	static const uint8_t y[] = { 0, 1, 0, 0, 1, 0, 1, 0, 1, 1 };
	static const double points_x[] = { 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9 }, third = 1 / 3.0;
	const double points_y[] = { 0, third, third, 0.5, 0.5, 1, 1 };
	static const double at[] = { 0, 0.1, 0.15, 0.35, 0.55, 0.65, 1 };
	static const double right[] = { 0, 0, 0.1666666666666666, 0.41666666666666663, 0.5, 0.75, 1 };
	struct labelled rows[10];
	struct isotonic f;
	for (uint32_t i = 0; i < 10; i++)
		rows[i] = (struct labelled){ x[i], i, y[i] };
	labelled_sort(rows, 10);
	isotonic_fit(rows, 10, NULL, &f);
	assert_int_equal(f.len, ARRAY_LEN(points_x));
	for (size_t i = 0; i < f.len; i++) {
		assert_near(f.x[i], points_x[i], 0);
		assert_near(f.y[i], points_y[i], 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		assert_near(isotonic_at(&f, at[i]), right[i], 1e-15);
	isotonic_release(&f);
}

static void rows_without_a_probability_are_left_out_and_counted(void **unused)
{
	(void)unused;
	struct cbpe *c = NULL;
	make_table(1, 300, too_sure);
	assert_int_equal(cbpe_fit(probability, predicted, label, 300, &c, NULL), 0);
	struct cbpe_estimate whole = cbpe_estimate(c, probability, predicted, 297);
	double wrong[] = { NAN, -0.1, INFINITY };
	memcpy(probability + 297, wrong, sizeof(wrong));
	struct cbpe_estimate e = cbpe_estimate(c, probability, predicted, 300);
	assert_int_equal(e.rows, 297);
	assert_int_equal(e.left_out, 3);
	assert_memory_equal(&e, &whole, offsetof(struct cbpe_estimate, left_out));
	struct cbpe_estimate none = cbpe_estimate(c, probability + 297, predicted, 3);
	assert_true(isnan(none.accuracy.value) && isnan(none.precision.value) && isnan(none.recall.value));
	assert_true(isnan(none.f1.value) && isnan(none.auc.value) && isnan(none.auc.low) && none.rows == 0);
	memset(predicted, 0, sizeof(predicted));
	e = cbpe_estimate(c, probability, predicted, 100);
	assert_true(e.precision.value == 0 && e.recall.value == 0 && e.f1.value == 0);
	cbpe_free(c);
}

static void check_refused(size_t n, const char *part)
{
	struct cbpe *c = NULL;
	struct error err = { 0 };
	assert_int_equal(cbpe_fit(probability, predicted, label, n, &c, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, part));
	assert_null(c);
}

static void a_reference_that_cannot_teach_is_refused_by_row(void **unused)
{
	(void)unused;
	make_table(1, 300, too_sure);
	check_refused(0, "0 rows");
	check_refused(10, "10 rows");
	probability[41] = NAN;
	check_refused(300, "row 42: nan is no probability");
	probability[41] = 1.5;
	check_refused(300, "row 42: 1.5 is no probability");
	make_table(1, 300, too_sure);
	label[7] = 2;
	check_refused(300, "row 8: its label");
	label[7] = 1;
	predicted[299] = 255;
	check_refused(300, "row 300: its prediction");
	predicted[299] = 1;
	memset(label, 1, sizeof(label));
	check_refused(300, "300 rows of class 1 and 0 of class 0");
	label[5] = 0;
	check_refused(300, "both need 2");
}

static void damaged_states_are_refused(void **unused)
{
	(void)unused;
	static const char *const states[] = {
		"{}",
		"[]",
		"{\"calibration\":[0.1]}",
		"{\"calibration\":[0.1,0.2,0.1,0.3]}",
		"{\"calibration\":[0.1,0.2,0.2,0.1]}",
		"{\"calibration\":[0.1,\"a\"]}",
		"{\"calibration\":[0.1,1.5]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct js *json = NULL;
		struct cbpe *c = NULL;
		struct error err = { 0 };
		assert_int_equal(js_parse(states[i], strlen(states[i]), "state", &json, NULL), 0);
		assert_int_equal(cbpe_from_json(json, &c, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_null(c);
		js_free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimates_and_their_errors_are_nannymls),
		cmocka_unit_test(splits_are_row_for_row_those_of_scikit_learn),
		cmocka_unit_test(isotonic_regression_pools_what_falls_and_what_ties),
		cmocka_unit_test(rows_without_a_probability_are_left_out_and_counted),
		cmocka_unit_test(a_reference_that_cannot_teach_is_refused_by_row),
		cmocka_unit_test(damaged_states_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
