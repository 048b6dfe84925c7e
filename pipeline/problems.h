/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "pipeline/grammar.h"
/*
 * All mistakes of one pipeline file: what its reading and its planning find goes into one list. Who only
 * wants to know whether the file is good asks for the verdict, which is the first of them.
 */
struct problem {
	struct error error; /* `where` is set */
	char *file;         /* that it is in: the pipeline, or one that it names */
	struct place at;    /* line and column are 0 when the whole file is meant */
};
#define PROBLEMS_MAX 1000 /* that are kept; the others are counted */
struct problems {
	struct problem *items; /* in the order they were found in */
	size_t len, cap;
	size_t count;
};
#define PROBLEMS_INIT { NULL, 0, 0, 0 }
void problems_release(struct problems *);
/* Another one, of ERR_USAGE, to be filled: lent until the next call. NULL when it is only counted. */
struct error *problems_add(struct problems *, const char *file, struct place);
/* Adds a copy of the error, unless one is told of this place already: what is wrong with one line in all instances of a
 * step, or in all steps, is told once. */
void problems_once(struct problems *, const char *file, struct place, const struct error *);
/* 0 when there are none. Else -1 with the first, whose help says how many more there are. */
int problems_verdict(const struct problems *, struct error *);
/* By file, line and column. */
void problems_sort(struct problems *);
