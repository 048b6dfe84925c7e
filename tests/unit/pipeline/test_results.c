/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "base/error.h"
#include "pipeline/results.h"

static const struct metric_point *find(const struct metric_list *list, const char *key)
{
	for (size_t i = 0; i < list->len; i++)
		if (!strcmp(list->items[i].key, key))
			return &list->items[i];
	return NULL;
}

static int parse(const char *text, struct metric_list *list, struct error *err)
{
	return results_parse_metrics(text, strlen(text), "m.json", list, err);
}

static void nested_numbers_are_joined_by_dots(void **state)
{
	struct metric_list list = METRIC_LIST_INIT;

	(void)state;
	assert_int_equal(parse("{\"a\": 1, \"t\": {\"auc\": 0.5, \"n\": \"text\"}, \"l\": [3, 4], \"ok\": true}", &list, NULL), 0);
	assert_int_equal(list.len, 5);
	assert_true(find(&list, "t.auc")->value == 0.5);
	assert_true(find(&list, "l.1")->value == 4);
	assert_true(find(&list, "ok")->value == 1);
	assert_null(find(&list, "t.n"));
	metric_list_release(&list);
}

static void python_nan_is_understood_but_text_is_left_alone(void **state)
{
	struct metric_list list = METRIC_LIST_INIT;

	(void)state;
	assert_int_equal(parse("{\"a\": NaN, \"b\": -Infinity, \"c\": \"say \\\"NaN\", \"d\": Infinity}", &list, NULL), 0);
	assert_true(isnan(find(&list, "a")->value));
	assert_true(find(&list, "b")->value < 0 && isinf(find(&list, "b")->value));
	assert_null(find(&list, "c"));
	assert_true(isinf(find(&list, "d")->value));
	metric_list_release(&list);
}

static void a_file_that_is_not_json_is_named(void **state)
{
	struct metric_list list = METRIC_LIST_INIT;
	struct error err;

	(void)state;
	assert_int_equal(parse("auc=0.5", &list, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, "m.json"));
	assert_true(err.help[0]);
	metric_list_release(&list);
}

static void lines_wait_for_their_end(void **state)
{
	static const char text[] = "{\"key\": \"loss\", \"value\": 0.5, \"step\": 2}\n\n{\"key\": \"loss\", \"val";
	struct metric_list list = METRIC_LIST_INIT;
	size_t used;

	(void)state;
	assert_int_equal(results_parse_lines(text, strlen(text), "x", 1, &list, &used, NULL), 0);
	assert_int_equal(list.len, 1);
	assert_int_equal(list.items[0].step, 2);
	assert_string_equal(text + used, "{\"key\": \"loss\", \"val");
	metric_list_release(&list);
}

static void a_bad_line_is_named_by_number(void **state)
{
	static const char *const bad[] = { "oops\n", "{\"key\": \"a\"}\n", "{\"value\": 1}\n", "[1]\n",
					   "{\"key\": \"a\", \"value\": 1, \"timestamp\": -1}\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct metric_list list = METRIC_LIST_INIT;
		struct error err;
		size_t used;
		assert_int_equal(results_parse_lines(bad[i], strlen(bad[i]), "x", 41, &list, &used, &err), 1);
		assert_int_equal(used, strlen(bad[i]));
		assert_non_null(strstr(err.msg, "line 41"));
		metric_list_release(&list);
	}
}

static void good_lines_count_among_bad_ones(void **state)
{
	static const char text[] = "oops\n{\"key\": \"a\", \"value\": 1}\nagain\n{\"key\": \"b\", \"value\": 2}\n";
	struct metric_list list = METRIC_LIST_INIT;
	struct error err;
	size_t used;

	(void)state;
	assert_int_equal(results_parse_lines(text, strlen(text), "x", 1, &list, &used, &err), 2);
	assert_int_equal(list.len, 2);
	assert_non_null(strstr(err.msg, "line 1"));
	metric_list_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_numbers_are_joined_by_dots),
		cmocka_unit_test(python_nan_is_understood_but_text_is_left_alone),
		cmocka_unit_test(a_file_that_is_not_json_is_named),
		cmocka_unit_test(lines_wait_for_their_end),
		cmocka_unit_test(a_bad_line_is_named_by_number),
		cmocka_unit_test(good_lines_count_among_bad_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
