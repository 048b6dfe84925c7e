/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "api/candidates.h"
#include "api/data_kinds.h"
#include "api/loaded.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/problems.h"
#include "pipeline/tables.h"
#include "registry/project.h"

static struct js *problems_list(const struct problems *problems)
{
	struct js *list = js_array();

	for (size_t i = 0; i < problems->len; i++) {
		const struct problem *problem = &problems->items[i];
		struct js *item = js_object();
		js_set_str(item, "file", problem->file);
		if (problem->at.line)
			js_set_int(item, "line", problem->at.line);
		if (problem->at.line && problem->at.column)
			js_set_int(item, "column", problem->at.column);
		js_set_str(item, "message", problem->error.msg);
		js_set_str(item, "help", *problem->error.help ? problem->error.help : NULL);
		js_push(list, item);
	}
	return list;
}

/*
 * pipeline.check {file} -> {file, steps, instances, problems[{file, line, column, message, help}], more}
 */
int op_pipeline_check(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct strlist made CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_pipeline) struct pipeline *pipeline = NULL;
	CLEANUP(cleanup_plan) struct plan *plan = NULL;
	CLEANUP(cleanup_free) char *path = NULL;
	size_t instances = 0;
	struct js *result;

	if (loaded_path(ctx, js_get_str(args, "file"), &path, err) < 0)
		return -1;
	pipeline_check(ctx->project->rootfd, path, &problems, &pipeline);
	if (pipeline) {
		champions_room(ctx, pipeline);
		if (loaded_once_made(ctx->project, pipeline, &made, err) < 0)
			return -1;
		instances = plan_check(ctx->project->rootfd, pipeline, &made, &problems);
		if (!problems.count && pipeline->nmodels && plan_make(ctx->project->rootfd, pipeline, &made, &plan, err) < 0)
			return -1;
		candidates_check(ctx, pipeline, plan, &problems);
		tables_check_schemas(&api_data_kinds, ctx->project, pipeline, &problems);
	}
	problems_sort(&problems);
	result = js_object();
	js_set_str(result, "file", path);
	if (pipeline) {
		js_set_int(result, "steps", (int64_t)pipeline->nsteps);
		js_set_int(result, "instances", (int64_t)instances);
	}
	js_set(result, "problems", problems_list(&problems));
	if (problems.count > problems.len)
		js_set_int(result, "more", (int64_t)(problems.count - problems.len));
	*ret_result = result;
	if (!problems.count)
		return 0;
	return error_set(err, ERR_USAGE, "%s has %zu mistake%s", path, problems.count, problems.count > 1 ? "s" : "");
}

/* "step" for "step.", the name without what its owner adds. */
static char *section_head(const char *section)
{
	return xstrndup(section, strcspn(section, "."));
}

static struct js *key_row(const struct grammar_key *key)
{
	CLEANUP(cleanup_free) char *head = section_head(key->section);
	CLEANUP(cleanup_free) char *section =
		xasprintf("%s%s", head, strchr(key->section, '.') ? ".NAME" : "");
	struct js *row = js_object();

	js_set_str(row, "section", section);
	js_set_str(row, "key", key->key);
	js_set_str(row, "type", grammar_type_name(key->type));
	js_set_str(row, "default", key->fallback);
	js_set_str(row, "help", key->help);
	js_set_bool(row, "supported", key->since != NULL);
	return row;
}

static int unknown_section(const char *section, struct error *err)
{
	CLEANUP(strlist_release) struct strlist heads = STRLIST_INIT;
	CLEANUP(cleanup_free) char *all = NULL;
	const char *near;

	for (size_t i = 0; i < grammar_keys_len; i++) {
		CLEANUP(cleanup_free) char *head = section_head(grammar_keys[i].section);
		if (!heads.len || strcmp(heads.items[heads.len - 1], head) != 0)
			strlist_push(&heads, head);
	}
	near = strlist_nearest(&heads, section);
	error_set(err, ERR_NOT_FOUND, "no section '%s' in a pipeline file", section);
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	all = strlist_join(&heads, ", ");
	return error_help(err, "sections are: %s", all);
}

/*
 * pipeline.keys {section} -> {keys[{section, key, type, default, help, supported}]}
 */
int op_pipeline_keys(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *section = js_get_str(args, "section");
	CLEANUP(cleanup_free) char *wanted = section ? section_head(section) : NULL;
	CLEANUP_JS struct js *keys = js_array();
	struct js *result;

	(void)ctx;
	for (size_t i = 0; i < grammar_keys_len; i++) {
		CLEANUP(cleanup_free) char *head = section_head(grammar_keys[i].section);
		if (!wanted || !strcmp(wanted, head))
			js_push(keys, key_row(&grammar_keys[i]));
	}
	if (!js_len(keys))
		return unknown_section(wanted, err);
	result = js_object();
	js_set(result, "keys", steal(&keys));
	*ret_result = result;
	return 0;
}
