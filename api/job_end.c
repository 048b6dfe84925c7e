/* SPDX-License-Identifier: Apache-2.0 */
#include "api/job_end.h"
#include <string.h>
#include "api/fire.h"
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/jobs.h"
#include "registry/runs.h"

const char *job_outcome(const struct js *result)
{
	/* What a person wants to know first. Who waits for proof is not decided on, like one who waits for people. */
	static const char *const outcomes[][2] = { { "promoted", "promoted" }, { "pending", "pending" }, { "waiting", "pending" },
						   { "rejected", "rejected" }, { "held", "held" } };
	const struct js *models = js_get(result, "models");

	for (size_t o = 0; o < ARRAY_LEN(outcomes); o++)
		for (size_t i = 0; i < js_len(models); i++) {
			const char *outcome = js_get_str(js_at(models, i), "outcome");

			if (outcome && !strcmp(outcome, outcomes[o][0]))
				return outcomes[o][1];
		}
	return js_get_str(result, "run_id") || js_len(models) ? "finished" : JOB_NOTHING_NEW;
}

/* What is known of the run since the event of its own end, such as its mlops.lock, is in its record, too. */
static int note_record(struct db *db, const char *run, struct js *body, struct error *err)
{
	CLEANUP_JS struct js *record = NULL;
	struct error why = { 0 };
	char hex[65];

	if (run_load(db, run, &record, &why) == 0) {
		run_digest(record, hex);
		js_set_str(body, "record", hex);
		return 0;
	}
	if (why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* Of who asked for it, as it came to be. */
static int write_event(struct db *db, const struct js *job, int64_t firing, const char *outcome, struct error *err)
{
	static const char *const copied[] = { "trigger", "ref", "number" };
	const struct js *args = js_get(job, "args");
	const char *commit = js_get_str(job, "commit");
	CLEANUP_JS struct js *body = js_object();
	const struct event event = {
		.actor = js_get_str(job, "actor"),
		.origin = "agent",
		.operation = "job.end",
		.subject = js_get_str(job, "run_id"),
		.after = js_get_str(job, "state"),
		.body = body,
	};

	js_set_str(body, "project", js_get_str(job, "project"));
	for (size_t i = 0; i < ARRAY_LEN(copied); i++)
		js_set(body, copied[i], js_get(args, copied[i]) ? js_ref(js_get(args, copied[i])) : js_null());
	js_set(body, "firing", firing ? js_int(firing) : js_null());
	js_set_str(body, "commit", commit ? commit : js_get_str(args, "commit"));
	js_set_str(body, "outcome", outcome);
	if (note_record(db, event.subject, body, err) < 0)
		return -1;
	return event_append(db, &event, clock_wall_ms(), NULL, err);
}

/* Of a job that has ended just now. */
static int tell(struct op_context *ctx, struct db *db, const char *run, const char *outcome, struct error *err)
{
	CLEANUP_JS struct js *job = NULL;
	const char *state;
	int64_t firing;

	if (job_load(db, run, &job, err) < 0 || firing_of_run(db, run, &firing, err) < 0)
		return -1;
	state = js_get_str(job, "state");
	if (!outcome || strcmp(state, "finished") != 0)
		outcome = state;
	return write_event(db, job, firing, outcome, err) < 0 ? -1 : fire_settle(ctx, db, run, outcome, err);
}

static int settle(struct op_context *ctx, struct db *db, const char *run, const struct job_end *end, const char *outcome,
		  struct error *err)
{
	int r;

	if (outcome && !strcmp(outcome, JOB_NOTHING_NEW) && job_forget_run(db, run, err) < 0)
		return -1;
	r = job_finish(db, run, end, err);
	return r > 0 ? tell(ctx, db, run, outcome, err) : r;
}

int job_ends(struct op_context *ctx, struct db *db, const char *run, const struct job_end *end, const char *outcome,
	     struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	if (settle(ctx, db, run, end, outcome, err) < 0) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

int job_ask_end(struct op_context *ctx, struct db *db, const char *run, const char *by, struct error *err)
{
	struct error why = { 0 };
	int r;

	if (db_begin(db, err) < 0)
		return -1;
	r = job_cancel(db, run, by, clock_wall_ms(), &why);
	if (r > 0 && tell(ctx, db, run, NULL, &why) < 0)
		r = -1;
	if (r >= 0 || why.code == ERR_CONFLICT) { /* which changed nothing: what the caller has done stands */
		if (db_commit(db, err) < 0)
			return -1;
	} else {
		db_rollback(db);
	}
	if (r < 0 && err)
		*err = why;
	return r;
}
