/* SPDX-License-Identifier: Apache-2.0 */
/* Why two keys differ: every kind of fact, structured and as a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/key.h"
#include "pipeline/tools.h"

static struct error error;

static struct js *parse(const char *text)
{
	struct js *value;

	if (js_parse(text, strlen(text), "a test", &value, &error) < 0)
		fail_msg("%s: %s", error.msg, text);
	return value;
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* One fact that changed: what is told of it. */
static void each_fact_has_its_kind_its_sides_and_its_line(void **state)
{
	static const struct {
		const char *old, *now;
		const char *want; /* JSON */
	} facts[] = {
		{ "{\"params\": {\"lr\": 0.01}}", "{\"params\": {\"lr\": 0.1}}",
		  "[{\"kind\":\"param\",\"name\":\"lr\",\"old\":0.01,\"new\":0.1,\"text\":\"param lr: 0.01 -> 0.1\"}]" },
		{ "{\"params\": {}}", "{\"params\": {\"a\": [1]}}",
		  "[{\"kind\":\"param\",\"name\":\"a\",\"new\":[1],\"text\":\"param a added: [1]\"}]" },
		{ "{\"matrix\": {\"model\": \"xgb\"}}", "{\"matrix\": {\"model\": \"mlp\"}}",
		  "[{\"kind\":\"matrix\",\"name\":\"model\",\"old\":\"xgb\",\"new\":\"mlp\","
		  "\"text\":\"matrix model: xgb -> mlp\"}]" },
		{ "{\"inputs\": {\"x\": \"file:1122334455\"}}", "{\"inputs\": {\"x\": \"tree:99\"}}",
		  "[{\"kind\":\"input\",\"name\":\"x\",\"old\":\"file:1122334455\",\"new\":\"tree:99\","
		  "\"text\":\"input x changed: file 11223344 -> tree 99\"}]" },
		{ "{\"inputs\": {\"x\": \"file:1\"}}", "{}",
		  "[{\"kind\":\"input\",\"name\":\"x\",\"old\":\"file:1\",\"text\":\"input x removed\"}]" },
		{ "{\"image\": \"py@sha256:" HEX64 "\"}", "{\"image\": \"build:" HEX64 "\"}",
		  "[{\"kind\":\"image\",\"old\":\"py@sha256:" HEX64 "\",\"new\":\"build:" HEX64 "\","
		  "\"text\":\"image: py@sha256:0123456789ab -> build:0123456789ab\"}]" },
		{ "{\"build\": {\"context\": \"112233445566\", \"args\": {\"A\": \"1\"}, \"bases\": {\"d\": \"d@sha256:" HEX64 "\"}}}",
		  "{\"build\": {\"context\": \"99\", \"args\": {\"A\": \"2\"}, \"bases\": {\"d\": \"sha256:1\"}}}",
		  "[{\"kind\":\"build\",\"name\":\"context\",\"old\":\"112233445566\",\"new\":\"99\","
		  "\"text\":\"build context changed: 11223344 -> 99\"},"
		  "{\"kind\":\"build\",\"name\":\"arg A\",\"old\":\"1\",\"new\":\"2\",\"text\":\"build arg A: 1 -> 2\"},"
		  "{\"kind\":\"build\",\"name\":\"base d\",\"old\":\"d@sha256:" HEX64 "\",\"new\":\"sha256:1\","
		  "\"text\":\"build base d: d@sha256:0123456789ab -> sha256:1\"}]" },
		{ "{\"image\": \"i\"}", "{\"image\": \"i\", \"user\": \"root\"}",
		  "[{\"kind\":\"user\",\"new\":\"root\",\"text\":\"user: user -> root\"}]" },
		{ "{\"image\": \"i\", \"network\": \"yes\"}", "{\"image\": \"i\"}",
		  "[{\"kind\":\"network\",\"old\":\"yes\",\"text\":\"network: yes -> no\"}]" },
		{ "{\"env\": {\"A\": \"1\"}}", "{\"env\": {\"A\": \"2\"}}",
		  "[{\"kind\":\"env\",\"name\":\"A\",\"old\":\"1\",\"new\":\"2\",\"text\":\"env A: 1 -> 2\"}]" },
		{ "{\"secrets\": [\"K\", \"L\"]}", "{\"secrets\": [\"L\"]}",
		  "[{\"kind\":\"secret\",\"name\":\"K\",\"old\":\"K\",\"text\":\"secret K removed\"}]" },
		{ "{\"outputs\": [\"o\"]}", "{\"outputs\": [\"o\", \"p\"]}",
		  "[{\"kind\":\"output\",\"name\":\"p\",\"new\":\"p\",\"text\":\"output p added\"}]" },
		{ "{\"platform\": \"linux/x86_64\"}", "{\"platform\": \"linux/aarch64\"}",
		  "[{\"kind\":\"platform\",\"old\":\"linux/x86_64\",\"new\":\"linux/aarch64\","
		  "\"text\":\"platform: linux/x86_64 -> linux/aarch64\"}]" },
		{ "{\"program\": {\"path\": \"/p\", \"content\": \"exec:1\"}}",
		  "{\"program\": {\"path\": \"/p\", \"content\": \"exec:2\"}}",
		  "[{\"kind\":\"program\",\"name\":\"/p\",\"old\":\"exec:1\",\"new\":\"exec:2\","
		  "\"text\":\"program /p changed: exec 1 -> exec 2\"}]" },
		{ "{\"argv\": [\"a\", \"b\"]}", "{\"argv\": [\"a\", \"c\"]}",
		  "[{\"kind\":\"command\",\"old\":[\"a\",\"b\"],\"new\":[\"a\",\"c\"],"
		  "\"text\":\"command changed: b -> c\",\"words\":[{\"change\":\"same\",\"text\":\"a\"},"
		  "{\"change\":\"removed\",\"text\":\"b\"},{\"change\":\"added\",\"text\":\"c\"}]}]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		CLEANUP_JS struct js *old = parse(facts[i].old);
		CLEANUP_JS struct js *now = parse(facts[i].now);
		CLEANUP_JS struct js *got = key_differences(old, now);
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

		js_dump(got, JS_COMPACT, &text);
		assert_string_equal(text.buf, facts[i].want);
	}
}

/* The words of a command as one text: "same -removed +added". */
static void assert_words(const char *old_text, const char *now_text, const char *want, const char *line)
{
	CLEANUP_JS struct js *old = parse(old_text);
	CLEANUP_JS struct js *now = parse(now_text);
	CLEANUP_JS struct js *list = key_differences(old, now);
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	const struct js *command = NULL, *words;

	for (size_t i = 0; i < js_len(list); i++)
		if (!strcmp(js_get_str(js_at(list, i), "kind"), "command"))
			command = js_at(list, i);
	words = js_get(command, "words");
	for (size_t i = 0; i < js_len(words); i++) {
		const char *change = js_get_str(js_at(words, i), "change");
		strbuf_printf(&got, "%s%s%s", i ? " " : "", *change == 'r' ? "-" : *change == 'a' ? "+" : "",
			      js_get_str(js_at(words, i), "text"));
	}
	assert_string_equal(got.buf, want);
	if (line)
		assert_string_equal(js_get_str(command, "text"), line);
}

static void a_command_is_compared_word_by_word(void **state)
{
	(void)state;
	assert_words("{\"argv\": [\"py\", \"t.py\", \"--deep\"]}", "{\"argv\": [\"py\", \"-u\", \"t.py\"]}",
		     "py +-u t.py ---deep", "command changed: --deep -> -u");
	/* Inside the text of a shell, too. */
	assert_words("{\"argv\": [\"sh\", \"-c\", \"cat a  b > c\"]}", "{\"argv\": [\"sh\", \"-c\", \"cat a b | sort > c\"]}",
		     "sh -c cat a b +| +sort > c", "command changed: ... a b +| +sort > c");
	/* Where nothing but an argument's end moved, arguments are shown whole. */
	assert_words("{\"argv\": [\"echo\", \"a b\"]}", "{\"argv\": [\"echo\", \"a\", \"b\"]}", "echo -a b +a +b",
		     "command changed: echo -a b +a +b");
	assert_words("{\"argv\": [\"a\"]}", "{}", "-a", "command changed: -a");
	assert_words("{\"argv\": [\"x\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"y\"]}",
		     "{\"argv\": [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"y\", \"--z\"]}",
		     "-x 1 2 3 4 5 6 y +--z", "command changed: x -> --z");
	assert_words("{\"argv\": [\"1\", \"2\", \"3\", \"4\"]}", "{\"argv\": [\"1\", \"2\", \"3\", \"4\", \"--a\", \"+b\"]}",
		     "1 2 3 4 +--a ++b", "command changed: ... 3 4 +'--a' +'+b'");
}

static void words_that_follow_from_values_are_unchanged(void **state)
{
	(void)state;
	assert_words("{\"argv\": [\"py\", \"--lr=0.1\"], \"params\": {\"lr\": 0.1}}",
		     "{\"argv\": [\"py\", \"--lr=0.5\"], \"params\": {\"lr\": 0.5}}", "", NULL);
	assert_words("{\"argv\": [\"py\", \"0.1\"], \"params\": {\"lr\": 0.1}}",
		     "{\"argv\": [\"py\", \"-v\", \"0.5\"], \"params\": {\"lr\": 0.5}}", "py +-v 0.5", NULL);
	assert_words("{\"argv\": [\"py\", \"m-xgb\"], \"matrix\": {\"m\": \"xgb\"}}",
		     "{\"argv\": [\"py\", \"m-mlp\"], \"matrix\": {\"m\": \"mlp\"}}", "", NULL);
}

/* A command of very many words is told of, and costs neither much memory nor much time. */
static void a_huge_command_is_replaced_in_one_piece(void **state)
{
	CLEANUP_JS struct js *old = js_object();
	CLEANUP_JS struct js *now = js_object();
	CLEANUP_JS struct js *list = NULL;
	struct js *a = js_array(), *b = js_array();

	(void)state;
	for (int i = 0; i < 5000; i++) {
		CLEANUP(cleanup_free) char *was = xasprintf("a%d", i);
		CLEANUP(cleanup_free) char *is = xasprintf("b%d", i);
		js_push_str(a, was);
		js_push_str(b, is);
	}
	js_set(old, "argv", a);
	js_set(now, "argv", b);
	list = key_differences(old, now);
	assert_int_equal(js_len(list), 1);
	assert_int_equal(js_len(js_get(js_at(list, 0), "words")), 10000);
	assert_true(strlen(js_get_str(js_at(list, 0), "text")) < 160);
}

static void packages_are_compared_by_name_and_are_not_in_the_key(void **state)
{
	CLEANUP_JS struct js *old =
		parse("{\"version\": \"3.11.2\", \"packages\": [\"gone-1\", \"numpy-1.26.4\", \"py-yaml-6.0\", \"same-1\"]}");
	CLEANUP_JS struct js *now =
		parse("{\"version\": \"3.12.0\", \"packages\": [\"new-2.0\", \"numpy-2.0\", \"py-yaml-6.0.1-py3.11\", \"same-1\"]}");
	CLEANUP_JS struct js *list = tools_differences(old, now);
	static const char *const want[] = {
		"python: 3.11.2 -> 3.12.0", "package gone removed: was 1", "package new added: 2.0",
		"package numpy: 1.26.4 -> 2.0", "package py-yaml: 6.0 -> 6.0.1",
	};

	(void)state;
	assert_int_equal(js_len(list), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(js_get_str(js_at(list, i), "text"), want[i]);
		assert_false(js_truth(js_get(js_at(list, i), "in_key")));
		assert_non_null(js_get(js_at(list, i), "in_key"));
	}
}

static void what_is_not_known_of_programs_is_not_compared(void **state)
{
	static const char *const odd[] = { "{}", "null", "[]", "{\"packages\": 1}", "{\"packages\": [1, null]}" };
	CLEANUP_JS struct js *now = parse("{\"version\": \"3.12.0\", \"packages\": [\"numpy-2.0\", \"-\", \"\", \"noversion\"]}");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		CLEANUP_JS struct js *old = parse(odd[i]);
		CLEANUP_JS struct js *a = tools_differences(old, now);
		CLEANUP_JS struct js *b = tools_differences(now, old);
		if (i < 3)
			assert_int_equal(js_len(a) + js_len(b), 0);
	}
}

/* Records come from other people's registries, too. */
static void records_of_another_shape_do_no_harm(void **state)
{
	static const char *const odd[] = {
		"{}", "{\"build\": 1, \"matrix\": [], \"secrets\": {\"a\": 1}, \"image\": 4}",
		"{\"build\": {\"context\": 1, \"args\": [2], \"bases\": {\"b\": null}, \"network\": \"x\"}, \"image\": \"sha256:\"}",
		"{\"build\": {\"context\": \"a\", \"args\": {\"A\": {}}, \"bases\": 1}, \"secrets\": [1, null, \"\"], \"image\": \"\"}",
		"{\"argv\": [\"\", 1, \"  \"], \"matrix\": {\"\": null}}", "{\"argv\": [\" \"]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
			CLEANUP_JS struct js *old = parse(odd[i]);
			CLEANUP_JS struct js *now = parse(odd[k]);
			CLEANUP_JS struct js *list = key_differences(old, now);
			for (size_t n = 0; n < js_len(list); n++)
				assert_non_null(js_get_str(js_at(list, n), "text"));
			assert_true(i != k || !js_len(list));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fact_has_its_kind_its_sides_and_its_line),
		cmocka_unit_test(a_command_is_compared_word_by_word),
		cmocka_unit_test(words_that_follow_from_values_are_unchanged),
		cmocka_unit_test(a_huge_command_is_replaced_in_one_piece),
		cmocka_unit_test(packages_are_compared_by_name_and_are_not_in_the_key),
		cmocka_unit_test(what_is_not_known_of_programs_is_not_compared),
		cmocka_unit_test(records_of_another_shape_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
