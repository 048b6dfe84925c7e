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
#define FETCHED     "refs/mlops/fetched" /* the default branch */
#define WANTED      "refs/mlops/wanted"

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

/* git reads what a ref may not hold as patterns and ranges. */
static int check_want(const struct checkout_want *want, struct error *err)
{
	const char *ref = want->ref, *commit = want->commit;
	size_t len = commit ? strlen(commit) : 40;

	if (ref && (strncmp(ref, "refs/", 5) != 0 || strpbrk(ref, " ~^:?*[\\\t\r\n\x7f") || strstr(ref, "..") || strstr(ref, "@{")))
		return error_set(err, ERR_USAGE, "'%.100s' is no ref of a repository", ref);
	if ((len != 40 && len != HEX_MAX) || (commit && commit[strspn(commit, "0123456789abcdef")]))
		return error_set(err, ERR_USAGE, "'%.100s' is no commit", commit);
	return 0;
}

/* The default branch, and, when it is not NULL, another ref or commit. */
static int fetch(const char *mirror, const char *source, const char *branch, const char *other, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	CLEANUP(cleanup_free) char *refs = branch ? xasprintf("+refs/heads/%s:" FETCHED, branch) : xstrdup("+HEAD:" FETCHED);
	CLEANUP(cleanup_free) char *more = other ? xasprintf("+%s:" WANTED, other) : NULL;
	CLEANUP(cleanup_free) char *what = xasprintf("fetch %s%s%s", other ? other : "", other ? " of " : "", source);
	const char *const words[] = { dir, "fetch", "-q", "--no-tags", "--no-recurse-submodules", "--", source, refs, more, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	return git(words, FETCH_MS, what, &out, err);
}

static int read_commit(const char *mirror, const char *revision, char ret[HEX_MAX + 1], struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	CLEANUP(cleanup_free) char *commit = xasprintf("%s^{commit}", revision);
	const char *const words[] = { dir, "rev-parse", "--verify", "-q", commit, NULL };
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

/* Who pushed with force took the commit from its ref; the repository may still give it away by its name. */
static int fetch_commit(const char *mirror, const char *source, const char *branch, const struct checkout_want *want,
			char ret[HEX_MAX + 1], struct error *err)
{
	const char *tip = want->ref ? WANTED : FETCHED;

	if (fetch(mirror, source, branch, want->ref, err) < 0)
		return -1;
	if (!want->commit)
		return read_commit(mirror, tip, ret, err);
	if (read_commit(mirror, want->commit, ret, NULL) == 0)
		return 0;
	if (fetch(mirror, source, branch, want->commit, NULL) < 0 || read_commit(mirror, want->commit, ret, NULL) < 0)
		return error_set(err, ERR_CONFLICT, "commit %.12s is not in %s any more", want->commit,
				 want->ref ? want->ref : "the repository");
	return 0;
}

/* Into the index, in place of whatever the commit has at this path or above it. */
static int take_trusted(const char *mirror, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	const char *const list[] = { dir, "--literal-pathspecs", "ls-tree", "-z", FETCHED, "--", path, NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, none = STRBUF_INIT;
	CLEANUP(cleanup_free) char *entry = NULL;
	char mode[8], id[HEX_MAX + 1];

	if (git(list, LOCAL_MS, "read the default branch", &out, err) < 0)
		return -1;
	if (sscanf(out.buf, "%7s blob %64[0-9a-f]", mode, id) != 2 || strncmp(mode, "100", 3) != 0) {
		error_set(err, ERR_DENIED, "the default branch has no file %s", path);
		return error_help(err, "code that is not trusted runs by the default branch's pipeline; commit it there");
	}
	entry = xasprintf("%s,%s,%s", mode, id, path);
	const char *const add[] = { dir, "update-index", "--add", "--replace", "--cacheinfo", entry, NULL };

	return git(add, LOCAL_MS, "take the default branch's pipeline", &none, err);
}

static int write_index(const char *mirror, const char *tree, const char *commit, const char *trusted, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("--git-dir=%s", mirror);
	CLEANUP(cleanup_free) char *work = xasprintf("--work-tree=%s", tree);
	const char *const read[] = { dir, "read-tree", commit, NULL };
	const char *const write[] = { "-C", tree, dir, work, "checkout-index", "-a", "-f", NULL };
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	if (git(read, LOCAL_MS, "read the commit", &out, err) < 0 || (trusted && take_trusted(mirror, trusted, err) < 0))
		return -1;
	return git(write, FETCH_MS, "check the files out", &out, err); /* LFS may fetch */
}

static int write_files(const char *mirror, const char *tree, const char *index, const char *commit, const char *trusted,
		       struct error *err)
{
	int r;

	setenv("GIT_INDEX_FILE", index, 1);
	if (trusted)
		setenv("GIT_LFS_SKIP_SMUDGE", "1", 1); /* whose commit is not trusted must not choose where LFS fetches from */
	r = write_index(mirror, tree, commit, trusted, err);
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

/* "main" of refs/heads/main, else the ref; without one the default branch. */
static const char *branch_of(const struct checkout_want *want, const char *branch)
{
	static const char heads[] = "refs/heads/";

	if (!want->ref)
		return branch;
	return strncmp(want->ref, heads, sizeof(heads) - 1) ? want->ref : want->ref + sizeof(heads) - 1;
}

static int fill_from_git(struct project *p, const struct js *row, const struct checkout_want *want, const char *tree,
			 const char *index, struct js **ret_code, struct error *err)
{
	const char *name = js_get_str(row, "name"), *source = js_get_str(row, "source"), *branch = js_get_str(row, "branch");
	CLEANUP(cleanup_free) char *lock_name = xasprintf("mirror-%s", name);
	CLEANUP(cleanup_free) char *mirror = NULL;
	CLEANUP(cleanup_fd) int lock = lock_take(p->locksfd, lock_name, LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
	char commit[HEX_MAX + 1];

	if (lock < 0 || check_want(want, err) < 0 || make_mirror(p, name, &mirror, err) < 0 ||
	    fetch_commit(mirror, source, branch, want, commit, err) < 0 ||
	    write_files(mirror, tree, index, commit, want->trusted, err) < 0)
		return -1;
	*ret_code = code_json(commit, branch_of(want, branch), source);
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

static int fill_from_dir(struct project *p, const struct js *row, const struct checkout_want *want, const char *tree,
			 const char *index, struct js **ret_code, struct error *err)
{
	const char *dir = js_get_str(row, "source");

	if (project_dir_check(p, dir, err) < 0)
		return -1;
	set_environment("file");
	if (is_repository(dir))
		return fill_from_git(p, row, want, tree, index, ret_code, err);
	if (want->trusted)
		return error_set(err, ERR_UNSUPPORTED, "%s is no repository, so nothing tells what is trusted in it", dir);
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

int checkout_fill(struct project *p, const struct js *source, const struct checkout_want *want, const char *tree,
		  const char *index, struct js **ret_code, struct error *err)
{
	CLEANUP_JS struct js *code = NULL;
	bool dir = !strcmp(js_get_str(source, "kind"), source_kind_name(SOURCE_DIR));

	set_environment("https:ssh");
	if ((dir ? fill_from_dir : fill_from_git)(p, source, want, tree, index, &code, err) < 0 || check_tree(tree, err) < 0)
		return -1;
	*ret_code = steal(&code);
	return 0;
}

int checkout_fill_here(struct project *p, const struct js *source, const struct checkout_want *want, const char *tree,
		       const char *index, struct js **ret_code, struct error *err)
{
	CLEANUP_JS struct js *row = js_object(), *code = NULL;

	if (!is_repository(p->top)) {
		error_set(err, ERR_UNSUPPORTED, "no repository begins at %s, so only what stands there can be run", p->top);
		return error_help(err, "register the repository: mlops project add NAME DIRECTORY");
	}
	js_set_str(row, "name", js_get_str(source, "name"));
	js_set_str(row, "source", p->top);
	set_environment("file");
	if (fill_from_git(p, row, want, tree, index, &code, err) < 0 || check_tree(tree, err) < 0)
		return -1;
	*ret_code = steal(&code);
	return 0;
}

int checkout_fetch(struct project *p, const struct js *source, struct error *err)
{
	const char *name = js_get_str(source, "name");
	CLEANUP(cleanup_free) char *lock_name = xasprintf("mirror-%s", name);
	CLEANUP(cleanup_free) char *mirror = NULL;
	CLEANUP(cleanup_fd) int lock = -1;

	if (strcmp(js_get_str(source, "kind"), source_kind_name(SOURCE_GIT)) != 0)
		return 0;
	set_environment("https:ssh");
	lock = lock_take(p->locksfd, lock_name, LOCK_EXCLUSIVE, LOCK_WAIT, NULL, NULL, err);
	if (lock < 0 || make_mirror(p, name, &mirror, err) < 0)
		return -1;
	return fetch(mirror, js_get_str(source, "source"), js_get_str(source, "branch"), NULL, err);
}
