/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * What is never versioned: .mlops/ .git/ __pycache__/ *.pyc .ipynb_checkpoints/
 * .DS_Store, and the patterns of .mlopsignore at the project's root, in gitignore's
 * syntax (comments, '!', leading and trailing '/', '*', '?', '[...]', '**'). The
 * built-in rules cannot be taken back with '!'.
 */
#define IGNORE_MAX_BYTES (1u << 20)
struct error;
struct ignore;
/* An absent .mlopsignore is no error. */
int ignore_load(int rootfd, struct ignore **ret, struct error *);
int ignore_parse(const char *text, size_t len, struct ignore **ret, struct error *);
void ignore_free(struct ignore *);
/* `path` is from the project's root. A path below an ignored directory is ignored. */
bool ignore_match(const struct ignore *, const char *path, bool is_dir);
/* The same for a walk that knows that no parent is ignored. NULL: built-in rules only. */
bool ignore_match_here(const struct ignore *, const char *path, bool is_dir);
