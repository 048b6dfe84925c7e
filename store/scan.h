/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "store/content.h"
#include "store/tree.h"
/*
 * From the disk to content: hashes a path of the project and, with a batch, stores it.
 *
 * Hash what was stored, fstat before and after: a file that changes while it is read
 * is tried three times, then refused (ERR_CONFLICT). Big sets are hashed on two or
 * more threads; small ones on the caller's. Sockets, FIFOs and devices, unreadable files,
 * names that are not clean, and symlinks that leave the tree are refused with their path.
 * A path that is itself a symlink is followed when it stays inside the project.
 *
 * What a checkout by link left is content, too: a symlink to an object is the file it
 * stands for, and a hard link to an object is known by its inode, because link() and
 * unlink() of any other name of it would change the ctime that the cache relies on.
 */
struct error;
struct fs_near;
struct ignore;
struct progress;
struct statcache;
struct store;
struct store_batch;
struct strlist;

struct scanner {
	int rootfd;                  /* the project */
	struct statcache *cache;     /* may be NULL */
	const struct ignore *ignore; /* may be NULL */
	struct store_batch *batch;   /* NULL: hash only */
	struct store *store;         /* may be NULL; knows hard links to its objects, see below */
	const struct progress *progress; /* may be NULL */
	bool trust_nothing;          /* hash even what the cache knows */
	struct fs_near *near;        /* may be NULL: what it says of a file is believed, when the cache knows it */
	struct strlist *odd;         /* NULL: refuse what a tree cannot hold; else it is left out and
				      * its path in the tree added here ("": the path itself) */
};
/* Whether a symlink's target ends as the path of an object does: ".../objects/ab/62 hex digits". */
bool scan_is_object_target(const char *target, struct digest *ret);
/* An absent path gives CONTENT_ABSENT and 0. A directory without files is a tree of none.
 * `ret_tree` (may be NULL) receives the entries of a directory, initialised either way. */
int scan_path(const struct scanner *, const char *path, struct content *ret, struct tree *ret_tree,
	      struct error *);
