/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "store/content.h"
/* Signed statements (base/dsse.h) about runs and model versions: the envelope is an object of the store. Writers work inside a
 * transaction of the caller. */
struct db;
struct error;
struct js;

/* `subject`: a node of lineage. 1: new; 0: the same statement by this key was there. */
int attestation_add(struct db *, const char *subject, const char *predicate, const char *key_id, const struct content *envelope,
		    int64_t now_ms, int64_t *ret_id, struct error *);
/* [{id, subject, predicate, key, content, time}] */
int attestations_list(struct db *, const char *subject, struct js **ret, struct error *);
