/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <git2.h>
#include "base/library.h"
/* Shared by registry/git*.c only: libgit2, an open repository, and libgit2's errors as ours. */
struct code_version;
struct error;
struct scanner;
struct store_batch;
struct strbuf;

#define LIBGIT2_FUNCTIONS(X)                                                                  \
	X(git_, blob_filter) X(git_, blob_filter_options_init) X(git_, blob_free)             \
	X(git_, blob_lookup) X(git_, blob_rawcontent) X(git_, blob_rawsize)                   \
	X(git_, buf_dispose) X(git_, commit_author) X(git_, commit_committer)     \
	X(git_, commit_free) X(git_, commit_lookup) X(git_, commit_tree)                      \
	X(git_, config_free) X(git_, config_get_string) X(git_, error_last)                   \
	X(git_, ignore_path_is_ignored) X(git_, index_entrycount) X(git_, index_find_prefix)   \
	X(git_, index_free) X(git_, index_get_byindex)                                        \
	X(git_, index_get_bypath) X(git_, libgit2_init) X(git_, object_free)                  \
	X(git_, object_id) X(git_, object_lookup_prefix) X(git_, object_peel)                 \
	X(git_, oid_fromstr) X(git_, oid_fromstrn) X(git_, oid_tostr) X(git_, reference_dwim) \
	X(git_, reference_free) X(git_, reference_lookup) X(git_, reference_name_to_id)       \
	X(git_, reference_peel) X(git_, reference_symbolic_target)                            \
	X(git_, repository_config_snapshot) X(git_, repository_discover)                      \
	X(git_, repository_free) X(git_, repository_index) X(git_, repository_open_ext)       \
	X(git_, repository_workdir) X(git_, revparse_single) X(git_, status_byindex)          \
	X(git_, status_list_entrycount) X(git_, status_list_free) X(git_, status_list_new)    \
	X(git_, status_options_init) X(git_, tree_entry_bypath) X(git_, tree_entry_filemode)  \
	X(git_, tree_entry_free) X(git_, tree_entry_id) X(git_, tree_entry_name)              \
	X(git_, tree_entry_type) X(git_, tree_free) X(git_, tree_walk)

/* Filled by the first repo_open that may find a repository; without one nothing here may be called. */
struct libgit2 {
	LIBGIT2_FUNCTIONS(LIBRARY_MEMBER)
};
extern struct libgit2 libgit2;

/* 1 opened, 0 no repository here, -1 there is one but libgit2 refuses it or cannot be loaded. */
int repo_open(const char *root, git_repository **ret, struct error *);
void cleanup_repo(git_repository **);
void cleanup_git_tree(git_tree **);
/* "CONTEXT: what libgit2 said". Returns -1. */
int repo_error(struct error *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int repo_commit_tree(git_repository *, const char *commit, git_oid *ret_id,
		     git_tree **ret, struct error *);
/* Fills dirty, changes, deleted, and adds to `note` what is missing of them. */
int repo_changes(git_repository *, const struct scanner *, struct store_batch *,
		 struct code_version *, struct strbuf *note, struct error *);
