/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches err as little as they say, whatever the order and the parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/sketch_internal.h"
#include "monitor/table/stable_hash.h"

#define SMALL_EXACT 1024 /* so that tests see levels soon */

static uint64_t state;

static double uniform(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (double)(state >> 11) * 0x1p-53;
}

static double normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ---- sort ---- */

static double any_double(size_t i, size_t n)
{
	uint64_t bits = (uint64_t)(uniform() * 0x1p62) << 2;
	double value;

	(void)i;
	(void)n;
	memcpy(&value, &bits, sizeof(value));
	return isfinite(value) ? value : 0;
}
static double few(size_t i, size_t n)
{
	(void)i;
	(void)n;
	return floor(uniform() * 5) - 2;
}
static double rising(size_t i, size_t n)
{
	(void)n;
	return (double)i;
}
static double falling(size_t i, size_t n)
{
	return (double)(n - i);
}
/* equal in the digits that are sorted first */
static double crowded(size_t i, size_t n)
{
	(void)n;
	return i % 100 ? 1 + uniform() * 1e-12 : -1e300;
}
static double milliseconds(size_t i, size_t n)
{
	(void)i;
	(void)n;
	return 1.7e12 + floor(uniform() * 86400000);
}
static double gauss(size_t i, size_t n)
{
	(void)i;
	(void)n;
	return normal();
}
static double (*const shapes[])(size_t, size_t) = { any_double, few, rising, falling, crowded, milliseconds, gauss };

static void numbers_of_every_shape_are_sorted(void **unused)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 24, 25, 100, 1000, 4095, 4096, 20000, 70000 };

	(void)unused;
	for (size_t k = 0; k < ARRAY_LEN(shapes); k++)
		for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
			size_t n = sizes[s];
			CLEANUP(cleanup_free) double *values = xcalloc(n + 1, sizeof(*values));
			CLEANUP(cleanup_free) double *want = xcalloc(n + 1, sizeof(*want));
			CLEANUP(cleanup_free) double *scratch = xcalloc(n + 1, sizeof(*scratch));

			for (size_t i = 0; i < n; i++)
				want[i] = values[i] = shapes[k](i, n);
			qsort(want, n, sizeof(*want), compare_doubles);
			sort_numbers(values, n, scratch);
			for (size_t i = 0; i < n; i++)
				assert_true(values[i] == want[i]);
		}
}

/* ---- exactness ---- */

static void few_values_stay_exact_however_many_rows(void **unused)
{
	struct sketch *s = sketch_new(SMALL_EXACT, 1);
	const double *values;
	const uint64_t *weights;
	double five[5] = { 3, 1, 2, 1, 3 };

	(void)unused;
	for (int i = 0; i < 10000; i++)
		sketch_add(s, five, 5);
	assert_true(sketch_exact(s));
	assert_int_equal(sketch_sorted(s, &values, &weights), 3);
	assert_true(values[0] == 1 && values[1] == 2 && values[2] == 3);
	assert_true(weights[0] == 20000 && weights[1] == 10000 && weights[2] == 20000);
	assert_true(sketch_error(s) == 0 && sketch_distinct(s) == 3);
	assert_true(sketch_rank(s, 0.5) == 0 && sketch_rank(s, 1) == 0.4 && sketch_rank(s, 2.5) == 0.6 && sketch_rank(s, 3) == 1);
	sketch_free(s);
}

/* ---- error ---- */

/* The largest difference of the sketch's distribution from the true one, over all x. */
static double largest_error(struct sketch *s, const double *sorted, size_t n)
{
	const double *values;
	const uint64_t *weights;
	size_t len = sketch_sorted(s, &values, &weights);
	uint64_t below = 0;
	double worst = 0;

	for (size_t i = 0, k = 0; i < n; i++) {
		while (k < len && values[k] <= sorted[i])
			below += weights[k++];
		if (i + 1 == n || sorted[i + 1] != sorted[i])
			worst = fmax(worst, fabs((double)below - (double)(i + 1)) / (double)n);
	}
	assert_int_equal(sketch_count(s), n);
	return worst;
}

enum way { AT_ONCE, BLOCKS, SMALL_PARTS, SORTED_PARTS, TREE, WAYS };

static void fill(struct sketch *s, const double *values, size_t n, enum way way)
{
	size_t part = way == AT_ONCE ? 777 : way == BLOCKS ? 65536 : way == SMALL_PARTS ? 300 : way == SORTED_PARTS ? 201 : n / 2;

	if (way == AT_ONCE || (way == TREE && n < 5000)) {
		for (size_t i = 0; i < n; i += part)
			sketch_add(s, values + i, n - i < part ? n - i : part);
		return;
	}
	for (size_t i = 0; i < n; i += part) {
		struct sketch *other = sketch_new(s->exact, s->seed);

		fill(other, values + i, n - i < part ? n - i : part, way == TREE ? TREE : AT_ONCE);
		if (way == SORTED_PARTS)
			sketch_seal(other);
		sketch_merge(s, other);
		assert_int_equal(sketch_count(other), 0);
		sketch_free(other);
	}
}

/* 99 % of sketches keep their word for every x at once; of 12 of a kind, 2 that do not are more than luck. */
static void the_error_is_what_is_said(void **unused)
{
	enum { N = 200000, SKETCHES = 12 };
	static double (*const tried[])(size_t, size_t) = { gauss, rising, falling };
	double *values = xcalloc(N, sizeof(*values)), *sorted = xcalloc(N, sizeof(*sorted));

	(void)unused;
	for (size_t k = 0; k < ARRAY_LEN(tried); k++)
		for (enum way way = 0; way < WAYS; way++) {
			int broken = 0;

			for (uint64_t seed = 0; seed < SKETCHES; seed++) {
				struct sketch *s = sketch_new(way == BLOCKS || way == SORTED_PARTS ? PROFILE_EXACT : SMALL_EXACT, seed);
				double error;

				state = seed;
				for (size_t i = 0; i < N; i++)
					sorted[i] = values[i] = tried[k](i, N);
				fill(s, values, N, way);
				sort_numbers(sorted, N, values);
				error = largest_error(s, sorted, N);
				broken += error > sketch_error(s);
				assert_true(sketch_error(s) < 0.005);
				assert_true(kll_items(s) < 5 * SKETCH_K);
				sketch_free(s);
			}
			assert_true(broken <= 1);
		}
	free(values);
	free(sorted);
}

static void distinct_numbers_are_estimated(void **unused)
{
	(void)unused;
	for (size_t n = 5000; n <= 500000; n *= 10) {
		struct sketch *s = sketch_new(SMALL_EXACT, 7);
		double worst = 5 * 0.0163;

		for (size_t i = 0; i < n; i++)
			sketch_add(s, &(double){ (double)i * 0.37 }, 1);
		assert_false(sketch_exact(s));
		assert_true(fabs(sketch_distinct(s) / (double)n - 1) < worst);
		sketch_free(s);
	}
}

static void hll_counts_few_and_many(void **unused)
{
	(void)unused;
	for (uint64_t n = 1; n <= 1000000; n *= 10) {
		struct hll *h = hll_new(), *half = hll_new();

		for (uint64_t i = 0; i < n; i++)
			hll_add(i % 2 ? h : half, stable_hash(&i, sizeof(i), 0));
		hll_merge(h, half);
		assert_true(fabs(hll_count(h) / (double)n - 1) < (n < 1000 ? 0.03 : 0.05));
		hll_free(h);
		hll_free(half);
	}
}

static void hashes_never_change(void **unused)
{
	(void)unused;
	assert_int_equal(stable_hash("", 0, 0), stable_hash("x", 0, 0));
	assert_true(stable_hash("a", 1, 0) != stable_hash("a", 1, 1));
	assert_true(stable_hash("a\0", 2, 0) != stable_hash("a", 1, 0));
	assert_int_equal(stable_hash("the same on every machine", 25, 42), 0xf82f6162a726074bu);
}

/* ---- kept ---- */

static void a_sketch_comes_back_from_json(void **unused)
{
	(void)unused;
	for (size_t n = 0; n < 300000; n = n * 7 + 1) {
		struct sketch *s = sketch_new(SMALL_EXACT, 9), *back;
		CLEANUP_STRBUF struct strbuf one = STRBUF_INIT, two = STRBUF_INIT;
		struct js *json;
		struct error err;

		state = n;
		for (size_t i = 0; i < n; i++)
			sketch_add(s, &(double){ n % 2 ? normal() : floor(uniform() * 100) }, 1);
		json = sketch_to_json(s);
		js_dump(json, JS_CANONICAL, &one);
		assert_int_equal(sketch_from_json(json, &back, &err), 0);
		js_free(json);
		/* and goes on like the one that stayed */
		for (size_t i = 0; i < 3000; i++) {
			double value = normal();

			sketch_add(s, &value, 1);
			sketch_add(back, &value, 1);
		}
		strbuf_clear(&one);
		json = sketch_to_json(s);
		js_dump(json, JS_CANONICAL, &one);
		js_free(json);
		json = sketch_to_json(back);
		js_dump(json, JS_CANONICAL, &two);
		js_free(json);
		assert_string_equal(one.buf, two.buf);
		sketch_free(s);
		sketch_free(back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_every_shape_are_sorted),
		cmocka_unit_test(few_values_stay_exact_however_many_rows),
		cmocka_unit_test(the_error_is_what_is_said),
		cmocka_unit_test(distinct_numbers_are_estimated),
		cmocka_unit_test(hll_counts_few_and_many),
		cmocka_unit_test(hashes_never_change),
		cmocka_unit_test(a_sketch_comes_back_from_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
