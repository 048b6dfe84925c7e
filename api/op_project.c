/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "api/guess.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"
#include "registry/git.h"
#include "registry/project.h"
#include "registry/signing_keys.h"

#define PIPELINE_FILE "pipeline.ini"

int op_version(struct op_context *ctx, const struct js *args, struct js **ret_result,
	       struct error *err)
{
	struct js *result = js_object();

	(void)ctx;
	(void)args;
	(void)err;
	js_set_str(result, "name", "mlops");
	js_set_str(result, "version", MLOPS_VERSION);
	*ret_result = result;
	return 0;
}

/* -- init -- */

static int make_dirs(const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *part = xstrdup(path);

	for (char *slash = part + 1; slash; *slash++ = '/') {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(part, 0777) && errno != EEXIST)
			return error_sys(err, errno, "cannot make the directory %s", part);
		if (!slash)
			return 0;
	}
	return 0;
}

/* Where the project shall be: args' dir, seen from where the user stands. */
static char *init_dir(const struct op_context *ctx, const struct js *args)
{
	const char *dir = js_get_str(args, "dir");

	if (!dir)
		return xstrdup(ctx->dir);
	return *dir == '/' ? xstrdup(dir) : path_join(ctx->dir, dir);
}

static void note(struct js *result, const char *text)
{
	js_push_str(js_get(result, "notes"), text);
}

static struct js *list_json(const struct strlist *list)
{
	struct js *json = js_array();

	for (size_t i = 0; i < list->len; i++)
		js_push_str(json, list->items[i]);
	return json;
}

/* Git is a help, not a condition: what it refuses becomes a note. */
static void init_git(const char *root, const struct guess *guess, struct js *result)
{
	struct error refused = { 0 };
	char branch[256];
	int failed = git_setup_attributes(root, &refused);

	if (!failed && guess->out.len)
		failed = git_ignore_paths(root, (const char *const *)guess->out.items,
					  guess->out.len, &refused);
	if (failed) {
		CLEANUP(cleanup_free) char *text =
			xasprintf("%s%s%s", refused.msg, *refused.help ? "; " : "", refused.help);

		note(result, text);
		return;
	}
	git_branch(root, branch, sizeof(branch));
	if (!*branch)
		note(result,
		     "no git branch here: runs will not record which code they ran; run: git init");
}

static void init_leftovers(int rootfd, struct js *result)
{
	static const struct {
		const char *path, *text;
	} left[] = {
		{ "mlruns", "mlruns/ holds records of MLflow; they stay as they are, new runs are "
			    "kept in .mlops" },
		{ "mlflow.db",
		  "mlflow.db holds records of MLflow; they stay as they are, new runs are kept in "
		  ".mlops" },
		{ "dvc.yaml", "dvc.yaml is a pipeline of DVC; it stays as it is, pipeline.ini is "
			      "read instead" },
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		if (!fstatat(rootfd, left[i].path, &st, AT_SYMLINK_NOFOLLOW))
			note(result, left[i].text);
}

/* Writes pipeline.ini when there is none and something to write; *ret_guess says what. */
static int init_pipeline(int rootfd, const char *root, struct guess *ret_guess, struct js *result,
			 struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct stat st;
	struct js *json;

	*ret_guess = (struct guess){ 0 };
	if (!fstatat(rootfd, PIPELINE_FILE, &st, AT_SYMLINK_NOFOLLOW)) {
		js_set_bool(result, "has_pipeline", true);
		return 0;
	}
	guess_files(rootfd, ret_guess);
	if (!ret_guess->script) {
		js_set_bool(result, "has_pipeline", false);
		return 0;
	}
	guess_write(ret_guess, path_base(root), &text);
	if (io_replace_file(rootfd, PIPELINE_FILE, text.buf, text.len, 0666, true, err))
		return -1;
	json = js_object();
	js_set_str(json, "file", PIPELINE_FILE);
	js_set_str(json, "step", ret_guess->step);
	js_set_str(json, "cmd", ret_guess->cmd);
	js_set(json, "in", list_json(&ret_guess->in));
	js_set(json, "out", list_json(&ret_guess->out));
	js_set(json, "metrics", list_json(&ret_guess->metrics));
	js_set(result, "wrote", json);
	js_set_bool(result, "has_pipeline", true);
	return 0;
}

static void init_next(const struct js *args, struct js *result)
{
	const char *dir = js_get_str(args, "dir");
	bool ready = js_get_bool(result, "has_pipeline");
	CLEANUP(cleanup_free) char *next = NULL;

	if (!ready)
		next = xasprintf("write a script such as train.py%s%s, then: mlops init%s%s",
				 dir ? " into " : "", dir ? dir : "", dir ? " " : "",
				 dir ? dir : "");
	else
		next = xasprintf("%s%s%smlops run", dir ? "cd " : "", dir ? dir : "",
				 dir ? " && " : "");
	js_set_str(result, "next", next);
}

/* A project inside another one is legal and nearly always a mistake. */
static void init_nested(const char *root, struct js *result)
{
	CLEANUP(cleanup_free) char *above = path_join(root, "..");
	struct project *outer = NULL;
	CLEANUP(cleanup_free) char *text = NULL;

	if (project_open(above, &outer, NULL))
		return;
	text = xasprintf("this lies inside the project %s", outer->root);
	note(result, text);
	project_close(outer);
}

/* The first event of the audit log is the key that it is signed with. */
static int init_key(const char *root, struct error *err)
{
	struct project *p;
	int r;

	if (project_open(root, &p, err) < 0)
		return -1;
	r = signing_keys_begin(p, err);
	project_close(p);
	return r;
}

int op_init(struct op_context *ctx, const struct js *args, struct js **ret_result,
	    struct error *err)
{
	CLEANUP(cleanup_free) char *dir = init_dir(ctx, args), *root = NULL;
	CLEANUP(guess_release) struct guess guess = { 0 };
	CLEANUP(cleanup_fd) int rootfd = -1;
	CLEANUP_JS struct js *result = js_object();
	bool made;

	if (make_dirs(dir, err))
		return -1;
	root = realpath(dir, NULL);
	rootfd = root ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (rootfd < 0)
		return error_sys(err, errno, "cannot open the directory %s", dir);
	if (project_create(root, &made, err) || init_key(root, err))
		return -1;
	js_set_str(result, "root", root);
	js_set_bool(result, "created", made);
	js_set(result, "notes", js_array());
	if (init_pipeline(rootfd, root, &guess, result, err))
		return -1;
	init_git(root, &guess, result);
	if (made)
		init_nested(root, result);
	init_leftovers(rootfd, result);
	init_next(args, result);
	*ret_result = steal(&result);
	return 0;
}

/* -- config -- */

static char *env_name(enum setting id)
{
	char *name = xasprintf("MLOPS_%s", setting_defs[id].key);

	for (char *c = name; *c; c++)
		*c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

static struct js *setting_json(const struct settings *settings, enum setting id)
{
	CLEANUP(cleanup_free) char *env = env_name(id);
	struct js *json = js_object();

	js_set_str(json, "key", setting_defs[id].key);
	js_set_str(json, "value", settings_get(settings, id));
	js_set_str(json, "default", setting_defs[id].fallback);
	js_set_str(json, "origin", getenv(env) ? env : settings->values[id] ? "file" : "default");
	js_set_str(json, "help", setting_defs[id].help);
	return json;
}

static int config_set(struct op_context *ctx, enum setting id, const char *value, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (value && settings_check(id, value, err))
		return -1;
	if (value && *value && id == SETTING_UI_PAGER) {
		error_set(err, ERR_USAGE,
			  "a project's settings cannot name a program to run: %s = %s",
			  setting_defs[id].key, value);
		return error_help(err, "set MLOPS_UI_PAGER or PAGER in the environment; in the "
				       "project it can only be switched off: mlops config ui.pager ''");
	}
	path = project_home_path(ctx->project, "config.ini");
	if (settings_store(path, id, value, err))
		return -1;
	return settings_load(&ctx->project->settings, path, err);
}

/* Without a project the defaults and the environment can still be read; a project that cannot be
 * opened is an error. */
static int config_find(struct op_context *ctx, bool change, struct settings *outside,
		       const struct settings **ret, struct error *err)
{
	struct error why = { 0 };

	*ret = outside;
	if (ctx->project) {
		CLEANUP(cleanup_free) char *path = project_home_path(ctx->project, "config.ini");

		/* an agent's may have been open for long */
		*ret = &ctx->project->settings;
		return settings_load(&ctx->project->settings, path, err);
	}
	if (project_open(ctx->dir, &ctx->project, &why) && why.code == ERR_NOT_FOUND && !change)
		return settings_load(outside, "", err);
	if (err)
		*err = why;
	return -1;
}

/* "KEY=VALUE" for "KEY VALUE", or a verb where there is none. */
static int help_key(const char *key, const char *value, struct error *err)
{
	const char *equals = strchr(key, '=');
	CLEANUP(cleanup_free) char *name = equals ? xstrndup(key, (size_t)(equals - key)) : NULL;
	enum setting id;

	if (equals && !settings_find(name, &id, NULL))
		return error_help(err, "run: mlops config %s VALUE", name);
	if (!strcmp(key, "set") || !strcmp(key, "get") || !strcmp(key, "list"))
		return error_help(err, "there is no verb: mlops config %s", value ? value : "[KEY [VALUE]]");
	return -1;
}

int op_config(struct op_context *ctx, const struct js *args, struct js **ret_result,
	      struct error *err)
{
	CLEANUP(settings_release) struct settings outside = { 0 };
	const char *key = js_get_str(args, "key"), *value = js_get_str(args, "value");
	bool unset = js_get_bool(args, "unset");
	const struct settings *settings;
	enum setting id = SETTING_COUNT;
	struct js *list;

	if (unset && (!key || value))
		return error_set(err, ERR_USAGE, "--unset needs a KEY and no VALUE");
	if (value && !key)
		return error_set(err, ERR_USAGE, "a VALUE needs its KEY");
	if (key && settings_find(key, &id, err))
		return help_key(key, value, err);
	if (config_find(ctx, unset || value, &outside, &settings, err))
		return -1;
	if ((unset || value) && config_set(ctx, id, value, err))
		return -1;
	*ret_result = js_object();
	list = js_array();
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (!key || i == id)
			js_push(list, setting_json(settings, (enum setting)i));
	js_set_bool(*ret_result, "changed", unset || value);
	js_set_bool(*ret_result, "one", key);
	js_set(*ret_result, "settings", list);
	return 0;
}
