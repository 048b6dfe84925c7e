/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "registry/files.h"
/* What the parts of registry/files.h share. */

/* Where a path stands. */
struct place {
	int64_t id;  /* 0: of none; -1: of one that has no row yet */
	int64_t run; /* row of the run whose place it is; 0: of none */
	char *root;  /* "0/RUN/artifacts"; "" of none */
	char *path;  /* below the root; "" is the root */
};
#define PLACE_INIT { 0, 0, NULL, NULL }
void place_release(struct place *);
int place_find(struct db *, const char *path, struct place *ret, struct error *);

/* One more level of names, by their order. */
struct listing {
	struct listed {
		char *name; /* '/' at its end: a directory */
		uint64_t size;
	} *items;
	size_t len, cap;
	size_t max; /* names that are wanted: a source may stop after so many of its own; 0: all */
	const char *after;
};
void listing_add(struct listing *, const char *name, size_t len, bool is_dir, uint64_t size);
/* Whether a name in its form comes on this page or a later one. */
bool listing_wants(const struct listing *, const char *name, size_t len, bool is_dir);

/* What pipeline runs made (files_outputs.c). With `tree`, RUN_ARTIFACTS stands for the files themselves. */
int output_find(struct db *, struct store *, int64_t run, bool tree, const char *path, struct content *ret,
		struct error *); /* 1, 0 */
int output_list(struct db *, struct store *, int64_t run, bool tree, const char *dir, struct listing *, struct error *);
/* Whether an output stands at, above or below the path: 1, 0. */
int output_blocks(struct db *, int64_t run, const char *path, struct error *);
