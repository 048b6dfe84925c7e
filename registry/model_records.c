/* SPDX-License-Identifier: Apache-2.0 */
/* Writing records of models. Reading them is model_records_import.c's. */
#include "registry/model_records.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/files.h"
#include "registry/model_records_internal.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/records_internal.h"
#include "registry/rows.h"

/* ---- parts ---- */

static int pairs(struct db *db, const char *sql, int64_t row, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, sql);
	int r;

	db_bind(q, 1, row);
	while ((r = db_step(q, err)) > 0)
		js_set_str(to, db_text(q, 0), db_text(q, 1));
	return r;
}

static int add_json(struct js *to, const char *key, const char *text, struct error *err)
{
	struct js *value;

	if (js_parse(text, strlen(text), key, &value, err) < 0)
		return error_wrap(err, "the registry");
	js_set(to, key, value);
	return 0;
}

/* From four columns; null is left out. */
static int add_content(struct db_stmt *q, int column, struct js *to, const char *key, struct error *err)
{
	struct content content;
	struct js *item;

	if (db_is_null(q, column))
		return 0;
	if (content_read(q, column, &content, err) < 0)
		return -1;
	item = js_object();
	content_describe(&content, item);
	js_set(to, key, item);
	return 0;
}

static int add_files(struct db *db, int64_t version, struct js *candidate, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT f.role, f.path, c.kind, c.digest, c.size, c.files FROM candidate_files f"
			     " JOIN contents c ON c.id = f.content WHERE f.version = ?1 ORDER BY f.role");
	struct js *files = js_object();
	int r;

	js_set(candidate, "files", files);
	db_bind(q, 1, version);
	while ((r = db_step(q, err)) > 0) {
		struct js *file = js_object();
		struct content content;

		js_set(files, db_text(q, 0), file);
		js_set_str(file, "path", db_text(q, 1));
		if (content_read(q, 2, &content, err) < 0)
			return -1;
		content_describe(&content, file);
	}
	return r;
}

/* The policy of trust that its [model.NAME] names. */
static int add_policy(struct db *db, int64_t version, struct js *candidate, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT p.path, c.kind, c.digest, c.size, c.files FROM candidate_policies p"
			     " JOIN contents c ON c.id = p.content WHERE p.version = ?1");
	int r;

	db_bind(q, 1, version);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	if (add_content(q, 1, candidate, "policy", err) < 0)
		return -1;
	js_set_str(js_get(candidate, "policy"), "path", db_text(q, 0));
	return 0;
}

static int add_candidate(struct db *db, int64_t version, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT c.kind, c.digest, c.size, c.files, t.kind, t.digest, t.size, t.files, k.spec, k.lines,"
			     " k.metrics, k.champion, k.verdict, k.author, k.committer, k.judged FROM candidates k"
			     " JOIN contents c ON c.id = k.content LEFT JOIN contents t ON t.id = k.reference WHERE k.version = ?1");
	struct js *candidate;
	int r;

	db_bind(q, 1, version);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	candidate = js_object();
	js_set(to, "candidate", candidate);
	if (add_content(q, 0, candidate, "content", err) < 0 || add_content(q, 4, candidate, "reference", err) < 0 ||
	    add_json(candidate, "spec", db_text(q, 8), err) < 0 || add_json(candidate, "lines", db_text(q, 9), err) < 0 ||
	    add_json(candidate, "metrics", db_text(q, 10), err) < 0)
		return -1;
	if (!db_is_null(q, 11))
		js_set_int(candidate, "champion", db_int(q, 11));
	js_set_str(candidate, "verdict", db_text(q, 12));
	js_set_str(candidate, "author", db_text(q, 13));
	js_set_str(candidate, "committer", db_text(q, 14));
	js_set_int(candidate, "judged", db_int(q, 15));
	return add_files(db, version, candidate, err) < 0 ? -1 : add_policy(db, version, candidate, err);
}

static int add_card(struct db *db, int64_t version, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT j.kind, j.digest, j.size, j.files, m.kind, m.digest, m.size, m.files, c.time"
			     " FROM version_cards c JOIN contents j ON j.id = c.json JOIN contents m ON m.id = c.markdown"
			     " WHERE c.version = ?1");
	struct js *card;
	int r;

	db_bind(q, 1, version);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	card = js_object();
	js_set(to, "card", card);
	js_set_int(card, "time", db_int(q, 8));
	return add_content(q, 0, card, "json", err) < 0 ? -1 : add_content(q, 4, card, "markdown", err);
}

/* ---- versions ---- */

/* A source that says where files of the run stand here is said by the run, which means the same everywhere. */
static int add_source(struct db *db, const char *source, const char *location, const char *run_id, struct js *to,
		      struct error *err)
{
	CLEANUP(cleanup_free) char *root = NULL, *uri = NULL, *of_run = NULL;
	struct error why = { 0 };
	size_t len;

	if (run_id && strncmp(source, "runs:/", strlen("runs:/")) != 0) {
		if (file_root_of_run(db, run_id, &root, &uri, &why) < 0 && why.code != ERR_NOT_FOUND &&
		    why.code != ERR_UNSUPPORTED) {
			if (err)
				*err = why;
			return -1;
		}
		len = uri ? strlen(uri) : 0;
		if (len && !strncmp(location, uri, len) && (location[len] == '/' || !location[len]))
			of_run = xasprintf("runs:/%s%s", run_id, location + len);
	}
	js_set_str(to, "source", of_run ? of_run : source);
	return 0;
}

#define VERSION_SQL \
	"SELECT v.id, v.number, v.description, v.creation_time, v.stage, v.source, v.location, v.run_id, v.run_link," \
	" v.model_id, r.reason FROM model_versions v" \
	" LEFT JOIN rejected_versions r ON r.model = v.model AND r.number = v.number"

static int version_member(struct db *db, struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *version = js_object();
	struct js *tags = js_object();
	int64_t row = db_int(q, 0);

	js_set_int(version, "number", db_int(q, 1));
	js_set_str(version, "description", db_text(q, 2));
	js_set_int(version, "created", db_int(q, 3));
	js_set_str(version, "stage", db_text(q, 4));
	js_set_str(version, "run_id", db_text(q, 7));
	js_set_str(version, "run_link", db_text(q, 8));
	js_set_str(version, "model_id", db_text(q, 9));
	js_set_str(version, "rejected", db_text(q, 10));
	js_set(version, "tags", tags);
	if (add_source(db, db_text(q, 5), db_text(q, 6), db_text(q, 7), version, err) < 0 ||
	    pairs(db, "SELECT key, value FROM version_tags WHERE version = ?1", row, tags, err) < 0 ||
	    add_candidate(db, row, version, err) < 0 || add_card(db, row, version, err) < 0)
		return -1;
	*ret = steal(&version);
	return 0;
}

int model_version_record(struct db *db, int64_t version, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, VERSION_SQL " WHERE v.id = ?1");
	int r;

	db_bind(q, 1, version);
	r = db_step(q, err);
	return r <= 0 ? -1 : version_member(db, q, ret, err);
}

static int add_versions(struct db *db, int64_t model, int64_t number, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, VERSION_SQL " WHERE v.model = ?1 AND (?2 = 0 OR v.number = ?2) ORDER BY v.number");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	while ((r = db_step(q, err)) > 0) {
		struct js *version;

		if (version_member(db, q, &version, err) < 0)
			return -1;
		js_push(to, version);
	}
	return r;
}

static int add_aliases(struct db *db, int64_t model, int64_t number, struct js *to, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT alias, number FROM model_aliases WHERE model = ?1"
						      " AND (?2 = 0 OR number = ?2) ORDER BY alias");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	while ((r = db_step(q, err)) > 0)
		js_set_int(to, db_text(q, 0), db_int(q, 1));
	return r;
}

/* Every move that the versions had a part in, for who asks later; it is read by people only. */
static int add_moves(struct db *db, int64_t model, int64_t number, struct js *to, struct error *err)
{
	static const char *const texts[] = { "alias", "how", "actor", "reason" };
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT alias, how, actor, reason, before, after, time FROM promotions WHERE model = ?1"
			     " AND (?2 = 0 OR before = ?2 OR after = ?2) ORDER BY id");
	int r;

	db_bind(q, 1, model);
	db_bind(q, 2, number);
	while ((r = db_step(q, err)) > 0) {
		struct js *move = js_object();

		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			js_set_str(move, texts[i], db_text(q, (int)i));
		if (!db_is_null(q, 4))
			js_set_int(move, "before", db_int(q, 4));
		js_set_int(move, "after", db_int(q, 5));
		js_set_int(move, "time", db_int(q, 6));
		js_push(to, move);
	}
	return r;
}

int model_record_export(struct db *db, const char *name, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *record = js_object();
	struct js *tags = js_object(), *versions = js_array(), *aliases = js_object(), *moves = js_array();
	int64_t model, version;

	js_set(record, "tags", tags);
	js_set(record, "versions", versions);
	js_set(record, "aliases", aliases);
	js_set(record, "moves", moves);
	if (model_row(db, name, &model, err) < 0 || (number && version_row(db, name, number, &version, NULL, err) < 0))
		return -1;
	q = db_query(db, "SELECT description, creation_time FROM registered_models WHERE id = ?1");
	db_bind(q, 1, model);
	if (db_step(q, err) <= 0)
		return -1;
	js_set_int(record, "version", MODEL_RECORD_VERSION);
	js_set_str(record, "name", name);
	js_set_str(record, "description", db_text(q, 0));
	js_set_int(record, "created", db_int(q, 1));
	if (pairs(db, "SELECT key, value FROM model_tags WHERE model = ?1", model, tags, err) < 0 ||
	    add_versions(db, model, number, versions, err) < 0 || add_aliases(db, model, number, aliases, err) < 0 ||
	    add_moves(db, model, number, moves, err) < 0)
		return -1;
	*ret = steal(&record);
	return 0;
}

/* ---- data ---- */

int artifact_record_export(struct db *db, const char *name, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT v.number, c.kind, c.digest, c.size, c.files, v.created, r.run_id, v.actor FROM artifacts a"
			     " JOIN artifact_versions v ON v.artifact = a.id JOIN contents c ON c.id = v.content"
			     " LEFT JOIN runs r ON r.id = v.run WHERE a.name = ?1 AND (?2 = 0 OR v.number = ?2) ORDER BY v.number");
	CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
	CLEANUP_JS struct js *record = js_object();
	struct js *versions = js_array();
	int r;

	record_path_write(name, &path);
	js_set_int(record, "version", MODEL_RECORD_VERSION);
	js_set_str(record, "name", path.buf);
	js_set(record, "versions", versions);
	db_bind(q, 1, name);
	db_bind(q, 2, number);
	while ((r = db_step(q, err)) > 0) {
		struct js *version = js_object();
		struct content content;

		js_push(versions, version);
		js_set_int(version, "number", db_int(q, 0));
		if (content_read(q, 1, &content, err) < 0)
			return -1;
		content_describe(&content, version);
		js_set_int(version, "created", db_int(q, 5));
		js_set_str(version, "run", db_text(q, 6));
		js_set_str(version, "actor", db_text(q, 7));
	}
	if (r == 0 && !js_len(versions))
		r = error_set(err, ERR_NOT_FOUND, "no version of %s", name);
	if (r == 0)
		*ret = steal(&record);
	return r;
}
