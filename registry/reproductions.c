/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/reproductions.h"
#include <stdio.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

int reproduction_add(struct db *db, const struct reproduction *r, struct error *err)
{
	CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
	struct db_stmt *q = db_query(db, "INSERT INTO reproductions (subject, run_id, verdict, body, actor, time)"
					 " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");

	js_dump(r->body, JS_CANONICAL, &body);
	db_bind(q, 1, r->subject);
	db_bind(q, 2, r->run_id);
	db_bind(q, 3, r->verdict);
	db_bind(q, 4, body.buf);
	db_bind(q, 5, r->actor);
	db_bind(q, 6, r->time_ms);
	return db_run(q, err);
}

static int row_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	const char *body = db_text(q, 3);
	struct js *value, *row;

	if (js_parse(body, strlen(body), "a reproduction", &value, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return error_wrap(err, "the registry");
	}
	row = js_object();
	js_set_str(row, "subject", db_text(q, 0));
	js_set_str(row, "run_id", db_text(q, 1));
	js_set_str(row, "verdict", db_text(q, 2));
	js_set(row, "body", value);
	js_set_str(row, "actor", db_text(q, 4));
	js_set_int(row, "time", db_int(q, 5));
	*ret = row;
	return 0;
}

int reproductions_list(struct db *db, const char *subject, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT subject, run_id, verdict, body, actor, time FROM reproductions"
						      " WHERE ?1 IS NULL OR subject = ?1 ORDER BY id");
	CLEANUP_JS struct js *list = js_array();
	struct js *row;
	int r;

	db_bind(q, 1, subject);
	while ((r = db_step(q, err)) > 0) {
		if (row_json(q, &row, err) < 0)
			return -1;
		js_push(list, row);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int reproduction_newest(struct db *db, const char *subject, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT subject, run_id, verdict, body, actor, time FROM reproductions"
						      " WHERE subject = ?1 ORDER BY id DESC LIMIT 1");
	int r;

	db_bind(q, 1, subject);
	r = db_step(q, err);
	if (r == 0)
		*ret = NULL;
	return r > 0 ? row_json(q, ret, err) : r;
}

int reproduction_is_known(struct db *db, const char *subject, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM reproductions WHERE subject = ?1"
						      " AND verdict IN ('IDENTICAL', 'EQUIVALENT') LIMIT 1");

	db_bind(q, 1, subject);
	return db_step(q, err);
}

/* ---- contents ---- */

/* The name of its node of lineage: a file is one object whether or not it may be executed. */
static const char *object_name(const struct content *content, char ret[CONTENT_TEXT])
{
	struct content plain = *content;

	if (plain.kind == CONTENT_EXEC)
		plain.kind = CONTENT_FILE;
	return content_format(&plain, ret);
}

int content_maker(struct db *db, const char *path, const struct content *content, char ret_run[33], char **ret_path,
		  struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT l.from_name, l.path FROM lineage l JOIN runs r ON r.run_id = l.from_name"
			     " WHERE l.to_kind = 'object' AND l.to_name = ?1 AND l.from_kind = 'run' AND r.step IS NOT NULL"
			     " AND (?2 IS NULL OR l.path = ?2) ORDER BY l.time DESC LIMIT 1");
	char name[CONTENT_TEXT];
	int r;

	db_bind(q, 1, object_name(content, name));
	db_bind(q, 2, path);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	snprintf(ret_run, 33, "%s", db_text(q, 0));
	*ret_path = xstrdup(db_text(q, 1));
	return 1;
}

int content_last_seen(struct db *db, const struct content *content, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT kind, name, path, time FROM (SELECT to_kind AS kind, to_name AS name, path, time FROM lineage"
			     " WHERE from_kind = 'object' AND from_name = ?1 UNION ALL SELECT from_kind, from_name, path, time"
			     " FROM lineage WHERE to_kind = 'object' AND to_name = ?1) ORDER BY time DESC, kind DESC LIMIT 1");
	char name[CONTENT_TEXT];
	int r;

	db_bind(q, 1, object_name(content, name));
	r = db_step(q, err);
	if (r < 0)
		return -1;
	*ret = r ? js_object() : NULL;
	if (r) {
		js_set_str(*ret, "kind", db_text(q, 0));
		js_set_str(*ret, "name", db_text(q, 1));
		js_set_str(*ret, "path", db_text(q, 2));
		js_set_int(*ret, "time", db_int(q, 3));
	}
	return 0;
}
