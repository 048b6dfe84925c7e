/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/* What is known of a version of a registered model, and its files and those of runs, as long as they are kept here. */
struct content;
struct db;
struct error;
struct js;
struct store;

typedef int model_file_fn(void *ctx, const char *path, const struct content *, struct error *);
/* Calls with each file; its path is below the version's place, or its name when the version is a file. ERR_NOT_FOUND:
 * there are none; ERR_UNSUPPORTED: they are kept elsewhere. */
int model_files_each(struct db *, struct store *, const char *model, int64_t number, model_file_fn *, void *ctx,
		     struct error *);

/* The same of all that stands among a run's files, by paths below them; none is no error, nor are files
 * that are kept elsewhere or were not pulled. */
int run_files_each(struct db *, struct store *, const char *run_id, model_file_fn *, void *ctx, struct error *);

/* Sets kind "version", model_version{}, location, model_id and, of one that a pipeline made, candidate{}
 * (registry/candidates.h). */
int model_version_show(struct db *, const char *model, int64_t number, struct js *result, struct error *);
