/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "pipeline/grammar.h"
#include "registry/artifacts.h"
#include "registry/project.h"
#include "registry/runs.h"

#define RUNS_OFFERED 20

static void offer_steps(struct project *project, op_offer *offer, void *ctx)
{
	struct pipeline *pipeline = NULL;

	if (pipeline_load(project->rootfd, "pipeline.ini", NULL, &pipeline, NULL))
		return;
	for (size_t i = 0; i < pipeline->nsteps; i++)
		offer(ctx, pipeline->steps[i].name, NULL);
	pipeline_free(pipeline);
}

static void offer_runs(struct project *project, op_offer *offer, void *ctx)
{
	CLEANUP_JS struct js *runs = NULL;
	struct run_query query = { .limit = RUNS_OFFERED };
	struct db *db;

	offer(ctx, "last", "the newest run");
	if (project_db(project, &db, NULL) || run_search(db, &query, &runs, NULL))
		return;
	for (size_t i = 0; i < js_len(runs); i++)
		offer(ctx, js_get_str(js_at(runs, i), "run_id"),
		      js_get_str(js_at(runs, i), "name"));
}

static void offer_artifacts(struct project *project, op_offer *offer, void *ctx)
{
	CLEANUP_JS struct js *list = NULL;
	struct db *db;

	if (project_db(project, &db, NULL) || artifact_list(db, &list, NULL))
		return;
	for (size_t i = 0; i < js_len(list); i++)
		offer(ctx, js_get_str(js_at(list, i), "name"), NULL);
}

static void offer_settings(op_offer *offer, void *ctx)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		offer(ctx, setting_defs[i].key, setting_defs[i].help);
}

void op_offer_values(const char *dir, enum op_complete what, op_offer *offer, void *ctx)
{
	struct project *project = NULL;

	if (what == COMPLETE_SETTING)
		offer_settings(offer, ctx);
	if (what != COMPLETE_STEP && what != COMPLETE_RUN && what != COMPLETE_NAME)
		return;
	if (project_open(dir, &project, NULL))
		return;
	if (what == COMPLETE_STEP)
		offer_steps(project, offer, ctx);
	else
		offer_runs(project, offer, ctx);
	if (what == COMPLETE_NAME)
		offer_artifacts(project, offer, ctx);
	project_close(project);
}
