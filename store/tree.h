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
struct strbuf;

enum entry_kind { ENTRY_FILE = 'f', ENTRY_EXEC = 'x', ENTRY_LINK = 'l' };
struct tree_entry {
	char *path; /* clean, relative, never in .git or .mlops; lives as long as the tree */
	char *target; /* of a symlink, else NULL; likewise */
	struct digest id; /* of a file, else zero */
	uint64_t size;
	enum entry_kind kind;
};
struct tree_text; /* where paths and targets stand */
struct tree {
	struct tree_entry *entries;
	size_t len, cap;
	uint64_t bytes; /* of all files; symlinks have none */
	struct tree_text *text;
	uint64_t text_bytes;
};
#define TREE_INIT { NULL, 0, 0, 0, NULL, 0 }
#define TREE_MAX_OBJECT (64u << 20) /* bytes of one root or leaf */
#define TREE_MAX_PATH	4095u	    /* bytes of a path or of a symlink's target */
#define TREE_MAX_TEXT	(1ull << 30) /* bytes of all paths and targets */
#define TREE_MAX_LEAF	32768u	    /* entries */

void tree_release(struct tree *);
/* Appends; path and target are copied. tree_seal sorts, and refuses what a tree must not hold:
 * an unclean path, a path twice, a file where a directory must be, a symlink that leaves. */
void tree_add(struct tree *, const char *path, enum entry_kind, const struct digest *, uint64_t size,
	      const char *target);
int tree_seal(struct tree *, struct error *);
/* A path that an entry can have. */
bool tree_path_valid(const char *path);
/* A symlink's target that stays inside: relative, and ".." only at its start, at most as often as
 * the link is deep; so no chain of links leads out. */
bool tree_target_inside(const char *path, const char *target);
/* Digest of a sealed tree; with a batch, its root and leaves are added there too. */
int tree_write(const struct tree *, struct store_batch *, struct digest *ret, struct error *);
/* Whole tree from the store; refuses what seal and the canonical form would not have written. */
int tree_read(struct store *, const struct digest *root, struct tree *ret, struct error *);
/* The same of roots and leaves that are elsewhere; `read` appends one and has verified it. */
struct tree_source {
	int (*read)(void *ctx, const struct digest *, struct strbuf *ret, struct error *);
	void *ctx;
};
int tree_read_from(const struct tree_source *, const struct digest *root, struct tree *ret, struct error *);
const struct tree_entry *tree_find(const struct tree *, const char *path); /* lent; NULL */
/* Both sealed; calls with NULL where a side lacks the path; equal entries are left out. */
void tree_diff(const struct tree *old, const struct tree *now,
	       void (*each)(void *ctx, const struct tree_entry *old, const struct tree_entry *now), void *ctx);
/* The objects a tree is made of besides its files: root and leaves. */
int tree_objects(struct store *, const struct digest *root, int (*each)(void *ctx, const struct digest *),
		 void *ctx, struct error *);

/* Parsers of one object each, for tree_read and the fuzzer. A leaf continues the tree it is appended
 * to, which is as before when the leaf is refused. tree_refs_free takes what tree_parse_root gave. */
struct tree_leaf_ref {
	struct digest id;
	uint64_t entries, bytes;
	char *first;
};
int tree_parse_leaf(const void *, size_t, struct tree *append, struct error *);
int tree_parse_root(const void *, size_t, struct tree_leaf_ref **ret, size_t *ret_len, struct error *);
void tree_refs_free(struct tree_leaf_ref *, size_t len);
