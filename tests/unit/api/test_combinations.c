/* SPDX-License-Identifier: Apache-2.0 */
/* What -p asks for: one value, or several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include "api/combinations.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static struct error err;

static int read_all(const char *const *params, struct combinations *ret)
{
	CLEANUP_JS struct js *list = js_array();

	error_clear(&err);
	while (*params)
		js_push_str(list, *params++);
	return combinations_read(list, ret, &err);
}
#define READ(ret, ...) read_all((const char *const[]){ __VA_ARGS__, NULL }, ret)

/* Every combination as "a=1 b=2", joined by "; ". */
static void gives(const char *const *params, bool many, const char *expected)
{
	CLEANUP(combinations_release) struct combinations c = { 0 };
	CLEANUP(strlist_release) struct strlist all = STRLIST_INIT;
	CLEANUP(cleanup_free) char *text = NULL;

	if (read_all(params, &c) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(c.many, many);
	for (size_t i = 0; i < c.len; i++) {
		CLEANUP(strlist_release) struct strlist one = STRLIST_INIT;
		combination_params(&c, i, &one);
		strlist_push_owned(&all, strlist_join(&one, " "));
	}
	text = strlist_join(&all, "; ");
	assert_string_equal(text, expected);
}
#define GIVES(many, expected, ...) gives((const char *const[]){ __VA_ARGS__, NULL }, many, expected)

static void refused(const char *const *params, const char *message)
{
	CLEANUP(combinations_release) struct combinations c = { 0 };

	assert_int_equal(read_all(params, &c), -1);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, message))
		fail_msg("%s", err.msg);
	assert_true(*err.help);
}
#define REFUSED(message, ...) refused((const char *const[]){ __VA_ARGS__, NULL }, message)

static void one_value_is_as_it_was_typed(void **state)
{
	(void)state;
	GIVES(false, "lr=0.1", "lr=0.1");
	GIVES(false, "a=", "a=");
	GIVES(false, "a= x y ", "a= x y ");
	GIVES(false, "a=[1, 2] b={\"x\": 1, \"y\": [2,3]}", "a=[1, 2]", "b={\"x\": 1, \"y\": [2,3]}");
	GIVES(false, "a=\"x,y\" b=\"1..5\"", "a=\"x,y\"", "b=\"1..5\"");
	GIVES(false, "a=\"q\\\",r\"", "a=\"q\\\",r\"");
	GIVES(false, "a=b=c", "a=b=c");
	GIVES(false, "a=../x a2=v..", "a=../x", "a2=v..");
	GIVES(false, "no-equals", "no-equals");
}

static void what_does_not_close_is_a_text(void **state)
{
	(void)state;
	GIVES(false, "a=[1,2", "a=[1,2");
	GIVES(false, "a=1],2", "a=1],2");
	GIVES(false, "a=\"x,y", "a=\"x,y");
}

static void values_make_every_combination_the_last_fastest(void **state)
{
	(void)state;
	GIVES(true, "lr=0.1; lr=0.01", "lr=0.1,0.01");
	GIVES(true, "a=1 b=x c=3; a=1 b=y c=3; a=2 b=x c=3; a=2 b=y c=3", "a=1, 2", "b=x ,y", "c=3");
	GIVES(true, "a=[1,2]; a=\"b,c\"; a=d", "a=[1,2],\"b,c\",d");
	GIVES(true, "s=1; s=2; s=3; s=7", "s=1..3,7");
	GIVES(true, "s=0.1; s=0.3; s=0.5", "s=0.1..0.5:0.2");
	GIVES(true, "s=-1; s=0; s=1", "s=-1..1");
	GIVES(true, "s=4", "s=4..4");
}

static void mistakes_are_told(void **state)
{
	(void)state;
	REFUSED("given twice", "a=1", "b=2", "a=3");
	REFUSED("empty value", "a=1,,2");
	REFUSED("empty value", "a=1,");
	REFUSED("empty value", "a=,");
	REFUSED("value 1 twice", "a=1,2,1");
	REFUSED("value 2 twice", "a=2,1..3");
	REFUSED("-p a: 'x' in range", "a=1..x");
	REFUSED("goes down", "a=3..1");
	REFUSED("more than 1000 values", "a=1..1000000000");
	REFUSED("more than 1000 values", "a=1..600,1001..1600");
	REFUSED("more than 1000 combinations", "a=1..1000", "b=1,2");
}

static void a_thousand_are_not_too_many(void **state)
{
	CLEANUP(combinations_release) struct combinations c = { 0 };
	CLEANUP(cleanup_free) char *label = NULL;
	CLEANUP_JS struct js *json = NULL;

	(void)state;
	assert_int_equal(READ(&c, "a=1..10", "b=1..10", "c=5", "d=1..10"), 0);
	assert_int_equal(c.len, 1000);
	label = combination_label(&c, 999);
	assert_string_equal(label, "a=10 b=10 d=10");
	json = combination_json(&c, 10);
	assert_string_equal(js_get_str(json, "b"), "2");
	assert_int_equal(js_len(json), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_is_as_it_was_typed),
		cmocka_unit_test(what_does_not_close_is_a_text),
		cmocka_unit_test(values_make_every_combination_the_last_fastest),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(a_thousand_are_not_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
