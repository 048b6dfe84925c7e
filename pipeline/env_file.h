/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strlist.h"
/*
 * A file of an environment, as many tools write it: lines NAME=VALUE, optionally with "export " before them. Blank lines
 * and those that begin with '#' are skipped; one pair of quotes around all of a value is dropped; nothing is expanded.
 */
struct error;
struct problems;
struct strbuf;

#define ENV_FILE_BYTES_MAX (1u << 20)
#define ENV_FILE_NAMES_MAX 1000

/* Its text: a regular file of at most ENV_FILE_BYTES_MAX. */
int env_file_load(int rootfd, const char *path, struct strbuf *ret, struct error *);
/* Appends NAME=VALUE for each line. Problems go to the list, with their places in `file`; -1 when there are some. */
int env_file_parse(const char *text, size_t len, const char *file, struct problems *, struct strlist *ret);
