/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Shared by registry/git*.c only: an open repository and libgit2's errors as ours. */
struct code_version;
struct error;
struct git_oid;
struct git_repository;
struct git_tree;
struct scanner;
struct store_batch;
struct strbuf;

/* 1 opened, 0 no repository here, -1 there is one but libgit2 refuses it. */
int repo_open(const char *root, struct git_repository **ret, struct error *);
void cleanup_repo(struct git_repository **);
void cleanup_git_tree(struct git_tree **);
/* "CONTEXT: what libgit2 said". Returns -1. */
int repo_error(struct error *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int repo_commit_tree(struct git_repository *, const char *commit, struct git_oid *ret_id,
		     struct git_tree **ret, struct error *);
/* Fills dirty, changes, deleted, and adds to `note` what is missing of them. */
int repo_changes(struct git_repository *, const struct scanner *, struct store_batch *,
		 struct code_version *, struct strbuf *note, struct error *);
