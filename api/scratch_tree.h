/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "api/frozen.h"
/*
 * Scratch trees that are made of one state of the work tree: .mlops/scratch/ID/ holds
 *
 *     lock      held as long as somebody works with them
 *     files/    the work tree as it was (api/frozen.h)
 *     NAME/     a scratch tree (registry/satellite.h), a copy of files/
 *     kept      trees that are here stay after the lock is free: steps failed in them
 *
 * Without lock and `kept` the next run removes ID, the next experiment also with it, unless a run goes on in one of
 * its trees. Containers of a tree go with it, and its runs that lost their executor end.
 */
struct error;
struct js;
struct op_context;
struct project;
struct spawner;

#define SCRATCH_ID 12 /* hex digits */

struct scratch_set {
	struct project *project;
	const struct progress *progress;
	char id[SCRATCH_ID + 1];
	int fd, lock;
	struct frozen frozen;
	struct js *code;         /* the code version of the work tree, as satellite notes hold it */
	bool kept, used;         /* files/ became the last tree */
};
#define SCRATCH_SET_INIT { .fd = -1, .lock = -1 }

/* The work tree is held by the caller. */
int scratch_sweep(struct op_context *, bool also_kept, struct error *);
/* Removes a set, also one that is kept, unless somebody works with it. */
int scratch_set_forget(struct project *, const char *id, struct error *);
/* Makes an empty ID/. The spawner holds the lock, too. */
int scratch_set_open(struct project *, struct spawner *, struct scratch_set *ret, struct error *);
/* An empty directory in it, to be filled and sealed: then it is a scratch tree. Returns its descriptor. */
int scratch_set_tree(const struct scratch_set *, const char *name, struct error *);
int scratch_set_seal(struct scratch_set *, const char *name, int tree, const char *command, struct js *tags,
		     char **ret_path, struct error *);
/* Makes ID/ with the state of the work tree. The work tree is held by the caller; the spawner holds the lock, too. */
int scratch_set_take(struct op_context *, const struct frozen_want *, struct scratch_set *ret, struct error *);
/* Makes a tree, whose runs record the code of the set, the command and the tags. `last`: no other one is made after it.
 * *ret_path: absolute, owned. */
int scratch_set_make(struct scratch_set *, const char *name, const char *command, struct js *tags, bool last,
		 char **ret_path, struct error *);
/* Ends what a killed run left in the tree, and removes it. */
int scratch_set_drop(struct scratch_set *, const char *name, struct error *);
void scratch_set_keep(struct scratch_set *, const char *name);
/* Removes what is not kept. */
void scratch_set_close(struct scratch_set *);
