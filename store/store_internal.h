/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "base/digest.h"
#include "store/store.h"
/* What the files of the store share: where objects stand, and private directories to write in. */
struct store {
	int dirfd;   /* .mlops */
	int objects; /* .mlops/objects */
	char *dir;   /* as given, for messages */
};

/* "ab/cdef...": an object's name below objects/ */
#define OBJECT_PATH (2 + 1 + 62 + 1)
char *object_path(const struct digest *, char path[OBJECT_PATH]);
/* false when absent or no regular file */
bool object_stat(const struct store *, const struct digest *, struct stat *ret);

/*
 * staging/PID.RANDOM: a directory of one writer, flocked for its life. Opening one
 * removes those whose writer died.
 */
struct staging {
	int parent; /* staging/ */
	int fd;     /* -1: not open */
	char name[64];
};
#define STAGING_INIT { -1, -1, "" }
int staging_open(struct store *, struct staging *ret, struct error *);
void staging_close(struct staging *); /* removes it with all that is left inside */

/* A file this small is read whole into memory of the stack. */
#define SMALL_FILE (64u << 10)
#define COPY_CHUNK (1u << 20)
/* Reads from offset 0 until the end or until the buffer is full; -1 with errno. */
ssize_t file_read_small(int fd, char buf[SMALL_FILE]);
/* Told of bytes as a big file is read; true asks to stop. May be NULL. */
struct watch {
	bool (*tick)(void *ctx, uint64_t bytes);
	void *ctx;
};
bool watch_tick(const struct watch *, uint64_t bytes);
/* Digest of a file from offset 0 to its end. Returns 0 or an errno; ECANCELED: the watch stopped. */
int file_hash(int fd, const struct watch *, struct digest *ret, uint64_t *ret_size);
/* batch_add_fd that can be watched. */
int batch_add_watched(struct store_batch *, int fd, const char *name, const struct watch *,
		      struct digest *ret, uint64_t *ret_size, struct error *);
struct store *batch_store(struct store_batch *);
