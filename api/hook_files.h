/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Hooks of a git repository: small scripts in the directory that git looks in (core.hooksPath, too). One that stood there
 * before is kept beside ours as NAME.before-mlops and runs first. The scripts know nothing of the repository; what they need
 * stands in its configuration, as mlops.command, mlops.project, mlops.agent and mlops.directory, so a directory of hooks
 * that several repositories share has ours once.
 */
struct error;
struct js;
struct strbuf;

struct hook_place {
	char *repository;  /* absolute: the .git, or the bare repository */
	char *dir;         /* of its hooks, absolute */
	bool bare;
	bool shared;       /* the directory is not this repository's own */
};
/* Of the repository at or above `dir`. ERR_NOT_FOUND; ERR_ENV: no git program. */
int hook_place_find(const char *dir, struct hook_place *ret, struct error *);
void hook_place_release(struct hook_place *);
/* Those that this repository can have, *ret_hooks: [{name, path, chained}]. Nothing is lost: ERR_CONFLICT when there is no
 * room to keep what stands there. */
int hook_files_put(const struct hook_place *, struct js **ret_hooks, struct error *);
/* Takes ours away and puts back what stood there. *ret_hooks: [{name, path, restored}]. In a shared directory they stay. */
int hook_files_remove(const struct hook_place *, struct js **ret_hooks, struct error *);

/* Runs git in `dir` and appends what it says. Its exit status, or -1. `words` ends with NULL. */
int hook_git(const char *dir, const char *const *words, struct strbuf *ret, struct error *);
/* mlops.KEY of the repository: *ret is owned, or NULL when it is not set. A NULL value unsets. */
int hook_config_get(const char *dir, const char *key, char **ret, struct error *);
int hook_config_set(const char *dir, const char *key, const char *value, struct error *);
