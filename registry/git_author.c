/* SPDX-License-Identifier: Apache-2.0 */
/* Who made a commit. */
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "registry/git.h"
#include "registry/git_internal.h"

static void cleanup_commit(git_commit **commit)
{
	if (*commit)
		libgit2.commit_free(*commit);
}

static char *show(const git_signature *who)
{
	return xasprintf("%s <%s>", who && who->name ? who->name : "", who && who->email ? who->email : "");
}

int git_authors(const char *root, const char *commit, char **ret, struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(cleanup_commit) git_commit *object = NULL;
	CLEANUP(cleanup_free) char *author = NULL;
	CLEANUP(cleanup_free) char *committer = NULL;
	int r = repo_open(root, &repo, err);
	git_oid id;

	if (r <= 0)
		return r;
	if (libgit2.oid_fromstr(&id, commit) < 0 || libgit2.commit_lookup(&object, repo, &id) < 0)
		return 0;
	author = show(libgit2.commit_author(object));
	committer = show(libgit2.commit_committer(object));
	*ret = strcmp(author, committer) ? xasprintf("%s\n%s", author, committer) : steal(&author);
	return 1;
}
