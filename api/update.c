/* SPDX-License-Identifier: Apache-2.0 */
/* What new data does before a run: tracked paths move to their newest stored version. */
#include <string.h>
#include "api/data.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/artifacts.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/checkout.h"

static int check_owner(const struct lockfile *lock, const char *path, struct error *err)
{
	for (size_t i = 0; i < lock->len; i++) {
		const struct lock_entry *e = &lock->entries[i];

		if (e->kind == LOCKED_OUT && (path_contains(e->name, path) || path_contains(path, e->name))) {
			error_set(err, ERR_CONFLICT, "%s cannot be updated: a step makes %s", path, e->name);
			return error_help(err, "data is updated; what steps make is made by mlops run");
		}
		if (e->kind == LOCKED_DATA && strcmp(e->name, path) != 0 &&
		    (path_contains(e->name, path) || path_contains(path, e->name))) {
			error_set(err, ERR_CONFLICT, "%s cannot be updated: %s is one version", path, e->name);
			return error_help(err, "update that: %s", e->name);
		}
	}
	return 0;
}

static int put_version(struct op_context *ctx, struct lockfile *lock, const char *path,
		       const struct artifact_version *version, struct error *err)
{
	CLEANUP(cleanup_free) char *text = xasprintf("updated %s to v%lld", path, (long long)version->number);
	char value[CONTENT_TEXT];
	struct content locked;

	if (data_put(ctx, path, &version->content, err) < 0)
		return error_wrap(err, "%s cannot be updated to v%lld", path, (long long)version->number);
	if (lockfile_content(lock, LOCKED_DATA, path, &locked) && content_equal(&locked, &version->content))
		return 0;
	lockfile_set(lock, LOCKED_DATA, path, content_format(&version->content, value));
	data_tell(ctx, text);
	return 0;
}

static int update(struct op_context *ctx, struct lockfile *lock, const char *typed, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct artifact_version newest;
	struct db *db;

	if (data_path(ctx, typed, &path, err) < 0 || check_owner(lock, path, err) < 0 ||
	    project_db(ctx->project, &db, err) < 0)
		return -1;
	if (artifact_find(db, path, 0, &newest, err) < 0) {
		error_wrap(err, "%s cannot be updated", path);
		return err && *err->help ? -1 : error_help(err, "keep a version of it with: mlops add %s", path);
	}
	return put_version(ctx, lock, path, &newest, err);
}

int data_update(struct op_context *ctx, const struct js *paths, struct error *err)
{
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;
	int rootfd = ctx->project->rootfd;

	if (!js_len(paths))
		return 0;
	if (lockfile_load(rootfd, &lock, err) < 0 || lockfile_check(&lock, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(paths); i++)
		if (update(ctx, &lock, js_text(js_at(paths, i)), err) < 0)
			return -1;
	return lockfile_save(&lock, rootfd, err);
}
