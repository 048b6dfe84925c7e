/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store/tree.h"
/* Names below a directory. */
struct error;
struct ignore;
struct strlist;
struct walk {
	int topfd;
	const char *top;             /* its project path, "." for the project itself */
	const struct ignore *ignore; /* may be NULL */
	struct strlist *odd;         /* NULL: refuse what a tree cannot hold; else list it here */
};
/* Appends every file (as ENTRY_FILE without digest or size) and symlink (with its target, whatever
 * it is) below the directory, in the order of their paths. */
int walk_names(const struct walk *, struct tree *ret, struct error *);
