/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which trees have a file in them. Edges stop at what was versioned as a whole, so this looks into the trees. Each leaf is
 * read once, however many trees share it.
 */
#include <string.h>
#include "api/lineage.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "registry/project.h"
#include "store/content.h"
#include "store/store.h"
#include "store/tree.h"

struct looking {
	struct store *store;
	const struct digest *file;
	struct strmap leaves; /* digest -> path in it, owned, or `absent` */
};

static char absent[] = "";

static void looking_release(struct looking *l)
{
	for (size_t i = 0; i < l->leaves.len; i++)
		if (l->leaves.entries[i].value != absent)
			free(l->leaves.entries[i].value);
	strmap_release(&l->leaves);
}

static char *look_into(struct looking *l, const struct digest *leaf)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct tree tree CLEANUP(tree_release) = TREE_INIT;

	/* What is missing or damaged here cannot say more: fsck tells of it. */
	if (store_read(l->store, leaf, TREE_MAX_OBJECT, &text, NULL) < 0 || tree_parse_leaf(text.buf, text.len, &tree, NULL) < 0)
		return absent;
	for (size_t i = 0; i < tree.len; i++)
		if (tree.entries[i].kind != ENTRY_LINK && digest_equal(&tree.entries[i].id, l->file))
			return xstrdup(tree.entries[i].path);
	return absent;
}

static const char *path_in_leaf(struct looking *l, const struct digest *leaf)
{
	char hex[DIGEST_HEX + 1];
	char *path = strmap_get(&l->leaves, digest_format(leaf, hex));

	if (!path) {
		path = look_into(l, leaf);
		strmap_set(&l->leaves, hex, path);
	}
	return path;
}

/* NULL: it is not in it. Lent by the leaves. */
static const char *path_in_tree(struct looking *l, const struct digest *root)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct tree_leaf_ref *refs;
	const char *path = absent;
	size_t n;

	if (store_read(l->store, root, TREE_MAX_OBJECT, &text, NULL) < 0 || tree_parse_root(text.buf, text.len, &refs, &n, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < n && path == absent; i++)
		path = path_in_leaf(l, &refs[i].id);
	tree_refs_free(refs, n);
	return path == absent ? NULL : path;
}

int lineage_trees(struct op_context *ctx, struct db *db, const struct digest *file,
		  void (*each)(void *ctx, const char *tree, const char *path), void *each_ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT digest FROM contents WHERE kind = 'tree' ORDER BY id");
	struct looking l CLEANUP(looking_release) = { .file = file, .leaves = STRMAP_INIT };
	struct content tree = { .kind = CONTENT_TREE };
	char name[CONTENT_TEXT];
	int r;

	if (project_store(ctx->project, &l.store, err) < 0)
		return -1;
	while ((r = db_step(q, err)) > 0) {
		const char *path = db_digest(q, 0, &tree.id) ? path_in_tree(&l, &tree.id) : NULL;
		if (path)
			each(each_ctx, content_format(&tree, name), path);
	}
	return r;
}
