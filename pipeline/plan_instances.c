/* SPDX-License-Identifier: Apache-2.0 */
/* Each step becomes a node, or one for each combination of its matrix. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/matrix.h"
#include "pipeline/plan_internal.h"

static struct plan_node *new_node(struct plan_builder *b, size_t *cap)
{
	GROW(b->nodes, b->len, *cap);
	b->nodes[b->len] = (struct plan_node){ 0 };
	return &b->nodes[b->len++];
}

/* Texts of values are made once, and shared by the instances. */
static void add_instances(struct plan_builder *b, size_t *cap, const struct step *step, const struct matrix *m)
{
	struct js ***texts = xcalloc(m->naxes, sizeof(*texts));

	for (size_t a = 0; a < m->naxes; a++) {
		texts[a] = xcalloc(m->axes[a].len, sizeof(**texts));
		for (size_t i = 0; i < m->axes[a].len; i++)
			texts[a][i] = js_str(m->axes[a].items[i]);
	}
	for (size_t row = 0; row < m->len; row++) {
		struct plan_node *node = new_node(b, cap);
		node->step = step;
		node->name = xasprintf("%s@%s", step->name, m->keys.items[row]);
		node->matrix = js_object();
		for (size_t a = 0; a < m->naxes; a++)
			js_set(node->matrix, step->axes[a].name,
			       js_ref(texts[a][m->cells[row * m->naxes + a]]));
	}
	for (size_t a = 0; a < m->naxes; a++) {
		for (size_t i = 0; i < m->axes[a].len; i++)
			js_free(texts[a][i]);
		free(texts[a]);
	}
	free(texts);
}

static int too_many(struct plan_builder *b, const struct step *step, size_t all, struct error *err)
{
	error_set(err, ERR_USAGE, "with its matrix all steps together have %zu instances; at most %d are allowed", all,
		  MATRIX_MAX);
	error_help(err, "take fewer values, or put a part of the steps into a pipeline file of its own");
	return plan_fault(b, step, step->at, err);
}

/* The nodes of one step; `instances` counts those of matrices. */
static int add_step(struct plan_builder *b, size_t *cap, const struct step *step, size_t *instances,
		    struct error *err)
{
	struct matrix matrix CLEANUP(matrix_release) = { 0 };
	struct plan_node *node;

	if (step->faulty)
		return -1;
	if (matrix_expand(step, b->pipeline->params, b->pipeline->file, b->problems, &matrix) < 0)
		return -1;
	*instances += matrix.len;
	if (*instances > MATRIX_MAX)
		return too_many(b, step, *instances, err);
	if (matrix.naxes) {
		add_instances(b, cap, step, &matrix);
		return 0;
	}
	node = new_node(b, cap);
	node->step = step;
	node->name = xstrdup(step->name);
	return 0;
}

int plan_make_nodes(struct plan_builder *b, struct error *err)
{
	const struct pipeline *pipeline = b->pipeline;
	size_t cap = pipeline->nsteps, instances = 0;
	int r = 0;

	b->nodes = xcalloc(cap, sizeof(*b->nodes));
	b->first = xcalloc(pipeline->nsteps + 1, sizeof(*b->first));
	b->faulty = xcalloc(pipeline->nsteps, sizeof(*b->faulty));
	for (size_t i = 0; i < pipeline->nsteps; i++) {
		b->first[i] = (uint32_t)b->len;
		if (instances <= MATRIX_MAX && add_step(b, &cap, &pipeline->steps[i], &instances, err) < 0)
			r = -1;
	}
	b->first[pipeline->nsteps] = (uint32_t)b->len;
	b->used = xcalloc(b->len, sizeof(*b->used));
	b->nused = b->len;
	b->view = (struct plan){ .pipeline = pipeline, .nodes = b->nodes, .len = b->len };
	for (size_t i = 0; i < b->len; i++)
		strmap_set(&b->view.by_name, b->nodes[i].name, &b->nodes[i]);
	return r;
}
