/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/files.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "registry/experiments.h"
#include "registry/files_internal.h"
#include "registry/logged_models.h"
#include "registry/rows.h"
#include "registry/runs.h"
#include "store/tree.h"

#define NAME_BYTES 255u

/* ---- paths ---- */

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Takes one layer of %XX off; false when there was none. A NUL becomes another control character, which is as bad. */
static bool unescape(char *text)
{
	char *to = text;
	bool any = false;

	for (const char *s = text; *s; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			int c = hex(s[1]) << 4 | hex(s[2]);

			*to++ = (char)(c ? c : 1);
			s += 2;
			any = true;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return any;
}

/* No name of a file, or one that is something else to another system or in a URL. */
static bool name_is_bad(const char *name, size_t len)
{
	if (!len || len > NAME_BYTES || (len <= 2 && !memcmp(name, "..", len)))
		return true;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f || name[i] == '\\' || name[i] == '#')
			return true;
	return false;
}

static bool names_are_good(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (name_is_bad(path, len))
			return false;
		path += len;
		if (!*path)
			return true;
		path++;
	}
}

int file_path_check(const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *text = xstrdup(path);
	size_t len = strlen(path);
	bool good = len <= FILE_PATH_MAX && utf8_span(path, len) == len;

	/* Whoever decodes once more must not find another place. */
	do {
		good = good && names_are_good(text) && !(isalpha((unsigned char)*text) && text[1] == ':');
	} while (good && unescape(text));
	return good ? 0 : error_set(err, ERR_USAGE, "Invalid path: '%.200s'", path);
}

char *file_root_of_uri(const char *uri)
{
	static const char scheme[] = "mlflow-artifacts:";
	char *root;
	size_t len;

	if (strncmp(uri, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	uri += sizeof(scheme) - 1;
	if (!strncmp(uri, "//", 2))
		uri += 2 + strcspn(uri + 2, "/");
	root = xstrdup(uri + strspn(uri, "/"));
	len = strlen(root);
	while (len && root[len - 1] == '/')
		root[--len] = '\0';
	return root;
}

/* ---- places ---- */

void place_release(struct place *place)
{
	free(place->root);
	free(place->path);
	*place = (struct place)PLACE_INIT;
}

/* "0/RUN/artifacts", "0/models/MODEL/artifacts": how long the first such start of a path is, and the run's id within. */
static size_t root_length(const char *path, char run[33])
{
	const char *before = NULL, *name = path; /* the names before "artifacts" */

	*run = '\0';
	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		size_t len = strcspn(at + 1, "/");

		if (len == 9 && !strncmp(at + 1, "artifacts", 9)) {
			if (at - name == 32 && strspn(name, "0123456789abcdef") >= 32)
				snprintf(run, 33, "%.32s", name);
			if (*run || (before && name - before == 7 && !strncmp(before, "models/", 7)))
				return (size_t)(at + 1 - path) + len;
		}
		before = name;
		name = at + 1;
	}
	return 0;
}

/* 1 with its row and artifact URI, 0 no such run. */
static int run_uri(struct db *db, const char *run_id, int64_t *ret, char **ret_uri, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT id, CAST(experiment AS TEXT) FROM runs WHERE run_id = ?1");
	CLEANUP_JS struct js *experiment = NULL;
	const char *location;
	size_t len;
	int r;

	db_bind(q, 1, run_id);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	if (experiment_load(db, db_text(q, 1), &experiment, err) < 0)
		return -1;
	location = js_get_str(experiment, "artifact_location");
	len = strlen(location);
	*ret = db_int(q, 0);
	*ret_uri = xasprintf("%s%s%s/artifacts", location, len && location[len - 1] == '/' ? "" : "/", run_id);
	return 1;
}

int file_root_of_run(struct db *db, const char *run_id, char **ret_root, char **ret_uri, struct error *err)
{
	CLEANUP(cleanup_free) char *uri = NULL;
	int64_t row;
	int r = run_uri(db, run_id, &row, &uri, err);

	if (r <= 0)
		return r < 0 ? -1 : error_set(err, ERR_NOT_FOUND, "Run with id=%s not found", run_id);
	*ret_root = file_root_of_uri(uri);
	if (!*ret_root)
		return error_set(err, ERR_UNSUPPORTED, "the artifacts of run %s are kept at %s", run_id, uri);
	*ret_uri = steal(&uri);
	return 0;
}

int file_root_of_model(struct db *db, const char *model_id, char **ret_root, char **ret_uri, struct error *err)
{
	CLEANUP_JS struct js *model = NULL;
	const char *uri;

	if (logged_model_load(db, model_id, false, &model, err) < 0)
		return -1;
	uri = js_get_str(js_get(model, "info"), "artifact_uri");
	*ret_root = file_root_of_uri(uri);
	if (!*ret_root)
		return error_set(err, ERR_UNSUPPORTED, "the files of model %s are kept at %s", model_id, uri);
	*ret_uri = xstrdup(uri);
	return 0;
}

/* Row of the run whose artifacts stand at `root`; 0: it is none, or has them elsewhere. */
static int run_at(struct db *db, const char *run_id, const char *root, int64_t *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *uri = NULL;
	CLEANUP(cleanup_free) char *own = NULL;
	int64_t row;
	int r = run_uri(db, run_id, &row, &uri, err);

	own = r > 0 ? file_root_of_uri(uri) : NULL;
	*ret = own && !strcmp(own, root) ? row : 0;
	return r < 0 ? -1 : 0;
}

const char *file_subject(const char *path, char ret_id[FILE_SUBJECT])
{
	char run[33];
	size_t len = root_length(path, run), digits = strspn(path, "0123456789");

	if (*run) {
		snprintf(ret_id, FILE_SUBJECT, "%s", run);
		return "run_id";
	}
	if (len) {
		const char *end = path + len - strlen("/artifacts"), *id = end;

		while (id[-1] != '/')
			id--;
		snprintf(ret_id, FILE_SUBJECT, "%.*s", (int)(end - id), id);
		return "model_id";
	}
	if (!digits || digits >= FILE_SUBJECT || (path[digits] && path[digits] != '/'))
		return NULL;
	snprintf(ret_id, FILE_SUBJECT, "%.*s", (int)digits, path);
	return "experiment_id";
}

int place_find(struct db *db, const char *path, struct place *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT id, coalesce(run, 0) FROM file_places WHERE root = ?1");
	struct place place = PLACE_INIT;
	char run[33];
	size_t len = root_length(path, run);
	int r;

	place.root = xstrndup(path, len);
	place.path = xstrdup(path + len + (len && path[len] == '/'));
	db_bind(q, 1, place.root);
	r = db_step(q, err);
	if (r > 0) {
		place.id = db_int(q, 0);
		place.run = db_int(q, 1);
	} else if (r == 0) {
		place.id = -1;
		r = *run ? run_at(db, run, place.root, &place.run, err) : 0;
	}
	if (r < 0) {
		place_release(&place);
		return -1;
	}
	*ret = place;
	return 0;
}

/* ---- changes ---- */

static int write_row(struct db *db, int64_t place, const char *path, const struct content *content, int64_t now_ms,
		     struct error *err)
{
	struct db_stmt *q;
	int64_t id;

	if (content_row(db, content, &id, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO files (place, path, content, time) VALUES (?1, ?2, ?3, ?4)"
			 " ON CONFLICT DO UPDATE SET content = excluded.content, time = excluded.time");
	db_bind(q, 1, place);
	db_bind(q, 2, path);
	db_bind(q, 3, id);
	db_bind(q, 4, now_ms);
	return db_run(q, err);
}

/* Of a run that came from elsewhere only the tree of its files is known: they become rows. */
static int unpack(struct db *db, struct store *store, const struct place *place, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT c.kind, c.digest, c.size, c.files FROM run_contents o"
			     " JOIN contents c ON c.id = o.content"
			     " WHERE o.run = ?1 AND o.direction = 'out' AND o.path = '" RUN_ARTIFACTS "'");
	struct tree tree CLEANUP(tree_release) = TREE_INIT;
	struct content content;
	int r;

	db_bind(q, 1, place->run);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	if (content_read(q, 0, &content, err) < 0 || tree_read(store, &content.id, &tree, err) < 0)
		return -1;
	for (size_t i = 0; i < tree.len; i++) {
		const struct tree_entry *e = &tree.entries[i];
		struct content file = { CONTENT_FILE, e->id, e->size, 1 };

		if (write_row(db, place->id, e->path, &file, 0, err) < 0)
			return -1;
	}
	return 0;
}

static int make_place(struct db *db, struct store *store, struct place *place, struct error *err)
{
	struct db_stmt *q;

	if (place->id >= 0)
		return 0;
	q = db_query(db, "INSERT INTO file_places (root, run) VALUES (?1, nullif(?2, 0))");
	db_bind(q, 1, place->root);
	db_bind(q, 2, place->run);
	if (db_run(q, err) < 0)
		return -1;
	place->id = db_last_id(db);
	return place->run ? unpack(db, store, place, err) : 0;
}

static int count_change(struct db *db, const struct place *place, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE file_places SET changes = changes + 1 WHERE id = ?1");

	db_bind(q, 1, place->id);
	return db_run(q, err);
}

static int has_row(struct db *db, int64_t place, const char *path, size_t len, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM files WHERE place = ?1 AND path = ?2");
	CLEANUP(cleanup_free) char *part = xstrndup(path, len);

	db_bind(q, 1, place);
	db_bind(q, 2, part);
	return db_step(q, err);
}

static int has_below(struct db *db, int64_t place, const char *path, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT 1 FROM files WHERE place = ?1 AND path > ?2 || '/' AND path < ?2 || '0' LIMIT 1");

	db_bind(q, 1, place);
	db_bind(q, 2, path);
	return db_step(q, err);
}

/* A file has nothing below it, and nothing above it is one. */
static int check_shape(struct db *db, const struct place *place, struct error *err)
{
	const char *path = place->path;
	int r;

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		r = has_row(db, place->id, path, (size_t)(at - path), err);
		if (r > 0)
			return error_set(err, ERR_CONFLICT, "'%.*s' is a file, so it cannot hold '%s'", (int)(at - path),
					 path, at + 1);
		if (r < 0)
			return -1;
	}
	r = has_below(db, place->id, path, err);
	if (r == 0 && place->run)
		r = output_blocks(db, place->run, path, err);
	if (r > 0)
		return error_set(err, ERR_CONFLICT, "'%s' is a directory, or an output of the run", path);
	return r;
}

int file_put(struct db *db, struct store *store, const char *path, const struct content *content, int64_t now_ms,
	     struct error *err)
{
	struct place place CLEANUP(place_release) = PLACE_INIT;

	if (file_path_check(path, err) < 0 || place_find(db, path, &place, err) < 0)
		return -1;
	if (!*place.path)
		return error_set(err, ERR_CONFLICT, "'%s' is a directory", path);
	if (make_place(db, store, &place, err) < 0 || check_shape(db, &place, err) < 0 ||
	    write_row(db, place.id, place.path, content, now_ms, err) < 0)
		return -1;
	return count_change(db, &place, err);
}

/* Of one place, at and below a path ("" all). */
static int remove_rows(struct db *db, const struct place *place, int64_t *count, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM files WHERE place = ?1 AND"
					 " (?2 = '' OR path = ?2 OR (path > ?2 || '/' AND path < ?2 || '0'))");
	int64_t n;

	db_bind(q, 1, place->id);
	db_bind(q, 2, place->path);
	if (db_run(q, err) < 0)
		return -1;
	n = db_changes(db);
	*count += n;
	return n ? count_change(db, place, err) : 0;
}

/* Places that stand wholly below a directory. */
static int remove_places(struct db *db, const char *dir, int64_t *count, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT id FROM file_places WHERE root > ?1 || '/' AND root < ?1 || '0'");
	struct place place = { .path = (char[]){ "" } };
	int r;

	db_bind(q, 1, dir);
	while ((r = db_step(q, err)) > 0) {
		place.id = db_int(q, 0);
		if (remove_rows(db, &place, count, err) < 0)
			return -1;
	}
	return r;
}

int file_remove(struct db *db, struct store *store, const char *path, int64_t *ret_count, struct error *err)
{
	struct place place CLEANUP(place_release) = PLACE_INIT;
	int64_t count = 0;

	if (file_path_check(path, err) < 0 || place_find(db, path, &place, err) < 0)
		return -1;
	/* A run from elsewhere that never had a row here may have files nevertheless. */
	if ((place.id >= 0 || place.run) &&
	    (make_place(db, store, &place, err) < 0 || remove_rows(db, &place, &count, err) < 0))
		return -1;
	if (!*place.root && remove_places(db, path, &count, err) < 0)
		return -1;
	*ret_count = count;
	return 0;
}

/* ---- finding ---- */

int file_find(struct db *db, struct store *store, const char *path, struct content *ret, struct error *err)
{
	struct place place CLEANUP(place_release) = PLACE_INIT;
	CLEANUP_STMT struct db_stmt *q = NULL;
	int r;

	if (file_path_check(path, err) < 0 || place_find(db, path, &place, err) < 0)
		return -1;
	q = db_query(db, "SELECT c.kind, c.digest, c.size, c.files FROM files f JOIN contents c ON c.id = f.content"
			 " WHERE f.place = ?1 AND f.path = ?2");
	db_bind(q, 1, place.id);
	db_bind(q, 2, place.path);
	r = db_step(q, err);
	if (r > 0)
		return content_read(q, 0, ret, err);
	if (r == 0 && place.run)
		r = output_find(db, store, place.run, place.id < 0, place.path, ret, err);
	if (r == 0)
		error_set(err, ERR_NOT_FOUND, "No such artifact: '%s'", path);
	return r > 0 ? 0 : -1;
}
