/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"

#define SECRET_DIGITS 43 /* 62^43 > 2^256 */
#define SUM_DIGITS    6  /* 62^6 > 2^32 */
#define SALT_DIGITS   16
#define KEY_BYTES     64

static const char prefix[] = "mlops_";
static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

_Static_assert(sizeof(prefix) - 1 + TOKEN_ID + 1 + SECRET_DIGITS + 1 + SUM_DIGITS == TOKEN_LEN, "parts of a token");

/* ---- tokens ---- */

/* Each digit as likely as any other: bytes of the uneven rest are thrown away. */
static void random_digits(char *ret, size_t n)
{
	uint8_t bytes[64];

	for (size_t i = 0, at = sizeof(bytes); i < n; at++) {
		if (at == sizeof(bytes)) {
			clock_random(bytes, sizeof(bytes));
			at = 0;
		}
		if (bytes[at] < 62 * 4)
			ret[i++] = digits[bytes[at] % 62];
	}
	ret[n] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
}

/* CRC-32 of ISO 3309, bit by bit: there is no use for it but here. */
static uint32_t crc32(const char *text, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)text[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void sum_digits(uint32_t sum, char ret[SUM_DIGITS + 1])
{
	ret[SUM_DIGITS] = '\0';
	for (int i = SUM_DIGITS - 1; i >= 0; i--, sum /= 62)
		ret[i] = digits[sum % 62];
}

void access_token_make(char ret_token[TOKEN_LEN + 1], char ret_id[TOKEN_ID + 1])
{
	char secret[SECRET_DIGITS + 1], sum[SUM_DIGITS + 1];
	int len;

	random_digits(ret_id, TOKEN_ID);
	random_digits(secret, SECRET_DIGITS);
	len = snprintf(ret_token, TOKEN_LEN + 1, "%s%s_%s", prefix, ret_id, secret);
	sum_digits(crc32(ret_token, (size_t)len), sum);
	snprintf(ret_token + len, TOKEN_LEN + 1 - (size_t)len, "_%s", sum);
	explicit_bzero(secret, sizeof(secret));
}

static bool is_digits(const char *text, size_t n, char end)
{
	return strspn(text, digits) == n && text[n] == end;
}

int access_token_parse(const char *text, char ret_id[TOKEN_ID + 1], struct error *err)
{
	const char *id = text + strlen(prefix), *secret = id + TOKEN_ID + 1, *sum = secret + SECRET_DIGITS + 1;
	char wanted[SUM_DIGITS + 1];

	if (strlen(text) != TOKEN_LEN || strncmp(text, prefix, strlen(prefix)) || !is_digits(id, TOKEN_ID, '_') ||
	    !is_digits(secret, SECRET_DIGITS, '_') || !is_digits(sum, SUM_DIGITS, '\0')) {
		error_set(err, ERR_AUTH, "this is not a token of mlops");
		return error_help(err, "a token begins with mlops_ and has %d characters; was it copied whole?", TOKEN_LEN);
	}
	sum_digits(crc32(text, (size_t)(sum - text) - 1), wanted);
	if (strcmp(wanted, sum) != 0) {
		error_set(err, ERR_AUTH, "the token has a wrong character in it");
		return error_help(err, "copy it again, whole");
	}
	memcpy(ret_id, id, TOKEN_ID);
	ret_id[TOKEN_ID] = '\0';
	return 0;
}

/* ---- passwords ---- */

struct cost {
	uint64_t n, r, p;
};
static const struct cost cost = { 32768, 8, 1 };

static bool derive(const char *password, const char *salt, size_t salt_len, const struct cost *c,
		   uint8_t ret[KEY_BYTES])
{
	return EVP_PBE_scrypt(password, strlen(password), (const unsigned char *)salt, salt_len, c->n, c->r, c->p,
			      256u << 20, ret, KEY_BYTES) == 1;
}

static void hex(const uint8_t *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

int password_hash(const char *password, char ret[PASSWORD_HASH], struct error *err)
{
	char salt[SALT_DIGITS + 1], text[2 * KEY_BYTES + 1];
	uint8_t key[KEY_BYTES];

	random_digits(salt, SALT_DIGITS);
	if (!derive(password, salt, SALT_DIGITS, &cost, key))
		return error_set(err, ERR_ENV, "a password cannot be hashed: not enough memory");
	hex(key, KEY_BYTES, text);
	snprintf(ret, PASSWORD_HASH, "scrypt:%llu:%llu:%llu$%s$%s", (unsigned long long)cost.n,
		 (unsigned long long)cost.r, (unsigned long long)cost.p, salt, text);
	explicit_bzero(key, sizeof(key));
	return 0;
}

/* "N:R:P$": what a stored text may ask for is bounded, it may have come from elsewhere. */
static bool parse_cost(const char **at, struct cost *ret)
{
	uint64_t *const parts[] = { &ret->n, &ret->r, &ret->p };
	const uint64_t most[] = { 1u << 17, 16, 4 };

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		char *end;

		*parts[i] = strtoull(*at, &end, 10);
		if (end == *at || !*parts[i] || *parts[i] > most[i] || *end != (i < 2 ? ':' : '$'))
			return false;
		*at = end + 1;
	}
	return true;
}

bool password_verify(const char *password, const char *text)
{
	static const char scheme[] = "scrypt:";
	const char *salt = text ? text + strlen(scheme) : "", *end;
	char found[2 * KEY_BYTES + 1];
	struct cost c = cost;
	uint8_t key[KEY_BYTES];

	if (!text || strncmp(text, scheme, strlen(scheme)) || !parse_cost(&salt, &c) || !(end = strchr(salt, '$'))) {
		derive(password, digits, SALT_DIGITS, &cost, key);
		return false;
	}
	if (!derive(password, salt, (size_t)(end - salt), &c, key))
		return false;
	hex(key, KEY_BYTES, found);
	explicit_bzero(key, sizeof(key));
	return secret_equal(found, strlen(found), end + 1, strlen(end + 1));
}

bool secret_equal(const void *a, size_t alen, const void *b, size_t blen)
{
	return alen == blen && CRYPTO_memcmp(a, b, alen) == 0;
}
