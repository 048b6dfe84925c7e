/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "store/content.h"
/*
 * What stood where at one moment, whatever was named: a run (inputs and outputs), a version, a
 * commit (its mlops.lock), mlops.lock itself, or the disk now. checkout brings one back, diff
 * compares two, cat reads from one.
 */
struct error;
struct js;
struct op_context;
struct store;

struct snapshot_item {
	char *path; /* from the project; "" for a content without a path */
	struct content content;
	bool input;   /* a run read it, and did not make it */
	bool metrics; /* a metrics file */
	struct content profile; /* of a run's output; ABSENT: none was kept with it */
};
struct snapshot {
	char *label;                 /* "run 3f2a91bc", "data/raw@v2" */
	bool single;                 /* one version or content, not a whole tree of paths */
	char run[33];                /* or "" */
	char commit[65];             /* of the code, or "" */
	struct snapshot_item *items; /* sorted by path */
	size_t len, cap;
	struct js *params, *metrics; /* flat objects of a run, else NULL */
	struct js *code;             /* {commit, branch, dirty, note}, or NULL */
	struct content changes;      /* over the commit */
	char *deleted;               /* newline-separated, or NULL */
	char *pipeline;              /* file the run came from, or NULL */
};
#define SNAPSHOT_INIT                                                                              \
	{                                                                                          \
		.label = NULL                                                                      \
	}
void snapshot_release(struct snapshot *);

/* Whatever a user may type; a path that only mlops.lock knows counts, too. */
int snapshot_named(struct op_context *, const char *text, struct snapshot *ret, struct error *);
/* NAME, or NAME/PATH with the longest NAME that means something: a version of a directory, a run, a commit.
 * *ret_inside is PATH or "", a part of `text`. */
int snapshot_within(struct op_context *, const char *text, struct snapshot *ret, const char **ret_inside,
		    struct error *);
/* mlops.lock as it is; ERR_CONFLICT while it has conflicts. */
int snapshot_lock(struct op_context *, struct snapshot *ret, struct error *);
/* Of a lock file without conflicts. */
struct lockfile;
void snapshot_of_lock(const struct lockfile *, const char *label, struct snapshot *ret);
/* Of a model's version ("churn@champion") that a run of an agent made: mlops.lock as that run left it, and of it the
 * snapshot, with run and commit. 1; 0: the text names something else, or such a run left none; -1. */
int snapshot_model_lock(struct op_context *, const char *text, struct lockfile *ret_lock, struct snapshot *ret, struct error *);
/* The disk now, at the paths of `like`; with params, metrics and code where `like` has them. */
int snapshot_disk(struct op_context *, const struct snapshot *like, struct snapshot *ret,
		  struct error *);

/* Params as the files below `rootfd` say, flat, by the snapshot's pipeline file; NULL when it cannot be
 * read. Owned by the caller. */
struct js *snapshot_params_at(int rootfd, const struct snapshot *);

/* An item is at the path, above it, or below it. */
bool snapshot_has(const struct snapshot *, const char *path);
const struct snapshot_item *snapshot_find(const struct snapshot *,
					  const char *path); /* exact; lent */
/* What stands at a path, also inside a tree; "" is the one item of a single. ERR_NOT_FOUND. */
int snapshot_content(const struct snapshot *, struct store *, const char *path, struct content *ret,
		     struct error *);
