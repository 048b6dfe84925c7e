/* SPDX-License-Identifier: Apache-2.0 */
/* What pipeline runs made, seen as files. */
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/files_internal.h"
#include "registry/rows.h"
#include "store/tree.h"

static struct db_stmt *each_output(struct db *db, int64_t run)
{
	struct db_stmt *q = db_query(db, "SELECT c.kind, c.digest, c.size, c.files, o.path FROM run_contents o"
					 " JOIN contents c ON c.id = o.content"
					 " WHERE o.run = ?1 AND o.direction = 'out'");

	db_bind(q, 1, run);
	return q;
}

/* Where an output stands among the files; NULL: not there. */
static const char *path_of(const char *path, bool tree)
{
	if (*path != '/')
		return path;
	return tree && !strcmp(path, RUN_ARTIFACTS) ? "." : NULL;
}

/* What is left of `path` below `above`, or NULL. */
static const char *below(const char *above, const char *path)
{
	if (!strcmp(above, ".") || !*above)
		return path;
	if (!path_contains(above, path))
		return NULL;
	path += strlen(above);
	return path + (*path == '/');
}

static int find_in_tree(struct store *store, const struct content *content, const char *path, struct content *ret,
			struct error *err)
{
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	const struct tree_entry *e;

	if (tree_read(store, &content->id, &tree, err) < 0)
		return -1;
	e = tree_find(&tree, path);
	if (!e || e->kind == ENTRY_LINK)
		return 0;
	*ret = (struct content){ CONTENT_FILE, e->id, e->size, 1 };
	return 1;
}

int output_find(struct db *db, struct store *store, int64_t run, bool tree, const char *path, struct content *ret,
		struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = each_output(db, run);
	int r;

	while ((r = db_step(q, err)) > 0) {
		const char *stands = path_of(db_text(q, 4), tree);
		const char *rest = stands ? below(stands, path) : NULL;
		struct content content;

		if (!rest)
			continue;
		if (content_read(q, 0, &content, err) < 0)
			return -1;
		if (content.kind == CONTENT_TREE)
			r = *rest ? find_in_tree(store, &content, rest, ret, err) : 0;
		else
			r = !*rest;
		if (r > 0 && content.kind != CONTENT_TREE)
			*ret = content;
		if (r)
			return r;
	}
	return r;
}

/* One entry, seen from a directory above it. */
static void list_path(struct listing *l, const char *rest, bool is_dir, uint64_t size)
{
	size_t len = strcspn(rest, "/");

	if (len)
		listing_add(l, rest, len, is_dir || rest[len], size);
}

static int list_tree(struct store *store, const struct content *content, const char *dir, struct listing *l,
		     struct error *err)
{
	struct tree tree CLEANUP(tree_release) = TREE_INIT;

	if (tree_read(store, &content->id, &tree, err) < 0)
		return -1;
	for (size_t i = 0; i < tree.len; i++) {
		const struct tree_entry *e = &tree.entries[i];
		const char *rest = below(dir, e->path);

		if (rest && e->kind != ENTRY_LINK)
			list_path(l, rest, false, e->size);
	}
	return 0;
}

int output_list(struct db *db, struct store *store, int64_t run, bool tree, const char *dir, struct listing *l,
		struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = each_output(db, run);
	int r;

	while ((r = db_step(q, err)) > 0) {
		const char *stands = path_of(db_text(q, 4), tree), *rest;
		struct content content;

		if (!stands)
			continue;
		if (content_read(q, 0, &content, err) < 0)
			return -1;
		if (content.kind == CONTENT_TREE && (rest = below(stands, dir))) {
			if (list_tree(store, &content, rest, l, err) < 0)
				return -1;
		} else if ((rest = below(dir, stands)) && *rest) {
			list_path(l, rest, content.kind == CONTENT_TREE, content.size);
		}
	}
	return r;
}

int output_blocks(struct db *db, int64_t run, const char *path, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = each_output(db, run);
	int r;

	while ((r = db_step(q, err)) > 0) {
		const char *stands = path_of(db_text(q, 4), false);

		if (stands && (path_contains(stands, path) || path_contains(path, stands)))
			return 1;
	}
	return r;
}
