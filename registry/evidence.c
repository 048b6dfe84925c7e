/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/evidence.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "registry/rows.h"

/* Everybody's: without keys nothing can be checked, and what was imported may be what the rest is made of. */
static bool is_common(const char *operation)
{
	return !strncmp(operation, "key.", strlen("key.")) || !strcmp(operation, "bundle.import");
}

int evidence_events(struct db *db, const struct strmap *subjects, int (*each)(void *ctx, int64_t seq), void *ctx,
		    struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT seq, subject, operation FROM events ORDER BY seq");
	int r;

	while ((r = db_step(q, err)) > 0)
		if ((!subjects || strmap_has(subjects, db_text(q, 1)) || is_common(db_text(q, 2))) && each(ctx, db_int(q, 0)) < 0)
			return -1;
	return r;
}

int evidence_checkpoint(struct db *db, int64_t seq, struct checkpoint *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT note, time FROM checkpoints WHERE size >= ?1 ORDER BY size");
	char key[SIGN_ID + 1];
	int r;

	db_bind(q, 1, seq);
	while ((r = db_step(q, err)) > 0) {
		const char *note = db_text(q, 0);
		struct checkpoint checkpoint;
		int is_signed;

		if (checkpoint_parse(note, strlen(note), &checkpoint, err) < 0)
			return -1;
		is_signed = checkpoint_signed(db, &checkpoint, key, err);
		if (is_signed > 0) {
			checkpoint.time_ms = db_int(q, 1);
			*ret = checkpoint;
			return 1;
		}
		checkpoint_release(&checkpoint);
		if (is_signed < 0)
			return -1;
	}
	return r;
}

int evidence_leaves(struct db *db, uint64_t size, int (*each)(void *ctx, const char *line, size_t len), void *ctx,
		    struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " AUDIT_LEAF_COLUMNS " FROM events WHERE events.seq <= ?1 ORDER BY events.seq");
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	int r;

	db_bind_unsigned(q, 1, size);
	while ((r = db_step(q, err)) > 0) {
		strbuf_clear(&line);
		audit_leaf_row(q, 0, &line);
		strbuf_putc(&line, '\n');
		if (each(ctx, line.buf, line.len) < 0)
			return -1;
	}
	return r;
}

static int each_text(struct db *db, const char *sql, int (*each)(void *ctx, const char *name), void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);
	int r;

	while ((r = db_step(q, err)) > 0)
		if (each(ctx, db_text(q, 0)) < 0)
			return -1;
	return r;
}

int evidence_models(struct db *db, int (*each)(void *ctx, const char *name), void *ctx, struct error *err)
{
	return each_text(db, "SELECT name FROM registered_models ORDER BY name", each, ctx, err);
}

int evidence_data(struct db *db, int (*each)(void *ctx, const char *name), void *ctx, struct error *err)
{
	return each_text(db, "SELECT name FROM artifacts a WHERE EXISTS (SELECT 1 FROM artifact_versions v WHERE v.artifact = a.id)"
			     " ORDER BY name", each, ctx, err);
}

int import_add(struct db *db, const struct digest *file, const struct content *evidence, const struct js *roots, const char *actor,
	       int64_t now_ms, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct db_stmt *q;
	int64_t content;

	if (content_row(db, evidence, &content, err) < 0)
		return -1;
	js_dump(roots, JS_CANONICAL, &text);
	q = db_query(db, "INSERT INTO imports (digest, evidence, roots, actor, time) VALUES (?1, ?2, ?3, ?4, ?5)"
			 " ON CONFLICT DO NOTHING");
	db_bind(q, 1, file);
	db_bind(q, 2, content);
	db_bind(q, 3, text.buf);
	db_bind(q, 4, actor);
	db_bind(q, 5, now_ms);
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}

int imports_each(struct db *db, int (*each)(void *ctx, const struct content *evidence), void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT c.kind, c.digest, c.size, c.files FROM imports i JOIN contents c ON c.id = i.evidence"
			     " ORDER BY i.time DESC, i.digest");
	struct content content;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (content_read(q, 0, &content, err) < 0 || each(ctx, &content) < 0)
			return -1;
	return r;
}

int import_hole_add(struct db *db, const struct digest *id, struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO import_holes (digest) VALUES (?1) ON CONFLICT DO NOTHING");

	db_bind(q, 1, id);
	return db_run(q, err);
}

bool import_is_hole(struct db *db, const struct digest *id)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM import_holes WHERE digest = ?1");

	db_bind(q, 1, id);
	return db_step(q, NULL) > 0;
}
