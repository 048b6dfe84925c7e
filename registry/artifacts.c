/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/artifacts.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/rows.h"
#include <stdio.h>
#include <string.h>

/* Row and newest number of an artifact; makes the row when it is new. */
static int ensure_artifact(struct db *db, const char *name, int64_t *ret_id, int64_t *ret_last,
			   struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT id, last_number FROM artifacts WHERE name = ?1");
	int r;

	db_bind(q, 1, name);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r > 0) {
		*ret_id = db_int(q, 0);
		*ret_last = db_int(q, 1);
		return 0;
	}
	db_done(q);
	q = db_query(db, "INSERT INTO artifacts (name) VALUES (?1)");
	db_bind(q, 1, name);
	if (db_run(steal(&q), err) < 0)
		return -1;
	*ret_id = db_last_id(db);
	*ret_last = 0;
	return 0;
}

static int newest_content(struct db *db, int64_t artifact, int64_t number, int64_t *ret,
			  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT content FROM artifact_versions WHERE artifact = ?1 AND number = ?2");

	db_bind(q, 1, artifact);
	db_bind(q, 2, number);
	*ret = 0;
	switch (db_step(q, err)) {
	case 0:
		return 0;
	case 1:
		*ret = db_int(q, 0);
		return 0;
	default:
		return -1;
	}
}

struct new_version {
	int64_t artifact, number, content, run, now_ms;
	const char *actor;
};

static int insert_version(struct db *db, const struct new_version *v, struct error *err)
{
	struct db_stmt *q = db_query(
	    db, "INSERT INTO artifact_versions (artifact, number, content, created, run, actor)"
		" VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6)");

	db_bind(q, 1, v->artifact);
	db_bind(q, 2, v->number);
	db_bind(q, 3, v->content);
	db_bind(q, 4, v->now_ms);
	db_bind(q, 5, v->run);
	db_bind(q, 6, v->actor);
	if (db_run(q, err) < 0)
		return -1;
	q = db_query(db, "UPDATE artifacts SET last_number = ?2 WHERE id = ?1");
	db_bind(q, 1, v->artifact);
	db_bind(q, 2, v->number);
	return db_run(q, err);
}

/* 1 a new version, 0 the newest holds this content already. */
static int record(struct db *db, const char *name, const struct content *content, const char *run,
		  struct new_version *v, struct error *err)
{
	int64_t last, newest;
	int r = run && *run ? run_row(db, run, &v->run, err) : 0;

	if (r == 0)
		r = content_row(db, content, &v->content, err);
	if (r < 0)
		return r;
	if (ensure_artifact(db, name, &v->artifact, &last, err) < 0 ||
	    newest_content(db, v->artifact, last, &newest, err) < 0)
		return -1;
	v->number = last;
	if (newest == v->content)
		return 0;
	v->number++;
	return insert_version(db, v, err) < 0 ? -1 : 1;
}

int artifact_record(struct db *db, const char *name, const struct content *content, const char *run,
		    const char *actor, int64_t now_ms, int64_t *ret_number, bool *ret_new,
		    struct error *err)
{
	struct new_version v = {.now_ms = now_ms, .actor = actor};
	int r;

	if (db_begin(db, err) < 0)
		return -1;
	r = write_end(db, record(db, name, content, run, &v, err), err);
	if (r < 0)
		return -1;
	if (ret_number)
		*ret_number = v.number;
	if (ret_new)
		*ret_new = r > 0;
	return 0;
}

/* Finding. */

static int suggest_artifact(struct db *db, const char *name, struct error *err)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT name FROM artifacts");
	const char *nearest;
	int r;

	while ((r = db_step(q, err)) > 0)
		strlist_push(&names, db_text(q, 0));
	if (r < 0)
		return -1;
	nearest = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "no artifact '%s'", name);
	return nearest ? error_help(err, "did you mean '%s'?", nearest)
		       : error_help(err, "run: mlops add %s", name);
}

static int read_version(struct db_stmt *q, struct artifact_version *ret, struct error *err)
{
	if (content_read(q, 3, &ret->content, err) < 0)
		return -1;
	ret->number = db_int(q, 0);
	ret->created_ms = db_int(q, 1);
	snprintf(ret->run, sizeof(ret->run), "%s", db_is_null(q, 2) ? "" : db_text(q, 2));
	return 0;
}

#define VERSION_COLUMNS "v.number, v.created, r.run_id, c.kind, c.digest, c.size, c.files"
#define VERSION_JOINS   " JOIN contents c ON c.id = v.content LEFT JOIN runs r ON r.id = v.run"

int artifact_find(struct db *db, const char *name, int64_t version, struct artifact_version *ret,
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT " VERSION_COLUMNS ", a.last_number FROM artifacts a"
			 " LEFT JOIN artifact_versions v ON v.artifact = a.id"
			 " AND v.number = CASE ?2 WHEN 0 THEN a.last_number ELSE ?2 END"
			 " LEFT JOIN contents c ON c.id = v.content"
			 " LEFT JOIN runs r ON r.id = v.run WHERE a.name = ?1");
	int r;

	db_bind(q, 1, name);
	db_bind(q, 2, version);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	if (r == 0)
		return suggest_artifact(db, name, err);
	if (db_is_null(q, 0))
		return error_set(err, ERR_NOT_FOUND,
				 "artifact '%s' has no version %lld; the newest is v%lld", name,
				 (long long)version, (long long)db_int(q, 7));
	return read_version(q, ret, err);
}

static struct js *version_json(const struct artifact_version *v)
{
	struct js *object = js_object();

	js_set_int(object, "number", v->number);
	content_describe(&v->content, object);
	js_set_int(object, "created", v->created_ms);
	js_set_str(object, "run", v->run[0] ? v->run : NULL);
	return object;
}

int artifact_list(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db,
	    "SELECT " VERSION_COLUMNS ", a.name,"
	    " (SELECT count(*) FROM artifact_versions n WHERE n.artifact = a.id) FROM artifacts a"
	    " JOIN artifact_versions v ON v.artifact = a.id"
	    " AND v.number = a.last_number" VERSION_JOINS " ORDER BY a.name");
	CLEANUP_JS struct js *list = js_array();
	struct artifact_version v;
	int r;

	while ((r = db_step(q, err)) > 0) {
		struct js *artifact;

		if (read_version(q, &v, err) < 0)
			return -1;
		artifact = js_object();
		js_set_str(artifact, "name", db_text(q, 7));
		js_set_int(artifact, "versions", db_int(q, 8));
		js_set(artifact, "latest", version_json(&v));
		js_push(list, artifact);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int artifact_versions(struct db *db, const char *name, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT " VERSION_COLUMNS
		" FROM artifacts a JOIN artifact_versions v ON v.artifact = a.id" VERSION_JOINS
		" WHERE a.name = ?1 ORDER BY v.number DESC");
	CLEANUP_JS struct js *list = js_array();
	struct artifact_version v;
	int r;

	db_bind(q, 1, name);
	while ((r = db_step(q, err)) > 0) {
		if (read_version(q, &v, err) < 0)
			return -1;
		js_push(list, version_json(&v));
	}
	if (r < 0)
		return -1;
	if (!js_len(list))
		return suggest_artifact(db, name, err);
	*ret = steal(&list);
	return 0;
}

/* Contents. */

#define ELSEWHERE 10

int artifact_each_content(struct db *db,
			  int (*each)(void *ctx, const struct content *, const char *what, bool elsewhere),
			  void *ctx, struct error *err)
{
	/* min() makes SQLite take `what` from the row of the lowest rank. Rows of runs that others made are
	 * below zero (records_import.c). */
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "WITH named (content, rank, what) AS ("
		" SELECT v.content, 0, a.name || '@v' || v.number"
		" FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact"
		" UNION ALL SELECT f.content, 0, 'file ' || iif(p.root = '', '', p.root || '/') || f.path"
		" FROM files f JOIN file_places p ON p.id = f.place"
		" UNION ALL SELECT i.content, iif(i.direction = 'out', 1, 2) + iif(r.id < 0, 10, 0),"
		" iif(i.direction = 'out', 'output ', 'input ')"
		" || i.path || ' of run ' || substr(r.run_id, 1, 8)"
		" FROM run_contents i JOIN runs r ON r.id = i.run"
		" UNION ALL SELECT o.content, 3 + iif(EXISTS (SELECT 1 FROM runs w"
		" WHERE w.run_id = k.run AND w.id > 0), 0, 10), 'cached ' || o.path || ' of step ' || k.step"
		" FROM cache_outputs o JOIN cache k ON k.key = o.key"
		" UNION ALL SELECT m.profile, 4, 'reference of monitor ' || m.name FROM monitors m WHERE m.profile IS NOT NULL"
		" UNION ALL SELECT r.profile, 4, 'reference of monitor ' || m.name"
		" FROM monitor_reference r JOIN monitors m ON m.id = r.monitor"
		" UNION ALL SELECT k.content, 3, m.name || '@v' || v.number FROM candidates k"
		" JOIN model_versions v ON v.id = k.version JOIN registered_models m ON m.id = v.model"
		" UNION ALL SELECT k.reference, 4, 'reference of ' || m.name || '@v' || v.number FROM candidates k"
		" JOIN model_versions v ON v.id = k.version JOIN registered_models m ON m.id = v.model"
		" WHERE k.reference IS NOT NULL"
		" UNION ALL SELECT f.content, 4, f.role || ' of ' || m.name || '@v' || v.number FROM candidate_files f"
		" JOIN model_versions v ON v.id = f.version JOIN registered_models m ON m.id = v.model"
		" UNION ALL SELECT p.content, 4, 'policy of ' || m.name || '@v' || v.number FROM candidate_policies p"
		" JOIN model_versions v ON v.id = p.version JOIN registered_models m ON m.id = v.model"
		" UNION ALL SELECT a.envelope, 4, 'statement about ' || a.subject FROM attestations a"
		" UNION ALL SELECT r.content, 4, 'reference of monitors of ' || m.name || '@' || r.alias"
		" FROM monitor_references r JOIN registered_models m ON m.id = r.model WHERE r.content IS NOT NULL"
		" UNION ALL SELECT i.evidence, 4, 'what came with bundle ' || substr(lower(hex(i.digest)), 1, 12) FROM imports i)"
		" SELECT c.kind, c.digest, c.size, c.files, n.what, min(n.rank)"
		" FROM named n JOIN contents c ON c.id = n.content GROUP BY c.id");
	struct content content;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (content_read(q, 0, &content, err) < 0 || each(ctx, &content, db_text(q, 4), db_int(q, 5) >= ELSEWHERE) < 0)
			return -1;
	return r;
}

int artifact_each_path(struct db *db, int (*each)(void *ctx, const char *path), void *ctx,
		       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT name FROM artifacts UNION SELECT path FROM run_contents");
	int r;

	while ((r = db_step(q, err)) > 0)
		if (each(ctx, db_text(q, 0)) < 0)
			return -1;
	return r;
}

int content_match(struct db *db, const char *hex, size_t max, struct content *ret,
		  size_t *ret_found, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
	    db, "SELECT kind, digest, size, files FROM contents WHERE digest >= ?1 AND digest <= ?2"
		" ORDER BY digest, kind LIMIT ?3");
	char low[DIGEST_HEX + 1], high[DIGEST_HEX + 1];
	struct digest from, to;
	size_t len = strlen(hex), found = 0;
	int r;

	*ret_found = 0;
	if (len > DIGEST_HEX)
		return 0;
	memset(low, '0', DIGEST_HEX);
	memset(high, 'f', DIGEST_HEX);
	memcpy(low, hex, len);
	memcpy(high, hex, len);
	low[DIGEST_HEX] = high[DIGEST_HEX] = '\0';
	if (!digest_parse(low, &from) || !digest_parse(high, &to))
		return 0;
	db_bind(q, 1, &from);
	db_bind(q, 2, &to);
	db_bind(q, 3, max);
	while ((r = db_step(q, err)) > 0)
		if (content_read(q, 0, &ret[found++], err) < 0)
			return -1;
	*ret_found = found;
	return r;
}
