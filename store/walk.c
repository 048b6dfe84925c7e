/* SPDX-License-Identifier: Apache-2.0 */
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
#include "store/tree_internal.h"

/* The names of one directory, each with its NUL in `text`; a symlink's target follows its name. */
struct name {
	size_t at;
	unsigned char type; /* DT_* */
};
struct listing {
	struct strbuf text;
	struct name *names;
	size_t len, cap;
};
struct walker {
	const struct walk *walk;
	struct tree *tree;
	struct strbuf path; /* from the project's root */
	size_t skip;	    /* where the path in the tree starts in it */
};

static void listing_release(struct listing *listing)
{
	strbuf_release(&listing->text);
	free(listing->names);
}

/* 0 or an errno */
static int list_name(struct listing *listing, int dirfd, const struct dirent *de)
{
	struct name name = { listing->text.len, de->d_type };
	char target[TREE_MAX_PATH + 2];
	struct stat st;
	ssize_t len;

	if (name.type == DT_UNKNOWN && fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		name.type = (unsigned char)IFTODT(st.st_mode);
	strbuf_add(&listing->text, de->d_name, strlen(de->d_name) + 1);
	if (name.type == DT_LNK) {
		len = readlinkat(dirfd, de->d_name, target, sizeof(target) - 1);
		if (len < 0)
			return errno;
		strbuf_add(&listing->text, target, (size_t)len);
		strbuf_putc(&listing->text, '\0');
	}
	GROW(listing->names, listing->len, listing->cap);
	listing->names[listing->len++] = name;
	return 0;
}

/* Takes the fd; 0 or an errno. */
static int list_fd(int fd, struct listing *ret)
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

/* A directory sorts as its name and '/', so that visiting names in order yields paths in order. */
static int by_path(const void *a, const void *b, void *text)
{
	const struct name *x = a, *y = b;
	const unsigned char *s = (const unsigned char *)text + x->at;
	const unsigned char *t = (const unsigned char *)text + y->at;

	while (*s && *s == *t) {
		s++;
		t++;
	}
	return (*s ? *s : x->type == DT_DIR ? '/' : 0) - (*t ? *t : y->type == DT_DIR ? '/' : 0);
}

static const char *tree_path(const struct walker *w)
{
	return w->path.len > w->skip ? w->path.buf + w->skip : "";
}

static int refuse(const struct walker *w, unsigned char type, struct error *err)
{
	if (w->walk->odd) {
		strlist_push(w->walk->odd, tree_path(w));
		return 0;
	}
	error_set(err, ERR_USAGE, "%s is a %s: only files, directories and symlinks can be stored", w->path.buf,
		  fs_kind_name((mode_t)type << 12));
	return error_help(err, "remove it, or name it in .mlopsignore");
}

static int walk_dir(struct walker *, struct error *);

static int visit(struct walker *w, const char *name, unsigned char type, struct error *err)
{
	const char *path = tree_path(w);

	if (ignore_match_here(w->walk->ignore, w->path.buf, type == DT_DIR))
		return 0;
	if (strlen(path) > TREE_MAX_PATH)
		return error_set(err, ERR_USAGE, "a path below %s is longer than %u bytes: %.80s...",
				 w->walk->top, TREE_MAX_PATH, path);
	switch (type) {
	case DT_DIR:
		return walk_dir(w, err);
	case DT_LNK:
		tree_add(w->tree, path, ENTRY_LINK, NULL, 0, name + strlen(name) + 1);
		return 0;
	case DT_REG:
		tree_add(w->tree, path, ENTRY_FILE, NULL, 0, NULL);
		return 0;
	default:
		return refuse(w, type, err);
	}
}

static int walk_dir(struct walker *w, struct error *err)
{
	CLEANUP(listing_release) struct listing listing = { .text = STRBUF_INIT };
	const char *path = tree_path(w);
	size_t base = w->path.len;
	int sys, fd, r = 0;

	fd = fs_open_beneath(w->walk->topfd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, err);
	if (fd < 0)
		return *path ? error_wrap(err, "%s", w->walk->top) : -1;
	sys = list_fd(fd, &listing);
	if (sys)
		return error_sys(err, sys, "cannot list %s", base ? w->path.buf : ".");
	qsort_r(listing.names, listing.len, sizeof(*listing.names), by_path, listing.text.buf);
	for (size_t i = 0; r == 0 && i < listing.len; i++) {
		const char *name = listing.text.buf + listing.names[i].at;

		if (base)
			strbuf_putc(&w->path, '/');
		strbuf_puts(&w->path, name);
		r = visit(w, name, listing.names[i].type, err);
		w->path.len = base;
		w->path.buf[base] = '\0';
	}
	return r;
}

int walk_names(const struct walk *walk, struct tree *ret, struct error *err)
{
	struct walker walker = { .walk = walk, .tree = ret, .path = STRBUF_INIT };
	int r;

	if (strcmp(walk->top, ".") != 0) {
		strbuf_puts(&walker.path, walk->top);
		walker.skip = walker.path.len + 1;
	}
	r = walk_dir(&walker, err);
	strbuf_release(&walker.path);
	return r;
}
