/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* Answers to requests that must not happen twice, kept until their clients have them. Writers: inside a transaction. */
struct db;
struct digest;
struct error;
struct strbuf;

int answer_put(struct db *, const struct digest *request, int64_t now_ms, const char *body, int64_t *ret_id,
	       struct error *);
/* Appends the body. ERR_NOT_FOUND. */
int answer_get(struct db *, int64_t id, struct strbuf *ret, struct error *);
int answer_drop(struct db *, int64_t id, struct error *);
int answers_each(struct db *, int (*each)(void *ctx, int64_t id, const struct digest *request, int64_t time_ms),
		 void *ctx, struct error *);
