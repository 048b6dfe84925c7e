/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git knows about a project, through libgit2, which neither runs hooks nor external
 * filters. Three outcomes are kept apart everywhere: a repository, none, and one that
 * libgit2 refuses (another owner, an extension it does not know).
 */
#include "registry/git.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/git_internal.h"

struct libgit2 libgit2;

static void library_init(void)
{
	libgit2.libgit2_init();
}

static const char *const functions[] = LIBRARY_NAMES(LIBGIT2_FUNCTIONS);
static struct library library = LIBRARY(LIBGIT2_SONAME, LIBGIT2_PACKAGE, functions, &libgit2, library_init);

void cleanup_repo(git_repository **repo)
{
	if (*repo)
		libgit2.repository_free(*repo);
}

void cleanup_git_tree(git_tree **tree)
{
	if (*tree)
		libgit2.tree_free(*tree);
}

static void cleanup_object(git_object **object)
{
	if (*object)
		libgit2.object_free(*object);
}

static void cleanup_reference(git_reference **ref)
{
	if (*ref)
		libgit2.reference_free(*ref);
}

static void cleanup_config(git_config **config)
{
	if (*config)
		libgit2.config_free(*config);
}

static void cleanup_blob(git_blob **blob)
{
	if (*blob)
		libgit2.blob_free(*blob);
}

static void cleanup_entry(git_tree_entry **entry)
{
	if (*entry)
		libgit2.tree_entry_free(*entry);
}

int repo_error(struct error *err, const char *fmt, ...)
{
	const git_error *last = libgit2.error_last();
	char context[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	return error_set(err, ERR_ENV, "%s: %s", context,
			 last && last->message ? last->message : "git gave no reason");
}

/* The directory, at or above root, whose .git libgit2 refused; what safe.directory must name. */
static char *repo_top(const char *root)
{
	CLEANUP(cleanup_free) char *dir = realpath(root, NULL);
	struct stat st;

	if (!dir)
		return xstrdup(root);
	for (;;) {
		CLEANUP(cleanup_free) char *git = path_join(dir, ".git");
		char *slash = strrchr(dir, '/');

		if (lstat(git, &st) == 0)
			return steal(&dir);
		if (!slash || slash == dir)
			return xstrdup(root);
		*slash = '\0';
	}
}

/* libgit2 1.5 says "not found" also when it refused the owner and no safe.directory is
 * configured. */
static bool repo_exists(const char *root)
{
	git_buf found = GIT_BUF_INIT;
	int rc = libgit2.repository_discover(&found, root, 0, NULL);

	libgit2.buf_dispose(&found);
	return rc == 0;
}

static bool owned_by_another(const char *top)
{
	CLEANUP(cleanup_free) char *git = path_join(top, ".git");
	struct stat st;

	return (lstat(git, &st) == 0 && st.st_uid != geteuid()) ||
	       (stat(top, &st) == 0 && st.st_uid != geteuid());
}

static int repo_refused(const char *root, int rc, struct error *err)
{
	CLEANUP(cleanup_free) char *top = repo_top(root);

	if (rc == GIT_EOWNER || (rc == GIT_ENOTFOUND && owned_by_another(top))) {
		error_set(err, ERR_DENIED, "git repository %s belongs to another user", top);
		return error_help(err, "run: git config --global --add safe.directory '%s'", top);
	}
	repo_error(err, "git repository %s cannot be read", top);
	if (strstr(err ? err->msg : "", "extension"))
		return error_help(err,
				  "when nothing needs the extension: git -C '%s' config --unset "
				  "extensions.NAME, otherwise clone the repository without it",
				  top);
	return error_help(err, "see what is wrong: git -C '%s' status", top);
}

static bool may_exist(const char *dir, const char *name)
{
	CLEANUP(cleanup_free) char *path = path_join(dir, name);
	struct stat st;

	return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* False when there is no .git at or above root, and nothing that could be a bare repository: then libgit2
 * need not be asked, nor loaded. */
static bool repo_may_exist(const char *root)
{
	CLEANUP(cleanup_free) char *dir = realpath(root, NULL);

	if (!dir)
		return true;
	for (;;) {
		char *slash = strrchr(dir, '/');

		if (may_exist(dir, ".git") || may_exist(dir, "HEAD"))
			return true;
		if (!slash || !slash[1])
			return false; /* that was "/" */
		slash[slash == dir] = '\0';
	}
}

int repo_open(const char *root, git_repository **ret, struct error *err)
{
	int rc;

	if (!repo_may_exist(root))
		return 0;
	if (library_load(&library, err) < 0)
		return -1;
	rc = libgit2.repository_open_ext(ret, root, 0, NULL);
	if (rc == 0)
		return 1;
	*ret = NULL;
	if (rc == GIT_ENOTFOUND && !repo_exists(root))
		return 0;
	return repo_refused(root, rc, err);
}

void code_version_release(struct code_version *cv)
{
	free(cv->branch);
	free(cv->remote);
	free(cv->workdir);
	free(cv->subdir);
	free(cv->deleted);
	free(cv->note);
	*cv = (struct code_version){ .commit = "" };
}

/* Branch name also before the first commit; NULL when HEAD is detached or unreadable. */
static char *repo_branch(git_repository *repo)
{
	CLEANUP(cleanup_reference) git_reference *head = NULL;
	static const char prefix[] = "refs/heads/";
	const char *target;

	if (libgit2.reference_lookup(&head, repo, "HEAD") < 0)
		return NULL;
	target = libgit2.reference_symbolic_target(head);
	if (!target || strncmp(target, prefix, strlen(prefix)))
		return NULL;
	return xstrdup(target + strlen(prefix));
}

/*
 * A URL without what could be a secret: of ssh the password, of every other scheme all user
 * information, the query and the fragment. NULL when it cannot be told where a secret ends.
 */
static char *url_strip(const char *url)
{
	const char *scheme_end = strstr(url, "://");
	const char *host, *path, *at, *colon, *end;
	bool ssh;

	if (!scheme_end)
		return xstrdup(
			url); /* a path, or user@host:path, which has no room for a password */
	host = scheme_end + 3;
	path = host + strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)(path - host));
	ssh = !strncasecmp(url, "ssh:", 4) || !strncasecmp(url, "git+ssh:", 8) ||
	      !strncasecmp(url, "ssh+git:", 8);
	end = ssh ? url + strlen(url) : path + strcspn(path, "?#");
	if (!at) {
		/* "user:pa/ss@host": a slash in an unescaped password hides it in the path */
		colon = memchr(host, ':', (size_t)(path - host));
		if (colon && *host != '[' &&
		    strspn(colon + 1, "0123456789") < (size_t)(path - colon - 1))
			return NULL;
		return xstrndup(url, (size_t)(end - url));
	}
	colon = memchr(host, ':', (size_t)(at - host));
	if (ssh)
		return xasprintf("%.*s%.*s", (int)((colon ? colon : at) - url), url,
				 (int)(end - at), at);
	return xasprintf("%.*s%.*s", (int)(host - url), url, (int)(end - at - 1), at + 1);
}

static char *repo_remote(git_repository *repo)
{
	CLEANUP(cleanup_config) git_config *config = NULL;
	const char *url;

	if (libgit2.repository_config_snapshot(&config, repo) < 0 ||
	    libgit2.config_get_string(&url, config, "remote.origin.url") < 0 || !*url)
		return NULL;
	return url_strip(url);
}

/* The project's place inside the work tree; NULL when it is not inside. */
static char *repo_subdir(const char *workdir, const char *root)
{
	CLEANUP(cleanup_free) char *top = realpath(workdir, NULL);
	CLEANUP(cleanup_free) char *real = realpath(root, NULL);
	size_t len;

	if (!top || !real)
		return NULL;
	len = strlen(top);
	while (len && top[len - 1] == '/')
		len--;
	if (strncmp(real, top, len) || (real[len] && real[len] != '/'))
		return NULL;
	return xstrdup(real[len] ? real + len + 1 : "");
}

static void repo_head(git_repository *repo, struct code_version *cv, struct strbuf *note)
{
	git_oid id;
	int rc = libgit2.reference_name_to_id(&id, repo, "HEAD");

	cv->branch = repo_branch(repo);
	if (rc == 0)
		libgit2.oid_tostr(cv->commit, sizeof(cv->commit), &id);
	else if (rc == GIT_ENOTFOUND || rc == GIT_EUNBORNBRANCH)
		strbuf_puts(note, "the git repository has no commit yet");
	else
		strbuf_puts(note, "the git repository's HEAD cannot be read");
}

/* Gathers into `cv`; the caller releases it when this fails. */
static int code_version_read(git_repository *repo, const struct scanner *scan, const char *root,
			     struct store_batch *batch, struct code_version *cv,
			     struct strbuf *note, struct error *err)
{
	const char *workdir = libgit2.repository_workdir(repo);

	cv->remote = repo_remote(repo);
	repo_head(repo, cv, note);
	if (!workdir) {
		strbuf_printf(note, "%sthe git repository is bare", note->len ? "; " : "");
		return 0;
	}
	cv->subdir = repo_subdir(workdir, root);
	if (!cv->subdir) {
		cv->commit[0] = '\0';
		strbuf_clear(note);
		strbuf_printf(note, "the git repository's work tree %s does not hold this project",
			      workdir);
		return 0;
	}
	cv->workdir = xstrdup(workdir);
	return repo_changes(repo, scan, batch, cv, note, err);
}

int git_code_version(const struct scanner *scan, const char *root, struct store_batch *batch,
		     struct code_version *ret, struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(code_version_release) struct code_version cv = { .commit = "" };
	CLEANUP_STRBUF struct strbuf note = STRBUF_INIT;
	struct error refused;
	int rc = repo_open(root, &repo, &refused);

	if (rc < 0)
		strbuf_printf(&note, "%s; %s", refused.msg, refused.help);
	else if (rc == 0)
		strbuf_puts(&note, "no git repository");
	else if (code_version_read(repo, scan, root, batch, &cv, &note, err) < 0)
		return -1;
	if (note.len)
		cv.note = strbuf_detach(&note);
	*ret = cv;
	cv = (struct code_version){ .commit = "" };
	return 0;
}

/*
 * A name without operators is looked up here: a reference, else the start of an id. libgit2 would
 * also try it as the output of git describe, which leaks 20 kB each time it is none.
 */
static int lookup_revision(git_repository *repo, const char *revision, git_object **ret)
{
	CLEANUP(cleanup_reference) git_reference *ref = NULL;
	size_t len = strlen(revision);
	git_oid id;

	if (!len)
		return GIT_ENOTFOUND;
	if (strpbrk(revision, "^~:") || strstr(revision, "@{") || !strcmp(revision, "@"))
		return libgit2.revparse_single(ret, repo, revision);
	if (libgit2.reference_dwim(&ref, repo, revision) == 0)
		return libgit2.reference_peel(ret, ref, GIT_OBJECT_COMMIT);
	if (len < GIT_OID_MINPREFIXLEN || len > GIT_OID_HEXSZ ||
	    libgit2.oid_fromstrn(&id, revision, len) < 0)
		return GIT_ENOTFOUND;
	return libgit2.object_lookup_prefix(ret, repo, &id, len, GIT_OBJECT_ANY);
}

int git_resolve(const char *root, const char *revision, char ret_commit[65], struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(cleanup_object) git_object *object = NULL;
	CLEANUP(cleanup_object) git_object *commit = NULL;
	int rc = repo_open(root, &repo, err);

	if (rc <= 0)
		return rc;
	if (lookup_revision(repo, revision, &object) < 0 ||
	    libgit2.object_peel(&commit, object, GIT_OBJECT_COMMIT) < 0)
		return 0;
	libgit2.oid_tostr(ret_commit, 65, libgit2.object_id(commit));
	return 1;
}

int repo_commit_tree(git_repository *repo, const char *commit, git_oid *ret_id, git_tree **ret,
		     struct error *err)
{
	git_commit *object = NULL;
	int rc;

	if (libgit2.oid_fromstr(ret_id, commit) < 0 || libgit2.commit_lookup(&object, repo, ret_id) < 0) {
		error_set(err, ERR_NOT_FOUND, "commit %s is not in the git repository", commit);
		return error_help(err, "fetch it: git fetch --all");
	}
	rc = libgit2.commit_tree(ret, object);
	libgit2.commit_free(object);
	return rc < 0 ? repo_error(err, "commit %s", commit) : 0;
}

static char *path_in_repo(git_repository *repo, const char *root, const char *path)
{
	const char *workdir = libgit2.repository_workdir(repo);
	CLEANUP(cleanup_free) char *subdir = workdir ? repo_subdir(workdir, root) : NULL;

	return subdir && *subdir ? path_join(subdir, path) : xstrdup(path);
}

int git_read(const char *root, const char *commit, const char *path, size_t max, struct strbuf *ret,
	     struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(cleanup_git_tree) git_tree *tree = NULL;
	CLEANUP(cleanup_entry) git_tree_entry *entry = NULL;
	CLEANUP(cleanup_blob) git_blob *blob = NULL;
	CLEANUP(cleanup_free) char *inside = NULL;
	git_oid id;
	int rc = repo_open(root, &repo, err);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return error_set(err, ERR_NOT_FOUND, "%s is in no git repository", root);
	if (repo_commit_tree(repo, commit, &id, &tree, err) < 0)
		return -1;
	inside = path_in_repo(repo, root, path);
	rc = libgit2.tree_entry_bypath(&entry, tree, inside);
	if (rc == GIT_ENOTFOUND || (rc == 0 && libgit2.tree_entry_type(entry) != GIT_OBJECT_BLOB))
		return 0;
	if (rc < 0 || libgit2.blob_lookup(&blob, repo, libgit2.tree_entry_id(entry)) < 0)
		return repo_error(err, "%s of commit %.12s", path, commit);
	if (libgit2.blob_rawsize(blob) > (git_object_size_t)max)
		return error_set(err, ERR_USAGE, "%s of commit %.12s is larger than %zu bytes",
				 path, commit, max);
	strbuf_add(ret, libgit2.blob_rawcontent(blob), (size_t)libgit2.blob_rawsize(blob));
	return 1;
}

int git_work_branch(const char *root, char **ret, struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	char *branch;
	int r = repo_open(root, &repo, err);

	if (r <= 0)
		return r;
	branch = repo_branch(repo);
	*ret = branch ? branch : xstrdup("");
	return 1;
}

void git_branch(const char *root, char *ret, size_t size)
{
	CLEANUP(cleanup_free) char *branch = NULL;

	snprintf(ret, size, "%s", git_work_branch(root, &branch, NULL) > 0 ? branch : "");
}
