/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/digest.h"
/*
 * Merkle trees over a log that only grows: RFC 9162 section 2 (the hashes of RFC 6962). Pure functions; where nodes are
 * kept is the caller's.
 *
 * A leaf is SHA-256(00 || entry), a node SHA-256(01 || left || right). The node (level, index) stands over the leaves
 * [index << level, (index + 1) << level), and is kept when all of them are there: it never changes again. Everything else
 * (roots, proofs) is made of such nodes.
 */
struct error;

#define MERKLE_LEVELS 63
/* Hashes in a proof, at most. */
#define MERKLE_PROOF (2 * MERKLE_LEVELS)

void merkle_leaf(const void *entry, size_t len, struct digest *ret);
void merkle_node(const struct digest *left, const struct digest *right, struct digest *ret);

/* Gives a complete node. -1 with an error when it is not there. */
struct merkle_source {
	int (*node)(void *ctx, int level, uint64_t index, struct digest *ret, struct error *);
	void *ctx;
};
/* Of the first `size` leaves; of none, SHA-256 of nothing. */
int merkle_root(const struct merkle_source *, uint64_t size, struct digest *ret, struct error *);

struct merkle_proof {
	struct digest hash[MERKLE_PROOF];
	size_t len;
};
/* That leaf `index` is in the tree of `size` leaves; index < size. */
int merkle_inclusion(const struct merkle_source *, uint64_t index, uint64_t size, struct merkle_proof *ret, struct error *);
/* That the tree of `old` leaves is the beginning of that of `size`; 0 < old <= size. */
int merkle_consistency(const struct merkle_source *, uint64_t old, uint64_t size, struct merkle_proof *ret, struct error *);
/* Whether the proof leads from the leaf's hash to the root. */
bool merkle_included(const struct digest *leaf, uint64_t index, uint64_t size, const struct merkle_proof *,
		     const struct digest *root);
bool merkle_consistent(uint64_t old, const struct digest *old_root, uint64_t size, const struct digest *root,
		       const struct merkle_proof *);

/* Appending: the rightmost complete nodes of a tree, one a bit of its size, from which all that a new leaf completes is
 * made without reading. `each` gets the leaf (level 0) and every node that it completes. */
struct merkle_edge {
	uint64_t size;
	struct digest node[MERKLE_LEVELS]; /* of level i where bit i of size is set */
};
int merkle_append(struct merkle_edge *, const struct digest *leaf,
		  int (*each)(void *ctx, int level, uint64_t index, const struct digest *, struct error *), void *ctx,
		  struct error *);
void merkle_edge_root(const struct merkle_edge *, struct digest *ret);
