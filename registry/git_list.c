/* SPDX-License-Identifier: Apache-2.0 */
/* What git would show of a project to somebody who clones it, and what he has not committed yet. */
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "registry/git.h"
#include "registry/git_internal.h"

static void cleanup_status(git_status_list **list)
{
	if (*list)
		libgit2.status_list_free(*list);
}

/* Where the project is below the work tree, or NULL when it is not; both end without a slash there. */
static const char *below(const char *workdir, const char *root)
{
	size_t len = workdir ? strlen(workdir) : 0;

	while (len && workdir[len - 1] == '/')
		len--;
	if (!workdir || strncmp(root, workdir, len) != 0 || (root[len] && root[len] != '/'))
		return NULL;
	return root + len + (root[len] == '/');
}

static const char *path_of(const git_status_entry *entry)
{
	const git_diff_delta *delta = entry->index_to_workdir ? entry->index_to_workdir : entry->head_to_index;

	return delta->new_file.path ? delta->new_file.path : delta->old_file.path;
}

int git_each_file(const char *root, void (*each)(void *ctx, const char *path), void *ctx, struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(cleanup_status) git_status_list *list = NULL;
	git_status_options options;
	const char *subdir;
	int r = repo_open(root, &repo, err);

	if (r <= 0)
		return r;
	subdir = below(libgit2.repository_workdir(repo), root);
	if (!subdir)
		return 0;
	libgit2.status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
	options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
			GIT_STATUS_OPT_INCLUDE_UNMODIFIED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
	if (libgit2.status_list_new(&list, repo, &options) < 0)
		return repo_error(err, "git cannot tell which files %s has", root);
	for (size_t i = 0; i < libgit2.status_list_entrycount(list); i++) {
		const char *path = path_of(libgit2.status_byindex(list, i));
		size_t len = strlen(path), skip = strlen(subdir);
		CLEANUP(cleanup_free) char *clean = NULL;

		if (skip && (strncmp(path, subdir, skip) != 0 || path[skip++] != '/'))
			continue;
		/* A repository of its own, or a name that we cannot keep. */
		if (path[len - 1] == '/' || path_clean("", path + skip, &clean, NULL) < 0 || strcmp(clean, path + skip) != 0)
			continue;
		each(ctx, clean);
	}
	return 1;
}

int git_each_submodule(const char *root, void (*each)(void *ctx, const char *path), void *ctx, struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	git_index *index = NULL;
	const char *subdir;
	int r = repo_open(root, &repo, err);

	if (r <= 0)
		return r;
	subdir = below(libgit2.repository_workdir(repo), root);
	if (!subdir)
		return 0;
	if (libgit2.repository_index(&index, repo) < 0)
		return repo_error(err, "git cannot tell which submodules %s has", root);
	for (size_t i = 0; i < libgit2.index_entrycount(index); i++) {
		const git_index_entry *entry = libgit2.index_get_byindex(index, i);
		size_t skip = strlen(subdir);
		CLEANUP(cleanup_free) char *clean = NULL;

		if (entry->mode != GIT_FILEMODE_COMMIT || (skip && (strncmp(entry->path, subdir, skip) != 0 || entry->path[skip++] != '/')))
			continue;
		if (path_clean("", entry->path + skip, &clean, NULL) == 0)
			each(ctx, clean);
	}
	libgit2.index_free(index);
	return 1;
}
