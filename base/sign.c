/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sign.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define PEM_MAX 65536

struct sign_key {
	EVP_PKEY *pkey;
	struct sign_public public;
};

/* What comes before the 32 bytes of a key in its SubjectPublicKeyInfo: RFC 8410 section 4. */
static const uint8_t spki_head[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };
#define SPKI_LEN (sizeof(spki_head) + SIGN_PUBLIC)

static void free_pkey(EVP_PKEY **pkey)
{
	EVP_PKEY_free(*pkey);
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void free_ctx(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* What failed is told by us; an error that stays in the thread's queue would be taken for somebody else's. */
static int refuse(struct error *err, enum error_code code, const char *what)
{
	ERR_clear_error();
	return error_set(err, code, "%s", what);
}

/* ---- private keys ---- */

/* Takes pkey. */
static int wrap(EVP_PKEY *pkey, struct sign_key **ret)
{
	size_t len = SIGN_PUBLIC;
	struct sign_key *key = xcalloc(1, sizeof(*key));

	key->pkey = pkey;
	if (EVP_PKEY_get_raw_public_key(pkey, key->public.b, &len) != 1) {
		sign_key_free(key);
		return -1;
	}
	*ret = key;
	return 0;
}

int sign_key_make(struct sign_key **ret, struct error *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!pkey || wrap(pkey, ret) < 0)
		return refuse(err, ERR_ENV, "a key cannot be made: OpenSSL has no Ed25519 or no random numbers");
	return 0;
}

/* Asked for the pass phrase of an encrypted key: without this, OpenSSL would ask the terminal. */
static int no_phrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

int sign_key_parse(const char *pem, size_t len, struct sign_key **ret, struct error *err)
{
	CLEANUP(free_bio) BIO *bio = len <= PEM_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	CLEANUP(free_pkey) EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_phrase, NULL) : NULL;

	if (!pkey || !EVP_PKEY_is_a(pkey, "ED25519") || wrap(steal(&pkey), ret) < 0) {
		refuse(err, ERR_USAGE, "it is no private Ed25519 key in PEM (PKCS #8, without a pass phrase)");
		return error_help(err, "one is made by: openssl genpkey -algorithm ed25519");
	}
	return 0;
}

int sign_key_pem(const struct sign_key *key, struct strbuf *ret, struct error *err)
{
	CLEANUP(free_bio) BIO *bio = BIO_new(BIO_s_secmem());
	char *text;
	long len;

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return refuse(err, ERR_ENV, "a private key cannot be written");
	len = BIO_get_mem_data(bio, &text);
	/* in one piece: a buffer that grows leaves copies behind */
	strbuf_reserve(ret, (size_t)len + 1);
	strbuf_add(ret, text, (size_t)len);
	explicit_bzero(text, (size_t)len);
	return 0;
}

void sign_key_free(struct sign_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey); /* wipes */
	free(key);
}

void cleanup_sign_key(struct sign_key **key)
{
	sign_key_free(*key);
}

void sign_key_public(const struct sign_key *key, struct sign_public *ret)
{
	*ret = key->public;
}

/* ---- public keys ---- */

int sign_public_parse(const char *pem, size_t len, struct sign_public *ret, struct error *err)
{
	CLEANUP(free_bio) BIO *bio = len <= PEM_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	CLEANUP(free_pkey) EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_phrase, NULL) : NULL;
	size_t size = SIGN_PUBLIC;

	if (!pkey || !EVP_PKEY_is_a(pkey, "ED25519") || EVP_PKEY_get_raw_public_key(pkey, ret->b, &size) != 1) {
		refuse(err, ERR_USAGE, "it is no public Ed25519 key in PEM");
		return error_help(err, "it begins with -----BEGIN PUBLIC KEY-----; of a private one it is made by: "
				       "openssl pkey -in FILE -pubout");
	}
	return 0;
}

static void public_der(const struct sign_public *key, uint8_t ret[SPKI_LEN])
{
	memcpy(ret, spki_head, sizeof(spki_head));
	memcpy(ret + sizeof(spki_head), key->b, SIGN_PUBLIC);
}

void sign_public_pem(const struct sign_public *key, struct strbuf *ret)
{
	uint8_t der[SPKI_LEN];

	public_der(key, der);
	strbuf_puts(ret, "-----BEGIN PUBLIC KEY-----\n");
	base64_encode(der, sizeof(der), ret); /* 60 digits: one line */
	strbuf_puts(ret, "\n-----END PUBLIC KEY-----\n");
}

void sign_public_id(const struct sign_public *key, char ret[SIGN_ID + 1])
{
	uint8_t der[SPKI_LEN];
	struct digest digest;

	public_der(key, der);
	digest_of(der, sizeof(der), &digest);
	digest_format(&digest, ret);
}

/* ---- signatures ---- */

int sign_bytes(const struct sign_key *key, const void *data, size_t len, uint8_t ret[SIGN_SIGNATURE],
	       struct error *err)
{
	CLEANUP(free_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[SIGN_SIGNATURE];
	size_t size = sizeof(signature);

	if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
	    EVP_DigestSign(ctx, signature, &size, data, len) != 1 || size != SIGN_SIGNATURE)
		return refuse(err, ERR_ENV, "nothing can be signed: OpenSSL failed");
	memcpy(ret, signature, SIGN_SIGNATURE);
	return 0;
}

bool sign_verify(const struct sign_public *key, const void *data, size_t len, const uint8_t signature[SIGN_SIGNATURE])
{
	CLEANUP(free_pkey) EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key->b, SIGN_PUBLIC);
	CLEANUP(free_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool right = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		     EVP_DigestVerify(ctx, signature, SIGN_SIGNATURE, data, len) == 1;

	ERR_clear_error();
	return right;
}
