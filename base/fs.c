/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"

/* One openat2 beneath rootfd; returns the fd or -errno. */
static int open_resolved(int rootfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;

	/* EAGAIN: a rename elsewhere raced with "..", and the kernel could not be sure. */
	do {
		fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

static int open_beneath(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path, flags, mode, 0);
}

/* -ELOOP: there is a symlink on the way or at the end. */
static int open_direct(int rootfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(rootfd, path, flags, mode, RESOLVE_NO_SYMLINKS);
}

static int beneath_error(int sys, const char *path, struct error *err)
{
	if (sys == EXDEV)
		return error_set(err, ERR_USAGE, "%s leaves the project", path);
	return error_sys(err, sys, "cannot open %s", path);
}

int fs_open_beneath(int rootfd, const char *path, int flags, mode_t mode, struct error *err)
{
	int fd = open_beneath(rootfd, path, flags, mode);

	return fd < 0 ? beneath_error(-fd, path, err) : fd;
}

/* Names the first symlink on the way of `path`. */
static int symlink_error(int rootfd, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *part = xstrdup(path);
	char target[256];
	ssize_t len = -1;

	for (char *p = part; len < 0 && *p; p++) {
		char was;

		p += strcspn(p, "/");
		was = *p;
		*p = '\0';
		len = readlinkat(rootfd, part, target, sizeof(target) - 1);
		if (len >= 0 || !was)
			break;
		*p = was;
	}
	if (len < 0)
		return error_sys(err, ELOOP, "cannot open %s", path);
	target[len] = '\0';
	error_set(err, ERR_CONFLICT,
		  "%s is a symlink to %s: nothing is written or removed through a symlink", part,
		  target);
	return error_help(err, "use the path it leads to; or remove the symlink: rm %s", part);
}

static int direct_error(int rootfd, int sys, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int followed = -1;

	if (sys != ELOOP)
		return beneath_error(sys, path, err);
	followed = open_beneath(rootfd, path, O_PATH, 0);
	return followed == -EXDEV ? beneath_error(EXDEV, path, err) : symlink_error(rootfd, path, err);
}

int fs_open_direct(int rootfd, const char *path, int flags, mode_t mode, struct error *err)
{
	int fd = open_direct(rootfd, path, flags, mode);

	return fd < 0 ? direct_error(rootfd, -fd, path, err) : fd;
}

int fs_stat_beneath(int rootfd, const char *path, struct stat *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open_beneath(rootfd, path, O_PATH | O_NOFOLLOW, 0);

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return beneath_error(-fd, path, err);
	if (fstat(fd, ret) < 0)
		return error_sys(err, errno, "cannot stat %s", path);
	return 1;
}

/* The directory of the first `len` bytes of `path`, or -errno. */
static int near_dir(struct fs_near *near, const char *path, size_t len)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	size_t at = near->next;
	int fd;

	for (size_t i = 0; i < FS_NEAR_DIRS; i++)
		if (near->dirs[i].path && !strncmp(near->dirs[i].path, path, len) && !near->dirs[i].path[len])
			return near->dirs[i].fd;
	dir = xstrndup(path, len);
	fd = open_beneath(near->rootfd, dir, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (near->dirs[at].path) {
		free(near->dirs[at].path);
		close(near->dirs[at].fd);
	}
	near->dirs[at].path = steal(&dir);
	near->dirs[at].fd = fd;
	near->next = (at + 1) % FS_NEAR_DIRS;
	return fd;
}

int fs_stat_near(struct fs_near *near, const char *path, struct stat *ret, struct error *err)
{
	const char *base = path_base(path);
	int dirfd = base == path ? near->rootfd : near_dir(near, path, (size_t)(base - path) - 1);

	if (dirfd < 0 || fstatat(dirfd, base, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return fs_stat_beneath(near->rootfd, path, ret, err);
	return 1;
}

void fs_near_release(struct fs_near *near)
{
	for (size_t i = 0; i < FS_NEAR_DIRS; i++) {
		if (!near->dirs[i].path)
			continue;
		free(near->dirs[i].path);
		close(near->dirs[i].fd);
		near->dirs[i].path = NULL;
	}
}

/* Opens the directory `path`, making it in `parent` when absent. */
static int enter_dir(int rootfd, int parent, const char *path, mode_t mode, struct error *err)
{
	int fd = open_direct(rootfd, path, O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOENT) {
		if (io_mkdir(parent, path_base(path), mode, err) < 0)
			return -1;
		fd = open_direct(rootfd, path, O_PATH | O_DIRECTORY, 0);
	}
	if (fd == -ENOTDIR)
		return error_set(err, ERR_CONFLICT, "%s is in the way: it is no directory", path);
	return fd < 0 ? direct_error(rootfd, -fd, path, err) : fd;
}

/* Each prefix is opened from the root, so that the kernel vouches for the whole of it. */
static int make_dirs(int rootfd, char *path, mode_t mode, struct error *err)
{
	CLEANUP(cleanup_fd) int parent = -1;
	int fd = open_direct(rootfd, path, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	for (char *p = path;; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		fd = enter_dir(rootfd, parent < 0 ? rootfd : parent, path, mode, err);
		*p = was;
		if (fd < 0)
			return -1;
		cleanup_fd(&parent);
		parent = fd;
		if (was == '\0')
			return 0;
	}
}

int fs_make_dirs(int rootfd, const char *path, mode_t mode, struct error *err)
{
	CLEANUP(cleanup_free) char *copy = xstrdup(path);

	return make_dirs(rootfd, copy, mode, err);
}

int fs_make_parents(int rootfd, const char *path, mode_t mode, struct error *err)
{
	const char *base = path_base(path);
	CLEANUP(cleanup_free) char *copy = NULL;

	if (base == path)
		return 0;
	copy = xstrndup(path, (size_t)(base - path) - 1);
	return make_dirs(rootfd, copy, mode, err);
}

int fs_make_way(const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *copy = xstrdup(path);

	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		if (io_mkdir(AT_FDCWD, copy, 0777, err) < 0)
			return -1;
		*p = '/';
	}
	return 0;
}

/* Opens a directory to empty it, giving its owner the permission to do so. */
static int open_to_empty(int dirfd, const char *name)
{
	char proc[64];
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EACCES) {
		CLEANUP(cleanup_fd)
		int handle = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (handle < 0)
			return -1;
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", handle);
		if (chmod(proc, 0700) < 0)
			return -1;
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		(void)!fchmod(fd, (st.st_mode & 07777) | 0700);
	return fd;
}

static int remove_entry(int dirfd, const char *name, int flags, struct error *err)
{
	int sys = io_fault ? io_fault(IO_UNLINK, name) : 0;

	if (!sys && unlinkat(dirfd, name, flags) < 0 && errno != ENOENT)
		sys = errno;
	return sys ? error_sys(err, sys, "cannot remove %s", name) : 0;
}

static int remove_tree(int dirfd, const char *name, struct error *err);

static int empty_dir(DIR *dir, struct error *err)
{
	struct dirent *de;

	while ((errno = 0, de = readdir(dir))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (remove_tree(dirfd(dir), de->d_name, err) < 0)
			return -1;
	}
	return errno ? error_sys(err, errno, "cannot list a directory") : 0;
}

static int remove_tree(int dirfd, const char *name, struct error *err)
{
	struct stat st;
	DIR *dir;
	int fd, r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot stat %s", name);
	if (!S_ISDIR(st.st_mode))
		return remove_entry(dirfd, name, 0, err);
	fd = open_to_empty(dirfd, name);
	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_sys(err, errno, "cannot open directory %s", name);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return error_sys(err, errno, "cannot list %s", name);
	}
	r = empty_dir(dir, err);
	closedir(dir);
	if (r < 0)
		return error_wrap(err, "%s", name);
	return remove_entry(dirfd, name, AT_REMOVEDIR, err);
}

int fs_remove_tree(int dirfd, const char *path, struct error *err)
{
	const char *base = path_base(path);
	CLEANUP(cleanup_free) char *dir = NULL;
	CLEANUP(cleanup_fd) int parent = -1;

	if (*path == '/' || base == path)
		return remove_tree(dirfd, path, err);
	dir = xstrndup(path, (size_t)(base - path) - 1);
	parent = open_direct(dirfd, dir, O_PATH | O_DIRECTORY, 0);
	if (parent == -ENOENT || parent == -ENOTDIR)
		return 0;
	if (parent < 0)
		return direct_error(dirfd, -parent, dir, err);
	return remove_tree(parent, base, err) < 0 ? error_wrap(err, "%s", dir) : 0;
}

/* 1 done to the end, 0 the kernel cannot do it between these two files, -1 error. */
static int copy_in_kernel(int from, int to, const char *name, loff_t *at, struct error *err)
{
	for (;;) {
		ssize_t n = copy_file_range(from, at, to, NULL, (size_t)1 << 30, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* 0 at the start may be a file that lies about its size; read() knows. */
		if (n == 0)
			return *at > 0;
		if (n > 0)
			continue;
		if (*at == 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
				 errno == EOPNOTSUPP || errno == EPERM || errno == EBADF))
			return 0;
		return error_sys(err, errno, "cannot copy %s", name);
	}
}

static int copy_by_hand(int from, int to, const char *name, loff_t at, struct error *err)
{
	size_t size = 256 << 10;
	CLEANUP(cleanup_free) char *buf = xmalloc(size);

	for (;;) {
		ssize_t n = pread(from, buf, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read %s", name);
		if (n == 0)
			return 0;
		if (io_write_all(to, buf, (size_t)n, name, err) < 0)
			return -1;
		at += n;
	}
}

int fs_copy_fd(int from, int to, const char *name, struct error *err)
{
	int sys = io_fault ? io_fault(IO_WRITE, name) : 0;
	loff_t at = 0;
	int r;

	if (sys)
		return error_sys(err, sys, "cannot write %s", name);
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	r = copy_in_kernel(from, to, name, &at, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return copy_by_hand(from, to, name, at, err);
}

int fs_list_dir(int dirfd, const char *path, struct strlist *ret, struct error *err)
{
	int fd = *path == '/' ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
				open_direct(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	struct dirent *de;
	int sys;
	DIR *dir;

	if (fd == -ELOOP)
		return direct_error(dirfd, ELOOP, path, err);
	if (fd < 0)
		return error_sys(err, *path == '/' ? errno : -fd, "cannot open directory %s", path);
	dir = fdopendir(fd);
	if (!dir) {
		sys = errno;
		close(fd);
		return error_sys(err, sys, "cannot list %s", path);
	}
	struct strlist names = STRLIST_INIT;
	while ((errno = 0, de = readdir(dir)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strlist_push(&names, de->d_name);
	sys = errno;
	closedir(dir);
	if (sys) {
		strlist_release(&names);
		return error_sys(err, sys, "cannot list %s", path);
	}
	strlist_sort(&names);
	for (size_t i = 0; i < names.len; i++)
		strlist_push_owned(ret, names.items[i]);
	names.len = 0;
	strlist_release(&names);
	return 0;
}

const char *fs_kind_name(mode_t mode)
{
	static const struct {
		mode_t type;
		const char *name;
	} kinds[] = {
	    {S_IFREG, "regular file"}, {S_IFDIR, "directory"}, {S_IFLNK, "symlink"},
	    {S_IFIFO, "FIFO"},         {S_IFSOCK, "socket"},   {S_IFCHR, "character device"},
	    {S_IFBLK, "block device"},
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if ((mode & S_IFMT) == kinds[i].type)
			return kinds[i].name;
	return "unknown kind of file";
}
