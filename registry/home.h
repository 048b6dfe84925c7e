/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * Whether a .mlops was made here or came with a clone. One that git tracks was written by
 * whoever wrote the repository: its settings name programs and its database names runs.
 */
struct error;

/* ERR_DENIED when git tracks ROOT/.mlops or anything below it; `homefd` is that directory. */
int home_check_origin(const char *root, int homefd, struct error *);
/* Does the text of a git index name `path`, or a path below it? 1, 0, or -1 when the text is no
 * index. With `ret_base`, the name of the file that a split index goes on in, or "". */
int git_index_names(const void *text, size_t len, const char *path, char ret_base[80]);
