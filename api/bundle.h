/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
/*
 * Bundles: the closure of a model, a run, a version of data or a project in one file, a tar in a zstd frame (docs/bundle.md):
 * objects, records, lineage, signed statements, proofs that the events are in the log, a checkpoint and public keys. Equal
 * content gives equal bytes. Whoever reads one trusts nothing in it: every name, size and digest is checked before anything
 * is written.
 */
struct error;
struct js;
struct op_context;

/* `name`: what a user types for a thing; "." is the project. The descriptor is of an empty file, open for both; `file` serves
 * messages. *ret_summary is that of bundle_verify, with notes[]. ERR_NOT_FOUND names what is missing, unless `partial`. */
int bundle_write(struct op_context *, const char *name, bool partial, int fd, const char *file, struct js **ret_summary,
		 struct error *);
/* Needs no project. `trusted_keys`: public keys in PEM, of which one must have signed it (else ERR_VERDICT); NULL: whoever
 * has. The summary is {format, roots[], objects, bytes, records, events, attestations, log, missing[], signed_by[] (ids of
 * keys in it), digest (of the file)}. ERR_DAMAGED names the entry and what is wrong with it; ERR_UNSUPPORTED: a newer
 * format. */
int bundle_verify(int fd, const char *name, const struct js *trusted_keys, struct js **ret_summary, struct error *);
/* All of it, or nothing. *ret: the summary with {new: {runs, results, versions, data, attestations, objects}, known_keys[],
 * notes[], repeated}. ERR_CONFLICT: a version is another here. */
int bundle_import(struct op_context *, int fd, const char *name, const struct js *trusted_keys, struct js **ret,
		  struct error *);
