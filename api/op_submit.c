/* SPDX-License-Identifier: Apache-2.0 */
/* run.submit: a run of a registered project, for an agent to execute. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include "api/combinations.h"
#include "api/job_end.h"
#include "api/ops.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/shell.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/events.h"
#include "registry/jobs.h"
#include "registry/project.h"
#include "registry/projects.h"
#include "registry/runs.h"

#define WAITING_MAX 1000 /* jobs that have not ended */

static const char *const flags[] = { "keep_going", "only", "downstream", "force" };

/* ---- words ---- */

void submit_words(const struct js *args, struct strlist *ret)
{
	const struct js *words = js_get(args, "args"), *params = js_get(args, "param"), *update = js_get(args, "update");
	const char *time = js_get_str(args, "trigger_time");
	int64_t jobs = js_get_int(args, "jobs", 0);

	strlist_push(ret, "run");
	for (size_t i = 0; i < js_len(words); i++)
		strlist_push(ret, js_text(js_at(words, i)));
	for (size_t i = 0; i < js_len(params); i++) {
		strlist_push(ret, "-p");
		strlist_push(ret, js_text(js_at(params, i)));
	}
	for (size_t i = 0; i < js_len(update); i++)
		strlist_push_owned(ret, xasprintf("--update=%s", js_text(js_at(update, i))));
	if (time)
		strlist_push_owned(ret, xasprintf("--trigger-time=%s", time));
	if (js_typeof(js_get(args, "trigger_window")) == JS_INT)
		strlist_push_owned(ret, xasprintf("--trigger-window=%lld", (long long)js_get_int(args, "trigger_window", 0)));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		CLEANUP(cleanup_free) char *flag = xasprintf("--%s", flags[i]);

		for (char *c = flag; (c = strchr(c, '_'));)
			*c = '-';
		if (js_get_bool(args, flags[i]))
			strlist_push(ret, flag);
	}
	if (jobs)
		strlist_push_owned(ret, xasprintf("--jobs=%lld", (long long)jobs));
}

char *submit_command(const char *project, const struct js *args)
{
	CLEANUP(strlist_release) struct strlist words = STRLIST_INIT;
	struct strbuf line = STRBUF_INIT;

	submit_words(args, &words);
	strbuf_printf(&line, "mlops run --project %s", project);
	for (size_t i = 1; i < words.len; i++) {
		strbuf_putc(&line, ' ');
		shell_append(&line, words.items[i]);
	}
	return strbuf_detach(&line);
}

/* They become words of a command line. */
static int check_words(const struct js *list, const char *what, struct error *err)
{
	for (size_t i = 0; i < js_len(list); i++)
		if (*js_text(js_at(list, i)) == '-' || !*js_text(js_at(list, i)))
			return error_set(err, ERR_USAGE, "%s '%.100s' is none", what, js_text(js_at(list, i)));
	return 0;
}

/* What the child would refuse, when nobody looks any more. */
static int check_params(const struct js *list, struct error *err)
{
	for (size_t i = 0; i < js_len(list); i++) {
		const char *text = js_text(js_at(list, i));

		if (*text != '=' && strchr(text, '='))
			continue;
		error_set(err, ERR_USAGE, "-p takes KEY=VALUE, not '%.100s'", text);
		return error_help(err, "for example: -p lr=0.1");
	}
	return 0;
}

static int check_args(const struct js *args, struct error *err)
{
	static const char *const local[] = { "dry", "no_wait", "detach" };
	struct combinations combos CLEANUP(combinations_release) = { 0 };
	const char *time = js_get_str(args, "trigger_time");
	int64_t ms;

	for (size_t i = 0; i < ARRAY_LEN(local); i++)
		if (js_get_bool(args, local[i]))
			return error_set(err, ERR_USAGE, "--%s is for a run in the work tree, not for one of an agent",
					 !strcmp(local[i], "no_wait") ? "no-wait" : local[i]);
	if (js_get_bool(args, "only") && js_get_bool(args, "downstream"))
		return error_set(err, ERR_USAGE, "--only and --downstream exclude each other");
	if (time && parse_moment(time, clock_wall_ms(), &ms, err) < 0)
		return error_wrap(err, "--trigger-time");
	if (check_words(js_get(args, "args"), "step", err) < 0 || check_words(js_get(args, "update"), "path", err) < 0 ||
	    check_params(js_get(args, "param"), err) < 0 ||
	    combinations_read(js_get(args, "param"), &combos, err) < 0)
		return -1;
	if (!combos.many)
		return 0;
	error_set(err, ERR_UNSUPPORTED, "a param of a run that an agent executes has one value");
	return error_help(err, "ask for one run a value, or give the step a matrix");
}

/* ---- asking ---- */

/* Those that decide what runs, without the project. */
static struct js *kept_args(const struct js *args)
{
	static const char *const keys[] = { "args", "param", "jobs", "update", "trigger_time", "trigger_window" };
	struct js *kept = js_object();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (js_get(args, keys[i]))
			js_set(kept, keys[i], js_ref(js_get(args, keys[i])));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (js_get_bool(args, flags[i]))
			js_set_bool(kept, flags[i], true);
	return kept;
}

static int check_room(struct db *db, struct error *err)
{
	CLEANUP_JS struct js *open = NULL;

	if (jobs_open(db, &open, err) < 0)
		return -1;
	return js_len(open) < WAITING_MAX ? 0 :
					    error_set(err, ERR_LIMIT, "%d runs wait already; try again when some have ended", WAITING_MAX);
}

static int add(struct op_context *ctx, struct db *db, const struct job_new *job, struct error *err)
{
	const struct event event = {
		.actor = job->actor,
		.origin = ctx->origin,
		.operation = "run.submit",
		.subject = job->run,
		.after = "queued",
		.body = job->args,
	};

	return job_add(db, job, err) < 0 ? -1 : event_append(db, &event, job->now_ms, NULL, err);
}

/* run.submit {project, args[], param[], jobs, keep_going, only, downstream, force} -> {run_id, project, status} */
int op_run_submit(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *project = js_get_str(args, "project");
	CLEANUP_JS struct js *kept = kept_args(args);
	CLEANUP(cleanup_free) char *command = submit_command(project, kept);
	CLEANUP_JS struct js *row = NULL;
	char run[33];
	struct job_new job = {
		.run = run,
		.project = project,
		.args = kept,
		.command = command,
		.actor = op_actor(ctx),
		.now_ms = clock_wall_ms(),
	};
	struct db *db;

	clock_uuid(run);
	if (check_args(args, err) < 0 || project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (project_row_load(db, project, &row, err) < 0 || check_room(db, err) < 0 || add(ctx, db, &job, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "run_id", run);
	js_set_str(*ret_result, "project", project);
	js_set_str(*ret_result, "status", run_status_name(RUN_SCHEDULED));
	return 0;
}

/* ---- ending ---- */

bool job_executor(struct project *p, const char *run, struct lock_holder *ret)
{
	CLEANUP(cleanup_free) char *name = xasprintf("job-%s", run);

	return lock_is_held(p->locksfd, name, ret);
}

bool job_goes_on(struct project *p, const char *run)
{
	CLEANUP_JS struct js *job = NULL;
	struct lock_holder holder;
	const char *state;
	struct db *db;

	if (job_executor(p, run, &holder))
		return true;
	if (project_db(p, &db, NULL) < 0 || job_load(db, run, &job, NULL) < 0)
		return false;
	state = js_get_str(job, "state");
	return !strcmp(state, "queued") || !strcmp(state, "starting");
}

/* The process was opened before the lock was seen to be held by it, so it is no other one that got its number. */
static int signal_executor(struct project *p, const char *run, struct error *err)
{
	CLEANUP(cleanup_fd) int process = -1;
	struct lock_holder holder, now;

	if (!job_executor(p, run, &holder))
		return 0;
	if (holder.pid > 0)
		process = pidfd_open((pid_t)holder.pid, 0);
	if (!job_executor(p, run, &now) || (process < 0 && errno == ESRCH))
		return 0;
	if (process < 0 || now.pid != holder.pid || pidfd_send_signal(process, SIGTERM, NULL, 0) < 0)
		return error_set(err, ERR_ENV, "process %ld, which executes run %.8s, cannot be reached", now.pid, run);
	return 0;
}

int job_stop(struct op_context *ctx, const char *run, struct error *err)
{
	CLEANUP_JS struct js *job = NULL;
	struct db *db;
	int r;

	if (project_db(ctx->project, &db, err) < 0)
		return -1;
	if (job_load(db, run, &job, NULL) < 0)
		return 0;
	r = job_ask_end(ctx, db, run, op_actor(ctx), err);
	return r != 0 ? r : signal_executor(ctx->project, run, err);
}
