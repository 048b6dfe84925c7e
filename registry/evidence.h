/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "registry/audit.h"
#include "store/content.h"
/* What goes into a bundle to prove the rest of it, and what came with those of others. */
struct db;
struct error;
struct js;
struct strmap;

/* Seq of each event about one of the subjects (NULL: of each event), and of those about keys and bundles; ascending. */
int evidence_events(struct db *, const struct strmap *subjects, int (*each)(void *ctx, int64_t seq), void *ctx, struct error *);
/* The oldest checkpoint that has this event, signed by a key of this log: so the same facts have the same one, however the log
 * goes on. 1; 0: there is none. */
int evidence_checkpoint(struct db *, int64_t seq, struct checkpoint *ret, struct error *);
/* The leaves of the first `size` events, a line each. */
int evidence_leaves(struct db *, uint64_t size, int (*each)(void *ctx, const char *line, size_t len), void *ctx, struct error *);
/* Names of all models, of all data; sorted. */
int evidence_models(struct db *, int (*each)(void *ctx, const char *name), void *ctx, struct error *);
int evidence_data(struct db *, int (*each)(void *ctx, const char *name), void *ctx, struct error *);

/* Inside a transaction; the caller writes the event. 1: new; 0: this file was imported before. */
int import_add(struct db *, const struct digest *file, const struct content *evidence, const struct js *roots, const char *actor,
	       int64_t now_ms, struct error *);
/* The evidence of each import, the newest first. */
int imports_each(struct db *, int (*each)(void *ctx, const struct content *evidence), void *ctx, struct error *);
/* That a bundle came without this object, which is not here; inside a transaction. */
int import_hole_add(struct db *, const struct digest *, struct error *);
bool import_is_hole(struct db *, const struct digest *);
