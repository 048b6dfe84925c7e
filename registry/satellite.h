/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * Scratch trees: work trees of their own at .mlops/scratch/ID/NAME of a project, for runs that must not touch its
 * own one. Each has a .mlops/ with work/, failed/, aside/, a stat cache and the tree lock; store, database, logs,
 * secrets, settings and the other locks are the project's (struct project: `top`, `homefd`).
 *
 * A regular file .mlops/home makes a tree one. Which project it is of follows from the place where it stands, and
 * from nothing that a file says, so a clone that brings such a file leads nowhere.
 *
 *     {"code": {...}, "command": "mlops run -p lr=0.1", "tags": {"mlops.experiment": "..."}}
 *
 * is what its runs record: the code they are of, as it was in the project, and not in this tree.
 */
struct code_version;
struct content;
struct error;
struct js;

#define SCRATCH_DIR    ".mlops/scratch"
#define SATELLITE_NOTE "home"

/* 1: it is one, of the project at *ret_top, which the caller frees, as *ret_note; 0; -1. `dirfd` is ROOT/.mlops. */
int satellite_read(const char *root, int dirfd, char **ret_top, struct js **ret_note, struct error *);
/* Makes .mlops/ in the directory `treefd`, with the note; what stands there is kept. */
int satellite_make(int treefd, const struct js *note, struct error *);

/* The code version as the note's `code`, and back; `deleted` is the stored list of files it lacks, or absent. */
struct js *satellite_code_json(const struct code_version *, const struct content *deleted);
void satellite_code(const struct js *note, struct code_version *ret, struct content *ret_deleted);
