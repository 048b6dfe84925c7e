/* SPDX-License-Identifier: Apache-2.0 */
/* Pages and pictures of results of every shape: well-formed, bounded, and without a byte of the data as markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "monitor/page/page.h"
#include "monitor/page/page_number.h"
#include "monitor/page/svg.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- well-formed: tags in pairs, attributes quoted, nothing raw ---- */

#define DEPTH 64
struct reader {
	const char *at;
	const char *names[DEPTH];
	size_t lens[DEPTH], depth;
};

static void read_attributes(struct reader *r)
{
	for (;;) {
		while (isspace((unsigned char)*r->at))
			r->at++;
		if (*r->at == '>' || *r->at == '/')
			return;
		r->at += strcspn(r->at, "=<>\"");
		if (strncmp(r->at, "=\"", 2) != 0)
			fail_msg("attribute without a value at: %.60s", r->at);
		r->at += 2 + strcspn(r->at + 2, "\"<>");
		assert_int_equal(*r->at++, '"');
	}
}

static void read_tag(struct reader *r)
{
	bool closing = *r->at == '/';
	const char *name = r->at += closing;
	size_t len = strcspn(name, " >/");

	r->at += len;
	if (closing) {
		assert_true(r->depth);
		r->depth--;
		if (len != r->lens[r->depth] || memcmp(name, r->names[r->depth], len) != 0)
			fail_msg("</%.*s> closes <%.*s>", (int)len, name, (int)r->lens[r->depth], r->names[r->depth]);
	} else {
		read_attributes(r);
		assert_false(len == 6 && !memcmp(name, "script", 6));
		if (*r->at != '/') {
			assert_true(r->depth < DEPTH);
			r->names[r->depth] = name;
			r->lens[r->depth++] = len;
		}
	}
	r->at += *r->at == '/';
	assert_int_equal(*r->at++, '>');
}

static void well_formed(const struct strbuf *page)
{
	struct reader r = { .at = page->buf };

	assert_int_equal(utf8_span(page->buf, page->len), page->len);
	assert_int_equal(strlen(page->buf), page->len);
	for (size_t i = 0; i < page->len; i++)
		assert_true(page->buf[i] == '\n' || (unsigned char)page->buf[i] >= 0x20);
	if (!strncmp(r.at, "<!DOCTYPE html>", 15))
		r.at += 15;
	while (*(r.at += strcspn(r.at, "<"))) {
		r.at++;
		read_tag(&r);
	}
	assert_int_equal(r.depth, 0);
}

/* ---- every page of every text ---- */

static void draw(int kind, const struct js *value, const char *name, struct strbuf *out)
{
	switch (kind) {
	case 0:
		page_profile(value, name, out);
		break;
	case 1:
		page_drift(value, name, name, out);
		break;
	case 2:
		page_schema(value, name, out);
		break;
	case 3:
		page_monitor(value, out);
		break;
	default:
		svg_drift(value, out);
	}
}
#define KINDS 5

static struct js *parse(const char *text)
{
	struct error err = { 0 };
	struct js *value;

	if (js_parse(text, strlen(text), "test", &value, &err))
		fail_msg("%s", err.msg);
	return value;
}

static const char *const hostile[] = {
	"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='x", "]]>", "</style></title>", "<!--", "&amp;",
	"\033[31m\x01\x7f", "\u202egpj.exe", "\xff\xfe", "👩‍🔬", "", " ", "=cmd|' /C calc'!A0", "سعر", "a\nb\tc", "\xef\xbf\xbf",
};

static struct js *strings_of(const char *text, size_t n)
{
	struct js *array = js_array();

	for (size_t i = 0; i < n; i++)
		js_push_str(array, text);
	return array;
}

static struct js *numbers_of(double first, double step, size_t n)
{
	struct js *array = js_array();

	for (size_t i = 0; i < n; i++)
		js_push(array, js_real(first + step * (double)i));
	return array;
}

/* A column that has everything which any of the pages looks at. */
static struct js *column_of(const char *text, bool numbers)
{
	static const char *const texts[] = { "name", "type", "state", "test", "reason", "evidence", "renamed_from" };
	static const char *const reals[] = { "score", "threshold", "p_adjusted", "rows", "nulls", "distinct", "min", "max",
					     "mean", "std", "skewness", "kurtosis", "zeros" };
	struct js *column = js_object(), *picture = js_object(), *top = js_array(), *breaches = js_array();
	struct js *value = js_object(), *breach = js_object();

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(column, texts[i], text);
	for (size_t i = 0; i < ARRAY_LEN(reals); i++)
		js_set_real(column, reals[i], 0.5 + (double)i);
	if (numbers)
		js_set(picture, "edges", numbers_of(-1, 0.25, 9));
	else
		js_set(picture, "values", strings_of(text, 8));
	js_set(picture, "reference", numbers_of(0.1, 0.01, 8));
	js_set(picture, "current", numbers_of(0.2, -0.01, 8));
	js_set(column, "picture", picture);
	js_set_str(value, "value", text);
	js_set_int(value, "count", 3);
	js_push(top, value);
	js_set(column, "top", top);
	js_set_str(breach, "check", text);
	js_set_str(breach, "message", text);
	js_set_str(breach, "value", text);
	js_set_int(breach, "count", 7);
	js_push(breaches, breach);
	js_set(column, "breaches", breaches);
	js_set(column, "warnings", strings_of(text, 2));
	return column;
}

static struct js *result_of(const char *text, size_t columns)
{
	static const char *const texts[] = { "state", "reason", "method", "monitor", "reference", "digest" };
	struct js *result = js_object(), *windows = js_array(), *list = js_array();

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(result, texts[i], text);
	for (size_t i = 0; i < columns; i++)
		js_push(list, column_of(text, i % 2));
	js_set(result, "columns", list);
	js_set(result, "warnings", strings_of(text, 3));
	for (size_t i = 0; i < 3; i++) {
		struct js *window = js_object();

		js_set_str(window, "window", text);
		js_set_str(window, "from", text);
		js_set_str(window, "to", text);
		js_set_str(window, "state", i ? "DRIFT" : text);
		js_set(window, "columns", js_ref(list));
		js_push(windows, window);
	}
	js_set(result, "windows", windows);
	return result;
}

static void hostile_texts_stay_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		CLEANUP_JS struct js *result = result_of(hostile[i], 4);

		for (int kind = 0; kind < KINDS; kind++) {
			CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

			draw(kind, result, hostile[i], &page);
			well_formed(&page);
			assert_null(strstr(page.buf, "<img"));
		}
	}
}

/* What an operation leaves out, or an older one never had. */
static void partial_results_have_pages(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"columns\":[]}", "{\"columns\":[{}]}", "{\"columns\":[{\"name\":\"a\"},{\"name\":1}],\"rows\":null}",
		"{\"windows\":[]}", "{\"windows\":[{}]}", "{\"windows\":[{\"columns\":[{}]}],\"performance\":[{}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"edges\":[1],\"reference\":[],\"current\":[]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"edges\":[1,1],\"reference\":[1],\"current\":[1]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"edges\":[2,1],\"reference\":[1],\"current\":[1]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"edges\":[-1.7e308,1.7e308],\"reference\":[1],\"current\":[1]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"edges\":[0,1],\"reference\":[0],\"current\":[0]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"edges\":[0,5e-324],\"reference\":[1],\"current\":[1]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"picture\":{\"values\":[1,null],\"reference\":[1,0],\"current\":[0,1]}}]}",
		"{\"columns\":[{\"name\":\"a\",\"score\":\"Infinity\",\"threshold\":0}],\"target\":{\"name\":\"a\"}}",
		"{\"columns\":[{\"name\":\"t\",\"type\":\"time\",\"min\":-1e300,\"max\":\"x\",\"histogram\":"
		"{\"edges\":[0,1e17],\"counts\":[3]}}],\"full\":{\"correlations\":[{\"a\":\"a\",\"b\":\"b\","
		"\"r\":null},{\"b\":1},{\"a\":\"c\",\"b\":\"c\",\"r\":7}],\"outliers\":[{}],\"duplicate_rows\":3}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP_JS struct js *result = parse(texts[i]);

		for (int kind = 0; kind < KINDS; kind++) {
			CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

			draw(kind, result, "t.csv", &page);
			well_formed(&page);
			assert_null(strstr(page.buf, "\"nan"));
			assert_null(strstr(page.buf, "\"inf"));
		}
	}
}

static void many_columns_make_a_bounded_page_that_says_so(void **state)
{
	char name[10001];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int kind = 0; kind < KINDS; kind++) {
		CLEANUP_JS struct js *result = result_of(name, 3000);
		CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

		draw(kind, result, name, &page);
		well_formed(&page);
		if (page.len > 4u << 20)
			fail_msg("page %d has %zu bytes", kind, page.len);
		if (kind < 2)
			assert_non_null(strstr(page.buf, "would be too large"));
	}
}

static void a_test_without_a_score_shows_its_p(void **state)
{
	CLEANUP_JS struct js *result = parse("{\"method\":\"evidently\",\"columns\":[{\"name\":\"a\",\"state\":\"DRIFT\","
					     "\"test\":\"ks\",\"threshold\":0.05,\"p\":0.0123}]}");
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

	(void)state;
	page_drift(result, "old.csv", "new.csv", &page);
	assert_non_null(strstr(page.buf, ">0.0123<"));
}

static void states_are_words_too(void **state)
{
	CLEANUP_JS struct js *result = parse("{\"state\":\"QUARANTINED\",\"reason\":\"price is gone\",\"columns\":["
					     "{\"name\":\"price\",\"state\":\"ALL_NULL\"},{\"name\":\"x\",\"state\":\"UNDECIDED\"}]}");
	CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;

	(void)state;
	page_drift(result, "old.csv", "new.csv", &page);
	assert_non_null(strstr(page.buf, "QUARANTINED"));
	assert_non_null(strstr(page.buf, "ALL NULL"));
	assert_non_null(strstr(page.buf, "UNDECIDED"));
	assert_non_null(strstr(page.buf, "price is gone"));
}

/* ---- numbers and ticks ---- */

static void numbers_are_for_people(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" }, { 45312, "45,312" }, { -1234567, "−1,234,567" }, { 0.1, "0.1" }, { 0.123456789, "0.12346" },
		{ 1234.5678, "1,234.6" }, { 123456.789, "123,457" }, { 99999.96, "100,000" }, { 1e15, "1·10¹⁵" },
		{ 1.5e-7, "1.5·10⁻⁷" }, { -2.5e300, "−2.5·10³⁰⁰" }, { 0.0001, "0.0001" },
	};
	char buf[FIGURE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(figure_number(cases[i].value, buf), cases[i].text);
	assert_string_equal(figure_number((double)NAN, buf), "–");
	assert_string_equal(figure_share(0.1234, buf), "12.3 %");
	assert_string_equal(figure_share(0, buf), "0 %");
	assert_string_equal(figure_share(1e-9, buf), "<0.1 %");
	assert_string_equal(figure_share(0.99999, buf), "99.9 %");
	assert_string_equal(figure_share(1, buf), "100 %");
	assert_string_equal(figure_p(1e-20, buf), "<10⁻¹⁵");
	assert_string_equal(figure_time(831427200000.0, 86400e3, buf), "1996-05-07");
}

static void ticks_are(double from, double to, size_t wanted, bool is_time, const char *expected)
{
	CLEANUP_STRBUF struct strbuf all = STRBUF_INIT;
	struct ticks ticks;
	char label[FIGURE];

	ticks_make(from, to, wanted, is_time, &ticks);
	for (size_t i = 0; i < ticks.n; i++) {
		ticks_label(&ticks, i, label, sizeof(label));
		strbuf_printf(&all, "%s%s", i ? " " : "", label);
	}
	assert_string_equal(all.buf, expected);
}

static void ticks_are_round(void **state)
{
	(void)state;
	ticks_are(0, 1, 5, false, "0 0.2 0.4 0.6 0.8 1.0");
	ticks_are(-3, 11, 5, false, "0 5 10");
	ticks_are(0, 45312, 5, false, "0 10k 20k 30k 40k");
	ticks_are(1700000000, 1700000010, 5, false,
		  "1,700,000,000 1,700,000,002 1,700,000,004 1,700,000,006 1,700,000,008 1,700,000,010");
	ticks_are(123456.1, 123456.9, 4, false, "123,456.2 123,456.4 123,456.6 123,456.8");
	ticks_are(2, 2, 5, false, "2");
	ticks_are(-1.7e308, 1.7e308, 5, false, ""); /* further apart than a number can be */
	ticks_are(831427200000.0, 912902400000.0, 4, true, "1997 1998");
	ticks_are(831427200000.0, 831427200000.0 + 86400e3 * 3, 4, true, "1996-05-07 1996-05-08 1996-05-09 1996-05-10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_texts_stay_texts),
		cmocka_unit_test(partial_results_have_pages),
		cmocka_unit_test(many_columns_make_a_bounded_page_that_says_so),
		cmocka_unit_test(a_test_without_a_score_shows_its_p),
		cmocka_unit_test(states_are_words_too),
		cmocka_unit_test(numbers_are_for_people),
		cmocka_unit_test(ticks_are_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
