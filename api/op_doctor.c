/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "api/ops.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/secrets.h"
#include "runners/docker_engine.h"

#define MIB            (1024ull * 1024)
#define LITTLE_SPACE   (1024 * MIB)
#define NO_SPACE       (64 * MIB)
#define FEW_INODES     10000
#define QUICK_DATABASE (64 * MIB) /* a larger one is only opened here; fsck checks it all */
#define FIRST_YEAR_MS  1735689600000ll /* 2025-01-01: no clock is right before it */

/*
 * Each examination adds one finding: pass, note (nothing is wrong), warn or fail, what was seen,
 * and the command that changes it.
 */
struct exam {
	struct op_context *ctx;
	struct project *project; /* NULL: none */
	struct js *checks;
	const char *name; /* of the examination that goes on */
	int fails, warns;
};

static void finding(struct exam *x, const char *state, const char *fix, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void finding(struct exam *x, const char *state, const char *fix, const char *fmt, ...)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct js *check = js_object();
	va_list args;

	va_start(args, fmt);
	strbuf_vprintf(&text, fmt, args);
	va_end(args);
	js_set_str(check, "check", x->name);
	js_set_str(check, "state", state);
	js_set_str(check, "text", text.buf);
	js_set_str(check, "fix", fix && *fix ? fix : NULL);
	js_push(x->checks, check);
	x->fails += !strcmp(state, "fail");
	x->warns += !strcmp(state, "warn");
}

static void finding_error(struct exam *x, const char *state, const struct error *err)
{
	finding(x, state, err->help, "%s%s%s", err->msg, *err->where ? " at " : "", err->where);
}

static const char *exam_dir(const struct exam *x)
{
	return x->project ? x->project->root : x->ctx->dir;
}

static void exam_project(struct exam *x)
{
	struct error err = { 0 };

	if (x->project) {
		finding(x, "pass", NULL, "%s", x->project->root);
		return;
	}
	if (project_open(x->ctx->dir, &x->ctx->project, &err))
		finding_error(x, err.code == ERR_NOT_FOUND ? "warn" : "fail", &err);
}

/* One's own file needs a mode; another's needs an owner. */
static char *permission_fix(int dirfd, const char *path, const char *shown, int sys)
{
	struct stat st;

	if (sys == EROFS)
		return xstrdup("the file system is read-only: work in a directory you can write to");
	if (!fstatat(dirfd, path, &st, 0) && st.st_uid == geteuid())
		return xasprintf("in the project's directory, run: chmod u+w%s %s",
				 S_ISDIR(st.st_mode) ? "x" : "", shown);
	return xasprintf("give it back to yourself: sudo chown %s\"$(id -u)\" %s",
			 strcmp(shown, ".") != 0 ? "-R " : "", shown);
}

static void exam_permissions(struct exam *x)
{
	static const struct {
		const char *path, *shown;
	} parts[] = {
		{ "..", "." },
		{ ".", ".mlops" },
		{ "objects", ".mlops/objects" },
		{ "staging", ".mlops/staging" },
		{ "work", ".mlops/work" },
		{ "logs", ".mlops/logs" },
		{ "failed", ".mlops/failed" },
		{ "aside", ".mlops/aside" },
		{ "locks", ".mlops/locks" },
		{ "locks/tree", ".mlops/locks/tree" },
		{ "locks/store", ".mlops/locks/store" },
		{ "locks/db", ".mlops/locks/db" },
		{ "registry.db", ".mlops/registry.db" },
		{ "registry.db-wal", ".mlops/registry.db-wal" },
		{ "registry.db-shm", ".mlops/registry.db-shm" },
	};
	bool bad = false;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		CLEANUP(cleanup_free) char *fix = NULL;
		int sys;

		if (!faccessat(x->project->homefd, parts[i].path, W_OK, AT_EACCESS) || errno == ENOENT)
			continue;
		sys = errno;
		fix = permission_fix(x->project->homefd, parts[i].path, parts[i].shown, sys);
		finding(x, "fail", fix, "%s cannot be written: %s",
			i ? parts[i].shown : x->project->root, strerror(sys));
		bad = true;
	}
	if (bad)
		return;
	if (!fstat(x->project->homefd, &st) && st.st_mode & S_IWOTH)
		finding(x, "warn", "run: chmod o-w .mlops",
			"everybody on this machine can write .mlops");
	else if (st.st_uid != geteuid() && geteuid() != 0)
		finding(x, "warn", "run as its owner", ".mlops belongs to user %u",
			(unsigned)st.st_uid);
	else
		finding(x, "pass", NULL, ".mlops can be written");
}

static void exam_database(struct exam *x)
{
	struct error err = { 0 };
	struct stat st;
	struct db *db;
	bool quick;

	if (project_db(x->project, &db, &err)) {
		finding_error(x, "fail", &err);
		return;
	}
	quick = !fstatat(x->project->homefd, "registry.db", &st, 0) &&
		(uint64_t)st.st_size <= QUICK_DATABASE;
	if (quick && db_check(db, &err))
		finding_error(x, "fail", &err);
	else
		finding(x, "pass", NULL,
			quick ? "the database is sound"
			      : "the database opens (all of it: mlops fsck)");
}

static void exam_pipeline(struct exam *x)
{
	struct pipeline *pipeline = NULL;
	struct error err = { 0 };
	struct stat st;

	if (fstatat(x->project->rootfd, "pipeline.ini", &st, AT_SYMLINK_NOFOLLOW)) {
		finding(x, "note", "run: mlops init", "there is no pipeline.ini here");
		return;
	}
	if (pipeline_load(x->project->rootfd, "pipeline.ini", NULL, &pipeline, &err)) {
		finding_error(x, "fail", &err);
		return;
	}
	finding(x, "pass", NULL, "pipeline.ini has %zu step%s", pipeline->nsteps,
		pipeline->nsteps == 1 ? "" : "s");
	pipeline_free(pipeline);
}

static void secret_refused(void *ctx, const char *name, const struct error *err)
{
	(void)name;
	finding_error(ctx, "fail", err);
}

static void exam_secrets(struct exam *x)
{
	CLEANUP(secret_list_release) struct secret_list secrets = { 0 };
	struct error err = { 0 };
	int fails = x->fails;

	if (secret_list(x->project, &secrets, secret_refused, x, &err) < 0)
		finding_error(x, "fail", &err);
	else if (secrets.len && x->fails == fails)
		finding(x, "pass", NULL, "%zu, readable by you alone", secrets.len);
}

static void exam_lockfile(struct exam *x)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	struct error err = { 0 };

	if (lockfile_load(x->project->rootfd, &lock, &err) || lockfile_check(&lock, &err))
		finding_error(x, "fail", &err);
	else
		finding(x, "pass", NULL, LOCKFILE_NAME " has %zu entries", lock.len);
}

static void exam_git(struct exam *x)
{
	CLEANUP(cleanup_free) char *git = process_find("git", getenv("PATH"), NULL);
	struct error err = { 0 };
	char commit[65], branch[256];

	if (git_resolve(exam_dir(x), "HEAD", commit, &err) < 0) {
		finding_error(x, "warn", &err);
		return;
	}
	git_branch(exam_dir(x), branch, sizeof(branch));
	if (!git)
		finding(x, "warn", "run: sudo apt install git", "git is not installed");
	else if (!*branch)
		finding(x, "note", "run: git init",
			"no git branch here: runs do not record their code");
	else
		finding(x, "pass", NULL, "on branch %s", branch);
}

static void exam_python(struct exam *x)
{
	CLEANUP(cleanup_free) char *python = process_find("python3", getenv("PATH"), NULL);
	static const char *const argv[] = { "python3", "--version", NULL };
	CLEANUP_STRBUF struct strbuf version = STRBUF_INIT;

	if (!python) {
		finding(x, "warn", "run: sudo apt install python3", "python3 is not installed");
		return;
	}
	if (process_capture(argv, exam_dir(x), 5000, 256, &version, NULL) != 0) {
		finding(x, "warn", "see what is wrong: python3 --version", "%s does not run",
			python);
		return;
	}
	version.buf[strcspn(version.buf, "\n")] = '\0';
	finding(x, "pass", NULL, "%s, %s", version.buf, python);
}

static void exam_disk(struct exam *x)
{
	static const char fix[] = "make room, for example in .mlops/failed and .mlops/aside";
	struct statvfs fs;
	uint64_t free_bytes;

	if (statvfs(exam_dir(x), &fs)) {
		finding(x, "fail", NULL, "the file system cannot be asked: %s", strerror(errno));
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		finding(x, "fail", "mount it for writing, or work on a copy",
			"the file system is read-only");
	else if (free_bytes < LITTLE_SPACE)
		finding(x, free_bytes < NO_SPACE ? "fail" : "warn", fix, "%llu MiB are free",
			(unsigned long long)(free_bytes / MIB));
	else
		finding(x, "pass", NULL, "%llu GiB are free",
			(unsigned long long)(free_bytes / MIB / 1024));
	x->name = "inodes";
	/* file systems without a fixed number of inodes say 0 */
	if (fs.f_files && fs.f_favail < FEW_INODES)
		finding(x, "warn", fix, "only %llu more files fit on the disk",
			(unsigned long long)fs.f_favail);
	else
		finding(x, "pass", NULL, "enough");
}

/* Two unnamed files in the project; nothing is left behind. */
static void exam_reflink(struct exam *x)
{
	CLEANUP(cleanup_fd) int from = open(exam_dir(x), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	CLEANUP(cleanup_fd) int to = open(exam_dir(x), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (from >= 0 && to >= 0 && write(from, "x", 1) == 1 && !ioctl(to, FICLONE, from))
		finding(x, "pass", NULL, "copies share their space on the disk");
	else
		finding(x, "note", "large data: mlops config checkout.link hardlink",
			"the file system has no reflinks: every copy takes its space");
}

static void exam_clock(struct exam *x)
{
	int64_t now = clock_wall_ms();
	char text[32];
	struct stat st;

	clock_format_utc(now, text);
	if (now < FIRST_YEAR_MS)
		finding(x, "fail", "set it: sudo timedatectl set-ntp true", "it says %s", text);
	else if (x->project && !fstatat(x->project->homefd, "registry.db", &st, 0) &&
		 (int64_t)st.st_mtim.tv_sec > now / 1000 + 60)
		finding(x, "warn", "set it: sudo timedatectl set-ntp true",
			"it says %s, but the database was written later: it was set back", text);
	else
		finding(x, "pass", NULL, "%s", text);
}

static void exam_leftovers(struct exam *x)
{
	static const char *const left[] = { "mlruns", "mlflow.db" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		CLEANUP(cleanup_free) char *fix =
			xasprintf("keep it, but out of git: echo %s >> .gitignore", left[i]);

		if (!fstatat(x->project->rootfd, left[i], &st, AT_SYMLINK_NOFOLLOW))
			finding(x, "note", fix,
				"%s holds records of MLflow; mlops keeps its own in .mlops",
				left[i]);
	}
}

static void exam_engine(struct exam *x)
{
	CLEANUP(cleanup_docker_engine) struct docker_engine *engine = NULL;
	const struct docker_info *info;
	struct error err = { 0 };

	if (docker_engine_open(&engine, &err) || docker_engine_info(engine, &info, &err)) {
		finding(x, "warn", err.help, "%s; only steps with image= need one", err.msg);
		return;
	}
	finding(x, "pass", NULL, "%s %s, API %s, %s, at %s%s", info->product, info->version, info->api,
		info->platform, info->address, info->rootless ? ", rootless" : "");
}

static const struct {
	const char *name;
	void (*examine)(struct exam *);
	bool needs_project;
} exams[] = {
	{ "project", exam_project, false },
	{ "permissions", exam_permissions, true },
	{ "database", exam_database, true },
	{ "pipeline", exam_pipeline, true },
	{ "lock file", exam_lockfile, true },
	{ "secrets", exam_secrets, true },
	{ "git", exam_git, false },
	{ "python", exam_python, false },
	{ "disk", exam_disk, false },
	{ "reflinks", exam_reflink, false },
	{ "clock", exam_clock, false },
	{ "other tools", exam_leftovers, true },
	{ "containers", exam_engine, false },
};

int op_doctor(struct op_context *ctx, const struct js *args, struct js **ret_result,
	      struct error *err)
{
	struct exam x = { .ctx = ctx, .project = ctx->project, .checks = js_array() };

	(void)args;
	for (size_t i = 0; i < ARRAY_LEN(exams); i++) {
		x.name = exams[i].name;
		if (x.project || !exams[i].needs_project)
			exams[i].examine(&x);
	}
	*ret_result = js_object();
	js_set_bool(*ret_result, "fit", !x.fails);
	js_set(*ret_result, "checks", x.checks);
	if (!x.fails)
		return 0;
	return error_set(err, ERR_ENV, "%d check%s failed", x.fails, x.fails == 1 ? "" : "s");
}
