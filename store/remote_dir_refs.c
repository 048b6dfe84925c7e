/* SPDX-License-Identifier: Apache-2.0 */
/* Refs of a directory remote: files refs/KIND/NAME, written in staging and renamed over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "store/batch_internal.h"
#include "store/remote_internal.h"

#define REF_PATH 512 /* "refs/KIND/NAME" of a valid name */

static int check_name(const char *name, struct error *err)
{
	if (remote_ref_valid(name))
		return 0;
	return error_set(err, ERR_USAGE, "'%.80s' is no name of a ref", name);
}

static int cannot_use(const struct remote_dir *dir, int sys, const char *path, struct error *err)
{
	return error_sys(err, sys, "cannot read %s/%s", dir->store->dir, path);
}

int remote_dir_ref_get(struct remote *remote, const char *name, struct strbuf *ret,
		       struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;
	CLEANUP(cleanup_fd) int fd = -1;
	size_t start = ret->len;
	char path[REF_PATH];
	struct stat st;

	if (check_name(name, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "refs/%s", name);
	fd = openat(dir->store->dirfd, path,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return cannot_use(dir, errno, path, err);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > REMOTE_REF_MAX)
		return error_set(err, ERR_DAMAGED, "%s/%s is no ref", dir->store->dir, path);
	if (io_read_fd(fd, path, REMOTE_REF_MAX, ret, err) == 0)
		return 1;
	ret->len = start;
	ret->buf[start] = '\0';
	return -1;
}

/* The pending ref of this name, made when there is none. */
static struct pending_ref *find_pending(struct remote_dir *dir, const char *name)
{
	size_t index = (size_t)(uintptr_t)strmap_get(&dir->index, name);

	if (index)
		return &dir->refs[index - 1];
	GROW(dir->refs, dir->len, dir->cap);
	dir->refs[dir->len] = (struct pending_ref){ .name = xstrdup(name) };
	strmap_set(&dir->index, name, (void *)(uintptr_t)(dir->len + 1));
	return &dir->refs[dir->len++];
}

int remote_dir_ref_put(struct remote *remote, const char *name, const char *text, size_t len,
		       struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;
	struct pending_ref *ref;

	if (check_name(name, err) < 0)
		return -1;
	if (len > REMOTE_REF_MAX)
		return error_set(err, ERR_USAGE, "ref %s is too long: %zu bytes", name, len);
	ref = find_pending(dir, name);
	free(ref->text);
	ref->text = xmemdup(text, len);
	ref->len = len;
	return 0;
}

int remote_dir_ref_list(struct remote *remote, const char *kind,
			int (*each)(void *ctx, const char *name), void *ctx, struct error *err)
{
	struct remote_dir *dir = (struct remote_dir *)remote;
	struct dirent *de;
	char path[REF_PATH];
	int fd, sys, r = 0;
	DIR *listing;

	snprintf(path, sizeof(path), "%.250s/x", kind);
	if (check_name(path, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "refs/%s", kind);
	fd = openat(dir->store->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	listing = fd < 0 ? NULL : fdopendir(fd);
	if (!listing) {
		sys = errno;
		cleanup_fd(&fd);
		return cannot_use(dir, sys, path, err);
	}
	while (r == 0 && (errno = 0, de = readdir(listing))) {
		char name[REF_PATH];

		snprintf(name, sizeof(name), "%.250s/%.255s", kind, de->d_name);
		if (remote_ref_valid(name))
			r = each(ctx, name);
	}
	sys = r == 0 ? errno : 0;
	closedir(listing);
	return sys ? cannot_use(dir, sys, path, err) : r;
}

void remote_dir_forget_refs(struct remote_dir *dir)
{
	for (size_t i = 0; i < dir->len; i++) {
		free(dir->refs[i].name);
		free(dir->refs[i].text);
	}
	free(dir->refs);
	strmap_release(&dir->index);
	dir->refs = NULL;
	dir->len = dir->cap = 0;
}

/* Writing what stands there already would make every push as long as the first. */
static bool is_there(struct remote_dir *dir, const struct pending_ref *ref)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	return remote_dir_ref_get(&dir->base, ref->name, &text, NULL) == 1 && text.len == ref->len &&
	       !memcmp(text.buf, ref->text, ref->len);
}

static int write_ref(struct remote_dir *dir, struct pending_ref *ref, bool sync, struct error *err)
{
	mode_t mode = dir->store->dir_mode & S_IWGRP ? 0664 : 0644;
	int staging = dir->batch->staging.fd;
	int fd, r;

	batch_temp_name(dir->batch, ref->temp);
	fd = store_create(dir->store, staging, ref->temp, mode, err);
	if (fd < 0)
		return -1;
	r = io_write_all(fd, ref->text, ref->len, ref->name, err);
	if (r == 0 && sync)
		r = io_sync_file(fd, ref->name, err);
	/* Network file systems may tell only now that there is no room. */
	if (close(fd) < 0 && r == 0)
		r = error_sys(err, errno, "cannot write %s", ref->name);
	return r;
}

static int write_refs(struct remote_dir *dir, struct error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < dir->len; i++) {
		if (is_there(dir, &dir->refs[i]))
			continue;
		if (write_ref(dir, &dir->refs[i], dir->len <= FEW, err) < 0)
			return -1;
		n++;
	}
	return n && dir->len > FEW ? io_sync_fs(dir->batch->staging.fd, dir->store->dir, err) : 0;
}

/* refs/KIND, made when it is not there. */
static int open_kind(struct remote_dir *dir, int refs, const char *kind, struct error *err)
{
	int fd;

	if (store_publish_dir(dir->store, dir->batch->staging.fd, refs, kind, err) < 0)
		return -1;
	fd = store_open_dir(refs, kind);
	return fd < 0 ? error_sys(err, errno, "cannot use %s/refs/%s as a directory", dir->store->dir, kind) :
			fd;
}

static int publish_ref(struct remote_dir *dir, const struct pending_ref *ref, int kind, struct error *err)
{
	const char *name = strchr(ref->name, '/') + 1;
	struct stat st;

	if (!*ref->temp || io_rename(dir->batch->staging.fd, ref->temp, kind, name, err) == 0)
		return 0;
	if (fstatat(kind, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return -1;
	error_set(err, ERR_CONFLICT, "%s/refs/%s is a directory where a file belongs", dir->store->dir,
		  ref->name);
	return error_help(err, "look at what it is, and remove it");
}

static int publish_refs(struct remote_dir *dir, int refs, struct strlist *kinds, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	char opened[REF_PATH] = "";

	for (size_t i = 0; i < dir->len; i++) {
		const struct pending_ref *ref = &dir->refs[i];
		char kind[REF_PATH];

		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(ref->name, "/"), ref->name);
		if (strcmp(opened, kind) != 0) {
			cleanup_fd(&fd);
			fd = open_kind(dir, refs, kind, err);
			if (fd < 0)
				return -1;
			if (!strlist_has(kinds, kind))
				strlist_push(kinds, kind);
			memcpy(opened, kind, sizeof(kind));
		}
		if (publish_ref(dir, ref, fd, err) < 0)
			return -1;
	}
	return 0;
}

/* Also where nothing was renamed: another writer's equal ref may not be durable yet. */
static int sync_kinds(int refs, const struct strlist *kinds, struct error *err)
{
	for (size_t i = 0; i < kinds->len; i++)
		if (store_sync_dir(refs, kinds->items[i], err) < 0)
			return -1;
	return store_sync_dir(refs, ".", err);
}

int remote_dir_commit_refs(struct remote_dir *dir, struct error *err)
{
	struct strlist kinds = STRLIST_INIT;
	CLEANUP(cleanup_fd) int refs = -1;
	int r;

	if (store_make_dir(dir->store, dir->store->dirfd, "refs", err) < 0)
		return -1;
	refs = store_open_dir(dir->store->dirfd, "refs");
	if (refs < 0)
		return error_sys(err, errno, "cannot use %s/refs as a directory", dir->store->dir);
	r = write_refs(dir, err);
	if (r == 0)
		r = publish_refs(dir, refs, &kinds, err);
	if (r == 0)
		r = sync_kinds(refs, &kinds, err);
	strlist_release(&kinds);
	if (r == 0)
		remote_dir_forget_refs(dir);
	return r;
}
