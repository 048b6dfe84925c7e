/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "registry/audit.h"
/* Shared by registry/audit_*.c only: the places outside of the database where checkpoints are kept. */

/* Writes it to each place that settings name; what fails is a note. */
void places_write(struct project *, const struct checkpoint *, struct js *notes);
/* As checkpoints_each, without the rows. */
int places_each(struct project *, int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx,
		struct js *notes, struct error *);
/* The last one in the file: the place that is always near. 1, 0 there is none, -1. */
int places_last(struct project *, struct checkpoint *ret, struct error *);

/* The git ref, and a remote that it is pushed to: registry/audit_ref.c */
int ref_write(struct project *, const struct checkpoint *, struct error *);
int ref_push(struct project *, struct error *);
/* Notes of all commits of the ref, the newest first, or of the ref as the remote has it now; appended, one after the other.
 * 1, 0: there is no such ref; -1. */
int ref_read(struct project *, bool remote, struct strbuf *ret, struct error *);

/* A note of the key; its time is left 0. */
int checkpoint_sign(const char *origin, uint64_t size, const struct digest *root, const struct sign_key *,
		    struct checkpoint *ret, struct error *);
