/* SPDX-License-Identifier: Apache-2.0 */
/* project add, list and rm: what an agent may be asked to run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "api/ops.h"
#include "api/submit.h"
#include "base/clock.h"
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/forge.h"
#include "registry/events.h"
#include "registry/project.h"
#include "registry/projects.h"
#include "registry/secrets.h"

static int record(struct op_context *ctx, struct db *db, const char *operation, const char *name, const struct js *body,
		  struct error *err)
{
	const struct event event = {
		.actor = op_actor(ctx),
		.origin = ctx->origin,
		.operation = operation,
		.subject = name,
		.body = body,
	};

	return event_append(db, &event, clock_wall_ms(), NULL, err);
}

/* ---- directories ---- */

static bool is_below(const char *outer, const char *inner)
{
	CLEANUP(cleanup_free) char *real = realpath(outer, NULL);

	return real && (!strcmp(real, "/") || path_contains(real, inner));
}

int project_dir_check(const struct project *p, const char *dir, struct error *err)
{
	const char *list = settings_get(&p->settings, SETTING_AGENT_DIRS);

	if (!strcmp(dir, p->top))
		return 0;
	while (*list) {
		size_t len = strcspn(list, ":");
		CLEANUP(cleanup_free) char *allowed = xstrndup(list, len);

		if (*allowed == '/' && is_below(allowed, dir))
			return 0;
		list += len + (list[len] == ':');
	}
	error_set(err, ERR_DENIED, "the agent may not take files of %s", dir);
	return error_help(err, "its operator allows directories by: mlops config agent.dirs /DIR:/DIR");
}

/* A directory as it was typed is one of the machine of who types: only there it may be relative. */
static char *as_typed(const struct op_context *ctx, const char *text)
{
	bool relative = *text != '/' && *text != '-' && !strchr(text, ':');
	struct stat st;
	char *path;

	if (!relative || strcmp(ctx->origin, "cli") != 0)
		return xstrdup(text);
	path = xasprintf("%s/%s", ctx->dir, text);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return path;
	free(path);
	return xstrdup(text);
}

/* The directory without symlinks, that it is one, and allowed. */
static int check_dir(const struct project *p, char **source, struct error *err)
{
	char *real = realpath(*source, NULL);
	struct stat st;

	if (!real)
		return error_sys(err, errno, "cannot find the directory %s", *source);
	free(*source);
	*source = real;
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(err, ERR_USAGE, "%s is not a directory", real);
	return project_dir_check(p, real, err);
}

static int check_place(const struct project *p, struct project_row *row, char **source, bool here, struct error *err)
{
	if (row->kind == SOURCE_DIR && check_dir(p, source, err) < 0)
		return -1;
	if (!here)
		return 0;
	if (row->kind != SOURCE_DIR || strcmp(*source, p->top) != 0) {
		error_set(err, ERR_USAGE, "--no-checkout is for the agent's own work tree, %s", p->top);
		return error_help(err, "without it each run has a checkout of its own");
	}
	if (row->branch)
		return error_set(err, ERR_USAGE, "--no-checkout and --branch exclude each other");
	row->kind = SOURCE_HERE;
	return 0;
}

/* ---- forges ---- */

/* What of args names the forge, as canonical JSON; *ret stays NULL when nothing does. */
static int read_forge(const struct js *args, char **ret, struct error *err)
{
	static const char *const keys[][2] = {
		{ "kind", "forge" }, { "url", "forge_url" }, { "repo", "forge_repo" }, { "secret", "forge_secret" }
	};
	struct forge forge CLEANUP(forge_release) = { 0 };
	CLEANUP_JS struct js *config = js_object();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	const char *secret = js_get_str(args, "forge_secret"), *fault;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		js_set_str(config, keys[i][0], js_get_str(args, keys[i][1]));
	if (!js_len(config))
		return 0;
	if (!js_get_str(args, "forge"))
		return error_set(err, ERR_USAGE, "which forge is it? Say --forge github, gitea or gitlab");
	if (forge_read(config, &forge, err) < 0)
		return -1;
	fault = secret ? secret_name_fault(secret) : NULL;
	if (!secret || fault) {
		error_set(err, ERR_USAGE, secret ? "--forge-secret '%.100s' %s" : "--forge needs a token", secret, fault);
		return error_help(err, "keep it as a secret: mlops secret add FORGE_TOKEN; then: --forge-secret FORGE_TOKEN");
	}
	js_dump(config, JS_CANONICAL, &text);
	*ret = strbuf_detach(&text);
	return 0;
}

/* ---- the operations ---- */

static int store_row(struct op_context *ctx, const struct project_row *row, struct error *err)
{
	CLEANUP_JS struct js *body = js_object();
	struct db *db;
	int r;

	js_set_str(body, "source", row->source);
	js_set_str(body, "branch", row->branch);
	js_set_bool(body, "allow_local", row->allow_local);
	js_set_str(body, "forge", row->forge);
	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	r = project_row_add(db, row, err);
	if (r < 0 || (r > 0 && record(ctx, db, "project.add", row->name, body, err) < 0)) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err) < 0 ? -1 : r;
}

/* project.add {name, source, branch, allow_local, no_checkout, forge, forge_url, forge_repo, forge_secret} -> {name, kind, source, branch, allow_local, added} */
int op_project_add(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(cleanup_free) char *typed = as_typed(ctx, js_get_str(args, "source"));
	CLEANUP(cleanup_free) char *source = NULL, *forge = NULL;
	struct project_row row = {
		.name = js_get_str(args, "name"),
		.branch = js_get_str(args, "branch"),
		.allow_local = js_get_bool(args, "allow_local"),
		.actor = op_actor(ctx),
		.created_ms = clock_wall_ms(),
	};
	const char *fault = project_name_fault(row.name);
	int r;

	if (fault)
		return error_set(err, ERR_USAGE, "project name '%.100s' %s", row.name, fault);
	fault = row.branch ? branch_name_fault(row.branch) : NULL;
	if (fault)
		return error_set(err, ERR_USAGE, "branch '%.100s' %s", row.branch, fault);
	if (source_parse(typed, &row.kind, &source, err) < 0 || read_forge(args, &forge, err) < 0 ||
	    check_place(ctx->project, &row, &source, js_get_bool(args, "no_checkout"), err) < 0)
		return -1;
	row.source = source;
	row.forge = forge;
	r = store_row(ctx, &row, err);
	if (r < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", row.name);
	js_set_str(*ret_result, "kind", source_kind_name(row.kind));
	js_set_str(*ret_result, "source", row.source);
	js_set_str(*ret_result, "branch", row.branch);
	js_set_bool(*ret_result, "allow_local", row.allow_local);
	js_set_bool(*ret_result, "added", r > 0);
	return 0;
}

/* project.list -> {projects: [...]} */
int op_project_list(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct js *rows;
	struct db *db;

	(void)args;
	if (project_db(ctx->project, &db, err) < 0 || project_rows(db, &rows, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set(*ret_result, "projects", rows);
	return 0;
}

/* project.rm {name} -> {name}. Runs that were asked for before have what they need no more, and fail. */
int op_project_rm(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *name = js_get_str(args, "name");
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || db_begin(db, err) < 0)
		return -1;
	if (project_row_remove(db, name, err) < 0 || record(ctx, db, "project.rm", name, NULL, err) < 0) {
		db_rollback(db);
		return -1;
	}
	if (db_commit(db, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", name);
	return 0;
}
