/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/checkout.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/submit.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "registry/git.h"
#include "registry/project.h"
#include "registry/projects.h"
#include "registry/satellite.h"

#define FETCH_MS    (30 * 60 * 1000)
#define LOCAL_MS    (10 * 60 * 1000)
#define OUTPUT_MAX  (1u << 20)
#define HEX_MAX     64 /* of a commit */
#define FETCHED     "refs/mlops/fetched"

/* ---- git ---- */

/* What git says is told, so stderr is read, too; the words reach git as they are. */
static const char *const head[] = {
	"/bin/sh", "-c", "exec \"$@\" 2>&1", "sh", "git",
	"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "submodule.recurse=false",
	"-c", "core.askPass=", "-c", "advice.detachedHead=false",
};

/* The line that says what went wrong. */
static char *last_words(const struct strbuf *out)
{
	static const char *const marks[] = { "fatal: ", "error: " };
	const char *at = NULL, *line;
	char *words;

	for (size_t i = 0; !at && i < ARRAY_LEN(marks); i++)
		if ((line = strstr(out->buf, marks[i])))
			at = line + strlen(marks[i]);
	at = at ? at : out->buf;
	words = xstrndup(at, strcspn(at, "\r\n"));
	for (char *c = words; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return words;
}

static int git(const char *const *words, int timeout_ms, const char *what, struct strbuf *out, struct error *err)
{
	CLEANUP(cleanup_free) const char **argv = NULL;
	CLEANUP(cleanup_free) char *said = NULL;
	size_t n = 0;
	int status;

	while (words[n])
		n++;
	argv = xcalloc(ARRAY_LEN(head) + n + 1, sizeof(*argv));
	memcpy(argv, head, sizeof(head));
	memcpy(argv + ARRAY_LEN(head), words, n * sizeof(*argv));
	status = process_capture(argv, "/", timeout_ms, OUTPUT_MAX, out, err);
	if (status < 0)
		return error_wrap(err, "cannot %s", what);
	if (status == 0)
		return 0;
	said = last_words(out);
	if (status == 127)
		error_set(err, ERR_ENV, "cannot %s: there is no git program", what);
	else
		error_set(err, ERR_ENV, "cannot %s: %s", what, *said ? said : "git failed and said nothing");
	return error_help(err, status == 127 ? "install git for the agent's user" :
					       "try it as the agent's user: git ls-remote, with the same source");
}

/* Of the process, which is for this run alone: what a caller's environment says of some other repository must not
 * count. */
static void set_environment(const char *protocols)
{
	static const char *const dropped[] = { "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
					       "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_EXEC_PATH",
					       "GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "SSH_ASKPASS" };

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		unsetenv(dropped[i]);
	setenv("GIT_TERMINAL_PROMPT", "0", 1);
	setenv("GIT_ALLOW_PROTOCOL", protocols, 1);
	setenv("GIT_SSH_COMMAND", "ssh -oBatchMode=yes", 0);
	setenv("LC_ALL", "C.UTF-8", 1);
}

/* ---- of a repository ---- */

static int make_mirror(struct project *p, const char *name, char **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *part = xasprintf("mirrors/%s.git", name);
	CLEANUP(cleanup_free) char *path = project_home_path(p, part);
	const char *const words[] = { "init", "-q", "--bare", "--template=", path, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	if (fs_make_dirs(p->homefd, "mirrors", 0700, err) < 0 || git(words, LOCAL_MS, "make a mirror", &out, err) < 0)
		return -1;
	*ret = steal(&path);
	return 0;
}

static int fetch(const char *mirror, const char *source, const char *branch, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	CLEANUP(cleanup_free) char *refs = branch ? xasprintf("+refs/heads/%s:" FETCHED, branch) : xstrdup("+HEAD:" FETCHED);
	CLEANUP(cleanup_free) char *what = xasprintf("fetch %s", source);
	const char *const words[] = { dir, "fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", source, refs, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	return git(words, FETCH_MS, what, &out, err);
}

static int read_commit(const char *mirror, char ret[HEX_MAX + 1], struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	const char *const words[] = { dir, "rev-parse", "--verify", FETCHED "^{commit}", NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	size_t len;

	if (git(words, LOCAL_MS, "read what was fetched", &out, err) < 0)
		return -1;
	len = strspn(out.buf, "0123456789abcdef");
	if (len < 40 || len > HEX_MAX)
		return error_set(err, ERR_ENV, "git names no commit in what was fetched");
	memcpy(ret, out.buf, len);
	ret[len] = '\0';
	return 0;
}

static int write_files(const char *mirror, const char *tree, const char *index, const char *commit, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	CLEANUP(cleanup_free) char *work = xasprintf("--work-tree=%s", tree);
	const char *const words[] = { "-C", tree, dir, work, "read-tree", "-u", "--reset", commit, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	int r;

	setenv("GIT_INDEX_FILE", index, 1);
	r = git(words, FETCH_MS, "check the files out", &out, err); /* LFS may fetch */
	unsetenv("GIT_INDEX_FILE");
	unlink(index);
	return r;
}

static struct js *code_json(const char *commit, const char *branch, const char *source)
{
	struct code_version code = { .branch = branch ? xstrdup(branch) : NULL, .remote = xstrdup(source) };
	const struct content none = { .kind = CONTENT_ABSENT };
	struct js *json;

	snprintf(code.commit, sizeof(code.commit), "%s", commit);
	json = satellite_code_json(&code, &none);
	code_version_release(&code);
	return json;
}

static int fill_from_git(struct project *p, const struct js *row, const char *tree, const char *index, struct js **ret_code,
			 struct error *err)
{
	const char *name = js_get_str(row, "name"), *source = js_get_str(row, "source"), *branch = js_get_str(row, "branch");
	CLEANUP(cleanup_free) char *lock_name = xasprintf("mirror-%s", name);
	CLEANUP(cleanup_free) char *mirror = NULL;
	CLEANUP(cleanup_fd) int lock = lock_take(p->locksfd, lock_name, LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
	char commit[HEX_MAX + 1];

	if (lock < 0 || make_mirror(p, name, &mirror, err) < 0 || fetch(mirror, source, branch, err) < 0 ||
	    read_commit(mirror, commit, err) < 0 || write_files(mirror, tree, index, commit, err) < 0)
		return -1;
	*ret_code = code_json(commit, branch, source);
	return 0;
}

/* ---- of a directory ---- */

static bool is_there(const char *dir, const char *name)
{
	CLEANUP(cleanup_free) char *path = path_join(dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool is_repository(const char *dir)
{
	return is_there(dir, ".git") || (is_there(dir, "HEAD") && is_there(dir, "objects") && is_there(dir, "refs"));
}

static int copy_files(const char *dir, const char *tree, struct error *err)
{
	static const char *const cp[] = { "/bin/sh", "-c", "exec \"$@\" 2>&1", "sh", "cp", "-r", "-P", "--preserve=mode,timestamps",
					  "--reflink=auto", "-t" };
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_free) const char **argv = NULL;
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	size_t n = ARRAY_LEN(cp);
	int status;

	if (fs_list_dir(AT_FDCWD, dir, &names, err) < 0)
		return -1;
	argv = xcalloc(n + names.len + 3, sizeof(*argv));
	memcpy(argv, cp, sizeof(cp));
	argv[n++] = tree;
	argv[n++] = "--";
	for (size_t i = 0; i < names.len; i++)
		if (strcmp(names.items[i], ".mlops") != 0 && strcmp(names.items[i], ".git") != 0)
			argv[n++] = names.items[i];
	if (!strcmp(argv[n - 1], "--"))
		return 0;
	status = process_capture(argv, dir, LOCAL_MS, OUTPUT_MAX, &out, err);
	if (status <= 0)
		return status;
	return error_set(err, ERR_ENV, "cannot copy the files of %s: %.*s", dir, (int)strcspn(out.buf, "\r\n"), out.buf);
}

static int fill_from_dir(struct project *p, const struct js *row, const char *tree, const char *index, struct js **ret_code,
			 struct error *err)
{
	const char *dir = js_get_str(row, "source");

	if (project_dir_check(p, dir, err) < 0)
		return -1;
	set_environment("file");
	if (is_repository(dir))
		return fill_from_git(p, row, tree, index, ret_code, err);
	if (copy_files(dir, tree, err) < 0)
		return -1;
	*ret_code = code_json("", NULL, dir);
	return 0;
}

/* What is ours in a work tree must not come with somebody's files: it could lead elsewhere. */
static int check_tree(const char *tree, struct error *err)
{
	if (!is_there(tree, ".mlops"))
		return 0;
	error_set(err, ERR_DENIED, "the project brings a .mlops of its own, which holds what is of one machine");
	return error_help(err, "take it out of the repository: git rm -r --cached .mlops");
}

int checkout_fill(struct project *p, const struct js *source, const char *tree, const char *index, struct js **ret_code,
		  struct error *err)
{
	CLEANUP_JS struct js *code = NULL;
	bool dir = !strcmp(js_get_str(source, "kind"), source_kind_name(SOURCE_DIR));

	set_environment("https:ssh");
	if ((dir ? fill_from_dir : fill_from_git)(p, source, tree, index, &code, err) < 0 || check_tree(tree, err) < 0)
		return -1;
	*ret_code = steal(&code);
	return 0;
}
