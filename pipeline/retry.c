/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/retry.h"
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "pipeline/engine.h"
#include "pipeline/grammar.h"

/* What one retry_cause of the attempt's end is; 0: none that another attempt could mend. */
static unsigned cause_of(const struct task *t)
{
	const struct runner_exit *exit = t->exit;

	if (t->timed_out)
		return RETRY_TIMEOUT;
	switch (exit->cause) {
	case CAUSE_EXIT:
		return exit->code ? RETRY_EXIT : 0;
	case CAUSE_SIGNAL:
		return RETRY_SIGNAL;
	case CAUSE_OOM:
		return RETRY_OOM;
	case CAUSE_START:
		return exit->lasting || !t->node->image ? 0 : RETRY_ENGINE;
	case CAUSE_LOST:
		return RETRY_ENGINE;
	}
	return 0;
}

static bool names_code(const struct retry_on *on, const struct runner_exit *exit)
{
	return exit->cause == CAUSE_EXIT && exit->code > 0 && exit->code < 256 &&
	       on->codes[exit->code / 8] & 1u << exit->code % 8;
}

int64_t retry_most_ms(const struct step *step, int attempt)
{
	int64_t most = step->backoff_ms;

	for (int i = 1; i < attempt && most < step->backoff_max_ms; i++)
		most *= 2;
	return most < step->backoff_max_ms ? most : step->backoff_max_ms;
}

bool retry_wanted(const struct task *t)
{
	const struct step *step = t->node->step;
	int64_t since = clock_mono_ms() - t->first_mono_ms;

	if (t->interrupted || t->stopped_by || t->attempt > step->retries)
		return false;
	if (step->deadline_ms && since >= step->deadline_ms)
		return false;
	return (step->retry_on.causes & cause_of(t)) || names_code(&step->retry_on, t->exit);
}

void retry_forget(struct task *t)
{
	error_clear(t->err);
	js_free(t->record);
	t->record = NULL;
	strlist_release(&t->tail);
	free(t->inputs);
	tables_forget(t);
	free(t->outputs);
	free(t->container);
	free(t->before);
	free(t->precious);
	free(t->points_why);
	free(t->token);
	t->token = NULL;
	t->inputs = t->outputs = t->before = NULL;
	t->precious = NULL;
	t->container = t->points_why = NULL;
	metric_list_release(&t->metrics);
	t->points_read = 0;
	t->points_line = 0;
	t->points_bad = 0;
	t->points_over = t->timed_out = t->adopted = t->inputs_changed = false;
	*t->exit = (struct runner_exit){ 0 };
}

static void again(void *ctx)
{
	struct task *t = ctx;
	struct engine *e = t->engine;

	t->timer = NULL;
	e->backing_off--;
	schedule_again(t);
	schedule_pump(e);
}

static void tell(struct task *t, int64_t wait_ms)
{
	CLEANUP(cleanup_free) char *when =
		wait_ms < 100 ? xstrdup("at once") : xasprintf("in %.1f s", (double)wait_ms / 1000);
	char *reason = t->reason;

	t->reason = xasprintf("attempt %d of %lld %s: %s", t->attempt + 1, (long long)t->node->step->retries + 1, when,
			      t->err->msg);
	task_emit(t, "retrying");
	free(t->reason);
	t->reason = xasprintf("attempt %d, after: %s", t->attempt + 1, t->err->msg);
	free(reason);
}

bool retry_begin(struct task *t)
{
	struct engine *e = t->engine;
	const struct step *step = t->node->step;
	uint64_t random;
	int64_t wait;

	if (e->stopping || !retry_wanted(t))
		return false;
	clock_random(&random, sizeof(random));
	wait = (int64_t)(random % (uint64_t)(retry_most_ms(step, t->attempt) + 1));
	if (step->deadline_ms && clock_mono_ms() - t->first_mono_ms + wait >= step->deadline_ms)
		return false;
	tell(t, wait);
	t->phase = TASK_BACKOFF;
	e->backing_off++;
	t->timer = loop_after(e->loop, wait, again, t);
	return true;
}

void retry_give_up(struct task *t)
{
	struct engine *e = t->engine;

	e->backing_off -= t->phase == TASK_BACKOFF;
	loop_cancel(e->loop, t->timer);
	t->timer = NULL;
	schedule_done(t, e->interrupts || t->stopped_by ? END_KILLED : END_FAILED);
}
