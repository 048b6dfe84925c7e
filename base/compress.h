/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <sys/types.h>
/*
 * Compressed files: one zstd frame with a checksum, written and read in pieces; frames that others wrote, one behind
 * another, are read, too. Memory is some MiB, whatever the file holds: a frame that asks for more than 8 is refused.
 */
struct error;
struct compressor;
struct decompressor;

/* Both lend the descriptor and the name, which serves messages. */
struct compressor *compress_to(int fd, const char *name);
int compress_add(struct compressor *, const void *, size_t, struct error *);
/* The frame is complete only after this. */
int compress_end(struct compressor *, struct error *);
void compress_free(struct compressor *);
void cleanup_compressor(struct compressor **);

/* Where compressed bytes come from: as many as there are, 0 at the end, -1. */
struct compressed {
	ssize_t (*read)(void *ctx, void *buf, size_t room, struct error *);
	void *ctx;
};

struct decompressor *decompress_from(int fd, const char *name);
struct decompressor *decompress_of(struct compressed, const char *name); /* lends ctx */
/* Bytes read, 0 at the end. ERR_DAMAGED: it is no such file, was changed, or lacks its end. */
ssize_t decompress_read(struct decompressor *, void *buf, size_t room, struct error *);
void decompress_free(struct decompressor *);
void cleanup_decompressor(struct decompressor **);
