/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const struct {
	const char *name;
	struct expr_value value;
} known[] = {
	{ "auc", { .type = EXPR_NUMBER, .number = 0.87 } },
	{ "params.train.lr", { .type = EXPR_NUMBER, .number = 0.1 } },
	{ "train@xgb-1.auc", { .type = EXPR_NUMBER, .number = 0.5 } },
	{ "git.branch", { .type = EXPR_TEXT, .text = "main" } },
	{ "deep", { .type = EXPR_TRUTH, .truth = true } },
	{ "nan", { .type = EXPR_NUMBER, .number = (double)NAN } },
	{ "not_now", { .type = EXPR_TRUTH, .truth = false } },
	{ "oracle.x_1", { .type = EXPR_NUMBER, .number = 7 } },
};

static int lookup(void *ctx, const char *name, struct expr_value *ret, struct error *err)
{
	int *calls = ctx;

	++*calls;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!strcmp(known[i].name, name)) {
			*ret = known[i].value;
			return 0;
		}
	}
	return error_set(err, ERR_NOT_FOUND, "%s has no value", name);
}

/* The value as it is shown, or "OFFSET: MESSAGE" of the error. Caller frees. */
static char *result_of(const char *text)
{
	CLEANUP(cleanup_expr) struct expr *e = NULL;
	CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;
	struct expr_value value;
	size_t offset = 9999;
	struct error err;
	int calls = 0;

	error_clear(&err);
	if (expr_parse(text, &e, &offset, &err) < 0 || expr_eval(e, lookup, &calls, &value, &offset, &err) < 0) {
		strbuf_printf(&shown, "%zu: %s", offset, err.msg);
		if (*err.help)
			strbuf_printf(&shown, " [%s]", err.help);
	} else {
		expr_value_show(&value, &shown);
	}
	return strbuf_detach(&shown);
}

static void expect(const char *text, const char *wanted)
{
	CLEANUP(cleanup_free) char *result = result_of(text);

	if (strcmp(result, wanted) != 0)
		fail_msg("%s\n  is     %s\n  wanted %s", text, result, wanted);
}

static void values_and_operators(void **state)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
		{ "1", "1" },
		{ " 1.50 ", "1.5" },
		{ "1e-3", "0.001" },
		{ "2E+2", "200" },
		{ "1e300", "1e+300" },
		{ "0.1 + 0.2", "0.30000000000000004" },
		{ "1 + 2 * 3 - 4 / 2", "5" },
		{ "8 / 4 / 2", "1" },
		{ "2 - 3 - 4", "-5" },
		{ "(1 + 2) * 3", "9" },
		{ "-2 * -3", "6" },
		{ "- - 2", "2" },
		{ "1--1", "2" },
		{ "-auc", "-0.87" },
		{ "-(1+1)", "-2" },
		{ "\"it's\"", "\"it's\"" },
		{ "'say \"x\"'", "'say \"x\"'" },
		{ "\"\"", "\"\"" },
		{ "true", "true" },
		{ "false", "false" },
		{ "not true", "false" },
		{ "not not true", "true" },
		{ "not 1 == 2", "true" },
		{ "not false and false", "false" },
		{ "not (false and false)", "true" },
		{ "true or false and false", "true" },
		{ "(true or false) and false", "false" },
		{ "false or not true or true", "true" },
		{ "true and not false", "true" },
		{ "1 < 2", "true" },
		{ "2 < 1", "false" },
		{ "1 < 1", "false" },
		{ "1 <= 1", "true" },
		{ "2 <= 1", "false" },
		{ "1 > 1", "false" },
		{ "2 > 1", "true" },
		{ "1 >= 1", "true" },
		{ "1 >= 2", "false" },
		{ "1 == 1.0", "true" },
		{ "1 != 1", "false" },
		{ "1 + 1 == 2 and 2 * 2 != 5", "true" },
		{ "'a' < 'b'", "true" },
		{ "'B' < 'a'", "true" },
		{ "'10' < '9'", "true" },
		{ "'a' == \"a\"", "true" },
		{ "'a' >= 'b'", "false" },
		{ "true == false", "false" },
		{ "true != false", "true" },
		{ "(1 < 2) == true", "true" },
		{ "auc >= 0.87", "true" },
		{ "${train@xgb-1.auc} == 0.5", "true" },
		{ "params.train.lr * 10", "1" },
		{ "git.branch == 'main'", "true" },
		{ "${git.branch}==\"dev\"", "false" },
		{ "not_now", "false" },
		{ "oracle.x_1", "7" },
		{ "deep\nand\tdeep", "true" },
		{ "deep and(deep)or(deep)", "true" },
		{ "not(deep)", "false" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(cases[i].text, cases[i].value);
}

static void what_does_not_parse_is_told_by_its_byte(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "0: the expression ends where a value should stand" },
		{ "  ", "2: the expression ends where a value should stand" },
		{ "1 +", "3: the expression ends where a value should stand" },
		{ "auc >", "5: the expression ends where a value should stand" },
		{ "not", "3: the expression ends where a value should stand" },
		{ "1 2", "2: an operator should stand before '2'" },
		{ "auc auc", "4: an operator should stand before 'auc'" },
		{ "1 = 2", "2: an operator should stand before '=' [write == to compare]" },
		{ "true && true", "5: an operator should stand before '&' [write and]" },
		{ "true || true", "5: an operator should stand before '|' [write or]" },
		{ "true AND true", "5: an operator should stand before 'AND' [write and]" },
		{ "!deep", "0: a value should stand before '!' [write not]" },
		{ "== 1", "0: a value should stand before '=' [a comparison has two sides]" },
		{ "deep == True", "8: a value should stand before 'True' [write true]" },
		{ "$auc > 1",
		  "0: a value should stand before '$' [a name with other characters than letters, digits, _ and . is "
		  "written ${NAME}]" },
		{ "1 == not true", "5: a value should stand before 'not' [put it in parentheses: (not ...)]" },
		{ "and", "0: a value should stand before 'and'" },
		{ "true or or true", "8: a value should stand before 'or'" },
		{ "1 < 2 < 3", "6: comparisons do not chain: < follows < [join them: a < b and b < c]" },
		{ "1 == 2 != 3", "7: comparisons do not chain: != follows == [join them: a < b and b < c]" },
		{ "(1", "0: the ( is not closed by )" },
		{ "1 * (2 + (3)", "4: the ( is not closed by )" },
		{ "(1 2)", "3: an operator or ) should stand before '2'" },
		{ "1)", "1: an operator should stand before ')'" },
		{ "()", "1: a value should stand before ')'" },
		{ "'abc", "0: the text is not closed by '" },
		{ "1 == \"abc'", "5: the text is not closed by \"" },
		{ "1 + ${auc", "4: the name is not closed by }" },
		{ "${}", "0: ${} names nothing" },
		{ "1x", "0: '1x' is no number [a number is written 12, 1.5 or 1e-3, a text in quotes]" },
		{ "1 + 0x10", "4: '0x10' is no number [a number is written 12, 1.5 or 1e-3, a text in quotes]" },
		{ "1.", "0: '1.' is no number [a number is written 12, 1.5 or 1e-3, a text in quotes]" },
		{ "1e", "0: '1e' is no number [a number is written 12, 1.5 or 1e-3, a text in quotes]" },
		{ "1.2.3", "0: '1.2.3' is no number [a number is written 12, 1.5 or 1e-3, a text in quotes]" },
		{ ".5", "0: a value should stand before '.'" },
		{ "1 < 1e999", "4: 1e999 is too large for a number" },
		{ "1 \x01", "2: an operator should stand before the byte 0x01" },
		{ "\xc3\xa4", "0: a value should stand before the byte 0xc3" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(cases[i].text, cases[i].error);
}

static void what_has_no_value_is_told_by_its_byte(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "1 / 0", "2: division by zero" },
		{ "1 + 3 / (2 - 2)", "6: division by zero" },
		{ "1 / -0", "2: division by zero" },
		{ "1 < nan", "4: nan is no finite number" },
		{ "1e308 * 10", "6: the result of * is too large for a number" },
		{ "-1e308 - 1e308", "7: the result of - is too large for a number" },
		{ "1 / 1e-320", "2: the result of / is too large for a number" },
		{ "1 == '1'", "2: == compares a number with a text" },
		{ "true < 1", "5: < compares a truth with a number" },
		{ "true < false", "5: < does not compare truths" },
		{ "1 + 'a'", "2: + needs a number and has a text" },
		{ "true * 2", "5: * needs a number and has a truth" },
		{ "-'a'", "0: - needs a number and has a text" },
		{ "not 1", "0: not needs a truth and has a number" },
		{ "1 and true", "2: and needs a truth and has a number" },
		{ "true and 1", "5: and needs a truth and has a number" },
		{ "false or 'x'", "6: or needs a truth and has a text" },
		{ "auc > 0 and gone > 1", "12: gone has no value" },
		{ "1 + ${no such}", "4: no such has no value" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect(cases[i].text, cases[i].error);
}

static void the_right_side_is_not_looked_at_when_the_left_decides(void **state)
{
	static const struct {
		const char *text;
		bool holds;
		int calls;
	} cases[] = {
		{ "true or gone > 1", true, 0 },
		{ "false and gone > 1", false, 0 },
		{ "false and 1 / 0 > 1", false, 0 },
		{ "deep or gone", true, 1 },
		{ "not_now and gone", false, 1 },
		{ "not_now and gone or deep", true, 2 },
		{ "(deep or gone) and not_now", false, 2 },
		{ "deep and (not_now or deep)", true, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(cleanup_expr) struct expr *e = NULL;
		bool holds = !cases[i].holds;
		struct error err;
		int calls = 0;

		assert_int_equal(expr_parse(cases[i].text, &e, NULL, NULL), 0);
		if (expr_holds(e, lookup, &calls, &holds, NULL, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_int_equal(holds, cases[i].holds);
		assert_int_equal(calls, cases[i].calls);
	}
}

static void only_a_truth_holds(void **state)
{
	CLEANUP(cleanup_expr) struct expr *number = NULL;
	CLEANUP(cleanup_expr) struct expr *text = NULL;
	size_t offset = 9;
	bool holds = true;
	struct error err;
	int calls = 0;

	(void)state;
	assert_int_equal(expr_parse("  auc", &number, NULL, NULL), 0);
	assert_int_equal(expr_holds(number, lookup, &calls, &holds, &offset, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.msg, "it is a number, and a truth is asked for");
	assert_string_equal(err.help, "compare it with something: ... > 0");
	assert_int_equal(offset, 2);
	assert_true(holds);
	assert_int_equal(expr_parse("git.branch", &text, NULL, NULL), 0);
	assert_int_equal(expr_holds(text, lookup, &calls, &holds, NULL, &err), -1);
	assert_string_equal(err.msg, "it is a text, and a truth is asked for");
}

static int note(void *ctx, const char *name, size_t offset)
{
	strbuf_printf(ctx, "%s@%zu ", name, offset);
	return strcmp(name, "stop") ? 0 : -1;
}

static void names_come_in_order_with_their_bytes(void **state)
{
	CLEANUP(cleanup_expr) struct expr *e = NULL;
	CLEANUP(cleanup_expr) struct expr *stops = NULL;
	CLEANUP_STRBUF struct strbuf seen = STRBUF_INIT;

	(void)state;
	assert_int_equal(expr_parse("a * (b - ${c d}) > 'e' or not a and true", &e, NULL, NULL), 0);
	assert_int_equal(expr_each_name(e, note, &seen), 0);
	assert_string_equal(seen.buf, "a@0 b@5 c d@9 a@30 ");
	strbuf_clear(&seen);
	assert_int_equal(expr_parse("a + stop + b", &stops, NULL, NULL), 0);
	assert_int_equal(expr_each_name(stops, note, &seen), -1);
	assert_string_equal(seen.buf, "a@0 stop@4 ");
}

static char *repeat(const char *first, const char *again, size_t n, const char *last)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_puts(&sb, first);
	while (n--)
		strbuf_puts(&sb, again);
	strbuf_puts(&sb, last);
	return strbuf_detach(&sb);
}

static void length_and_depth_are_bounded(void **state)
{
	CLEANUP(cleanup_free) char *longest = repeat("1 ", "+1", (EXPR_MAX - 2) / 2, "");
	CLEANUP(cleanup_free) char *longer = repeat("1 ", "+1", (EXPR_MAX - 2) / 2, " ");
	CLEANUP(cleanup_free) char *deepest = repeat("", "-", EXPR_DEPTH - 1, "1");
	CLEANUP(cleanup_free) char *deeper = repeat("", "(", EXPR_DEPTH, "1");
	CLEANUP(cleanup_free) char *nots = repeat("", "not ", EXPR_DEPTH, "true");
	CLEANUP(cleanup_free) char *ors = repeat("false", " or false", 400, " or true");

	(void)state;
	assert_int_equal(strlen(longest), EXPR_MAX);
	expect(longest, "2048");
	expect(longer, "4096: the expression is longer than 4096 bytes");
	expect(deepest, "-1");
	expect(deeper, "64: the expression is nested deeper than 64");
	expect(nots, "256: the expression is nested deeper than 64");
	expect(ors, "true");
}

static void a_text_reads_as_a_number_or_does_not(void **state)
{
	static const struct {
		const char *text;
		bool is;
		double number;
	} cases[] = {
		{ "1", true, 1 },     { "-0.5", true, -0.5 }, { "1e3", true, 1000 }, { "007", true, 7 },
		{ "", false, 0 },     { "-", false, 0 },      { "--1", false, 0 },   { "+1", false, 0 },
		{ " 1", false, 0 },   { "1 ", false, 0 },     { "1,5", false, 0 },   { "1.", false, 0 },
		{ "nan", false, 0 },  { "inf", false, 0 },    { "1e999", false, 0 }, { "0x10", false, 0 },
		{ "xgb", false, 0 },  { "1x", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double number = 0;

		if (expr_number(cases[i].text, &number) != cases[i].is)
			fail_msg("'%s'", cases[i].text);
		assert_true(!cases[i].is || (number >= cases[i].number && number <= cases[i].number));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_operators),
		cmocka_unit_test(what_does_not_parse_is_told_by_its_byte),
		cmocka_unit_test(what_has_no_value_is_told_by_its_byte),
		cmocka_unit_test(the_right_side_is_not_looked_at_when_the_left_decides),
		cmocka_unit_test(only_a_truth_holds),
		cmocka_unit_test(names_come_in_order_with_their_bytes),
		cmocka_unit_test(length_and_depth_are_bounded),
		cmocka_unit_test(a_text_reads_as_a_number_or_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
