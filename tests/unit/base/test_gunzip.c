/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "base/gunzip.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* "a,b\n1,2\n", as gzip -n writes it. */
static const char member[] =
	"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\xd4\x49\xe2"
	"\x32\xd4\x31\xe2\x02\x00\x7b\x07\x97\x0a\x08\x00\x00\x00";
#define MEMBER (sizeof(member) - 1)
#define TEXT   "a,b\n1,2\n"

/* Bytes that come a few at a time. */
struct bytes {
	const char *at;
	size_t len, piece;
};

static ssize_t give(void *ctx, void *buf, size_t room, struct error *err)
{
	struct bytes *b = ctx;
	size_t n = b->len < b->piece ? b->len : b->piece;

	(void)err;
	n = n < room ? n : room;
	memcpy(buf, b->at, n);
	b->at += n;
	b->len -= n;
	return (ssize_t)n;
}

static int unzip(const char *data, size_t len, size_t piece, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_gunzip) struct gunzip *g = NULL;
	struct bytes b = { data, len, piece };
	char buf[3];
	ssize_t n;

	assert_int_equal(gunzip_of((struct compressed){ give, &b }, "x.gz", &g, err), 0);
	while ((n = gunzip_read(g, buf, sizeof(buf), err)) > 0)
		strbuf_add(ret, buf, (size_t)n);
	return (int)n;
}

static void gives(const char *data, size_t len, const char *want)
{
	for (size_t piece = 1; piece <= len + 1; piece += len > 100 ? len : 1) {
		CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

		assert_int_equal(unzip(data, len, piece, &got, NULL), 0);
		assert_string_equal(got.buf, want);
	}
}

static void is_damaged(const char *data, size_t len, const char *why)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct error err = { 0 };

	assert_int_equal(unzip(data, len, len, &got, &err), -1);
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.msg, why));
}

static void members_are_read_one_after_another(void **state)
{
	char data[MEMBER * 2 + 600] = { 0 };

	(void)state;
	memcpy(data, member, MEMBER);
	memcpy(data + MEMBER, member, MEMBER);
	gives(data, MEMBER, TEXT);
	gives(data, MEMBER * 2, TEXT TEXT);
	gives(data, sizeof(data), TEXT TEXT); /* zeros of a tape */
}

static void what_lacks_its_end_is_damaged(void **state)
{
	(void)state;
	for (size_t len = 0; len < MEMBER; len++)
		is_damaged(member, len, "lacks its end");
}

static void what_was_changed_is_damaged(void **state)
{
	(void)state;
	for (size_t at = 10; at < MEMBER; at++) { /* before are flags and a time */
		char data[MEMBER];

		memcpy(data, member, MEMBER);
		data[at] ^= 1; /* higher bits of the last byte before the sums fill it up */
		is_damaged(data, MEMBER, "x.gz is damaged: ");
	}
}

static void what_follows_is_named(void **state)
{
	char data[MEMBER + 1];

	(void)state;
	memcpy(data, member, MEMBER);
	data[MEMBER] = 'x';
	is_damaged(data, sizeof(data), "something follows its end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_read_one_after_another),
		cmocka_unit_test(what_lacks_its_end_is_damaged),
		cmocka_unit_test(what_was_changed_is_damaged),
		cmocka_unit_test(what_follows_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
