/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * Runs against the events of their ends, which hold the digest of all that was recorded of them. What was changed later by
 * an event of its own is another record, and is counted; so is what came from elsewhere and has no event of its end here.
 */
struct db;
struct error;
struct findings;

struct audit_records {
	int64_t runs;   /* that are as their events say */
	int64_t edited; /* by later events */
};
/* Whether a run is what it was when it ended, by the digest that the event of its end holds: 1, 0, or -1. What its own end adds
 * a moment later is left out (files that clients gave it, mlops.lock of a job), and its experiment may have been renamed. */
int audit_record_is(struct db *, const char *run_id, const char *digest, struct error *);
int audit_check_records(struct db *, struct findings *, struct audit_records *ret, struct error *);
