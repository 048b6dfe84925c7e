/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "store/content.h"
/* Cards of model versions that are kept: as they were when the version was made, both forms stored objects. */
struct db;
struct error;
struct js;

/* Inside a transaction. The first one of a version stays: 1 when it is this one, else 0. */
int card_store(struct db *, const char *model, int64_t number, const struct content *json,
	       const struct content *markdown, int64_t now_ms, struct error *);
/* {json, markdown ("file:HEX"), time}; *ret is NULL when none is kept. */
int card_find(struct db *, const char *model, int64_t number, struct js **ret, struct error *);
