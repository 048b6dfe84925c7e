/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * Inputs side by side in a directory of their own, for a mount that shows many of them:
 * hard links to objects of the store where it has them, else copies of what is in
 * the project. Never links of the project's own files, whose ctime that would change.
 */
struct content;
struct error;
struct project;
struct store;

struct farm {
	struct project *project;
	struct store *store;
	int dirfd; /* paths are below it */
	bool link; /* false: copies, which may be written without harm */
	char *last; /* directory made last, NULL at first; the caller frees it */
};
void farm_release(struct farm *);
int farm_add(struct farm *, const char *path, const struct content *, struct error *);
