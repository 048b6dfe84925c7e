/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "base/digest.h"
#include "store/store.h"
struct strbuf;
/* What the files of the store share: where objects stand, and private directories to write in. */
struct store {
	int dirfd;   /* .mlops */
	int objects; /* .mlops/objects */
	char *dir;   /* as given, for messages */
	/*
	 * Written by several users, perhaps on several machines: a remote. New directories then have the
	 * mode and group of `dir` whatever the umask, objects are 0444, a truncated object is replaced, and
	 * a staging directory is swept only when its writer cannot live.
	 */
	bool shared;
	mode_t dir_mode;
	gid_t group;
};

/* The store in an existing directory that has objects/. */
int store_open_shared(const char *dir, struct store **ret, struct error *);
/* Opens a directory that is not a symlink; -1 with errno. Whoever owns a shared store must not choose where
 * others write, so below its top nothing is written by way of a symlink. */
int store_open_dir(int dirfd, const char *name);
/* A directory of this store's mode; one that is there already is no error. */
int store_make_dir(const struct store *, int dirfd, const char *name, struct error *);
/* The same for a place that others write to: shared, it appears with its mode, by way of `staging`. */
int store_publish_dir(const struct store *, int staging, int dirfd, const char *name, struct error *);
/* A new file of exactly this mode when shared, less the umask when not. */
int store_create(const struct store *, int dirfd, const char *name, mode_t, struct error *);
/* fsync of a directory; what cannot be synced on this file system is no error. */
int store_sync_dir(int dirfd, const char *path, struct error *);
/* ret[i]: it is stored. For many ids directories are listed instead of asking for each. */
int store_has_many(struct store *, const struct digest *ids, size_t n, bool *ret, struct error *);
/*
 * Objects of others may be visible and not yet durable: their writer syncs the directory after the
 * rename. Whoever relies on an object without writing it calls this with its fan-out directory set.
 * Directories that did not change for an hour are not synced.
 */
int store_settle(struct store *, const bool fans[256], struct error *);

/* "ab/cdef...": an object's name below objects/ */
#define OBJECT_PATH (2 + 1 + 62 + 1)
char *object_path(const struct digest *, char path[OBJECT_PATH]);
/* false when absent or no regular file */
bool object_stat(const struct store *, const struct digest *, struct stat *ret);

/*
 * staging/PID.RANDOM: a directory of one writer, flocked for its life. Opening one
 * removes those whose writer died, and nothing of another name. In a shared store the name ends in ".8 hex digits" of the running
 * kernel: only there flock tells of each other, and those of other machines are swept when nothing
 * changed in them for a day. So are all where flock does not work.
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
/* How batch_add_as goes about it; all may be left 0. */
struct add_how {
	const struct watch *watch;
	bool replace; /* take the place of what is stored under this name */
};
/* batch_add_fd for bytes whose name is known. ERR_DAMAGED when they are not what it says or cannot be
 * read: then nothing was added. All other errors are of the store that is written. */
int batch_add_as(struct store_batch *, int fd, const char *name, const struct digest *,
		 const struct add_how *, uint64_t *ret_size, struct error *);
/* store_read that finds what is staged, too. */
int batch_read(struct store_batch *, const struct digest *, size_t max, struct strbuf *ret, struct error *);
/* Whether `name` is that of a writer's directory in staging/. */
bool staging_is_name(const char *name, bool shared);
