/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "store/content.h"
#include <stdint.h>
/* What the files of this floor share about rows: ids, and how a writer ends. */
struct db;
struct db_stmt;
struct error;
struct js;

/* A writer that refuses its input before it has written anything returns this inside db_begin; the
 * caller's transaction then stays usable. */
#define REFUSED (-2)
/* Ends what db_begin began: commits, or, at -1, rolls back. Returns the result, REFUSED as -1. */
int write_end(struct db *, int result, struct error *);

/* Row of a run; REFUSED with ERR_NOT_FOUND, or -1. */
int run_row(struct db *, const char *run_id, int64_t *ret, struct error *);

/* Row of a content, made when it is new. Inside a transaction. */
int content_row(struct db *, const struct content *, int64_t *ret, struct error *);
/* From four columns kind, digest, size, files. */
int content_read(struct db_stmt *, int column, struct content *ret, struct error *);
/* Sets "content", "size" and "files". */
void content_describe(const struct content *, struct js *);
