/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * What proves who somebody is: tokens for programs, passwords for people. The door to OpenSSL's key derivation.
 *
 * A token is "mlops_ID_SECRET_SUM": ID finds it, SECRET is 43 random digits of base 62 (256 bits), SUM is the CRC-32 of
 * all before it, so that a slip of the hand, or a scanner that looks for lost tokens, needs no database. Only its
 * SHA-256 is kept: what nobody can guess needs no slow hash.
 */
struct error;

#define TOKEN_ID   8
#define TOKEN_LEN  65 /* bytes of a token */

/* A new one, and its id. Wipe it when it has been shown. */
void access_token_make(char ret_token[TOKEN_LEN + 1], char ret_id[TOKEN_ID + 1]);
/* Its id. ERR_AUTH: it is not made as tokens are, or a letter of it is wrong; the text is not in the message. */
int access_token_parse(const char *text, char ret_id[TOKEN_ID + 1], struct error *);

/*
 * A password as "scrypt:N:R:P$SALT$HEX" (RFC 7914): the form of werkzeug, in which MLflow's server keeps its own. Both
 * functions take about 80 ms and 32 MiB. `text` of password_verify may be NULL, of nobody: that takes as long.
 */
#define PASSWORD_HASH 192
int password_hash(const char *password, char ret[PASSWORD_HASH], struct error *);
bool password_verify(const char *password, const char *text);

/* In a time that depends on the lengths alone. */
bool secret_equal(const void *a, size_t alen, const void *b, size_t blen);
