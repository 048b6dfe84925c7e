/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/digest.h"
/*
 * Bundles: the closure of a model version, a run or a project in one file, a tar in a zstd frame (docs/format.md): objects,
 * records, lineage, attestations, proofs that the events are in the log, a checkpoint and public keys. Equal content gives
 * equal bytes. Whoever reads one trusts nothing in it: every name, size and digest is checked before anything is written.
 */
struct error;
struct js;
struct op_context;

int bundle_write(struct op_context *, const char *name, int fd, struct js **ret_summary, struct error *);
/* Needs no project. The summary is {format, roots[], objects, bytes, records, signed_by[], digest}. ERR_DAMAGED names the
 * entry and what is wrong with it. */
int bundle_verify(int fd, const char *name, const struct js *trusted_keys, struct js **ret_summary, struct error *);
int bundle_import(struct op_context *, int fd, const char *name, struct js **ret_summary, struct error *);
