/* SPDX-License-Identifier: Apache-2.0 */
/* A store that several users write to: who may write where. Others only lend these functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "store/store_internal.h"

int store_open_shared(const char *dir, struct store **ret, struct error *err)
{
	struct store *store;
	struct stat st;

	if (store_open(dir, false, &store, err) < 0)
		return error_help(err, "%s", "");
	close(store->objects);
	store->objects = store_open_dir(store->dirfd, "objects");
	if (store->objects < 0 || fstat(store->dirfd, &st) < 0) {
		error_sys(err, errno, "cannot use %s/objects as a directory", dir);
		store_close(store);
		return -1;
	}
	store->shared = true;
	store->dir_mode = st.st_mode & (S_ISGID | S_ISVTX | 0777);
	store->group = st.st_gid;
	*ret = store;
	return 0;
}

int store_open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What somebody else made is his to change, and what is no directory is found by who opens it. A group
 * that this user is not in stays as it is, and then only the owner's bits are what they should be. */
static int fix_dir(const struct store *store, int dirfd, const char *name, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = store_open_dir(dirfd, name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid())
		return 0;
	if (st.st_gid != store->group)
		(void)!fchown(fd, (uid_t)-1, store->group);
	else if ((st.st_mode & 07777) == store->dir_mode)
		return 0;
	/* File systems without permissions (FAT, some network ones) have nothing to set. */
	if (fchmod(fd, store->dir_mode) < 0 && errno != EPERM && errno != EOPNOTSUPP)
		return error_sys(err, errno, "cannot set the mode of %s", name);
	return 0;
}

int store_make_dir(const struct store *store, int dirfd, const char *name, struct error *err)
{
	if (io_mkdir(dirfd, name, 0755, err) < 0)
		return -1;
	return store->shared ? fix_dir(store, dirfd, name, err) : 0;
}

int store_publish_dir(const struct store *store, int staging, int dirfd, const char *name,
		      struct error *err)
{
	struct error why = { 0 };
	char temp[32];
	struct stat st;
	int r;

	if (!store->shared)
		return io_mkdir(dirfd, name, 0755, err);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		return 0;
	snprintf(temp, sizeof(temp), "d%.24s", name);
	if (store_make_dir(store, staging, temp, err) < 0)
		return -1;
	r = io_publish(staging, temp, dirfd, name, &why);
	/* A plain rename replaces an empty directory at most. */
	if (r < 0 && (why.sys == EPERM || why.sys == EISDIR)) {
		r = renameat(staging, temp, dirfd, name) == 0;
		if (!r && errno != ENOTEMPTY && errno != EEXIST)
			return error_sys(err, errno, "cannot make directory %s", name);
	}
	if (r < 0 && err)
		*err = why;
	if (r == 0)
		unlinkat(staging, temp, AT_REMOVEDIR);
	return r < 0 ? -1 : 0;
}

int store_create(const struct store *store, int dirfd, const char *name, mode_t mode,
		 struct error *err)
{
	CLEANUP(cleanup_fd) int fd = io_create(dirfd, name, mode, err);
	struct stat st;

	if (fd < 0 || !store->shared)
		return steal_fd(&fd);
	if (fstat(fd, &st) == 0 && (st.st_mode & 0777) != mode && fchmod(fd, mode) < 0 &&
	    errno != EPERM && errno != EOPNOTSUPP) {
		error_sys(err, errno, "cannot set the mode of %s", name);
		unlinkat(dirfd, name, 0);
		return -1;
	}
	return steal_fd(&fd);
}

int store_sync_dir(int dirfd, const char *path, struct error *err)
{
	struct error why = { 0 };

	if (io_sync_dir_at(dirfd, path, &why) == 0 || why.sys == EINVAL || why.sys == EOPNOTSUPP)
		return 0;
	if (err)
		*err = why;
	return -1;
}
