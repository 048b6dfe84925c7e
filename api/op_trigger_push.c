/* SPDX-License-Identifier: Apache-2.0 */
/* trigger.push and trigger.approve: what hooks tell of a repository, and a person who lets a fork's commits run. */
#include <string.h>
#include "api/ops.h"
#include "api/push.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/events.h"
#include "registry/project.h"
#include "registry/projects.h"

#define HEADS "refs/heads/"
#define TAGS  "refs/tags/"

/* ---- trigger.push ---- */

static int check_commit(const char *text, const char *what, struct error *err)
{
	size_t len = text ? strspn(text, "0123456789abcdef") : 0;

	if (!text || ((len == 40 || len == 64) && !text[len]))
		return 0;
	return error_set(err, ERR_USAGE, "%s '%.80s' is no commit: it has 40 or 64 digits", what, text);
}

static bool is_zero(const char *hex)
{
	return hex && !hex[strspn(hex, "0")];
}

static int read_push(const struct js *args, struct push *ret, struct error *err)
{
	const char *ref = js_get_str(args, "ref"), *after = js_get_str(args, "after"), *before = js_get_str(args, "before");
	bool tag = !strncmp(ref, TAGS, strlen(TAGS));
	const char *name = tag ? ref + strlen(TAGS) : ref + strlen(HEADS);

	if (!tag && strncmp(ref, HEADS, strlen(HEADS)) != 0)
		return error_set(err, ERR_USAGE, "ref '%.100s' is neither " HEADS "BRANCH nor " TAGS "TAG", ref);
	if (branch_name_fault(name))
		return error_set(err, ERR_USAGE, "'%.100s' %s", name, branch_name_fault(name));
	if (check_commit(after, "after", err) < 0 || check_commit(before, "before", err) < 0)
		return -1;
	*ret = (struct push){
		.project = js_get_str(args, "project"),
		.kind = tag ? "tag" : "push",
		.ref = ref,
		.branch = tag ? NULL : name,
		.before = is_zero(before) ? NULL : before,
		.after = is_zero(after) ? NULL : after,
		.all_changed = !js_get(args, "changed"),
		.via = "hook",
		.time_ms = js_get_int(args, "time", 0),
	};
	return 0;
}

/* trigger.push {project, ref, after, before, changed[], time} -> {fired[], ignored} */
int op_trigger_push(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(strlist_release) struct strlist changed = STRLIST_INIT;
	const struct js *paths = js_get(args, "changed");
	struct push push;
	struct js *result;
	struct db *db;

	if (read_push(args, &push, err) < 0 || project_db(ctx->project, &db, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(paths); i++)
		strlist_push(&changed, js_text(js_at(paths, i)));
	push.changed = &changed;
	push.actor = op_actor(ctx);
	if (db_begin(db, err) < 0)
		return -1;
	if (push_fire(ctx, db, &push, &result, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0) {
		js_free(result);
		return -1;
	}
	*ret_result = result;
	return 0;
}

/* ---- trigger.approve ---- */

static int release(struct op_context *ctx, struct db *db, int64_t firing, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *subject = NULL;
	CLEANUP_JS struct js *result = NULL;
	struct event event = {
		.actor = op_actor(ctx),
		.origin = ctx->origin,
		.operation = "trigger.approve",
	};

	if (push_release(ctx, db, firing, &result, err) < 0)
		return -1;
	subject = xasprintf("%s/%s", js_get_str(result, "project"), js_get_str(result, "trigger"));
	event.subject = subject;
	event.body = result;
	if (event_append(db, &event, clock_wall_ms(), NULL, err) < 0)
		return -1;
	*ret = steal(&result);
	return 0;
}

/* trigger.approve {firing} -> {project, trigger, firing, decision, reason, run_id, repeated} */
int op_trigger_approve(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *result = NULL;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (release(ctx, db, js_get_int(args, "firing", 0), &result, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = steal(&result);
	return 0;
}
