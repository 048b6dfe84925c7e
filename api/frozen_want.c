/* SPDX-License-Identifier: Apache-2.0 */
#include "api/frozen.h"
#include "base/fs.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "registry/lockfile.h"

static void want_text(struct strlist *list, const struct text_at *path)
{
	char *clean;

	if (path->text && path_clean("", path->text, &clean, NULL) == 0)
		strlist_push_owned(list, clean);
}

void frozen_want_pipeline(struct frozen_want *want, const struct pipeline *pipeline)
{
	struct strlist *inputs = &want->inputs;

	strlist_push(inputs, LOCKFILE_NAME);
	strlist_push(inputs, ".mlopsignore");
	strlist_push(inputs, pipeline->file);
	for (size_t i = 0; i < pipeline->params_files.len; i++)
		strlist_push(inputs, pipeline->params_files.items[i]);
	for (size_t i = 0; i < pipeline->nimages; i++) {
		want_text(inputs, &pipeline->images[i].context);
		want_text(inputs, &pipeline->images[i].file);
	}
	for (size_t i = 0; i < pipeline->nsteps; i++)
		want_text(inputs, &pipeline->steps[i].env_file);
}

void frozen_want_plan(struct frozen_want *want, const struct plan *plan)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		for (size_t k = 0; k < node->noutputs; k++)
			strlist_push(&want->outputs, node->outputs[k].path);
		for (size_t k = 0; k < node->checkpoints.len; k++)
			strlist_push(&want->outputs, node->checkpoints.items[k]);
		for (size_t k = 0; node->selected && k < node->inputs.len; k++) {
			const struct plan_node *maker = plan_maker(plan, node->inputs.items[k]);
			if (!maker || !maker->selected)
				strlist_push(&want->inputs, node->inputs.items[k]);
		}
	}
	strlist_sort(&want->outputs);
	strlist_uniq(&want->outputs);
	strlist_sort(&want->inputs);
	strlist_uniq(&want->inputs);
}
