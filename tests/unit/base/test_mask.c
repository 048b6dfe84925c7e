/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mask.h"
#include "base/mask_internal.h"
#include "base/mem.h"
#include "base/strbuf.h"

static struct mask_set *set_of(const char *const *secrets, size_t n)
{
	struct mask_set *set = mask_set_new();

	for (size_t i = 0; i < n; i++)
		mask_set_add(set, secrets[i], strlen(secrets[i]));
	return set;
}

static void assert_masked(const char *secret, const char *text, const char *wanted)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct mask_set *set = set_of(&secret, 1);

	mask_text(set, text, strlen(text), &out);
	assert_string_equal(out.buf, wanted);
	mask_set_free(set);
}

/* ---- forms, as other programs write them ---- */

static void the_value_and_each_of_its_lines(void **state)
{
	(void)state;
	assert_masked("hunter22", "it is hunter22, or hunter2", "it is ***, or hunter2");
	assert_masked("hunter22", "hunter22hunter22", "******");
	assert_masked("first line\r\n  second\nxyz\n", "first line\n|  second\r\nxyz", "***\n|  ***\r\nxyz");
	assert_masked("abc", "abc", "abc");
	assert_masked("", "abc", "abc");
}

static void base64_at_each_alignment(void **state)
{
	static const char *const rows[][2] = {
		{ "c2VjcmV0IQ==", "***" },             /* "secret!" */
		{ "c2VjcmV0IQ", "***" },
		{ "c2VjcmV0IWFuZA==", "***WFuZA==" },   /* "secret!and": one digit is shared */
		{ "eHNlY3JldCE=", "eH***" },           /* "xsecret!": two digits are shared */
		{ "eHhzZWNyZXQh", "eHh***" },          /* "xxsecret!" */
		{ "eHhzZWNyZXQhbW9yZQ==", "eHh***bW9yZQ==" },
		{ "eHNlY3JldCFtb3Jl", "eH***Ftb3Jl" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked("secret!", rows[i][0], rows[i][1]);
	assert_masked("~~~?\?\?>>>", "fn5-Pz8_Pj4- fn5+Pz8/Pj4+", "*** ***");
	/* a line of it alone, and base64 that is wrapped as base64(1) does */
	assert_masked("one line\nanother line\n", "YW5vdGhlciBsaW5l", "***");
	assert_masked("-----BEGIN KEY-----\nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\n",
		      "LS0tLS1CRUdJTiBLRVktLS0tLQphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ekFCQ0RFRkdISUpL\n"
		      "TE1OT1BRUlNUVVZXWFlaCg==\n",
		      "***\n***\n");
}

static void percent_encoding_of_both_cases(void **state)
{
	static const char secret[] = "p\xc3\xa4 s/w:r*d~+";
	static const char *const rows[] = {
		"p%C3%A4%20s%2Fw%3Ar%2Ad~%2B", "p%c3%a4%20s%2fw%3ar%2ad~%2b", /* RFC 3986 */
		"p%C3%A4%20s/w%3Ar%2Ad~%2B",   /* quote() of Python */
		"p%C3%A4%20s%2Fw%3Ar*d~%2B",   /* encodeURIComponent() */
		"p%C3%A4%20s/w:r*d~+",         /* encodeURI() */
		"p%C3%A4+s%2Fw%3Ar%2Ad~%2B",   /* quote_plus() of Python */
		"p%C3%A4+s%2Fw%3Ar*d%7E%2B",   /* URLSearchParams */
		"p%C3%A4+s%2Fw%3Ar%2Ad%7E%2B", /* urlencode() of PHP */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked(secret, rows[i], "***");
}

static void strings_of_json(void **state)
{
	static const char secret[] = "a\"b\\c/\xc3\xa4<\xf0\x9f\x94\x91\ty\x01z";
	static const char *const rows[] = {
		"a\\\"b\\\\c/\xc3\xa4<\xf0\x9f\x94\x91\\ty\\u0001z",
		"a\\\"b\\\\c\\/\\u00e4<\\ud83d\\udd11\\ty\\u0001z",
		"a\\\"b\\\\c/\\u00e4<\\ud83d\\udd11\\ty\\u0001z",
		"a\\\"b\\\\c/\\u00E4<\\uD83D\\uDD11\\ty\\u0001z",
		"a\\\"b\\\\c/\xc3\xa4\\u003c\xf0\x9f\x94\x91\\ty\\u0001z",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_masked(secret, rows[i], "***");
	assert_masked("one \"two\"\nthree", "{\"k\": \"one \\\"two\\\"\\nthree\"}", "{\"k\": \"***\\n***\"}");
}

/* ---- how matches meet ---- */

static void overlaps_become_one(void **state)
{
	static const struct {
		const char *secrets[3], *text, *wanted;
	} rows[] = {
		{ { "abcdef", "defghi" }, "xabcdefghiy", "x***y" },
		{ { "abXcdYZ", "abXc", "cdYZ" }, "abXcdYq abXcdYZq", "***dYq ***q" },
		{ { "aaaaaaaa" }, "aaaaaaaaaaaaaaaaaaaab aaaaaaa", "***b aaaaaaa" },
		{ { "long pattern", "term" }, "long pattermx long pattern", "long pat***x ***" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
		struct mask_set *set = mask_set_new();
		for (size_t k = 0; k < 3 && rows[i].secrets[k]; k++)
			mask_set_add(set, rows[i].secrets[k], strlen(rows[i].secrets[k]));
		mask_text(set, rows[i].text, strlen(rows[i].text), &out);
		assert_string_equal(out.buf, rows[i].wanted);
		mask_set_free(set);
	}
}

static void nothing_is_held_across_a_line_feed(void **state)
{
	static const char *const secret = "hunter22";
	struct mask_set *set = set_of(&secret, 1);
	struct mask_stream *m = mask_stream_new(set);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	(void)state;
	mask_stream_feed(m, "a hunt", 6, &out);
	assert_string_equal(out.buf, "a ");
	mask_stream_feed(m, "er2\n", 4, &out);
	assert_string_equal(out.buf, "a hunter2\n");
	mask_stream_feed(m, "hunter2", 7, &out);
	mask_stream_end(m, &out);
	assert_string_equal(out.buf, "a hunter2\nhunter2");
	/* a new stream begins: the rest of the secret is not one */
	mask_stream_feed(m, "2hunter", 7, &out);
	mask_stream_feed(m, "22", 2, &out);
	mask_stream_end(m, &out);
	assert_string_equal(out.buf, "a hunter2\nhunter22***");
	mask_stream_free(m);
	mask_set_free(set);
}

static void an_empty_set_lets_all_through(void **state)
{
	struct mask_set *set = set_of((const char *const[]){ "abc" }, 1);
	const struct mask_set *sets[] = { set, NULL };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
		assert_true(mask_set_is_empty(sets[i]));
		mask_text(sets[i], "abc\0d", 5, &out);
		assert_int_equal(out.len, 5);
	}
	mask_set_free(set);
}

/* ---- against a slow and simple one ---- */

#define TEXT 600

struct naive {
	const char *text;
	size_t len;
	size_t reach[TEXT]; /* end of the longest pattern that begins here, or 0 */
};

static void find_slowly(void *ctx, const char *pattern, size_t len)
{
	struct naive *n = ctx;

	for (size_t i = 0; i + len <= n->len; i++)
		if (!memcmp(n->text + i, pattern, len) && n->reach[i] < i + len)
			n->reach[i] = i + len;
}

static void mask_slowly(const struct naive *n, struct strbuf *out)
{
	size_t covered = 0;

	for (size_t i = 0; i < n->len; i++) {
		if (n->reach[i] && i >= covered)
			strbuf_puts(out, "***");
		if (n->reach[i] > covered)
			covered = n->reach[i];
		if (i >= covered)
			strbuf_putc(out, n->text[i]);
	}
}

static uint32_t lot; /* xorshift */
static uint32_t draw(uint32_t below)
{
	lot ^= lot << 13;
	lot ^= lot >> 17;
	lot ^= lot << 5;
	return lot % below;
}

static size_t draw_text(char *ret, size_t max, const char *letters)
{
	size_t len = draw((uint32_t)max);

	for (size_t i = 0; i < len; i++)
		ret[i] = letters[draw((uint32_t)strlen(letters))];
	return len;
}

struct forms {
	struct strbuf all; /* one after another */
	size_t from[4096], len;
};

static void keep_form(void *ctx, const char *pattern, size_t len)
{
	struct forms *forms = ctx;

	if (forms->len + 1 == ARRAY_LEN(forms->from))
		return;
	forms->from[forms->len++] = forms->all.len;
	strbuf_add(&forms->all, pattern, len);
	forms->from[forms->len] = forms->all.len;
}

/* Pieces of forms, whole forms and noise. */
static size_t draw_stream(char ret[TEXT], const struct forms *forms, const char *letters)
{
	size_t len = 0;

	while (len + 50 < TEXT) {
		size_t pick = forms->len ? draw((uint32_t)forms->len) : 0;
		size_t n = forms->len ? forms->from[pick + 1] - forms->from[pick] : 0;
		if (!n || !draw(3)) {
			len += draw_text(ret + len, 8, letters);
			continue;
		}
		if (!draw(2))
			n = 1 + draw((uint32_t)n);
		if (n > TEXT - len)
			break;
		memcpy(ret + len, forms->all.buf + forms->from[pick], n);
		len += n;
	}
	return len;
}

static void one_round(const char *letters)
{
	CLEANUP_STRBUF struct strbuf wanted = STRBUF_INIT, got = STRBUF_INIT;
	char secrets[3][40], text[TEXT];
	struct mask_set *set = mask_set_new();
	struct forms *forms = xcalloc(1, sizeof(*forms));
	struct naive naive = { .text = text };
	struct mask_stream *m;
	size_t lens[3];

	forms->all = (struct strbuf)STRBUF_INIT;
	for (size_t i = 0; i < 3; i++) {
		lens[i] = draw_text(secrets[i], sizeof(secrets[i]), letters);
		mask_set_add(set, secrets[i], lens[i]);
		mask_each_form(secrets[i], lens[i], keep_form, forms);
	}
	naive.len = draw_stream(text, forms, letters);
	for (size_t i = 0; i < 3; i++)
		mask_each_form(secrets[i], lens[i], find_slowly, &naive);
	mask_slowly(&naive, &wanted);
	m = mask_stream_new(set);
	for (size_t at = 0, n; at < naive.len; at += n) {
		n = draw(4) ? 1 + draw(9) : draw(100);
		n = n < naive.len - at ? n : naive.len - at;
		mask_stream_feed(m, text + at, n, &got);
	}
	mask_stream_end(m, &got);
	assert_int_equal(got.len, wanted.len);
	assert_memory_equal(got.buf, wanted.buf, wanted.len);
	for (size_t i = 0; i < forms->len; i++)
		if (!memchr(forms->all.buf + forms->from[i], '*', forms->from[i + 1] - forms->from[i]))
			assert_null(memmem(got.buf, got.len, forms->all.buf + forms->from[i],
					   forms->from[i + 1] - forms->from[i]));
	mask_stream_free(m);
	mask_set_free(set);
	strbuf_release(&forms->all);
	free(forms);
}

static void any_cut_gives_what_a_slow_search_gives(void **state)
{
	static const char *const alphabets[] = { "ab", "abc\n", "aA+/ %=", "x\"\\/\n\xc3\xa4&", "0123456789abcdef-_" };

	(void)state;
	lot = 2463534242u;
	for (size_t i = 0; i < 300; i++)
		one_round(alphabets[i % ARRAY_LEN(alphabets)]);
}

/* The largest secret there is, byte by byte. */
static void a_long_pattern_is_found_in_single_bytes(void **state)
{
	enum { LEN = 65536 };
	CLEANUP(cleanup_free) char *secret = xmalloc(LEN);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct mask_set *set = mask_set_new();
	struct mask_stream *m;

	(void)state;
	memset(secret, 'a', LEN);
	secret[LEN - 1] = 'b';
	mask_set_add(set, secret, LEN);
	m = mask_stream_new(set);
	for (size_t i = 0; i < 100; i++)
		mask_stream_feed(m, "a", 1, &out);
	for (size_t i = 0; i < LEN; i++)
		mask_stream_feed(m, secret + i, 1, &out);
	mask_stream_feed(m, "aaab", 4, &out);
	mask_stream_end(m, &out);
	assert_int_equal(out.len, 100 + 3 + 4);
	assert_string_equal(out.buf + 100, "***aaab");
	mask_stream_free(m);
	mask_set_free(set);
}

static void assert_cut(const char *text, const char *wanted)
{
	static const char *const secrets[] = { "hunter22", "nter" };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct mask_set *set = set_of(secrets, ARRAY_LEN(secrets));

	mask_cut_text(set, text, strlen(text), &out);
	assert_string_equal(out.buf, wanted);
	mask_set_free(set);
}

static void no_start_of_a_secret_stays_where_a_text_was_cut(void **state)
{
	(void)state;
	assert_cut("it is hunter22", "it is ***");
	assert_cut("it is hunter2", "it is ***");
	assert_cut("it is hunt", "it is ***");
	assert_cut("it is hun", "it is hun");
	assert_cut("hunter2, hunter2\n", "hu***2, hu***2\n");
	assert_cut("hunter22hunte", "******");
	assert_cut("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_value_and_each_of_its_lines),
		cmocka_unit_test(base64_at_each_alignment),
		cmocka_unit_test(percent_encoding_of_both_cases),
		cmocka_unit_test(strings_of_json),
		cmocka_unit_test(overlaps_become_one),
		cmocka_unit_test(nothing_is_held_across_a_line_feed),
		cmocka_unit_test(an_empty_set_lets_all_through),
		cmocka_unit_test(any_cut_gives_what_a_slow_search_gives),
		cmocka_unit_test(a_long_pattern_is_found_in_single_bytes),
		cmocka_unit_test(no_start_of_a_secret_stays_where_a_text_was_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
