/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/digest.h"
/*
 * A directory as objects: a root that lists leaves of about 4,096 entries, cut by a
 * hash of the path so that an edit rewrites one leaf. The format is final and is
 * described byte by byte in docs/format.md; the digest of a tree is the SHA-256 of
 * its root. Entries are files, executable files and symlinks that resolve inside the
 * tree, sorted by the bytes of their path; empty directories do not exist.
 */
struct error;
struct store;
struct store_batch;

enum entry_kind { ENTRY_FILE = 'f', ENTRY_EXEC = 'x', ENTRY_LINK = 'l' };
struct tree_entry {
	char *path; /* clean, relative to the tree */
	char *target; /* of a symlink, else NULL */
	struct digest id; /* of a file, else zero */
	uint64_t size;
	enum entry_kind kind;
};
struct tree {
	struct tree_entry *entries;
	size_t len, cap;
	uint64_t bytes;
};
#define TREE_INIT { NULL, 0, 0, 0 }
#define TREE_MAX_OBJECT (64u << 20) /* bytes of one root or leaf */

void tree_release(struct tree *);
/* Appends; path and target are copied. tree_seal sorts, and refuses what a tree must not hold:
 * an unclean path, a path twice, a file where a directory must be, a symlink that leaves. */
void tree_add(struct tree *, const char *path, enum entry_kind, const struct digest *, uint64_t size,
	      const char *target);
int tree_seal(struct tree *, struct error *);
/* Digest of a sealed tree; with a batch, its root and leaves are added there too. */
int tree_write(const struct tree *, struct store_batch *, struct digest *ret, struct error *);
/* Whole tree from the store; refuses what tree_seal and the canonical form would not have written. */
int tree_read(struct store *, const struct digest *root, struct tree *ret, struct error *);
const struct tree_entry *tree_find(const struct tree *, const char *path); /* lent; NULL */
/* Both sealed; calls with NULL where a side lacks the path; equal entries are left out. */
void tree_diff(const struct tree *old, const struct tree *now,
	       void (*each)(void *ctx, const struct tree_entry *old, const struct tree_entry *now), void *ctx);
/* The objects a tree is made of besides its files: root and leaves. */
int tree_objects(struct store *, const struct digest *root, int (*each)(void *ctx, const struct digest *),
		 void *ctx, struct error *);

/* Parsers of one object each, for tree_read and the fuzzer. */
struct tree_leaf_ref {
	struct digest id;
	uint64_t entries, bytes;
	char *first;
};
int tree_parse_leaf(const void *, size_t, struct tree *append, struct error *);
int tree_parse_root(const void *, size_t, struct tree_leaf_ref **ret, size_t *ret_len, struct error *);
