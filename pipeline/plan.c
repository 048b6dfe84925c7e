/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/plan.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/expand.h"
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
	for (size_t i = 0; i < b->env_files.len; i++) {
		struct strlist *items = b->env_files.entries[i].value;
		if (items)
			strlist_release(items);
		free(items);
	}
	for (size_t i = 0; b->used && i < b->nused; i++)
		strlist_release(&b->used[i]);
	free(b->used);
	free(b->nodes);
	free(b->first);
	free(b->faulty);
	free(b->made);
	free(b->edges);
	strlist_release(&b->param_keys);
	strlist_release(&b->candidates);
	strmap_release(&b->params);
	strmap_release(&b->outputs);
	strmap_release(&b->present);
	strmap_release(&b->patterns);
	strmap_release(&b->once);
	strmap_release(&b->env_files);
	strmap_release(&b->checkpoints);
	strmap_release(&b->view.by_name);
	ignore_free(b->ignore);
}

size_t plan_step_index(const struct plan_builder *b, const struct step *step)
{
	return (size_t)(step - b->pipeline->steps);
}

bool plan_unplanned(const struct plan_builder *b, const char *name)
{
	for (size_t i = 0; i < b->pipeline->nsteps; i++) {
		const char *step = b->pipeline->steps[i].name;
		size_t len = strlen(step);
		bool made = b->first[i + 1] > b->first[i];
		if (!made && !strncmp(name, step, len) && (!name[len] || strchr("@.", name[len])))
			return true;
	}
	return false;
}

int plan_fault(struct plan_builder *b, const struct step *step, struct place at, struct error *err)
{
	error_wrap(err, "step %s", step->name);
	problems_once(b->problems, b->pipeline->file, at, err);
	return -1;
}

int plan_stage(struct plan_builder *b, enum plan_stage stage,
	       int (*fill)(struct plan_builder *, size_t index, struct error *))
{
	int r = 0;

	for (size_t i = 0; i < b->len; i++) {
		unsigned char *faulty = &b->faulty[plan_step_index(b, b->nodes[i].step)];
		if (*faulty & (STAGE_ENV | stage))
			continue;
		error_clear(&b->why);
		if (fill(b, i, &b->why) < 0) {
			*faulty |= (unsigned char)stage;
			r = -1;
		}
	}
	return r;
}

/* Texts of [image.NAME]; what they name is looked at when a step needs the image. */
static void check_image(struct plan_builder *b, const struct image_section *image)
{
	const struct expand_scope scope = { .params = b->pipeline->params, .step = image->name, .room = &b->room };
	const struct text_at *const paths[] = { &image->context, &image->file };

	for (size_t i = 0; i < image->args.len; i++) {
		const struct text_at *item = &image->args.items[i];
		CLEANUP(cleanup_free) char *text = NULL;
		if (!expand_text(&scope, item->text, &text, &b->why))
			continue;
		error_wrap(&b->why, "image %s", image->name);
		problems_once(b->problems, b->pipeline->file, item->at, &b->why);
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		CLEANUP(cleanup_free) char *path = NULL;
		if (!paths[i]->text ||
		    (!path_clean("", paths[i]->text, &path, &b->why) && !plan_check_path(path, &b->why)))
			continue;
		error_wrap(&b->why, "image %s", image->name);
		problems_once(b->problems, b->pipeline->file, paths[i]->at, &b->why);
	}
}

static void build(struct plan_builder *b)
{
	params_keys(b->pipeline->params, &b->param_keys);
	strlist_sort(&b->param_keys);
	b->incomplete = b->pipeline->partial;
	if (plan_make_nodes(b, &b->why) < 0)
		b->incomplete = true;
	plan_read_env_files(b, &b->why);
	if (plan_stage(b, STAGE_ENV, plan_fill_env) < 0)
		b->incomplete = true;
	if (plan_stage(b, STAGE_OUTPUTS, plan_fill_outputs) < 0)
		b->incomplete = true;
	plan_stage(b, STAGE_NODE, plan_fill_node);
	plan_check_outputs(b);
	plan_stage(b, STAGE_CHECKPOINTS, plan_fill_checkpoints);
	plan_stage(b, STAGE_INPUTS, plan_fill_inputs);
	plan_stage(b, STAGE_WHEN, plan_fill_when);
	plan_check_checkpoints(b);
	for (size_t i = 0; i < b->pipeline->nimages; i++)
		check_image(b, &b->pipeline->images[i]);
	plan_check_tables(b);
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
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	CLEANUP(builder_release) struct plan_builder b = {
		.rootfd = rootfd, .pipeline = pipeline, .once_made = once_made, .problems = &problems,
		.room = PLAN_TEXT_MAX,
	};
	CLEANUP(cleanup_free) uint32_t *order = NULL;

	build(&b);
	plan_order(&b, &order);
	if (problems_verdict(&problems, err) < 0)
		return -1;
	*ret = arrange(&b, order);
	return 0;
}

size_t plan_check(int rootfd, const struct pipeline *pipeline, const struct strlist *once_made,
		  struct problems *problems)
{
	CLEANUP(builder_release) struct plan_builder b = {
		.rootfd = rootfd, .pipeline = pipeline, .once_made = once_made, .problems = problems,
		.room = PLAN_TEXT_MAX,
	};
	CLEANUP(cleanup_free) uint32_t *order = NULL;

	build(&b);
	plan_order(&b, &order);
	return b.len;
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

/* Instances of a step have its name in front. */
static bool name_selects(const char *name, bool pattern, const struct plan_node *node)
{
	if (!strcmp(name, node->step->name))
		return true;
	return pattern && (path_match(name, node->name) || (node->matrix && path_match(name, node->step->name)));
}

static int unknown_name(const struct plan *plan, const char *name, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const struct plan_node *node;
	const char *near;

	for (size_t i = 0; i < plan->pipeline->nsteps; i++)
		strlist_push(&names, plan->pipeline->steps[i].name);
	for (size_t i = 0; i < plan->len; i++) {
		node = &plan->nodes[i];
		if (node->matrix)
			strlist_push(&names, node->name);
	}
	near = strlist_nearest(&names, name);
	error_set(err, ERR_NOT_FOUND, "no step '%s' in %s", SHOW(name), plan->pipeline->file);
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	return error_help(err, "run: mlops dag");
}

static int select_name(struct plan *plan, const char *name, struct error *err)
{
	struct plan_node *node = strmap_get(&plan->by_name, name);
	bool pattern = path_is_pattern(name), found = false;

	if (node) {
		node->selected = true;
		return 0;
	}
	for (size_t i = 0; i < plan->len; i++)
		if (name_selects(name, pattern, &plan->nodes[i]))
			found = plan->nodes[i].selected = true;
	return found ? 0 : unknown_name(plan, name, err);
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
