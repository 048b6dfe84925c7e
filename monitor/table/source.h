/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
/*
 * The plain bytes behind a descriptor: as they are, or of gzip or zstd, which their first bytes tell. Regular files are
 * read by pread and never mapped: one that is truncated meanwhile has an end, and no signal.
 *
 * Life: source_open or source_range, source_close. Threads: one at a time; source_taken from any.
 */
struct error;
struct source;

/* Both lend the descriptor and the name, which serves messages. */
int source_open(int fd, const char *name, struct source **ret, struct error *);
/* The bytes [from, to) of a regular file that is not compressed. */
struct source *source_range(int fd, const char *name, uint64_t from, uint64_t to);
void source_close(struct source *);
void cleanup_source(struct source **);
/* As many as there is room for; fewer only at the end. */
ssize_t source_read(struct source *, void *buf, size_t room, struct error *);
/* Whether source_range works on it; where it began, from the file's first byte. */
bool source_plain(const struct source *, uint64_t *ret_start);
/* Bytes that were read, as they are stored. */
uint64_t source_taken(const struct source *);
