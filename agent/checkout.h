/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files of a registered project, by the git program: it knows credentials, ssh and LFS. It runs no hooks, asks
 * nothing, speaks no protocol but that of the source, and fetches no submodules.
 *
 * A mirror of each git source is kept in .mlops/mirrors/NAME.git.
 */
struct error;
struct js;
struct project;

/* What is wanted of a repository; all NULL: what its default branch has. */
struct checkout_want {
	const char *ref;     /* "refs/heads/x", "refs/pull/7/head" */
	const char *commit;  /* hex; it must be there, on this ref or by itself */
	const char *trusted; /* a file that is as the default branch has it, whatever the commit says */
};

/* Puts the files of the source (project_row_load's object) into the empty directory; *ret_code is the code version as in
 * notes of scratch trees (registry/satellite.h). `index` is a path for git's index, outside of the tree. */
int checkout_fill(struct project *, const struct js *source, const struct checkout_want *, const char *tree, const char *index,
		  struct js **ret_code, struct error *);
/* Of a project kind "here": another commit than what stands in its work tree. ERR_UNSUPPORTED: no repository begins there. */
int checkout_fill_here(struct project *, const struct js *source, const struct checkout_want *, const char *tree,
		       const char *index, struct js **ret_code, struct error *);
/* Brings the mirror of a git source to where its default branch is now. Nothing for another one. */
int checkout_fetch(struct project *, const struct js *source, struct error *);
