/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * Experiments, as MLflow means them: a name that no other one has or had, a place for files, tags, and the runs in it.
 * A deleted one keeps its name and can come back; deleting and restoring take its runs along.
 *
 * Ids are texts outside ("0", "12") and numbers in the tables. Errors are worded as MLflow's, since its clients look
 * for them. Writers call these inside db_begin/db_commit; each also works alone; what they refuse was not written.
 */
struct db;
struct error;
struct js;
struct strbuf;

/* ERR_USAGE unless it is a whole number. */
int experiment_parse(const char *id, int64_t *ret, struct error *);

struct experiment_new {
	const char *name;
	const char *location;  /* of files, a URI; NULL or "": the agent's own */
	const struct js *tags; /* [{key, value}], may be NULL */
};
/* ERR_EXISTS: the name is taken. */
int experiment_create(struct db *, const struct experiment_new *, int64_t *ret_id, struct error *);
/* {experiment_id, name, artifact_location, lifecycle_stage, last_update_time, creation_time, workspace,
 * tags[{key, value}]}. ERR_NOT_FOUND. */
int experiment_load(struct db *, const char *id, struct js **ret, struct error *);
int experiment_load_named(struct db *, const char *name, struct js **ret, struct error *);
int experiment_rename(struct db *, const char *id, const char *name, struct error *);
/* ERR_NOT_FOUND when it is deleted, or not, already. */
int experiment_delete(struct db *, const char *id, struct error *);
int experiment_restore(struct db *, const char *id, struct error *);
/* Of an active one. */
int experiment_set_tag(struct db *, const char *id, const char *key, const char *value, struct error *);
int experiment_delete_tag(struct db *, const char *id, const char *key, struct error *);
/* ERR_NOT_FOUND, or ERR_USAGE when it is deleted. Appends where its files are; ret_location may be NULL. */
int experiment_require_active(struct db *, int64_t id, struct strbuf *ret_location, struct error *);
