/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories are listed and sorted level by level, those of one level in parallel;
 * then the tree is put together in one go, in the order of paths.
 */
#include "store/walk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "store/ignore.h"
#include "store/parallel_internal.h"
#include "store/tree_internal.h"

struct name {
	uint64_t key; /* the first bytes in which names of this directory differ */
	uint32_t at;  /* in the directory's text; a symlink's target follows its name */
	uint32_t child; /* of a directory: its index in walker->dirs */
	unsigned char type; /* DT_* */
};
struct dir {
	char *path; /* in the tree; "" is the top */
	struct strbuf text;
	struct name *names;
	size_t len, cap;
};
struct walker {
	const struct walk *walk;
	struct dir *dirs;
	size_t len, cap;
	size_t level; /* the first directory that is not listed yet */
	struct tree *tree;
};

/* --- one directory --- */

static int list_name(struct dir *dir, int dirfd, const struct dirent *de)
{
	struct name name = { .at = (uint32_t)dir->text.len, .type = de->d_type };
	char target[TREE_MAX_PATH + 2];
	struct stat st;
	ssize_t len;

	if (name.type == DT_UNKNOWN && fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		name.type = (unsigned char)IFTODT(st.st_mode);
	strbuf_add(&dir->text, de->d_name, strlen(de->d_name) + 1);
	if (name.type == DT_LNK) {
		len = readlinkat(dirfd, de->d_name, target, sizeof(target) - 1);
		if (len < 0)
			return errno;
		strbuf_add(&dir->text, target, (size_t)len);
		strbuf_putc(&dir->text, '\0');
	}
	if (dir->text.len > UINT32_MAX)
		return EOVERFLOW;
	GROW(dir->names, dir->len, dir->cap);
	dir->names[dir->len++] = name;
	return 0;
}

/* Takes the fd; 0 or an errno. */
static int list_fd(int fd, struct dir *ret)
{
	DIR *dir = fdopendir(fd);
	struct dirent *de;
	int sys = 0;

	if (!dir) {
		sys = errno;
		close(fd);
		return sys;
	}
	while (!sys && (errno = 0, de = readdir(dir))) {
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			sys = list_name(ret, fd, de);
		errno = 0;
	}
	if (!sys)
		sys = errno;
	closedir(dir);
	return sys;
}

/* How many bytes all names of a directory share at their start. */
static size_t shared_prefix(const struct dir *dir)
{
	const char *first = dir->text.buf + dir->names[0].at;
	size_t len = strlen(first);

	for (size_t i = 1; i < dir->len; i++) {
		const char *name = dir->text.buf + dir->names[i].at;
		size_t same = 0;

		while (same < len && name[same] == first[same])
			same++;
		len = same;
	}
	return len;
}

/* A directory sorts as its name and '/', so that visiting names in order yields paths in order. */
static uint64_t sort_key(const char *name, bool is_dir)
{
	uint64_t key = 0;
	unsigned n = 0;

	for (; n < 8 && *name; n++)
		key = key << 8 | (unsigned char)*name++;
	if (n < 8 && is_dir) {
		key = key << 8 | '/';
		n++;
	}
	return n ? key << 8 * (8 - n) : 0;
}

static int by_path(const void *a, const void *b, void *text)
{
	const struct name *x = a, *y = b;
	const unsigned char *s, *t;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	s = (const unsigned char *)text + x->at;
	t = (const unsigned char *)text + y->at;
	while (*s && *s == *t) {
		s++;
		t++;
	}
	return (*s ? *s : x->type == DT_DIR ? '/' : 0) - (*t ? *t : y->type == DT_DIR ? '/' : 0);
}

static void sort_names(struct dir *dir)
{
	size_t skip;

	if (!dir->len)
		return;
	skip = shared_prefix(dir);
	for (size_t i = 0; i < dir->len; i++) {
		struct name *name = &dir->names[i];
		name->key = sort_key(dir->text.buf + name->at + skip, name->type == DT_DIR);
	}
	qsort_r(dir->names, dir->len, sizeof(*dir->names), by_path, dir->text.buf);
}

/* `path` becomes the project path of a name in the directory; returns where the path in the tree
 * starts. */
static size_t build_path(const struct walker *w, const struct dir *dir, const struct name *name,
			 struct strbuf *path)
{
	size_t skip = 0;

	strbuf_clear(path);
	if (strcmp(w->walk->top, ".") != 0) {
		strbuf_puts(path, w->walk->top);
		strbuf_putc(path, '/');
		skip = path->len;
	}
	if (*dir->path) {
		strbuf_puts(path, dir->path);
		strbuf_putc(path, '/');
	}
	strbuf_puts(path, dir->text.buf + name->at);
	return skip;
}

static int drop_ignored(const struct walker *w, struct dir *dir, struct error *err)
{
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	size_t kept = 0;

	for (size_t i = 0; i < dir->len; i++) {
		size_t skip = build_path(w, dir, &dir->names[i], &path);

		if (ignore_match_here(w->walk->ignore, path.buf, dir->names[i].type == DT_DIR))
			continue;
		if (path.len - skip > TREE_MAX_PATH)
			return error_set(err, ERR_USAGE,
					 "a path below %s is longer than %u bytes: %.80s...",
					 w->walk->top, TREE_MAX_PATH, path.buf + skip);
		dir->names[kept++] = dir->names[i];
	}
	dir->len = kept;
	return 0;
}

static int list_dir(const struct walker *w, struct dir *dir, struct error *err)
{
	const char *path = *dir->path ? dir->path : ".";
	int fd = fs_open_beneath(w->walk->topfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
	int sys;

	if (fd < 0)
		return *dir->path ? error_wrap(err, "%s", w->walk->top) : -1;
	sys = list_fd(fd, dir);
	if (sys)
		return error_sys(err, sys, "cannot list %s/%s", w->walk->top, dir->path);
	if (drop_ignored(w, dir, err) < 0)
		return -1;
	sort_names(dir);
	return 0;
}

/* --- all of them --- */

static int list_range(void *ctx, size_t from, size_t to, struct error *err)
{
	struct walker *w = ctx;

	for (size_t i = from; i < to; i++)
		if (list_dir(w, &w->dirs[w->level + i], err) < 0)
			return -1;
	return 0;
}

static void add_dir(struct walker *w, char *path)
{
	GROW(w->dirs, w->len, w->cap);
	w->dirs[w->len++] = (struct dir){ .path = path, .text = STRBUF_INIT };
}

static void add_children(struct walker *w, size_t index)
{
	for (size_t i = 0; i < w->dirs[index].len; i++) {
		const struct dir *dir = &w->dirs[index];

		if (dir->names[i].type != DT_DIR)
			continue;
		dir->names[i].child = (uint32_t)w->len;
		add_dir(w, path_join(dir->path, dir->text.buf + dir->names[i].at));
	}
}

static int list_all(struct walker *w, struct error *err)
{
	add_dir(w, xstrdup(""));
	while (w->level < w->len) {
		struct parallel job = { w->len - w->level, 4, 16, list_range, w };
		size_t end = w->len;

		if (parallel_run(&job, err) < 0)
			return -1;
		for (; w->level < end; w->level++)
			add_children(w, w->level);
	}
	return 0;
}

static int refuse(const struct walker *w, const char *full, size_t skip, unsigned char type,
		  struct error *err)
{
	if (w->walk->odd) {
		strlist_push(w->walk->odd, full + skip);
		return 0;
	}
	error_set(err, ERR_USAGE, "%s is a %s: only files, directories and symlinks can be stored",
		  full, fs_kind_name((mode_t)type << 12));
	return error_help(err, "remove it, or name it in .mlopsignore");
}

static int add_names(struct walker *w, const struct dir *dir, struct strbuf *path,
		     struct error *err)
{
	for (size_t i = 0; i < dir->len; i++) {
		const struct name *name = &dir->names[i];
		const char *text = dir->text.buf + name->at;
		size_t skip;

		if (name->type == DT_DIR) {
			if (add_names(w, &w->dirs[name->child], path, err) < 0)
				return -1;
			continue;
		}
		skip = build_path(w, dir, name, path);
		if (name->type == DT_LNK)
			tree_add(w->tree, path->buf + skip, ENTRY_LINK, NULL, 0,
				 text + strlen(text) + 1);
		else if (name->type == DT_REG)
			tree_add(w->tree, path->buf + skip, ENTRY_FILE, NULL, 0, NULL);
		else if (refuse(w, path->buf, skip, name->type, err) < 0)
			return -1;
	}
	return 0;
}

static void walker_release(struct walker *w)
{
	for (size_t i = 0; i < w->len; i++) {
		free(w->dirs[i].path);
		free(w->dirs[i].names);
		strbuf_release(&w->dirs[i].text);
	}
	free(w->dirs);
}

int walk_names(const struct walk *walk, struct tree *ret, struct error *err)
{
	CLEANUP(walker_release) struct walker walker = { .walk = walk, .tree = ret };
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

	if (list_all(&walker, err) < 0)
		return -1;
	return add_names(&walker, &walker.dirs[0], &path, err);
}
