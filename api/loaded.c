/* SPDX-License-Identifier: Apache-2.0 */
#include "api/loaded.h"
#include <string.h>
#include "api/candidates.h"
#include "api/data.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/problems.h"
#include "registry/lockfile.h"
#include "registry/project.h"

void loaded_release(struct loaded *l)
{
	plan_free(l->plan);
	pipeline_free(l->pipeline);
	js_free(l->champions);
}

static void add_texts(struct strlist *list, const struct js *array)
{
	for (size_t i = 0; i < js_len(array); i++)
		strlist_push(list, js_text(js_at(array, i)));
}

/* Or may have: what ${...} stands for is not known here. */
static bool has_patterns(const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->nsteps; i++)
		for (size_t k = 0; k < pipeline->steps[i].in.len; k++)
			if (strpbrk(pipeline->steps[i].in.items[k].text, "*?[$"))
				return true;
	return false;
}

/* Outputs that mlops.lock knows: a glob must not take what a step of the past left behind. Without a glob
 * the file need not be read for it. */
int loaded_once_made(struct project *p, const struct pipeline *pipeline, struct strlist *ret, struct error *err)
{
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;

	if (!has_patterns(pipeline))
		return 0;
	if (lockfile_load(p->rootfd, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < lock.len; i++)
		if (lock.entries[i].kind == LOCKED_OUT)
			strlist_push(ret, lock.entries[i].name);
	return 0;
}

int loaded_path(struct op_context *ctx, const char *file, char **ret, struct error *err)
{
	struct project *p = ctx->project;
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	if (path_clean(file ? p->prefix : "", file ? file : "pipeline.ini", &path, err) < 0)
		return -1;
	if (fs_stat_beneath(p->rootfd, path, &st, NULL) == 0) {
		error_set(err, ERR_NOT_FOUND, "there is no %s in %s", path, p->root);
		return error_help(err, file ? "check the name; without one, pipeline.ini is used" :
					      "run: mlops init, which writes one, or name another file: mlops run FILE.ini");
	}
	*ret = steal(&path);
	return 0;
}

/* Only where the plan lets them be. Their files may match a pattern of the plan. */
static int bring_champions(struct op_context *ctx, const struct strlist *made, struct loaded *l, struct error *err)
{
	if (champions_place(ctx, l->pipeline, &l->champions, err) < 0)
		return -1;
	if (!js_len(l->champions))
		return 0;
	plan_free(l->plan);
	l->plan = NULL;
	return plan_make(ctx->project->rootfd, l->pipeline, made, &l->plan, err);
}

int loaded_make(struct op_context *ctx, const char *file, const struct js *overrides, bool bring, struct loaded *ret,
		struct error *err)
{
	struct project *p = ctx->project;
	struct strlist made CLEANUP(strlist_release) = STRLIST_INIT;
	struct strlist params CLEANUP(strlist_release) = STRLIST_INIT;
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	CLEANUP(cleanup_free) char *path = NULL;

	if (loaded_path(ctx, file, &path, err) < 0)
		return -1;
	add_texts(&params, overrides);
	if (pipeline_load(p->rootfd, path, &params, &ret->pipeline, err) < 0)
		return -1;
	ret->pipeline->partial = ret->partial;
	ret->pipeline->trigger_time = ret->trigger_time ? xstrdup(ret->trigger_time) : NULL;
	ret->pipeline->trigger_window = ret->trigger_window ? xstrdup(ret->trigger_window) : NULL;
	champions_room(ctx, ret->pipeline);
	if ((bring && data_bring(ctx, ret->pipeline, err) < 0) || loaded_once_made(p, ret->pipeline, &made, err) < 0 ||
	    plan_make(p->rootfd, ret->pipeline, &made, &ret->plan, err) < 0)
		return -1;
	candidates_check(ctx, ret->pipeline, ret->plan, &problems);
	if (problems_verdict(&problems, err) < 0)
		return -1;
	return bring ? bring_champions(ctx, &made, ret, err) : 0;
}
