/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "store/content.h"
#include "store/scan.h"
/* What the operations on data share: paths as typed, locks, and looking into trees. */
struct error;
struct js;
struct lock_entry;
struct op_context;
struct store;
struct store_batch;
struct strmap;

/* A path as the user typed it, also absolute when inside the project, as a project path. The
 * caller frees *ret. */
int data_path(const struct op_context *, const char *text, char **ret, struct error *);
/* A scanner of the project with its stat cache, ignore rules and store; `batch` may be NULL. */
int data_scanner(struct op_context *, struct store_batch *batch, struct scanner *ret,
		 struct error *);

struct data_locks {
	int tree, store; /* descriptors */
};
#define DATA_LOCKS_INIT                                                                            \
	{                                                                                          \
		-1, -1                                                                             \
	}
/* Takes the work tree for this process, says for whom it waits, and repairs what a killed run
 * left. */
int data_lock_tree(struct op_context *, struct data_locks *, struct js *notes, struct error *);
/* Keeps garbage collection away until released. */
int data_lock_store(struct op_context *, struct data_locks *, struct error *);
void data_unlock(struct data_locks *);

/*
 * What stands at `inside` in a stored tree. A directory in it has no object of its own: with a
 * batch one is made there, without it is CONTENT_TREE with a zero digest. A symlink is followed
 * inside the tree. ERR_NOT_FOUND names the nearest entry.
 */
int data_inside(struct store *, const struct content *tree, const char *inside,
		struct store_batch *, struct content *ret, struct error *);
/* mend.c: puts back what the store lost and the work tree still has: reads every path that was ever
 * recorded, and stores the objects whose hex digest `lost` has, and all of a lost tree. */
int data_mend(struct op_context *, const struct strmap *lost, struct error *);
/* Sorted, each path that was ever recorded, or that mlops.lock names: the latter also without a database that can be read. */
struct strlist;
void data_recorded_paths(struct op_context *, struct strlist *ret);
/* bring.c: puts data that mlops.lock names, a step of the pipeline reads, and the disk lacks into its place, from the
 * store or a remote. The work tree is held. */
struct pipeline;
int data_bring(struct op_context *, const struct pipeline *, struct error *);
/* Puts the content there, over any other that is kept; what is kept nowhere is refused. It comes from the store or a
 * remote. The work tree is held. */
int data_put(struct op_context *, const char *path, const struct content *, struct error *);
/* update.c: the newest stored version of each of these paths comes to its place, and mlops.lock names it. A path that a
 * step makes, or that is part of another version, is ERR_CONFLICT. The work tree is held. */
int data_update(struct op_context *, const struct js *paths, struct error *);
/* A remark for who waits. */
void data_tell(struct op_context *, const char *text);
/* op_checkout.c: checkout of what was brought already. Arguments and result are those of data.checkout. */
int data_place(struct op_context *, const struct js *args, struct js **ret_result, struct error *);
/* The work tree has the content that mlops.lock names for this path, as data or output. */
bool data_locked(struct op_context *, const char *path, struct content *ret);
/* Sets `key` to content_format's text and leaves an absent one out. */
void data_set_content(struct js *object, const char *key, const struct content *);
