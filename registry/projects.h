/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Projects that an agent runs by name: where their files come from, and what the operator allows them.
 *
 * A source is https://HOST/PATH, ssh://[USER@]HOST/PATH, USER@HOST:PATH, or a directory: file:///PATH or /PATH. No other
 * protocol (git's ext:: runs commands), no password in a URL (it would be listed), nothing that git could take for an
 * option.
 */
struct db;
struct error;
struct js;

enum source_kind {
	SOURCE_GIT,  /* a URL that the git program fetches */
	SOURCE_DIR,  /* a directory: its commits, or its files when it is no git work tree */
	SOURCE_HERE, /* the agent's own work tree, in which the run then is */
};
const char *source_kind_name(enum source_kind); /* "git" "dir" "here" */
bool source_kind_parse(const char *, enum source_kind *ret);

/* SOURCE_GIT and the URL, or SOURCE_DIR and the path as it is written; owned by the caller. */
int source_parse(const char *text, enum source_kind *ret_kind, char **ret, struct error *);
/* NULL: it may name a branch; else what is wrong with it. */
const char *branch_name_fault(const char *);
/* Of lower-case letters, digits, '-', '_' and '.', at most 64, and none first but a letter or digit. */
const char *project_name_fault(const char *);

struct project_row {
	const char *name, *source, *branch; /* branch NULL: what the source has as its own */
	enum source_kind kind;
	bool allow_local;
	const char *forge; /* where its commits and pull requests are, canonical JSON: {kind, url, repo, secret}; NULL: not said */
	const char *actor;
	int64_t created_ms;
};
/* Within a transaction, as project_row_remove. ERR_EXISTS: there is one of this name, and it is another. 1: added; 0: it was there like that. */
int project_row_add(struct db *, const struct project_row *, struct error *);
int project_row_remove(struct db *, const char *name, struct error *); /* ERR_NOT_FOUND */
/* {name, kind, source, branch, allow_local, forge{}, created_by, created_time}; ERR_NOT_FOUND */
int project_row_load(struct db *, const char *name, struct js **ret, struct error *);
/* All, by name; each also has `queued` and `running`: numbers of runs. */
int project_rows(struct db *, struct js **ret, struct error *);
