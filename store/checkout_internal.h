/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/strlist.h"
#include "store/checkout.h"
#include "store/store_internal.h"
#include "store/tree.h"
/* What checkout.c planned and checkout_apply.c does. A single file is the entry "" of its tree. */
struct change {
	const struct tree_entry *old, *now; /* NULL: absent before, or to be absent */
	bool unknown;			    /* old is nowhere else */
};
struct checkout_job {
	const struct checkout *checkout;
	const char *path;
	struct tree cur, want;
	struct content before; /* what `cur` is */
	struct change *changes; /* in the order of their paths */
	size_t len, cap;
	struct strlist odd; /* tree paths of what no tree holds: FIFOs, ignored files in the way */
	bool want_is_tree;
	bool stands; /* a directory stood there before */
	struct staging staging;
	pthread_mutex_t mutex; /* one report at a time */
	size_t writes;
	size_t holes; /* files left out, because they were forgotten */
	struct tombstone hole;
	uint64_t bytes; /* to write */
	atomic_uint_fast64_t files_done, bytes_done;
	atomic_uint_fast64_t aside;
	atomic_bool copied; /* something in staging must be synced */
};
#define CHECKOUT_FEW 64 /* up to here each file is synced by itself */
#define FULL_PATH (2 * (TREE_MAX_PATH + 1))
/* The project path of a path in the tree. */
const char *checkout_full(const struct checkout_job *, const char *path, char buf[FULL_PATH]);
/* What a change is called in staging. */
#define STAGE_NAME 40
void checkout_stage_name(size_t index, char name[STAGE_NAME]);
/* Executables cannot be symlinks: objects are not executable. */
bool checkout_wants_symlink(const struct checkout_job *, const struct tree_entry *);
/* Writes all bytes into staging and to disk; the project is untouched. */
int checkout_stage(struct checkout_job *, struct error *);
/* Changes the project. */
int checkout_apply(struct checkout_job *, struct error *);
