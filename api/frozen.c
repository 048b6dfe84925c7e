/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/frozen.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/strmap.h"
#include "registry/git.h"
#include "registry/project.h"
#include "store/ignore.h"
#include "store/tree.h"

/* What becomes of a path; HOLDS is a directory with something below it that is named. */
enum use { USE_NONE, USE_HOLDS, USE_FILE, USE_OUTPUT, USE_WHOLE };

struct copying {
	const struct progress *progress;
	uint64_t files, bytes;
	struct error *err;
};
struct freezing {
	struct copying copy;
	const struct project *project;
	const struct ignore *ignore; /* without git, else NULL */
	char *objects;               /* of the store */
	struct strmap uses;          /* project path -> enum use */
	struct frozen *frozen;
};

/* ---- copying ---- */

static int advance(struct copying *c, const struct stat *st)
{
	const struct progress *p = c->progress;

	c->files++;
	c->bytes += (uint64_t)st->st_size;
	if (p && p->report && p->report(p->ctx, "copying", c->files, c->bytes, 0))
		return error_set(c->err, ERR_INTERRUPTED, "interrupted while the work tree was copied");
	return 0;
}

/* Who acts as root leaves things to those whose they are. */
static int give(int fd, const struct stat *st, const char *name, struct error *err)
{
	if (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) < 0)
		return error_sys(err, errno, "cannot give away %s", name);
	return 0;
}

static int copy_file(struct copying *c, int in, int to, const char *name, mode_t mode)
{
	CLEANUP(cleanup_fd) int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (out < 0)
		return error_sys(c->err, errno, "cannot make a copy of %s", name);
	if (fstat(in, &st) < 0)
		return error_sys(c->err, errno, "cannot look at %s", name);
	if (fs_copy_fd(in, out, name, c->err) < 0 || give(out, &st, name, c->err) < 0)
		return -1;
	if (fchmod(out, mode & 0777) < 0 ||
	    futimens(out, (const struct timespec[]){ { .tv_nsec = UTIME_OMIT }, st.st_mtim }) < 0)
		return error_sys(c->err, errno, "cannot set mode and time of a copy of %s", name);
	return advance(c, &st);
}

static int open_dir(int dirfd, const char *name, struct error *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_sys(err, errno, "cannot open the directory %s", name) : fd;
}

/* Makes a directory like the one at `from`; returns both, open. */
static int enter(struct copying *c, int from, int to, const char *name, int *ret_from, int *ret_to)
{
	struct stat st;

	*ret_from = open_dir(from, name, c->err);
	if (*ret_from < 0)
		return -1;
	if (mkdirat(to, name, 0700) < 0 || fstat(*ret_from, &st) < 0)
		return error_sys(c->err, errno, "cannot make the directory %s", name);
	*ret_to = open_dir(to, name, c->err);
	if (*ret_to < 0 || give(*ret_to, &st, name, c->err) < 0)
		return -1;
	if (fchmod(*ret_to, (st.st_mode & 0777) | 0700) < 0)
		return error_sys(c->err, errno, "cannot set the mode of %s", name);
	return 0;
}

static int make_link(struct copying *c, const char *target, int to, const char *name)
{
	return symlinkat(target, to, name) < 0 ? error_sys(c->err, errno, "cannot make the symlink %s", name) : 0;
}

static int copy_all(struct copying *c, int from, int to);

static int copy_entry(struct copying *c, int from, int to, const char *name)
{
	CLEANUP(cleanup_fd) int in = -1;
	CLEANUP(cleanup_fd) int out = -1;
	char target[PATH_MAX];
	struct stat st;
	ssize_t len;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_sys(c->err, errno, "cannot look at %s", name);
	if (S_ISDIR(st.st_mode))
		return enter(c, from, to, name, &in, &out) < 0 ? -1 : copy_all(c, in, out);
	if (S_ISLNK(st.st_mode)) {
		len = readlinkat(from, name, target, sizeof(target) - 1);
		if (len < 0)
			return error_sys(c->err, errno, "cannot read the symlink %s", name);
		target[len] = '\0';
		return make_link(c, target, to, name);
	}
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return in < 0 ? error_sys(c->err, errno, "cannot read %s", name) : copy_file(c, in, to, name, st.st_mode);
}

static int copy_all(struct copying *c, int from, int to)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	if (fs_list_dir(from, ".", &names, c->err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (copy_entry(c, from, to, names.items[i]) < 0)
			return -1;
	return 0;
}

int frozen_copy(int from, int to, const struct progress *progress, struct error *err)
{
	struct copying c = { .progress = progress, .err = err };

	return copy_all(&c, from, to);
}

/* ---- what is wanted ---- */

static enum use use_of(const struct freezing *f, const char *path)
{
	return (enum use)(uintptr_t)strmap_get(&f->uses, path);
}

/* An input inside of an output that is left out brings the directories on its way. */
static void set_use(struct freezing *f, const char *path, enum use use)
{
	CLEANUP(cleanup_free) char *above = xstrdup(path);
	char *slash;

	strmap_set(&f->uses, path, (void *)(uintptr_t)use);
	while ((slash = strrchr(above, '/'))) {
		enum use there;
		*slash = '\0';
		there = use_of(f, above);
		if (there != USE_NONE && !(there == USE_OUTPUT && use == USE_WHOLE))
			return;
		strmap_set(&f->uses, above, (void *)(uintptr_t)USE_HOLDS);
	}
}

static void want_file(void *ctx, const char *path)
{
	set_use(ctx, path, USE_FILE);
}

/* An input may be reached through symlinks of the project: where they lead is wanted, too. */
static void want_input(struct freezing *f, const char *path)
{
	CLEANUP(cleanup_free) char *full = path_join(f->project->root, path);
	CLEANUP(cleanup_free) char *real = realpath(full, NULL);
	size_t len = strlen(f->project->root);

	set_use(f, path, USE_WHOLE);
	if (real && strcmp(real, full) != 0 && !strncmp(real, f->project->root, len) && real[len] == '/' &&
	    !path_contains(f->objects, real))
		set_use(f, real + len + 1, USE_WHOLE);
}

static bool is_wanted(const struct freezing *f, const char *path, enum use use, bool is_dir)
{
	return use != USE_NONE || (f->ignore && !ignore_match_here(f->ignore, path, is_dir));
}

/* ---- freezing ---- */

static void remember(struct freezing *f, const char *path, const struct stat *st)
{
	GROW(f->frozen->items, f->frozen->len, f->frozen->cap);
	f->frozen->items[f->frozen->len++] = (struct frozen_file){ xstrdup(path), xmemdup(st, sizeof(*st)) };
}

static int link_there(struct freezing *f, int to, const char *name, const char *path, const struct stat *st)
{
	CLEANUP(cleanup_free) char *full = path_join(f->project->root, path);

	remember(f, path, st);
	return make_link(&f->copy, full, to, name);
}

/* What a checkout by link left is a file. A relative target that leads out is written out, because the copy stands
 * somewhere else. */
static int freeze_link(struct freezing *f, int from, int to, const char *name, const char *path)
{
	CLEANUP(cleanup_free) char *full = path_join(f->project->root, path);
	CLEANUP(cleanup_free) char *real = realpath(full, NULL);
	CLEANUP(cleanup_free) char *absolute = NULL;
	char target[PATH_MAX];
	ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);
	struct stat st;

	if (len < 0)
		return error_sys(f->copy.err, errno, "cannot read the symlink %s", path);
	target[len] = '\0';
	if (real && path_contains(f->objects, real)) {
		CLEANUP(cleanup_fd) int in = open(real, O_RDONLY | O_CLOEXEC);
		if (in >= 0 && fstat(in, &st) == 0 && S_ISREG(st.st_mode))
			return copy_file(&f->copy, in, to, name, st.st_mode | 0600);
	}
	if (*target == '/' || tree_target_inside(path, target))
		return make_link(&f->copy, target, to, name);
	*strrchr(full, '/') = '\0';
	absolute = path_join(full, target);
	return make_link(&f->copy, absolute, to, name);
}

static int freeze_file(struct freezing *f, int from, int to, const char *name, const char *path, bool wanted,
		       const struct stat *st)
{
	CLEANUP(cleanup_fd) int in = -1;

	if (!wanted && st->st_size > FROZEN_SMALL)
		return link_there(f, to, name, path, st);
	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (in < 0 && !wanted)
		return link_there(f, to, name, path, st);
	if (in < 0)
		return error_sys(f->copy.err, errno, "cannot read %s", path);
	remember(f, path, st);
	return copy_file(&f->copy, in, to, name, st->st_mode);
}

static int freeze_all(struct freezing *f, int from, int to, const char *dir, bool whole);

static bool is_empty(int dirfd, const char *name)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	return fs_list_dir(dirfd, name, &names, NULL) == 0 && !names.len;
}

static int freeze_dir(struct freezing *f, int from, int to, const char *name, const char *path, bool wanted, bool whole,
		      const struct stat *st)
{
	CLEANUP(cleanup_fd) int in = -1;
	CLEANUP(cleanup_fd) int out = -1;

	/* An empty one may be where a step writes. */
	if (!wanted && !is_empty(from, name))
		return link_there(f, to, name, path, st);
	if (whole)
		remember(f, path, st); /* a file that comes or goes is a change of the input */
	return enter(&f->copy, from, to, name, &in, &out) < 0 ? -1 : freeze_all(f, in, out, path, whole);
}

static int freeze_entry(struct freezing *f, int from, int to, const char *name, const char *path, bool whole)
{
	enum use use = use_of(f, path);
	bool wanted;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_sys(f->copy.err, errno, "cannot look at %s", path);
	if (use == USE_OUTPUT || ignore_match_here(NULL, path, S_ISDIR(st.st_mode)))
		return 0;
	whole = whole || use == USE_WHOLE;
	wanted = whole || is_wanted(f, path, use, S_ISDIR(st.st_mode));
	if (S_ISDIR(st.st_mode))
		return freeze_dir(f, from, to, name, path, wanted, whole, &st);
	if (S_ISLNK(st.st_mode))
		return freeze_link(f, from, to, name, path);
	return S_ISREG(st.st_mode) ? freeze_file(f, from, to, name, path, wanted, &st) : 0;
}

static int freeze_all(struct freezing *f, int from, int to, const char *dir, bool whole)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	if (fs_list_dir(from, ".", &names, f->copy.err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path = *dir ? path_join(dir, names.items[i]) : xstrdup(names.items[i]);
		if (freeze_entry(f, from, to, names.items[i], path, whole) < 0)
			return -1;
	}
	return 0;
}

int frozen_take(const struct frozen_want *want, int to, struct frozen *ret, struct error *err)
{
	struct freezing f = {
		.copy = { .progress = want->progress, .err = err },
		.project = want->project,
		.objects = project_home_path(want->project, "objects"),
		.uses = STRMAP_INIT,
		.frozen = ret,
	};
	int r = git_each_file(want->project->root, want_file, &f, err);

	if (r == 0)
		r = project_ignore(want->project, &f.ignore, err);
	for (size_t i = 0; r >= 0 && i < want->outputs.len; i++)
		set_use(&f, want->outputs.items[i], USE_OUTPUT);
	for (size_t i = 0; r >= 0 && i < want->inputs.len; i++)
		want_input(&f, want->inputs.items[i]);
	if (r >= 0)
		r = freeze_all(&f, want->project->rootfd, to, "", use_of(&f, ".") == USE_WHOLE);
	strmap_release(&f.uses);
	free(f.objects);
	return r < 0 ? -1 : 0;
}

void frozen_release(struct frozen *frozen)
{
	for (size_t i = 0; i < frozen->len; i++) {
		free(frozen->items[i].path);
		free(frozen->items[i].st);
	}
	free(frozen->items);
	*frozen = (struct frozen){ 0 };
}

/* Of a directory that is only linked, names that come or go are seen, and no more. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

void frozen_changed(struct frozen *frozen, int rootfd, struct strlist *ret)
{
	for (size_t i = 0; i < frozen->len; i++) {
		struct frozen_file *file = &frozen->items[i];
		struct stat now;

		if (fstatat(rootfd, file->path, &now, AT_SYMLINK_NOFOLLOW) < 0)
			memset(&now, 0, sizeof(now));
		if (is_same(&now, file->st))
			continue;
		*file->st = now;
		strlist_push(ret, file->path);
	}
}
