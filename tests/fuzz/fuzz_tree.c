/* SPDX-License-Identifier: Apache-2.0 */
/* Leaf and root parsers: what they take must be exactly what the writer writes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A leaf that was taken is a valid tree, and written again gives the same bytes: the same digest stands
 * behind the first path in the root, whose digest we can compute. */
static void try_leaf(const uint8_t *data, size_t size)
{
	struct tree tree = TREE_INIT;
	struct digest leaf, root, want;

	if (tree_parse_leaf(data, size, &tree, NULL) < 0) {
		check(tree.len == 0 && tree.bytes == 0);
		tree_release(&tree);
		return;
	}
	check(tree.len > 0 && tree_seal(&tree, NULL) == 0);
	check(tree_write(&tree, NULL, &root, NULL) == 0);
	digest_of(data, size, &leaf);
	if (strlen(tree.entries[0].path) < 128 && tree.len < 128 && tree.bytes < 128) {
		char bytes[13 + 1 + 1 + 128 + 32 + 2];
		size_t len = strlen(tree.entries[0].path), at = 0;

		memcpy(bytes, "mlops tree 1\n\1", 14);
		at = 14;
		bytes[at++] = (char)len;
		memcpy(bytes + at, tree.entries[0].path, len);
		at += len;
		memcpy(bytes + at, leaf.b, 32);
		at += 32;
		bytes[at++] = (char)tree.len;
		bytes[at++] = (char)tree.bytes;
		digest_of(bytes, at, &want);
		check(digest_equal(&root, &want));
	}
	tree_release(&tree);
}

static void try_root(const uint8_t *data, size_t size)
{
	struct tree_leaf_ref *refs;
	size_t len;

	if (tree_parse_root(data, size, &refs, &len, NULL) < 0)
		return;
	for (size_t i = 0; i < len; i++)
		check(refs[i].entries > 0 && refs[i].entries <= TREE_MAX_LEAF &&
		      (i == 0 || strcmp(refs[i - 1].first, refs[i].first) < 0));
	tree_refs_free(refs, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_leaf(data, size);
	try_root(data, size);
	return 0;
}
