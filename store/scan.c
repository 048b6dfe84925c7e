/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three passes over a directory: names (walk.c); stat and cache of every name, in
 * parallel; then reading what the cache does not know or the store does not hold,
 * in parallel too, with the total known. A path that is a file takes the same way.
 */
#include "store/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "store/cursor_internal.h"
#include "store/parallel_internal.h"
#include "store/scan_internal.h"
#include "store/statcache.h"
#include "store/walk_internal.h"

#define ODD_KIND       ((enum entry_kind)0)
#define PARALLEL_FILES 64	   /* so many to read, or */
#define PARALLEL_BYTES (4ull << 20) /* so much, is worth threads */

/* Where entry `e` stands. Lent until the cursor moves. */
static int locate(const struct scan *scan, struct cursor *cursor, const struct tree_entry *e,
		  struct place *ret, struct error *err)
{
	*ret = (struct place){ scan->topfd, scan->path, scan->path, "", FOLLOW_BENEATH };
	if (scan->is_dir) {
		int dirfd = cursor_enter(cursor, e->path, false, err);
		if (dirfd < 0)
			return error_wrap(err, "%s", scan->path);
		*ret = (struct place){ dirfd, path_base(e->path), scan->path, e->path, FOLLOW_NOT };
	}
	if (e->target)
		ret->follow = FOLLOW_OBJECT;
	return 0;
}

static int refuse(struct scan *scan, struct tree_entry *e, const struct place *place,
		  struct error *err)
{
	char full[FULL_NAME];

	e->kind = ODD_KIND;
	if (!scan->scanner->odd) {
		error_set(err, ERR_USAGE, "%s is a symlink that does not stay inside the directory",
			  place_full(place, full));
		return error_help(err,
				  "replace it by what it points to, or name it in .mlopsignore");
	}
	pthread_mutex_lock(&scan->mutex);
	strlist_push(scan->scanner->odd, e->path);
	pthread_mutex_unlock(&scan->mutex);
	return 0;
}

static void set_state(struct tree_entry *e, const struct stat *st)
{
	e->kind = st->st_mode & S_IXUSR ? ENTRY_EXEC : ENTRY_FILE;
	e->size = (uint64_t)st->st_size;
}

static int look_at(struct scan *scan, struct cursor *cursor, size_t index, struct error *err)
{
	struct tree_entry *e = &scan->tree->entries[index];
	struct place place;
	struct stat st;

	if (locate(scan, cursor, e, &place, err) < 0)
		return -1;
	if (e->target && !scan_is_object_link(scan, &place, e->target))
		return tree_target_inside(e->path, e->target) ? 0 : refuse(scan, e, &place, err);
	if (place_stat(&place, &st, err) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return place_gone(&place, ENOENT, err);
	set_state(e, &st);
	if (scan_is_known(scan, &st, &e->id))
		return 0;
	pthread_mutex_lock(&scan->mutex);
	GROW(scan->todo, scan->len, scan->cap);
	scan->todo[scan->len++] = index;
	scan->todo_bytes += e->size;
	pthread_mutex_unlock(&scan->mutex);
	return 0;
}

static int look_range(void *ctx, size_t from, size_t to, struct error *err)
{
	struct scan *scan = ctx;
	CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(scan->topfd);
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++)
		r = look_at(scan, &cursor, i, err);
	return r;
}

static int read_range(void *ctx, size_t from, size_t to, struct error *err)
{
	struct scan *scan = ctx;
	CLEANUP(cursor_release) struct cursor cursor = CURSOR_INIT(scan->topfd);
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++) {
		struct tree_entry *e = &scan->tree->entries[scan->todo[i]];
		struct place place;
		struct stat st;

		r = locate(scan, &cursor, e, &place, err);
		if (r == 0)
			r = scan_read_file(scan, &place, &st, &e->id, err);
		if (r < 0)
			break;
		set_state(e, &st);
		atomic_fetch_add(&scan->files_done, 1);
		if (e->size < SMALL_FILE)
			atomic_fetch_add(&scan->bytes_done, e->size);
	}
	if (r == 0 && scan_report(scan))
		return error_set(err, ERR_INTERRUPTED, "interrupted");
	return r;
}

/* Fills digests, sizes and kinds of all entries. */
static int fill_entries(struct scan *scan, struct error *err)
{
	struct parallel look = { scan->tree->len, 256, 512, look_range, scan };
	struct parallel read = { .work = read_range, .ctx = scan };

	if (parallel_run(&look, err) < 0)
		return -1;
	if (!scan->len)
		return 0;
	read.count = scan->len;
	read.chunk = scan->len < 512 ? 1 : 16;
	read.alone = scan->todo_bytes >= PARALLEL_BYTES ? 2 : PARALLEL_FILES;
	return parallel_run(&read, err);
}

/* Drops odd entries, counts bytes, and forgets the targets of links to objects: those are files. */
static void tidy(struct tree *tree)
{
	size_t n = 0;

	tree->bytes = 0;
	for (size_t i = 0; i < tree->len; i++) {
		struct tree_entry *e = &tree->entries[i];

		if (e->kind == ODD_KIND)
			continue;
		if (e->kind != ENTRY_LINK)
			e->target = NULL;
		tree->bytes += e->size;
		tree->entries[n++] = *e;
	}
	tree->len = n;
}

static int scan_dir(struct scan *scan, struct content *ret, struct error *err)
{
	const struct scanner *s = scan->scanner;
	struct walk walk = { scan->topfd, scan->path, s->ignore, s->odd };
	struct content content = { .kind = CONTENT_TREE };

	if (walk_names(&walk, scan->tree, err) < 0 || fill_entries(scan, err) < 0)
		return -1;
	tidy(scan->tree);
	if (tree_seal(scan->tree, err) < 0 ||
	    tree_write(scan->tree, s->batch, &content.id, err) < 0)
		return error_wrap(err, "%s", scan->path);
	content.size = scan->tree->bytes;
	content.files = scan->tree->len;
	*ret = content;
	return 0;
}

/* A file is scanned as if it were the only entry of a tree, with the path "". */
static int scan_file(struct scan *scan, const char *object_target, struct content *ret,
		     struct error *err)
{
	const struct tree_entry *e;

	tree_add(scan->tree, "", object_target ? ENTRY_LINK : ENTRY_FILE, NULL, 0, object_target);
	if (fill_entries(scan, err) < 0)
		return -1;
	e = scan->tree->entries;
	*ret = (struct content){
		.kind = e->kind == ENTRY_EXEC ? CONTENT_EXEC : CONTENT_FILE,
		.id = e->id,
		.size = e->size,
		.files = 1,
	};
	return 0;
}

/* --- the path itself --- */

/* Returns the target when the path is a symlink to an object, else NULL. The caller frees. */
static char *object_link(const struct scan *scan)
{
	struct place place = { scan->topfd, scan->path, scan->path, "", FOLLOW_OBJECT };
	CLEANUP(cleanup_fd)
	int fd = fs_open_beneath(scan->topfd, scan->path, O_PATH | O_NOFOLLOW, 0, NULL);
	char target[TREE_MAX_PATH + 1];
	ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	if (len < 0)
		return NULL;
	target[len] = '\0';
	return scan_is_object_link(scan, &place, target) ? xstrdup(target) : NULL;
}

static int odd_path(const struct scanner *s, const char *path, mode_t mode, struct content *ret,
		    struct error *err)
{
	if (!s->odd) {
		error_set(err, ERR_USAGE, "%s is a %s: only files and directories can be stored",
			  path, fs_kind_name(mode));
		return -1;
	}
	strlist_push(s->odd, "");
	*ret = (struct content){ .kind = CONTENT_ABSENT };
	return 0;
}

static int scan_opened(struct scan *scan, bool is_link, struct content *ret, struct error *err)
{
	const struct scanner *s = scan->scanner;
	CLEANUP(cleanup_free) char *object = is_link ? object_link(scan) : NULL;
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (object)
		return scan_file(scan, object, ret, err);
	fd = fs_open_beneath(s->rootfd, scan->path, O_PATH, 0, s->odd ? NULL : err);
	if (fd < 0 && s->odd)
		return odd_path(s, scan->path, S_IFLNK, ret, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot stat %s", scan->path);
	if (S_ISREG(st.st_mode))
		return scan_file(scan, NULL, ret, err);
	if (!S_ISDIR(st.st_mode))
		return odd_path(s, scan->path, st.st_mode, ret, err);
	scan->is_dir = true;
	scan->topfd = fd;
	return scan_dir(scan, ret, err);
}

/* Most paths of a large pipeline are files that did not change: one look at them is enough. */
static bool known_file(const struct scanner *s, const struct stat *st, struct content *ret)
{
	struct digest id;

	if (!S_ISREG(st->st_mode) || !s->cache || s->trust_nothing ||
	    !statcache_get(s->cache, st, &id))
		return false;
	if (s->batch && !batch_has(s->batch, &id))
		return false;
	*ret = (struct content){
		.kind = st->st_mode & S_IXUSR ? CONTENT_EXEC : CONTENT_FILE,
		.id = id,
		.size = (uint64_t)st->st_size,
		.files = 1,
	};
	return true;
}

int scan_path(const struct scanner *s, const char *path, struct content *ret, struct tree *ret_tree,
	      struct error *err)
{
	struct tree tree = TREE_INIT;
	struct scan scan = {
		.scanner = s,
		.path = path,
		.topfd = s->rootfd,
		.store = s->store ? s->store : s->batch ? batch_store(s->batch) : NULL,
		.tree = &tree,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
	struct stat st;
	int there = s->near ? fs_stat_near(s->near, path, &st, err) : fs_stat_beneath(s->rootfd, path, &st, err);
	int r = there < 0 ? -1 : 0;

	if (ret_tree)
		*ret_tree = (struct tree)TREE_INIT;
	if (there == 0)
		*ret = (struct content){ .kind = CONTENT_ABSENT };
	if (there > 0 && !known_file(s, &st, ret))
		r = scan_opened(&scan, S_ISLNK(st.st_mode), ret, err);
	free(scan.todo);
	if (r == 0 && ret_tree && scan.is_dir)
		*ret_tree = tree;
	else
		tree_release(&tree);
	return r;
}
