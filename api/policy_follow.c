/* SPDX-License-Identifier: Apache-2.0 */
#include "api/policy_follow.h"
#include <string.h>
#include "api/definitions.h"
#include "api/events.h"
#include "api/fire.h"
#include "api/monitors.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/mem.h"
#include "policy/facts.h"
#include "registry/decisions.h"
#include "registry/firings.h"
#include "registry/monitors.h"
#include "registry/rows.h"
#include "registry/watched.h"

struct follower {
	struct op_context *ctx;
	struct db *db;
	const struct definition *definition;
	const struct monitor_section *section;
	const struct trigger_section *trigger; /* NULL: nobody retrains */
	struct retrain_policy policy;
	struct watch watch;
	int64_t monitor;
	struct policy_state state;
};

static void follower_release(struct follower *f)
{
	drift_options_release(&f->watch.options);
	policy_state_release(&f->state);
}

const struct trigger_section *trigger_of_monitor(const struct pipeline *pipeline, const char *monitor)
{
	for (size_t i = 0; pipeline && i < pipeline->ntriggers; i++)
		if (pipeline->triggers[i].monitor && !strcmp(pipeline->triggers[i].monitor, monitor))
			return &pipeline->triggers[i];
	return NULL;
}

int64_t policy_time(const struct window_rule *rule, const struct js *window, bool *ret_timed)
{
	*ret_timed = true;
	if (window_is_timed(rule))
		return js_get_int(window, "stop", 0);
	if (js_get(window, "time"))
		return js_get_int(window, "time", 0);
	*ret_timed = false;
	return js_get_int(window, "judged", 0);
}

/* ---- on record ---- */

static int tell(struct follower *f, const struct decision_new *new, const char *digest, struct error *err)
{
	static const char *const keys[] = { "state", "alarm", "detail", "stopped", "worst", "reason" };
	CLEANUP_JS struct js *body = js_object();
	const struct op_event event = {
		.operation = "monitor.decide", .subject = f->section->name, .after = new->outcome, .body = body,
	};

	js_set_int(body, "window", new->number);
	js_set_str(body, "rule", new->rule);
	js_set_str(body, "outcome", new->outcome);
	js_set_str(body, "digest", digest);
	js_set_str(body, "project", f->definition->project);
	if (new->firing)
		js_set_int(body, "firing", new->firing);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get(new->body, keys[i]))
			js_set(body, keys[i], js_ref(js_get(new->body, keys[i])));
	return op_event(f->ctx, f->db, &event, err);
}

static int record(struct follower *f, struct decision_new *new, struct error *err)
{
	char digest[65];

	new->monitor = f->monitor;
	new->now_ms = clock_wall_ms();
	if (decision_add(f->db, new, digest, err) < 0 || tell(f, new, digest, err) < 0)
		return -1;
	return policy_state_store(f->db, f->monitor, &f->state, err);
}

static int set_model(struct follower *f, struct js *facts, struct error *err)
{
	CLEANUP(cleanup_free) char *digest = NULL;

	if (watched_digest(f->db, f->section->model.text, &digest, err) < 0)
		return -1;
	js_set_str(facts, "model", digest);
	return 0;
}

/* ---- a retrain that goes on ---- */

/* How it ended, lent by the firing; NULL: it goes on. */
static const char *outcome_of(const struct js *firing)
{
	const char *decision = js_get_str(firing, "decision");

	if (!strcmp(decision, "nothing new") || !strcmp(decision, "skipped"))
		return decision;
	return js_get_str(firing, "outcome");
}

/* 1: it has ended, and that is on record; 0. */
static int settle(struct follower *f, struct error *err)
{
	CLEANUP_JS struct js *firing = NULL, *body = js_object();
	struct decision_new new = { .kind = DECISION_OUTCOME, .firing = f->state.firing, .body = body };
	const char *outcome;

	if (firing_load(f->db, f->state.firing, &firing, err) < 0)
		return -1;
	outcome = outcome_of(firing);
	if (!outcome)
		return 0;
	retrain_open(f->state.state, &new.number);
	if (set_model(f, body, err) < 0)
		return -1;
	retrain_outcome(f->state.state, outcome);
	f->state.firing = 0;
	js_set_str(body, "monitor", f->section->name);
	js_set_int(body, "window", new.number);
	js_set_str(body, "outcome", outcome);
	js_set_bool(body, "stopped", retrain_stopped(&f->policy, f->state.state));
	new.time_ms = js_get_int(firing, "time", 0);
	new.rule = js_get_bool(body, "stopped") ? "stopped" : "retrain ended";
	new.outcome = outcome;
	js_set_str(body, "rule", new.rule);
	return record(f, &new, err) < 0 ? -1 : 1;
}

/* ---- a window ---- */

/* The detector looks at labels that came later, too. */
static void note_changes(struct follower *f, const struct monitor_row *row, struct js *facts)
{
	int64_t changes = js_get_int(row->errors, "changes", 0);
	bool changed = changes > js_get_int(f->state.state, "changes", 0);

	js_set_int(facts, "changes", changes);
	js_set_int(f->state.state, "changes", changes);
	js_set_bool(facts, "dropped", changed || facts_dropped(facts, f->section->min_rows));
}

static int gather(struct follower *f, const struct js *window, struct js **ret, struct error *err)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	CLEANUP_JS struct js *facts = retrain_facts(window);

	if (monitor_load(f->db, f->section->name, &row, err) < 0 || set_model(f, facts, err) < 0)
		return -1;
	note_changes(f, &row, facts);
	js_set_str(facts, "monitor", f->section->name);
	js_set_bool(facts, "paused", f->state.paused != NULL);
	js_set(facts, "policy", retrain_policy_json(&f->policy));
	*ret = steal(&facts);
	return 0;
}

/* The scheduler may not have come to it: what the definition says holds for both. */
static int know_trigger(struct follower *f, struct error *err)
{
	CLEANUP_JS struct js *known = NULL, *specs = NULL;
	struct error why = { 0 };
	int changed;

	if (trigger_load(f->db, f->definition->project, f->trigger->name, &known, &why) == 0)
		return 0;
	specs = trigger_specs(f->definition->pipeline);
	return triggers_set(f->db, f->definition->project, specs, clock_wall_ms(), &changed, err);
}

/* A cause is named by the window and what it was compared with. */
static int start(struct follower *f, const struct js *facts, int64_t time_ms, struct js **ret_firing, struct error *err)
{
	const char *reference = js_get_str(facts, "reference");
	long long number = (long long)js_get_int(facts, "window", 0);
	CLEANUP(cleanup_free) char *name =
		xasprintf("drift:%s:%lld:%.12s", f->section->name, number, reference ? reference : "");
	CLEANUP_JS struct js *args = js_object();
	const struct cause cause = {
		.project = f->definition->project,
		.trigger = f->trigger->name,
		.name = name,
		.kind = "drift",
		.time_ms = time_ms,
		.evidence = facts,
		.args = args,
		.window = number,
		.no_limits = true,
	};

	js_set_int(args, "trigger_window", number); /* the first window is number 0 */
	return fire(f->ctx, f->db, &cause, ret_firing, err);
}

/* The trigger may have reasons of its own not to: the retrain is held then, and tried again with the next window. */
static int retrain(struct follower *f, const struct js *facts, int64_t time_ms, struct retrain_decision *decision,
		   struct error *err)
{
	CLEANUP_JS struct js *firing = NULL;
	const char *reason;

	if (know_trigger(f, err) < 0 || start(f, facts, time_ms, &firing, err) < 0)
		return -1;
	f->state.firing = js_get_int(firing, "id", 0);
	if (strcmp(js_get_str(firing, "decision"), "skipped") != 0)
		return 0;
	reason = js_get_str(firing, "reason");
	decision->rule = "trigger";
	decision->outcome = "held";
	snprintf(decision->detail, sizeof(decision->detail), "%s", reason ? reason : "");
	f->state.firing = 0;
	retrain_outcome(f->state.state, "skipped");
	return 0;
}

static int decide(struct follower *f, const struct js *window, struct error *err)
{
	CLEANUP_JS struct js *facts = NULL;
	struct decision_new new = { .kind = DECISION_WINDOW, .number = js_get_int(window, "number", 0) };
	struct retrain_decision decision;
	struct retrain_window w;
	bool timed;

	if (gather(f, window, &facts, err) < 0)
		return -1;
	new.time_ms = policy_time(&f->watch.rule, window, &timed);
	if (timed)
		js_set_int(facts, "time", new.time_ms);
	retrain_window_of(facts, new.time_ms, &w);
	retrain_step(&f->policy, f->state.state, &w, &decision);
	if (!strcmp(decision.outcome, "retrain") && retrain(f, facts, new.time_ms, &decision, err) < 0)
		return -1;
	js_set_str(facts, "rule", decision.rule);
	js_set_str(facts, "outcome", decision.outcome);
	js_set_str(facts, "alarm", decision.alarm);
	js_set_str(facts, "detail", *decision.detail ? decision.detail : NULL);
	new.rule = decision.rule;
	new.outcome = decision.outcome;
	new.body = facts;
	new.firing = f->state.firing;
	return record(f, &new, err);
}

/* 1: something was decided; 0: there is nothing to decide; -1. */
static int go_on(struct follower *f, struct error *err)
{
	CLEANUP_JS struct js *window = NULL;
	int r;

	policy_state_release(&f->state);
	if (policy_state_load(f->db, f->monitor, &f->state, err) < 0)
		return -1;
	if (f->state.firing)
		return settle(f, err);
	r = decision_due(f->db, f->monitor, &window, err);
	if (r < 0 || !window)
		return r;
	return decide(f, window, err) < 0 ? -1 : 1;
}

/* Looked at first without a lock: mostly there is nothing to do. */
static int is_due(struct follower *f, struct error *err)
{
	CLEANUP(policy_state_release) struct policy_state state = { 0 };
	CLEANUP_JS struct js *window = NULL, *firing = NULL;

	if (policy_state_load(f->db, f->monitor, &state, err) < 0)
		return -1;
	if (state.firing)
		return firing_load(f->db, state.firing, &firing, err) < 0 ? -1 : outcome_of(firing) != NULL;
	return decision_due(f->db, f->monitor, &window, err) < 0 ? -1 : window != NULL;
}

static int follow(struct follower *f, struct error *err)
{
	int r;

	while ((r = is_due(f, err)) > 0) {
		if (db_begin(f->db, err) < 0)
			return -1;
		r = go_on(f, err);
		FAILPOINT("policy.decided");
		if (write_end(f->db, r < 0 ? -1 : 0, err) < 0)
			return -1;
	}
	if (r < 0)
		return -1;
	policy_state_release(&f->state);
	if (policy_state_load(f->db, f->monitor, &f->state, err) < 0)
		return -1;
	return f->state.firing ? 0 : 1;
}

int retrain_follow(struct op_context *ctx, struct db *db, const struct definition *definition,
		   const struct monitor_section *section, struct error *err)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	CLEANUP(follower_release) struct follower f = {
		.ctx = ctx, .db = db, .definition = definition, .section = section,
		.trigger = trigger_of_monitor(definition->pipeline, section->name),
	};
	int r = monitor_load(db, section->name, &row, err);

	if (r <= 0)
		return r < 0 ? -1 : 1;
	f.monitor = row.id;
	retrain_policy_of(f.trigger, &f.policy);
	monitor_watch(ctx, section, &f.watch);
	r = follow(&f, err);
	return r < 0 ? error_wrap(err, "policy of monitor %s", section->name) : r;
}

/* ---- what people say later ---- */

static int note_refusal(struct op_context *ctx, struct db *db, int64_t monitor, const char *name, const struct js *firing,
			const char *reason, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	struct decision_new new = { .monitor = monitor, .kind = DECISION_PERSON, .rule = "a person rejects it",
				    .outcome = "rejected", .body = body, .now_ms = clock_wall_ms() };
	const struct op_event event = { .operation = "monitor.decide", .subject = name, .after = new.outcome, .body = body };
	char digest[65];

	if (decision_last(db, monitor, &new.number, &new.time_ms, err) < 0)
		return -1;
	new.firing = js_get_int(firing, "id", 0);
	js_set_str(body, "monitor", name);
	js_set_int(body, "window", new.number);
	js_set_str(body, "rule", new.rule);
	js_set_str(body, "outcome", new.outcome);
	js_set_str(body, "reason", reason);
	if (decision_add(db, &new, digest, err) < 0)
		return -1;
	js_set_str(body, "digest", digest);
	js_set_str(body, "project", js_get_str(firing, "project"));
	js_set_int(body, "firing", new.firing);
	return op_event(ctx, db, &event, err);
}

int retrain_rejected(struct op_context *ctx, struct db *db, const char *run_id, const char *reason, struct error *err)
{
	CLEANUP(policy_state_release) struct policy_state state = { 0 };
	CLEANUP(cleanup_free) char *name = NULL;
	CLEANUP_JS struct js *firing = NULL;
	int64_t id, monitor;
	int r = firing_answer(db, run_id, "rejected", err);

	if (r <= 0)
		return r;
	if (firing_of_run(db, run_id, &id, err) < 0 || decision_of_outcome(db, id, &monitor, &name, err) < 0)
		return -1;
	if (!monitor) /* it is told when the policy comes to it */
		return 0;
	if (firing_load(db, id, &firing, err) < 0 || policy_state_load(db, monitor, &state, err) < 0)
		return -1;
	retrain_refused(state.state);
	return policy_state_store(db, monitor, &state, err) < 0 ? -1 : note_refusal(ctx, db, monitor, name, firing, reason, err);
}
