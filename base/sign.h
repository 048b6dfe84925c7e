/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Signatures: Ed25519 (RFC 8032). With base/digest.c and base/secret.c the door to OpenSSL. Private keys are PKCS #8 PEM
 * and public ones SubjectPublicKeyInfo PEM, so `openssl pkeyutl` reads both.
 */
struct error;
struct strbuf;

#define SIGN_PUBLIC    32
#define SIGN_SIGNATURE 64
#define SIGN_ID        64 /* hex digits of a key's id: SHA-256 of its SubjectPublicKeyInfo in DER */

struct sign_public {
	uint8_t b[SIGN_PUBLIC];
};
struct sign_key; /* a private one; wiped when it is freed */

int sign_key_make(struct sign_key **ret, struct error *);
/* ERR_USAGE: it is no private Ed25519 key. The text is not in the message. */
int sign_key_parse(const char *pem, size_t len, struct sign_key **ret, struct error *);
/* Appends; wipe it when it has been written. */
int sign_key_pem(const struct sign_key *, struct strbuf *ret, struct error *);
void sign_key_free(struct sign_key *); /* NULL is legal */
void cleanup_sign_key(struct sign_key **);

void sign_key_public(const struct sign_key *, struct sign_public *ret);
int sign_public_parse(const char *pem, size_t len, struct sign_public *ret, struct error *);
void sign_public_pem(const struct sign_public *, struct strbuf *ret);
void sign_public_id(const struct sign_public *, char ret[SIGN_ID + 1]);

int sign_bytes(const struct sign_key *, const void *, size_t, uint8_t ret[SIGN_SIGNATURE], struct error *);
bool sign_verify(const struct sign_public *, const void *, size_t, const uint8_t signature[SIGN_SIGNATURE]);
