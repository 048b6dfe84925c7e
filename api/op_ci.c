/* SPDX-License-Identifier: Apache-2.0 */
/* ci: a run inside the job of any CI, told as Markdown. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "api/loaded.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/db.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "pipeline/results.h"
#include "policy/report.h"
#include "registry/git.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "registry/run_report.h"
#include "store/store.h"

#define LOCK_BYTES (16u << 20)

/* ---- where this is ---- */

/* What CIs say of their jobs; the first that is set counts. */
static const char *from_environment(const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return value;
	}
	return NULL;
}

/* 1: *ret_name is what it is called, owned, and the commit is there; 0: there is none. CIs fetch the branch of a pull
 * request's target as a remote one. */
static int find_base(const struct project *p, const char *asked, char **ret_name, char commit[65], struct error *err)
{
	static const char *const branches[] = { "GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME" };
	const char *branch = asked ? asked : from_environment(branches, ARRAY_LEN(branches));
	CLEANUP(cleanup_free) char *remote = branch ? xasprintf("origin/%s", branch) : NULL;
	const char *const tried[] = { asked ? branch : remote, asked ? remote : branch };

	for (size_t i = 0; branch && i < ARRAY_LEN(tried); i++) {
		int r = git_resolve(p->root, tried[i], commit, NULL);

		if (r <= 0)
			continue;
		*ret_name = xstrdup(tried[i]);
		return 1;
	}
	if (!asked)
		return 0;
	error_set(err, ERR_NOT_FOUND, "no commit '%.100s' to compare with", asked);
	return error_help(err, "fetch it: CIs bring one commit only, unless their checkout is told a depth of 0");
}

/* ---- metrics ---- */

/* `treefd` is where the file stands too, or -1: a fresh clone may have files whose objects are elsewhere. */
static void read_metrics(struct store *store, const struct content *content, int treefd, const char *path, struct js *ret)
{
	CLEANUP(metric_list_release) struct metric_list list = METRIC_LIST_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (content->kind != CONTENT_FILE ||
	    (store_read(store, &content->id, RESULTS_MAX_BYTES, &text, NULL) < 0 &&
	     (treefd < 0 || io_read_file(treefd, path, RESULTS_MAX_BYTES, &text, NULL) < 0)) ||
	    results_parse_metrics(text.buf, text.len, path, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.len; i++)
		js_set_real(ret, list.items[i].key, list.items[i].value);
}

static bool is_metrics(const struct plan_node *node, size_t output, const struct lockfile *lock, struct content *ret)
{
	return node->outputs[output].use == OUT_METRICS && lockfile_content(lock, LOCKED_OUT, node->outputs[output].path, ret);
}

/* Of the steps of the plan, as the lock names their files; what is stored nowhere is left out. */
static int metrics_of(struct op_context *ctx, const struct plan *plan, const struct lockfile *lock, int treefd,
		      struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *all = js_object();
	CLEANUP_JS struct js *notes = js_array();
	struct store *store;
	struct content content;

	if (project_store(ctx->project, &store, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_node *node = &plan->nodes[i];
		CLEANUP_JS struct js *metrics = js_object();

		for (size_t k = 0; k < node->noutputs; k++) {
			if (!is_metrics(node, k, lock, &content))
				continue;
			if (remotes_fetch(ctx, &content, 1, notes, NULL, err) < 0)
				return -1;
			read_metrics(store, &content, treefd, node->outputs[k].path, metrics);
		}
		if (js_len(metrics))
			js_set(all, node->name, steal(&metrics));
	}
	*ret = steal(&all);
	return 0;
}

struct ci {
	struct op_context *ctx;
	const struct js *args;
	struct js *report;
	char *base;       /* its name; NULL: none */
	char commit[65];  /* of it */
};

static int add_base(struct ci *ci, const struct plan *plan, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct js *base, *metrics;
	int r;

	if (!ci->base)
		return 0;
	base = js_object();
	js_set_str(base, "name", ci->base);
	js_set_str(base, "commit", ci->commit);
	js_set(ci->report, "base", base);
	r = git_read(ci->ctx->project->root, ci->commit, LOCKFILE_NAME, LOCK_BYTES, &text, err);
	if (r <= 0 || lockfile_parse(text.buf, text.len, &lock, NULL) < 0)
		return r < 0 ? -1 : 0;
	if (metrics_of(ci->ctx, plan, &lock, -1, &metrics, err) < 0)
		return -1;
	js_set(ci->report, "base_metrics", metrics);
	return 0;
}

static int add_metrics(struct ci *ci, struct error *err)
{
	CLEANUP(lockfile_release) struct lockfile lock = LOCKFILE_INIT;
	struct loaded loaded CLEANUP(loaded_release) = { 0 };
	const struct js *words = js_get(ci->args, "args");
	const char *first = js_len(words) ? js_text(js_at(words, 0)) : NULL;
	size_t len = first ? strlen(first) : 0;
	const char *file = len > 4 && !strcmp(first + len - 4, ".ini") ? first : NULL;
	struct js *metrics;

	if (loaded_make(ci->ctx, file, js_get(ci->args, "param"), false, &loaded, err) < 0 ||
	    lockfile_load(ci->ctx->project->rootfd, &lock, err) < 0 ||
	    metrics_of(ci->ctx, loaded.plan, &lock, ci->ctx->project->rootfd, &metrics, err) < 0)
		return -1;
	js_set(ci->report, "metrics", metrics);
	js_set_str(ci->report, "project", loaded.pipeline->name);
	return add_base(ci, loaded.plan, err);
}

/* ---- gates ---- */

/* Versions that the run made; ERR_VERDICT when the gate of one is not passed. */
static int add_models(struct ci *ci, struct error *ret_verdict, struct error *err)
{
	const char *run = js_get_str(ci->report, "run_id");
	struct js *models;
	struct db *db;

	if (!run)
		return 0;
	if (project_db(ci->ctx->project, &db, err) < 0 || report_candidates(db, run, &models, err) < 0)
		return -1;
	js_set(ci->report, "models", models);
	for (size_t i = 0; i < js_len(models); i++) {
		const struct js *model = js_at(models, i);

		if (strcmp(js_get_str(model, "verdict"), "passed") == 0)
			continue;
		error_set(ret_verdict, ERR_VERDICT, "%s@v%lld does not pass its gate", js_get_str(model, "model"),
			  (long long)js_get_int(model, "number", 0));
		error_help(ret_verdict, "see which line: mlops model show %s@v%lld", js_get_str(model, "model"),
			   (long long)js_get_int(model, "number", 0));
	}
	return 0;
}

/* ---- the whole ---- */

static int append_summary(const char *file, const struct strbuf *text, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (!file)
		return 0;
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text->buf, text->len) != (ssize_t)text->len)
		return error_sys(err, errno, "cannot write the summary to %s", file);
	return 0;
}

/* A run always leaves its row: what is told here can be looked up. */
static struct js *run_args(const struct js *args)
{
	static const char *const kept[] = { "args", "param", "jobs", "keep_going" };
	struct js *run = js_object();

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (js_get(args, kept[i]))
			js_set(run, kept[i], js_ref(js_get(args, kept[i])));
	js_set_bool(run, "record", true);
	return run;
}

static void add_code(struct ci *ci)
{
	char commit[65];

	if (git_resolve(ci->ctx->project->root, "HEAD", commit, NULL) > 0)
		js_set_str(ci->report, "commit", commit);
}

/* The report is made whatever the run came to; what failed first is the error of all. */
static int tell(struct ci *ci, const struct js *run, struct error *failure, struct js **ret_result, struct error *err)
{
	static const char *const summaries[] = { "GITHUB_STEP_SUMMARY" };
	const char *file = js_get_str(ci->args, "summary");
	CLEANUP_STRBUF struct strbuf markdown = STRBUF_INIT;
	struct error verdict = { 0 };

	js_set_str(ci->report, "run_id", js_get_str(run, "run_id"));
	js_set_str(ci->report, "project", js_get_str(run, "pipeline"));
	js_set_str(ci->report, "error", failure->code ? failure->msg : NULL);
	add_code(ci);
	if (!failure->code && (add_metrics(ci, err) < 0 || add_models(ci, &verdict, err) < 0))
		return -1;
	js_set_str(ci->report, "state", failure->code ? "failed" : verdict.code ? "does not pass its gate" : "finished");
	report_markdown(ci->report, &markdown);
	if (append_summary(file ? file : from_environment(summaries, ARRAY_LEN(summaries)), &markdown, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "report", js_ref(ci->report));
	js_set_str(*ret_result, "markdown", markdown.buf);
	if (failure->code || verdict.code) {
		*err = failure->code ? *failure : verdict;
		return -1;
	}
	return 0;
}

/* ci.run {args[], param[], jobs, keep_going, base, summary} -> {report{} (policy/report.h), markdown}; emits the run's events. */
int op_ci(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct ci ci = { .ctx = ctx, .args = args };
	CLEANUP_JS struct js *words = run_args(args), *run = NULL, *report = js_object();
	CLEANUP(cleanup_free) char *base = NULL;
	struct error failure = { 0 };

	if (find_base(ctx->project, js_get_str(args, "base"), &base, ci.commit, err) < 0)
		return -1;
	ci.report = report;
	ci.base = base;
	if (op_run(ctx, words, &run, &failure) < 0 && failure.code != ERR_FAILED) {
		*err = failure;
		return -1;
	}
	return tell(&ci, run, &failure, ret_result, err);
}
