/* SPDX-License-Identifier: Apache-2.0 */
/* The process that executes one run of a project, and outlives the agent that started it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/checkout.h"
#include "agent/jobs.h"
#include "api/child_run.h"
#include "api/job_end.h"
#include "api/ops.h"
#include "api/run_log.h"
#include "api/scratch_tree.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/error_json.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/git.h"
#include "registry/jobs.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/projects.h"
#include "registry/satellite.h"
#include "store/store.h"

#define LOOK_MS 300

struct job {
	const char *run;
	struct project *project;
	struct db *db;
	struct js *row, *source; /* of the job, of its project */
	struct scratch_set set;
	struct child_run child;
	struct steplog *log;
	char *tree;              /* absolute: where it runs */
	bool untrusted;          /* its code is somebody's */
	bool here;               /* that is the agent's own work tree, as it stands there */
	bool watches, stopped;   /* for who ends it */
	bool heard;              /* of that by itself: the signal that says the same is still to come */
	const char *outcome;     /* of a run that succeeded */
	int exit;
};

static void release(struct job *job)
{
	child_release(&job->child);
	loop_free(job->child.loop);
	js_free(job->row);
	js_free(job->source);
	free(job->tree);
	if (job->log)
		run_log_close(job->log);
}

static void say(struct job *job, bool error, const char *kind, const char *text)
{
	CLEANUP(cleanup_free) char *line = xasprintf("%s: %s\n", kind, text);
	struct op_context ctx = { .project = job->project };

	if (!job->log)
		job->log = run_log_open(&ctx, job->run);
	if (job->log)
		run_log_add(job->log, error, line, strlen(line));
}

static void on_event(void *ctx, struct js *event)
{
	const char *text = js_get_str(event, "text");

	if (!strcmp(js_get_str(event, "event"), "note") && text)
		say(ctx, true, "note", text);
}

static void on_stop(void *ctx, int signo)
{
	struct job *job = ctx;

	job->stopped = true;
	if (!job->heard)
		child_signal(&job->child, signo);
	job->heard = false;
}

/* Who cannot send a signal, being in a transaction, has written that it is to end. */
static void look_for_end(void *ctx)
{
	CLEANUP_JS struct js *row = NULL;
	struct job *job = ctx;

	if (!job->stopped && job_load(job->db, job->run, &row, NULL) == 0 && js_get_str(row, "stopped_by")) {
		job->stopped = job->heard = true;
		child_signal(&job->child, SIGTERM);
	}
	loop_after(job->child.loop, LOOK_MS, look_for_end, job);
}

/* ---- mlops, as a child ---- */

/* The program beside this one. */
static char *program_path(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len <= 0)
		return xstrdup("mlops");
	self[len] = '\0';
	slash = strrchr(self, '/');
	return xasprintf("%.*s/mlops", (int)(slash - self), self);
}

static int take_failure(const struct js *result, struct error *err)
{
	const struct js *error = js_get(result, "error");
	const char *message = js_get_str(error, "message"), *where = js_get_str(error, "where");
	const char *help = js_get_str(error, "help");

	error_set(err, ERR_FAILED, "%s%s%s", where ? where : "", where ? ": " : "", message ? message : "mlops has died");
	return help ? error_help(err, "%s", help) : -1;
}

/* -1 with what it told, when it failed. Before the first one SIGTERM simply ends this process: nothing is lost then. */
static int run_mlops(struct job *job, const struct strlist *words, struct error *err)
{
	if (!job->watches && loop_signal(job->child.loop, SIGTERM, on_stop, job, err) < 0)
		return -1;
	if (!job->watches)
		loop_after(job->child.loop, LOOK_MS, look_for_end, job);
	job->watches = true;
	if (child_run(&job->child, job->tree, words, err) < 0)
		return -1;
	job->exit = job->child.exit.signal ? 128 + job->child.exit.signal : job->child.exit.code;
	return job->exit ? take_failure(job->child.result, err) : 0;
}

/* ---- the tree ---- */

static bool is_absent(const char *tree, const char *name)
{
	CLEANUP(cleanup_free) char *path = path_join(tree, name);
	struct stat st;

	return lstat(path, &st) < 0;
}

/* The run itself brings another version. */
static bool is_updated(const struct job *job, const char *path)
{
	const struct js *update = js_get(js_get(job->row, "args"), "update");

	for (size_t i = 0; i < js_len(update); i++)
		if (!strcmp(js_text(js_at(update, i)), path))
			return true;
	return false;
}

/* Versions that mlops.lock names and git does not bring. */
static int bring_data(struct job *job, int treefd, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	struct strlist checkout CLEANUP(strlist_release) = STRLIST_INIT;
	struct strlist pull CLEANUP(strlist_release) = STRLIST_INIT;
	struct error why;

	if (lockfile_load(treefd, &lock, err) < 0)
		return -1;
	strlist_push(&checkout, "checkout");
	strlist_push(&pull, "pull");
	for (size_t i = 0; i < lock.len; i++) {
		const struct lock_entry *entry = &lock.entries[i];

		if (entry->kind != LOCKED_DATA || !is_absent(job->tree, entry->name) || is_updated(job, entry->name))
			continue;
		strlist_push(&checkout, entry->name);
		strlist_push(&pull, entry->name);
	}
	if (checkout.len == 1 || run_mlops(job, &checkout, err) == 0)
		return 0;
	return run_mlops(job, &pull, &why) == 0 ? 0 : error_wrap(err, "data of mlops.lock is not there");
}

/* Checkouts of runs that failed are for looking at: of a project the last one is kept. */
static void forget_kept(struct job *job)
{
	CLEANUP_JS struct js *kept = NULL;

	if (jobs_kept(job->db, js_get_str(job->row, "project"), &kept, NULL) < 0)
		return;
	for (size_t i = 0; i < js_len(kept); i++) {
		const char *path = js_get_str(js_at(kept, i), "checkout"), *id = strlen(path) > sizeof(SCRATCH_DIR) ? path + sizeof(SCRATCH_DIR) : "";
		CLEANUP(cleanup_free) char *set = xstrndup(id, strcspn(id, "/"));

		if (*set && scratch_set_forget(job->project, set, NULL) == 0)
			job_set_checkout(job->db, js_get_str(js_at(kept, i), "run_id"), NULL, NULL);
	}
}

static char *command_line(const struct job *job)
{
	CLEANUP(strlist_release) struct strlist words = STRLIST_INIT;
	CLEANUP(cleanup_free) char *line = NULL;

	submit_words(js_get(job->row, "args"), &words);
	line = strlist_join(&words, " ");
	return xasprintf("mlops %s", line);
}

/* What is to be run: of code that is not trusted, by the pipeline file of the default branch. */
static struct checkout_want wanted(const struct job *job)
{
	const struct js *args = js_get(job->row, "args"), *words = js_get(args, "args");
	const char *first = js_len(words) ? js_text(js_at(words, 0)) : "";
	size_t len = strlen(first);
	bool file = len > 4 && !strcmp(first + len - 4, ".ini");

	return (struct checkout_want){
		.ref = js_get_str(args, "ref"),
		.commit = js_get_str(args, "commit"),
		.trusted = !job->untrusted ? NULL : file ? first : "pipeline.ini",
	};
}

static int make_tree(struct job *job, bool here, struct error *err)
{
	const struct checkout_want want = wanted(job);
	const char *name = js_get_str(job->row, "project");
	CLEANUP(cleanup_free) char *dir = NULL, *index = NULL, *command = command_line(job), *checkout = NULL;
	CLEANUP(cleanup_fd) int tree = -1;
	struct js *tags;

	if (scratch_set_open(job->project, job->child.spawner, &job->set, err) < 0)
		return -1;
	checkout = xasprintf(SCRATCH_DIR "/%s/%s", job->set.id, name);
	dir = xasprintf("%s/%s", job->project->top, checkout);
	index = xasprintf("%s/" SCRATCH_DIR "/%s/.index", job->project->top, job->set.id);
	tree = scratch_set_tree(&job->set, name, err);
	if (tree < 0 || job_set_checkout(job->db, job->run, checkout, err) < 0 ||
	    (here ? checkout_fill_here : checkout_fill)(job->project, job->source, &want, dir, index, &job->set.code, err) < 0 ||
	    job_set_commit(job->db, job->run, js_get_str(job->set.code, "commit"), err) < 0)
		return -1;
	tags = js_object();
	js_set_str(tags, "mlops.project", name);
	if (scratch_set_seal(&job->set, name, tree, command, tags, &job->tree, err) < 0)
		return -1;
	return bring_data(job, tree, err);
}

/* The agent's own work tree is run as it stands there, unless another commit is asked for, or somebody's. */
static int enter_here(struct job *job, struct error *err)
{
	const char *commit = js_get_str(js_get(job->row, "args"), "commit");
	char head[65] = "";

	if (git_resolve(job->project->top, "HEAD", head, NULL) < 0)
		head[0] = '\0';
	if (job->untrusted || (commit && strcmp(commit, head) != 0))
		return make_tree(job, true, err);
	job->here = true;
	job->tree = xstrdup(job->project->top);
	return *head ? job_set_commit(job->db, job->run, head, err) : 0;
}

static int enter_tree(struct job *job, struct error *err)
{
	enum source_kind kind;

	if (project_row_load(job->db, js_get_str(job->row, "project"), &job->source, err) < 0)
		return -1;
	job->untrusted = js_get_bool(js_get(job->row, "args"), "untrusted");
	/* What the project's file says does not count against the operator's word. */
	if (job->untrusted || !js_get_bool(job->source, "allow_local"))
		setenv("MLOPS_RUN_LOCAL", "no", 1);
	if (job->untrusted) {
		setenv(JOB_UNTRUSTED, "1", 1);
		setenv("DOCKER_CONFIG", "/nonexistent", 1); /* logins at registries are secrets, too */
	}
	if (source_kind_parse(js_get_str(job->source, "kind"), &kind) && kind == SOURCE_HERE)
		return enter_here(job, err);
	return make_tree(job, false, err);
}

/* ---- the run ---- */

static int execute(struct job *job, struct error *err)
{
	CLEANUP(strlist_release) struct strlist words = STRLIST_INIT;
	bool triggered = js_get_str(js_get(job->row, "args"), "trigger") != NULL;

	if (enter_tree(job, err) < 0)
		return -1;
	submit_words(js_get(job->row, "args"), &words);
	setenv(JOB_VARIABLE, job->run, 1);
	if (triggered)
		setenv(JOB_TRIGGERED, "1", 1);
	if (run_mlops(job, &words, err) < 0)
		return -1;
	job->outcome = job_outcome(job->child.result);
	return 0;
}

/* mlops.lock as the run left it; the agent commits it nowhere. Not when it names what nobody shall take over. */
static int store_lock(struct job *job, struct content *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int tree = open(job->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cleanup_fd) int held = -1;
	CLEANUP(cleanup_batch) struct store_batch *batch = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct store *store;
	struct stat st;

	if (tree < 0 || fs_stat_beneath(tree, LOCKFILE_NAME, &st, NULL) <= 0)
		return 0;
	held = lock_take(job->project->locksfd, LOCK_STORE, LOCK_SHARED, LOCK_WAIT, NULL, NULL, err);
	if (held < 0 || lockfile_read(tree, &text, err) < 0 || project_store(job->project, &store, err) < 0 ||
	    batch_open(store, &batch, err) < 0 ||
	    batch_add_bytes(batch, text.buf, text.len, &ret->id, err) < 0 || batch_commit(batch, err) < 0)
		return -1;
	ret->kind = CONTENT_FILE;
	ret->size = text.len;
	ret->files = 1;
	return 0;
}

static void leave_tree(struct job *job, bool failed)
{
	const char *name = js_get_str(job->row, "project");
	struct error err;

	if (!job->set.project)
		return;
	if (failed && job->tree && !job->stopped) {
		scratch_set_keep(&job->set, name);
	} else {
		if (job->tree && scratch_set_drop(&job->set, name, &err) < 0)
			say(job, true, "note", err.msg);
		job_set_checkout(job->db, job->run, NULL, NULL);
	}
	scratch_set_close(&job->set);
}

static int finish(struct job *job, const struct error *failure, struct error *err)
{
	CLEANUP_JS struct js *error = failure ? error_to_json(failure) : NULL;
	struct content lock = { .kind = CONTENT_ABSENT };
	struct job_end end = { .state = failure ? "failed" : "finished", .exit = job->exit, .error = error };
	struct op_context ctx = { .project = job->project, .origin = "agent" };
	struct error why;

	if (failure) {
		say(job, true, "error", failure->msg);
		if (*failure->help)
			say(job, true, "help", failure->help);
	} else if (!job->untrusted && strcmp(job->outcome, JOB_NOTHING_NEW) != 0 && store_lock(job, &lock, &why) < 0) {
		say(job, true, "note", why.msg);
	}
	leave_tree(job, failure != NULL);
	end.lock = lock.kind == CONTENT_ABSENT ? NULL : &lock;
	end.now_ms = clock_wall_ms();
	return job_ends(&ctx, job->db, job->run, &end, job->outcome, err);
}

static int open_job(struct job *job, struct error *err)
{
	if (project_db(job->project, &job->db, err) < 0 || job_load(job->db, job->run, &job->row, err) < 0)
		return -1;
	job->child.loop = loop_new();
	forget_kept(job);
	return 0;
}

static int run_job(struct job *job, struct error *err)
{
	struct error why;
	int r;

	if (open_job(job, err) < 0)
		return -1;
	r = execute(job, &why);
	return finish(job, r < 0 ? &why : NULL, err);
}

/* 1: it is ours; 0: somebody has it, or it waits for nobody any more. */
static int take_job(struct project *p, const char *run, struct error *err)
{
	struct db *db;

	return project_db(p, &db, err) < 0 ? -1 : job_move(db, run, "starting", "running", clock_wall_ms(), err);
}

static int tell(const struct error *err)
{
	fprintf(stderr, "error: %s\n", err->msg);
	return error_exit_status(err->code);
}

int job_main(const char *dir, const char *run)
{
	CLEANUP(cleanup_free) char *lock_name = xasprintf("job-%s", run), *program = program_path();
	CLEANUP(release) struct job job = { .run = run, .set = SCRATCH_SET_INIT, .exit = -1 };
	CLEANUP(cleanup_fd) int lock = -1;
	struct error err;
	int r;

	job.child.event = on_event;
	job.child.ctx = &job;
	job.child.program = program;
	job.child.out = -1;
	lock_set_command("mlops-agent job");
	unsetenv("MLOPS_AGENT"); /* its mlops run is one of this machine */
	if (spawner_start(&job.child.spawner, &err) < 0 || project_open(dir, &job.project, &err) < 0)
		return tell(&err);
	lock = lock_take(job.project->locksfd, lock_name, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, &err);
	r = lock < 0 ? -1 : take_job(job.project, run, &err);
	if (r > 0)
		r = run_job(&job, &err);
	spawner_stop(job.child.spawner);
	unlinkat(job.project->locksfd, lock_name, 0);
	project_close(job.project);
	return r < 0 ? tell(&err) : 0;
}
