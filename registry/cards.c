/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/cards.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/models_internal.h"
#include "registry/promotions_internal.h"
#include "registry/rows.h"

int card_store(struct db *db, const char *model, int64_t number, const struct content *json,
	       const struct content *markdown, int64_t now_ms, struct error *err)
{
	int64_t version, rows[2];
	struct db_stmt *q;

	if (version_row(db, model, number, &version, NULL, err) < 0 || content_row(db, json, &rows[0], err) < 0 ||
	    content_row(db, markdown, &rows[1], err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO version_cards (version, json, markdown, time) VALUES (?1, ?2, ?3, ?4)"
			 " ON CONFLICT DO NOTHING");
	db_bind(q, 1, version);
	db_bind(q, 2, rows[0]);
	db_bind(q, 3, rows[1]);
	db_bind(q, 4, now_ms);
	return run_changed(db, q, err);
}

int card_find(struct db *db, const char *model, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	struct content json, markdown;
	char text[CONTENT_TEXT];
	int64_t version;
	int r;

	if (version_row(db, model, number, &version, NULL, err) < 0)
		return -1;
	q = db_query(db, "SELECT j.kind, j.digest, j.size, j.files, m.kind, m.digest, m.size, m.files, c.time"
			 " FROM version_cards c JOIN contents j ON j.id = c.json JOIN contents m ON m.id = c.markdown"
			 " WHERE c.version = ?1");
	db_bind(q, 1, version);
	r = db_step(q, err);
	if (r < 0 || (r > 0 && (content_read(q, 0, &json, err) < 0 || content_read(q, 4, &markdown, err) < 0)))
		return -1;
	*ret = NULL;
	if (r == 0)
		return 0;
	*ret = js_object();
	js_set_str(*ret, "json", content_format(&json, text));
	js_set_str(*ret, "markdown", content_format(&markdown, text));
	js_set_int(*ret, "time", db_int(q, 8));
	return 0;
}
