/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* Tokens of pages, as MLflow's: JSON in Base64, which clients only hand back. */
struct error;
struct js;

/* {"offset": N}. NULL or "" is the first page. ERR_USAGE. */
int token_offset(const char *token, int64_t *ret_offset, struct error *);
char *token_of_offset(int64_t offset); /* the caller frees it */
/* Any object. */
int token_parse(const char *token, struct js **ret, struct error *);
char *token_make(const struct js *);
