/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "store/content.h"
#include "store/tombstone.h"
/*
 * From the store to the disk. Only what differs is written: first all of it into the
 * store's staging directory and to disk, then each file is renamed to its place. So a
 * full disk or a damaged object changes nothing, a crash leaves old or new files, never
 * half ones, and running again completes it. Files whose bytes the store does not hold ("unknown")
 * are never overwritten or deleted silently.
 */
struct error;
struct progress;
struct scanner;
struct store;

enum checkout_link { CHECKOUT_COPY, CHECKOUT_HARDLINK, CHECKOUT_SYMLINK };
enum checkout_unknown {
	UNKNOWN_REFUSE,  /* ERR_CONFLICT, names up to three, changes nothing */
	UNKNOWN_REPLACE, /* --force */
	UNKNOWN_ASIDE,   /* moved below `aside`, same path */
};
struct checkout {
	struct store *store;
	const struct scanner *scanner; /* of the target's root, to see what is there; its batch is unused */
	enum checkout_link link;       /* hard links and symlinks are read-only, into the store */
	enum checkout_unknown unknown;
	const char *aside;             /* project path */
	const char *keep;              /* UNKNOWN_REFUSE: help that tells how to keep it; may be NULL */
	bool verify;                   /* hash what is written */
	bool holes;                    /* of a tree, bring the rest when files of it were forgotten */
	const struct progress *progress;
};
/* In a tree, a symlink is known when it is wanted or when the whole tree that stands there is
 * stored. Ignored files are not seen and stay; where a file must stand they are unknown content. */
struct checkout_result {
	uint64_t files_written, files_removed, files_kept, files_aside;
	struct content before; /* what stood there, less what no tree can hold */
	uint64_t files_forgotten;   /* left out: store/tombstone.h */
	struct tombstone forgotten; /* of the first of them */
};
/* Makes `path` hold `want`. CONTENT_ABSENT removes it. A missing object is ERR_NOT_FOUND before
 * anything was changed. */
int checkout_path(const struct checkout *, const char *path, const struct content *want,
		  struct checkout_result *ret, struct error *);
int checkout_link_parse(const char *word, enum checkout_link *ret, struct error *);
