/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals of scores: published tables, and DeLong's variance by its definition over all pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "monitor/stats/stats.h"
#include "near_fixture.h"

#define CONFIDENCE 0.95

/* Newcombe 1998, "Interval estimation for the difference between independent proportions", Table II, method 10. */
static void differences_of_shares_are_those_of_newcombes_table(void **unused)
{
	(void)unused;
	static const struct {
		uint64_t hits1, n1, hits2, n2;
		double low, high;
	} rows[] = {
		{ 56, 70, 48, 80, 0.0524, 0.3339 }, { 9, 10, 3, 10, 0.1705, 0.8090 },  { 6, 7, 2, 7, 0.0582, 0.8062 },
		{ 5, 56, 0, 29, -0.0381, 0.1926 },  { 0, 10, 0, 20, -0.1611, 0.2775 }, { 0, 10, 0, 10, -0.2775, 0.2775 },
		{ 10, 10, 0, 20, 0.6791, 1 },	    { 10, 10, 0, 10, 0.6075, 1 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct interval d = shares_difference(rows[i].hits1, rows[i].n1, rows[i].hits2, rows[i].n2, CONFIDENCE);
		assert_near(d.low, rows[i].low, 5.1e-5);
		assert_near(d.high, rows[i].high, 5.1e-5);
	}
}

static void a_share_lies_in_wilsons_interval(void **unused)
{
	(void)unused;
	struct interval some = share_interval(10, 50, CONFIDENCE), none = share_interval(0, 20, CONFIDENCE);
	struct interval all = share_interval(20, 20, CONFIDENCE);
	assert_near(some.value, 0.2, 1e-15);
	assert_near(some.low, 0.11243750015776106, 1e-15);
	assert_near(some.high, 0.33037105932225413, 1e-15);
	assert_true(none.low == 0 && all.high == 1);
	assert_near(none.high, 0.16112515805281935, 1e-15);
	assert_near(all.low, 1 - none.high, 1e-15);
}

static void an_interval_of_nothing_is_not_defined(void **unused)
{
	(void)unused;
	static const double score[] = { 0.1, NAN, 0.3 };
	static const uint8_t one_class[] = { 1, 1, 1 }, both[] = { 0, 1, 1 };
	assert_true(isnan(share_interval(0, 0, CONFIDENCE).value) && isnan(share_interval(2, 1, CONFIDENCE).low));
	assert_true(isnan(share_interval(1, 2, 1.5).low));
	assert_true(isnan(shares_difference(0, 0, 1, 2, CONFIDENCE).value));
	assert_true(isnan(auc_interval(score, both, 0, CONFIDENCE).value));
	assert_true(isnan(auc_interval(score, one_class, 1, CONFIDENCE).value));
	assert_true(isnan(auc_interval(score, both, 3, CONFIDENCE).value));
}

#define ROWS 200
static double beats(double x, double y)
{
	return x > y ? 1 : x == y ? 0.5 : 0;
}

/* Variance of one class's placements over its size; `up`: of the rows labelled 1. */
static double component(const double *score, const uint8_t *label, bool up, double *ret_mean)
{
	double sum = 0, squares = 0, count = 0;
	for (int i = 0; i < ROWS; i++) {
		double placement = 0, others = 0;
		if (label[i] != up)
			continue;
		for (int j = 0; j < ROWS; j++)
			if (label[j] != up) {
				placement += up ? beats(score[i], score[j]) : beats(score[j], score[i]);
				others++;
			}
		sum += placement / others;
		squares += placement / others * placement / others;
		count++;
	}
	*ret_mean = sum / count;
	return (squares - sum * sum / count) / (count - 1) / count;
}

static void the_area_has_delongs_variance_with_ties_and_without(void **unused)
{
	(void)unused;
	uint64_t state = 7;
	for (int levels = 0; levels <= 5; levels += 5) {
		double score[ROWS], mean_up, mean_down;
		uint8_t label[ROWS];
		for (int i = 0; i < ROWS; i++) {
			label[i] = i % 3 == 0;
			score[i] = uniform(&state) + (label[i] ? 0.3 : 0);
			if (levels)
				score[i] = floor(score[i] * levels);
		}
		double up = component(score, label, true, &mean_up), down = component(score, label, false, &mean_down);
		double error = sqrt(up + down);
		struct interval area = auc_interval(score, label, ROWS, CONFIDENCE);
		assert_near(area.value, mean_up, 1e-14);
		assert_near(area.value, mean_down, 1e-14);
		assert_near(area.low, mean_up - 1.9599639845400545 * error, 1e-13);
		assert_near(area.high, mean_up + 1.9599639845400545 * error, 1e-13);
	}
}

static void scores_that_part_the_classes_have_no_variance(void **unused)
{
	(void)unused;
	static const double score[] = { 0.1, 0.2, 0.8, 0.9 };
	static const uint8_t right[] = { 0, 0, 1, 1 }, wrong[] = { 1, 1, 0, 0 };
	struct interval best = auc_interval(score, right, 4, CONFIDENCE);
	struct interval worst = auc_interval(score, wrong, 4, CONFIDENCE);
	assert_true(best.value == 1 && best.low == 1 && best.high == 1);
	assert_true(worst.value == 0 && worst.low == 0 && worst.high == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_of_shares_are_those_of_newcombes_table),
		cmocka_unit_test(a_share_lies_in_wilsons_interval),
		cmocka_unit_test(an_interval_of_nothing_is_not_defined),
		cmocka_unit_test(the_area_has_delongs_variance_with_ties_and_without),
		cmocka_unit_test(scores_that_part_the_classes_have_no_variance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
