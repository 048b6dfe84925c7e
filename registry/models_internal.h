/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/* What the files of registered models and their versions share. */
struct db;
struct db_stmt;
struct error;
struct js;

/* Of `registered_models m` and of `model_versions v` joined with it. */
#define MODEL_COLUMNS "m.id, m.name, m.description, m.creation_time, m.last_update_time"
#define VERSION_COLUMNS                                                                                         \
	"v.id, m.name, v.number, v.creation_time, v.last_update_time, v.stage, v.description, v.source, v.run_id," \
	" v.run_link, v.model"

/* 1 found, 0 not, -1. */
int model_find(struct db *, const char *name, int64_t *ret, struct error *);
/* Row of a version and, unless NULL, of its model. ERR_USAGE, ERR_NOT_FOUND. */
int version_row(struct db *, const char *model, int64_t number, int64_t *ret, int64_t *ret_model, struct error *);
/* From a row of MODEL_COLUMNS, of VERSION_COLUMNS. */
int model_json(struct db *, struct db_stmt *, struct js **ret, struct error *);
int version_json(struct db *, struct db_stmt *, bool aliases, struct js **ret, struct error *);
/* A version with a number of its own choice, which is free. *ret is its row. Its source is not looked at: `location` is
 * where its files are. */
struct version_new;
int version_put(struct db *, int64_t model, int64_t number, const struct version_new *, const char *location,
		int64_t now_ms, int64_t *ret, struct error *);
/* What its gate said, of a version that is there. */
struct candidate_new;
int candidate_put(struct db *, int64_t version, const struct candidate_new *, struct error *);
/* The newest version of each stage, or of those in `stages`. */
int versions_latest_of(struct db *, int64_t model, const struct js *stages, bool aliases, struct js **ret,
		       struct error *);
/* The rest of the query's rows (first, second), as [{KEY: first, VALUE: second}]: a member unless there are none. */
int pairs_json(struct db_stmt *, const char *key, const char *value, const char *member, struct js *object,
	       struct error *);
