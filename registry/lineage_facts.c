/* SPDX-License-Identifier: Apache-2.0 */
/* Edges that no trigger of the schema can see: those of records, and of what is known by a name in a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/lineage.h"
#include "registry/runs.h"

static int insert(struct db *db, const char *const names[4], const char *role, const char *path, int64_t time_ms,
		  struct error *err)
{
	struct db_stmt *q = db_query(db, "INSERT INTO lineage (from_kind, from_name, to_kind, to_name, role, path, time)"
					 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");

	for (int i = 0; i < 4; i++)
		db_bind(q, i + 1, names[i]);
	db_bind(q, 5, role);
	db_bind(q, 6, path);
	db_bind(q, 7, time_ms);
	return db_run(q, err);
}

int lineage_edge(struct db *db, const char *from_kind, const char *from, const char *to_kind, const char *to, const char *role,
		 int64_t time_ms, struct error *err)
{
	return insert(db, (const char *[]){ from_kind, from, to_kind, to }, role, "", time_ms, err);
}

/* ---- records of attempts ---- */

/* "REPO@sha256:HEX" of one that was pulled, or "sha256:HEX". */
static int add_image(struct db *db, const struct attempt *a, const char *image, struct error *err)
{
	const char *digest = image ? strstr(image, "sha256:") : NULL;

	if (!digest)
		return 0;
	return insert(db, (const char *[]){ "image", digest, "run", a->run }, "image", digest > image ? image : "", a->start_ms, err);
}

/* Images that it was built on. */
static int add_bases(struct db *db, const struct attempt *a, const struct js *record, struct error *err)
{
	const struct js *bases = js_get(js_get(record, "build"), "bases");
	const char *built = js_get_str(record, "image");

	built = built ? strstr(built, "sha256:") : NULL;
	for (void *it = built ? js_iter(bases) : NULL; it; it = js_next(bases, it)) {
		const char *pin = js_text(js_iter_value(it)), *digest = pin ? strstr(pin, "sha256:") : NULL;
		if (digest && strcmp(digest, built) != 0 &&
		    insert(db, (const char *[]){ "image", digest, "image", built }, "base", js_iter_key(it), a->start_ms, err) < 0)
			return -1;
	}
	return 0;
}

static int add_inputs(struct db *db, const struct attempt *a, const struct js *inputs, struct error *err)
{
	struct content content;
	char text[CONTENT_TEXT];

	for (void *it = js_iter(inputs); it; it = js_next(inputs, it)) {
		const char *named = js_text(js_iter_value(it));
		if (!named || !content_parse(named, &content) || content.kind == CONTENT_ABSENT)
			continue;
		if (content.kind == CONTENT_EXEC)
			content.kind = CONTENT_FILE;
		if (insert(db, (const char *[]){ "object", content_format(&content, text), "run", a->source }, "data",
			   js_iter_key(it), a->start_ms, err) < 0)
			return -1;
	}
	return 0;
}

static int is_known(struct db *db, const char *run, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM runs WHERE run_id = ?1");

	db_bind(q, 1, run);
	return db_step(q, err);
}

int lineage_attempt(struct db *db, const struct attempt *a, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	bool cached = a->source && !strcmp(a->state, "cached");
	int known = cached ? is_known(db, a->source, err) : 1;

	if (known < 0)
		return -1;
	/* A record that is no JSON tells nothing. */
	if (!a->record || (known && !a->run) || js_parse(a->record, strlen(a->record), "a record", &record, NULL) < 0)
		return 0;
	if (!known && add_inputs(db, a, js_get(record, "inputs"), err) < 0)
		return -1;
	if (!a->run)
		return 0;
	return add_image(db, a, js_get_str(record, "image"), err) < 0 ? -1 : add_bases(db, a, record, err);
}

/* ---- aliases ---- */

int lineage_move(struct db *db, const char *model, const char *alias, int64_t at_ms, char **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT name FROM lineage_moves WHERE id = (SELECT max(p.id) FROM promotions p JOIN registered_models m"
		    " ON m.id = p.model WHERE m.name = ?1 AND p.alias = ?2 AND (?3 = 0 OR p.time <= ?3))");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, alias);
	db_bind(q, 3, at_ms);
	r = db_step(q, err);
	if (r > 0)
		*ret = xstrdup(db_text(q, 0));
	return r;
}

int lineage_move_of(struct db *db, int64_t promotion, char **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT name FROM lineage_moves WHERE id = ?1");
	int r;

	db_bind(q, 1, promotion);
	r = db_step(q, err);
	if (r > 0)
		*ret = xstrdup(db_text(q, 0));
	return r;
}

int lineage_window(struct db *db, int64_t monitor, int64_t number, const char *watched, int64_t at_ms, int64_t now_ms,
		   struct error *err)
{
	const char *at = watched ? strrchr(watched, '@') : NULL;
	CLEANUP(cleanup_free) char *model = at ? xstrndup(watched, (size_t)(at - watched)) : NULL;
	CLEANUP(cleanup_free) char *move = NULL;
	struct db_stmt *q;
	int r = at ? lineage_move(db, model, at + 1, at_ms, &move, err) : 0;

	if (r < 0 || (!move && (!at || lineage_has(db, "model", watched, NULL) <= 0)))
		return r < 0 ? -1 : 0;
	q = db_query(db, "INSERT INTO lineage (from_kind, from_name, to_kind, to_name, role, path, time)"
			 " SELECT ?1, ?2, 'window', name || '#' || ?4, 'watched', '', ?5 FROM monitors WHERE id = ?3");
	db_bind(q, 1, move ? "alias" : "model");
	db_bind(q, 2, move ? move : watched);
	db_bind(q, 3, monitor);
	db_bind(q, 4, number);
	db_bind(q, 5, now_ms);
	return db_run(q, err);
}
