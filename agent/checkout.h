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

/* Puts the files of the source (project_row_load's object) into the empty directory; *ret_code is the code version as in
 * notes of scratch trees (registry/satellite.h). `index` is a path for git's index, outside of the tree. */
int checkout_fill(struct project *, const struct js *source, const char *tree, const char *index, struct js **ret_code,
		  struct error *);
