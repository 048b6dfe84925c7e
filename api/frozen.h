/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strlist.h"
/*
 * A work tree as it is at one moment, copied for steps that must not run in it.
 *
 * Copied, by reflink where the file system can, never by hard link: what git tracks or does not ignore (without git:
 * what .mlopsignore does not name), the inputs, and files of up to FROZEN_SMALL bytes that git ignores. What else is
 * ignored, such as an environment, a directory of tools or a large file, becomes a symlink to where it is. Outputs,
 * .git, .mlops and what is never versioned (store/ignore.h) are left out.
 */
struct error;
struct pipeline;
struct plan;
struct progress;
struct project;

#define FROZEN_SMALL (64ll << 20)

struct frozen_file {
	char *path;          /* project path */
	struct stat *st;     /* when it was copied or linked */
};
struct frozen {
	struct frozen_file *items; /* what was copied, and symlinks that were made */
	size_t len, cap;
};
struct frozen_want {
	struct project *project;
	struct strlist inputs;  /* project paths, copied whole */
	struct strlist outputs; /* project paths, left out unless they are inputs, too */
	const struct progress *progress; /* may be NULL */
};
/* What a run reads beside the inputs of its steps. */
void frozen_want_pipeline(struct frozen_want *, const struct pipeline *);
/* What the selected steps read and none of them makes, and what all steps make. */
void frozen_want_plan(struct frozen_want *, const struct plan *);
void frozen_release(struct frozen *);
/* Copies into the empty directory `to`. */
int frozen_take(const struct frozen_want *, int to, struct frozen *ret, struct error *);
/* Appends the paths that are not any more as they were, and takes them as they are now. */
void frozen_changed(struct frozen *, int rootfd, struct strlist *ret);
/* Copies a whole tree, with modes, times and symlinks, into the empty directory `to`. */
int frozen_copy(int from, int to, const struct progress *, struct error *);
