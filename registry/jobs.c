/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/jobs.h"
#include <string.h>
#include "base/db.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/rows.h"
#include "registry/runs.h"

static char *json_text(const struct js *json)
{
	struct strbuf text = STRBUF_INIT;

	js_dump(json, JS_COMPACT, &text);
	return strbuf_detach(&text);
}

/* Within a transaction of its own, or the caller's. */
static int run_one(struct db *db, struct db_stmt *q, struct error *err)
{
	return db_run(q, err) < 0 ? -1 : db_changes(db) > 0;
}

/* ---- making ---- */

static int insert(struct db *db, const struct job_new *job, struct error *err)
{
	CLEANUP(cleanup_free) char *args = json_text(job->args);
	struct db_stmt *q = db_query(db, "INSERT INTO jobs (run_id, project, args, actor, state, created)"
					 " VALUES (?1, ?2, ?3, ?4, 'queued', ?5)");

	db_bind(q, 1, job->run);
	db_bind(q, 2, job->project);
	db_bind(q, 3, args);
	db_bind(q, 4, job->actor);
	db_bind(q, 5, job->now_ms);
	return db_run(q, err);
}

static int add(struct db *db, const struct job_new *job, struct error *err)
{
	struct run_new run = { .id = job->run, .user = job->actor, .start_ms = job->now_ms };
	const char *trigger = js_get_str(job->args, "trigger");
	struct db_stmt *q;

	if (insert(db, job, err) < 0 || experiment_ensure(db, job->project, &run.experiment, err) < 0 ||
	    run_create(db, &run, err) < 0 || run_set_tag(db, job->run, "mlops.project", job->project, err) < 0 ||
	    run_set_tag(db, job->run, "mlops.command", job->command, err) < 0 ||
	    run_set_tag(db, job->run, "mlflow.user", job->actor, err) < 0)
		return -1;
	if (trigger && run_set_tag(db, job->run, "mlops.trigger", trigger, err) < 0)
		return -1;
	q = db_query(db, "UPDATE runs SET status = 'SCHEDULED' WHERE run_id = ?1");
	db_bind(q, 1, job->run);
	return db_run(q, err);
}

int job_add(struct db *db, const struct job_new *job, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, add(db, job, err), err);
}

/* ---- reading ---- */

#define COLUMNS                                                                                                        \
	"run_id, project, args, actor, state, created, started, ended, stopped_by, commit_id, checkout, lock, exit, error"

static int set_json(struct js *job, const char *key, const char *text, struct error *err)
{
	struct js *json;

	if (!text)
		return 0;
	if (js_parse(text, strlen(text), key, &json, err) < 0)
		return error_wrap(err, "a job in the registry");
	js_set(job, key, json);
	return 0;
}

static int job_json(struct db_stmt *q, struct js **ret, struct error *err)
{
	static const struct {
		int column;
		const char *key;
	} texts[] = { { 0, "run_id" }, { 1, "project" }, { 3, "actor" }, { 4, "state" }, { 8, "stopped_by" },
		      { 9, "commit" }, { 10, "checkout" } },
	  numbers[] = { { 5, "created" }, { 6, "started" }, { 7, "ended" }, { 12, "exit" } };
	CLEANUP_JS struct js *job = js_object();
	char hex[DIGEST_HEX + 1];
	struct digest lock;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		js_set_str(job, texts[i].key, db_text(q, texts[i].column));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (!db_is_null(q, numbers[i].column))
			js_set_int(job, numbers[i].key, db_int(q, numbers[i].column));
	if (db_digest(q, 11, &lock))
		js_set_str(job, "lock", digest_format(&lock, hex));
	if (set_json(job, "args", db_text(q, 2), err) < 0 || set_json(job, "error", db_text(q, 13), err) < 0)
		return -1;
	*ret = steal(&job);
	return 0;
}

int job_load(struct db *db, const char *run, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT " COLUMNS " FROM jobs WHERE run_id = ?1");
	int r;

	db_bind(q, 1, run);
	r = db_step(q, err);
	if (r == 0)
		return error_set(err, ERR_NOT_FOUND, "run %.8s was not asked of an agent", run);
	return r < 0 ? -1 : job_json(q, ret, err);
}

static int read_list(struct db_stmt *q, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();
	struct js *job;
	int r;

	while ((r = db_step(q, err)) > 0) {
		if (job_json(q, &job, err) < 0)
			return -1;
		js_push(list, job);
	}
	if (r < 0)
		return -1;
	*ret = steal(&list);
	return 0;
}

int jobs_open(struct db *db, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT " COLUMNS " FROM jobs WHERE state IN ('queued', 'starting', 'running') ORDER BY id");

	return read_list(q, ret, err);
}

int jobs_kept(struct db *db, const char *project, struct js **ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT " COLUMNS " FROM jobs WHERE checkout IS NOT NULL AND project = ?1"
			     " AND state NOT IN ('queued', 'starting', 'running')");

	db_bind(q, 1, project);
	return read_list(q, ret, err);
}

/* ---- states ---- */

static int move(struct db *db, const char *run, const char *from, const char *to, int64_t now_ms, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE jobs SET state = ?3, started = iif(?3 = 'running', ?4, started)"
					 " WHERE run_id = ?1 AND state = ?2");

	db_bind(q, 1, run);
	db_bind(q, 2, from);
	db_bind(q, 3, to);
	db_bind(q, 4, now_ms);
	return run_one(db, q, err);
}

int job_move(struct db *db, const char *run, const char *from, const char *to, int64_t now_ms, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, move(db, run, from, to, now_ms, err), err);
}

static int set_text(struct db *db, struct db_stmt *q, const char *run, const char *text, struct error *err)
{
	if (db_begin(db, err) < 0) {
		db_done(q);
		return -1;
	}
	db_bind(q, 1, run);
	db_bind(q, 2, text);
	return write_end(db, db_run(q, err), err);
}

int job_set_commit(struct db *db, const char *run, const char *commit, struct error *err)
{
	return set_text(db, db_query(db, "UPDATE jobs SET commit_id = ?2 WHERE run_id = ?1"), run, commit, err);
}

int job_set_checkout(struct db *db, const char *run, const char *checkout, struct error *err)
{
	return set_text(db, db_query(db, "UPDATE jobs SET checkout = ?2 WHERE run_id = ?1"), run, checkout, err);
}

/* ---- ends ---- */

/* 1: it had not ended. */
static int end_job(struct db *db, const char *run, const struct job_end *end, struct error *err)
{
	CLEANUP(cleanup_free) char *error = end->error ? json_text(end->error) : NULL;
	struct db_stmt *q = db_query(db, "UPDATE jobs SET state = iif(stopped_by IS NULL OR ?2 = 'finished', ?2, 'cancelled'),"
					 " ended = ?3, exit = nullif(?4, -1), error = ?5, lock = ?6"
					 " WHERE run_id = ?1 AND state IN ('queued', 'starting', 'running')");

	db_bind(q, 1, run);
	db_bind(q, 2, end->state);
	db_bind(q, 3, end->now_ms);
	db_bind(q, 4, end->exit);
	db_bind(q, 5, error);
	db_bind_digest(q, 6, end->lock ? &end->lock->id : NULL);
	return run_one(db, q, err);
}

static bool was_stopped(struct db *db, const char *run)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, "SELECT 1 FROM jobs WHERE run_id = ?1 AND stopped_by IS NOT NULL");

	db_bind(q, 1, run);
	return db_step(q, NULL) > 0;
}

/* Its run, and the runs of its steps, that nobody has ended. */
static int end_runs(struct db *db, const char *run, const struct job_end *end, struct error *err)
{
	const char *message = js_get_str(end->error, "message");
	bool failed = !strcmp(end->state, "failed") && !was_stopped(db, run);
	struct db_stmt *q = db_query(db, "UPDATE runs SET status = ?2, end_time = ?3 WHERE status IN ('SCHEDULED', 'RUNNING')"
					 " AND (run_id = ?1 OR step IS NOT NULL AND"
					 " parent = (SELECT id FROM runs WHERE run_id = ?1))");
	int r;

	db_bind(q, 1, run);
	db_bind(q, 2, run_status_name(!strcmp(end->state, "finished") ? RUN_FINISHED : failed ? RUN_FAILED : RUN_KILLED));
	db_bind(q, 3, end->now_ms);
	r = run_one(db, q, err);
	if (r <= 0)
		return r;
	if (attempts_lose(db, run, end->now_ms, err) < 0)
		return -1;
	return message ? run_set_tag(db, run, "mlflow.note.content", message, err) : 0;
}

/* So that people find it, and nobody takes it for one that no fact names. */
static int name_lock(struct db *db, const char *run, const struct content *lock, struct error *err)
{
	char text[CONTENT_TEXT];
	int64_t row;

	return content_row(db, lock, &row, err) < 0 ? -1 : run_set_tag(db, run, "mlops.lock", content_format(lock, text), err);
}

static int finish(struct db *db, const char *run, const struct job_end *end, struct error *err)
{
	int r = end_job(db, run, end, err);

	if (r <= 0 || (end->lock && name_lock(db, run, end->lock, err) < 0))
		return r > 0 ? -1 : r;
	return end_runs(db, run, end, err) < 0 ? -1 : 1;
}

int job_finish(struct db *db, const char *run, const struct job_end *end, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, finish(db, run, end, err), err);
}

static int ask_end(struct db *db, const char *run, const char *by, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE jobs SET stopped_by = coalesce(stopped_by, ?2)"
					 " WHERE run_id = ?1 AND state IN ('queued', 'starting', 'running')");

	db_bind(q, 1, run);
	db_bind(q, 2, by);
	return run_one(db, q, err);
}

static int cancel(struct db *db, const char *run, const char *by, int64_t now_ms, struct error *err)
{
	const struct job_end end = { .state = "cancelled", .exit = -1, .now_ms = now_ms };
	CLEANUP_JS struct js *job = NULL;
	int r = ask_end(db, run, by, err);

	if (r < 0 || job_load(db, run, &job, err) < 0)
		return -1;
	if (r == 0) {
		error_set(err, ERR_CONFLICT, "run %.8s has ended already: %s", run, js_get_str(job, "state"));
		return REFUSED;
	}
	if (!strcmp(js_get_str(job, "state"), "running"))
		return 0;
	return finish(db, run, &end, err) < 0 ? -1 : 1;
}

int job_cancel(struct db *db, const char *run, const char *by, int64_t now_ms, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, cancel(db, run, by, now_ms, err), err);
}

/* ---- the run ---- */

#define OWN_TAGS "('mlflow.runName', 'mlflow.user', 'mlops.project', 'mlops.command', 'mlops.trigger')"
#define LACKS(what) " AND NOT EXISTS (SELECT 1 FROM " what ")"

static int is_untouched(struct db *db, const char *run, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(
		db, "SELECT 1 FROM runs r WHERE r.run_id = ?1 AND r.status = 'SCHEDULED'"
		LACKS("tags t WHERE t.run = r.id AND t.key NOT IN " OWN_TAGS) LACKS("params p WHERE p.run = r.id")
		LACKS("metrics m WHERE m.run = r.id") LACKS("run_datasets d WHERE d.run = r.id")
		LACKS("run_models m WHERE m.run = r.id") LACKS("logged_model_metrics m WHERE m.run = r.id")
		LACKS("file_places f WHERE f.run = r.id") LACKS("runs c WHERE c.parent = r.id"));

	db_bind(q, 1, run);
	return db_step(q, err);
}

static int forget_run(struct db *db, const char *run, struct error *err)
{
	int r = is_untouched(db, run, err);
	struct db_stmt *q;

	if (r <= 0)
		return r;
	q = db_query(db, "DELETE FROM tags WHERE run = (SELECT id FROM runs WHERE run_id = ?1)");
	db_bind(q, 1, run);
	if (db_run(q, err) < 0)
		return -1;
	q = db_query(db, "DELETE FROM runs WHERE run_id = ?1");
	db_bind(q, 1, run);
	return run_one(db, q, err);
}

int job_forget_run(struct db *db, const char *run, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, forget_run(db, run, err), err);
}

static int begin_run(struct db *db, const struct run_new *run, struct error *err)
{
	struct db_stmt *q = db_query(db, "UPDATE runs SET status = 'RUNNING', experiment = ?2, start_time = ?3"
					 " WHERE run_id = ?1 AND status = 'SCHEDULED'"
					 " AND EXISTS (SELECT 1 FROM jobs WHERE run_id = ?1)");

	db_bind(q, 1, run->id);
	db_bind(q, 2, run->experiment);
	db_bind(q, 3, run->start_ms);
	return run_one(db, q, err);
}

int job_run_begins(struct db *db, const struct run_new *run, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, begin_run(db, run, err), err);
}
