/* SPDX-License-Identifier: Apache-2.0 */
/* The half of a checkout that changes the project: what goes, then what comes, by renaming. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/checkout_internal.h"
#include "store/cursor_internal.h"
#include "store/parallel_internal.h"
#include "store/scan.h"
#include "store/statcache_internal.h"

static int root_of(const struct checkout_job *job)
{
	return job->checkout->scanner->rootfd;
}

/* --- what goes --- */

/* Moves what stands at `full` below the aside directory, under a name that is free there. */
static int move_aside(struct checkout_job *job, int dirfd, const char *full, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_join(job->checkout->aside, full);
	CLEANUP(cursor_release) struct cursor to = CURSOR_INIT(root_of(job));

	if (cursor_enter(&to, path, true, err) < 0)
		return -1;
	for (int i = 1; i < 1000; i++) {
		char name[300];
		int r;

		snprintf(name, sizeof(name), i > 1 ? "%.255s.%d" : "%.255s", path_base(path), i);
		r = io_publish(dirfd, path_base(full), to.fd, name, err);
		if (r > 0)
			atomic_fetch_add(&job->aside, 1);
		if (r != 0)
			return r < 0 ? -1 : 0;
	}
	return error_set(err, ERR_CONFLICT, "no free name for %s below %s", full,
			 job->checkout->aside);
}

/* Staging may take minutes. Whether what stands there now is still what was judged before: 1, 0 when somebody
 * wrote meanwhile, -1. */
static int is_as_judged(const struct checkout_job *job, const struct change *change, bool moved,
			const char *full, struct error *err)
{
	const struct tree_entry *old = moved ? NULL : change->old;
	struct scanner scanner = *job->checkout->scanner;
	struct content at;

	if (job->checkout->unknown == UNKNOWN_REPLACE || (old && old->kind == ENTRY_LINK))
		return 1;
	scanner.odd = NULL;
	scanner.batch = NULL;
	scanner.progress = NULL;
	if (scan_path(&scanner, full, &at, NULL, err) < 0)
		return -1;
	if (!old) /* a directory that only held what was removed is as good as nothing */
		return at.kind == CONTENT_ABSENT || (at.kind == CONTENT_TREE && !at.files);
	return (at.kind == CONTENT_FILE || at.kind == CONTENT_EXEC) && digest_equal(&at.id, &old->id);
}

/* The edit of a moment ago is kept: moved aside where that is the rule, else nothing more is changed. */
static int keep_edit(struct checkout_job *job, const struct change *change, bool moved, int dirfd,
		     const char *full, struct error *err)
{
	int same = is_as_judged(job, change, moved, full, err);

	if (same != 0)
		return same < 0 ? -1 : 0;
	if (job->checkout->unknown == UNKNOWN_ASIDE)
		return move_aside(job, dirfd, full, err);
	error_set(err, ERR_CONFLICT, "%s was changed while it was checked out", full);
	return error_help(err, "nothing was overwritten; look at it, then run the command again");
}

static int remove_changed(struct checkout_job *job, struct error *err)
{
	CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(root_of(job));

	for (size_t i = 0; i < job->len; i++) {
		const struct change *change = &job->changes[i];
		bool aside = change->unknown && job->checkout->unknown == UNKNOWN_ASIDE;
		char buf[FULL_PATH];
		const char *full;
		int dirfd;

		/* What is replaced stays until the new file is renamed over it. */
		if (!change->old || (change->now && !aside))
			continue;
		full = checkout_full(job, change->old->path, buf);
		dirfd = cursor_enter(&cursor, full, false, err);
		if (dirfd < 0 || (!aside && keep_edit(job, change, false, dirfd, full, err) < 0) ||
		    (aside ? move_aside(job, dirfd, full, err)
			   : io_unlink(dirfd, path_base(full), err)) < 0)
			return -1;
	}
	return 0;
}

static int remove_odd(struct checkout_job *job, struct error *err)
{
	for (size_t i = 0; i < job->odd.len; i++) {
		CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(root_of(job));
		char buf[FULL_PATH];
		const char *full = checkout_full(job, job->odd.items[i], buf);
		struct stat st;
		int there = fs_stat_beneath(root_of(job), full, &st, err), dirfd;

		if (there < 0)
			return -1;
		if (!there)
			continue; /* went with the directory around it */
		dirfd = cursor_enter(&cursor, full, false, err);
		if (dirfd < 0 || (job->checkout->unknown == UNKNOWN_ASIDE
					  ? move_aside(job, dirfd, full, err)
					  : fs_remove_tree(dirfd, path_base(full), err)) < 0)
			return -1;
	}
	return 0;
}

/* Removes the directories above a tree path as far as they are empty; the tree's own stays. */
static void prune_above(const struct checkout_job *job, const char *path)
{
	CLEANUP(cleanup_free) char *dir = xstrdup(path);
	char *slash;

	while ((slash = strrchr(dir, '/'))) {
		CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(root_of(job));
		char buf[FULL_PATH];
		const char *full;

		*slash = '\0';
		full = checkout_full(job, dir, buf);
		if (cursor_enter(&cursor, full, false, NULL) < 0 ||
		    unlinkat(cursor.fd, path_base(full), AT_REMOVEDIR) < 0)
			return;
	}
}

static bool same_dir(const char *a, const char *b)
{
	size_t len = (size_t)(path_base(a) - a);

	return len == (size_t)(path_base(b) - b) && !memcmp(a, b, len);
}

/* From the last path to the first, so that a directory is tried after those inside. */
static void prune_emptied(const struct checkout_job *job)
{
	const char *before = NULL;

	for (size_t i = job->len; i > 0; i--) {
		const struct change *change = &job->changes[i - 1];

		if (!change->old || change->now)
			continue;
		if (!before || !same_dir(before, change->old->path))
			prune_above(job, change->old->path);
		before = change->old->path;
	}
}

/* Removes a directory that holds directories only; else only its empty parts go. */
static void remove_empty_dirs(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!dir) {
		cleanup_fd(&fd);
		return;
	}
	while ((de = readdir(dir)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			remove_empty_dirs(fd, de->d_name);
	closedir(dir);
	unlinkat(dirfd, name, AT_REMOVEDIR);
}

static void remove_empty_at(const struct checkout_job *job, const char *full)
{
	CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(root_of(job));

	if (cursor_enter(&cursor, full, false, NULL) >= 0)
		remove_empty_dirs(cursor.fd, path_base(full));
}

/* --- what comes --- */

/* Physical path of an open directory. */
static bool fd_path(int fd, char path[TREE_MAX_PATH + 1])
{
	char proc[64];
	ssize_t len;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	len = readlink(proc, path, TREE_MAX_PATH);
	if (len <= 0)
		return false;
	path[len] = '\0';
	return path[0] == '/';
}

/* A symlink in `dirfd` to an object: relative when both are in the project, so that it may be
 * moved. */
static char *object_target(const struct checkout_job *job, int dirfd, const struct digest *id)
{
	char root[TREE_MAX_PATH + 1], dir[TREE_MAX_PATH + 1], objects[TREE_MAX_PATH + 1],
	    path[OBJECT_PATH];
	CLEANUP_STRBUF struct strbuf target = STRBUF_INIT;

	if (!fd_path(job->checkout->store->objects, objects))
		return NULL;
	object_path(id, path);
	if (!fd_path(root_of(job), root) || !fd_path(dirfd, dir) || !path_contains(root, dir) ||
	    !path_contains(root, objects))
		return xasprintf("%s/%s", objects, path);
	for (const char *p = dir + strlen(root); *p; p++)
		if (*p == '/')
			strbuf_puts(&target, "../");
	strbuf_printf(&target, "%s/%s", objects + strlen(root) + 1, path);
	return strbuf_detach(&target);
}

/* The target to link to; NULL: the entry is a file. The caller frees. */
static char *link_target(const struct checkout_job *job, int dirfd, const struct tree_entry *now)
{
	if (now->kind == ENTRY_LINK)
		return xstrdup(now->target);
	return checkout_wants_symlink(job, now) ? object_target(job, dirfd, &now->id) : NULL;
}

static int make_link(const char *target, int dirfd, const char *name, struct error *err)
{
	int sys = io_fault ? io_fault(IO_LINK, name) : 0;

	if (!sys && symlinkat(target, dirfd, name) < 0)
		sys = errno;
	return sys ? error_sys(err, sys, "cannot make symlink %s", name) : 0;
}

static int copy_staged(const struct checkout_job *job, const char *staged, int dirfd,
		       const char *temp, const struct tree_entry *now, struct error *err)
{
	CLEANUP(cleanup_fd)
	int from = openat(job->staging.fd, staged, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP(cleanup_fd) int to = -1;

	if (from < 0)
		return error_sys(err, errno, "cannot open %s", staged);
	to = io_create(dirfd, temp, now->kind == ENTRY_EXEC ? 0777 : 0666, err);
	if (to < 0 || fs_copy_fd(from, to, temp, err) < 0)
		return -1;
	return io_sync_file(to, temp, err);
}

/* For a place on another file system than staging. */
static int place_beside(const struct checkout_job *job, const char *staged, int dirfd,
			const char *base, const struct tree_entry *now, struct error *err)
{
	CLEANUP(cleanup_free) char *target = link_target(job, dirfd, now);
	uint64_t salt;
	char temp[64];
	int r;

	clock_random(&salt, sizeof(salt));
	snprintf(temp, sizeof(temp), ".mlops-tmp.%016llx", (unsigned long long)salt);
	r = target ? make_link(target, dirfd, temp, err)
		   : copy_staged(job, staged, dirfd, temp, now, err);
	if (r == 0)
		r = io_rename(dirfd, temp, dirfd, base, err);
	if (r < 0)
		unlinkat(dirfd, temp, 0);
	return r;
}

static int place_in(struct checkout_job *job, size_t index, int dirfd, const char *full,
		    struct error *err)
{
	const struct tree_entry *now = job->changes[index].now;
	CLEANUP(cleanup_free) char *target = link_target(job, dirfd, now);
	const char *base = path_base(full);
	struct error why = { 0 };
	char staged[STAGE_NAME];
	int r;

	checkout_stage_name(index, staged);
	if (target && make_link(target, job->staging.fd, staged, err) < 0)
		return -1;
	r = io_rename(job->staging.fd, staged, dirfd, base, &why);
	if (r < 0 && (why.sys == EISDIR || why.sys == ENOTEMPTY || why.sys == EEXIST)) {
		remove_empty_dirs(dirfd, base);
		r = io_rename(job->staging.fd, staged, dirfd, base, &why);
	}
	if (r < 0 && why.sys == EXDEV)
		return place_beside(job, staged, dirfd, base, now, err);
	if (r < 0 && err)
		*err = why;
	return r;
}

/* So that the next scan knows the link without reading it. */
static void remember_link(const struct checkout_job *job, const struct tree_entry *now, int dirfd,
			  const char *base)
{
	struct statcache *cache = job->checkout->scanner->cache;
	struct stat st;

	if (job->checkout->link == CHECKOUT_HARDLINK && cache && now->kind == ENTRY_FILE &&
	    fstatat(dirfd, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink > 1)
		statcache_put_linked(cache, &st, &now->id);
}

static int place_range(void *ctx, size_t from, size_t to, struct error *err)
{
	struct checkout_job *job = ctx;
	CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(root_of(job));

	for (size_t i = from; i < to; i++) {
		const struct tree_entry *now = job->changes[i].now;
		char buf[FULL_PATH];
		const char *full;
		bool moved;
		int dirfd;

		if (!now)
			continue;
		full = checkout_full(job, now->path, buf);
		dirfd = cursor_enter(&cursor, full, true, err);
		if (dirfd < 0)
			return -1;
		moved = job->changes[i].unknown && job->checkout->unknown == UNKNOWN_ASIDE;
		if (keep_edit(job, &job->changes[i], moved, dirfd, full, err) < 0)
			return -1;
		if (place_in(job, i, dirfd, full, err) < 0)
			return error_wrap(err, "%s", full);
		remember_link(job, now, dirfd, path_base(full));
	}
	return 0;
}

int checkout_apply(struct checkout_job *job, struct error *err)
{
	struct parallel place = { job->len, 256, 512, place_range, job };

	if (remove_changed(job, err) < 0)
		return -1;
	prune_emptied(job);
	if (remove_odd(job, err) < 0)
		return -1;
	if (!job->want_is_tree)
		remove_empty_at(job, job->path);
	return parallel_run(&place, err);
}
