/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with [model.NAME] beyond its grammar: gates, and what they and the other keys name. */
#include <string.h>
#include <sys/stat.h>
#include "api/candidates.h"
#include "api/candidates_internal.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/problems.h"
#include "policy/gate.h"
#include "registry/project.h"

struct checking {
	const struct pipeline *pipeline;
	const struct plan *plan; /* NULL: not known */
	const struct model_section *model;
	const struct text_at *line; /* of its gate */
	struct problems *problems;
};

static void tell(struct checking *c, struct place at, struct error *why)
{
	error_wrap(why, "model %s", c->model->name);
	problems_once(c->problems, c->pipeline->file, at, why);
}

/* ---- gates ---- */

static int check_metric(void *ctx, const char *name, size_t offset)
{
	struct checking *c = ctx;
	const struct plan_node *node;
	struct place at = c->line->at;
	struct error why = { 0 };
	const char *key;

	node = gate_metric_node(c->plan, c->model, gate_metric_name(name), &key);
	if (!node || node->step->metrics.len)
		return 0;
	error_set(&why, ERR_USAGE, "step %s has no metrics= that '%.100s' could be in", node->name, key);
	error_help(&why, "add to [step.%s]: metrics = FILE.json; or name another step: STEP.%.100s", node->step->name, key);
	at.column += (int)offset;
	tell(c, at, &why);
	return 0;
}

static void check_holdout(struct checking *c, const char *name)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct error why = { 0 };
	const char *near;

	for (size_t i = 0; i < c->model->nholdouts; i++) {
		strlist_push(&names, c->model->holdouts[i].name);
		if (!name || !strcmp(name, c->model->holdouts[i].name))
			return;
	}
	near = name ? strlist_nearest(&names, name) : NULL;
	if (name)
		error_set(&why, ERR_USAGE, "there is no holdout '%.100s'", name);
	else
		error_set(&why, ERR_USAGE, "a test needs a holdout");
	if (near)
		error_help(&why, "did you mean %s?", near);
	else
		error_help(&why, "add to [model.%s]: holdout.%s = TABLE, with label, candidate and champion of each example",
			   c->model->name, name ? name : "recent");
	tell(c, c->line->at, &why);
}

static void check_line(struct checking *c)
{
	CLEANUP(cleanup_gate_line) struct gate_line *line = NULL;
	struct place at = c->line->at;
	struct error why = { 0 };
	const char *holdout;
	size_t offset = 0;

	if (gate_line_parse(c->line->text, &line, &offset, &why) < 0) {
		at.column += (int)offset;
		tell(c, at, &why);
	} else if (gate_line_is_test(line, &holdout)) {
		check_holdout(c, holdout);
	} else if (c->plan) {
		gate_line_each_name(line, check_metric, c);
	}
}

/* ---- paths ---- */

static void check_from(struct checking *c)
{
	CLEANUP(strlist_release) struct strlist outputs = STRLIST_INIT;
	const char *from = c->model->from.text, *near;
	struct error why = { 0 };

	if (strmap_has(&c->plan->by_output, from))
		return;
	for (size_t i = 0; i < c->plan->by_output.len; i++)
		strlist_push(&outputs, c->plan->by_output.entries[i].key);
	near = strlist_nearest(&outputs, from);
	error_set(&why, ERR_USAGE, "'%.100s' is no output of a step", from);
	if (near)
		error_help(&why, "did you mean '%s'?", near);
	else
		error_help(&why, "name it in the 'out' of the step that makes it");
	tell(c, c->model->from.at, &why);
}

/* It is written before steps run, so none of them may write it. */
static void check_champion(struct checking *c)
{
	const char *dir = c->model->champion.text;
	struct error why = { 0 };

	for (size_t i = 0; i < c->plan->by_output.len; i++) {
		const char *output = c->plan->by_output.entries[i].key;

		if (!path_contains(dir, output) && !path_contains(output, dir))
			continue;
		error_set(&why, ERR_USAGE, "'%.100s' is for the champion's files, and output '%.100s' is in its way", dir, output);
		error_help(&why, "give the champion a directory of its own");
		tell(c, c->model->champion.at, &why);
		return;
	}
}

static void check_there(struct checking *c, int rootfd, const struct text_at *path)
{
	struct error why = { 0 };
	struct stat st;
	int there;

	if (!path->text || plan_maker(c->plan, path->text))
		return;
	there = fs_stat_beneath(rootfd, path->text, &st, &why);
	if (there > 0)
		return;
	if (!there) {
		error_set(&why, ERR_USAGE, "there is no %.100s, and no step makes it", path->text);
		error_help(&why, "write it, or name it in the 'out' of a step");
	}
	tell(c, path->at, &why);
}

static void check_paths(struct checking *c, int rootfd)
{
	const struct model_section *m = c->model;

	check_from(c);
	if (m->champion.text)
		check_champion(c);
	for (size_t i = 0; i < m->nholdouts; i++)
		check_there(c, rootfd, &m->holdouts[i].path);
	check_there(c, rootfd, &m->reference);
	check_there(c, rootfd, &m->slices);
	check_there(c, rootfd, &m->example);
	check_there(c, rootfd, &m->signature);
	check_there(c, rootfd, &m->limitations);
	check_there(c, rootfd, &m->policy);
}

void candidates_check(struct op_context *ctx, const struct pipeline *pipeline, const struct plan *plan,
		      struct problems *problems)
{
	struct checking c = { .pipeline = pipeline, .plan = plan, .problems = problems };

	for (size_t i = 0; i < pipeline->nmodels; i++) {
		c.model = &pipeline->models[i];
		if (!c.model->from.text)
			continue; /* told */
		for (size_t k = 0; k < c.model->gate.len; k++) {
			c.line = &c.model->gate.items[k];
			check_line(&c);
		}
		if (plan)
			check_paths(&c, ctx->project->rootfd);
	}
}
