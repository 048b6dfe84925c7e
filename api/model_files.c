/* SPDX-License-Identifier: Apache-2.0 */
#include "api/model_files.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/candidates.h"
#include "registry/files.h"
#include "registry/promotions.h"
#include "registry/versions.h"

struct walk {
	struct db *db;
	struct store *store;
	const char *root;
	model_file_fn *each;
	void *ctx;
	size_t found;
};

static char *join(const char *a, const char *b)
{
	return xasprintf("%s%s%s", a, *a && *b ? "/" : "", b);
}

static int take_file(struct walk *w, const char *full, const char *path, struct error *err)
{
	struct content content;

	if (file_find(w->db, w->store, full, &content, err) < 0)
		return -1;
	w->found++;
	return w->each(w->ctx, path, &content, err);
}

/* `dir` is below the root. */
static int walk_dir(struct walk *w, const char *dir, struct error *err)
{
	CLEANUP(cleanup_free) char *full = join(w->root, dir);
	CLEANUP(cleanup_free) char *next = NULL;
	CLEANUP_JS struct js *list = NULL;

	if (file_list(w->db, w->store, full, NULL, 0, &list, &next, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *entry = js_at(list, i);
		CLEANUP(cleanup_free) char *path = join(dir, js_get_str(entry, "path"));
		CLEANUP(cleanup_free) char *at = join(w->root, path);

		if ((js_get_bool(entry, "is_dir") ? walk_dir(w, path, err) : take_file(w, at, path, err)) < 0)
			return -1;
	}
	return 0;
}

/* "runs:/RUN/PATH" says whose files they are, other URIs where. */
static int find_root(struct db *db, const char *location, char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *run = NULL;
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;
	const char *path;

	if (strncmp(location, "runs:/", strlen("runs:/")) != 0) {
		*ret = file_root_of_uri(location);
		return *ret ? 0 : error_set(err, ERR_UNSUPPORTED, "its files are kept at %.300s", location);
	}
	path = location + strlen("runs:/");
	path += strspn(path, "/");
	run = xstrndup(path, strcspn(path, "/"));
	path += strlen(run);
	if (file_root_of_run(db, run, &root, &uri, err) < 0)
		return -1;
	*ret = join(root, path + strspn(path, "/"));
	return 0;
}

static int walk_root(struct walk *w, struct error *err)
{
	const char *name = strrchr(w->root, '/');
	struct content content;

	if (walk_dir(w, "", err) < 0)
		return -1;
	if (w->found)
		return 0;
	if (file_find(w->db, w->store, w->root, &content, NULL) == 0)
		return w->each(w->ctx, name ? name + 1 : w->root, &content, err);
	return error_set(err, ERR_NOT_FOUND, "it has no files");
}

int model_files_each(struct db *db, struct store *store, const char *model, int64_t number, model_file_fn *each,
		     void *ctx, struct error *err)
{
	struct version_lineage lineage CLEANUP(version_lineage_release) = { 0 };
	struct walk w = { .db = db, .store = store, .each = each, .ctx = ctx };
	CLEANUP(cleanup_free) char *root = NULL;

	if (version_lineage(db, model, number, &lineage, err) < 0)
		return -1;
	if (find_root(db, lineage.location, &root, err) < 0)
		return error_wrap(err, "%s@v%lld", model, (long long)number);
	w.root = root;
	return walk_root(&w, err) < 0 ? error_wrap(err, "%s@v%lld", model, (long long)number) : 0;
}

int run_files_each(struct db *db, struct store *store, const char *run_id, model_file_fn *each, void *ctx,
		   struct error *err)
{
	struct walk w = { .db = db, .store = store, .each = each, .ctx = ctx };
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;
	struct error why;

	if (file_root_of_run(db, run_id, &root, &uri, &why) == 0) {
		w.root = root;
		if (walk_dir(&w, "", &why) == 0)
			return 0;
	}
	if (why.code == ERR_UNSUPPORTED || why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

int model_version_show(struct db *db, const char *model, int64_t number, struct js *result, struct error *err)
{
	struct version_lineage lineage CLEANUP(version_lineage_release) = { 0 };
	CLEANUP(cleanup_free) char *rejected = NULL;
	struct js *version, *candidate;
	struct error none = { 0 };

	if (version_load(db, model, number, &version, err) < 0)
		return -1;
	js_set_str(result, "kind", "version");
	js_set(result, "model_version", version);
	if (version_lineage(db, model, number, &lineage, err) < 0)
		return -1;
	js_set_str(result, "location", lineage.location);
	js_set_str(result, "model_id", lineage.model_id);
	if (version_is_rejected(db, model, number, &rejected, err) < 0)
		return -1;
	js_set_str(result, "rejected", rejected);
	if (candidate_load(db, model, number, &candidate, &none) == 0)
		js_set(result, "candidate", candidate);
	else if (none.code != ERR_NOT_FOUND)
		return error_set(err, none.code, "%s", none.msg);
	return 0;
}
