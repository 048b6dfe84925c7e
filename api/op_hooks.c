/* SPDX-License-Identifier: Apache-2.0 */
/* hooks install, remove and run: a repository tells an agent of its commits, and its data goes before they do. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/hook_files.h"
#include "api/hook_run.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/address.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/project.h"
#include "registry/projects.h"

#define INPUT_MAX (16u << 20) /* of refs that are pushed at once */

/* ---- install ---- */

struct told {
	char *project, *agent, *command;
};

static void told_release(struct told *t)
{
	free(t->project);
	free(t->agent);
	free(t->command);
}

/* The one whose files are those of the project here, if this project's agent has it. */
static char *registered_here(struct project *p)
{
	CLEANUP_JS struct js *rows = NULL;
	struct db *db;

	if (!p || project_db(p, &db, NULL) < 0 || project_rows(db, &rows, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < js_len(rows); i++)
		if (!strcmp(js_get_str(js_at(rows, i), "source"), p->top))
			return xstrdup(js_get_str(js_at(rows, i), "name"));
	return NULL;
}

static int find_project(struct op_context *ctx, const struct js *args, char **ret, struct error *err)
{
	const char *name = js_get_str(args, "project"), *fault = name ? project_name_fault(name) : NULL;

	if (fault)
		return error_set(err, ERR_USAGE, "project name '%.100s' %s", name, fault);
	*ret = name ? xstrdup(name) : registered_here(ctx->project);
	if (*ret)
		return 0;
	error_set(err, ERR_USAGE, "it is not known which project of the agent this repository is");
	return error_help(err, "name it: mlops hooks install --project NAME; the agent learns of it by: mlops project add NAME DIR");
}

static int find_agent(struct op_context *ctx, const struct js *args, char **ret, struct error *err)
{
	const char *text = js_get_str(args, "to");
	CLEANUP(cleanup_free) char *own = ctx->project ? project_home_path(ctx->project, "agent.sock") : NULL;
	struct address address;

	if (!text)
		text = getenv("MLOPS_AGENT");
	if (!text || !*text) {
		*ret = own ? xasprintf("unix:%s", own) : NULL;
		if (*ret)
			return 0;
		error_set(err, ERR_USAGE, "it is not known where the agent is");
		return error_help(err, "say it: mlops hooks install --to http://HOST:5000, or --to unix:DIR/.mlops/agent.sock");
	}
	if (address_parse(text, &address, err) < 0)
		return -1;
	*ret = xstrdup(address.name);
	address_release(&address);
	return 0;
}

static int find_command(char **ret, struct error *err)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		return error_set(err, ERR_ENV, "cannot tell where this program is");
	*ret = xstrndup(path, (size_t)n);
	return 0;
}

static int configure(struct op_context *ctx, const struct told *t, struct error *err)
{
	const struct {
		const char *key, *value;
	} values[] = {
		{ "directory", ctx->project ? ctx->project->root : NULL },
		{ "project", t->project },
		{ "agent", t->agent },
		{ "command", t->command }, /* last: without it the scripts do nothing */
	};

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (hook_config_set(ctx->dir, values[i].key, values[i].value, err) < 0)
			return -1;
	return 0;
}

/* hooks.install {project, to} -> {repository, project, agent, shared, hooks[]} */
int op_hooks_install(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct hook_place place CLEANUP(hook_place_release) = { 0 };
	struct told told CLEANUP(told_release) = { 0 };
	struct js *hooks;

	if (hook_place_find(ctx->dir, &place, err) < 0 || find_project(ctx, args, &told.project, err) < 0 ||
	    find_agent(ctx, args, &told.agent, err) < 0 || find_command(&told.command, err) < 0 ||
	    hook_files_put(&place, &hooks, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "repository", place.repository);
	js_set_str(*ret_result, "project", told.project);
	js_set_str(*ret_result, "agent", told.agent);
	js_set_bool(*ret_result, "shared", place.shared);
	js_set(*ret_result, "hooks", hooks);
	return configure(ctx, &told, err);
}

/* ---- remove ---- */

/* hooks.remove {} -> {repository, shared, hooks[]} */
int op_hooks_remove(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	static const char *const keys[] = { "command", "agent", "project", "directory" };
	struct hook_place place CLEANUP(hook_place_release) = { 0 };
	struct js *hooks;

	(void)args;
	if (hook_place_find(ctx->dir, &place, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (hook_config_set(ctx->dir, keys[i], NULL, err) < 0)
			return -1;
	if (hook_files_remove(&place, &hooks, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "repository", place.repository);
	js_set_bool(*ret_result, "shared", place.shared);
	js_set(*ret_result, "hooks", hooks);
	return 0;
}

/* ---- run ---- */

/* "LOCAL-REF LOCAL-COMMIT REMOTE-REF REMOTE-COMMIT": all zeros delete. */
static bool sends_commits(const struct strbuf *lines)
{
	for (const char *line = lines->buf; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *commit = line + strcspn(line, " \n");

		if (*commit == ' ' && commit[1 + strspn(commit + 1, "0")] != ' ')
			return true;
	}
	return false;
}

/* Commits name data by digest: who fetches them must find it. */
static int before_push(struct op_context *ctx, const struct strbuf *lines, struct js **ret_push, struct error *err)
{
	struct remotes remotes CLEANUP(remotes_release) = { 0 };
	CLEANUP_JS struct js *none = js_object();

	if (!ctx->project || !sends_commits(lines))
		return 0;
	if (remotes_load(ctx, NULL, &remotes, err) < 0)
		return -1;
	if (!remotes.len || op_call(op_find("data.push"), ctx, none, ret_push, err) == 0)
		return 0;
	error_wrap(err, "the data did not reach its remote, so the commits stay here");
	return *err->help ? -1 : error_help(err, "push without it: git push --no-verify");
}

static int run_hook(struct op_context *ctx, const char *hook, struct js *notes, struct js **ret_push, struct error *err)
{
	CLEANUP_STRBUF struct strbuf lines = STRBUF_INIT;

	if (!strcmp(hook, "post-commit"))
		return hook_after_commit(ctx->dir, notes, err);
	if (ctx->read(ctx->ctx, "what git tells the hook", INPUT_MAX, &lines, err) < 0)
		return -1;
	if (!strcmp(hook, "pre-push"))
		return before_push(ctx, &lines, ret_push, err);
	return hook_after_receive(ctx->dir, &lines, notes, err);
}

/* hooks.run {hook, args[]} -> {hook, notes[], push{}} */
int op_hooks_run(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *notes = js_array(), *push = NULL;
	const char *hook = js_get_str(args, "hook");

	if (run_hook(ctx, hook, notes, &push, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "hook", hook);
	js_set(*ret_result, "notes", steal(&notes));
	if (push)
		js_set(*ret_result, "push", steal(&push));
	return 0;
}
