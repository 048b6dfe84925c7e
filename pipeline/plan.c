/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/plan.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/params.h"
#include "pipeline/plan_internal.h"
#include "pipeline/show.h"
#include "store/ignore.h"

static void builder_release(struct plan_builder *b)
{
	for (size_t i = 0; b->nodes && i < b->len; i++)
		plan_node_release(&b->nodes[i]);
	for (size_t i = 0; i < b->patterns.len; i++) {
		struct plan_matches *matches = b->patterns.entries[i].value;
		strlist_release(&matches->inputs);
		strlist_release(&matches->leftovers);
		free(matches);
	}
	for (size_t i = 0; i < b->params.len; i++) {
		struct plan_params *params = b->params.entries[i].value;
		js_free(params->flat);
		js_free(params->file);
		free(params);
	}
	free(b->nodes);
	free(b->made);
	free(b->edges);
	strlist_release(&b->param_keys);
	strlist_release(&b->candidates);
	strmap_release(&b->params);
	strmap_release(&b->outputs);
	strmap_release(&b->present);
	strmap_release(&b->patterns);
	strmap_release(&b->once);
	ignore_free(b->ignore);
}

static int fill_nodes(struct plan_builder *b, struct error *err)
{
	for (size_t i = 0; i < b->len; i++) {
		b->nodes[i].step = &b->pipeline->steps[i];
		b->nodes[i].name = xstrdup(b->pipeline->steps[i].name);
	}
	for (size_t i = 0; i < b->len; i++)
		if (plan_fill_node(b, i, err) < 0)
			return -1;
	if (plan_check_outputs(b, err) < 0)
		return -1;
	for (size_t i = 0; i < b->len; i++)
		if (plan_fill_inputs(b, i, err) < 0)
			return -1;
	return 0;
}

/* Room for the edges of each node, exactly. */
static void reserve_edges(struct plan_builder *b)
{
	for (size_t i = 0; i < b->nedges; i++) {
		b->nodes[b->edges[i].to].needs_cap++;
		b->nodes[b->edges[i].from].feeds_cap++;
	}
	for (size_t i = 0; i < b->len; i++) {
		struct plan_node *node = &b->nodes[i];
		if (node->needs_cap)
			node->needs = xcalloc(node->needs_cap, sizeof(struct plan_node *));
		if (node->feeds_cap)
			node->feeds = xcalloc(node->feeds_cap, sizeof(struct plan_node *));
	}
}

static int by_address(const void *a, const void *b)
{
	const struct plan_node *x = *(struct plan_node *const *)a, *y = *(struct plan_node *const *)b;

	return (x > y) - (x < y);
}

/* Moves the nodes into their order and lets names, outputs and edges point at them. */
static struct plan *arrange(struct plan_builder *b, const uint32_t *order)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));
	CLEANUP(cleanup_free) struct plan_node **moved = xcalloc(b->len, sizeof(*moved));

	reserve_edges(b);
	plan->pipeline = b->pipeline;
	plan->len = b->len;
	plan->nodes = xcalloc(b->len, sizeof(*plan->nodes));
	for (size_t i = 0; i < b->len; i++) {
		plan->nodes[i] = b->nodes[order[i]];
		moved[order[i]] = &plan->nodes[i];
		strmap_set(&plan->by_name, plan->nodes[i].name, &plan->nodes[i]);
	}
	b->len = 0;
	for (size_t i = 0; i < b->nedges; i++) {
		struct plan_node *to = moved[b->edges[i].to], *from = moved[b->edges[i].from];
		to->needs[to->nneeds++] = from;
		from->feeds[from->nfeeds++] = to;
	}
	for (size_t i = 0; i < plan->len; i++) {
		struct plan_node *node = &plan->nodes[i];
		if (node->nneeds > 1)
			qsort(node->needs, node->nneeds, sizeof(struct plan_node *), by_address);
		if (node->nfeeds > 1)
			qsort(node->feeds, node->nfeeds, sizeof(struct plan_node *), by_address);
	}
	plan->by_output = b->outputs;
	b->outputs = (struct strmap)STRMAP_INIT;
	for (size_t i = 0; i < plan->by_output.len; i++) {
		struct strmap_entry *entry = &plan->by_output.entries[i];
		entry->value = moved[(size_t)(uintptr_t)entry->value - 1];
	}
	return plan;
}

int plan_make(int rootfd, const struct pipeline *pipeline, const struct strlist *once_made, struct plan **ret,
	      struct error *err)
{
	CLEANUP(builder_release) struct plan_builder b = {
		.rootfd = rootfd,
		.pipeline = pipeline,
		.len = pipeline->nsteps,
		.nodes = xcalloc(pipeline->nsteps, sizeof(*b.nodes)),
		.once_made = once_made,
	};
	CLEANUP(cleanup_free) uint32_t *order = NULL;

	params_keys(pipeline->params, &b.param_keys);
	strlist_sort(&b.param_keys);
	if (fill_nodes(&b, err) < 0 || plan_order(&b, &order, err) < 0)
		return -1;
	*ret = arrange(&b, order);
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->len; i++)
		plan_node_release(&plan->nodes[i]);
	free(plan->nodes);
	strmap_release(&plan->by_name);
	strmap_release(&plan->by_output);
	free(plan);
}

void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}

struct plan_node *plan_maker(const struct plan *plan, const char *path)
{
	struct plan_node *maker = strmap_get(&plan->by_output, path);
	CLEANUP(cleanup_free) char *above = NULL;

	if (maker || !strchr(path, '/'))
		return maker;
	above = xstrdup(path);
	for (char *slash; !maker && (slash = strrchr(above, '/'));) {
		*slash = '\0';
		maker = strmap_get(&plan->by_output, above);
	}
	return maker;
}

static int select_name(struct plan *plan, const char *name, struct error *err)
{
	struct plan_node *node = strmap_get(&plan->by_name, name);
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;
	bool found = false;

	if (node) {
		node->selected = true;
		return 0;
	}
	for (size_t i = 0; i < plan->len; i++) {
		if (path_is_pattern(name) && path_match(name, plan->nodes[i].name))
			found = plan->nodes[i].selected = true;
		strlist_push(&names, plan->nodes[i].name);
	}
	if (found)
		return 0;
	near = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "no step '%s' in %s", SHOW(name), plan->pipeline->file);
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	return error_help(err, "run: mlops dag");
}

int plan_select(struct plan *plan, const struct strlist *names, enum select_mode mode, struct error *err)
{
	bool all = !names || !names->len;

	for (size_t i = 0; i < plan->len; i++)
		plan->nodes[i].selected = all;
	for (size_t i = 0; !all && i < names->len; i++)
		if (select_name(plan, names->items[i], err) < 0)
			return -1;
	for (size_t i = plan->len; mode == SELECT_UP_TO && i-- > 0;)
		for (size_t k = 0; plan->nodes[i].selected && k < plan->nodes[i].nneeds; k++)
			plan->nodes[i].needs[k]->selected = true;
	for (size_t i = 0; mode == SELECT_DOWNSTREAM && i < plan->len; i++)
		for (size_t k = 0; plan->nodes[i].selected && k < plan->nodes[i].nfeeds; k++)
			plan->nodes[i].feeds[k]->selected = true;
	return 0;
}
