/* SPDX-License-Identifier: Apache-2.0 */
/* A step whose result is known: its outputs come out of the store, or of a remote, to their places. */
#include <string.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/progress.h"
#include "pipeline/engine.h"
#include "registry/project.h"
#include "store/checkout.h"

/* What was brought so far is in the store, for the next run. */
static bool is_interrupted(void *ctx, const char *what, uint64_t files, uint64_t bytes, uint64_t total)
{
	struct engine *e = ctx;

	(void)what, (void)files, (void)bytes, (void)total;
	return atomic_load(&e->interrupts) > 0;
}

static void restore_work(void *ctx)
{
	struct task *t = ctx;
	struct engine *e = t->engine;
	const struct progress progress = { is_interrupted, e };
	CLEANUP(cleanup_free) char *aside = xasprintf(".mlops/aside/%s", e->run);
	struct checkout checkout = {
		.store = e->store,
		.scanner = &e->scanner,
		.unknown = UNKNOWN_ASIDE,
		.aside = aside,
		.link = CHECKOUT_COPY,
		.verify = true,
		.progress = &progress,
	};
	struct checkout_result result = { 0 };
	int brought;

	FAILPOINT("task.restores");
	brought = fetcher_bring(&e->fetcher, t, t->outputs, t->node->noutputs, &progress, t->err);
	t->fetched = brought != 0;
	if (brought < 0 || tables_restore(t, t->err) < 0)
		return;
	checkout_link_parse(settings_get(&e->project->settings, SETTING_CHECKOUT_LINK), &checkout.link, NULL);
	for (size_t i = 0; i < t->node->noutputs; i++)
		if (checkout_path(&checkout, t->node->outputs[i].path, &t->outputs[i], &result, t->err) < 0)
			return;
	if (result.files_aside)
		task_note(t, "%llu changed files were in the way and are kept in %s",
			  (unsigned long long)result.files_aside, aside);
}

/* A remote that is half there, or damaged, costs a run of the step, not the run of the pipeline. */
static bool run_instead(struct task *t)
{
	struct engine *e = t->engine;

	if (!t->fetched || (t->err->code != ERR_NOT_FOUND && t->err->code != ERR_DAMAGED))
		return false;
	engine_note(e, "step %s runs, because its result cannot be had: %s", t->node->name, t->err->msg);
	error_clear(t->err);
	look_distrust(e->looker, t->node);
	tables_forget(t);
	free(t->outputs);
	t->outputs = NULL;
	free(t->reason);
	t->reason = xstrdup("its last result cannot be had");
	schedule_again(t);
	return true;
}

static void restore_done(void *ctx)
{
	struct task *t = ctx;
	struct engine *e = t->engine;

	e->restoring--;
	t->duration_ms = clock_mono_ms() - t->start_mono_ms;
	task_tell_notes(t);
	if (t->err->code && run_instead(t)) {
		schedule_pump(e);
		return;
	}
	if (t->err->code == ERR_INTERRUPTED)
		error_set(t->err, ERR_INTERRUPTED, "step %s was interrupted", t->node->name);
	if (t->err->code) {
		schedule_done(t, t->err->code == ERR_INTERRUPTED ? END_KILLED : END_FAILED);
	} else {
		look_accept(e->looker, t->node, t->outputs, true);
		schedule_done(t, t->look->source[0] ? END_CACHED : END_RESTORED);
		if (e->recorded)
			schedule_fact(e, FACT_NOT_RUN, t);
	}
	schedule_pump(e);
}

void task_restore(struct task *t)
{
	t->phase = TASK_RESTORING;
	t->start_ms = clock_wall_ms();
	t->start_mono_ms = clock_mono_ms();
	t->outputs = xmemdup(t->look->outputs, t->node->noutputs * sizeof(*t->outputs));
	t->engine->restoring++;
	loop_work(t->engine->loop, restore_work, restore_done, t);
}
