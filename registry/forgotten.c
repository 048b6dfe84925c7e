/* SPDX-License-Identifier: Apache-2.0 */
/* Tombstones as facts, and what facts say of contents. */
#include "registry/forgotten.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/rows.h"

#define COLUMNS                                                                                            \
	"f.digest, r.reason, r.asker, r.actor, f.time, f.size, r.id,"                                        \
	" (SELECT min(c.kind) FROM contents c WHERE c.digest = f.digest)"
#define TABLES " FROM forgotten f JOIN forget_requests r ON r.id = f.request"

static struct js *forgotten_json(struct db_stmt *q)
{
	struct js *json = js_object();
	char hex[DIGEST_HEX + 1] = "";
	struct digest id;

	if (db_digest(q, 0, &id))
		digest_format(&id, hex);
	js_set_str(json, "digest", hex);
	js_set_str(json, "reason", db_text(q, 1));
	js_set_str(json, "asked_by", db_text(q, 2));
	js_set_str(json, "agreed_by", db_text(q, 3));
	js_set_int(json, "time", db_int(q, 4));
	if (db_int(q, 5) != (int64_t)FORGET_SIZE)
		js_set_int(json, "size", db_int(q, 5));
	js_set_int(json, "request", db_int(q, 6));
	js_set_str(json, "kind", db_is_null(q, 7) ? "file" : db_text(q, 7));
	return json;
}

int forgotten_find(struct db *db, const struct digest *id, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT " COLUMNS TABLES " WHERE f.digest = ?1");
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r > 0 && ret)
		*ret = forgotten_json(q);
	return r;
}

int forgotten_list(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT " COLUMNS TABLES " ORDER BY f.time DESC, f.digest");
	CLEANUP_JS struct js *list = js_array();
	int r;

	while ((r = db_step(q, err)) > 0)
		js_push(list, forgotten_json(q));
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

/* ---- what facts say of contents ---- */

int content_each_name(struct db *db, int (*each)(void *ctx, const struct content *, const char *what), void *ctx,
		      struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db,
		"SELECT c.kind, c.digest, c.size, c.files, n.what FROM ("
		" SELECT v.content AS content, a.name || '@v' || v.number AS what FROM artifact_versions v"
		" JOIN artifacts a ON a.id = v.artifact"
		" UNION ALL SELECT k.content, m.name || '@v' || v.number FROM candidates k JOIN model_versions v ON v.id = k.version"
		" JOIN registered_models m ON m.id = v.model"
		" UNION ALL SELECT f.content, f.role || ' of ' || m.name || '@v' || v.number FROM candidate_files f"
		" JOIN model_versions v ON v.id = f.version JOIN registered_models m ON m.id = v.model"
		" UNION ALL SELECT f.content, 'file ' || iif(p.root = '', '', p.root || '/') || f.path FROM files f"
		" JOIN file_places p ON p.id = f.place"
		" UNION ALL SELECT i.content, iif(i.direction = 'out', 'output ', 'input ') || i.path || ' of run '"
		" || substr(r.run_id, 1, 8) FROM run_contents i JOIN runs r ON r.id = i.run) n JOIN contents c ON c.id = n.content");
	struct content content;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (content_read(q, 0, &content, err) < 0 || each(ctx, &content, db_text(q, 4)) < 0)
			return -1;
	return r;
}

static int each_content(struct db_stmt *q, int (*each)(void *ctx, const struct content *), void *ctx, struct error *err)
{
	struct content content;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (content_read(q, 0, &content, err) < 0 || each(ctx, &content) < 0)
			return -1;
	return r;
}

int content_each_tree(struct db *db, int (*each)(void *ctx, const struct content *), void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT kind, digest, size, files FROM contents WHERE kind = 'tree' ORDER BY id");

	return each_content(q, each, ctx, err);
}

int content_profiles(struct db *db, const struct digest *id, int (*each)(void *ctx, const struct content *), void *ctx,
		     struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT DISTINCT c.kind, c.digest, c.size, c.files FROM table_profiles p"
			     " JOIN contents c ON c.id = p.profile WHERE p.content = ?1");

	db_bind(q, 1, id);
	return each_content(q, each, ctx, err);
}
