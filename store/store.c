/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/store_internal.h"
#include "store/tombstone.h"

int store_open(const char *dir, bool create, struct store **ret, struct error *err)
{
	CLEANUP(cleanup_fd) int dirfd = -1;
	int objects;

	if (create && io_mkdir(AT_FDCWD, dir, 0755, err) < 0)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return error_sys(err, errno, "cannot open %s", dir);
	if (create && io_mkdir(dirfd, "objects", 0755, err) < 0)
		return error_wrap(err, "%s", dir);
	objects = openat(dirfd, "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (objects < 0) {
		error_sys(err, errno, "cannot open %s/objects", dir);
		return error_help(err, "run: mlops init");
	}
	struct store *store = xcalloc(1, sizeof(*store));
	store->dirfd = steal_fd(&dirfd);
	store->objects = objects;
	store->dir = xstrdup(dir);
	*ret = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	cleanup_fd(&store->objects);
	close(store->dirfd);
	free(store->dir);
	free(store);
}

char *object_path(const struct digest *id, char path[OBJECT_PATH])
{
	char hex[DIGEST_HEX + 1];

	digest_format(id, hex);
	memcpy(path, hex, 2);
	path[2] = '/';
	memcpy(path + 3, hex + 2, DIGEST_HEX - 2 + 1);
	return path;
}

bool object_stat(const struct store *store, const struct digest *id, struct stat *ret)
{
	char path[OBJECT_PATH];

	return fstatat(store->objects, object_path(id, path), ret, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(ret->st_mode);
}

bool store_has(struct store *store, const struct digest *id)
{
	struct stat st;

	return object_stat(store, id, &st);
}

static int missing(struct store *store, const struct digest *id, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	struct tombstone stone;

	if (tombstone_find(store, id, &stone)) {
		error_set(err, ERR_NOT_FOUND, "object %s was forgotten on %s: %s", digest_format(id, hex), stone.date, stone.reason);
		return error_help(err, TOMBSTONE_HELP);
	}
	return error_set(err, ERR_NOT_FOUND, "object %s is not in %s", digest_format(id, hex),
			 store->shared ? store->dir : "the store");
}

int store_open_object(struct store *store, const struct digest *id, uint64_t *ret_size,
		      struct error *err)
{
	char path[OBJECT_PATH];
	struct stat st;
	CLEANUP(cleanup_fd)
	int fd = openat(store->objects, object_path(id, path),
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return missing(store, id, err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot open %s/objects/%s", store->dir, path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_DAMAGED, "%s/objects/%s is not a regular file",
				 store->dir, path);
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return steal_fd(&fd);
}

static int damaged(const struct store *store, const struct digest *id, struct error *err)
{
	char path[OBJECT_PATH];

	error_set(err, ERR_DAMAGED, "%s/objects/%s does not hold the bytes it is named after",
		  store->dir, object_path(id, path));
	return error_help(err, store->shared ? "who has it whole can mend it: mlops push --verify" :
						    "run: mlops fsck");
}

int store_read(struct store *store, const struct digest *id, size_t max, struct strbuf *ret,
	       struct error *err)
{
	size_t start = ret->len;
	struct digest found;
	uint64_t size;
	CLEANUP(cleanup_fd) int fd = store_open_object(store, id, &size, err);
	char hex[DIGEST_HEX + 1];

	if (fd < 0)
		return -1;
	if (size > max)
		return error_set(err, ERR_DAMAGED,
				 "object %s has %llu bytes, at most %zu are expected",
				 digest_format(id, hex), (unsigned long long)size, max);
	if (io_read_fd(fd, digest_format(id, hex), max, ret, err) < 0)
		return -1;
	digest_of(ret->buf + start, ret->len - start, &found);
	if (digest_equal(&found, id))
		return 0;
	ret->len = start;
	ret->buf[start] = '\0';
	return damaged(store, id, err);
}

/* -1 with errno. */
static ssize_t read_at(int fd, void *buf, size_t size, uint64_t at)
{
	ssize_t n;

	do {
		n = pread(fd, buf, size, (off_t)at);
	} while (n < 0 && errno == EINTR);
	return n;
}

bool watch_tick(const struct watch *watch, uint64_t bytes)
{
	return watch && watch->tick(watch->ctx, bytes);
}

static int hash_rest(int fd, const void *head, size_t head_len, const struct watch *watch,
		     struct digest *ret, uint64_t *ret_size)
{
	CLEANUP(cleanup_free) char *buf = xmalloc(COPY_CHUNK);
	uint64_t at = head_len;
	struct hasher hasher;
	int sys = 0;
	ssize_t n;

	hasher_init(&hasher);
	hasher_update(&hasher, head, head_len);
	while (!sys && (n = read_at(fd, buf, COPY_CHUNK, at)) != 0) {
		if (n < 0) {
			sys = errno;
			break;
		}
		hasher_update(&hasher, buf, (size_t)n);
		at += (uint64_t)n;
		sys = watch_tick(watch, (uint64_t)n) ? ECANCELED : 0;
	}
	if (sys) {
		hasher_release(&hasher);
		return sys;
	}
	hasher_final(&hasher, ret);
	*ret_size = at;
	return 0;
}

ssize_t file_read_small(int fd, char buf[SMALL_FILE])
{
	size_t len = 0;

	while (len < SMALL_FILE) {
		ssize_t n = read_at(fd, buf + len, SMALL_FILE - len, len);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int file_hash(int fd, const struct watch *watch, struct digest *ret, uint64_t *ret_size)
{
	char head[SMALL_FILE];
	ssize_t len = file_read_small(fd, head);

	if (len < 0)
		return errno;
	if (len == SMALL_FILE)
		return hash_rest(fd, head, SMALL_FILE, watch, ret, ret_size);
	digest_of(head, (size_t)len, ret);
	*ret_size = (uint64_t)len;
	return 0;
}

int store_verify(struct store *store, const struct digest *id, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = store_open_object(store, id, NULL, err);
	char hex[DIGEST_HEX + 1];
	struct digest found;
	uint64_t size;
	int sys;

	if (fd < 0)
		return -1;
	sys = file_hash(fd, NULL, &found, &size);
	if (sys)
		return error_sys(err, sys, "cannot read object %s", digest_format(id, hex));
	return digest_equal(&found, id) ? 0 : damaged(store, id, err);
}

int store_quarantine(struct store *store, const struct digest *id, struct error *err)
{
	char path[OBJECT_PATH], hex[DIGEST_HEX + 1];
	CLEANUP(cleanup_fd) int dir = -1;

	if (io_mkdir(store->dirfd, "quarantine", 0755, err) < 0)
		return error_wrap(err, "%s", store->dir);
	dir = openat(store->dirfd, "quarantine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return error_sys(err, errno, "cannot open %s/quarantine", store->dir);
	return io_rename(store->objects, object_path(id, path), dir, digest_format(id, hex), err);
}

struct listing {
	struct store *store;
	int (*each)(void *ctx, const struct digest *, uint64_t size, const char *name);
	void *ctx;
};

static int list_one(const struct listing *l, int dirfd, const char *fan, const char *name)
{
	char full[DIGEST_HEX + 256 + 4];
	struct digest id;
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", fan, name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* removed meanwhile */
	if (S_ISREG(st.st_mode) && strlen(fan) == 2 && digest_parse(full, &id))
		return l->each(l->ctx, &id, (uint64_t)st.st_size, NULL);
	snprintf(full, sizeof(full), "%s%s%s", fan, *fan ? "/" : "", name);
	return l->each(l->ctx, NULL, (uint64_t)st.st_size, full);
}

static bool is_fan(const char *name)
{
	return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

/* Lists objects/ itself (fan "") or one fan-out directory. */
static int list_dir(const struct listing *l, const char *fan, struct error *err)
{
	int fd = openat(l->store->objects, *fan ? fan : ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int r = 0;

	if (!dir) {
		error_sys(err, errno, "cannot list %s/objects/%s", l->store->dir, fan);
		cleanup_fd(&fd);
		return -1;
	}
	while (r == 0 && (errno = 0, de = readdir(dir))) {
		struct stat st;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (!*fan && is_fan(de->d_name) &&
		    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			r = list_dir(l, de->d_name, err);
		else
			r = list_one(l, fd, fan, de->d_name);
	}
	if (r == 0 && errno)
		r = error_sys(err, errno, "cannot list %s/objects/%s", l->store->dir, fan);
	closedir(dir);
	return r;
}

int store_each(struct store *store,
	       int (*each)(void *ctx, const struct digest *, uint64_t size, const char *name),
	       void *ctx, struct error *err)
{
	struct listing listing = { store, each, ctx };

	return list_dir(&listing, "", err);
}
