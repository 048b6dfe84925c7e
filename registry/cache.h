/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/* Step key -> what the step made. Only successes stand here. A row whose objects are missing is a miss;
 * the caller looks. */
struct db;
struct error;
struct cache_output {
	char *path;
	struct content content;
};
struct cache_entry {
	char run[33]; /* the nested run that made it */
	char step[256];
	int64_t created_ms;
	bool accepted; /* the run made it for another key, and a person said that it holds for this one, too */
	struct cache_output *outputs;
	size_t noutputs;
};
void cache_entry_release(struct cache_entry *);
/* 1 found, 0 miss, -1 error */
int cache_find(struct db *, const struct digest *key, struct cache_entry *ret, struct error *);
/* Replaces what stood there. */
int cache_store(struct db *, const struct digest *key, const struct cache_entry *, struct error *);
int cache_forget(struct db *, const struct digest *key, struct error *);
/* Every row, newest first, lent and without its outputs. `each` returns 0, or anything else to stop. */
int cache_each(struct db *, int (*each)(void *ctx, const struct digest *key, const struct cache_entry *), void *ctx,
	       struct error *);
