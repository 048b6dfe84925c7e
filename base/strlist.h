/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/* A list of owned strings. Life: STRLIST_INIT (all zero), any calls, strlist_release. */
struct strlist {
	char **items;
	size_t len, cap;
};
#define STRLIST_INIT { NULL, 0, 0 }
void strlist_release(struct strlist *);
void strlist_push(struct strlist *, const char *);        /* copies */
void strlist_push_owned(struct strlist *, char *);        /* takes it */
void strlist_sort(struct strlist *);                      /* by bytes */
void strlist_uniq(struct strlist *);                      /* sorted list: drops repeats */
bool strlist_has(const struct strlist *, const char *);   /* any order, linear */
bool strlist_has_sorted(const struct strlist *, const char *);
/* The item nearest to `word` by Damerau-Levenshtein distance <= max(1, len/3), or NULL. Borrowed. */
const char *strlist_nearest(const struct strlist *, const char *word);
const char *nearest_word(const char *const *words, size_t n, const char *word);
char *strlist_join(const struct strlist *, const char *separator);
