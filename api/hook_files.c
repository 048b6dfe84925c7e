/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hook_files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"

#define GIT_MS	   10000
#define OUTPUT_MAX (16u << 20)
#define BEFORE	   ".before-mlops"
#define MARK	   "# Made by: mlops hooks install. Taken away, and what was here before put back, by: mlops hooks remove\n"

static const struct hook {
	const char *name;
	bool bare;   /* of bare repositories; else of work trees */
	bool input;  /* git tells it on standard input */
	bool vetoes; /* its exit status counts */
} hooks[] = {
	{ .name = "post-commit" },
	{ .name = "pre-push", .input = true, .vetoes = true },
	{ .name = "post-receive", .bare = true, .input = true },
};

/* ---- git ---- */

int hook_git(const char *dir, const char *const *words, struct strbuf *ret, struct error *err)
{
	const char *argv[24] = { "git" };
	size_t n = 1;
	int status;

	while (*words && n < ARRAY_LEN(argv) - 1)
		argv[n++] = *words++;
	status = process_capture(argv, dir, GIT_MS, OUTPUT_MAX, ret, err);
	if (status == 127) {
		error_set(err, ERR_ENV, "there is no git program");
		return error_help(err, "install git");
	}
	return status;
}

int hook_config_get(const char *dir, const char *key, char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("mlops.%s", key);
	const char *const words[] = { "config", "--get", name, NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int status = hook_git(dir, words, &text, err);

	if (status < 0)
		return -1;
	*ret = status == 0 ? xstrndup(text.buf, strcspn(text.buf, "\n")) : NULL;
	return 0;
}

int hook_config_set(const char *dir, const char *key, const char *value, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("mlops.%s", key);
	const char *const set[] = { "config", "--local", "--replace-all", name, value, NULL };
	const char *const unset[] = { "config", "--local", "--unset-all", name, NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int status = hook_git(dir, value ? set : unset, &text, err);

	if (status < 0)
		return -1;
	/* 5: there was none to unset */
	return !status || (!value && status == 5) ? 0 : error_set(err, ERR_ENV, "git cannot write %s into its configuration", name);
}

/* ---- where they are ---- */

void hook_place_release(struct hook_place *place)
{
	free(place->repository);
	free(place->dir);
	*place = (struct hook_place){ 0 };
}

static char *next_line(const char **at)
{
	size_t len = strcspn(*at, "\n");
	char *line = xstrndup(*at, len);

	*at += len + ((*at)[len] == '\n');
	return line;
}

/* Of the user, or of the machine: other repositories have it, too. */
static int look_whose(const char *dir, bool *ret_shared, struct error *err)
{
	static const char *const words[] = { "config", "--show-scope", "--get", "core.hooksPath", NULL };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	int status = hook_git(dir, words, &text, err);

	if (status < 0)
		return -1;
	*ret_shared = status == 0 && strncmp(text.buf, "local", 5) != 0 && strncmp(text.buf, "worktree", 8) != 0;
	return 0;
}

int hook_place_find(const char *dir, struct hook_place *ret, struct error *err)
{
	static const char *const words[] = { "rev-parse", "--path-format=absolute", "--is-bare-repository", "--git-common-dir",
					     "--git-path", "hooks", NULL };
	struct hook_place place CLEANUP(hook_place_release) = { 0 };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_free) char *bare = NULL;
	int status = hook_git(dir, words, &text, err);
	const char *at = text.buf;

	if (status < 0)
		return -1;
	if (status) {
		error_set(err, ERR_NOT_FOUND, "%s is in no git repository that git takes", dir);
		return error_help(err, "make one by: git init; or see what git says by: git status");
	}
	bare = next_line(&at);
	place.bare = !strcmp(bare, "true");
	place.repository = next_line(&at);
	place.dir = next_line(&at);
	if (look_whose(dir, &place.shared, err) < 0)
		return -1;
	*ret = place;
	place = (struct hook_place){ 0 };
	return 0;
}

/* ---- scripts ---- */

/* Git's own words for "this repository" must not reach what works in another directory. */
#define FORGET "unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_COMMON_DIR GIT_OBJECT_DIRECTORY\n"

static void write_script(const struct hook *hook, struct strbuf *ret)
{
	const char *feed = hook->input ? "printf '%s' \"${input:+$input\n}\" | " : "";

	strbuf_puts(ret, "#!/bin/sh\n" MARK);
	if (hook->input)
		strbuf_puts(ret, "input=$(cat)\n");
	strbuf_printf(ret, "if [ -x \"$0" BEFORE "\" ]; then\n\t%s\"$0" BEFORE "\" \"$@\"%s\nfi\n", feed,
		      hook->vetoes ? " || exit" : "");
	strbuf_puts(ret, "mlops=$(git config --get mlops.command) || exit 0\n");
	strbuf_puts(ret, "directory=$(git config --get mlops.directory) || directory=.\n");
	strbuf_printf(ret,
		      "if [ ! -x \"$mlops\" ]; then\n"
		      "\techo \"mlops: hook %s does nothing: there is no $mlops; mlops hooks install sets it anew\" >&2\n"
		      "\texit 0\nfi\n" FORGET,
		      hook->name);
	if (hook->vetoes)
		strbuf_printf(ret, "%s\"$mlops\" -C \"$directory\" hooks run %s \"$@\"\n", feed, hook->name);
	else
		strbuf_printf(ret, "%s\"$mlops\" hooks run %s || exit 0\n", feed, hook->name);
}

/* 1 ours, 0 somebody's or none, -1. */
static int is_ours(const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[256] = "";
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : error_sys(err, errno, "cannot open %s", path);
	n = read(fd, text, sizeof(text) - 1);
	return n < 0 ? error_sys(err, errno, "cannot read %s", path) : strstr(text, MARK) != NULL;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* ---- putting and taking ---- */

static int keep_old(const char *path, const char *before, struct error *err)
{
	if (!is_there(path))
		return 0;
	if (is_there(before)) {
		error_set(err, ERR_CONFLICT, "%s is not ours, and %s is there already", path, before);
		return error_help(err, "put one of them away; the second would run before ours");
	}
	return io_rename(AT_FDCWD, path, AT_FDCWD, before, err);
}

static int write_hook(const struct hook *hook, const char *path, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	write_script(hook, &text);
	return io_replace_file(AT_FDCWD, path, text.buf, text.len, 0755, true, err);
}

static int put_one(const struct hook_place *place, const struct hook *hook, struct js *list, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_join(place->dir, hook->name);
	CLEANUP(cleanup_free) char *before = xasprintf("%s" BEFORE, path);
	struct js *json;
	int ours = is_ours(path, err);

	if (ours < 0 || (!ours && keep_old(path, before, err) < 0) || write_hook(hook, path, err) < 0)
		return -1;
	json = js_object();
	js_set_str(json, "name", hook->name);
	js_set_str(json, "path", path);
	js_set_bool(json, "chained", is_there(before));
	js_push(list, json);
	return 0;
}

int hook_files_put(const struct hook_place *place, struct js **ret_hooks, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();

	if (io_mkdir(AT_FDCWD, place->dir, 0777, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(hooks); i++)
		if (hooks[i].bare == place->bare && put_one(place, &hooks[i], list, err) < 0)
			return -1;
	*ret_hooks = steal(&list);
	return 0;
}

static int remove_one(const struct hook_place *place, const struct hook *hook, struct js *list, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_join(place->dir, hook->name);
	CLEANUP(cleanup_free) char *before = xasprintf("%s" BEFORE, path);
	bool restored = is_there(before);
	struct js *json;
	int ours = is_ours(path, err);

	if (ours <= 0)
		return ours;
	if ((restored ? io_rename(AT_FDCWD, before, AT_FDCWD, path, err) : io_unlink(AT_FDCWD, path, err)) < 0)
		return -1;
	json = js_object();
	js_set_str(json, "name", hook->name);
	js_set_str(json, "path", path);
	js_set_bool(json, "restored", restored);
	js_push(list, json);
	return 0;
}

int hook_files_remove(const struct hook_place *place, struct js **ret_hooks, struct error *err)
{
	CLEANUP_JS struct js *list = js_array();

	for (size_t i = 0; !place->shared && i < ARRAY_LEN(hooks); i++)
		if (remove_one(place, &hooks[i], list, err) < 0)
			return -1;
	*ret_hooks = steal(&list);
	return 0;
}
