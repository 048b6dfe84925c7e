/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "base/digest.h"
/*
 * step.accept: a person's word that outputs which are in place are the result of another
 * key as well. It is an event, whose body has the record of the new key's facts, and a row
 * of the cache that says so.
 */
struct cache_entry;
struct db;
struct error;
struct js;
struct strlist;

struct acceptance {
	const char *actor, *origin;
	const char *pipeline, *step;
	struct digest old, now;            /* keys */
	struct cache_entry *result;        /* what becomes the row of the new key; its run may be "": not known here, and
					    * then there is no row */
	const struct strlist *changes;     /* what differs between the keys, a line each */
	struct js *record;                 /* facts of the new key; lent */
};
/* Event and row, in one transaction. */
int accept_store(struct db *, const struct acceptance *, int64_t now_ms, struct error *);
/* The newest for this key: {step, by, time, old, key, run, changes[], record}; NULL when there is none. */
int accept_of_key(struct db *, const struct digest *key, struct js **ret, struct error *);
/* Those of results of a run or of runs below it, oldest first, without the records. */
int accepts_of_run(struct db *, const char *run, struct js **ret, struct error *);
