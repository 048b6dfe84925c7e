/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile.h"
#include "monitor/schema/schema.h"
#include "monitor/schema/schema_internal.h"
#include "monitor/table/table.h"

/* ---- parsing ---- */

static void mistakes_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text, *message, *where, *help;
	} bad[] = {
		{ "{\"version\": 1, \"colums\": []}", "there is no key 'colums'", "s.json:1:16", "did you mean 'columns'?" },
		{ "{\"version\": 2, \"columns\": []}", "version must be 1", "s.json:1:13", NULL },
		{ "{\"version\": 1}", "a schema needs \"version\": 1 and \"columns\": [...]", "s.json:1:1", NULL },
		{ "{\"version\": 1,\n \"columns\": [{\"name\": \"a\", \"mim\": 1}]}", "column 'a': there is no key 'mim'", "s.json:2:28",
		  "did you mean 'min'?" },
		{ "{\"version\": 1,\n \"columns\": [{\"name\": \"a\"},\n  {\"name\": \"b\", \"type\": \"rael\"}]}",
		  "column 'b': type must be integer, real, boolean, time, category or text", "s.json:3:25",
		  "did you mean \"real\"?" },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"text\",\n\"pattern\": \"a(b\"}]}",
		  "column 'a': pattern: '(' has no ')'", "s.json:2:12", NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"nulls\": 1.5}]}", "column 'a': nulls must be a share from 0 to 1",
		  NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"min\": 3}]}", "column 'a': min needs type integer, real or time",
		  NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"real\", \"min\": 3, \"max\": 2}]}",
		  "column 'a': min is above max", NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"time\", \"min\": 3}]}",
		  "column 'a': min of type time must be a time, as text", NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"type\": \"real\", \"values\": [\"x\"]}]}",
		  "column 'a': values of type real must be numbers", NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\", \"unseen\": 0.1}]}", "column 'a': unseen needs values", NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", "column 'a' is there twice", "s.json:1:43",
		  NULL },
		{ "{\"version\": 1, \"columns\": [{\"name\": \"a\"}, {\"name\": \"b\", \"was\": [\"a\"]}]}",
		  "was: 'a' is another column, too", NULL, NULL },
		{ "{\"version\": 1, \"columns\": [{\"type\": \"text\"}]}", "a column needs a name", NULL, NULL },
		{ "{\"version\": 1, \"rows\": {\"min\": 5, \"max\": 4}, \"columns\": []}", "rows: min is above max", NULL, NULL },
		{ "{\"version\": 1, \"extra\": \"maybe\", \"columns\": []}", "extra must be \"allow\" or \"refuse\"", NULL, NULL },
		{ "[]", "the schema must be an object, {...}", "s.json:1:1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct schema *schema = NULL;
		struct error err = { 0 };

		assert_int_equal(schema_parse(bad[i].text, strlen(bad[i].text), "s.json", &schema, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_string_equal(err.msg, bad[i].message);
		if (bad[i].where)
			assert_string_equal(err.where, bad[i].where);
		if (bad[i].help)
			assert_string_equal(err.help, bad[i].help);
	}
}

static void hostile_patterns_are_refused_at_once(void **state)
{
	static const char *const bad[] = {
		"(a*)*\\1", "((a{1,100}){1,100}){1,100}", "a{32767}", "[a", "[[:alpha:", "a)", "((", "a{2", "*a", "\\", "[[:nosuch:]]",
	};
	static const struct {
		const char *pattern, *text;
		bool fits;
	} good[] = {
		{ "a|b", "a", true }, { "a|b", "ab", false }, { "a|b", "xb", false }, { "[0-9]{5}", "12345", true },
		{ "[0-9]{5}", "123456", false }, { "()", "", true }, { "[])]+", ")]", true }, { "\\(a\\)", "(a)", true },
		{ "[[:alpha:]]+", "abc", true }, { "[^]]", "]", false }, { "(a|ab)(c|bcd)", "abcd", true },
		{ "..", "\xc3\xa9\xc3\xa4", true }, { "[\xc3\xa9]", "\xc3\xa9", true }, { "[\xc3\xa9]", "\xc3", false },
	};
	CLEANUP(cleanup_free) char *longest = xmalloc(PATTERN_BYTES + 2), *value = xmalloc(PATTERN_VALUE + 2);
	regex_t re;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = { 0 };

		assert_int_equal(pattern_compile(bad[i], &re, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(pattern_compile(good[i].pattern, &re, NULL), 0);
		assert_int_equal(pattern_fits(&re, good[i].text, strlen(good[i].text)), good[i].fits);
		regfree(&re);
	}
	memset(longest, 'a', PATTERN_BYTES + 1);
	longest[PATTERN_BYTES + 1] = '\0';
	assert_int_equal(pattern_compile(longest, &re, NULL), -1);
	memset(value, 'a', PATTERN_VALUE + 1);
	assert_int_equal(pattern_compile("(a*)*(a|b)*(.*)*x", &re, NULL), 0);
	assert_false(pattern_fits(&re, value, PATTERN_VALUE));
	regfree(&re);
	assert_int_equal(pattern_compile(".*", &re, NULL), 0);
	assert_true(pattern_fits(&re, value, PATTERN_VALUE));
	assert_false(pattern_fits(&re, value, PATTERN_VALUE + 1));
	regfree(&re);
}

/* ---- checking ---- */

static int file_of(const char *text, size_t len)
{
	int fd = memfd_create("table", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct js *check(const char *schema_text, const char *csv, size_t len, uint64_t before)
{
	CLEANUP(cleanup_fd) int fd = file_of(csv, len);
	CLEANUP(cleanup_schema) struct schema *schema = NULL;
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct error err = { 0 };
	struct js *report = NULL;
	bool ok;

	if (schema_parse(schema_text, strlen(schema_text), "s.json", &schema, &err) < 0)
		fail_msg("%s: %s", err.where, err.msg);
	assert_int_equal(table_open(fd, csv[0] == '{' ? "t.jsonl" : "t.csv", NULL, &table, &err), 0);
	assert_int_equal(schema_check(schema, table, before, &ok, &report, NULL, &err), 0);
	assert_int_equal(ok, js_get_bool(report, "ok"));
	return report;
}

/* "a OK; b MISSING missing; | rows", with the first row and value of each breach: "range@3=7". */
static void expect(const char *columns, const char *csv, const char *want)
{
	CLEANUP(cleanup_free) char *text = xasprintf("{\"version\": 1, %s}", columns);
	CLEANUP_JS struct js *report = check(text, csv, strlen(csv), 10);
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	const struct js *list = js_get(report, "columns"), *all = js_get(report, "breaches");

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *c = js_at(list, i), *breaches = js_get(c, "breaches");

		strbuf_printf(&got, "%s%s %s", i ? "; " : "", js_get_str(c, "name"), js_get_str(c, "state"));
		if (js_get_str(c, "renamed_from"))
			strbuf_printf(&got, "<%s", js_get_str(c, "renamed_from"));
		for (size_t k = 0; k < js_len(breaches); k++) {
			const struct js *b = js_at(breaches, k);

			strbuf_printf(&got, " %s", js_get_str(b, "check"));
			if (js_get(b, "row"))
				strbuf_printf(&got, "x%jd@%jd", (intmax_t)js_get_int(b, "count", 0), (intmax_t)js_get_int(b, "row", 0));
			if (js_get_str(b, "value"))
				strbuf_printf(&got, "=%s", js_get_str(b, "value"));
		}
	}
	for (size_t k = 0; k < js_len(all); k++)
		strbuf_printf(&got, " | %s", js_get_str(js_at(all, k), "check"));
	assert_string_equal(got.buf, want);
}

#define COLUMN(text) "\"columns\": [{\"name\": \"a\"" text "}]"

static void each_check_finds_its_breach(void **state)
{
	(void)state;
	expect(COLUMN(", \"type\": \"integer\""), "a\n1\n2\n", "a OK");
	expect(COLUMN(", \"type\": \"real\""), "a\n1\n2\n", "a OK");
	expect(COLUMN(", \"type\": \"integer\""), "a\n1\n2.5\n", "a TYPE_CHANGED typex1@3=2.5");
	expect(COLUMN(", \"type\": \"integer\""), "a\nx\ny\n", "a TYPE_CHANGED typex2@2=x");
	expect(COLUMN(", \"type\": \"text\""), "a\n1\n2\n", "a TYPE_CHANGED typex2@2=1");
	expect(COLUMN(", \"type\": \"text\", \"values\": [1, 2]"), "a\n1\n2\n", "a OK");
	expect(COLUMN(", \"type\": \"boolean\""), "a\ntrue\nFalse\n", "a OK");
	expect(COLUMN(", \"type\": \"time\", \"min\": \"2020-01-01\", \"ascending\": true"),
	       "a\n2020-01-01\n2020-01-03\n2020-01-02\n2019-12-31\n", "a OK rangex1@5=2019-12-31 ascendingx2@4=2020-01-02");
	expect(COLUMN(", \"type\": \"real\", \"min\": 0, \"max\": 1"), "a\n0\n1\n1.01\n-1\ninf\n", "a OK rangex3@4=1.01");
	expect(COLUMN(", \"type\": \"real\", \"nulls\": 0.25"), "a\n1\nNA\n3\n4\n", "a OK");
	expect(COLUMN(", \"type\": \"real\", \"nulls\": 0.25"), "a,b\n1,\n,\nnan,\n4,\n", "a OK nullsx2@3; b NEW");
	expect(COLUMN(", \"nulls\": 0"), "a,b\n,1\n,1\n", "a ALL_NULL nullsx2@2; b NEW");
	expect(COLUMN(", \"values\": [\"x\", \"y\"], \"unseen\": 0.5"), "a\nx\nz\n", "a OK");
	expect(COLUMN(", \"values\": [\"x\", \"y\"]"), "a\nx\nz\nxx\n", "a OK valuesx2@3=z");
	expect(COLUMN(", \"type\": \"integer\", \"values\": [1, 2]"), "a\n1\n2\n02\n3\n", "a OK valuesx1@5=3");
	expect(COLUMN(", \"unique\": true"), "a\n1\n2\n1\n2\n", "a OK uniquex2@4=1");
	expect(COLUMN(", \"unique\": true"), "a,b\n1,1\n,1\n,1\n", "a OK; b NEW");
	expect(COLUMN(", \"pattern\": \"[a-z]+\""), "a\nabc\nab1\n", "a OK patternx1@3=ab1");
	expect(COLUMN(", \"length\": {\"min\": 2, \"max\": 3}"), "a\nab\nabcd\na\n", "a OK lengthx2@3=abcd");
	expect("\"rows\": {\"min\": 3}, " COLUMN(""), "a\n1\n", "a OK | rows");
	expect("\"rows\": {\"max\": 0}, " COLUMN(""), "a\n1\n", "a OK | rows");
	expect("\"rows\": {\"max_change\": 0.5}, " COLUMN(""), "a\n1\n2\n3\n4\n5\n", "a OK");
	expect("\"rows\": {\"max_change\": 0.5}, " COLUMN(""), "a\n1\n2\n3\n4\n", "a OK | rows");
	expect("\"unique_rows\": true, \"extra\": \"refuse\", " COLUMN(""), "a,b\n1,2\n1,3\n\"1\",2\n", "a OK; b NEW | extra | duplicates");
	expect("\"order\": true, \"columns\": [{\"name\": \"a\"}, {\"name\": \"b\"}]", "b,a\n1,2\n", "a OK; b OK | order");
}

static void columns_that_went_are_missing_or_renamed(void **state)
{
	(void)state;
	expect(COLUMN(""), "b\n1\n", "a MISSING missing; b NEW");
	expect(COLUMN(", \"required\": false"), "b\n1\n", "a MISSING; b NEW");
	expect(COLUMN(", \"type\": \"integer\", \"was\": [\"b\"]"), "b\n1\n", "a OK<b");
	expect(COLUMN(", \"type\": \"integer\", \"min\": 0, \"max\": 9"), "b,c\n1,x\n", "a MISSING missing; b NEW<a; c NEW");
	expect(COLUMN(", \"type\": \"integer\", \"min\": 0, \"max\": 9"), "b,c\n1,2\n", "a MISSING missing; b NEW; c NEW");
}

static void a_key_that_comes_late_in_json_lines_was_null_before(void **state)
{
	(void)state;
	expect(COLUMN(", \"nulls\": 0.1"), "{\"b\": 1}\n{\"a\": 2}\n", "a OK nullsx1@1; b NEW");
	expect(COLUMN(", \"type\": \"integer\""), "{\"a\": \"1\"}\n", "a TYPE_CHANGED typex1@1=1");
}

/* ---- inferring ---- */

static uint64_t seed;

static uint64_t next(uint64_t below)
{
	seed += 0x9e3779b97f4a7c15u;
	uint64_t x = seed;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % below;
}

/* A value of one of many kinds of columns. */
static void put_value(struct strbuf *csv, unsigned kind, size_t row)
{
	static const char *const words[] = { "red", "green", "\"blue, dark\"", "\xc3\xa9t\xc3\xa9", "\"say \"\"hi\"\"\"", "=cmd", "<b>" };

	switch (kind % 14) {
	case 0: strbuf_printf(csv, "%zu", row); break;
	case 1: strbuf_printf(csv, "%d", (int)next(2000) - 1000); break;
	case 2: strbuf_printf(csv, "%.17g", (double)next(1000000) / 7e4 - 5); break;
	case 3: strbuf_printf(csv, "%.3e", (double)(next(1000) + 1) * 1e-300); break;
	case 4: strbuf_puts(csv, next(2) ? "true" : "False"); break;
	case 5: strbuf_printf(csv, "2024-%02d-%02d", 1 + (int)(row / 28 % 12), 1 + (int)(row % 28)); break;
	case 6: strbuf_puts(csv, words[next(ARRAY_LEN(words))]); break;
	case 7: strbuf_printf(csv, "user-%" PRIu64, next(1u << 30)); break;
	case 8: break;
	case 9: next(20) ? strbuf_printf(csv, "%d", (int)next(50)) : strbuf_puts(csv, "broken"); break;
	case 10: strbuf_puts(csv, next(9) ? "1e999" : next(2) ? "nan" : "-3"); break;
	case 11: strbuf_printf(csv, "%" PRIu64, next(UINT64_MAX)); break;
	case 12: strbuf_puts(csv, "7"); break;
	case 13: strbuf_printf(csv, "c%d", (int)next(60)); break;
	}
}

static void put_table(struct strbuf *csv, size_t nrows, size_t ncols)
{
	unsigned kinds[8], holes[8];

	for (size_t i = 0; i < ncols; i++) {
		kinds[i] = (unsigned)next(14);
		holes[i] = next(3) ? 0 : (unsigned)next(100);
		strbuf_printf(csv, "%s\"c %zu\"", i ? "," : "", i);
	}
	strbuf_putc(csv, '\n');
	for (size_t r = 0; r < nrows; r++) {
		for (size_t i = 0; i < ncols; i++) {
			if (i)
				strbuf_putc(csv, ',');
			if (next(100) >= holes[i])
				put_value(csv, kinds[i], r);
			else
				strbuf_puts(csv, "NA");
		}
		strbuf_putc(csv, '\n');
	}
}

static void a_table_meets_the_schema_that_was_inferred_from_it(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 30, 99, 100, 101, 700, 5000 };

	(void)state;
	for (seed = 1; seed <= 90;) {
		CLEANUP_STRBUF struct strbuf csv = STRBUF_INIT, text = STRBUF_INIT;
		CLEANUP(cleanup_profile) struct profile *profile = NULL;
		CLEANUP(cleanup_table) struct table *table = NULL, *again = NULL;
		CLEANUP(cleanup_fd) int fd = -1;
		CLEANUP_JS struct js *schema = NULL, *report = NULL;
		uint64_t this = seed;
		struct error err = { 0 };

		put_table(&csv, sizes[this % ARRAY_LEN(sizes)], 2 + this % 7);
		seed = this + 1;
		fd = file_of(csv.buf, csv.len);
		assert_int_equal(table_open(fd, "t.csv", NULL, &table, &err), 0);
		assert_int_equal(profile_table(table, &(struct profile_options){ 0 }, &profile, &err), 0);
		schema = schema_infer(profile);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(table_open(fd, "t.csv", NULL, &again, &err), 0);
		assert_int_equal(schema_infer_unique(schema, profile, again, &err), 0);
		schema_write(schema, &text);
		report = check(text.buf, csv.buf, csv.len, 0);
		if (!js_get_bool(report, "ok")) {
			CLEANUP_STRBUF struct strbuf shown = STRBUF_INIT;

			js_dump(report, JS_PRETTY, &shown);
			fail_msg("seed %jd:\n%s\n%s", (intmax_t)this, text.buf, shown.buf);
		}
	}
}

static void places_are_found_in_any_layout(void **state)
{
	static const char text[] = "{ \"a\" : [ 1 , {\"b\":\n\"x]}\\\"\", \"c\"\n: 2}],\n\"d\":{}}";
	static const struct {
		struct place_step steps[3];
		size_t n;
		bool key;
		int line, column;
	} cases[] = {
		{ { { NULL, 0 } }, 0, false, 1, 1 },
		{ { { "a", 0 } }, 1, true, 1, 3 },
		{ { { "a", 0 } }, 1, false, 1, 9 },
		{ { { "a", 0 }, { NULL, 1 } }, 2, false, 1, 15 },
		{ { { "a", 0 }, { NULL, 1 }, { "b", 0 } }, 3, false, 2, 1 },
		{ { { "a", 0 }, { NULL, 1 }, { "c", 0 } }, 3, true, 2, 10 },
		{ { { "a", 0 }, { NULL, 1 }, { "c", 0 } }, 3, false, 3, 3 },
		{ { { "d", 0 } }, 1, false, 4, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int line = 0, column = 0;

		schema_place(text, strlen(text), cases[i].steps, cases[i].n, cases[i].key, &line, &column);
		assert_int_equal(line, cases[i].line);
		assert_int_equal(column, cases[i].column);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told_with_their_place),
		cmocka_unit_test(places_are_found_in_any_layout),
		cmocka_unit_test(hostile_patterns_are_refused_at_once),
		cmocka_unit_test(each_check_finds_its_breach),
		cmocka_unit_test(columns_that_went_are_missing_or_renamed),
		cmocka_unit_test(a_key_that_comes_late_in_json_lines_was_null_before),
		cmocka_unit_test(a_table_meets_the_schema_that_was_inferred_from_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
