/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "api/loaded.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/run.h"
#include "registry/project.h"
#include "registry/runs.h"

/* The run that made what is in place, or, when nothing is, the step's part in the newest run: {run_id, state,
 * reason}. NULL when there is neither. */
static struct js *told_before(struct project *p, const char *step, const struct step_look *look)
{
	CLEANUP_JS struct js *attempts = NULL;
	struct js *made = NULL;
	struct db *db;
	char run[33];

	if (project_db(p, &db, NULL) < 0)
		return NULL;
	if (look->state == STEP_FRESH || look->state == STEP_RESTORE) {
		if (attempt_of_key(db, &look->key, &made, NULL) == 0 && made) {
			js_del(made, "record");
			js_set_str(made, "state", "ok");
		}
		return made;
	}
	if (run_last(db, run, NULL) < 0 || attempts_list(db, run, &attempts, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < js_len(attempts); i++) {
		const struct js *attempt = js_at(attempts, i);
		const char *name = js_get_str(attempt, "step");
		if (!name || strcmp(name, step) != 0)
			continue;
		made = js_object();
		js_set_str(made, "run_id", run);
		js_set_str(made, "state", js_get_str(attempt, "state"));
		js_set_str(made, "reason", js_get_str(attempt, "reason"));
		return made;
	}
	return NULL;
}

static int look_up_to(struct looker *looker, struct plan *plan, const struct plan_node *goal,
		      const struct step_look **ret, struct error *err)
{
	for (size_t i = 0; i < plan->len; i++) {
		if (!plan->nodes[i].selected)
			continue;
		if (look_node(looker, &plan->nodes[i], ret, err) < 0)
			return -1;
		if (&plan->nodes[i] == goal)
			break;
	}
	return 0;
}

static struct js *why_result(struct project *p, const char *step, const struct step_look *look)
{
	struct js *result = js_object(), *reasons = js_array(), *last = told_before(p, step, look);
	char hex[DIGEST_HEX + 1];

	for (size_t i = 0; i < look->reasons.len; i++)
		js_push_str(reasons, look->reasons.items[i]);
	js_set_str(result, "step", step);
	js_set_str(result, "state", step_state_name(look->state));
	js_set(result, "reasons", reasons);
	if (!digest_is_zero(&look->key))
		js_set_str(result, "key", digest_format(&look->key, hex));
	js_set_str(result, "source", look->source[0] ? look->source : NULL);
	if (last)
		js_set(result, "last", last);
	return result;
}

/*
 * run.why {step, file} -> {step, state: fresh|restore|stale|blocked|skipped, reasons[], key, source,
 *                          last{run_id, state, reason}}
 */
int op_why(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	CLEANUP(cleanup_looker) struct looker *looker = NULL;
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	const char *step = js_get_str(args, "step");
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	const struct step_look *look = NULL;

	strlist_push(&names, step);
	if (loaded_make(ctx, js_get_str(args, "file"), NULL, false, &loaded, err) < 0 ||
	    plan_select(loaded.plan, &names, SELECT_UP_TO, err) < 0 ||
	    looker_new(ctx->project, loaded.plan, false, &looker, err) < 0)
		return -1;
	remotes_of(ctx->project, loaded.pipeline, &remotes);
	look_ask_remotes(looker, &remotes);
	if (look_up_to(looker, loaded.plan, strmap_get(&loaded.plan->by_name, step), &look, err) < 0)
		return -1;
	*ret_result = why_result(ctx->project, step, look);
	return 0;
}
