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
#include "store/store_internal.h"

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Removes the directories nobody holds. What cannot be removed is only litter, so errors are
 * dropped. */
static void sweep_dead(int parent)
{
	int listing = open_dir(parent, ".");
	DIR *dir = listing < 0 ? NULL : fdopendir(listing);
	struct dirent *de;

	if (!dir) {
		cleanup_fd(&listing);
		return;
	}
	while ((de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		CLEANUP(cleanup_fd) int fd = open_dir(parent, de->d_name);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			fs_remove_tree(parent, de->d_name, NULL);
	}
	closedir(dir);
}

/* 1 held, 0 another process swept it between mkdir and flock, -1 error. */
static int make_one(int parent, struct staging *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	uint64_t salt;
	struct stat st;

	clock_random(&salt, sizeof(salt));
	snprintf(ret->name, sizeof(ret->name), "%ld.%016llx", (long)getpid(),
		 (unsigned long long)salt);
	if (io_mkdir(parent, ret->name, 0755, err) < 0)
		return -1;
	fd = open_dir(parent, ret->name);
	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_sys(err, errno, "cannot open staging/%s", ret->name);
	/* NFS cannot flock a directory; then nobody can sweep there either. */
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
	int r = 0;

	if (io_mkdir(store->dirfd, "staging", 0755, err) < 0)
		return error_wrap(err, "%s", store->dir);
	parent = open_dir(store->dirfd, "staging");
	if (parent < 0)
		return error_sys(err, errno, "cannot open %s/staging", store->dir);
	sweep_dead(parent);
	for (int i = 0; r == 0 && i < 16; i++)
		r = make_one(parent, &staging, err);
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
