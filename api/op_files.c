/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/files.h"
#include "registry/project.h"

#define MAX_PAGE 100000

/* A trailing slash means nothing. */
static char *clean_dir(const char *path)
{
	char *dir = xstrdup(path ? path : "");
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		dir[--len] = '\0';
	return dir;
}

/* {files, next_page_token} of a directory. */
static int list_page(struct op_context *ctx, const char *dir, const struct js *args, struct js **ret,
		     struct error *err)
{
	CLEANUP(cleanup_free) char *next = NULL;
	int64_t max = js_get_int(args, "max_results", 0);
	struct js *files;
	struct store *store;
	struct db *db;

	if (max < 0 || max > MAX_PAGE)
		return error_set(err, ERR_USAGE, "Invalid value %lld for parameter 'max_results' supplied",
				 (long long)max);
	if (project_db(ctx->project, &db, err) < 0 || project_store(ctx->project, &store, err) < 0 ||
	    file_list(db, store, dir, js_get_str(args, "page_token"), (size_t)max, &files, &next, err) < 0)
		return -1;
	*ret = js_object();
	js_set(*ret, "files", files);
	js_set_str(*ret, "next_page_token", next);
	return 0;
}

/* artifact.list {path, max_results, page_token} -> {files: [{path, is_dir, file_size}], next_page_token} */
int op_artifact_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = clean_dir(js_get_str(args, "path"));

	return list_page(ctx, dir, args, ret_result, err);
}

/* Paths of a listing become those below the run. */
static void put_below(struct js *files, const char *dir)
{
	for (size_t i = 0; *dir && i < js_len(files); i++) {
		CLEANUP(cleanup_free) char *path = xasprintf("%s/%s", dir, js_get_str(js_at(files, i), "path"));

		js_set_str(js_at(files, i), "path", path);
	}
}

/* {root_uri, files, next_page_token} of a directory below a root. */
static int list_below(struct op_context *ctx, const char *root, const char *uri, const struct js *args,
		      struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = clean_dir(js_get_str(args, "path"));
	CLEANUP(cleanup_free) char *path = NULL;
	struct js *result;

	path = xasprintf("%s%s%s", root, *dir ? "/" : "", dir);
	/* By itself, so that it cannot climb. */
	if ((*dir && file_path_check(dir, err) < 0) || list_page(ctx, path, args, &result, err) < 0)
		return -1;
	js_set_str(result, "root_uri", uri);
	put_below(js_get(result, "files"), dir);
	*ret_result = result;
	return 0;
}

/* run.artifacts {run_id, path, ...} -> {root_uri, files, next_page_token} */
int op_run_artifacts(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    file_root_of_run(db, js_get_str(args, "run_id"), &root, &uri, err) < 0)
		return -1;
	return list_below(ctx, root, uri, args, ret_result, err);
}

/* logged_model.artifacts {model_id, path, ...} -> {root_uri, files, next_page_token} */
int op_logged_model_artifacts(struct op_context *ctx, const struct js *args, struct js **ret_result,
			      struct error *err)
{
	CLEANUP(cleanup_free) char *root = NULL;
	CLEANUP(cleanup_free) char *uri = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    file_root_of_model(db, js_get_str(args, "model_id"), &root, &uri, err) < 0)
		return -1;
	return list_below(ctx, root, uri, args, ret_result, err);
}

/* artifact.rm {path} -> {removed} */
int op_artifact_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *path = js_get_str(args, "path");
	struct store *store;
	struct db *db;
	int64_t removed;

	if (project_db(ctx->project, &db, err) < 0 || project_store(ctx->project, &store, err) < 0 ||
	    file_remove(db, store, path, &removed, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_int(*ret_result, "removed", removed);
	return 0;
}
