/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/merkle.h"
#include "base/sign.h"
#include "base/strbuf.h"
#include "registry/audit.h"
/* What a bundle holds of a log: keys, one checkpoint that one of them signed, and either every leaf up to it or proofs of
 * some. All of it is checked against the checkpoint. Errors are ERR_DAMAGED. */
struct error;

struct bundle_log {
	struct bundle_key {
		char id[SIGN_ID + 1];
		struct sign_public key;
	} *keys;
	size_t nkeys, keys_cap;
	struct checkpoint checkpoint; /* without an origin: there is none */
	struct merkle_edge edge;      /* of leaves so far */
	struct strbuf line;	      /* of a leaf that goes on */
};
#define BUNDLE_LOG_INIT { .line = STRBUF_INIT }
void bundle_log_release(struct bundle_log *);

/* A public key in PEM, whose id is its name. */
int bundle_log_key(struct bundle_log *, const char *id, const struct strbuf *pem, struct error *);
const struct sign_public *bundle_log_find(const struct bundle_log *, const char *id); /* NULL */
int bundle_log_checkpoint(struct bundle_log *, const struct strbuf *note, struct error *);
int bundle_log_proof(struct bundle_log *, uint64_t seq, const struct strbuf *text, struct error *);
/* Leaves in pieces of any size, each a line. */
int bundle_log_leaves(struct bundle_log *, const char *text, size_t len, struct error *);
int bundle_log_leaves_end(struct bundle_log *, uint64_t *ret_count, struct error *);
