/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "runners/runner.h"
/*
 * The work directory of a step in a container, /w inside. It is empty but for the parents
 * of inputs and outputs, which belong to the step's user, and for the points where
 * inputs are mounted, read-only, one mount a path of `in`. Many single files are one
 * mount a directory: hard links to the store's objects, or copies, in
 * .mlops/work/RUN/STEP/farm. Where an output must stand beside them, they are copied into
 * the work directory itself. A second directory, /mlops inside, is where the step finds
 * its params and leaves metrics and summary.
 *
 * What stands in the work directory afterwards and is neither output nor mount point was not
 * declared.
 */
struct content;
struct error;
struct plan_node;
struct project;
struct store;
struct strlist;

#define SCRATCH_WORK   "/w"
#define SCRATCH_REPORT "/mlops"
#define SCRATCH_MOUNTS 256 /* single files mounted one by one */

struct scratch_user {
	uid_t uid;
	gid_t gid;
};
struct scratch {
	struct project *project;
	const struct plan_node *node;
	const struct content *inputs; /* by index of the node's inputs */
	struct store *store;          /* of the objects that a farm links to */
	const char *run;
	int attempt;
	struct scratch_user user;     /* as this machine knows it */
	bool links;                   /* directories of the project may hold symlinks into the store */
	/* made by scratch_make */
	struct runner_mount *mounts;
	size_t nmounts, mounts_cap;
};
/* The directories that stepdir_begin_scratch and the report need stand. */
int scratch_make(struct scratch *, struct error *);
/* One more mount; takes both texts. */
void scratch_mount(struct scratch *, char *source, char *target, bool writable);
void scratch_release(struct scratch *);
/* Who runs a step: the caller; for root the project's owner, and if that is root, too, 65532. With `root`, root. An engine
 * without root makes its own root of the caller. *ret_inside is for the container, *ret_here what files it makes belong to. */
int scratch_users(const struct project *, bool root, bool rootless, struct scratch_user *ret_inside,
		  struct scratch_user *ret_here, struct error *);
/* ERR_ENV naming the first input that the user cannot read, with the fix. */
int scratch_check_inputs(const struct project *, const struct plan_node *, const struct scratch_user *, struct error *);
/* ERR_CONFLICT when an output could not be moved to its place: something other than a directory stands above it, or
 * another file system is mounted there. */
int scratch_check_places(const struct project *, const struct plan_node *, struct error *);
/* Whether an input was touched after that time, in ms: also when it is as it was again. */
bool scratch_inputs_touched(const struct project *, const struct plan_node *, int64_t since_ms);
/* The number of files in the work directory that were not declared, less what no tree ever holds (__pycache__); the first ones are appended, `max` at most. What lies
 * deeper than a path can be counts as one. */
size_t scratch_undeclared(int workfd, const struct plan_node *, size_t max, struct strlist *ret);
/* ERR_FAILED for an output that cannot be moved out of the work directory: one that is, or is reached by, a symlink. */
int scratch_check_output(int workfd, const char *path, struct error *);
/* Gives an output that the user made to the project's owner, if we are root, and the modes that a file of ours has under
 * the umask. */
int scratch_take_output(const struct project *, int workfd, const char *path, const struct scratch_user *, mode_t umask,
			struct error *);
