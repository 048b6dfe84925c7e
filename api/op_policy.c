/* SPDX-License-Identifier: Apache-2.0 */
/* monitor history, ack, pause and resume: what the retraining policy decided, and what people say to it. */
#include <string.h>
#include "api/events.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "policy/retrain.h"
#include "registry/decisions.h"
#include "registry/firings.h"
#include "registry/monitors.h"
#include "registry/project.h"
#include "registry/rows.h"

#define DECISIONS_SHOWN 100

static int find_monitor(struct db *db, const char *name, int64_t *ret, struct error *err)
{
	CLEANUP(monitor_row_release) struct monitor_row row = MONITOR_ROW_INIT;
	int r = monitor_load(db, name, &row, err);

	if (r < 0)
		return -1;
	if (r == 0) {
		error_set(err, ERR_NOT_FOUND, "nothing is known of a monitor '%s'", name);
		return error_help(err, "a monitor is known from its first check on; list them: mlops monitor list");
	}
	*ret = row.id;
	return 0;
}

/* ---- history ---- */

/* Of its firing: the run, and how it ended. */
static int add_run(struct db *db, struct js *decision, struct error *err)
{
	CLEANUP_JS struct js *firing = NULL;
	int64_t id = js_get_int(decision, "firing", 0);

	if (!id)
		return 0;
	if (firing_load(db, id, &firing, err) < 0)
		return -1;
	js_set_str(decision, "trigger", js_get_str(firing, "trigger"));
	js_set_str(decision, "run_id", js_get_str(firing, "run_id"));
	return 0;
}

static void add_stand(const struct policy_state *p, const struct js *decisions, struct js *shown)
{
	const struct js *last = js_len(decisions) ? js_at(decisions, js_len(decisions) - 1) : NULL;
	const char *rule = js_get_str(last, "rule");
	int64_t open;

	js_set_bool(shown, "alarm", js_get_bool(p->state, "alarm"));
	js_set_bool(shown, "stopped", rule && !strcmp(rule, "stopped"));
	js_set_int(shown, "failures", js_get_int(p->state, "failures", 0));
	if (p->paused)
		js_set(shown, "paused", js_ref(p->paused));
	if (retrain_open(p->state, &open))
		js_set_int(shown, "retrain_of_window", open);
}

/* monitor.history {monitor, limit} -> {monitor, alarm, stopped, failures, paused{}, retrain_of_window, decisions: [as
 * decisions_list, "trigger", "run_id"]} */
int op_monitor_history(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "monitor");
	CLEANUP(policy_state_release) struct policy_state p = { 0 };
	CLEANUP_JS struct js *shown = js_object(), *decisions = NULL;
	struct db *db;
	int64_t monitor;

	if (project_db(ctx->project, &db, err) < 0 || find_monitor(db, name, &monitor, err) < 0 ||
	    policy_state_load(db, monitor, &p, err) < 0 ||
	    decisions_list(db, monitor, js_get_int(args, "limit", DECISIONS_SHOWN), &decisions, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(decisions); i++)
		if (add_run(db, js_at(decisions, i), err) < 0)
			return -1;
	js_set_str(shown, "monitor", name);
	add_stand(&p, decisions, shown);
	js_set(shown, "decisions", steal(&decisions));
	*ret_result = steal(&shown);
	return 0;
}

/* ---- what people say ---- */

struct word {
	const char *operation, *rule, *outcome;
	void (*apply)(struct op_context *, const char *reason, struct policy_state *);
};

static void apply_ack(struct op_context *ctx, const char *reason, struct policy_state *p)
{
	(void)ctx;
	(void)reason;
	retrain_ack(p->state);
}

static void apply_pause(struct op_context *ctx, const char *reason, struct policy_state *p)
{
	struct js *paused = js_object();

	js_set_str(paused, "by", op_actor(ctx));
	js_set_str(paused, "reason", reason);
	js_set_int(paused, "since", clock_wall_ms());
	js_free(p->paused);
	p->paused = paused;
}

static void apply_resume(struct op_context *ctx, const char *reason, struct policy_state *p)
{
	(void)ctx;
	(void)reason;
	js_free(steal(&p->paused));
}

/* It stands among the decisions, behind the window that was decided last: a replay hears it there, too. */
static int record(struct op_context *ctx, struct db *db, int64_t monitor, const char *name, const struct word *word,
		  const char *reason, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	struct decision_new new = { .monitor = monitor, .kind = DECISION_PERSON, .rule = word->rule, .outcome = word->outcome,
				    .body = body, .now_ms = clock_wall_ms() };
	const struct op_event event = { .operation = word->operation, .subject = name, .body = body };

	if (decision_last(db, monitor, &new.number, &new.time_ms, err) < 0)
		return -1;
	js_set_str(body, "monitor", name);
	js_set_int(body, "window", new.number);
	js_set_str(body, "rule", word->rule);
	js_set_str(body, "outcome", word->outcome);
	js_set_str(body, "reason", reason);
	return decision_add(db, &new, NULL, err) < 0 || op_event(ctx, db, &event, err) < 0 ? -1 : 0;
}

static int say(struct op_context *ctx, struct db *db, const char *name, const char *reason, const struct word *word,
	       struct error *err)
{
	CLEANUP(policy_state_release) struct policy_state p = { 0 };
	int64_t monitor;

	if (find_monitor(db, name, &monitor, err) < 0)
		return err && err->code == ERR_NOT_FOUND ? REFUSED : -1;
	if (policy_state_load(db, monitor, &p, err) < 0)
		return -1;
	word->apply(ctx, reason, &p);
	if (policy_state_store(db, monitor, &p, err) < 0)
		return -1;
	return record(ctx, db, monitor, name, word, reason, err);
}

static int tell(struct op_context *ctx, const struct js *args, const struct word *word, struct js **ret, struct error *err)
{
	const char *name = js_get_str(args, "monitor"), *reason = js_get_str(args, "reason");
	struct error local = { 0 };
	struct db *db;

	err = err ? err : &local;
	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0 ||
	    write_end(db, say(ctx, db, name, reason, word, err), err) < 0)
		return -1;
	*ret = js_object();
	js_set_str(*ret, "monitor", name);
	js_set_str(*ret, "said", word->outcome);
	return 0;
}

/* monitor.ack {monitor, reason} -> {monitor, said} */
int op_monitor_ack(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	static const struct word word = { "monitor.ack", "a person has seen it", "ack", apply_ack };

	return tell(ctx, args, &word, ret_result, err);
}

/* monitor.pause {monitor, reason} -> {monitor, said} */
int op_monitor_pause(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	static const struct word word = { "monitor.pause", "a person pauses it", "pause", apply_pause };

	return tell(ctx, args, &word, ret_result, err);
}

/* monitor.resume {monitor, reason} -> {monitor, said} */
int op_monitor_resume(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	static const struct word word = { "monitor.resume", "a person lets it go on", "resume", apply_resume };

	return tell(ctx, args, &word, ret_result, err);
}
