/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of steps: what may be named in them, and which steps they therefore wait for. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/params.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"

static int when_param(const struct plan *plan, const char *key, struct when_name *ret, struct error *err)
{
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	const struct js *value = param_find(plan->pipeline->params, key);
	enum js_type type = js_typeof(value);
	const char *near;

	if (value && (type == JS_NULL || type == JS_ARRAY || type == JS_OBJECT)) {
		error_set(err, ERR_USAGE, "params.%s is %s, which a condition cannot compare", SHOW(key),
			  type == JS_NULL ? "null" : type == JS_ARRAY ? "a list" : "a group");
		return error_help(err, "name a number, a text or a truth");
	}
	if (value) {
		*ret = (struct when_name){ .kind = WHEN_PARAM, .param = value };
		return 0;
	}
	params_keys(plan->pipeline->params, &keys);
	near = strlist_nearest(&keys, key);
	error_set(err, ERR_USAGE, "unknown param '%s' in the condition", SHOW(key));
	if (near)
		return error_help(err, "did you mean params.%s?", SHOW(near));
	return error_help(err, "declare it in [params]: %s = VALUE", SHOW(key));
}

static int when_axis(const struct plan_node *node, const char *axis, struct when_name *ret, struct error *err)
{
	CLEANUP(strlist_release) struct strlist axes = STRLIST_INIT;
	const char *text = js_get_str(node->matrix, axis), *near;

	if (node->matrix && !strcmp(axis, "key"))
		text = node->name + strlen(node->step->name) + 1;
	if (text) {
		*ret = (struct when_name){ .kind = WHEN_MATRIX, .text = text };
		return 0;
	}
	if (!node->matrix) {
		error_set(err, ERR_USAGE, "matrix.%s in the condition of a step without a matrix", SHOW(axis));
		return error_help(err, "add the axis: matrix.%s = VALUES", SHOW(axis));
	}
	for (void *it = js_iter(node->matrix); it; it = js_next(node->matrix, it))
		strlist_push(&axes, js_iter_key(it));
	near = strlist_nearest(&axes, axis);
	error_set(err, ERR_USAGE, "unknown axis '%s' in the condition", SHOW(axis));
	return near ? error_help(err, "did you mean matrix.%s?", SHOW(near)) : -1;
}

/* One word that is no name may have been meant as text. */
static int unknown_name(const struct plan *plan, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_free) char *head = xstrndup(name, strcspn(name, "."));
	const char *near;

	error_set(err, ERR_USAGE, "unknown name '%s' in the condition", SHOW(name));
	if (!strchr(name, '.'))
		return error_help(err, "text is written in quotes: \"%s\"; names are params.KEY, matrix.AXIS, "
				  "git.branch and STEP.METRIC", SHOW(name));
	for (size_t i = 0; i < plan->pipeline->nsteps; i++)
		strlist_push(&names, plan->pipeline->steps[i].name);
	strlist_push(&names, "params");
	strlist_push(&names, "matrix");
	strlist_push(&names, "git");
	near = strlist_nearest(&names, head);
	if (near && strcmp(near, head) != 0)
		return error_help(err, "did you mean %s%s?", near, SHOW(name + strlen(head)));
	return error_help(err, "it may name params.KEY, matrix.AXIS, git.branch, and STEP.METRIC of a step with "
			  "metrics=");
}

static int whole_matrix(const struct plan *plan, const struct step *step, const char *metric, struct error *err)
{
	const char *instance = NULL;

	for (size_t i = 0; !instance && i < plan->len; i++)
		if (plan->nodes[i].step == step)
			instance = plan->nodes[i].name;
	error_set(err, ERR_USAGE, "step %s has a matrix, so each of its instances has a metric '%s'", step->name,
		  SHOW(metric));
	return error_help(err, "name the instance: ${%s.%s}; or let a step pick among them, and name its metric",
			  instance ? instance : step->name, SHOW(metric));
}

/* STEP.METRIC, both of which may have dots: the longest name of a step counts. */
static int when_metric(const struct plan *plan, const struct plan_node *node, const char *name,
		       struct when_name *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *head = xstrdup(name);

	for (char *dot; (dot = strrchr(head, '.'));) {
		const char *metric = name + (dot - head) + 1;
		struct plan_node *maker;
		const struct step *step;
		*dot = '\0';
		maker = *metric ? strmap_get(&plan->by_name, head) : NULL;
		step = *metric ? strmap_get(&plan->pipeline->by_name, head) : NULL;
		if (!maker && !step)
			continue;
		if (!maker)
			return whole_matrix(plan, step, metric, err);
		if (maker == node) {
			error_set(err, ERR_USAGE, "'%s' is its own metric, which nobody knows before it ran",
				  SHOW(name));
			return error_help(err, "name a metric of a step before it");
		}
		if (!maker->step->metrics.len) {
			error_set(err, ERR_USAGE, "step %s has no metrics= that '%s' could be in", maker->name,
				  SHOW(metric));
			return error_help(err, "add to [step.%s]: metrics = FILE.json", maker->step->name);
		}
		*ret = (struct when_name){ .kind = WHEN_METRIC, .maker = maker, .metric = metric };
		return 0;
	}
	return unknown_name(plan, name, err);
}

int plan_when_name(const struct plan *plan, const struct plan_node *node, const char *name, struct when_name *ret,
		   struct error *err)
{
	if (!strncmp(name, "params.", 7) && name[7])
		return when_param(plan, name + 7, ret, err);
	if (!strncmp(name, "matrix.", 7) && name[7])
		return when_axis(node, name + 7, ret, err);
	if (!strcmp(name, "git.branch")) {
		*ret = (struct when_name){ .kind = WHEN_BRANCH };
		return 0;
	}
	return when_metric(plan, node, name, ret, err);
}

struct namer {
	struct plan_builder *b;
	size_t index;
	size_t offset; /* of the name that is wrong */
	struct error *err;
};

/* A step that could not be planned is not known here, and told of there. */
static int take_name(void *ctx, const char *name, size_t offset)
{
	struct namer *namer = ctx;
	struct plan_builder *b = namer->b;
	struct when_name found;

	if (plan_when_name(&b->view, &b->nodes[namer->index], name, &found, namer->err) < 0) {
		if (plan_unplanned(b, name))
			return 0;
		namer->offset = offset;
		return -1;
	}
	if (found.kind == WHEN_METRIC)
		plan_add_edge(b, (size_t)(found.maker - b->nodes), namer->index);
	return 0;
}

int plan_fill_when(struct plan_builder *b, size_t index, struct error *err)
{
	struct plan_node *node = &b->nodes[index];
	const struct text_at *text = &node->step->when;
	struct namer namer = { .b = b, .index = index, .err = err };
	struct place at = text->at;

	if (!text->text)
		return 0;
	if (expr_parse(text->text, &node->when, &namer.offset, err) == 0 &&
	    expr_each_name(node->when, take_name, &namer) == 0)
		return 0;
	at.column += (int)namer.offset;
	return plan_fault(b, node->step, at, err);
}
