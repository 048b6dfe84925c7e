/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/deliveries.h"
#include <string.h>
#include "base/db.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

int delivery_find(struct db *db, const char *project, const char *id, const struct digest *body, struct js **ret,
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT result FROM deliveries WHERE project = ?1 AND (digest = ?2 OR id = ?3)");
	const char *text;
	int r;

	db_bind(q, 1, project);
	db_bind(q, 2, body);
	db_bind(q, 3, id);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	text = db_text(q, 0);
	return js_parse(text, strlen(text), "deliveries", ret, err) < 0 ? -1 : 1;
}

static int forget(struct db *db, int64_t before_ms, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "DELETE FROM deliveries WHERE time < ?1");

	db_bind(q, 1, before_ms);
	return db_step(q, err);
}

int delivery_add(struct db *db, const char *project, const char *id, const struct digest *body, const struct js *result,
		 int64_t now_ms, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "INSERT INTO deliveries (project, id, digest, time, result) VALUES (?1, ?2, ?3, ?4, ?5)");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (forget(db, now_ms - DELIVERY_KEPT_MS, err) < 0)
		return -1;
	js_dump(result, JS_CANONICAL, &text);
	db_bind(q, 1, project);
	db_bind(q, 2, id);
	db_bind(q, 3, body);
	db_bind(q, 4, now_ms);
	db_bind(q, 5, text.buf);
	return db_step(q, err) < 0 ? -1 : 0;
}
