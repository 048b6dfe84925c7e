/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies outside of the store. Below .mlops everything is ours: old and failed outputs, what stood in the way of a restored
 * one, scratch trees, rows that came over HTTP. A file is hashed only when its size is that of something to forget.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/data.h"
#include "api/forget.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/forgotten.h"
#include "registry/project.h"
#include "store/store_internal.h"
#include "store/tree.h"

static void index_items(const struct forget_request *request, struct strmap *ret)
{
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < request->len; i++)
		strmap_set(ret, digest_format(&request->items[i].id, hex), &request->items[i]);
}

struct search {
	struct strmap index;
	uint64_t *sizes; /* of the items, ascending: one that is not known stands last */
	size_t len;
	uint64_t removed;
};

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void search_init(struct search *s, const struct forget_request *request)
{
	*s = (struct search){ .sizes = xcalloc(request->len + 1, sizeof(*s->sizes)), .len = request->len };
	index_items(request, &s->index);
	for (size_t i = 0; i < s->len; i++)
		s->sizes[i] = request->items[i].size;
	qsort(s->sizes, s->len, sizeof(*s->sizes), by_size);
}

static void search_release(struct search *s)
{
	strmap_release(&s->index);
	free(s->sizes);
}

static bool may_be(const struct search *s, uint64_t size)
{
	return (s->len && s->sizes[s->len - 1] == FORGET_SIZE) ||
	       bsearch(&size, s->sizes, s->len, sizeof(size), by_size) != NULL;
}

/* ---- below .mlops ---- */

/* These hold other things, or are looked after by name: the store. */
static bool is_passed_over(const char *name)
{
	static const char *const names[] = { "objects", "quarantine", "forgotten", "locks", "keys", "secrets", "mirrors", "audit" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "registry.db", strlen("registry.db"));
}

static int remove_file(int dirfd, const char *name, struct error *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* a tree of read-only directories */
	if (errno == EACCES && fchmod(dirfd, 0700) == 0 && unlinkat(dirfd, name, 0) == 0)
		return 0;
	return error_sys(err, errno, "cannot remove %s", name);
}

static int look_at_file(struct search *s, int dirfd, const char *name, const struct stat *st, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	struct digest id;
	uint64_t size;
	CLEANUP(cleanup_fd) int fd = -1;

	if (!may_be(s, (uint64_t)st->st_size))
		return 0;
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot read %s", name);
	if (file_hash(fd, NULL, &id, &size) != 0 || !strmap_has(&s->index, digest_format(&id, hex)))
		return 0;
	s->removed++;
	return remove_file(dirfd, name, err);
}

static int look_below(struct search *s, int parent, const char *name, bool top, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_fd) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t before = s->removed;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot open %s", name);
	if (fs_list_dir(fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.len; i++) {
		const char *entry = names.items[i];
		struct stat st;
		int r = 0;

		if ((top && is_passed_over(entry)) || fstatat(fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			r = look_below(s, fd, entry, false, err);
		else if (S_ISREG(st.st_mode))
			r = look_at_file(s, fd, entry, &st, err);
		if (r < 0)
			return error_wrap(err, "%s", top ? ".mlops" : name);
	}
	return s->removed > before ? io_sync_dir(fd, name, err) : 0;
}

int forget_copies(struct op_context *ctx, const struct forget_request *request, uint64_t *ret_removed, struct error *err)
{
	CLEANUP(search_release) struct search s;

	search_init(&s, request);
	if (look_below(&s, ctx->project->homefd, ".", true, err) < 0)
		return -1;
	*ret_removed = s.removed;
	return 0;
}

/* ---- the work tree ---- */

static void take_path(const struct search *s, const char *path, const struct digest *id, struct js *paths)
{
	char hex[DIGEST_HEX + 1];

	if (strmap_has(&s->index, digest_format(id, hex)))
		js_push_str(paths, path);
}

/* What cannot be read is not told of. */
static int look_at_path(const struct search *s, const struct scanner *scanner, const char *path, struct js *paths,
			struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct error why = { 0 };
	struct content content;

	if (scan_path(scanner, path, &content, &tree, &why) < 0) {
		if (why.code == ERR_INTERRUPTED && err)
			*err = why;
		return why.code == ERR_INTERRUPTED ? -1 : 0;
	}
	if (content.kind == CONTENT_FILE || content.kind == CONTENT_EXEC)
		take_path(s, path, &content.id, paths);
	for (size_t i = 0; i < tree.len; i++) {
		CLEANUP(cleanup_free) char *full = path_join(path, tree.entries[i].path);

		if (tree.entries[i].kind != ENTRY_LINK)
			take_path(s, full, &tree.entries[i].id, paths);
	}
	return 0;
}

int forget_work_tree(struct op_context *ctx, const struct forget_request *request, struct js *paths, struct error *err)
{
	CLEANUP(strlist_release) struct strlist recorded = STRLIST_INIT;
	CLEANUP(search_release) struct search s = { .len = 0 };
	struct scanner scanner;

	if (op_is_remote(ctx))
		return 0;
	if (data_scanner(ctx, NULL, &scanner, err) < 0)
		return -1;
	search_init(&s, request);
	data_recorded_paths(ctx, &recorded);
	for (size_t i = 0; i < recorded.len; i++)
		if (look_at_path(&s, &scanner, recorded.items[i], paths, err) < 0)
			return -1;
	return 0;
}
