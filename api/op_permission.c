/* SPDX-License-Identifier: Apache-2.0 */
/* permission add, list and rm: what a user may do with one experiment or model. */
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/access.h"
#include "registry/project.h"

struct target {
	const char *user, *kind, *name;
	char object[1024]; /* as it is kept: an experiment's id, a model's name */
};

/* Experiments have names that change, so what is kept is the id; who types one means the name first. */
static int read_target(struct op_context *ctx, const struct js *args, struct db **ret_db, struct target *t,
		       struct error *err)
{
	const char *experiment = js_get_str(args, "experiment"), *model = js_get_str(args, "model");
	int r;

	if (!experiment == !model)
		return error_set(err, ERR_USAGE, "give either --experiment or --model");
	if (project_db(ctx->project, ret_db, err) < 0)
		return -1;
	*t = (struct target){ js_get_str(args, "user"), experiment ? "experiment" : "model", experiment ? experiment : model,
			      "" };
	r = access_find_object(*ret_db, t->kind, t->name, t->object, sizeof(t->object), err);
	if (r < 0)
		return -1;
	return r ? 0 : error_set(err, ERR_NOT_FOUND, "there is no %s '%s'", t->kind, t->name);
}

static int record(struct op_context *ctx, struct db *db, const char *operation, const struct target *t,
		  const char *level, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();

	js_set_str(body, t->kind, t->object);
	return op_event(ctx, db, &(struct op_event){ .operation = operation, .subject = t->user, .after = level, .body = body },
			err);
}

static int finish(struct op_context *ctx, struct db *db, int r, const char *operation, const struct target *t,
		  const char *level, struct js **ret_result, struct error *err)
{
	if (r < 0 || record(ctx, db, operation, t, level, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "user", t->user);
	js_set_str(*ret_result, "kind", t->kind);
	js_set_str(*ret_result, "name", t->name);
	js_set_str(*ret_result, "level", level);
	return 0;
}

int op_permission_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *level = js_get_str(args, "level");
	struct target t;
	struct db *db;

	if (read_target(ctx, args, &db, &t, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return finish(ctx, db, permission_set(db, t.user, t.kind, t.object, level, err), "permission.add", &t, level,
		      ret_result, err);
}

int op_permission_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct target t;
	struct db *db;

	if (read_target(ctx, args, &db, &t, err) < 0 || db_begin(db, err) < 0)
		return -1;
	return finish(ctx, db, permission_remove(db, t.user, t.kind, t.object, err), "permission.rm", &t, NULL, ret_result,
		      err);
}

int op_permission_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *permissions;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    permission_list(db, js_get_str(args, "user"), &permissions, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "permissions", permissions);
	return 0;
}
