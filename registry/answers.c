/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/answers.h"
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"

int answer_put(struct db *db, const struct digest *request, int64_t now_ms, const char *body, int64_t *ret_id,
	       struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO answers (request, time, body) VALUES (?1, ?2, ?3)");

	db_bind(q, 1, request);
	db_bind(q, 2, now_ms);
	db_bind(q, 3, body);
	if (db_run(q, err) < 0)
		return -1;
	*ret_id = db_last_id(db);
	return 0;
}

int answer_get(struct db *db, int64_t id, struct strbuf *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT body FROM answers WHERE id = ?1");
	int r;

	db_bind(q, 1, id);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "no answer %lld is kept", (long long)id);
	strbuf_puts(ret, db_text(q, 0));
	return 0;
}

int answer_drop(struct db *db, int64_t id, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM answers WHERE id = ?1");

	db_bind(q, 1, id);
	return db_run(q, err);
}

int answers_each(struct db *db, int (*each)(void *ctx, int64_t id, const struct digest *request, int64_t time_ms),
		 void *ctx, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id, request, time FROM answers");
	struct digest request;
	int r;

	while ((r = db_step(q, err)) > 0)
		if (db_digest(q, 1, &request) && each(ctx, db_int(q, 0), &request, db_int(q, 2)) < 0)
			return -1;
	return r;
}
