/* SPDX-License-Identifier: Apache-2.0 */
/* After a kill: what the facts say was accepted stays, all else is as it was before; orphans end. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/orphans.h"
#include "pipeline/run.h"
#include "pipeline/secret_files.h"
#include "pipeline/stepdir.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "runners/docker_engine.h"

struct recovery {
	struct project *project;
	struct db *db;
	char run[256];          /* whose attempts are loaded */
	struct js *attempts;
	struct error *err;
};

static int was_accepted(void *ctx, const char *run, const char *step)
{
	struct recovery *r = ctx;
	struct error why;

	if (strcmp(r->run, run) != 0) {
		js_free(r->attempts);
		r->attempts = NULL;
		snprintf(r->run, sizeof(r->run), "%s", run);
		if (attempts_list(r->db, run, &r->attempts, &why) < 0 && why.code != ERR_NOT_FOUND) {
			if (r->err)
				*r->err = why;
			return -1;
		}
	}
	for (size_t i = 0; i < js_len(r->attempts); i++) {
		const struct js *attempt = js_at(r->attempts, i);
		const char *name = js_get_str(attempt, "step"), *state = js_get_str(attempt, "state");
		if (name && state && !strcmp(name, step) && !strcmp(state, "ok"))
			return 1;
	}
	return 0;
}

/* A run marked RUNNING whose lock is free has lost its executor. */
static int end_orphan(void *ctx, const char *id)
{
	struct recovery *r = ctx;
	CLEANUP(cleanup_js) struct js *run = NULL;
	CLEANUP(cleanup_fd) int lock = -1;
	const char *parent;
	char name[320];

	if (run_load(r->db, id, &run, NULL) < 0)
		return 0;
	parent = js_get_str(run, "parent");
	snprintf(name, sizeof(name), "run-%s", parent ? parent : id);
	lock = lock_take(r->project->locksfd, name, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);
	if (lock < 0)
		return 0;
	if (!parent && attempts_lose(r->db, id, clock_wall_ms(), r->err) < 0)
		return -1;
	return run_finish(r->db, id, RUN_KILLED, clock_wall_ms(), r->err);
}

/* Locks of runs that nobody holds any more. */
static void sweep_locks(struct project *p)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;

	if (fs_list_dir(p->locksfd, ".", &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_fd) int lock = -1;
		if (strncmp(names.items[i], "run-", 4) != 0)
			continue;
		lock = lock_take(p->locksfd, names.items[i], LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);
		if (lock >= 0)
			unlinkat(p->locksfd, names.items[i], 0);
	}
}

static bool dir_is_empty(struct project *p, const char *name)
{
	CLEANUP(cleanup_fd) int fd = openat(p->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	/* A directory without subdirectories has two links on the file systems we know; others say 1. */
	return fd < 0 || (fstat(fd, &st) == 0 && st.st_nlink == 2);
}

int run_recover(struct project *p, struct strlist *notes, struct error *err)
{
	struct recovery r = { .project = p, .err = err };
	int status;

	if (dir_is_empty(p, "work"))
		return 0;
	if (project_db(p, &r.db, err) < 0)
		return -1;
	status = stepdir_recover(p, was_accepted, &r, notes, err);
	js_free(r.attempts);
	if (status == 0 && run_each_running(r.db, end_orphan, &r, err) < 0)
		return -1;
	sweep_locks(p);
	return status;
}

int run_abandon(struct project *p, struct strlist *notes, struct error *err)
{
	CLEANUP(cleanup_docker_engine) struct docker_engine *engine = NULL;
	struct orphans list CLEANUP(orphans_release) = { 0 };

	secret_files_sweep(p, &(struct strlist)STRLIST_INIT);
	if (run_recover(p, notes, err) < 0 || orphans_find(p, &list, err) < 0)
		return -1;
	if (!list.runs.len)
		return 0;
	if (docker_engine_open(&engine, err) < 0 || orphans_ask(&list, p, engine, err) < 0)
		return error_wrap(err, "containers of an interrupted run may still be there");
	while (list.len) {
		if (orphan_discard(&list.items[list.len - 1], p, engine, notes, err) < 0)
			return -1;
		orphans_drop(&list, &list.items[list.len - 1]);
	}
	return 0;
}
