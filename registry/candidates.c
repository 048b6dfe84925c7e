/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/candidates.h"
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/models.h"
#include "registry/models_internal.h"
#include "registry/rows.h"
#include "registry/versions.h"

/* content_row refuses what no fact can name; here that ends the transaction like all else. */
static int row_of(struct db *db, const struct content *content, int64_t *ret, struct error *err)
{
	return content_row(db, content, ret, err) < 0 ? -1 : 0;
}

int candidate_same(struct db *db, const char *model, const struct content *content, int64_t *ret_number,
		   struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT v.number, c.kind, c.digest, c.size, c.files FROM registered_models m"
			     " JOIN model_versions v ON v.model = m.id JOIN candidates k ON k.version = v.id"
			     " JOIN contents c ON c.id = k.content WHERE m.name = ?1 AND v.number ="
			     " (SELECT max(n.number) FROM model_versions n WHERE n.model = m.id)");
	struct content newest;
	int r;

	db_bind(q, 1, model);
	r = db_step(q, err);
	if (r < 0 || (r > 0 && content_read(q, 1, &newest, err) < 0))
		return -1;
	*ret_number = r > 0 && content_equal(&newest, content) ? db_int(q, 0) : 0;
	return 0;
}

int candidate_run(struct db *db, const char *path, const struct content *content, char ret_run[33], struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT run FROM (SELECT r.run_id AS run, 1 AS rank, v.number AS at FROM artifacts a"
			     " JOIN artifact_versions v ON v.artifact = a.id JOIN runs r ON r.id = v.run"
			     " JOIN contents c ON c.id = v.content WHERE a.name = ?1 AND c.digest = ?2"
			     " UNION ALL SELECT k.run, 2, k.created FROM cache_outputs o JOIN cache k ON k.key = o.key"
			     " JOIN contents c ON c.id = o.content WHERE o.path = ?1 AND c.digest = ?2"
			     " AND EXISTS (SELECT 1 FROM runs w WHERE w.run_id = k.run))"
			     " ORDER BY rank, at DESC LIMIT 1");
	int r;

	db_bind(q, 1, path);
	db_bind(q, 2, &content->id);
	r = db_step(q, err);
	if (r > 0 && strlen(db_text(q, 0)) == 32) {
		memcpy(ret_run, db_text(q, 0), 33);
		return 0;
	}
	return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "no run is known that made %s as it is", path);
}

/* ---- writing ---- */

static void bind_json(struct db_stmt *q, int index, const struct js *value)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	js_dump(value, JS_CANONICAL, &text);
	db_bind(q, index, text.buf);
}

static int insert(struct db *db, int64_t version, const struct candidate_new *new, struct error *err)
{
	int64_t content, reference;
	struct db_stmt *q;

	if (row_of(db, new->content, &content, err) < 0 || (new->reference && row_of(db, new->reference, &reference, err) < 0))
		return -1;
	q = db_query(db, "INSERT INTO candidates (version, content, reference, spec, champion, verdict, lines, metrics,"
			 " author, committer, judged) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
	db_bind(q, 1, version);
	db_bind(q, 2, content);
	if (new->reference)
		db_bind(q, 3, reference);
	bind_json(q, 4, new->spec);
	if (new->champion)
		db_bind(q, 5, new->champion);
	db_bind(q, 6, new->passed ? "passed" : "failed");
	bind_json(q, 7, new->lines);
	bind_json(q, 8, new->metrics);
	db_bind(q, 9, new->author);
	db_bind(q, 10, new->committer);
	db_bind(q, 11, new->now_ms);
	return db_run(q, err);
}

static int insert_file(struct db *db, int64_t version, const struct candidate_file *file, struct error *err)
{
	struct db_stmt *q;
	int64_t content;

	if (row_of(db, &file->content, &content, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO candidate_files (version, role, path, content) VALUES (?1, ?2, ?3, ?4)");
	db_bind(q, 1, version);
	db_bind(q, 2, file->role);
	db_bind(q, 3, file->path);
	db_bind(q, 4, content);
	return db_run(q, err);
}

static int insert_policy(struct db *db, int64_t version, const struct candidate_file *policy, struct error *err)
{
	struct db_stmt *q;
	int64_t content;

	if (row_of(db, &policy->content, &content, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO candidate_policies (version, path, content) VALUES (?1, ?2, ?3)");
	db_bind(q, 1, version);
	db_bind(q, 2, policy->path);
	db_bind(q, 3, content);
	return db_run(q, err);
}

int candidate_put(struct db *db, int64_t version, const struct candidate_new *new, struct error *err)
{
	if (insert(db, version, new, err) < 0)
		return -1;
	for (size_t i = 0; i < new->nfiles; i++)
		if (insert_file(db, version, &new->files[i], err) < 0)
			return -1;
	if (new->policy && insert_policy(db, version, new->policy, err) < 0)
		return -1;
	return 0;
}

static int make_version(struct db *db, const struct candidate_new *new, int64_t *ret_number, struct error *err)
{
	CLEANUP(cleanup_free) char *source = xasprintf("runs:/%s/%s", new->run_id, new->path);
	const struct version_new version = { .model = new->model, .source = source, .run_id = new->run_id };
	int64_t row;
	int r = model_find(db, new->model, &row, err);

	if (r < 0 || (r == 0 && model_create(db, new->model, NULL, NULL, new->now_ms, err) < 0))
		return -1;
	return version_create(db, &version, new->now_ms, ret_number, err);
}

int candidate_add(struct db *db, const struct candidate_new *new, int64_t *ret_number, struct error *err)
{
	int64_t same, number, version;

	if (candidate_same(db, new->model, new->content, &same, err) < 0)
		return -1;
	if (same) {
		*ret_number = same;
		return 0;
	}
	if (make_version(db, new, &number, err) < 0 || version_row(db, new->model, number, &version, NULL, err) < 0 ||
	    candidate_put(db, version, new, err) < 0)
		return -1;
	*ret_number = number;
	return 1;
}

/* ---- reading ---- */

static int set_json(struct js *object, const char *key, const char *text, struct error *err)
{
	struct js *value;

	if (js_parse(text, strlen(text), key, &value, err) < 0) {
		if (err)
			err->code = ERR_DAMAGED;
		return error_wrap(err, "the registry");
	}
	js_set(object, key, value);
	return 0;
}

static int set_content(struct db_stmt *q, int column, struct js *object, const char *key, struct error *err)
{
	struct content content;
	char text[CONTENT_TEXT];

	if (db_is_null(q, column))
		return 0;
	if (content_read(q, column, &content, err) < 0)
		return -1;
	js_set_str(object, key, content_format(&content, text));
	return 0;
}

static int load_files(struct db *db, int64_t version, struct js *object, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT f.role, f.path, c.kind, c.digest, c.size, c.files FROM candidate_files f"
			     " JOIN contents c ON c.id = f.content WHERE f.version = ?1 ORDER BY f.role");
	CLEANUP_JS struct js *files = js_object();
	int r;

	db_bind(q, 1, version);
	while ((r = db_step(q, err)) > 0) {
		CLEANUP_JS struct js *file = js_object();

		js_set_str(file, "path", db_text(q, 1));
		if (set_content(q, 2, file, "content", err) < 0)
			return -1;
		js_set(files, db_text(q, 0), steal(&file));
	}
	if (r == 0)
		js_set(object, "files", steal(&files));
	return r;
}

static int read_row(struct db_stmt *q, struct js *object, struct error *err)
{
	if (set_content(q, 0, object, "content", err) < 0 || set_content(q, 4, object, "reference", err) < 0 ||
	    set_json(object, "spec", db_text(q, 8), err) < 0)
		return -1;
	if (!db_is_null(q, 9))
		js_set_int(object, "champion", db_int(q, 9));
	js_set_str(object, "verdict", db_text(q, 10));
	if (set_json(object, "lines", db_text(q, 11), err) < 0 || set_json(object, "metrics", db_text(q, 12), err) < 0)
		return -1;
	js_set_str(object, "author", db_text(q, 13));
	js_set_str(object, "committer", db_text(q, 14));
	js_set_int(object, "judged", db_int(q, 15));
	js_set_str(object, "run_id", db_text(q, 16));
	return 0;
}

int candidate_load(struct db *db, const char *model, int64_t number, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = NULL;
	CLEANUP_JS struct js *object = js_object();
	int64_t version;
	int r;

	if (version_row(db, model, number, &version, NULL, err) < 0)
		return -1;
	js_set_str(object, "model", model);
	js_set_int(object, "number", number);
	q = db_query(db, "SELECT c.kind, c.digest, c.size, c.files, t.kind, t.digest, t.size, t.files, k.spec, k.champion,"
			 " k.verdict, k.lines, k.metrics, k.author, k.committer, k.judged, v.run_id FROM candidates k"
			 " JOIN model_versions v ON v.id = k.version JOIN contents c ON c.id = k.content"
			 " LEFT JOIN contents t ON t.id = k.reference WHERE k.version = ?1");
	db_bind(q, 1, version);
	r = db_step(q, err);
	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "%s@v%lld was registered by hand: no gate has judged it", model,
					      (long long)number);
	if (read_row(q, object, err) < 0 || load_files(db, version, object, err) < 0)
		return -1;
	*ret = steal(&object);
	return 0;
}
