/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 keys and signatures, and envelopes that are signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "base/base64.h"
#include "base/dsse.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/sign.h"
#include "base/strbuf.h"

static struct error err;

/* RFC 8032 section 7.1, TEST 2, in PKCS #8: a message of one byte, 0x72. */
static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
			  "-----END PRIVATE KEY-----\n";
static const uint8_t public[SIGN_PUBLIC] = {
	0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
	0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
};
static const uint8_t signature[SIGN_SIGNATURE] = {
	0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
	0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
	0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
	0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
};

static void signatures_are_those_of_the_rfc(void **state)
{
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	CLEANUP_STRBUF struct strbuf again = STRBUF_INIT;
	uint8_t found[SIGN_SIGNATURE];
	struct sign_public half;

	(void)state;
	assert_int_equal(sign_key_parse(pem, strlen(pem), &key, &err), 0);
	sign_key_public(key, &half);
	assert_memory_equal(half.b, public, SIGN_PUBLIC);
	assert_int_equal(sign_bytes(key, "\x72", 1, found, &err), 0);
	assert_memory_equal(found, signature, SIGN_SIGNATURE);
	assert_true(sign_verify(&half, "\x72", 1, found));
	assert_false(sign_verify(&half, "\x73", 1, found));
	found[9] ^= 1;
	assert_false(sign_verify(&half, "\x72", 1, found));
	assert_int_equal(sign_key_pem(key, &again, &err), 0);
	assert_string_equal(again.buf, pem);
}

static void public_keys_come_back_and_have_an_id(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct sign_public key, again;
	char id[SIGN_ID + 1];

	(void)state;
	memcpy(key.b, public, SIGN_PUBLIC);
	sign_public_pem(&key, &text);
	assert_string_equal(text.buf, "-----BEGIN PUBLIC KEY-----\n"
				      "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n"
				      "-----END PUBLIC KEY-----\n");
	assert_int_equal(sign_public_parse(text.buf, text.len, &again, &err), 0);
	assert_memory_equal(again.b, public, SIGN_PUBLIC);
	/* sha256sum of what openssl pkey -pubin -outform DER writes */
	sign_public_id(&key, id);
	assert_string_equal(id, "deb2ded39dc26fce0e6085b6fc34bf6b5941913bbfe2ea614113cff9e004c170");
}

static void what_is_no_key_is_refused_and_not_repeated(void **state)
{
	/* an EC key, an encrypted one, a private one where a public one is wanted, half of one, nothing */
	static const char *const texts[] = {
		"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso",
		"hunter2",
		"",
	};
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	struct sign_public half;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(sign_key_parse(texts[i], strlen(texts[i]), &key, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_null(strstr(err.msg, "hunter2"));
		assert_int_equal(sign_public_parse(texts[i], strlen(texts[i]), &half, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_int_equal(sign_public_parse(pem, strlen(pem), &half, &err), -1);
	assert_null(key);
}

static void keys_differ(void **state)
{
	CLEANUP(cleanup_sign_key) struct sign_key *one = NULL;
	CLEANUP(cleanup_sign_key) struct sign_key *two = NULL;
	struct sign_public a, b;

	(void)state;
	assert_int_equal(sign_key_make(&one, &err), 0);
	assert_int_equal(sign_key_make(&two, &err), 0);
	sign_key_public(one, &a);
	sign_key_public(two, &b);
	assert_memory_not_equal(a.b, b.b, SIGN_PUBLIC);
}

/* ---- envelopes ---- */

#define TYPE "http://example.com/HelloWorld"
#define SIGNED "DSSEv1 29 http://example.com/HelloWorld 11 hello world" /* the example of the protocol */

static struct js *envelope(struct sign_public *ret)
{
	CLEANUP(cleanup_sign_key) struct sign_key *key = NULL;
	struct js *json;

	assert_int_equal(sign_key_parse(pem, strlen(pem), &key, &err), 0);
	sign_key_public(key, ret);
	assert_int_equal(dsse_sign(TYPE, "hello world", 11, key, &json, &err), 0);
	return json;
}

static void an_envelope_signs_type_and_body(void **state)
{
	CLEANUP_STRBUF struct strbuf sig = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct sign_public key;
	CLEANUP_JS struct js *json = envelope(&key);

	(void)state;
	assert_true(base64_decode(js_get_str(js_at(js_get(json, "signatures"), 0), "sig"), &sig));
	assert_true(sign_verify(&key, SIGNED, strlen(SIGNED), (uint8_t *)sig.buf));
	assert_int_equal(dsse_open(json, TYPE, &key, &body, &err), 1);
	assert_string_equal(body.buf, "hello world");
	key.b[0] ^= 1;
	assert_int_equal(dsse_open(json, TYPE, &key, &body, &err), 0);
}

static void both_alphabets_of_base64_are_read(void **state)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct sign_public key;
	CLEANUP_JS struct js *json = envelope(&key);
	struct js *one = js_at(js_get(json, "signatures"), 0);
	CLEANUP(cleanup_free) char *sig = xstrdup(js_get_str(one, "sig"));

	(void)state;
	for (char *c = sig; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	js_set_str(one, "sig", sig);
	js_set_str(one, "keyid", "of another program");
	assert_int_equal(dsse_open(json, TYPE, &key, &body, &err), 1);
}

static void envelopes_that_are_none(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", "{\"payloadType\":\"" TYPE "\",\"payload\":\"!\",\"signatures\":[]}",
		"{\"payloadType\":\"text/plain\",\"payload\":\"\",\"signatures\":[]}",
		"{\"payloadType\":\"" TYPE "\",\"payload\":\"\",\"signatures\":{}}",
	};
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct sign_public key = { { 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP_JS struct js *json = NULL;

		assert_int_equal(js_parse(texts[i], strlen(texts[i]), "it", &json, &err), 0);
		assert_int_equal(dsse_open(json, TYPE, &key, &body, &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_int_equal(body.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_are_those_of_the_rfc),
		cmocka_unit_test(public_keys_come_back_and_have_an_id),
		cmocka_unit_test(what_is_no_key_is_refused_and_not_repeated),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(an_envelope_signs_type_and_body),
		cmocka_unit_test(both_alphabets_of_base64_are_read),
		cmocka_unit_test(envelopes_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
