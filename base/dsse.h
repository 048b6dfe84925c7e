/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/sign.h"
/*
 * Signed envelopes: DSSE v1 (github.com/secure-systems-lab/dsse). What is signed is "DSSEv1 LEN TYPE LEN BODY", so neither
 * JSON nor base64 has to be canonical. The keyid is the key's id (base/sign.h).
 */
struct error;
struct js;
struct strbuf;

#define DSSE_IN_TOTO "application/vnd.in-toto+json"

int dsse_sign(const char *type, const void *body, size_t len, const struct sign_key *, struct js **ret, struct error *);
/* *ret_body gets the payload. The number of signatures by `key` that are right: 0 or 1; -1: it is no envelope of this type. */
int dsse_open(const struct js *envelope, const char *type, const struct sign_public *key, struct strbuf *ret_body, struct error *);
