/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "store/store_internal.h"

/* 8 hex digits that tell this running kernel from others; random ones where it does not say. */
static void kernel_tag(char ret[9])
{
	CLEANUP_STRBUF struct strbuf id = STRBUF_INIT;
	char hex[DIGEST_HEX + 1];
	struct digest digest;
	uint64_t salt;

	if (io_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256, &id, NULL) < 0) {
		clock_random(&salt, sizeof(salt));
		strbuf_printf(&id, "%llu", (unsigned long long)salt);
	}
	digest_of(id.buf, id.len, &digest);
	memcpy(ret, digest_format(&digest, hex), 8);
	ret[8] = '\0';
}

bool staging_is_name(const char *name, bool shared)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = strspn(name, digits);

	if (!len || name[len++] != '.' || strspn(name + len, digits) != 16)
		return false;
	len += 16;
	if (!shared)
		return !name[len];
	return name[len] == '.' && strspn(name + len + 1, digits) == 8 && name[len + 9] == '\0';
}

/* Nothing was written here for a day, not even in the middle of a large file. */
static bool is_idle(int fd)
{
	struct strlist names = STRLIST_INIT;
	struct stat st;
	time_t newest;

	if (fstat(fd, &st) < 0 || fs_list_dir(fd, ".", &names, NULL) < 0)
		return false;
	newest = st.st_mtime;
	for (size_t i = 0; i < names.len; i++)
		if (fstatat(fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime > newest)
			newest = st.st_mtime;
	strlist_release(&names);
	return clock_wall_ms() / 1000 - newest > 24 * 3600;
}

static bool is_dead(const struct store *store, const char *tag, const char *name, int fd)
{
	if (!staging_is_name(name, store->shared))
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno != EWOULDBLOCK && is_idle(fd);
	return !store->shared || !strcmp(strrchr(name, '.') + 1, tag) || is_idle(fd);
}

/* Removes the directories of dead writers. What cannot be removed is only litter, so errors are
 * dropped. */
static void sweep_dead(const struct store *store, const char *tag, int parent)
{
	int listing = store_open_dir(parent, ".");
	DIR *dir = listing < 0 ? NULL : fdopendir(listing);
	struct dirent *de;

	if (!dir) {
		cleanup_fd(&listing);
		return;
	}
	while ((de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		CLEANUP(cleanup_fd) int fd = store_open_dir(parent, de->d_name);
		if (fd >= 0 && is_dead(store, tag, de->d_name, fd))
			fs_remove_tree(parent, de->d_name, NULL);
	}
	closedir(dir);
}

/* 1 held, 0 another process swept it between mkdir and flock, -1 error. */
static int make_one(const struct store *store, const char *tag, int parent, struct staging *ret,
		    struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	uint64_t salt;
	struct stat st;

	clock_random(&salt, sizeof(salt));
	snprintf(ret->name, sizeof(ret->name), "%ld.%016llx%s%s", (long)getpid(),
		 (unsigned long long)salt, store->shared ? "." : "", store->shared ? tag : "");
	if (store_make_dir(store, parent, ret->name, err) < 0)
		return -1;
	fd = store_open_dir(parent, ret->name);
	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_sys(err, errno, "cannot open staging/%s", ret->name);
	/* Where nothing can be locked (some network mounts), only age tells who is dead. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return 0;
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return 0;
	ret->fd = steal_fd(&fd);
	return 1;
}

int staging_open(struct store *store, struct staging *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int parent = -1;
	struct staging staging = STAGING_INIT;
	char tag[9];
	int r = 0;

	if (store_make_dir(store, store->dirfd, "staging", err) < 0)
		return error_wrap(err, "%s", store->dir);
	parent = store_open_dir(store->dirfd, "staging");
	if (parent < 0)
		return error_sys(err, errno, "cannot open %s/staging", store->dir);
	kernel_tag(tag);
	sweep_dead(store, tag, parent);
	for (int i = 0; r == 0 && i < 16; i++)
		r = make_one(store, tag, parent, &staging, err);
	if (r < 0)
		return error_wrap(err, "%s", store->dir);
	if (r == 0)
		return error_set(err, ERR_CONFLICT,
				 "%s/staging: other processes keep removing our directory",
				 store->dir);
	staging.parent = steal_fd(&parent);
	*ret = staging;
	return 0;
}

void staging_close(struct staging *staging)
{
	if (staging->fd < 0)
		return;
	fs_remove_tree(staging->parent, staging->name, NULL);
	close(staging->fd);
	close(staging->parent);
	staging->fd = staging->parent = -1;
}
