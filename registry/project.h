/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/lock.h"
#include "base/settings.h"
/*
 * An open project: the directory that holds .mlops/, and what lives in there. The
 * database, store, stat cache and ignore rules are opened on first use, so a command
 * pays only for what it touches. One struct project a process; not for threads, except
 * that the store and the stat cache may be shared.
 */
struct db;
struct error;
struct ignore;
struct js;
struct statcache;
struct store;

struct project {
	char *root;     /* absolute, symlinks resolved */
	char *prefix;   /* the start directory as a project path; "" at the root */
	int rootfd;
	int dirfd;      /* .mlops of this tree: work/, failed/, aside/, the stat cache */
	int treelocksfd; /* its locks/, of LOCK_TREE */
	/* Of the project; the same in its own work tree, others in a scratch tree (registry/satellite.h): */
	char *top;      /* as root */
	int homefd;     /* its .mlops: database, store, logs, secrets, settings */
	int locksfd;    /* its locks/, of all but LOCK_TREE */
	struct js *scratch; /* the note of a scratch tree, else NULL */
	char *actor;    /* who acts: user@host */
	struct settings settings;
	/* through the functions below */
	struct db *db;
	struct store *store;
	struct statcache *statcache;
	struct ignore *ignore;
};

/* Searches upwards from `start` (NULL: the working directory) for .mlops/. None: ERR_NOT_FOUND
 * with "mlops init" as help. */
int project_open(const char *start, struct project **ret, struct error *);
/* A fresh clone: makes .mlops beside the nearest mlops.lock, a regular file. 1 and the directory, which the caller
 * frees; 0 when there is none, or -1: ERR_NOT_FOUND when the file or its directory is not this user's, root or not. */
int project_adopt(const char *start, char **ret_root, struct error *);
void project_close(struct project *); /* saves the stat cache */
/* Makes .mlops/ with its .gitignore, database and folders; existing parts are kept. A new one appears whole;
 * of several makers one wins.
 * *ret_made tells whether it was new. */
int project_create(const char *dir, bool *ret_made, struct error *);

/* Absolute path of a part of the project's .mlops ("registry.db"), or of itself (""). Caller frees. */
char *project_home_path(const struct project *, const char *part);
/* ERR_DAMAGED when the database is missing or empty. project_db has done it. */
int project_check_db(const struct project *, struct error *);
int project_db(struct project *, struct db **ret, struct error *);
/* One of the caller's own, to read what is committed. The first for a database of an earlier version belongs to the
 * owner's thread: project_db converts it then. */
int project_reader(struct project *, struct db **ret, struct error *);
int project_store(struct project *, struct store **ret, struct error *);
struct statcache *project_statcache(struct project *);
int project_ignore(struct project *, const struct ignore **ret, struct error *);

/* Names of the lock files, see ARCHITECTURE.md. "run-ID" is made by the caller. */
#define LOCK_TREE  "tree"
#define LOCK_STORE "store"
#define LOCK_DB    "db"
