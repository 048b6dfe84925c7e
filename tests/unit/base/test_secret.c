/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and passwords: what is made is taken again, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/secret.h"

static struct error err;

static void a_token_is_its_own_proof(void **state)
{
	char token[TOKEN_LEN + 1], id[TOKEN_ID + 1], found[TOKEN_ID + 1];

	(void)state;
	access_token_make(token, id);
	assert_int_equal(strlen(token), TOKEN_LEN);
	assert_int_equal(strncmp(token, "mlops_", 6), 0);
	assert_int_equal(access_token_parse(token, found, &err), 0);
	assert_string_equal(id, found);
}

static void tokens_differ(void **state)
{
	char one[TOKEN_LEN + 1], two[TOKEN_LEN + 1], id[TOKEN_ID + 1], other[TOKEN_ID + 1];

	(void)state;
	access_token_make(one, id);
	access_token_make(two, other);
	assert_string_not_equal(one, two);
	assert_string_not_equal(id, other);
}

/* Made by another program, with the CRC-32 of zlib. */
static void the_sum_is_the_crc_that_everybody_has(void **state)
{
	static const char token[] = "mlops_AAAAAAAA_0000000000000000000000000000000000000000000_0cOueo";
	char id[TOKEN_ID + 1];

	(void)state;
	assert_int_equal(access_token_parse(token, id, &err), 0);
}

static void one_wrong_character_is_told_from_a_wrong_token(void **state)
{
	char token[TOKEN_LEN + 1], id[TOKEN_ID + 1];

	(void)state;
	access_token_make(token, id);
	for (size_t i = 0; i < TOKEN_LEN; i++) {
		char before = token[i];

		token[i] = before == 'x' ? 'y' : 'x';
		error_clear(&err);
		assert_int_equal(access_token_parse(token, id, &err), -1);
		assert_int_equal(err.code, ERR_AUTH);
		assert_null(strstr(err.msg, token + 15));
		token[i] = before;
	}
	token[TOKEN_LEN - 1] = '\0';
	assert_int_equal(access_token_parse(token, id, &err), -1);
	assert_int_equal(access_token_parse("", id, &err), -1);
}

static void a_password_fits_its_hash_only(void **state)
{
	char hash[PASSWORD_HASH], again[PASSWORD_HASH];

	(void)state;
	assert_int_equal(password_hash("open sesame", hash, &err), 0);
	assert_int_equal(strncmp(hash, "scrypt:32768:8:1$", 17), 0);
	assert_int_equal(strlen(hash), 17 + 16 + 1 + 128);
	assert_true(password_verify("open sesame", hash));
	assert_false(password_verify("open sesamE", hash));
	assert_false(password_verify("", hash));
	assert_int_equal(password_hash("open sesame", again, &err), 0);
	assert_string_not_equal(hash, again);
}

/* Made by werkzeug 3.1: generate_password_hash("correct horse") */
static void hashes_of_werkzeug_are_taken(void **state)
{
	static const char hash[] = 
		"scrypt:32768:8:1$xper8osRwc8w81hg$b64959c66bafcbf081fe4ca1368ba2405286b4dd09242a139b0fde2f641b17a1ef40a097d3ba68cc782030a81fad214823555bc265b7f239e38ea4f2c586e531";

	(void)state;
	assert_true(password_verify("correct horse", hash));
	assert_false(password_verify("correct horsE", hash));
}

static void what_is_no_hash_fits_nothing(void **state)
{
	static const char *const hashes[] = {
		"", "scrypt:", "scrypt:32768:8:1$", "scrypt:32768:8:1$salt", "scrypt:32768:8:1$salt$", "scrypt:0:8:1$a$b",
		"scrypt:1073741824:8:1$a$b", "scrypt:32768:1000000:1$a$b", "scrypt:-1:8:1$a$b", "pbkdf2:sha256$a$b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		assert_false(password_verify("x", hashes[i]));
	assert_false(password_verify("x", NULL));
}

static void equal_is_equal(void **state)
{
	(void)state;
	assert_true(secret_equal("abc", 3, "abc", 3));
	assert_false(secret_equal("abc", 3, "abd", 3));
	assert_false(secret_equal("abc", 3, "abcd", 4));
	assert_true(secret_equal("", 0, "", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_its_own_proof),
		cmocka_unit_test(tokens_differ),
		cmocka_unit_test(the_sum_is_the_crc_that_everybody_has),
		cmocka_unit_test(one_wrong_character_is_told_from_a_wrong_token),
		cmocka_unit_test(a_password_fits_its_hash_only),
		cmocka_unit_test(hashes_of_werkzeug_are_taken),
		cmocka_unit_test(what_is_no_hash_fits_nothing),
		cmocka_unit_test(equal_is_equal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
