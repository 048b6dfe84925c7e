/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "base/digest.h"
/*
 * Webhooks that came to a project, for a week: forges repeat what was not answered, and a stranger may send again what he
 * saw. Both functions belong into the transaction of what the webhook leads to.
 */
struct db;
struct error;
struct js;

#define DELIVERY_KEPT_MS (7 * 24 * 3600 * INT64_C(1000))
/* What was answered to the one with this id or this body. 1, 0: it is new, -1. */
int delivery_find(struct db *, const char *project, const char *id, const struct digest *body, struct js **ret, struct error *);
/* Forgets those of before, too. */
int delivery_add(struct db *, const char *project, const char *id, const struct digest *body, const struct js *result,
		 int64_t now_ms, struct error *);
