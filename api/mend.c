/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that the store lost often still stand in the work tree: an output that is up to date, data
 * that nobody edited. Files are read twice, first to know them, then to store them, so that an edited
 * file next to a lost one does not get into the store unasked.
 */
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "registry/artifacts.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/store.h"
#include "store/tree.h"

struct mend {
	const struct strmap *lost;
	struct store *store;
	struct store_batch *batch;
	struct scanner look, keep; /* without and with the batch; neither believes the stat cache */
};

static bool is_lost(const struct mend *m, const struct digest *id)
{
	char hex[DIGEST_HEX + 1];

	return strmap_has(m->lost, digest_format(id, hex));
}

/* What cannot be read is not there to help. */
static void keep_file(const struct mend *m, const char *path)
{
	struct content content;

	scan_path(&m->keep, path, &content, NULL, NULL);
}

static int mend_tree(struct mend *m, const char *path, const struct content *content,
		     const struct tree *tree, struct error *err)
{
	bool whole = is_lost(m, &content->id);
	struct digest id;

	for (size_t i = 0; i < tree->len; i++) {
		const struct tree_entry *e = &tree->entries[i];
		CLEANUP(cleanup_free) char *full = NULL;

		if (e->kind == ENTRY_LINK ||
		    !(is_lost(m, &e->id) || (whole && !store_has(m->store, &e->id))))
			continue;
		full = path_join(path, e->path);
		keep_file(m, full);
	}
	return whole ? tree_write(tree, m->batch, &id, err) : 0;
}

static int mend_path(struct mend *m, const char *path, struct error *err)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;
	struct content content;
	struct error failed;

	if (scan_path(&m->look, path, &content, &tree, &failed) < 0) {
		if (failed.code != ERR_INTERRUPTED)
			return 0;
		if (err)
			*err = failed;
		return -1;
	}
	if (content.kind == CONTENT_TREE)
		return mend_tree(m, path, &content, &tree, err);
	if (content.kind != CONTENT_ABSENT && is_lost(m, &content.id))
		keep_file(m, path);
	return 0;
}

static int gather_path(void *ctx, const char *path)
{
	struct strlist *paths = ctx;

	/* Names that begin with a slash are no paths: a run's code. */
	if (*path && *path != '/')
		strlist_push(paths, path);
	return 0;
}

void data_recorded_paths(struct op_context *ctx, struct strlist *ret)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	struct db *db;

	if (lockfile_load(ctx->project->rootfd, &lock, NULL) == 0)
		for (size_t i = 0; i < lock.len; i++)
			if (lock.entries[i].kind == LOCKED_DATA || lock.entries[i].kind == LOCKED_OUT)
				strlist_push(ret, lock.entries[i].name);
	if (project_db(ctx->project, &db, NULL) == 0)
		artifact_each_path(db, gather_path, ret, NULL);
	strlist_sort(ret);
	strlist_uniq(ret);
}

int data_mend(struct op_context *ctx, const struct strmap *lost, struct error *err)
{
	CLEANUP(strlist_release) struct strlist paths = STRLIST_INIT;
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	struct mend m = { .lost = lost };

	if (project_store(ctx->project, &m.store, err) < 0 || batch_open(m.store, &batch, err) < 0 ||
	    data_scanner(ctx, NULL, &m.look, err) < 0 || data_scanner(ctx, batch, &m.keep, err) < 0)
		return -1;
	m.batch = batch;
	m.look.trust_nothing = m.keep.trust_nothing = true;
	data_recorded_paths(ctx, &paths);
	for (size_t i = 0; i < paths.len; i++)
		if (mend_path(&m, paths.items[i], err) < 0)
			return -1;
	return batch_commit(batch, err);
}
