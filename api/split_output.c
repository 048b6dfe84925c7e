/* SPDX-License-Identifier: Apache-2.0 */
#include "api/split_output.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"

static char *temp_name(const char *base)
{
	uint64_t salt;

	clock_random(&salt, sizeof(salt));
	return xasprintf(".%s.%016llx.tmp", base, (unsigned long long)salt);
}

void split_output_release(struct split_output *out)
{
	for (size_t i = 0; i < out->n; i++) {
		struct split_file *f = &out->files[i];

		cleanup_fd(&f->fd);
		if (f->temp)
			unlinkat(out->parentfd, f->temp, 0);
		free(f->temp);
		free(f->name);
	}
	cleanup_fd(&out->parentfd);
	free(out->dir);
	free(out->parent);
	*out = (struct split_output)SPLIT_OUTPUT_INIT;
}

/* A part that is there is replaced with `force`; a directory never is. */
static int refuse_present(const char *dir, char *const *names, size_t n, bool force, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_free) char *path = path_join(dir, names[i]);
		struct stat st;

		if (lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode))
			return error_set(err, ERR_CONFLICT, "%s is in the way: it is a directory", path);
		if (force)
			continue;
		error_set(err, ERR_EXISTS, "%s is there already", path);
		return error_help(err, "--force replaces it; --output DIR writes elsewhere");
	}
	return 0;
}

static int add_file(struct split_output *out, const char *name, struct error *err)
{
	struct split_file f = { .name = xstrdup(name), .fd = openat(out->parentfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666) };

	if (f.fd < 0) {
		int made;

		f.temp = temp_name(name);
		made = io_create(out->parentfd, f.temp, 0666, err);
		f.fd = made < 0 ? -1 : openat(out->parentfd, f.temp, O_RDWR | O_CLOEXEC);
		if (made >= 0)
			close(made);
	}
	out->files[out->n++] = f;
	return f.fd < 0 ? error_wrap(err, "%s", out->parent) : 0;
}

int split_output_open(const char *dir, char *const *names, size_t n, bool force, struct split_output *ret, struct error *err)
{
	CLEANUP(split_output_release) struct split_output out = SPLIT_OUTPUT_INIT;
	struct stat st;
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	out.dir = xstrndup(dir, len);
	if (refuse_present(out.dir, names, n, force, err) < 0)
		return -1;
	if (!stat(out.dir, &st) && !S_ISDIR(st.st_mode))
		return error_set(err, ERR_CONFLICT, "%s is in the way: it is no directory", dir);
	if (fs_make_way(out.dir, err) < 0)
		return -1;
	out.parent = stat(out.dir, &st) ? xstrndup(out.dir, (size_t)(path_base(out.dir) - out.dir)) : xstrdup(out.dir);
	out.parentfd = open(out.parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out.parentfd < 0)
		return error_sys(err, errno, "cannot open directory %s", out.parent);
	for (size_t i = 0; i < n; i++)
		if (add_file(&out, names[i], err) < 0)
			return -1;
	*ret = out;
	out = (struct split_output)SPLIT_OUTPUT_INIT;
	return 0;
}

/* Gives the file its name in `dirfd`, where none has it. */
static int name_file(const struct split_output *out, struct split_file *f, int dirfd, struct error *err)
{
	char self[32];

	if (f->temp) {
		int r = io_publish(out->parentfd, f->temp, dirfd, f->name, err);

		if (r == 0)
			return error_set(err, ERR_EXISTS, "%s is there already", f->name);
		if (r > 0) {
			free(f->temp);
			f->temp = NULL;
		}
		return r < 0 ? -1 : 0;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
	if (linkat(AT_FDCWD, self, dirfd, f->name, AT_SYMLINK_FOLLOW) < 0)
		return error_sys(err, errno, "cannot create %s", f->name);
	return 0;
}

/* All, or those that got a name lose it again. */
static int name_files(struct split_output *out, int dirfd, struct error *err)
{
	for (size_t i = 0; i < out->n; i++) {
		if (!name_file(out, &out->files[i], dirfd, err))
			continue;
		while (i-- > 0)
			unlinkat(dirfd, out->files[i].name, 0);
		return -1;
	}
	return 0;
}

static int publish_among_others(struct split_output *out, struct error *err)
{
	for (size_t i = 0; i < out->n; i++)
		if (io_unlink(out->parentfd, out->files[i].name, err) < 0)
			return -1;
	return name_files(out, out->parentfd, err) < 0 ? -1 : io_sync_dir(out->parentfd, out->dir, err);
}

static int fill_directory(struct split_output *out, int parentfd, const char *temp, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (io_mkdir(parentfd, temp, 0777, err) < 0)
		return -1;
	fd = openat(parentfd, temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "cannot open directory %s", temp);
	return name_files(out, fd, err) < 0 ? -1 : io_sync_dir(fd, temp, err);
}

static int publish_directory(struct split_output *out, int parentfd, struct error *err)
{
	CLEANUP(cleanup_free) char *temp = temp_name(path_base(out->dir));

	if (fill_directory(out, parentfd, temp, err) < 0 || io_rename(parentfd, temp, parentfd, path_base(out->dir), err) < 0) {
		fs_remove_tree(parentfd, temp, NULL);
		return -1;
	}
	return io_sync_dir(parentfd, out->dir, err);
}

int split_output_publish(struct split_output *out, struct error *err)
{
	for (size_t i = 0; i < out->n; i++)
		if (io_sync_file(out->files[i].fd, out->files[i].name, err) < 0)
			return -1;
	if (strcmp(out->parent, out->dir) != 0)
		return publish_directory(out, out->parentfd, err);
	return publish_among_others(out, err);
}
