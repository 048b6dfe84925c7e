/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

int (*io_fault)(enum io_op, const char *name);

/* 0, or the errno a test wants this operation to fail with. */
static int fault(enum io_op op, const char *name)
{
	return io_fault ? io_fault(op, name) : 0;
}

int io_create(int dirfd, const char *name, mode_t mode, struct error *err)
{
	int sys = fault(IO_CREATE, name);
	int fd = -1;

	if (!sys) {
		fd = openat(dirfd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
		if (fd < 0)
			sys = errno;
	}
	if (sys)
		return error_sys(err, sys, "cannot create %s", name);
	return fd;
}

int io_write_all(int fd, const void *data, size_t len, const char *name, struct error *err)
{
	const char *at = data;
	int sys = fault(IO_WRITE, name);

	if (sys)
		return error_sys(err, sys, "cannot write %s", name);
	while (len) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_sys(err, n < 0 ? errno : EIO, "cannot write %s", name);
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_with(int (*sync)(int), int fd, const char *name, struct error *err)
{
	int sys = fault(IO_SYNC, name);

	if (!sys && sync(fd) < 0)
		sys = errno;
	if (sys)
		return error_sys(err, sys, "cannot write %s to disk", name);
	return 0;
}

int io_sync_file(int fd, const char *name, struct error *err)
{
	return sync_with(fdatasync, fd, name, err);
}

int io_sync_dir(int dirfd, const char *name, struct error *err)
{
	return sync_with(fsync, dirfd, name, err);
}

int io_sync_dir_at(int dirfd, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "cannot open directory %s", path);
	return io_sync_dir(fd, path, err);
}

int io_sync_fs(int fd, const char *name, struct error *err)
{
	return sync_with(syncfs, fd, name, err);
}

/* For file systems without RENAME_NOREPLACE: two names for a moment, never none. */
static int publish_by_link(int from_dir, const char *from, int to_dir, const char *to)
{
	if (linkat(from_dir, from, to_dir, to, 0) < 0)
		return -1;
	return unlinkat(from_dir, from, 0);
}

int io_publish(int from_dir, const char *from, int to_dir, const char *to, struct error *err)
{
	int sys = fault(IO_RENAME, to);

	if (!sys) {
		int r = renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE);
		if (r < 0 && (errno == EINVAL || errno == ENOSYS))
			r = publish_by_link(from_dir, from, to_dir, to);
		if (r == 0)
			return 1;
		sys = errno;
		if (sys == EEXIST)
			return 0;
	}
	return error_sys(err, sys, "cannot rename %s to %s", from, to);
}

int io_rename(int from_dir, const char *from, int to_dir, const char *to, struct error *err)
{
	int sys = fault(IO_RENAME, to);

	if (!sys && renameat(from_dir, from, to_dir, to) < 0)
		sys = errno;
	if (sys)
		return error_sys(err, sys, "cannot rename %s to %s", from, to);
	return 0;
}

int io_unlink(int dirfd, const char *name, struct error *err)
{
	int sys = fault(IO_UNLINK, name);

	if (!sys && unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		sys = errno;
	if (sys)
		return error_sys(err, sys, "cannot remove %s", name);
	return 0;
}

int io_mkdir(int dirfd, const char *name, mode_t mode, struct error *err)
{
	struct stat st;
	int sys = fault(IO_MKDIR, name);

	if (!sys && mkdirat(dirfd, name, mode) < 0) {
		sys = errno;
		if (sys == EEXIST && fstatat(dirfd, name, &st, 0) == 0 && S_ISDIR(st.st_mode))
			sys = 0;
	}
	if (sys)
		return error_sys(err, sys, "cannot make directory %s", name);
	return 0;
}

/* The descriptor is closed either way, and a failing close counts: NFS reports writes there. */
static int fill_and_close(int fd, const char *name, const void *data, size_t len, bool durable,
			  struct error *err)
{
	int r = io_write_all(fd, data, len, name, err);

	if (r == 0 && durable)
		r = io_sync_file(fd, name, err);
	if (close(fd) < 0 && r == 0)
		r = error_sys(err, errno, "cannot write %s", name);
	return r;
}

int io_replace_file(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		    bool durable, struct error *err)
{
	CLEANUP_STRBUF struct strbuf temp = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf dir = STRBUF_INIT;
	const char *base = name;
	uint64_t salt;
	int fd;

	for (const char *p = name; *p; p++)
		if (*p == '/')
			base = p + 1;
	strbuf_add(&dir, name, (size_t)(base - name));
	clock_random(&salt, sizeof(salt));
	strbuf_printf(&temp, "%s.%s.%016llx.tmp", dir.buf, base, (unsigned long long)salt);
	fd = io_create(dirfd, temp.buf, mode, err);
	if (fd < 0)
		return -1;
	if (fill_and_close(fd, temp.buf, data, len, durable, err) < 0 ||
	    io_rename(dirfd, temp.buf, dirfd, name, err) < 0) {
		unlinkat(dirfd, temp.buf, 0);
		return -1;
	}
	if (!durable)
		return 0;
	return io_sync_dir_at(dirfd, dir.len ? dir.buf : ".", err);
}

int io_read_fd(int fd, const char *name, size_t max, struct strbuf *ret, struct error *err)
{
	size_t start = ret->len;
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size <= max)
		strbuf_reserve(ret, (size_t)st.st_size + 1);
	for (;;) {
		size_t room;
		ssize_t n;

		strbuf_reserve(ret, 4096);
		room = ret->cap - ret->len - 1;
		n = read(fd, ret->buf + ret->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, errno, "cannot read %s", name);
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		ret->buf[ret->len] = '\0';
		if (ret->len - start > max)
			return error_set(err, ERR_USAGE, "%s is larger than %zu bytes", name, max);
	}
}

int io_read_file(int dirfd, const char *name, size_t max, struct strbuf *ret, struct error *err)
{
	/* Non-blocking, so that a FIFO in the file's place is an error and no hang. */
	CLEANUP(cleanup_fd)
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return error_sys(err, errno, "cannot open %s", name);
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot read %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "%s is not a regular file", name);
	return io_read_fd(fd, name, max, ret, err);
}

int io_scratch(struct error *err)
{
	const char *dir = getenv("TMPDIR");
	CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
	uint64_t salt;
	int fd;

	if (!dir || dir[0] != '/')
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		clock_random(&salt, sizeof(salt));
		strbuf_printf(&name, "%s/mlops.%016llx.tmp", dir, (unsigned long long)salt);
		fd = open(name.buf, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlink(name.buf);
	}
	if (fd < 0)
		return error_sys(err, errno, "cannot make a temporary file in %s", dir);
	return fd;
}
