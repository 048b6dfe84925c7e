/* SPDX-License-Identifier: Apache-2.0 */
#include "api/push.h"
#include <string.h>
#include "api/definitions.h"
#include "api/fire.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/firings.h"
#include "registry/project.h"
#include "registry/projects.h"

#define HELD "it comes from a fork; an engineer lets it run by: mlops trigger approve FIRING"

/* ---- whether a trigger means it ---- */

static bool has_text(const struct js *list, const char *text)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (!strcmp(js_text(js_at(list, i)), text))
			return true;
	return false;
}

/* Pushes are what `branch` alone means; a trigger of times or data means none. */
static bool fits_kind(const struct js *spec, const char *kind)
{
	const struct js *on = js_get(spec, "on");

	return on ? has_text(on, kind) : js_get(spec, "branch") && !strcmp(kind, "push");
}

/* Tags are on no branch. */
static bool fits_branch(const struct js *spec, const char *branch)
{
	const struct js *patterns = js_get(spec, "branch");

	for (size_t i = 0; branch && i < js_len(patterns); i++)
		if (path_match(js_text(js_at(patterns, i)), branch))
			return true;
	return !branch || !js_len(patterns);
}

/* A plain path means all below it, too. */
static bool fits_path(const struct js *patterns, const char *path)
{
	for (size_t i = 0; i < js_len(patterns); i++) {
		const char *pattern = js_text(js_at(patterns, i));

		if (path_is_pattern(pattern) ? path_match(pattern, path) : path_contains(pattern, path))
			return true;
	}
	return false;
}

static bool fits_paths(const struct js *spec, const struct push *push)
{
	const struct js *patterns = js_get(spec, "paths");

	if (!js_len(patterns) || push->all_changed || !push->changed)
		return true;
	for (size_t i = 0; i < push->changed->len; i++)
		if (fits_path(patterns, push->changed->items[i]))
			return true;
	return false;
}

/* ---- firing ---- */

static char *cause_name(const struct push *push)
{
	if (push->number)
		return xasprintf("%s:%lld:%s", push->kind, (long long)push->number, push->after);
	return xasprintf("%s:%s:%s", push->kind, push->ref, push->after);
}

static struct js *evidence_of(const struct push *push)
{
	struct js *evidence = js_object();

	js_set_str(evidence, "ref", push->ref);
	js_set_str(evidence, "branch", push->branch);
	js_set_str(evidence, "before", push->before);
	js_set_str(evidence, "after", push->after);
	js_set_str(evidence, "actor", push->actor);
	js_set_str(evidence, "via", push->via);
	if (push->number)
		js_set_int(evidence, "number", push->number);
	if (push->fork)
		js_set_bool(evidence, "fork", true);
	if (push->changed && !push->all_changed)
		js_set_int(evidence, "changed", (int64_t)push->changed->len);
	return evidence;
}

static struct js *args_of(const struct push *push)
{
	struct js *args = js_object();

	js_set_str(args, "commit", push->after);
	js_set_str(args, "ref", push->ref);
	if (push->number)
		js_set_int(args, "number", push->number);
	js_set_bool(args, "untrusted", push->fork);
	return args;
}

static struct js *answer_of(const struct js *firing, bool is_new)
{
	static const char *const keys[] = { "trigger", "decision", "reason", "run_id" };
	struct js *answer = js_object();

	js_set_int(answer, "firing", js_get_int(firing, "id", 0));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		js_set_str(answer, keys[i], js_get_str(firing, keys[i]));
	js_set_bool(answer, "repeated", !is_new);
	return answer;
}

static int fire_one(struct op_context *ctx, struct db *db, const struct push *push, const char *trigger, struct js *fired,
		    struct error *err)
{
	CLEANUP(cleanup_free) char *name = cause_name(push);
	CLEANUP_JS struct js *evidence = evidence_of(push), *args = args_of(push), *firing = NULL;
	int64_t now = clock_wall_ms();
	const struct cause cause = {
		.project = push->project,
		.trigger = trigger,
		.name = name,
		.kind = push->kind,
		.time_ms = push->time_ms > 0 && push->time_ms < now ? push->time_ms : now,
		.evidence = evidence,
		.args = args,
		.held = push->fork ? HELD : NULL,
	};
	int r = fire(ctx, db, &cause, &firing, err);

	if (r < 0)
		return -1;
	js_push(fired, answer_of(firing, r > 0));
	return 0;
}

/* ---- all of them ---- */

/* Of files or commits that can be read here, the triggers are as they are now: who commits one with a hook waits for no
 * look of the agent. What cannot be read leaves those that are known. */
static int refresh(struct op_context *ctx, struct db *db, const char *project, struct error *err)
{
	struct definition definition CLEANUP(definition_release) = { 0 };
	CLEANUP_JS struct js *row = NULL, *specs = NULL;
	int changed;

	if (project_row_load(db, project, &row, err) < 0)
		return -1;
	if (!strcmp(js_get_str(row, "kind"), source_kind_name(SOURCE_GIT)))
		return 0;
	definition_read(ctx->project, row, &definition);
	if (!definition.pipeline)
		return 0;
	specs = trigger_specs(definition.pipeline);
	return triggers_set(db, project, specs, clock_wall_ms(), &changed, err);
}

static int fire_all(struct op_context *ctx, struct db *db, const struct push *push, struct js *fired, struct error *err)
{
	CLEANUP_JS struct js *triggers = NULL;

	if (refresh(ctx, db, push->project, err) < 0 || triggers_list(db, push->project, &triggers, err) < 0)
		return -1;
	for (size_t i = 0; push->after && i < js_len(triggers); i++) {
		const struct js *trigger = js_at(triggers, i), *spec = js_get(trigger, "spec");

		if (fits_kind(spec, push->kind) && fits_branch(spec, push->branch) && fits_paths(spec, push) &&
		    fire_one(ctx, db, push, js_get_str(trigger, "name"), fired, err) < 0)
			return -1;
	}
	return 0;
}

int push_fire(struct op_context *ctx, struct db *db, const struct push *push, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *result = js_object(), *fired = js_array();

	if (fire_all(ctx, db, push, fired, err) < 0)
		return -1;
	if (!push->after)
		js_set_str(result, "ignored", "it was deleted");
	else if (!js_len(fired))
		js_set_str(result, "ignored", "no trigger of the project means it");
	js_set(result, "fired", steal(&fired));
	*ret = steal(&result);
	return 0;
}

/* ---- what was held ---- */

static int check_held(const struct js *firing, struct error *err)
{
	const char *reason = js_get_str(firing, "reason");
	int64_t id = js_get_int(firing, "id", 0);

	if (!strcmp(js_get_str(firing, "decision"), "skipped") && reason && !strcmp(reason, HELD))
		return 0;
	error_set(err, ERR_CONFLICT, "firing %lld waits for nobody: %s%s%s", (long long)id, js_get_str(firing, "decision"),
		  reason ? ", " : "", reason ? reason : "");
	return error_help(err, "look: mlops trigger history %s", js_get_str(firing, "project"));
}

int push_release(struct op_context *ctx, struct db *db, int64_t id, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("approved:%lld", (long long)id);
	CLEANUP_JS struct js *held = NULL, *evidence = js_object(), *args = js_object(), *firing = NULL;
	static const char *const keys[] = { "commit", "ref", "number", "untrusted" };
	struct cause cause = { .name = name, .evidence = evidence, .args = args };
	int r;

	if (firing_load(db, id, &held, err) < 0 || check_held(held, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get(js_get(held, "args"), keys[i]))
			js_set(args, keys[i], js_ref(js_get(js_get(held, "args"), keys[i])));
	js_set_int(evidence, "firing", id);
	js_set_str(evidence, "approved_by", op_actor(ctx));
	cause.project = js_get_str(held, "project");
	cause.trigger = js_get_str(held, "trigger");
	cause.kind = js_get_str(held, "kind");
	cause.time_ms = js_get_int(held, "time", 0);
	r = fire(ctx, db, &cause, &firing, err);
	if (r < 0)
		return -1;
	*ret = answer_of(firing, r > 0);
	js_set_str(*ret, "project", cause.project);
	return 0;
}
