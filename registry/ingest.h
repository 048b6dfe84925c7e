/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/digest.h"
#include "registry/monitors.h"
/*
 * Rows and labels that come to monitors over HTTP: JSON lines in segments, files that only grow.
 *
 * How much of a segment counts is told by its row in the database, and nothing else. So one commit makes durable what
 * many requests brought, their keys, and the halves that wait, all or nothing: bytes are written behind those that count,
 * ingest_sync makes them durable, then the transaction makes them count. After a crash or an undone change there is
 * nothing to repair; the next bytes are written over those that nobody was promised.
 *
 * A segment is removed when monitors are done with all of it; the newest of each kind stays, so numbers never repeat.
 */
struct db;
struct error;
struct ingest;
struct project;

#define INGEST_SEGMENT	((uint64_t)16 << 20) /* bytes, after which another is begun */
#define INGEST_KEYS_MS	((int64_t)7 * 24 * 3600 * 1000) /* so long a key is known */
#define INGEST_HALF_MS	((int64_t)24 * 3600 * 1000) /* so long a half waits for the other */

/* The one who writes: of one process at a time, on one thread. */
int ingest_open(const struct project *, struct ingest **ret, struct error *);
void ingest_close(struct ingest *);
/* Whole lines, inside a transaction. ERR_LIMIT when `most` bytes wait to be judged already. */
struct ingest_lines {
	const char *monitor;
	enum monitor_kind kind;
	const char *text;
	size_t len;
	uint64_t rows, most;
};
int ingest_put(struct ingest *, struct db *, const struct ingest_lines *, struct error *);
/* Makes durable all that was put; before the transaction is committed. */
int ingest_sync(struct ingest *, struct error *);

struct ingest_key {
	const char *monitor, *key;
	struct digest digest;
	uint64_t rows;
	int64_t now_ms;
};
/* 1: the key was there, and brought *ret_rows. 0. ERR_CONFLICT: another request had it. */
int ingest_key_find(struct db *, const struct ingest_key *, uint64_t *ret_rows, struct error *);
/* From now on it is there. */
int ingest_key_add(struct db *, const struct ingest_key *, struct error *);

/* 1: the other half was here; its rows are the caller's, and it waits no more. 0: this one waits, in the place of one of
 * its own kind that may have waited. */
struct ingest_half {
	const char *monitor, *id;
	bool answer;
	const char *rows;
	int64_t now_ms;
};
int ingest_half_meet(struct db *, const struct ingest_half *, char **ret_other, struct error *);

struct ingest_segment {
	int64_t number;
	uint64_t bytes, rows;
};
/* In the order in which they came. The caller frees *ret. */
int ingest_segments(struct db *, const char *monitor, enum monitor_kind, struct ingest_segment **ret, size_t *ret_n,
		    struct error *);
/* For reading; it has at least the bytes that count, else it is ERR_DAMAGED. */
int ingest_segment_open(const struct project *, const char *monitor, enum monitor_kind, const struct ingest_segment *,
			struct error *);
/* A segment as monitor_source names it: "http:data/12". Caller frees. */
char *ingest_segment_name(enum monitor_kind, int64_t number);

/* Removes segments that the monitor has read to their ends, and keys and halves that are too old. *ret_lost: how many
 * halves of inferences never met the other. */
int ingest_clean(struct project *, const char *monitor, int64_t now_ms, int64_t *ret_lost, struct error *);
