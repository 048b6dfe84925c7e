/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Files of runs and models under the paths of MLflow's artifact proxy: "EXPERIMENT/RUN/artifacts/PATH",
 * "EXPERIMENT/models/MODEL/artifacts/PATH", or whatever an artifact location says. A row says which object a file is;
 * directories exist as long as they hold a file.
 *
 * What a pipeline run made (its outputs, registry/runs.h) is seen among its files, too, and cannot be changed there.
 * When a run ends, its files become a tree that is recorded as its output RUN_ARTIFACTS, so that they travel with the
 * run; where only that tree is known, as for the runs of others, it is shown.
 *
 * Paths are relative, with '/' between names of at most 255 bytes; names that would be others once decoded again, or
 * on another system, are refused (file_path_check).
 */
struct db;
struct error;
struct js;
struct project;
struct store;

#define RUN_ARTIFACTS "/artifacts" /* no project path can be this */
#define FILE_PATH_MAX 4000u	   /* bytes */

/* ERR_USAGE "Invalid path". */
int file_path_check(const char *path, struct error *);
/* The path below which the artifacts of a URI stand: of "mlflow-artifacts:/0/RUN/artifacts" "0/RUN/artifacts"; caller
 * frees. NULL: they are kept elsewhere. */
char *file_root_of_uri(const char *uri);
/* The same of a run, whose artifact URI it also gives; each caller's to free. ERR_NOT_FOUND: no such run;
 * ERR_UNSUPPORTED: its artifacts are kept elsewhere. */
int file_root_of_run(struct db *, const char *run_id, char **ret_root, char **ret_uri, struct error *);
/* The same of a logged model. */
int file_root_of_model(struct db *, const char *model_id, char **ret_root, char **ret_uri, struct error *);
/* What a path belongs to, by its names alone, for who may: "run_id", "model_id", "experiment_id" and the id, or NULL. */
#define FILE_SUBJECT 64
const char *file_subject(const char *path, char ret_id[FILE_SUBJECT]);

/* Inside a transaction: what is refused was not written. ERR_CONFLICT: a file stands where a directory would be, or the
 * other way round, or an output of a pipeline run. A file that is there is replaced. */
int file_put(struct db *, struct store *, const char *path, const struct content *, int64_t now_ms, struct error *);
/* The file, or all below the directory; *ret_count of them. None is no error. */
int file_remove(struct db *, struct store *, const char *path, int64_t *ret_count, struct error *);

/* ERR_NOT_FOUND, also for a directory. */
int file_find(struct db *, struct store *, const char *path, struct content *ret, struct error *);
/* [{path, is_dir, file_size}] of a directory ("" is the top), names only, in the order of names with '/' behind those of
 * directories. `after`: the last entry of the page before in that form, or NULL. *ret_next: where the next page goes
 * on, owned; NULL at the end. `max` 0: all. What is no directory has no entries. */
int file_list(struct db *, struct store *, const char *dir, const char *after, size_t max, struct js **ret,
	      char **ret_next, struct error *);

/* The files of runs that have ended become trees, also when they changed after the end. Takes the lock of the store,
 * makes the trees durable, and writes a transaction for each. *ret_left: there are runs with files that may end later. */
int files_seal(struct project *, bool *ret_left, struct error *);
