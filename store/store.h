/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * The object store: immutable bytes named by their SHA-256, one file each, mode
 * 0444, at objects/ab/cdef... below the .mlops directory.
 *
 * Crash safety: an object is absent or whole. A batch writes into staging/, syncs
 * (up to 64 files: fdatasync each and their directories; above: one syncfs), then
 * publishes by rename without replacing and syncs the directories. Only after
 * batch_commit returned may a database commit or a lock file name its objects.
 * A staging directory carries a flock; the next batch removes those of dead writers.
 *
 * Threads: a struct store may be shared; batch_add_* may be called from several
 * threads at once.
 */
struct digest;
struct error;
struct store;
struct store_batch;
struct strbuf;

/* `dir` is the .mlops directory; with create, missing parts are made. */
int store_open(const char *dir, bool create, struct store **ret, struct error *);
void store_close(struct store *);

bool store_has(struct store *, const struct digest *);
/* ret[i]: it is stored. What is, is durable afterwards, also when another process published it a moment ago. */
int store_has_durable(struct store *, const struct digest *ids, size_t n, bool *ret, struct error *);
/* Read-only descriptor; ERR_NOT_FOUND when absent. Does not verify. */
int store_open_object(struct store *, const struct digest *, uint64_t *ret_size, struct error *);
/* Appends the bytes of a small object (trees, records) and verifies them: ERR_DAMAGED. */
int store_read(struct store *, const struct digest *, size_t max, struct strbuf *ret, struct error *);
/* Hashes the stored bytes. 0 good; -1 with ERR_DAMAGED or ERR_NOT_FOUND. */
int store_verify(struct store *, const struct digest *, struct error *);
/* Moves a damaged object to quarantine/; it is then absent. */
int store_quarantine(struct store *, const struct digest *, struct error *);
/* Every object, in no order. `each` returns 0, or -1 to stop. A file that is no object's name is
 * reported with digest NULL and its name. */
int store_each(struct store *, int (*each)(void *ctx, const struct digest *, uint64_t size, const char *name),
	       void *ctx, struct error *);

int batch_open(struct store *, struct store_batch **ret, struct error *);
/* Reads the descriptor to its end from offset 0, copies (reflink where it can) and hashes what was
 * stored. The caller checks with fstat that the source did not change meanwhile. */
int batch_add_fd(struct store_batch *, int fd, const char *name, struct digest *ret, uint64_t *ret_size,
		 struct error *);
int batch_add_bytes(struct store_batch *, const void *, size_t, struct digest *ret, struct error *);
/*
 * Bytes that come in pieces, from a socket perhaps: hashed as they are written. Small ones stay in memory until the
 * stream ends. Streams of one batch may be written by several threads, each by one at a time, and also while the batch
 * is committed, which does not know of them: only what was closed is part of it.
 */
struct batch_stream;
int batch_stream_open(struct store_batch *, struct batch_stream **ret, struct error *);
int batch_stream_write(struct batch_stream *, const void *, size_t, struct error *);
uint64_t batch_stream_size(const struct batch_stream *);
/* No more bytes; what they are. May be called again. */
void batch_stream_digest(struct batch_stream *, struct digest *ret);
/* Adds the bytes to the batch. The stream is freed, whatever the outcome. */
int batch_stream_close(struct batch_stream *, struct digest *ret, uint64_t *ret_size, struct error *);
void batch_stream_drop(struct batch_stream *); /* NULL is legal */
/* Read-only descriptor of what is staged here, else of what is stored. Does not verify. */
int batch_open_object(struct store_batch *, const struct digest *, struct error *);
/* Known to be staged here or stored already. */
bool batch_has(struct store_batch *, const struct digest *);
/* Makes everything durable and visible. The batch is then empty and may be used again. */
int batch_commit(struct store_batch *, struct error *);
void batch_free(struct store_batch *); /* drops what is not committed; NULL is legal */
void cleanup_batch(struct store_batch **);
