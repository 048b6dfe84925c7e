/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that cannot come out broken: what is written, whatever the texts are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "monitor/page/html.h"
#include <string.h>

static void escapes_to(const char *text, size_t len, const char *expected)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	html_escape(text, len, &out);
	assert_string_equal(out.buf, expected);
}
#define ESCAPES(literal, expected) escapes_to(literal, sizeof(literal) - 1, expected)

static void markup_is_text(void **state)
{
	(void)state;
	ESCAPES("<script>a && b</script>", "&lt;script&gt;a &amp;&amp; b&lt;/script&gt;");
	ESCAPES("\" onload='x'", "&quot; onload=&#39;x&#39;");
	ESCAPES("]]>", "]]&gt;");
	ESCAPES("&lt;", "&amp;lt;");
	ESCAPES("", "");
}

static void what_cannot_be_seen_is_shown(void **state)
{
	(void)state;
	ESCAPES("a\033[31m\n\t\r", "a␛[31m␊␉␍");
	ESCAPES("\0\x7f", "␀␡");
	ESCAPES("\xc2\x85", "\\u0085");
	ESCAPES("abc\u202egpj", "abc\\u202egpj");
	ESCAPES("\u2066x\u2069 \ufeff \u200b \u2028", "\\u2066x\\u2069 \\ufeff \\u200b \\u2028");
	ESCAPES("\xef\xbf\xbf \xf0\x9f\xbf\xbe", "\\uffff \\u1fffe");
}

static void bytes_that_are_no_text_are_shown(void **state)
{
	(void)state;
	ESCAPES("\xff<\xc3", "\\xff&lt;\\xc3");
	ESCAPES("\xed\xa0\x80", "\\xed\\xa0\\x80");
	ESCAPES("\xc0\xbc", "\\xc0\\xbc");
}

static void other_scripts_and_emoji_stay(void **state)
{
	(void)state;
	ESCAPES("größe 価格 سعر 👩‍🔬", "größe 価格 سعر 👩‍🔬");
}

static void elements_close_themselves_only_where_html_lets_them(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct html h = HTML_INIT(&out);

	(void)state;
	html_open_class(&h, "div", "a\"b");
	html_open(&h, "br");
	html_close(&h);
	html_open(&h, "span");
	html_close(&h);
	html_open(&h, "rect");
	html_coordinate(&h, "x", 1.25);
	html_coordinate(&h, "y", -0.04);
	html_close(&h);
	html_text(&h, "x<y");
	html_close(&h);
	assert_string_equal(out.buf, "<div class=\"a&quot;b\"><br/><span></span><rect x=\"1.3\" y=\"0\"/>x&lt;y</div>");
}

static void long_texts_are_cut_and_counted(void **state)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, cut = STRBUF_INIT;
	struct html h = HTML_INIT(&out);
	char name[10001];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	html_data(&h, name, 10);
	assert_string_equal(out.buf, "<bdi>xxxxxxxxx…</bdi><small class=\"cut\"> (10000 characters)</small>");
	html_cut("äöüß", 4, &cut);
	assert_string_equal(cut.buf, "äöüß");
	strbuf_clear(&cut);
	html_cut("äöüß", 3, &cut);
	assert_string_equal(cut.buf, "äö…");
	/* a cut never leaves half of an escape or a character */
	strbuf_clear(&cut);
	html_cut("\xff\xff\xff", 2, &cut);
	assert_string_equal(cut.buf, "\xff…");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_is_text),
		cmocka_unit_test(what_cannot_be_seen_is_shown),
		cmocka_unit_test(bytes_that_are_no_text_are_shown),
		cmocka_unit_test(other_scripts_and_emoji_stay),
		cmocka_unit_test(elements_close_themselves_only_where_html_lets_them),
		cmocka_unit_test(long_texts_are_cut_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
