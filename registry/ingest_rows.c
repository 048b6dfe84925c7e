/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of requests, halves of inferences, and what is removed when nobody needs it any more. */
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/ingest_internal.h"
#include "registry/project.h"
#include "registry/rows.h"

/* ---- keys ---- */

int ingest_key_find(struct db *db, const struct ingest_key *key, uint64_t *ret_rows, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT digest, rows FROM inflow_keys WHERE monitor = ?1 AND key = ?2");
	struct digest before;
	int r;

	db_bind(q, 1, key->monitor);
	db_bind(q, 2, key->key);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	if (!db_digest(q, 0, &before) || !digest_equal(&before, &key->digest)) {
		error_set(err, ERR_CONFLICT, "another request had the %.300s", key->key);
		return error_help(err, "send each request under a key of its own, and the same one only when it is repeated");
	}
	*ret_rows = (uint64_t)db_int(q, 1);
	return 1;
}

int ingest_key_add(struct db *db, const struct ingest_key *key, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO inflow_keys (monitor, key, digest, rows, time) VALUES (?1, ?2, ?3, ?4, ?5)");

	db_bind(q, 1, key->monitor);
	db_bind(q, 2, key->key);
	db_bind(q, 3, &key->digest);
	db_bind(q, 4, key->rows);
	db_bind(q, 5, key->now_ms);
	return db_run(q, err);
}

/* ---- halves ---- */

static int half_take(struct db *db, const struct ingest_half *half, char **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "DELETE FROM inflow_halves WHERE monitor = ?1 AND id = ?2 AND answer <> ?3 RETURNING rows");
	CLEANUP(cleanup_free) char *rows = NULL;
	int r;

	db_bind(q, 1, half->monitor);
	db_bind(q, 2, half->id);
	db_bind(q, 3, half->answer);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	rows = xstrdup(db_text(q, 0));
	if (db_step(q, err) < 0) /* to its end, or nothing is deleted */
		return -1;
	*ret = steal(&rows);
	return 1;
}

int ingest_half_meet(struct db *db, const struct ingest_half *half, char **ret_other, struct error *err)
{
	int r = half_take(db, half, ret_other, err);
	struct db_stmt *q;

	if (r)
		return r;
	q = db_query(db, "INSERT OR REPLACE INTO inflow_halves (monitor, id, answer, rows, time) VALUES (?1, ?2, ?3, ?4, ?5)");
	db_bind(q, 1, half->monitor);
	db_bind(q, 2, half->id);
	db_bind(q, 3, half->answer);
	db_bind(q, 4, half->rows);
	db_bind(q, 5, half->now_ms);
	return db_run(q, err);
}

/* ---- cleaning ---- */

static bool is_read(const struct monitor_sources *sources, enum monitor_kind kind, const struct ingest_segment *s)
{
	CLEANUP(cleanup_free) char *name = ingest_segment_name(kind, s->number);

	for (size_t i = 0; i < sources->len; i++)
		if (!strcmp(sources->items[i].name, name))
			return sources->items[i].anchor >= s->bytes;
	return false;
}

/* From the first on, but for the newest. */
static int count_read(struct db *db, int64_t id, const char *monitor, enum monitor_kind kind, int64_t *ret_before,
		      struct error *err)
{
	CLEANUP(monitor_sources_release) struct monitor_sources sources = { 0 };
	CLEANUP(cleanup_free) struct ingest_segment *segments = NULL;
	size_t n, read = 0;

	if (ingest_segments(db, monitor, kind, &segments, &n, err) < 0 ||
	    monitor_sources_load(db, id, kind, &sources, err) < 0)
		return -1;
	while (read + 1 < n && is_read(&sources, kind, &segments[read]))
		read++;
	*ret_before = n ? segments[read].number : 0;
	return 0;
}

static int forget_segments(struct db *db, const char *monitor, enum monitor_kind kind, int64_t before, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM inflow_segments WHERE monitor = ?1 AND kind = ?2 AND number < ?3");

	db_bind(q, 1, monitor);
	db_bind(q, 2, ingest_kinds[kind]);
	db_bind(q, 3, before);
	return db_run(q, err);
}

static int forget_old(struct db *db, int64_t now_ms, int64_t *ret_lost, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM inflow_keys WHERE time < ?1");

	db_bind(q, 1, now_ms - INGEST_KEYS_MS);
	if (db_run(q, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM inflow_halves WHERE time < ?1");
	db_bind(q, 1, now_ms - INGEST_HALF_MS);
	if (db_run(q, err) < 0)
		return -1;
	*ret_lost = db_changes(db);
	return 0;
}

/* Files that no row is of: those that were just forgotten, or whose removal a crash cut short. */
static int remove_files(const struct project *project, const char *monitor, const int64_t before[2], struct error *err)
{
	CLEANUP(cleanup_free) char *dir = path_join(INGEST_DIR, monitor);
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct stat st;
	int r = fs_stat_beneath(project->homefd, dir, &st, err);

	if (r <= 0 || fs_list_dir(project->homefd, dir, &names, err) < 0)
		return r < 0 ? -1 : 0;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *path = path_join(dir, names.items[i]);
		enum monitor_kind kind = strncmp(names.items[i], "labels-", 7) ? MONITOR_DATA : MONITOR_LABELS;
		const char *digits = strchr(names.items[i], '-');
		if (digits && strtoll(digits + 1, NULL, 10) < before[kind] && io_unlink(project->homefd, path, err) < 0)
			return -1;
	}
	return 0;
}

static int forget_all(struct db *db, const char *monitor, const int64_t before[2], int64_t now_ms, int64_t *ret_lost,
		      struct error *err)
{
	if (forget_segments(db, monitor, MONITOR_DATA, before[MONITOR_DATA], err) < 0 ||
	    forget_segments(db, monitor, MONITOR_LABELS, before[MONITOR_LABELS], err) < 0)
		return -1;
	return forget_old(db, now_ms, ret_lost, err);
}

int ingest_clean(struct project *project, const char *monitor, int64_t now_ms, int64_t *ret_lost, struct error *err)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	int64_t before[2] = { 0, 0 }, lost = 0;
	struct db *db;
	int r;

	if (project_db(project, &db, err) < 0)
		return -1;
	r = monitor_load(db, monitor, &row, err);
	if (r > 0)
		r = count_read(db, row.id, monitor, MONITOR_DATA, &before[MONITOR_DATA], err) < 0 ||
				    count_read(db, row.id, monitor, MONITOR_LABELS, &before[MONITOR_LABELS], err) < 0
			    ? -1
			    : 1;
	if (r < 0 || db_begin(db, err) < 0 ||
	    write_end(db, forget_all(db, monitor, before, now_ms, &lost, err), err) < 0)
		return -1;
	FAILPOINT("inflow.forgotten");
	*ret_lost = lost;
	return r > 0 ? remove_files(project, monitor, before, err) : 0;
}
