/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include "base/mem.h"

static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Fetching costs more than hashing a small file, so it is done once. */
static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		abort();
}

void hasher_init(struct hasher *h)
{
	pthread_once(&once, fetch);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex2(h->ctx, sha256, NULL))
		abort();
}

void hasher_update(struct hasher *h, const void *data, size_t len)
{
	if (!EVP_DigestUpdate(h->ctx, data, len))
		abort();
}

void hasher_final(struct hasher *h, struct digest *ret)
{
	if (!EVP_DigestFinal_ex(h->ctx, ret->b, NULL))
		abort();
	hasher_release(h);
}

void hasher_release(struct hasher *h)
{
	EVP_MD_CTX_free(h->ctx);
	h->ctx = NULL;
}

/* One context a thread, kept for its life: small inputs are hashed by the ten thousand. */
static pthread_key_t ctx_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void free_ctx(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void make_key(void)
{
	if (pthread_key_create(&ctx_key, free_ctx))
		abort();
}

static EVP_MD_CTX *thread_ctx(void)
{
	EVP_MD_CTX *ctx;

	pthread_once(&once, fetch);
	pthread_once(&key_once, make_key);
	ctx = pthread_getspecific(ctx_key);
	if (!ctx) {
		ctx = EVP_MD_CTX_new();
		if (!ctx || pthread_setspecific(ctx_key, ctx))
			abort();
	}
	return ctx;
}

void digest_of(const void *data, size_t len, struct digest *ret)
{
	EVP_MD_CTX *ctx = thread_ctx();

	if (!EVP_DigestInit_ex2(ctx, sha256, NULL) || !EVP_DigestUpdate(ctx, data, len) ||
	    !EVP_DigestFinal_ex(ctx, ret->b, NULL))
		abort();
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return digest_compare(a, b) == 0;
}

int digest_compare(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool digest_is_zero(const struct digest *d)
{
	static const struct digest zero;

	return digest_equal(d, &zero);
}

char *digest_format(const struct digest *d, char hex[DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(d->b); i++) {
		hex[2 * i] = digits[d->b[i] >> 4];
		hex[2 * i + 1] = digits[d->b[i] & 15];
	}
	hex[DIGEST_HEX] = '\0';
	return hex;
}

/* Value + 1 of a lower-case hex digit, 0 for any other byte: a lock file has ten thousands of digests. */
static const uint8_t nibbles[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
	['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

bool digest_parse(const char *hex, struct digest *ret)
{
	struct digest d;

	for (size_t i = 0; i < sizeof(d.b); i++) {
		unsigned high = nibbles[(uint8_t)hex[2 * i]];
		unsigned low = high ? nibbles[(uint8_t)hex[2 * i + 1]] : 0;
		if (!low)
			return false;
		d.b[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	if (hex[DIGEST_HEX])
		return false;
	*ret = d;
	return true;
}

#define HMAC_INNER 0x36
#define HMAC_OUTER 0x5c

void hmac_init(struct hmac *h, const void *key, size_t len)
{
	uint8_t inner[sizeof(h->outer)], block[sizeof(h->outer)] = { 0 };
	struct digest digest;

	if (len > sizeof(block)) {
		digest_of(key, len, &digest);
		key = &digest;
		len = sizeof(digest);
	}
	if (len)
		memcpy(block, key, len);
	for (size_t i = 0; i < sizeof(block); i++) {
		inner[i] = block[i] ^ HMAC_INNER;
		h->outer[i] = block[i] ^ HMAC_OUTER;
	}
	hasher_init(&h->inner);
	hasher_update(&h->inner, inner, sizeof(inner));
	explicit_bzero(inner, sizeof(inner));
	explicit_bzero(block, sizeof(block));
}

void hmac_update(struct hmac *h, const void *data, size_t len)
{
	hasher_update(&h->inner, data, len);
}

void hmac_final(struct hmac *h, struct digest *ret)
{
	struct hasher outer;
	struct digest inner;

	hasher_final(&h->inner, &inner);
	hasher_init(&outer);
	hasher_update(&outer, h->outer, sizeof(h->outer));
	hasher_update(&outer, inner.b, sizeof(inner.b));
	hasher_final(&outer, ret);
	explicit_bzero(h->outer, sizeof(h->outer));
}
