/* SPDX-License-Identifier: Apache-2.0 */
/* Merkle trees: against the definition, written down once more, in all small sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/merkle.h"

#define MOST 70

static struct error err;
static struct digest leaves[MOST];
static struct digest nodes[8][MOST];
static bool kept[8][MOST];

/* MTH of RFC 9162 section 2.1.1, as it stands there. */
static void definition(uint64_t from, uint64_t to, struct digest *ret)
{
	struct digest left, right;
	uint64_t k = 1;

	if (to - from == 1) {
		*ret = leaves[from];
		return;
	}
	while (2 * k < to - from)
		k *= 2;
	definition(from, from + k, &left);
	definition(from + k, to, &right);
	merkle_node(&left, &right, ret);
}

static int keep(void *ctx, int level, uint64_t index, const struct digest *hash, struct error *e)
{
	(void)ctx;
	(void)e;
	assert_false(kept[level][index]);
	nodes[level][index] = *hash;
	kept[level][index] = true;
	return 0;
}

static int find(void *ctx, int level, uint64_t index, struct digest *ret, struct error *e)
{
	(void)ctx;
	(void)e;
	assert_true(kept[level][index]);
	*ret = nodes[level][index];
	return 0;
}
static const struct merkle_source source = { .node = find };

/* Appends all leaves, and compares the root after each. */
static int grow(void **state)
{
	struct merkle_edge edge = { .size = 0 };
	struct digest root, wanted;

	(void)state;
	memset(kept, 0, sizeof(kept));
	for (uint64_t n = 0; n < MOST; n++) {
		uint8_t entry = (uint8_t)n;

		merkle_leaf(&entry, 1, &leaves[n]);
		assert_int_equal(merkle_append(&edge, &leaves[n], keep, NULL, &err), 0);
		definition(0, n + 1, &wanted);
		merkle_edge_root(&edge, &root);
		assert_true(digest_equal(&root, &wanted));
		assert_int_equal(merkle_root(&source, n + 1, &root, &err), 0);
		assert_true(digest_equal(&root, &wanted));
	}
	return 0;
}

static void the_tree_of_nothing_is_the_hash_of_nothing(void **state)
{
	struct merkle_edge edge = { .size = 0 };
	struct digest root, wanted;

	(void)state;
	digest_of("", 0, &wanted);
	assert_int_equal(merkle_root(&source, 0, &root, &err), 0);
	assert_true(digest_equal(&root, &wanted));
	merkle_edge_root(&edge, &root);
	assert_true(digest_equal(&root, &wanted));
}

/* The leaves and roots with which implementations of RFC 6962 compare themselves. */
static void known_trees(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} entries[] = {
		{ "", 0 }, { "\x00", 1 }, { "\x10", 1 }, { "\x20\x21", 2 }, { "\x30\x31", 2 }, { "\x40\x41\x42\x43", 4 },
		{ "\x50\x51\x52\x53\x54\x55\x56\x57", 8 },
		{ "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16 },
	};
	struct digest root;
	char hex[DIGEST_HEX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		merkle_leaf(entries[i].bytes, entries[i].len, &leaves[i]);
	definition(0, 1, &root);
	assert_string_equal(digest_format(&root, hex), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
	definition(0, 8, &root);
	assert_string_equal(digest_format(&root, hex), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
}

static void each_leaf_is_proven_and_no_other(void **state)
{
	struct merkle_proof proof;
	struct digest root;

	(void)state;
	for (uint64_t size = 1; size <= MOST; size++) {
		definition(0, size, &root);
		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(merkle_inclusion(&source, i, size, &proof, &err), 0);
			assert_true(merkle_included(&leaves[i], i, size, &proof, &root));
			assert_false(merkle_included(&leaves[(i + 1) % MOST], i, size, &proof, &root));
			assert_false(merkle_included(&leaves[i], i + 1, size, &proof, &root));
			if (proof.len) {
				proof.hash[proof.len - 1].b[3] ^= 4;
				assert_false(merkle_included(&leaves[i], i, size, &proof, &root));
				proof.hash[proof.len - 1].b[3] ^= 4;
				proof.len--;
				assert_false(merkle_included(&leaves[i], i, size, &proof, &root));
			}
		}
	}
}

static void each_beginning_is_proven_and_nothing_else(void **state)
{
	struct merkle_proof proof;
	struct digest old_root, root, other;

	(void)state;
	for (uint64_t size = 1; size <= MOST; size++)
		for (uint64_t old = 1; old <= size; old++) {
			definition(0, old, &old_root);
			definition(0, size, &root);
			assert_int_equal(merkle_consistency(&source, old, size, &proof, &err), 0);
			assert_true(merkle_consistent(old, &old_root, size, &root, &proof));
			other = old_root;
			other.b[31] ^= 1;
			assert_false(merkle_consistent(old, &other, size, &root, &proof));
			other = root;
			other.b[0] ^= 1;
			assert_false(merkle_consistent(old, &old_root, size, &other, &proof));
			if (proof.len) {
				proof.len--;
				assert_false(merkle_consistent(old, &old_root, size, &root, &proof));
				proof.len += 2;
				proof.hash[proof.len - 1] = root;
				assert_false(merkle_consistent(old, &old_root, size, &root, &proof));
			}
		}
	proof.len = 0;
	assert_false(merkle_consistent(0, &root, MOST, &root, &proof));
	assert_false(merkle_consistent(MOST + 1, &root, MOST, &root, &proof));
	assert_false(merkle_included(&leaves[0], 0, 0, &proof, &root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree_of_nothing_is_the_hash_of_nothing),
		cmocka_unit_test(known_trees),
		cmocka_unit_test_setup(each_leaf_is_proven_and_no_other, grow),
		cmocka_unit_test_setup(each_beginning_is_proven_and_nothing_else, grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
