/* SPDX-License-Identifier: Apache-2.0 */
/* How a scan reads one file: what is hashed is what stands there before and after. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/progress.h"
#include "store/scan_internal.h"
#include "store/statcache.h"
#include "store/statcache_internal.h"

#define TRIES 3

bool scan_is_object_target(const char *target, struct digest *ret)
{
	size_t len = strlen(target), tail = strlen("objects/") + OBJECT_PATH - 1;
	const char *p = target + len - tail;
	char hex[DIGEST_HEX + 1];

	if (len < tail || (len > tail && p[-1] != '/') || strncmp(p, "objects/", 8) != 0 ||
	    p[10] != '/')
		return false;
	memcpy(hex, p + 8, 2);
	memcpy(hex + 2, p + 11, DIGEST_HEX - 2 + 1);
	return digest_parse(hex, ret);
}

bool scan_is_object_link(const struct scan *scan, const struct place *place, const char *target)
{
	CLEANUP(cleanup_fd) int fd = -1;
	char full[FULL_NAME];
	struct stat st, object;
	struct digest id;

	if (!scan_is_object_target(target, &id))
		return false;
	if (scan->store && fstatat(place->dirfd, place->name, &st, 0) == 0 &&
	    object_stat(scan->store, &id, &object))
		return st.st_dev == object.st_dev && st.st_ino == object.st_ino;
	fd = fs_open_beneath(scan->scanner->rootfd, place_full(place, full), O_PATH, 0, NULL);
	return fd >= 0;
}

const char *place_full(const struct place *place, char buf[FULL_NAME])
{
	if (!*place->below)
		return place->top;
	if (!strcmp(place->top, "."))
		return place->below;
	snprintf(buf, FULL_NAME, "%s/%s", place->top, place->below);
	return buf;
}

int place_gone(const struct place *place, int sys, struct error *err)
{
	char full[FULL_NAME];

	if (sys == ENOENT || sys == ELOOP || sys == ENOTDIR || sys == ENXIO)
		return error_set(err, ERR_CONFLICT, "%s was removed or replaced while it was read",
				 place_full(place, full));
	return error_sys(err, sys, "cannot read %s", place_full(place, full));
}

static int place_open(const struct place *place, struct error *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, fd;

	if (place->follow == FOLLOW_BENEATH)
		return fs_open_beneath(place->dirfd, place->name, flags, 0, err);
	fd = openat(place->dirfd, place->name,
		    flags | (place->follow == FOLLOW_NOT ? O_NOFOLLOW : 0));
	return fd < 0 ? place_gone(place, errno, err) : fd;
}

int place_stat(const struct place *place, struct stat *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (place->follow != FOLLOW_BENEATH) {
		int flags = place->follow == FOLLOW_NOT ? AT_SYMLINK_NOFOLLOW : 0;
		return fstatat(place->dirfd, place->name, ret, flags) < 0
			   ? place_gone(place, errno, err)
			   : 0;
	}
	fd = fs_open_beneath(place->dirfd, place->name, O_PATH, 0, err);
	if (fd < 0)
		return -1;
	return fstat(fd, ret) < 0 ? place_gone(place, errno, err) : 0;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool scan_report(struct scan *scan)
{
	const struct progress *progress = scan->scanner->progress;
	bool stop;

	if (!progress)
		return false;
	pthread_mutex_lock(&scan->mutex);
	stop = progress->report(progress->ctx, scan->path, atomic_load(&scan->files_done),
				atomic_load(&scan->bytes_done), scan->todo_bytes);
	pthread_mutex_unlock(&scan->mutex);
	return stop;
}

static bool tick(void *ctx, uint64_t bytes)
{
	struct scan *scan = ctx;

	atomic_fetch_add(&scan->bytes_done, bytes);
	return scan_report(scan);
}

/* Hashes, and stores when there is a batch. A big file that was touched but perhaps not changed is
 * only hashed first: reading is cheaper than writing. */
static int read_once(struct scan *scan, int fd, const struct place *place, const struct stat *st,
		     struct digest *ret, uint64_t *ret_size, struct error *err)
{
	const struct scanner *s = scan->scanner;
	const char *name = *place->below ? place->below : place->top;
	struct watch watch = { tick, scan };
	bool small = st->st_size < SMALL_FILE;
	struct digest hint;
	int sys;

	if (s->batch && (small || !s->cache || !statcache_hint(s->cache, st, &hint) ||
			 !batch_has(s->batch, &hint)))
		return batch_add_watched(s->batch, fd, name, small ? NULL : &watch, ret, ret_size,
					 err);
	sys = file_hash(fd, small ? NULL : &watch, ret, ret_size);
	if (sys == ECANCELED)
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	if (sys)
		return place_gone(place, sys, err);
	if (!s->batch || digest_equal(ret, &hint))
		return 0;
	return batch_add_watched(s->batch, fd, name, NULL, ret, ret_size, err);
}

int scan_read_file(struct scan *scan, const struct place *place, struct stat *ret_st,
		   struct digest *ret, struct error *err)
{
	char full[FULL_NAME];

	for (int i = 0; i < TRIES; i++) {
		int64_t started_ns = clock_wall_ms() * 1000000;
		CLEANUP(cleanup_fd) int fd = -1;
		struct stat before;
		uint64_t size;

		if (place_stat(place, &before, err) < 0)
			return -1;
		if (!S_ISREG(before.st_mode))
			return place_gone(place, ENOENT, err);
		fd = place_open(place, err);
		if (fd < 0 || read_once(scan, fd, place, &before, ret, &size, err) < 0)
			return -1;
		if (fstat(fd, ret_st) < 0)
			return place_gone(place, errno, err);
		if (!same_state(&before, ret_st) || (uint64_t)before.st_size != size)
			continue;
		if (scan->scanner->cache)
			statcache_put(scan->scanner->cache, ret_st, ret, started_ns);
		return 0;
	}
	error_set(err, ERR_CONFLICT, "%s keeps changing while it is read", place_full(place, full));
	return error_help(err, "wait until whatever writes it is done, then try again");
}

/* A hard link to an object: its digest is certain while the object is this very inode. */
static bool is_linked_object(const struct scan *scan, const struct stat *st, struct digest *ret)
{
	struct stat object;

	return st->st_nlink > 1 && !(st->st_mode & 0222) && scan->store &&
	       statcache_get_linked(scan->scanner->cache, st, ret) &&
	       object_stat(scan->store, ret, &object) && object.st_dev == st->st_dev &&
	       object.st_ino == st->st_ino;
}

bool scan_is_known(const struct scan *scan, const struct stat *st, struct digest *ret)
{
	const struct scanner *s = scan->scanner;

	if (!s->cache || s->trust_nothing)
		return false;
	if (!statcache_get(s->cache, st, ret) && !is_linked_object(scan, st, ret))
		return false;
	return !s->batch || batch_has(s->batch, ret);
}
