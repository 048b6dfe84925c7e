/* SPDX-License-Identifier: Apache-2.0 */
/* What an automatic run left in mlops.lock, found by the model that came of it. */
#include <stdio.h>
#include <string.h>
#include "api/ops.h"
#include "api/remotes.h"
#include "api/snapshot.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/lockfile.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/records.h"
#include "registry/runs.h"
#include "registry/versions.h"
#include "store/store.h"

#define LOCK_MAX (64u << 20)

/* The pipeline's run that the version is of: 1, or 0. */
static int find_run(struct db *db, const struct name *name, char ret_run[33], struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *version = NULL;
	const char *run;

	if (version_load(db, name->artifact, name->version, &version, err) < 0)
		return -1;
	run = js_get_str(version, "run_id");
	if (!run || record_top(db, run, ret_run, NULL) < 0)
		return 0;
	return run_load(db, ret_run, ret, err) < 0 ? -1 : 1;
}

static int read_lock(struct op_context *ctx, const struct content *content, struct lockfile *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct store *store;

	if (project_store(ctx->project, &store, err) < 0 ||
	    (!store_has(store, &content->id) && remotes_fetch(ctx, content, 1, NULL, NULL, err) < 0) ||
	    store_read(store, &content->id, LOCK_MAX, &text, err) < 0)
		return -1;
	return lockfile_parse(text.buf, text.len, ret, err) < 0 ? -1 : lockfile_check(ret, err);
}

int snapshot_model_lock(struct op_context *ctx, const char *text, struct lockfile *ret_lock, struct snapshot *ret,
			struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP(cleanup_free) char *label = NULL;
	CLEANUP_JS struct js *run = NULL;
	const char *value, *commit;
	struct content content;
	char id[33];
	struct name name;
	struct db *db;
	int r;

	if (name_resolve(ctx->project, text, ACCEPT_VERSION, &name, NULL) < 0)
		return 0;
	if (project_db(ctx->project, &db, err) < 0)
		return -1;
	r = find_run(db, &name, id, &run, err);
	value = r > 0 ? js_get_str(js_get(run, "tags"), "mlops.lock") : NULL;
	if (r <= 0 || !value || !content_parse(value, &content))
		return r < 0 ? -1 : 0;
	if (read_lock(ctx, &content, &lock, err) < 0)
		return error_wrap(err, "%s of run %.8s", LOCKFILE_NAME, id);
	label = xasprintf("%s@v%lld (run %.8s)", name.artifact, (long long)name.version, id);
	snapshot_of_lock(&lock, label, ret);
	commit = js_get_str(js_get(run, "tags"), "mlflow.source.git.commit");
	memcpy(ret->run, id, sizeof(ret->run));
	snprintf(ret->commit, sizeof(ret->commit), "%s", commit ? commit : "");
	*ret_lock = lock;
	lock = (struct lockfile)LOCKFILE_INIT;
	return 1;
}
