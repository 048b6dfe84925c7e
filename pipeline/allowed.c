/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "pipeline/engine.h"
#include "pipeline/grammar.h"
#include "registry/project.h"

bool task_may_run(const struct task *t)
{
	return t->look->state == STEP_STALE || t->look->state == STEP_BLOCKED;
}

/* What a project's file may make this machine do is its operator's to say. */
int check_local(const struct engine *e, struct error *err)
{
	if (!strcmp(settings_get(&e->project->settings, SETTING_RUN_LOCAL), "yes"))
		return 0;
	for (size_t i = 0; i < e->plan->len; i++) {
		const struct plan_node *node = &e->plan->nodes[i];

		if (!node->selected || node->image)
			continue;
		error_set(err, ERR_DENIED, "step %s would run on this machine itself, which is not allowed here", node->name);
		return error_help(err, "give it an image=; or let the operator allow it: mlops project add ... --allow-local, "
				       "or run.local in the settings");
	}
	return 0;
}

int check_trigger(const struct engine *e, struct error *err)
{
	for (size_t i = 0; i < e->plan->len; i++) {
		const struct plan_node *node = &e->plan->nodes[i];

		if (!node->selected || !node->unset || look_is_skipped(e->looker, node))
			continue;
		error_set(err, ERR_USAGE, "step %s uses ${%s}, and this run has none", node->name, node->unset);
		if (!strcmp(node->unset, "trigger.time"))
			return error_help(err, "a trigger gives it; by hand: mlops run --trigger-time 2026-01-31T03:00:00Z");
		return error_help(err, "a trigger with monitor= gives it; by hand: mlops run --trigger-window 1");
	}
	return 0;
}

/* What the step could use to take something out of here, or NULL. */
static const char *way_out(const struct plan_node *node)
{
	if (node->step->nsecrets)
		return "secrets";
	if (node->step->network)
		return "the network";
	if (node->step->tracking)
		return "tracking";
	return node->build && node->build->network ? "the network for its image" : NULL;
}

int check_trust(const struct engine *e, struct error *err)
{
	for (size_t i = 0; e->opt->untrusted && i < e->plan->len; i++) {
		const struct task *t = &e->tasks[i];
		const char *what = t->node && task_may_run(t) ? way_out(t->node) : NULL;

		if (!what)
			continue;
		error_set(err, ERR_DENIED, "step %s asks for %s, and this run is of code that is not trusted", t->node->name, what);
		return error_help(err, "look at the change, then run it from a branch of the repository's own");
	}
	return 0;
}
