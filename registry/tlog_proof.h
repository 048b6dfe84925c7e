/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/merkle.h"
#include "registry/audit.h"
/*
 * Proofs that an event is in a log, as text: c2sp.org/tlog-proof@v1. The event itself is the extra data. Whoever has the
 * proof and the key of the log needs nothing else, neither the log nor this program.
 */
struct error;

#define TLOG_PROOF_MAX (16u << 20) /* bytes of a text; an event with a large body is in it */

struct tlog_proof {
	char *entry;            /* the event: canonical JSON, with a NUL behind it */
	size_t len;
	uint64_t index;         /* of the leaf: the event's number less one */
	struct merkle_proof path;
	struct checkpoint checkpoint;
};
void tlog_proof_release(struct tlog_proof *);
/* Only the form is looked at. ERR_USAGE with the line that is wrong. */
int tlog_proof_parse(const char *text, size_t len, struct tlog_proof *ret, struct error *);
/* The entry is in the tree of the checkpoint, and the event of that number. Whose signature the checkpoint bears is another
 * question. ERR_DAMAGED. */
int tlog_proof_check(const struct tlog_proof *, struct error *);
