/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/* Words of a Dockerfile: quotes, the escape, and variables as FROM and ARG know them. */
struct error;
struct strlist;

struct dockerfile_scope {
	char escape;
	const struct strlist *vars; /* NAME=VALUE; the last of a name counts */
};
/* The next word from *at on, by blanks that are not quoted. False: none. */
bool dockerfile_word(const char *text, char escape, size_t *at, size_t *ret_len);
/* Takes quotes away and puts in what variables stand for. ERR_USAGE for one that is not known. */
int dockerfile_expand(const struct dockerfile_scope *, const char *word, size_t len, char **ret, struct error *);
