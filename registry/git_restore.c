/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code as it was: the files of a commit, then what had changed over it. Written file by file
 * below one directory, never through git's checkout: no hook, no index, no external filter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/git.h"
#include "registry/git_internal.h"
#include "store/store.h"
#include "store/tree.h"

struct restore {
	git_repository *repo;
	git_blob_filter_options filter;
	int tofd;
	struct error *err;
};

/* A commit may name anything; what git itself would refuse to check out is refused here too. */
static bool path_is_safe(const char *path)
{
	CLEANUP(cleanup_free) char *clean = NULL;

	if (path_clean("", path, &clean, NULL) < 0 || strcmp(clean, path))
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strcspn(part, "/") == 4 && !strncasecmp(part, ".git", 4))
			return false;
	}
	return true;
}

/* A commit may hold a .mlops, by mistake or to deceive; a restored one would be trusted as ours. */
static bool is_foreign_home(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strcspn(part, "/") == 6 && !strncasecmp(part, ".mlops", 6))
			return true;
	}
	return false;
}

static int open_parent(const struct restore *r, const char *path)
{
	CLEANUP(cleanup_free) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (slash)
		*slash = '\0';
	return fs_open_direct(r->tofd, slash ? dir : ".", O_RDONLY | O_DIRECTORY, 0, r->err);
}

static int write_link(const struct restore *r, const char *path, const char *target)
{
	CLEANUP(cleanup_fd) int dirfd = -1;

	if (fs_make_parents(r->tofd, path, 0777, r->err) < 0)
		return -1;
	dirfd = open_parent(r, path);
	if (dirfd < 0)
		return -1;
	if (symlinkat(target, dirfd, path_base(path)) < 0)
		return error_sys(r->err, errno, "cannot make the symlink %s", path);
	return 0;
}

static int remove_path(const struct restore *r, const char *path)
{
	CLEANUP(cleanup_fd) int dirfd = -1;
	struct stat st;
	int rc = fs_stat_beneath(r->tofd, path, &st, r->err);

	if (rc <= 0)
		return rc;
	dirfd = open_parent(r, path);
	return dirfd < 0 ? -1 : fs_remove_tree(dirfd, path_base(path), r->err);
}

/* A new file below the target; its parents are made. */
static int create_file(const struct restore *r, const char *path, bool exec)
{
	if (fs_make_parents(r->tofd, path, 0777, r->err) < 0)
		return -1;
	return fs_open_direct(r->tofd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
			      exec ? 0777 : 0666, r->err);
}

/* The blob as a work tree has it: line endings by the commit's own .gitattributes. */
static int write_blob(struct restore *r, git_blob *blob, const char *path, bool exec)
{
	CLEANUP(cleanup_fd) int fd = create_file(r, path, exec);
	git_buf out = GIT_BUF_INIT;
	int rc;

	if (fd < 0)
		return -1;
	if (libgit2.blob_filter(&out, blob, path, &r->filter) < 0)
		return repo_error(r->err, "%s", path);
	rc = io_write_all(fd, out.ptr, out.size, path, r->err);
	libgit2.buf_dispose(&out);
	return rc;
}

static int write_blob_link(const struct restore *r, git_blob *blob, const char *path)
{
	CLEANUP(cleanup_free)
	char *target = xstrndup(libgit2.blob_rawcontent(blob), (size_t)libgit2.blob_rawsize(blob));

	return write_link(r, path, target);
}

static int restore_entry(struct restore *r, const char *dir, const git_tree_entry *entry)
{
	CLEANUP(cleanup_free) char *path = xasprintf("%s%s", dir, libgit2.tree_entry_name(entry));
	git_filemode_t mode = libgit2.tree_entry_filemode(entry);
	git_blob *blob = NULL;
	int rc;

	if (libgit2.tree_entry_type(entry) != GIT_OBJECT_BLOB)
		return 0; /* a directory comes with its files; a submodule is another repository */
	if (is_foreign_home(path))
		return 0;
	if (!path_is_safe(path))
		return error_set(r->err, ERR_DENIED, "the commit holds an unsafe path: %s", path);
	if (libgit2.blob_lookup(&blob, r->repo, libgit2.tree_entry_id(entry)) < 0)
		return repo_error(r->err, "%s", path);
	rc = mode == GIT_FILEMODE_LINK ?
		     write_blob_link(r, blob, path) :
		     write_blob(r, blob, path, mode == GIT_FILEMODE_BLOB_EXECUTABLE);
	libgit2.blob_free(blob);
	return rc;
}

static int each_entry(const char *dir, const git_tree_entry *entry, void *ctx)
{
	return restore_entry(ctx, dir, entry) < 0 ? GIT_EUSER : 0;
}

static int restore_commit(struct restore *r, const char *commit)
{
	CLEANUP(cleanup_git_tree) git_tree *tree = NULL;
	int rc;

	libgit2.blob_filter_options_init(&r->filter, GIT_BLOB_FILTER_OPTIONS_VERSION);
	r->filter.flags |= GIT_BLOB_FILTER_NO_SYSTEM_ATTRIBUTES | GIT_BLOB_FILTER_ATTRIBUTES_FROM_COMMIT;
	if (repo_commit_tree(r->repo, commit, &r->filter.attr_commit_id, &tree, r->err) < 0)
		return -1;
	rc = libgit2.tree_walk(tree, GIT_TREEWALK_PRE, each_entry, r);
	if (rc == GIT_EUSER)
		return -1;
	return rc < 0 ? repo_error(r->err, "commit %s", commit) : 0;
}

static int remove_deleted(const struct restore *r, const char *deleted)
{
	while (deleted && *deleted) {
		size_t len = strcspn(deleted, "\n");
		CLEANUP(cleanup_free) char *path = xstrndup(deleted, len);

		if (!path_is_safe(path))
			return error_set(r->err, ERR_DAMAGED, "unsafe deleted path: %s", path);
		if (remove_path(r, path) < 0)
			return -1;
		deleted += len + (deleted[len] == '\n');
	}
	return 0;
}

static int restore_change(const struct restore *r, struct store *store,
			  const struct tree_entry *entry)
{
	CLEANUP(cleanup_fd) int from = -1;
	CLEANUP(cleanup_fd) int to = -1;
	uint64_t size;

	if (!path_is_safe(entry->path))
		return error_set(r->err, ERR_DENIED, "unsafe path: %s", entry->path);
	if (remove_path(r, entry->path) < 0)
		return -1;
	if (entry->kind == ENTRY_LINK)
		return write_link(r, entry->path, entry->target);
	if (store_verify(store, &entry->id, r->err) < 0)
		return -1;
	from = store_open_object(store, &entry->id, &size, r->err);
	if (from < 0)
		return -1;
	to = create_file(r, entry->path, entry->kind == ENTRY_EXEC);
	if (to < 0)
		return -1;
	return fs_copy_fd(from, to, entry->path, r->err);
}

static int restore_changes(const struct restore *r, struct store *store,
			   const struct content *changes)
{
	CLEANUP(tree_release) struct tree tree = TREE_INIT;

	if (!changes || changes->kind != CONTENT_TREE)
		return 0;
	if (tree_read(store, &changes->id, &tree, r->err) < 0)
		return error_wrap(r->err, "changed code");
	for (size_t i = 0; i < tree.len; i++)
		if (restore_change(r, store, &tree.entries[i]) < 0)
			return error_wrap(r->err, "changed code");
	return 0;
}

/* Opens `to`, made when absent; it must be empty. */
static int open_target(const char *to, struct error *err)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	if (mkdir(to, 0777) < 0 && errno != EEXIST)
		return error_sys(err, errno, "%s", to);
	fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "%s", to);
	if (fs_list_dir(fd, ".", &names, err) < 0)
		return -1;
	if (names.len) {
		error_set(err, ERR_CONFLICT, "%s is not empty", to);
		return error_help(err, "name a directory that is empty or does not exist yet");
	}
	return steal_fd(&fd);
}

int git_restore(const char *root, const char *commit, struct store *store,
		const struct content *changes, const char *deleted, const char *to,
		struct error *err)
{
	CLEANUP(cleanup_repo) git_repository *repo = NULL;
	CLEANUP(cleanup_fd) int tofd = -1;
	struct restore r = { .err = err };
	int rc = repo_open(root, &repo, err);

	if (rc < 0)
		return -1;
	if (rc == 0 && *commit)
		return error_set(err, ERR_NOT_FOUND,
				 "%s is in no git repository, which held commit %s", root, commit);
	tofd = open_target(to, err);
	if (tofd < 0)
		return -1;
	r.repo = repo;
	r.tofd = tofd;
	if (*commit && restore_commit(&r, commit) < 0)
		return error_wrap(err, "restore %.12s", commit);
	if (remove_deleted(&r, deleted) < 0)
		return -1;
	return restore_changes(&r, store, changes);
}
