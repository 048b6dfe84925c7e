/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* SHA-256 (FIPS 180-4) as a value. The door to OpenSSL's hashes. */
#define DIGEST_HEX 64
struct error;
struct digest {
	uint8_t b[32];
};
struct hasher {
	void *ctx;
};

void digest_of(const void *data, size_t len, struct digest *ret);
bool digest_equal(const struct digest *, const struct digest *);
int digest_compare(const struct digest *, const struct digest *);
bool digest_is_zero(const struct digest *);
/* Lower-case hex with NUL; returns `hex`. */
char *digest_format(const struct digest *, char hex[DIGEST_HEX + 1]);
/* Exactly 64 lower-case hex digits; false otherwise. */
bool digest_parse(const char *hex, struct digest *ret);

/* Streaming: init, update any number of times, final (which releases). One thread at a time. */
void hasher_init(struct hasher *);
void hasher_update(struct hasher *, const void *, size_t);
void hasher_final(struct hasher *, struct digest *ret);
void hasher_release(struct hasher *); /* abandons; legal after final */

/* HMAC-SHA256 (RFC 2104): as hasher; final releases. The key is not kept, but what follows from it is: forget it soon. */
struct hmac {
	struct hasher inner;
	uint8_t outer[64];
};
void hmac_init(struct hmac *, const void *key, size_t len);
void hmac_update(struct hmac *, const void *, size_t);
void hmac_final(struct hmac *, struct digest *ret);
