/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "registry/artifacts.h"
#include "registry/lockfile.h"
#include "registry/models.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "registry/secrets.h"

#define RUNS_OFFERED 20

/* The pipeline of a file as typed, or of pipeline.ini; NULL. */
static struct pipeline *load_pipeline(struct project *project, const char *file)
{
	struct pipeline *pipeline = NULL;
	char *path;

	if (path_clean(file ? project->prefix : "", file ? file : "pipeline.ini", &path, NULL))
		return NULL;
	pipeline_load(project->rootfd, path, NULL, &pipeline, NULL);
	free(path);
	return pipeline;
}

static void offer_steps(struct project *project, const char *file, op_offer *offer, void *ctx)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = load_pipeline(project, file);

	CLEANUP(cleanup_plan) struct plan *plan = NULL;

	for (size_t i = 0; pipeline && i < pipeline->nsteps; i++)
		offer(ctx, pipeline->steps[i].name, "a step");
	if (!pipeline || plan_make(project->rootfd, pipeline, NULL, &plan, NULL) < 0)
		return;
	for (size_t i = 0; i < plan->len; i++)
		if (strcmp(plan->nodes[i].name, plan->nodes[i].step->name) != 0)
			offer(ctx, plan->nodes[i].name, "an instance");
}

struct offering {
	op_offer *offer;
	void *ctx;
};

static void offer_param(void *ctx, const char *key, const struct js *value)
{
	const struct offering *o = ctx;
	CLEANUP_STRBUF struct strbuf help = STRBUF_INIT;
	CLEANUP(cleanup_free) char *word = xasprintf("%s=", key);

	strbuf_puts(&help, "now ");
	js_dump(value, JS_COMPACT, &help);
	o->offer(o->ctx, word, help.buf);
}

static void offer_params(struct project *project, const char *file, op_offer *offer, void *ctx)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = load_pipeline(project, file);
	struct offering o = { offer, ctx };

	if (pipeline)
		pipeline_each_param(pipeline->params, offer_param, &o);
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

/* Those with a pin: what was never resolved needs no update. */
static void offer_images(struct project *project, op_offer *offer, void *ctx)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;

	if (lockfile_load(project->rootfd, &lock, NULL))
		return;
	for (size_t i = 0; i < lock.len; i++)
		if (lock.entries[i].kind == LOCKED_IMAGE)
			offer(ctx, lock.entries[i].name, lock.entries[i].value);
}

static void offer_secrets(struct project *project, op_offer *offer, void *ctx)
{
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = load_pipeline(project, NULL);
	CLEANUP(secret_list_release) struct secret_list secrets = { 0 };
	CLEANUP(strmap_release) struct strmap offered = STRMAP_INIT;

	secret_list(project, &secrets, NULL, NULL, NULL);
	for (size_t i = 0; i < secrets.len; i++) {
		offer(ctx, secrets.items[i].name, "a secret");
		strmap_set(&offered, secrets.items[i].name, NULL);
	}
	for (size_t i = 0; pipeline && i < pipeline->nsteps; i++) {
		const struct step *step = &pipeline->steps[i];
		for (size_t k = 0; k < step->nsecrets; k++) {
			if (!strmap_has(&offered, step->secrets[k].name))
				offer(ctx, step->secrets[k].name, step->name);
			strmap_set(&offered, step->secrets[k].name, NULL);
		}
	}
}

#define MODELS_OFFERED 100

/* Their aliases and, unless only versions will do, the models. */
static void offer_models(struct project *project, bool versions, op_offer *offer, void *ctx)
{
	struct registry_query query = { .max_results = MODELS_OFFERED };
	CLEANUP_JS struct js *result = NULL;
	const struct js *models;
	struct db *db;

	if (project_db(project, &db, NULL) || model_search(db, &query, &result, NULL))
		return;
	models = js_get(result, "registered_models");
	for (size_t i = 0; i < js_len(models); i++) {
		const char *name = js_get_str(js_at(models, i), "name");
		const struct js *aliases = js_get(js_at(models, i), "aliases");

		if (!versions)
			offer(ctx, name, "a model");
		for (size_t k = 0; k < js_len(aliases); k++) {
			CLEANUP(cleanup_free) char *word =
				xasprintf("%s@%s", name, js_get_str(js_at(aliases, k), "alias"));
			CLEANUP(cleanup_free) char *help = xasprintf("v%s", js_get_str(js_at(aliases, k), "version"));

			offer(ctx, word, help);
		}
	}
}

static void offer_settings(op_offer *offer, void *ctx)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		offer(ctx, setting_defs[i].key, setting_defs[i].help);
}

static void offer_setting_values(const char *key, op_offer *offer, void *ctx)
{
	const char *words;
	enum setting id;

	if (!key || settings_find(key, &id, NULL) || setting_defs[id].type != SETTING_WORD)
		return;
	for (words = setting_defs[id].allowed; *words;) {
		size_t n = strcspn(words, "|");
		CLEANUP(cleanup_free) char *word = xstrndup(words, n);

		offer(ctx, word, NULL);
		words += n + (words[n] == '|');
	}
}

void op_offer_values(const char *dir, enum op_complete what, const char *before, op_offer *offer,
		     void *ctx)
{
	struct project *project = NULL;

	if (what == COMPLETE_SETTING)
		offer_settings(offer, ctx);
	if (what == COMPLETE_SETTING_VALUE)
		offer_setting_values(before, offer, ctx);
	if (what == COMPLETE_SETTING || what == COMPLETE_SETTING_VALUE || project_open(dir, &project, NULL))
		return;
	if (what == COMPLETE_STEP || what == COMPLETE_PIPELINE_STEP)
		offer_steps(project, before, offer, ctx);
	if (what == COMPLETE_PARAM)
		offer_params(project, before, offer, ctx);
	if (what == COMPLETE_RUN || what == COMPLETE_NAME)
		offer_runs(project, offer, ctx);
	if (what == COMPLETE_IMAGE)
		offer_images(project, offer, ctx);
	if (what == COMPLETE_SECRET)
		offer_secrets(project, offer, ctx);
	if (what == COMPLETE_NAME)
		offer_artifacts(project, offer, ctx);
	if (what == COMPLETE_NAME || what == COMPLETE_MODEL)
		offer_models(project, what == COMPLETE_NAME, offer, ctx);
	project_close(project);
}
