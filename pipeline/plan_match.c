/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pattern in `in` stands for: declared outputs and the directories above them,
 * which are there as soon as their makers ran, and what else is on the disk. What a step
 * once made and none makes now is a left-over. So a plan is the same before and after
 * the steps ran.
 *
 * A wildcard never matches a name that begins with a dot, nor what trees ignore.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"
#include "store/ignore.h"

size_t plan_literal_prefix(const char *pattern)
{
	size_t wild = strcspn(pattern, "*?[\\");

	while (wild && pattern[wild - 1] != '/')
		wild--;
	return wild;
}

/* path_match, except that a hidden name needs a pattern that names its dot. */
static bool matches(const char *pattern, const char *path)
{
	const char *p = pattern, *name = path;
	bool deep = false;

	if (!path_match(pattern, path))
		return false;
	for (;;) {
		size_t len = strcspn(p, "/");
		deep = deep || memmem(p, len, "**", 2);
		if (*name == '.' && (deep || *p != '.'))
			return false;
		name = strchr(name, '/');
		if (!name)
			return true;
		name++;
		if (!deep)
			p += len + (p[len] == '/');
	}
}

struct walk {
	struct plan_builder *b;
	const char *pattern;
	struct strbuf path; /* of the directory at hand, "" at the root */
	struct strlist *found;
	struct error *err;
};

static int walk_dir(struct walk *w, size_t level);

static unsigned char kind_of(int dirfd, const struct dirent *de)
{
	struct stat st;

	if (de->d_type != DT_UNKNOWN)
		return de->d_type;
	if (fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return (unsigned char)IFTODT(st.st_mode);
}

/* Takes the path at hand when the pattern matches it; a device or the like cannot be an input. */
static int walk_take(struct walk *w, unsigned char kind)
{
	if (!matches(w->pattern, w->path.buf))
		return 0;
	if (kind == DT_FIFO || kind == DT_SOCK || kind == DT_CHR || kind == DT_BLK)
		return error_set(w->err, ERR_USAGE, "pattern '%s' matches '%s', a %s", SHOW(w->pattern),
				 SHOW(w->path.buf), fs_kind_name((mode_t)DTTOIF(kind)));
	strlist_push(w->found, w->path.buf);
	return 0;
}

/* The component of the pattern at `level`, and whether it is the last. */
static char *component(const char *pattern, size_t level, bool *ret_last)
{
	size_t len;

	while (level--)
		pattern += strcspn(pattern, "/") + 1;
	len = strcspn(pattern, "/");
	*ret_last = !pattern[len];
	return xstrndup(pattern, len);
}

static int walk_entry(struct walk *w, const char *name, unsigned char kind, const char *part, bool last, size_t level)
{
	bool deep = strstr(part, "**") != NULL;
	size_t len = w->path.len;
	int r = 0;

	if ((*name == '.' && (deep || *part != '.')) || (!deep && !path_match(part, name)))
		return 0;
	strbuf_printf(&w->path, "%s%s", len ? "/" : "", name);
	if (!ignore_match(w->b->ignore, w->path.buf, kind == DT_DIR)) {
		/* Two stars at the end mean the files below, not each directory on the way as well. */
		if (last ? !deep || kind != DT_DIR : deep)
			r = walk_take(w, kind);
		if (!r && deep && kind == DT_DIR)
			r = walk_dir(w, level);
		else if (!r && !deep && !last && (kind == DT_DIR || kind == DT_LNK))
			r = walk_dir(w, level + 1);
	}
	w->path.len = len;
	w->path.buf[len] = '\0';
	return r;
}

/* Opens the directory at hand: 1, or 0 when there is none: a dangling symlink, or one to a file. Not inlined, so that
 * its struct error is not held on every level of the walk. */
__attribute__((noinline)) static int open_dir(struct walk *w, DIR **ret)
{
	const char *name = w->path.len ? w->path.buf : ".";
	struct error why = { 0 };
	int fd = fs_open_beneath(w->b->rootfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &why);

	if (fd < 0) {
		if (why.code == ERR_NOT_FOUND || why.sys == ENOTDIR)
			return 0;
		if (w->err)
			*w->err = why;
		return -1;
	}
	*ret = fdopendir(fd);
	if (*ret)
		return 1;
	error_sys(w->err, errno, "cannot list %s", name);
	close(fd);
	return -1;
}

/* Names of the directory at hand, each behind one byte of its kind; closed before the walk goes deeper. */
static int read_dir(struct walk *w, struct strlist *ret)
{
	struct dirent *de;
	DIR *dir;
	int r = open_dir(w, &dir);

	if (r <= 0)
		return r;
	while ((errno = 0, de = readdir(dir))) {
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			strlist_push_owned(ret, xasprintf("%c%s", kind_of(dirfd(dir), de) + 1, de->d_name));
	}
	r = errno ? error_sys(w->err, errno, "cannot list %s", w->path.buf) : 0;
	closedir(dir);
	return r;
}

/* The directory at hand against the pattern's components from `level` on. */
static int walk_dir(struct walk *w, size_t level)
{
	bool last;
	CLEANUP(cleanup_free) char *part = component(w->pattern, level, &last);
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (read_dir(w, &names) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++)
		if (walk_entry(w, names.items[i] + 1, (unsigned char)(names.items[i][0] - 1), part, last, level) < 0)
			return -1;
	return 0;
}

static int walk_disk(struct plan_builder *b, const char *pattern, struct strlist *found, struct error *err)
{
	size_t prefix = plan_literal_prefix(pattern), level = 0;
	struct walk w = { .b = b, .pattern = pattern, .path = STRBUF_INIT, .found = found, .err = err };
	int r;

	if (!b->ignore && ignore_load(b->rootfd, &b->ignore, err) < 0)
		return -1;
	for (size_t i = 0; i < prefix; i++)
		level += pattern[i] == '/';
	if (prefix)
		strbuf_add(&w.path, pattern, prefix - 1);
	r = walk_dir(&w, level);
	strbuf_release(&w.path);
	return r;
}

/* Outputs and the directories above them, sorted; made once. */
static void fill_candidates(struct plan_builder *b)
{
	struct strlist *all = &b->candidates;

	if (all->len || b->once.len)
		return;
	for (size_t i = 0; i < b->nmade; i++) {
		CLEANUP(cleanup_free) char *path = xstrdup(b->made[i].path);
		strlist_push(all, path);
		for (char *slash; (slash = strrchr(path, '/'));) {
			*slash = '\0';
			strlist_push(all, path);
		}
	}
	strlist_sort(all);
	strlist_uniq(all);
	for (size_t i = 0; b->once_made && i < b->once_made->len; i++)
		strmap_set(&b->once, b->once_made->items[i], (void *)1);
}

static void match_candidates(const struct plan_builder *b, const char *pattern, struct strlist *found)
{
	size_t prefix = strcspn(pattern, "*?[\\"), low = 0, high = b->candidates.len;
	bool files_only = strlen(pattern) > 2 && !strcmp(pattern + strlen(pattern) - 3, "/**");

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (strncmp(b->candidates.items[mid], pattern, prefix) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low; i < b->candidates.len; i++) {
		const char *path = b->candidates.items[i];
		if (strncmp(path, pattern, prefix) != 0)
			break;
		if (matches(pattern, path) && (!files_only || strmap_has(&b->outputs, path)))
			strlist_push(found, path);
	}
}

/* Splits what is on the disk into files that are no step's and left-overs; what steps make now is known already. */
static void sort_out(const struct plan_builder *b, const struct strlist *disk, struct plan_matches *ret)
{
	for (size_t i = 0; i < disk->len; i++) {
		const char *path = disk->items[i];
		size_t len;
		if (plan_find_maker(&b->outputs, path, &len))
			continue;
		if (plan_find_maker(&b->once, path, &len))
			strlist_push(&ret->leftovers, path);
		else
			strlist_push(&ret->inputs, path);
	}
}

int plan_match(struct plan_builder *b, const char *pattern, const struct plan_matches **ret, struct error *err)
{
	struct plan_matches *found = strmap_get(&b->patterns, pattern);
	CLEANUP(strlist_release) struct strlist disk = STRLIST_INIT;

	*ret = found;
	if (found)
		return 0;
	fill_candidates(b);
	if (walk_disk(b, pattern, &disk, err) < 0)
		return -1;
	found = xcalloc(1, sizeof(*found));
	strmap_set(&b->patterns, pattern, found);
	match_candidates(b, pattern, &found->inputs);
	sort_out(b, &disk, found);
	strlist_sort(&found->inputs);
	strlist_uniq(&found->inputs);
	*ret = found;
	return 0;
}
