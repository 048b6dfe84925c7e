/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a run, once it has ended, as one of its outputs. */
#include <stdio.h>
#include "base/db.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/mem.h"
#include "registry/files_internal.h"
#include "registry/project.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include "store/store.h"
#include "store/tree.h"

/* A run whose tree is not that of its files. */
struct unsealed {
	int64_t place, changes;
	char run_id[33];
};

static int next_unsealed(struct db *db, int64_t behind, struct unsealed *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT p.id, p.changes, r.run_id FROM file_places p JOIN runs r ON r.id = p.run"
			     " WHERE p.run IS NOT NULL AND p.changes <> p.sealed AND p.id > ?1"
			     " AND r.status IN ('FINISHED', 'FAILED', 'KILLED') ORDER BY p.id LIMIT 1");
	int r;

	db_bind(q, 1, behind);
	r = db_step(q, err);
	if (r > 0) {
		ret->place = db_int(q, 0);
		ret->changes = db_int(q, 1);
		snprintf(ret->run_id, sizeof(ret->run_id), "%s", db_text(q, 2));
	}
	return r;
}

/* A tree cannot hold what lies in .git or .mlops: checked out, it would run somebody's hooks. Such files stay rows. */
static int read_files(struct db *db, int64_t place, struct tree *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT c.kind, c.digest, c.size, c.files, f.path FROM files f"
			     " JOIN contents c ON c.id = f.content WHERE f.place = ?1");
	struct content content;
	int r;

	db_bind(q, 1, place);
	while ((r = db_step(q, err)) > 0) {
		if (content_read(q, 0, &content, err) < 0)
			return -1;
		if (tree_path_valid(db_text(q, 4)))
			tree_add(ret, db_text(q, 4), ENTRY_FILE, &content.id, content.size, NULL);
	}
	return r;
}

/* CONTENT_ABSENT: there are none. */
static int write_tree(struct db *db, struct store *store, const struct unsealed *u, struct content *ret,
		      struct error *err)
{
	struct store_batch *batch CLEANUP(cleanup_batch) = NULL;
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	struct content content = { .kind = CONTENT_TREE };

	if (read_files(db, u->place, &tree, err) < 0)
		return -1;
	*ret = (struct content){ .kind = CONTENT_ABSENT };
	if (!tree.len)
		return 0;
	if (tree_seal(&tree, err) < 0 || batch_open(store, &batch, err) < 0 ||
	    tree_write(&tree, batch, &content.id, err) < 0 || batch_commit(batch, err) < 0)
		return -1;
	content.size = tree.bytes;
	content.files = tree.len;
	*ret = content;
	return 0;
}

static int record(struct db *db, const struct unsealed *u, const struct content *content, struct error *err)
{
	struct db_stmt *q;

	if (content->kind != CONTENT_ABSENT) {
		if (run_log_content(db, u->run_id, RUN_OUTPUT, RUN_ARTIFACTS, "artifacts", content, err) < 0)
			return -1;
	} else {
		q = db_query(db, "DELETE FROM run_contents WHERE run = (SELECT id FROM runs WHERE run_id = ?1)"
				 " AND direction = 'out' AND path = '" RUN_ARTIFACTS "'");
		db_bind(q, 1, (const char *)u->run_id);
		if (db_run(q, err) < 0)
			return -1;
	}
	/* What was changed meanwhile is for the next time. */
	q = db_query(db, "UPDATE file_places SET sealed = ?2 WHERE id = ?1");
	db_bind(q, 1, u->place);
	db_bind(q, 2, u->changes);
	return db_run(q, err);
}

static int seal(struct db *db, struct store *store, const struct unsealed *u, struct error *err)
{
	struct content content;

	if (write_tree(db, store, u, &content, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return write_end(db, record(db, u, &content, err), err);
}

static int count_unsealed(struct db *db, bool *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT 1 FROM file_places WHERE run IS NOT NULL AND changes <> sealed LIMIT 1");
	int r = db_step(q, err);

	*ret = r > 0;
	return r < 0 ? -1 : 0;
}

int files_seal(struct project *project, bool *ret_left, struct error *err)
{
	CLEANUP(cleanup_fd) int lock = -1;
	struct unsealed u = { 0 };
	struct store *store;
	struct db *db;
	int r;

	if (project_db(project, &db, err) < 0)
		return -1;
	while ((r = next_unsealed(db, u.place, &u, err)) > 0) {
		if (lock < 0)
			lock = lock_take(project->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, NULL, NULL, err);
		if (lock < 0 || project_store(project, &store, err) < 0 || seal(db, store, &u, err) < 0)
			return -1;
	}
	return r < 0 ? -1 : count_unsealed(db, ret_left, err);
}
