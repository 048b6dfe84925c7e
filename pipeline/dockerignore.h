/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * .dockerignore: what of a context is not sent. A pattern a line, as Go's filepath.Match has them, and `**` for any number
 * of directories; a line that begins with '#' is a comment, one that begins with '!' takes back what lines above left
 * out; the last line that matches wins. A pattern is of the whole path, from the context's root, and leaves out
 * all that is below what it matches.
 */
#define DOCKERIGNORE_MAX_BYTES (64u << 10)
struct dockerignore;
struct error;

/* `name` is for messages. ERR_USAGE with the line of a pattern that is none. */
int dockerignore_parse(const char *text, size_t len, const char *name, struct dockerignore **ret, struct error *);
void dockerignore_free(struct dockerignore *);
void cleanup_dockerignore(struct dockerignore **);
/* Whether a path is left out. NULL leaves nothing out. */
bool dockerignore_match(const struct dockerignore *, const char *path);
/* Whether something below a directory that is left out may yet be taken back by an exception. */
bool dockerignore_may_return(const struct dockerignore *, const char *dir);
