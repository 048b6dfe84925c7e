/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void expect_dump(const struct js *value, enum js_style style, const char *text)
{
	CLEANUP_STRBUF struct strbuf sb = STRBUF_INIT;

	js_dump(value, style, &sb);
	assert_string_equal(sb.buf, text);
}

static struct js *parse(const char *text)
{
	struct js *value = NULL;
	struct error err;

	error_clear(&err);
	if (js_parse(text, strlen(text), "t.json", &value, &err) < 0)
		fail_msg("%s", err.msg);
	return value;
}

static void expect_refused(const char *text, size_t len, const char *message)
{
	struct js *value = NULL;
	struct error err;

	assert_int_equal(js_parse(text, len, "t.json", &value, &err), -1);
	assert_null(value);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.msg, message))
		fail_msg("'%s' is not in '%s'", message, err.msg);
	for (const char *p = err.msg; *p; p++)
		assert_true((unsigned char)*p >= ' ');
}

static void objects_keep_insertion_order(void **state)
{
	CLEANUP_JS struct js *o = js_object();

	(void)state;
	js_set_int(o, "z", 1);
	js_set_str(o, "a", "x");
	js_set_bool(o, "m", true);
	js_set_str(o, "absent", NULL);
	js_set_int(o, "z", 2);
	expect_dump(o, JS_COMPACT, "{\"z\":2,\"a\":\"x\",\"m\":true}");
	expect_dump(o, JS_CANONICAL, "{\"a\":\"x\",\"m\":true,\"z\":2}");
	assert_true(js_del(o, "a"));
	assert_false(js_del(o, "a"));
	assert_int_equal(js_len(o), 2);
}

static void pretty_text_is_indented_by_two(void **state)
{
	CLEANUP_JS struct js *o = parse("{\"a\":[1,{\"b\":null}],\"c\":[],\"d\":{}}");

	(void)state;
	expect_dump(o, JS_PRETTY,
		    "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": [],\n  "
		    "\"d\": {}\n}");
}

static void canonical_keys_sort_by_bytes(void **state)
{
	CLEANUP_JS struct js *o =
	    parse("{\"b\":1,\"\xc3\xa4\":2,\"B\":3,\"\":4,\"ba\":{\"y\":1,\"x\":2}}");

	(void)state;
	expect_dump(o, JS_CANONICAL,
		    "{\"\":4,\"B\":3,\"b\":1,\"ba\":{\"x\":2,\"y\":1},\"\xc3\xa4\":2}");
}

static void reals_are_short_and_exact(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0.1, "0.1" },
		{ 0.01, "0.01" },
		{ 1.0, "1.0" },
		{ -0.0, "-0.0" },
		{ 1e300, "1e+300" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 5e-324, "4.94065645841247e-324" },
		{ DBL_MAX, "1.7976931348623157e+308" },
		{ (double)NAN, "\"NaN\"" },
		{ (double)INFINITY, "\"Infinity\"" },
		{ -(double)INFINITY, "\"-Infinity\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_JS struct js *value = js_real(cases[i].value);
		CLEANUP_JS struct js *again = parse(cases[i].text);

		expect_dump(value, JS_COMPACT, cases[i].text);
		assert_true(js_equal(value, again));
	}
}

static void strings_escape_what_json_forbids(void **state)
{
	CLEANUP_JS struct js *s = js_str("\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa4");

	(void)state;
	expect_dump(s, JS_COMPACT, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa4\"");
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
	CLEANUP_JS struct js *s = js_str("a\xff\xc3\xa4\xc3");
	CLEANUP_JS struct js *n = js_strn("a\0b", 3);
	CLEANUP_JS struct js *null = js_str(NULL);
	CLEANUP_JS struct js *o = js_object();

	(void)state;
	assert_string_equal(js_text(s), "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
	assert_string_equal(js_text(n), "a\xef\xbf\xbd" "b");
	assert_int_equal(js_typeof(null), JS_NULL);
	js_set_int(o, "k\xff", 1);
	assert_int_equal(js_get_int(o, "k\xef\xbf\xbd", 0), 1);
}

static void getters_fall_back(void **state)
{
	CLEANUP_JS struct js *o =
	    parse("{\"i\":7,\"r\":0.5,\"s\":\"t\",\"b\":true,\"n\":null,\"a\":[1,2]}");

	(void)state;
	assert_int_equal(js_get_int(o, "i", 1), 7);
	assert_int_equal(js_get_int(o, "r", 1), 1);
	assert_int_equal(js_get_int(NULL, "i", 1), 1);
	assert_true(js_get_real(o, "i", 0) == 7.0);
	assert_true(js_get_real(o, "r", 0) == 0.5);
	assert_true(js_get_real(o, "s", 2) == 2.0);
	assert_true(js_get_bool(o, "b"));
	assert_false(js_get_bool(o, "i"));
	assert_string_equal(js_get_str(o, "s"), "t");
	assert_null(js_get_str(o, "i"));
	assert_null(js_get(o, "x"));
	assert_null(js_get(js_get(o, "a"), "x"));
	assert_int_equal(js_typeof(js_get(o, "x")), JS_NULL);
	assert_int_equal(js_typeof(js_get(o, "n")), JS_NULL);
	assert_int_equal(js_typeof(js_get(o, "r")), JS_REAL);
	assert_int_equal(js_int_value(js_at(js_get(o, "a"), 1)), 2);
	assert_null(js_at(js_get(o, "a"), 2));
	assert_null(js_at(o, 0));
	assert_true(isnan(js_number(js_get(o, "s"))));
	assert_int_equal(js_len(js_get(o, "a")), 2);
	assert_int_equal(js_len(js_get(o, "s")), 0);
	assert_int_equal(js_len(NULL), 0);
}

static void iteration_visits_members_in_order(void **state)
{
	CLEANUP_JS struct js *o = parse("{\"z\":1,\"y\":2,\"x\":3}");
	CLEANUP_STRBUF struct strbuf seen = STRBUF_INIT;

	(void)state;
	for (void *it = js_iter(o); it; it = js_next(o, it))
		strbuf_printf(&seen, "%s%d", js_iter_key(it), (int)js_int_value(js_iter_value(it)));
	assert_string_equal(seen.buf, "z1y2x3");
	assert_null(js_iter(NULL));
}

static void a_second_reference_outlives_the_first(void **state)
{
	struct js *a = js_array();
	CLEANUP_JS struct js *first = NULL;

	(void)state;
	js_push_str(a, "kept");
	first = js_ref(js_at(a, 0));
	js_free(a);
	assert_string_equal(js_text(first), "kept");
	js_free(NULL);
}

static void any_single_value_is_a_text(void **state)
{
	static const char *const texts[] = {
	    "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808",
	    "\"\"", "[]",   "{}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP_JS struct js *value = parse(texts[i]);

		expect_dump(value, JS_COMPACT, texts[i]);
	}
}

static void what_is_not_strict_json_is_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "line 1" },
		{ "{\n  \"a\": 1,\n  \"a\": 2\n}", "line 3, column 5: duplicate object key" },
		{ "{\"a\": 1} x", "end of file expected" },
		{ "[1,]", "line 1" },
		{ "{a: 1}", "line 1" },
		{ "[NaN]", "line 1" },
		{ "[01]", "line 1" },
		{ "'a'", "line 1" },
		{ "[1] // c", "end of file expected" },
		{ "\"\\u0000\"", "NUL" },
		{ "\"\\ud800\"", "line 1" },
		{ "\"\xff\"", "line 1" },
		{ "\"a\nb\"", "line 1" },
		{ "[\"\x01\x02", "line 1" },
		{ "[99999999999999999999]", "too big" },
		{ "[1e999]", "overflow" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_refused(cases[i].text, strlen(cases[i].text), cases[i].message);
	expect_refused("\"a\0b\"", 5, "line 1, column 3: a NUL byte");
	expect_refused("1\0x", 3, "line 1, column 2: a NUL byte");
}

static void depth_is_bounded(void **state)
{
	char text[2 * 513 + 2];
	struct js *value = NULL;

	(void)state;
	memset(text, '[', 512);
	memset(text + 512, ']', 512);
	assert_int_equal(js_parse(text, 1024, "t.json", &value, NULL), 0);
	js_free(value);
	memset(text, '[', 513);
	memset(text + 513, ']', 513);
	expect_refused(text, 1026, "line 1, column 513: nested more than 512 deep");
	/* brackets in a string are no depth, whatever is quoted there */
	memset(text, '[', sizeof(text));
	memcpy(text, "\"\\\"\\\\\\\"", 7);
	text[sizeof(text) - 1] = '"';
	assert_int_equal(js_parse(text, sizeof(text), "t.json", &value, NULL), 0);
	js_free(value);
}

static void equality_is_by_value(void **state)
{
	CLEANUP_JS struct js *a = parse("{\"x\":[1,2.5,\"s\"],\"y\":null}");
	CLEANUP_JS struct js *b = parse("{\"y\":null,\"x\":[1,2.5,\"s\"]}");
	CLEANUP_JS struct js *c = parse("{\"y\":null,\"x\":[1,2.5,\"t\"]}");

	(void)state;
	assert_true(js_equal(a, b));
	assert_false(js_equal(a, c));
}

static void values_are_counted_without_parsing(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} rows[] = {
		{ "", 1 }, { "7", 1 }, { "[]", 2 }, { "[[],[],{}]", 7 }, { "{\"a,[{\":1}", 2 }, { "[\"\\\",[\",1]", 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(js_count(rows[i].text, strlen(rows[i].text)), rows[i].n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_keep_insertion_order),
		cmocka_unit_test(pretty_text_is_indented_by_two),
		cmocka_unit_test(canonical_keys_sort_by_bytes),
		cmocka_unit_test(reals_are_short_and_exact),
		cmocka_unit_test(strings_escape_what_json_forbids),
		cmocka_unit_test(bytes_that_are_no_text_become_replacement_characters),
		cmocka_unit_test(getters_fall_back),
		cmocka_unit_test(iteration_visits_members_in_order),
		cmocka_unit_test(a_second_reference_outlives_the_first),
		cmocka_unit_test(any_single_value_is_a_text),
		cmocka_unit_test(what_is_not_strict_json_is_refused),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(values_are_counted_without_parsing),
		cmocka_unit_test(equality_is_by_value),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
