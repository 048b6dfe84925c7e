/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "api/ops.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/steplog.h"
#include "registry/artifacts.h"
#include "registry/name.h"
#include "registry/project.h"
#include "registry/runs.h"

#define RUNS_LIMIT 20

/* run.list {filter, order_by, limit, all} -> {runs: [...]} */
int op_runs(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct run_query query = {
		.filter = js_get_str(args, "filter"),
		.order_by = js_get_str(args, "order_by"),
		.limit = js_get_int(args, "limit", RUNS_LIMIT),
		.all = js_get_bool(args, "all"),
	};
	struct js *runs;
	struct db *db;

	if (query.limit < 1)
		return error_set(err, ERR_USAGE, "--limit is a number above 0, not %lld", (long long)query.limit);
	if (project_db(ctx->project, &db, err) < 0 || run_search(db, &query, &runs, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "runs", runs);
	return 0;
}

static int show_run(struct db *db, const char *id, struct js *result, struct error *err)
{
	struct js *run, *attempts;
	const char *parent;

	if (run_load(db, id, &run, err) < 0)
		return -1;
	js_set_str(result, "kind", "run");
	js_set(result, "run", run);
	parent = js_get_str(run, "parent");
	if (attempts_list(db, parent ? parent : id, &attempts, err) < 0)
		return -1;
	js_set(result, "attempts", attempts);
	return 0;
}

static int show_artifact(struct db *db, const struct name *name, struct js *result, struct error *err)
{
	char text[CONTENT_TEXT];
	struct js *versions;

	if (artifact_versions(db, name->artifact, &versions, err) < 0)
		return -1;
	js_set_str(result, "kind", "artifact");
	js_set_str(result, "name", name->artifact);
	js_set_int(result, "version", name->version);
	js_set_str(result, "content", content_format(&name->content, text));
	js_set(result, "versions", versions);
	return 0;
}

static int show_commit(struct db *db, const char *commit, struct js *result, struct error *err)
{
	CLEANUP(cleanup_free) char *filter = xasprintf("tags.`mlflow.source.git.commit` = '%s'", commit);
	struct run_query query = { .filter = filter };
	struct js *runs;

	if (run_search(db, &query, &runs, err) < 0)
		return -1;
	js_set_str(result, "kind", "commit");
	js_set_str(result, "commit", commit);
	js_set(result, "runs", runs);
	return 0;
}

static void show_content(const struct content *content, struct js *result)
{
	char text[CONTENT_TEXT];

	js_set_str(result, "kind", "content");
	js_set_str(result, "content", content_format(content, text));
	js_set_int(result, "size", (int64_t)content->size);
}

/*
 * run.show {name} -> {kind: "run", run{}, attempts[]} | {kind: "artifact", name, version, content, versions[]}
 *                  | {kind: "commit", commit, runs[]} | {kind: "content", content, size}
 */
int op_show(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *text = js_get_str(args, "name");
	CLEANUP_JS struct js *result = js_object();
	struct name name;
	struct db *db;
	int r = 0;

	if (project_db(ctx->project, &db, err) < 0 ||
	    name_resolve(ctx->project, text ? text : "last", ACCEPT_ANY, &name, err) < 0)
		return -1;
	switch (name.kind) {
	case NAME_RUN:
		r = show_run(db, name.run, result, err);
		break;
	case NAME_ARTIFACT:
		r = show_artifact(db, &name, result, err);
		break;
	case NAME_COMMIT:
		r = show_commit(db, name.commit, result, err);
		break;
	case NAME_CONTENT:
		show_content(&name.content, result);
		break;
	}
	if (r == 0)
		*ret_result = steal(&result);
	return r;
}

/* ---- logs ---- */

struct log_reader {
	struct op_context *ctx;
	bool prefix;      /* several steps: each line says which */
	const char *step;
	struct strbuf rest; /* a line that has not ended */
};

/* "MS o TEXT" -> "TEXT" */
static int write_line(struct log_reader *r, const char *line, size_t len)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	const char *text = memchr(line, ' ', len);
	size_t skip = text ? (size_t)(text - line) + 3 : 0;

	if (skip > len)
		skip = len;
	if (r->prefix)
		strbuf_printf(&out, "%s | ", r->step);
	strbuf_add(&out, line + skip, len - skip);
	strbuf_putc(&out, '\n');
	return r->ctx->write(r->ctx->ctx, out.buf, out.len);
}

/* What is there now; 0, or -1 when the reader is gone. */
static int drain(struct log_reader *r, int fd)
{
	char buf[1 << 16];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		char *line, *end;
		strbuf_add(&r->rest, buf, (size_t)n);
		for (line = r->rest.buf; (end = memchr(line, '\n', r->rest.len - (size_t)(line - r->rest.buf)));
		     line = end + 1)
			if (write_line(r, line, (size_t)(end - line)) < 0)
				return -1;
		n = line - r->rest.buf;
		memmove(r->rest.buf, line, r->rest.len - (size_t)n + 1);
		r->rest.len -= (size_t)n;
	}
	return 0;
}

static bool run_is_alive(struct project *p, const char *run)
{
	char name[48];
	int fd;

	snprintf(name, sizeof(name), "run-%s", run);
	if (faccessat(p->locksfd, name, F_OK, 0) < 0)
		return false;
	fd = lock_take(p->locksfd, name, LOCK_SHARED, LOCK_TRY, NULL, NULL, NULL);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int follow_step(struct log_reader *r, const char *run, const char *step, bool follow, struct error *err)
{
	static const struct timespec pause = { 0, 100000000 };
	struct project *p = r->ctx->project;
	CLEANUP(cleanup_free) char *path = steplog_path(run, step);
	CLEANUP(cleanup_fd) int fd = fs_open_beneath(p->rootfd, path, O_RDONLY, 0, err);
	bool alive;
	int gone;

	if (fd < 0)
		return error_wrap(err, "log of step %s", step);
	r->step = step;
	do {
		alive = follow && run_is_alive(p, run);
		gone = drain(r, fd);
		if (alive && !gone)
			nanosleep(&pause, NULL);
	} while (alive && !gone);
	strbuf_release(&r->rest);
	return 0;
}

/* Logs of a run in order of their start: the order of their attempts; steps that just started follow. */
static int log_names(struct project *p, const char *run, struct strlist *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(".mlops/logs/%s", run);
	struct strlist files CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_JS struct js *attempts = NULL;
	struct db *db;

	if (project_db(p, &db, err) < 0 || attempts_list(db, run, &attempts, err) < 0)
		return -1;
	if (fs_list_dir(p->rootfd, dir, &files, err) < 0) {
		error_set(err, ERR_NOT_FOUND, "run %.8s has no logs", run);
		return error_help(err, "run: mlops show %.8s", run);
	}
	for (size_t i = 0; i < js_len(attempts); i++) {
		const char *step = js_get_str(js_at(attempts, i), "step");
		CLEANUP(cleanup_free) char *file = xasprintf("%s.log", step);
		if (strlist_has(&files, file))
			strlist_push(ret, step);
	}
	for (size_t i = 0; i < files.len; i++) {
		CLEANUP(cleanup_free) char *step = xstrndup(files.items[i], strlen(files.items[i]) - strlen(".log"));
		if (!strlist_has(ret, step))
			strlist_push(ret, step);
	}
	return 0;
}

/* One word may also be a step of the last run. */
static int resolve_run(struct op_context *ctx, const char *text, const char **step, struct name *ret, struct error *err)
{
	struct name last;

	if (name_resolve(ctx->project, text ? text : "last", ACCEPT_RUN, ret, err) == 0)
		return 0;
	if (!text || *step || !err || err->code != ERR_NOT_FOUND ||
	    name_resolve(ctx->project, "last", ACCEPT_RUN, &last, NULL) < 0)
		return -1;
	*ret = last;
	*step = text;
	return 0;
}

/* The run and, when a step's own run was named, its step. */
static int find_log(struct op_context *ctx, const struct js *args, char run[33], char **ret_step, struct error *err)
{
	const char *text = js_get_str(args, "run"), *step = js_get_str(args, "step");
	CLEANUP_JS struct js *loaded = NULL;
	struct name name;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    resolve_run(ctx, text, &step, &name, err) < 0 || run_load(db, name.run, &loaded, err) < 0)
		return -1;
	if (js_get_str(loaded, "parent")) {
		snprintf(run, 33, "%s", js_get_str(loaded, "parent"));
		step = step ? step : js_get_str(loaded, "step");
	} else {
		snprintf(run, 33, "%s", name.run);
	}
	*ret_step = step ? xstrdup(step) : NULL;
	return 0;
}

/* run.logs {run, step, follow}: writes the lines that steps printed. */
int op_logs(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct strlist steps CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *step = NULL;
	struct log_reader reader = { .ctx = ctx, .rest = STRBUF_INIT };
	char run[33];

	(void)ret_result;
	if (find_log(ctx, args, run, &step, err) < 0 || log_names(ctx->project, run, &steps, err) < 0)
		return -1;
	if (step && !strlist_has(&steps, step)) {
		const char *near = strlist_nearest(&steps, step);
		CLEANUP(cleanup_free) char *known = strlist_join(&steps, ", ");
		error_set(err, ERR_NOT_FOUND, "run %.8s has no log of step %s", run, step);
		return near ? error_help(err, "did you mean %s?", near) : error_help(err, "it has: %s", known);
	}
	reader.prefix = !step && steps.len > 1;
	for (size_t i = 0; i < steps.len; i++)
		if ((!step || !strcmp(step, steps.items[i])) &&
		    follow_step(&reader, run, steps.items[i], js_get_bool(args, "follow"), err) < 0)
			return -1;
	return 0;
}
