/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/rows.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include <string.h>

int write_end(struct db *db, int result, struct error *err)
{
	if (result >= 0)
		return db_commit(db, err) < 0 ? -1 : result;
	if (result == REFUSED)
		db_commit(db, NULL);
	else
		db_rollback(db);
	return -1;
}

int run_row(struct db *db, const char *run_id, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id FROM runs WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r > 0)
		*ret = db_int(q, 0);
	if (r == 0) {
		error_set(err, ERR_NOT_FOUND, "no run %s", run_id);
		return REFUSED;
	}
	return r < 0 ? -1 : 0;
}

int content_row(struct db *db, const struct content *content, int64_t *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	const char *kind = content_kind_name(content->kind);
	int r;

	if (content->kind == CONTENT_ABSENT) {
		error_set(err, ERR_USAGE, "a fact cannot name an absent content");
		return REFUSED;
	}
	q = db_query(db, "SELECT id, files FROM contents WHERE digest = ?1 AND kind = ?2");
	db_bind(q, 1, &content->id);
	db_bind(q, 2, kind);
	r = db_step(q, err);
	if (r < 0)
		return -1;
	/* Whoever only knows the digest says 0 files; the first who knows more completes it. */
	if (r > 0 && db_int(q, 1) >= (int64_t)content->files) {
		*ret = db_int(q, 0);
		return 0;
	}
	db_done(q);
	q = db_query(
	    db,
	    "INSERT INTO contents (digest, kind, size, files) VALUES (?1, ?2, ?3, ?4)"
	    " ON CONFLICT DO UPDATE SET size = excluded.size, files = excluded.files RETURNING id");
	db_bind(q, 1, &content->id);
	db_bind(q, 2, kind);
	db_bind(q, 3, content->size);
	db_bind(q, 4, content->files);
	if (db_step(q, err) < 0)
		return -1;
	*ret = db_int(q, 0);
	return db_step(q, err) < 0 ? -1 : 0;
}

int content_read(struct db_stmt *q, int column, struct content *ret, struct error *err)
{
	const char *kind = db_text(q, column);

	*ret = (struct content){.kind = CONTENT_ABSENT};
	for (enum content_kind k = CONTENT_FILE; kind && k <= CONTENT_TREE; k++)
		if (strcmp(kind, content_kind_name(k)) == 0)
			ret->kind = k;
	if (ret->kind == CONTENT_ABSENT || !db_digest(q, column + 1, &ret->id))
		return error_set(err, ERR_DAMAGED,
				 "the registry holds a content without kind or digest");
	ret->size = (uint64_t)db_int(q, column + 2);
	ret->files = (uint64_t)db_int(q, column + 3);
	return 0;
}

void content_describe(const struct content *content, struct js *object)
{
	char text[CONTENT_TEXT];

	js_set_str(object, "content", content_format(content, text));
	js_set_int(object, "size", (int64_t)content->size);
	js_set_int(object, "files", (int64_t)content->files);
}
