/* SPDX-License-Identifier: Apache-2.0 */
/* Two models on the same examples, by the table of tests/golden/stats/make_paired.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "monitor/stats/paired.h"
#include "near_fixture.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 100

static void near(double value, double right, double room, const char *what)
{
	if (value != right && !(isnan(value) && isnan(right)) && !(fabs(value - right) <= room))
		fail_msg("%s: %.17g, and should be %.17g", what, value, right);
}

static enum paired_metric metric_of(const char *name)
{
	enum paired_metric metric = 0;

	while (strcmp(paired_metric_name(metric), name) != 0)
		metric++;
	return metric;
}

struct rows {
	double label[ROWS], candidate[ROWS], champion[ROWS];
};

/* As the table's maker makes them. */
static void make_rows(enum paired_metric metric, size_t n, struct rows *r)
{
	uint64_t seed = n;

	for (size_t i = 0; i < n; i++) {
		r->label[i] = uniform(&seed) < 0.4;
		r->candidate[i] = floor((0.2 * r->label[i] + 0.8 * uniform(&seed)) * 64) / 64;
		r->champion[i] = floor((0.05 * r->label[i] + 0.95 * uniform(&seed)) * 64) / 64;
		if (metric == PAIRED_ACCURACY || metric == PAIRED_F1) {
			r->candidate[i] = r->candidate[i] >= 0.5;
			r->champion[i] = r->champion[i] >= 0.5;
		}
	}
}

static void check_paired(const char *name, const char *numbers, const char *line)
{
	enum paired_metric metric = metric_of(name);
	CLEANUP(cleanup_paired) struct paired *paired = NULL;
	struct paired_score score;
	struct rows r;
	char *at;
	size_t n = strtoull(numbers, &at, 10);
	double bound = strtod(at, &at);
	uint64_t seed = strtoull(at, &at, 10);

	make_rows(metric, n, &r);
	paired = paired_new(metric, r.label, r.candidate, r.champion, n);
	score = paired_score(paired);
	near(score.candidate, strtod(at, &at), 1e-14, line);
	near(score.champion, strtod(at, &at), 1e-14, line);
	near(score.gain, strtod(at, &at), 1e-14, line);
	near(paired_share_at_most(paired, bound, seed), strtod(at, &at), 0, line);
}

static void values_are_those_of_the_table(void **state)
{
	FILE *file = fopen(GOLDEN_DIR "/stats/paired.txt", "r");
	char line[512], name[32];
	int lines = 0, used;

	(void)state;
	assert_non_null(file);
	for (; fgets(line, sizeof(line), file); lines++) {
		unsigned long long b, c;
		double p;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "mcnemar %llu %llu %lf", &b, &c, &p) == 3) {
			near(mcnemar_exact_p(b, c), p, 1e-12 * p, line);
			near(mcnemar_exact_p(c, b), p, 1e-12 * p, line);
		} else {
			assert_int_equal(sscanf(line, "paired %31s%n", name, &used), 1);
			check_paired(name, line + used, line);
		}
	}
	fclose(file);
	assert_int_equal(lines, 41);
}

static void a_model_is_not_better_than_itself(void **state)
{
	struct rows r;

	(void)state;
	make_rows(PAIRED_AUC, ROWS, &r);
	for (enum paired_metric m = 0; m < PAIRED_METRICS; m++) {
		CLEANUP(cleanup_paired) struct paired *paired = paired_new(m, r.label, r.champion, r.champion, ROWS);

		assert_true(paired_score(paired).gain == 0);
		assert_true(paired_share_at_most(paired, 0, 1) == 1);
	}
}

/* Models that differ by noise alone: about 1 in 20 is called better or worse at 0.05. */
static void chance_is_seldom_taken_for_a_gain(void **state)
{
	uint64_t seed = 7;
	struct rows r;
	int found = 0;

	(void)state;
	for (uint64_t round = 0; round < 200; round++) {
		CLEANUP(cleanup_paired) struct paired *paired = NULL;
		double share;

		for (size_t i = 0; i < ROWS; i++) {
			r.label[i] = uniform(&seed);
			r.candidate[i] = uniform(&seed);
			r.champion[i] = uniform(&seed);
		}
		paired = paired_new(PAIRED_MAE, r.label, r.candidate, r.champion, ROWS);
		share = paired_share_at_most(paired, 0, round);
		found += fmin(share, 1 - share) * 2 <= 0.05;
	}
	assert_in_range(found, 3, 20);
}

static void one_class_has_no_auc(void **state)
{
	const double label[] = { 1, 1, 1 }, a[] = { 0.1, 0.2, 0.3 }, b[] = { 0.3, 0.2, 0.1 };
	CLEANUP(cleanup_paired) struct paired *paired = paired_new(PAIRED_AUC, label, a, b, 3);

	(void)state;
	assert_true(isnan(paired_score(paired).gain));
	assert_true(paired_share_at_most(paired, 0, 1) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_those_of_the_table),
		cmocka_unit_test(a_model_is_not_better_than_itself),
		cmocka_unit_test(chance_is_seldom_taken_for_a_gain),
		cmocka_unit_test(one_class_has_no_auc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
