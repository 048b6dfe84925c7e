/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/* Bytes as text, RFC 4648. */
struct strbuf;

/* Appends; with padding. */
void base64_encode(const void *, size_t len, struct strbuf *);
void base64url_encode(const void *, size_t len, struct strbuf *); /* '-' and '_' for '+' and '/' */
/* Appends. The standard alphabet, padding may be left out; false: it is none, nothing is appended. */
bool base64_decode(const char *text, struct strbuf *);
