/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of a mean are found where river's ADWIN finds them. The points are of river 0.26.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/stats/labels.h"
#include "near_fixture.h"
#include <string.h>

static uint64_t state;

static double errors_of_a_model(int i) /* its share of errors is 0.2, then 0.35, then 0.1 */
{
	return uniform(&state) < (i < 2000 ? 0.2 : i < 4000 ? 0.35 : 0.1);
}

static double rising(int i)
{
	return i / 6000.0 + uniform(&state) * 0.3;
}

static double steps_of_a_large_number(int i)
{
	return 1e9 + (i / 1500 % 2) * 1e5 + uniform(&state) * 1e6;
}

static double nothing_happens(int i)
{
	(void)i;
	return uniform(&state);
}

struct stream {
	double (*next)(int i);
	double delta;
	int points[16]; /* ends with 0 */
	double width;	/* after 6,000 values */
};
static const struct stream streams[] = {
	{ errors_of_a_model, 0.002, { 2239, 4159, 0 }, 1840 },
	{ errors_of_a_model, 0.5, { 1503, 2143, 4063, 5759, 0 }, 240 },
	{ rising, 0.002, { 703, 1407, 2111, 2847, 3647, 4351, 5119, 5887, 0 }, 112 },
	{ steps_of_a_large_number, 0.002, { 1919, 3263, 4639, 0 }, 1360 },
	{ steps_of_a_large_number, 1e-06, { 2207, 3519, 4767, 0 }, 1232 },
	{ nothing_happens, 0.002, { 0 }, 6000 },
};

static void changes_are_found_where_river_finds_them(void **unused)
{
	(void)unused;
	for (size_t s = 0; s < ARRAY_LEN(streams); s++) {
		struct adwin *a = adwin_new(streams[s].delta);
		const int *point = streams[s].points;
		state = 1;
		for (int i = 0; i < 6000; i++)
			if (adwin_add(a, streams[s].next(i))) {
				assert_int_equal(i, *point);
				point++;
			}
		assert_int_equal(*point, 0);
		assert_near(adwin_width(a), streams[s].width, 0);
		adwin_free(a);
	}
}

static struct adwin *through_json(struct adwin *a)
{
	struct js *json = adwin_to_json(a), *read = NULL;
	struct strbuf text = STRBUF_INIT;
	js_dump(json, JS_COMPACT, &text);
	assert_int_equal(js_parse(text.buf, text.len, "state", &read, NULL), 0);
	adwin_free(a);
	assert_int_equal(adwin_from_json(read, &a, NULL), 0);
	js_free(json);
	js_free(read);
	strbuf_release(&text);
	return a;
}

static void one_that_was_written_goes_on_as_if_it_had_not_been(void **unused)
{
	(void)unused;
	struct adwin *whole = adwin_new(ADWIN_DELTA), *written = adwin_new(ADWIN_DELTA);
	state = 1;
	for (int i = 0; i < 6000; i++) {
		double value = errors_of_a_model(i) + 0.1 * uniform(&state);
		assert_true(adwin_add(whole, value) == adwin_add(written, value));
		assert_true(i == 0 || adwin_mean(whole) == adwin_mean(written));
		if (i % 37 == 0 || i == 2239)
			written = through_json(written);
	}
	adwin_free(whole);
	adwin_free(written);
}

static void what_is_no_number_is_passed_over(void **unused)
{
	(void)unused;
	struct adwin *a = adwin_new(ADWIN_DELTA);
	assert_true(isnan(adwin_mean(a)));
	assert_false(adwin_add(a, NAN) || adwin_add(a, INFINITY) || adwin_add(a, -INFINITY));
	assert_near(adwin_width(a), 0, 0);
	adwin_add(a, 3);
	assert_near(adwin_mean(a), 3, 0);
	adwin_free(a);
}

static void damaged_states_are_refused(void **unused)
{
	(void)unused;
	static const char *const states[] = {
		"[]",
		"{}",
		"{\"delta\":0.002,\"seen\":1,\"total\":1,\"variance\":0,\"rows\":[]}",
		"{\"delta\":0.002,\"seen\":1,\"total\":1,\"variance\":0,\"rows\":[[1]]}",
		"{\"delta\":0.002,\"seen\":1,\"total\":1,\"variance\":0,\"rows\":[[1,\"x\"]]}",
		"{\"delta\":0.002,\"seen\":1,\"total\":1,\"variance\":0,\"rows\":[[1,0,1,0]]}",
		"{\"delta\":0.002,\"seen\":-1,\"total\":1,\"variance\":0,\"rows\":[[1,0]]}",
		"{\"delta\":0.002,\"seen\":9,\"total\":1,\"variance\":0,\"rows\":[[1,0,1,0,1,0,1,0,1,0,1,0]]}",
		"{\"delta\":0.002,\"seen\":99,\"total\":1,\"variance\":0,\"rows\":[[1,0],[],[1,0]]}",
		"{\"delta\":2,\"seen\":1,\"total\":1,\"variance\":0,\"rows\":[[1,0]]}",
		"{\"delta\":0.002,\"seen\":1,\"variance\":0,\"rows\":[[1,0]]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct js *json = NULL;
		struct adwin *a = NULL;
		struct error err = { 0 };
		assert_int_equal(js_parse(states[i], strlen(states[i]), "state", &json, NULL), 0);
		assert_int_equal(adwin_from_json(json, &a, &err), -1);
		assert_int_equal(err.code, ERR_DAMAGED);
		assert_null(a);
		js_free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_found_where_river_finds_them),
		cmocka_unit_test(one_that_was_written_goes_on_as_if_it_had_not_been),
		cmocka_unit_test(what_is_no_number_is_passed_over),
		cmocka_unit_test(damaged_states_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
