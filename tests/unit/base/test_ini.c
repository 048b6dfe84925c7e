/* SPDX-License-Identifier: Apache-2.0 */
/* What a person may write in an INI file, and what reaches the caller of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/ini.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"

/* Writes what the handler sees: "[section] LINE:COL" or "key=VALUE LINE:COL", and for each line of
 * a value " LINE:COL:TEXT". */
struct seen {
	struct strbuf text;
	const char *refuse_key; /* the handler fails at this one */
};

static int see(void *ctx, const struct ini_entry *e, struct error *err)
{
	struct seen *seen = ctx;

	if (e->key && seen->refuse_key && !strcmp(e->key, seen->refuse_key))
		return error_set(err, ERR_CONFLICT, "refused %s", e->key);
	if (!e->key)
		strbuf_printf(&seen->text, "[%s]", e->section);
	else
		strbuf_printf(&seen->text, "%s.%s=%s", e->section, e->key, e->value);
	strbuf_printf(&seen->text, " %d:%d", e->line, e->column);
	for (size_t i = 0; i < e->nlines; i++)
		strbuf_printf(&seen->text, " %d:%d:%s", e->lines[i].line, e->lines[i].column,
			      e->lines[i].text);
	strbuf_putc(&seen->text, '|');
	return 0;
}

static void expect_bytes(const char *text, size_t len, const char *expected)
{
	struct seen seen = { .text = STRBUF_INIT };
	/* An exact copy lets the sanitizer see a read past the end. */
	char *exact = xmalloc(len ? len : 1);
	struct error err;

	error_clear(&err);
	memcpy(exact, text, len);
	if (ini_parse_text(exact, len, "f.ini", see, &seen, &err) < 0)
		fail_msg("%s: %s", err.where, err.msg);
	assert_string_equal(seen.text.buf, expected);
	strbuf_release(&seen.text);
	free(exact);
}

static void expect(const char *text, const char *expected)
{
	expect_bytes(text, strlen(text), expected);
}

static void expect_error_bytes(const char *text, size_t len, const char *where, const char *message)
{
	struct seen seen = { .text = STRBUF_INIT };
	struct error err;

	error_clear(&err);
	assert_int_equal(ini_parse_text(text, len, "f.ini", see, &seen, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_string_equal(err.where, where);
	assert_non_null(strstr(err.msg, message));
	strbuf_release(&seen.text);
}

static void expect_error(const char *text, const char *where, const char *message)
{
	expect_error_bytes(text, strlen(text), where, message);
}

static void sections_and_keys_have_positions(void **state)
{
	(void)state;
	expect("", "");
	expect("[a]\nk = v\n", "[a] 1:2|a.k=v 2:1 2:5:v|");
	expect("\n# c\n[ a ]\nk=v\n[b.c]\n  \nlong_key   =   v w  ",
	       "[a] 3:3|a.k=v 4:1 4:3:v|[b.c] 5:2|b.c.long_key=v w 7:1 7:16:v w|");
}

static void every_line_of_a_list_has_a_position(void **state)
{
	(void)state;
	expect("[a]\nin = one\n     two\n\tthree\n",
	       "[a] 1:2|a.in=one\ntwo\nthree 2:1 2:6:one 3:6:two 4:2:three|");
	/* a value that starts on the next line */
	expect("[a]\nin =\n  one\n  two  \nk=1",
	       "[a] 1:2|a.in=one\ntwo 2:1 3:3:one 4:3:two|a.k=1 5:1 5:3:1|");
}

static void comments_and_blank_lines_do_not_end_a_value(void **state)
{
	(void)state;
	expect("[a]\nin = one\n\n# note\n; note\n   \n  two\n",
	       "[a] 1:2|a.in=one\ntwo 2:1 2:6:one 7:3:two|");
}

static void comment_signs_inside_a_value_are_text(void **state)
{
	(void)state;
	expect("[a]\ncmd = a ; b # c\n", "[a] 1:2|a.cmd=a ; b # c 2:1 2:7:a ; b # c|");
	expect("[a]\ncmd = ;a\n  #b\n  ; c\n",
	       "[a] 1:2|a.cmd=;a\n#b\n; c 2:1 2:7:;a 3:3:#b 4:3:; c|");
	expect("[a]\ncmd = #\n", "[a] 1:2|a.cmd=# 2:1 2:7:#|");
}

static void text_that_looks_escaped_stays_as_it_is(void **state)
{
	(void)state;
	expect("[a]\nk = %,%%;%3b >.+@=: [x]\n",
	       "[a] 1:2|a.k=%,%%;%3b >.+@=: [x] 2:1 2:5:%,%%;%3b >.+@=: [x]|");
	expect("[@1+2]\n@1+2 = @\n@ = 1\n", "[@1+2] 1:2|@1+2.@1+2=@ 2:1 2:8:@|@1+2.@=1 3:1 3:5:1|");
	expect("[a]\nk = \v\fx\f\v\n", "[a] 1:2|a.k=\v\fx\f\v 2:1 2:5:\v\fx\f\v|");
}

static void comment_before_the_first_key_may_be_indented(void **state)
{
	(void)state;
	expect("  # c\n[a]\n  ; c\nk = v\n", "[a] 2:2|a.k=v 4:1 4:5:v|");
}

static void names_may_hold_any_text(void **state)
{
	(void)state;
	expect("[step.a:b ; c=d]\nx:y ;z # = 1=2\n",
	       "[step.a:b ; c=d] 1:2|step.a:b ; c=d.x:y ;z #=1=2 2:1 2:12:1=2|");
	expect("[\xc3\xa4]\n\xe2\x82\xac = \xf0\x9f\x98\x80\n",
	       "[\xc3\xa4] 1:2|\xc3\xa4.\xe2\x82\xac=\xf0\x9f\x98\x80 2:1 2:7:\xf0\x9f\x98\x80|");
}

static void empty_values_and_sections_are_seen(void **state)
{
	(void)state;
	expect("[a]\n[b]\nk =\nl=\n[c]", "[a] 1:2|[b] 2:2|b.k= 3:1|b.l= 4:1|[c] 5:2|");
}

static void duplicates_are_seen_each(void **state)
{
	(void)state;
	expect("[a]\nk=1\nk=2\n[a]\nk=3\n",
	       "[a] 1:2|a.k=1 2:1 2:3:1|a.k=2 3:1 3:3:2|[a] 4:2|a.k=3 5:1 5:3:3|");
}

static void crlf_and_bom_are_accepted(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf[a]\r\nk = v\r\n  w\r\n\r\n", "[a] 1:2|a.k=v\nw 2:1 2:5:v 3:3:w|");
	/* only the one before the line's end belongs to it */
	expect("[a]\nk = v\rw\r\r\n", "[a] 1:2|a.k=v\rw\r 2:1 2:5:v\rw\r|");
	expect("\xef\xbb\xbf", "");
}

/* Lengths around inih's buffer, its names, and our pieces. */
static void any_length_survives(void **state)
{
	static const size_t lengths[] = { 1, 47, 48, 49, 50, 51, 183, 184, 185, 186, 187, 188, 189,
					  190, 191, 199, 200, 201, 380, 5000 };
	static const char *const fills[] = { "x", " ;y", "% ", "\xc3\xa4", "#=;:" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths) * ARRAY_LEN(fills); i++) {
		CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
		CLEANUP_STRBUF struct strbuf want = STRBUF_INIT;
		size_t len = lengths[i / ARRAY_LEN(fills)];
		const char *w;

		while (word.len < len)
			strbuf_puts(&word, fills[i % ARRAY_LEN(fills)]);
		/* names and values are trimmed, and a '=' ends a key */
		strbuf_putc(&word, '.');
		w = word.buf + strspn(word.buf, " ;#");
		strbuf_printf(&text, "[%s]\nn%.*s = %s\n  %s\n", w, (int)strcspn(w, "="), w, w, w);
		strbuf_printf(&want, "[%s] 1:2|%s.n%.*s=%s\n%s 2:1 2:%zu:%s 3:3:%s|", w, w,
			      (int)strcspn(w, "="), w, w, w, strcspn(w, "=") + 5, w, w);
		expect_bytes(text.buf, text.len, want.buf);
	}
}

static int measure(void *ctx, const struct ini_entry *e, struct error *err)
{
	size_t *bytes = ctx;

	(void)err;
	*bytes += strlen(e->value);
	return 0;
}

static void largest_file_is_one_line(void **state)
{
	char *text = xmalloc(INI_MAX_BYTES + 1);
	size_t bytes = 0;
	struct error err;

	(void)state;
	memset(text, ';', INI_MAX_BYTES + 1);
	memcpy(text, "[a]\nk=", 6);
	assert_int_equal(ini_parse_text(text, INI_MAX_BYTES, "f.ini", measure, &bytes, &err), 0);
	assert_int_equal(bytes, INI_MAX_BYTES - 6);
	expect_error_bytes(text, INI_MAX_BYTES + 1, "f.ini", "the limit is 4194304");
	free(text);
}

static void errors_tell_where(void **state)
{
	static const struct {
		const char *text, *where, *message;
	} cases[] = {
		{ "k = v\n", "f.ini:1:1", "text before the first section" },
		{ "# c\n\nnonsense\n", "f.ini:3:1", "text before the first section" },
		{ "[a\n", "f.ini:1:1", "section without ']'" },
		{ "[a]\n[b ; c\n", "f.ini:2:1", "section without ']'" },
		{ "[]\n", "f.ini:1:1", "section without a name" },
		{ "[ \t ]\n", "f.ini:1:1", "section without a name" },
		{ "[a] k = v\n", "f.ini:1:4", "text after the section's ']'" },
		{ "[a] ; c\n", "f.ini:1:4", "text after the section's ']'" },
		{ "[a]\nk = v\nword\n", "f.ini:3:1", "line without '='" },
		{ "[a]\nk: v\n", "f.ini:2:1", "line without '='" },
		{ "[a]\n = v\n", "f.ini:2:1", "no value stands above" },
		{ "[a]\n= v\n", "f.ini:2:1", "'=' without a key" },
		{ "[a]\nk=v\n[b]\n  l=v\n", "f.ini:4:1", "no value stands above" },
		{ "[a]\nk = \xff\n", "f.ini:2:5", "not valid UTF-8" },
		{ "\xef\xbb\xbf[\xc3]\n", "f.ini:1:2", "not valid UTF-8" },
		{ "\xff\xfe[\n", "f.ini:1:1", "not valid UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_error(cases[i].text, cases[i].where, cases[i].message);
	expect_error_bytes("[a]\nk = v\0w\n", 12, "f.ini:2:6", "NUL");
	expect_error_bytes("\0", 1, "f.ini:1:1", "NUL");
}

static void handler_error_ends_the_parse_and_comes_in_file_order(void **state)
{
	struct seen seen = { .text = STRBUF_INIT, .refuse_key = "bad" };
	const char *text = "[a]\nok = 1\nbad = 2\nnonsense\n[b]\n";
	struct error err;

	(void)state;
	assert_int_equal(ini_parse_text(text, strlen(text), "f.ini", see, &seen, &err), -1);
	assert_string_equal(err.msg, "refused bad");
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(seen.text.buf, "[a] 1:2|a.ok=1 2:1 2:6:1|");
	strbuf_release(&seen.text);

	seen = (struct seen){ .text = STRBUF_INIT, .refuse_key = "bad" };
	text = "[a]\nnonsense\nbad = 2\n";
	assert_int_equal(ini_parse_text(text, strlen(text), "f.ini", see, &seen, NULL), -1);
	assert_string_equal(seen.text.buf, "[a] 1:2|");
	strbuf_release(&seen.text);

	/* the last entry of a file is judged too */
	seen = (struct seen){ .text = STRBUF_INIT, .refuse_key = "bad" };
	text = "[a]\nbad = 2";
	assert_int_equal(ini_parse_text(text, strlen(text), "f.ini", see, &seen, &err), -1);
	assert_string_equal(err.msg, "refused bad");
	strbuf_release(&seen.text);
}

static void utf8_follows_rfc_3629(void **state)
{
	static const char *const valid[] = { "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
					     "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
					     "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const invalid[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
					       "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80",
					       "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
					       "\xf5\x80\x80\x80", "\xf0\x90\x80", "\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(valid); i++)
		assert_int_equal(utf8_length(valid[i], strlen(valid[i])), strlen(valid[i]));
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
		assert_int_equal(utf8_length(invalid[i], strlen(invalid[i])), 0);
	assert_int_equal(utf8_length("", 0), 0);
	assert_int_equal(utf8_span("0123456789abcdef\xc3\xa4xyz\xc3", 22), 21);
	assert_int_equal(utf8_span("a\0b", 3), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_keys_have_positions),
		cmocka_unit_test(every_line_of_a_list_has_a_position),
		cmocka_unit_test(comments_and_blank_lines_do_not_end_a_value),
		cmocka_unit_test(comment_signs_inside_a_value_are_text),
		cmocka_unit_test(text_that_looks_escaped_stays_as_it_is),
		cmocka_unit_test(comment_before_the_first_key_may_be_indented),
		cmocka_unit_test(names_may_hold_any_text),
		cmocka_unit_test(empty_values_and_sections_are_seen),
		cmocka_unit_test(duplicates_are_seen_each),
		cmocka_unit_test(crlf_and_bom_are_accepted),
		cmocka_unit_test(any_length_survives),
		cmocka_unit_test(largest_file_is_one_line),
		cmocka_unit_test(errors_tell_where),
		cmocka_unit_test(handler_error_ends_the_parse_and_comes_in_file_order),
		cmocka_unit_test(utf8_follows_rfc_3629),
	};

	return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
