/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "store/content.h"
/*
 * Signed statements (base/dsse.h) about runs and model versions: the envelope is an object of the store, and the event
 * `attest` names it. Writers work inside a transaction of the caller.
 */
struct db;
struct error;
struct js;

struct attestation_new {
	const char *subject;   /* a node of lineage (registry/lineage.h) */
	const char *predicate; /* its type */
	const char *key;       /* id of who signed it */
	struct content envelope; /* stored */
	const struct js *subjects; /* of the statement: [{digest{sha256}}] */
	const char *actor, *origin; /* of the event */
	int64_t now_ms;
};
/* 1: new, with its event; 0: the same statement by this key was there. */
int attestation_add(struct db *, const struct attestation_new *, int64_t *ret_id, struct error *);
/* [{id, subject, predicate, key, content, time, seq}], the oldest first. `seq` is that of the event; it is absent when no
 * event tells of it. */
int attestations_list(struct db *, const char *subject, struct js **ret, struct error *);
/* The same of all that are about these bytes. */
int attestations_about(struct db *, const struct digest *, struct js **ret, struct error *);

/*
 * Whether what is known of a run (`run`: run_load) is what its end put on record, so that somebody can vouch for it: 0.
 * Edits after the end leave it so unless they touch what is told of its code and host. ERR_CONFLICT tells who has edited
 * it, or that it ended somewhere else; ERR_DAMAGED: it was changed, and no event says by whom.
 */
int run_is_as_it_ended(struct db *, const struct js *run, struct error *);
