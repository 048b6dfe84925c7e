/* SPDX-License-Identifier: Apache-2.0 */
#include "base/merkle.h"
#include <string.h>

void merkle_leaf(const void *entry, size_t len, struct digest *ret)
{
	struct hasher h;

	hasher_init(&h);
	hasher_update(&h, "\0", 1);
	hasher_update(&h, entry, len);
	hasher_final(&h, ret);
}

void merkle_node(const struct digest *left, const struct digest *right, struct digest *ret)
{
	uint8_t both[1 + 2 * sizeof(left->b)] = { 1 };

	memcpy(both + 1, left->b, sizeof(left->b));
	memcpy(both + 1 + sizeof(left->b), right->b, sizeof(right->b));
	digest_of(both, sizeof(both), ret);
}

/* ---- roots and proofs, of the nodes that are kept ---- */

/* The largest power of two below n > 1. */
static uint64_t split(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* MTH(D[low:high]) of the RFC, for the ranges that it divides a tree into: low is a multiple of the range's span. */
static int range(const struct merkle_source *source, uint64_t low, uint64_t high, struct digest *ret, struct error *err)
{
	uint64_t n = high - low;
	struct digest left, right;

	if ((n & (n - 1)) == 0) {
		int level = __builtin_ctzll(n);

		return source->node(source->ctx, level, low >> level, ret, err);
	}
	if (range(source, low, low + split(n), &left, err) < 0 || range(source, low + split(n), high, &right, err) < 0)
		return -1;
	merkle_node(&left, &right, ret);
	return 0;
}

int merkle_root(const struct merkle_source *source, uint64_t size, struct digest *ret, struct error *err)
{
	if (size)
		return range(source, 0, size, ret, err);
	digest_of("", 0, ret);
	return 0;
}

/* Proofs are found from the root down, and read from the leaf up. */
static void turn(struct merkle_proof *proof)
{
	for (size_t i = 0; i < proof->len / 2; i++) {
		struct digest d = proof->hash[i];

		proof->hash[i] = proof->hash[proof->len - 1 - i];
		proof->hash[proof->len - 1 - i] = d;
	}
}

int merkle_inclusion(const struct merkle_source *source, uint64_t index, uint64_t size, struct merkle_proof *ret,
		     struct error *err)
{
	uint64_t low = 0, high = size;
	struct merkle_proof proof = { .len = 0 };

	while (high - low > 1) {
		uint64_t middle = low + split(high - low);
		bool left = index < middle;

		if (range(source, left ? middle : low, left ? high : middle, &proof.hash[proof.len++], err) < 0)
			return -1;
		*(left ? &high : &low) = middle;
	}
	turn(&proof);
	*ret = proof;
	return 0;
}

int merkle_consistency(const struct merkle_source *source, uint64_t old, uint64_t size, struct merkle_proof *ret,
		       struct error *err)
{
	uint64_t low = 0, high = size;
	struct merkle_proof proof = { .len = 0 };

	while (high > old) {
		uint64_t middle = low + split(high - low);
		bool left = old <= middle;

		if (range(source, left ? middle : low, left ? high : middle, &proof.hash[proof.len++], err) < 0)
			return -1;
		*(left ? &high : &low) = middle;
	}
	/* Where low is 0 the rest is the old tree itself, whose root the verifier has. */
	if (low && range(source, low, high, &proof.hash[proof.len++], err) < 0)
		return -1;
	turn(&proof);
	*ret = proof;
	return 0;
}

/* ---- verifying: RFC 9162 sections 2.1.3.2 and 2.1.4.2, whose fn and sn are `at` and `last` ---- */

bool merkle_included(const struct digest *leaf, uint64_t index, uint64_t size, const struct merkle_proof *proof,
		     const struct digest *root)
{
	uint64_t at = index, last = size - 1;
	struct digest r = *leaf;

	if (index >= size)
		return false;
	for (size_t i = 0; i < proof->len; i++, at >>= 1, last >>= 1) {
		if (!last)
			return false;
		if (!(at & 1) && at != last) {
			merkle_node(&r, &proof->hash[i], &r);
			continue;
		}
		merkle_node(&proof->hash[i], &r, &r);
		for (; at && !(at & 1); at >>= 1)
			last >>= 1;
	}
	return !last && digest_equal(&r, root);
}

bool merkle_consistent(uint64_t old, const struct digest *old_root, uint64_t size, const struct digest *root,
		       const struct merkle_proof *proof)
{
	bool whole = (old & (old - 1)) == 0; /* the old root is the first hash, and not said again */
	uint64_t at = old - 1, last = size - 1;
	struct digest was, is;

	if (!old || old > size || (old == size) != !proof->len)
		return false;
	if (old == size)
		return digest_equal(old_root, root);
	for (; at & 1; at >>= 1)
		last >>= 1;
	was = is = whole ? *old_root : proof->hash[0];
	for (size_t i = whole ? 0 : 1; i < proof->len; i++, at >>= 1, last >>= 1) {
		if (!last)
			return false;
		if (!(at & 1) && at != last) {
			merkle_node(&is, &proof->hash[i], &is);
			continue;
		}
		merkle_node(&proof->hash[i], &was, &was);
		merkle_node(&proof->hash[i], &is, &is);
		for (; at && !(at & 1); at >>= 1)
			last >>= 1;
	}
	return !last && digest_equal(&was, old_root) && digest_equal(&is, root);
}

/* ---- appending ---- */

int merkle_append(struct merkle_edge *edge, const struct digest *leaf,
		  int (*each)(void *ctx, int level, uint64_t index, const struct digest *, struct error *), void *ctx,
		  struct error *err)
{
	struct digest hash = *leaf;
	int level = 0;

	if (each(ctx, 0, edge->size, &hash, err) < 0)
		return -1;
	for (; edge->size >> level & 1; level++) {
		merkle_node(&edge->node[level], &hash, &hash);
		if (each(ctx, level + 1, edge->size >> (level + 1), &hash, err) < 0)
			return -1;
	}
	edge->node[level] = hash;
	edge->size++;
	return 0;
}

void merkle_edge_root(const struct merkle_edge *edge, struct digest *ret)
{
	bool any = false;

	digest_of("", 0, ret);
	for (int level = 0; level < MERKLE_LEVELS; level++) {
		if (!(edge->size >> level & 1))
			continue;
		if (any)
			merkle_node(&edge->node[level], ret, ret);
		else
			*ret = edge->node[level];
		any = true;
	}
}
