/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store/tree.h"
/* The directory of the path looked at last, kept open: neighbours in a sorted list share it. */
struct error;
struct cursor {
	int fd; /* -1 none; may be the root's, then it is not ours */
	int rootfd;
	char *dir; /* of the open descriptor */
	size_t cap;
};
#define CURSOR_INIT(root) { .fd = -1, .rootfd = (root) }
void cursor_release(struct cursor *);
/* Returns the descriptor (O_PATH) of the path's directory, lent until the cursor moves; with `make`,
 * missing directories are made. Through no symlink below the root. -1 on error. */
int cursor_enter(struct cursor *, const char *path, bool make, struct error *);
