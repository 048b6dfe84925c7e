/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "store/content.h"
/*
 * The code version of a project; the door to libgit2, which only reads here. The dirty
 * tree is an object: changed and untracked, non-ignored files over the commit, with deletions,
 * so `checkout --from RUN --to DIR` restores exactly what ran. mlops.lock and the outputs it
 * names are left out: they are results.
 */
struct error;
struct store;
struct store_batch;
struct scanner;

struct code_version {
	char commit[65]; /* hex, "" before the first commit */
	char *branch;    /* NULL when detached */
	char *remote;    /* URL of origin without credentials, or NULL */
	char *workdir;   /* of the repository */
	char *subdir;    /* the project inside it, "" at its top */
	bool dirty;
	struct content changes; /* tree of changed files; ABSENT when clean or too large */
	char *deleted;          /* newline-separated deleted paths, or NULL */
	char *note; /* why something is missing ("no git repository", "too large: ..."), or NULL */
};
void code_version_release(struct code_version *);
/* No repository: 0 with commit "" and a note. A repository that libgit2 refuses: the note says so
 * with its fix. With a batch, changed files (64 MiB in all at most) are stored. */
int git_code_version(const struct scanner *, const char *root, struct store_batch *,
		     struct code_version *ret, struct error *);
/* Writes the commit's files, then the changes over them, into an empty directory `to`. */
int git_restore(const char *root, const char *commit, struct store *, const struct content *changes,
		const char *deleted, const char *to, struct error *);
/* Resolves a revision to a commit. 1, 0 when it is none, -1. */
int git_resolve(const char *root, const char *revision, char ret_commit[65], struct error *);
/* "NAME <MAIL>" of who wrote the commit, and on a second line of who made it when that is another one; owned. `commit`: 40
 * hex digits. 1, 0 when it is not there, -1. */
int git_authors(const char *root, const char *commit, char **ret, struct error *);
/* Appends the bytes of PATH at the commit; `path` is from the project. 1, 0 when absent, -1. */
struct strbuf;
int git_read(const char *root, const char *commit, const char *path, size_t max, struct strbuf *ret,
	     struct error *);
/* The branch that is checked out, owned; "" when detached. 1, 0 outside of any repository, -1 when git refuses. */
int git_work_branch(const char *root, char **ret, struct error *);
/* The same into `ret`; "" when there is none, or no repository. */
void git_branch(const char *root, char *ret, size_t size);
/* git has the path, or files below it, in its index: versioning it here too would keep it twice. */
bool git_tracks(const char *root, const char *path);
/* Calls with the project path of every file that git tracks, or does not ignore. It need not be there any more. 1, 0 no
 * repository, -1 also when libgit2 refuses it. */
int git_each_file(const char *root, void (*each)(void *ctx, const char *path), void *ctx, struct error *);
/* The same with paths of submodules that are checked out, or not. */
int git_each_submodule(const char *root, void (*each)(void *ctx, const char *path), void *ctx, struct error *);
/* .gitignore and .gitattributes lines, added once, only inside a repository. Paths are the
 * project's. */
int git_ignore_paths(const char *root, const char *const *paths, size_t n, struct error *);
int git_setup_attributes(const char *root, struct error *);
