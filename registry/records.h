/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Runs and cache results as text, for other people's registries. A record holds a
 * finished pipeline run with its step runs: params, metrics with their history, tags,
 * inputs and outputs, attempts. It is canonical JSON (docs/format.md), so one run
 * always gives the same bytes. Ids are global (random), so importing twice changes nothing.
 * Versions of artifacts and events stay where they were made.
 */
struct db;
struct digest;
struct error;
struct js;
struct strlist;

/* Bytes of a record; values in memory take many times that. */
#define RECORD_MAX (32u << 20)

/* Ids of all finished top-level runs, oldest first. */
int records_runs(struct db *, struct strlist *ret, struct error *);
/* Ids of the runs that are known here, whatever their state, are left out of the list. */
int records_drop_known(struct db *, struct strlist *ids, struct error *);
/* The run at the top that this one belongs to. ERR_NOT_FOUND. */
int record_top(struct db *, const char *run_id, char ret[33], struct error *);
/* The record of one finished top-level run. */
int record_export(struct db *, const char *run_id, struct js **ret, struct error *);
/* Texts of somebody else: ERR_DAMAGED unless they are, byte by byte, the canonical form of a record of this run at its
 * top, or of the result of this key (the caller releases the entry). */
int record_read(const char *text, size_t len, const char *run_id, struct js **ret, struct error *);
struct cache_entry;
int cache_read(const char *text, size_t len, const struct digest *key, struct cache_entry *ret, struct error *);
/* ERR_DAMAGED for what record_export would not have written. */
int record_check(const struct js *record, struct error *);
/* Inside a transaction. ERR_DAMAGED for what record_export would not have written: nothing was changed. *ret_new: it
 * was not known before. */
int record_import(struct db *, const struct js *record, bool *ret_new, struct error *);
/* Each content the record names. */
int record_each_content(const struct js *record, int (*each)(void *ctx, const struct content *), void *ctx,
			struct error *);

/* Step keys of the cache, and one entry as canonical JSON {key, run, step, created, outputs: [{path, content, size, files}]}. */
int cache_each_key(struct db *, int (*each)(void *ctx, const struct digest *key), void *ctx, struct error *);
int cache_export(struct db *, const struct digest *key, struct js **ret, struct error *);
/* ERR_DAMAGED for what cache_export would not have written. The entry is the caller's to release. */
int cache_parse(const struct js *, const struct digest *key, struct cache_entry *ret, struct error *);
