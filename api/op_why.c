/* SPDX-License-Identifier: Apache-2.0 */
/* why: each step against its last accepted result. All steps are looked at first, then told about. */
#include <stdlib.h>
#include <string.h>
#include "api/data.h"
#include "api/loaded.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "api/why_inputs.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/key.h"
#include "pipeline/run.h"
#include "pipeline/tools.h"
#include "registry/accepts.h"
#include "registry/project.h"
#include "registry/runs.h"

struct why {
	struct project *project;
	struct loaded loaded;
	struct remotes remotes;
	struct looker *looker;
	struct input_explainer inputs;
	struct db *db;       /* NULL: there is none, or it is not readable */
	struct js *tools;    /* programs that were asked: name and PATH -> what they said */
	const struct step_look **looks; /* by index of the node; NULL: not looked at */
	bool *asked;         /* likewise: it is to be told about */
	bool brief;
	struct js *newest;   /* attempts of the newest run; NULL: not read yet */
	char newest_run[33];
	struct strmap newest_by_step;
};

static void why_release(struct why *w)
{
	input_explainer_release(&w->inputs);
	looker_free(w->looker);
	remotes_release(&w->remotes);
	loaded_release(&w->loaded);
	js_free(w->tools);
	js_free(w->newest);
	strmap_release(&w->newest_by_step);
	free(w->looks);
	free(w->asked);
}

static const struct step_look *look_of(const struct why *w, const struct plan_node *node)
{
	return w->looks[node - w->loaded.plan->nodes];
}

/* ---- differences ---- */

/* What upstream steps will make is not known yet, so what stands there now is no difference. */
static bool is_told(const struct why *w, const struct js *difference)
{
	const struct plan_node *maker;
	const struct step_look *made;

	if (strcmp(js_get_str(difference, "kind"), "input") != 0)
		return true;
	maker = plan_maker(w->loaded.plan, js_get_str(difference, "name"));
	made = maker ? look_of(w, maker) : NULL;
	return !made || made->state == STEP_FRESH || made->state == STEP_RESTORE;
}

static void add_differences(struct why *w, struct plan_node *node, const struct js *last, struct js *ret)
{
	CLEANUP_JS struct js *now = look_record(w->looker, node);
	CLEANUP_JS struct js *list = last && js_len(now) ? key_differences(last, now) : NULL;

	for (size_t i = 0; i < js_len(list); i++) {
		struct js *difference = js_at(list, i);

		if (!is_told(w, difference))
			continue;
		if (!w->brief && !strcmp(js_get_str(difference, "kind"), "input"))
			input_explain(&w->inputs, difference);
		js_push(ret, js_ref(difference));
	}
}

static void add_tool_differences(struct why *w, const struct plan_node *node, const struct js *last, struct js *ret)
{
	const struct js *before = js_get(last, "python");
	const char *path = look_path(&node->env);
	CLEANUP(cleanup_free) char *id = xasprintf("%s\n%s", node->argv.items[0], path ? path : "");
	CLEANUP_JS struct js *list = NULL;
	struct js *now;

	if (!before)
		return;
	if (!js_get(w->tools, id)) {
		now = tools_ask(node, before, w->project->root);
		js_set(w->tools, id, now ? now : js_object());
	}
	list = tools_differences(before, js_get(w->tools, id));
	for (size_t i = 0; i < js_len(list); i++)
		js_push(ret, js_ref(js_at(list, i)));
}

static int differences(struct why *w, struct plan_node *node, struct js **ret, struct error *err)
{
	const struct step_look *look = look_of(w, node);
	CLEANUP_JS struct js *last = NULL;
	struct js *list;

	/* Of one that is up to date nothing but its packages can differ. */
	if (look->state == STEP_FRESH)
		look_last(w->looker, node, &last, NULL);
	else if (look_last(w->looker, node, &last, err) < 0)
		return -1;
	list = js_array();
	if (look->state != STEP_FRESH)
		add_differences(w, node, last, list);
	if (!w->brief)
		add_tool_differences(w, node, last, list);
	*ret = list;
	return 0;
}

/* ---- where a result comes from ---- */

static void describe_run(struct why *w, const char *run, struct js *source)
{
	CLEANUP_JS struct js *told = NULL;

	js_set_str(source, "run", run);
	if (run_load(w->db, run, &told, NULL) < 0)
		return; /* somebody else's, and only its result is known */
	js_set_str(source, "run_id", js_get_str(told, "parent"));
	js_set_str(source, "step", js_get_str(told, "step"));
	js_set_str(source, "by", js_get_str(told, "user"));
	js_set_int(source, "time", js_get_int(told, "end_time", 0));
}

/* The result that is in place or would be put there. NULL when nothing is known of it. */
static struct js *source_of(struct why *w, const struct plan_node *node, const struct step_look *look)
{
	CLEANUP_JS struct js *made = NULL;
	CLEANUP_JS struct js *taken = NULL;
	CLEANUP_JS struct js *accepted = NULL;
	struct js *source = NULL;
	const char *run;

	if (!w->db || (look->state != STEP_FRESH && look->state != STEP_RESTORE))
		return NULL;
	attempt_of_key(w->db, &look->key, &made, NULL);
	attempt_cached(w->db, node->name, &look->key, &taken, NULL);
	accept_of_key(w->db, &look->key, &accepted, NULL);
	/* Whichever is newer: a run that really had the key ends what was accepted for it. */
	if (js_get_int(made, "time", 0) > js_get_int(accepted, "time", 0))
		js_free(steal(&accepted));
	run = accepted       ? js_get_str(accepted, "run") :
	      *look->source  ? look->source :
	      made           ? js_get_str(made, "run") :
			       js_get_str(taken, "run");
	if (!run && !accepted)
		return NULL;
	source = js_object();
	if (run)
		describe_run(w, run, source);
	js_set_str(source, "remote", look->remote);
	if (accepted) {
		js_del(accepted, "record");
		js_set(source, "accepted", steal(&accepted));
	}
	return source;
}

/* Of the newest run, read once; the last attempt of a step counts. */
static void read_newest(struct why *w)
{
	if (w->newest)
		return;
	w->newest = js_array();
	if (run_last(w->db, w->newest_run, NULL) < 0)
		return;
	js_free(steal(&w->newest));
	if (attempts_list(w->db, w->newest_run, &w->newest, NULL) < 0)
		w->newest = js_array();
	for (size_t i = 0; i < js_len(w->newest); i++) {
		const char *step = js_get_str(js_at(w->newest, i), "step");
		if (step)
			strmap_set(&w->newest_by_step, step, js_at(w->newest, i));
	}
}

/* The step's part in the newest run: {run_id, state, reason}. */
static struct js *newest_part(struct why *w, const char *step)
{
	const struct js *attempt;
	struct js *part;

	read_newest(w);
	attempt = strmap_get(&w->newest_by_step, step);
	if (!attempt)
		return NULL;
	part = js_object();
	js_set_str(part, "run_id", w->newest_run);
	js_set_str(part, "state", js_get_str(attempt, "state"));
	js_set_str(part, "reason", js_get_str(attempt, "reason"));
	return part;
}

/* The run that made what is in place, or took it from the cache; or, when nothing is in place, the step's part in
 * the newest run. NULL when there is none. */
static struct js *last_of(struct why *w, const struct plan_node *node, const struct step_look *look)
{
	CLEANUP_JS struct js *told = NULL;
	const char *state = "ok";
	struct js *last;

	if (!w->db)
		return NULL;
	if (look->state != STEP_FRESH && look->state != STEP_RESTORE)
		return newest_part(w, node->name);
	attempt_of_key(w->db, &look->key, &told, NULL);
	if (!told) {
		attempt_cached(w->db, node->name, &look->key, &told, NULL);
		state = "cached";
	}
	if (!told)
		return NULL;
	last = js_object();
	js_set_str(last, "run_id", js_get_str(told, "run_id"));
	js_set_str(last, "state", state);
	js_set_str(last, "reason", js_get_str(told, "reason"));
	return last;
}

/* ---- what a step waits for ---- */

static struct js *reason_list(const struct step_look *look)
{
	struct js *reasons = js_array();

	for (size_t i = 0; i < look->reasons.len; i++)
		js_push_str(reasons, look->reasons.items[i]);
	return reasons;
}

static struct js *cause(const struct plan_node *node, const struct step_look *look)
{
	struct js *json = js_object();

	js_set_str(json, "step", node->name);
	js_set_str(json, "state", step_state_name(look->state));
	js_set(json, "reasons", reason_list(look));
	return json;
}

/* Steps upstream, through those that wait themselves, that are what all this waiting is for. */
static void find_causes(struct why *w, const struct plan_node *node, bool *seen, struct js *ret)
{
	for (size_t i = 0; i < node->nneeds; i++) {
		const struct plan_node *up = node->needs[i];
		const struct step_look *look = look_of(w, up);
		bool *met = &seen[up - w->loaded.plan->nodes];
		if (*met || !look || look->state == STEP_FRESH)
			continue;
		*met = true;
		if (look->state == STEP_BLOCKED)
			find_causes(w, up, seen, ret);
		else
			js_push(ret, cause(up, look));
	}
}

static void add_waiting(struct why *w, const struct plan_node *node, struct js *ret)
{
	CLEANUP(cleanup_free) bool *seen = xcalloc(w->loaded.plan->len, sizeof(*seen));
	struct js *waits = js_array(), *causes = js_array();

	for (size_t i = 0; i < node->nneeds; i++) {
		const struct step_look *look = look_of(w, node->needs[i]);
		if (look && look->state != STEP_FRESH)
			js_push_str(waits, node->needs[i]->name);
	}
	find_causes(w, node, seen, causes);
	js_set(ret, "waits_for", waits);
	js_set(ret, "causes", causes);
}

/* ---- the result ---- */

static int tell_step(struct why *w, struct plan_node *node, struct js **ret, struct error *err)
{
	const struct step_look *look = look_of(w, node);
	struct js *list, *step, *told;
	char hex[DIGEST_HEX + 1];

	if (differences(w, node, &list, err) < 0)
		return -1;
	step = js_object();
	js_set_str(step, "step", node->name);
	if (strcmp(node->name, node->step->name) != 0)
		js_set_str(step, "of", node->step->name);
	js_set_str(step, "state", step_state_name(look->state));
	if (!digest_is_zero(&look->key))
		js_set_str(step, "key", digest_format(&look->key, hex));
	js_set(step, "reasons", reason_list(look));
	js_set(step, "differences", list);
	*ret = step;
	if (w->brief)
		return 0;
	if (look->state == STEP_BLOCKED)
		add_waiting(w, node, step);
	if ((told = source_of(w, node, look)))
		js_set(step, "source", told);
	if ((told = last_of(w, node, look)))
		js_set(step, "last", told);
	return 0;
}

static int tell(struct why *w, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *result = js_object();
	struct js *steps = js_array(), *step;
	int64_t total = 0, fresh = 0;

	js_set(result, "steps", steps);
	for (size_t i = 0; i < w->loaded.plan->len; i++) {
		if (!w->asked[i])
			continue;
		total++;
		fresh += w->looks[i]->state == STEP_FRESH;
		if (w->brief && w->looks[i]->state == STEP_FRESH)
			continue;
		if (tell_step(w, &w->loaded.plan->nodes[i], &step, err) < 0)
			return -1;
		js_push(steps, step);
	}
	js_set_int(result, "total", total);
	js_set_int(result, "fresh", fresh);
	js_set_bool(result, "all", w->brief);
	*ret_result = steal(&result);
	return 0;
}

static int look_at_all(struct why *w, const char *step, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	struct plan *plan = w->loaded.plan;

	if (step)
		strlist_push(&names, step);
	if (plan_select(plan, &names, SELECT_ONLY, err) < 0)
		return -1;
	w->asked = xcalloc(plan->len, sizeof(*w->asked));
	w->looks = xcalloc(plan->len, sizeof(*w->looks));
	for (size_t i = 0; i < plan->len; i++)
		w->asked[i] = plan->nodes[i].selected;
	if (plan_select(plan, &names, SELECT_UP_TO, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->len; i++)
		if (plan->nodes[i].selected && look_node(w->looker, &plan->nodes[i], &w->looks[i], err) < 0)
			return -1;
	return 0;
}

/*
 * run.why {step, all, file} -> {total, fresh, all, steps: [{step, of, state: fresh|restore|stale|blocked|skipped, key,
 *     reasons[], differences[] (key.h, why_inputs.h, tools.h), waits_for[], causes: [{step, state, reasons[]}],
 *     source{run, run_id, step, by, time, remote, accepted{by, time, old, changes[]}}, last{run_id, state, reason}}]}
 * With all: steps that are not fresh, without their files, packages and origins.
 */
int op_why(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(why_release) struct why w = { .project = ctx->project, .tools = js_object() };
	const char *step = js_get_str(args, "step");

	w.brief = js_get_bool(args, "all");
	if (!step && !w.brief) {
		error_set(err, ERR_USAGE, "STEP is missing");
		return error_help(err, "name one, or ask for all of them: mlops why --all");
	}
	if (step && w.brief)
		return error_set(err, ERR_USAGE, "STEP and --all exclude each other");
	if (project_store(ctx->project, &w.inputs.store, err) < 0 || data_scanner(ctx, NULL, &w.inputs.scanner, err) < 0 ||
	    loaded_make(ctx, js_get_str(args, "file"), NULL, false, &w.loaded, err) < 0 ||
	    looker_new(ctx->project, w.loaded.plan, false, &w.looker, err) < 0)
		return -1;
	w.inputs.looker = w.looker;
	remotes_of(ctx->project, w.loaded.pipeline, &w.remotes);
	look_ask_remotes(w.looker, &w.remotes);
	if (look_at_all(&w, step, err) < 0)
		return -1;
	project_db(ctx->project, &w.db, NULL);
	return tell(&w, ret_result, err);
}
