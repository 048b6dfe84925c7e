/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "store/scan.h"
#include "store/store_internal.h"
/* One scan, and how it reads one file (scan_file.c). */

/* How a name is opened. */
enum follow {
	FOLLOW_NOT,
	FOLLOW_BENEATH, /* the scanned path itself: symlinks that stay in the project */
	FOLLOW_OBJECT,	/* a symlink to an object of the store, wherever that is */
};
/* Where a file stands. */
struct place {
	int dirfd;
	const char *name;	 /* in dirfd */
	const char *top, *below; /* the scanned path and the path in it, or "" */
	enum follow follow;
};
#define FULL_NAME (2 * (TREE_MAX_PATH + 1))
struct scan {
	const struct scanner *scanner;
	const char *path; /* as asked for */
	int topfd;
	bool is_dir;
	struct store *store;
	struct tree *tree;
	pthread_mutex_t mutex; /* guards todo, odd and progress */
	size_t *todo;	       /* indexes of entries that must be read */
	size_t len, cap;
	uint64_t todo_bytes;
	atomic_uint_fast64_t files_done, bytes_done;
};

/* A symlink to an object of this store or, when that is not known, to one in the project. */
bool scan_is_object_link(const struct scan *, const struct place *, const char *target);
const char *place_full(const struct place *, char buf[FULL_NAME]);
/* Fails with "removed or replaced" where `sys` means that. */
int place_gone(const struct place *, int sys, struct error *);
int place_stat(const struct place *, struct stat *ret, struct error *);
/* Told to the progress; true asks to stop. */
bool scan_report(struct scan *);
/* True when the file need not be read. */
bool scan_is_known(const struct scan *, const struct stat *, struct digest *ret);
/* Hashes a file, and stores it when there is a batch. `ret_st` is what stands for the digest. */
int scan_read_file(struct scan *, const struct place *, struct stat *ret_st, struct digest *ret,
		   struct error *);
