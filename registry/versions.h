/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Versions of registered models: numbers that are given once, aliases that point at one, and MLflow's older stages.
 *
 * Rules and words of errors are MLflow's server's. Writers work inside a transaction; what they wrote before an error
 * is for the caller to undo.
 */
struct db;
struct error;
struct js;

struct version_new {
	const char *model;
	const char *source;     /* where its files are, or whose: see version_source.h */
	const char *run_id, *run_link, *description, *model_id; /* or NULL */
	const struct js *tags;  /* [{key, value}], or NULL */
};
int version_create(struct db *, const struct version_new *, int64_t now_ms, int64_t *ret_number, struct error *);

/* "3" as a client writes it. */
int version_number(const char *text, int64_t *ret, struct error *);
/* {name, version, creation_timestamp, ..., aliases[]}. ERR_NOT_FOUND. */
int version_load(struct db *, const char *model, int64_t number, struct js **ret, struct error *);
/* Where its files are, and what it was made from. */
struct version_lineage {
	char *location;
	char *run_id, *model_id; /* or NULL */
};
int version_lineage(struct db *, const char *model, int64_t number, struct version_lineage *ret, struct error *);
void version_lineage_release(struct version_lineage *);
/* The newest of each stage, or of those in `stages` (["Production"]), as an array. */
int version_latest(struct db *, const char *model, const struct js *stages, struct js **ret, struct error *);
/* At most `max`, the newest first, as an array. */
int version_list(struct db *, const char *model, int64_t max, struct js **ret, struct error *);
int version_describe(struct db *, const char *model, int64_t number, const char *description, int64_t now_ms,
		     struct error *);
int version_delete(struct db *, const char *model, int64_t number, int64_t now_ms, struct error *);
int version_set_tag(struct db *, const char *model, int64_t number, const char *key, const char *value, struct error *);
int version_delete_tag(struct db *, const char *model, int64_t number, const char *key, struct error *);
/* `archive`: others that are in the stage, Staging or Production, leave it. *ret_before is lent for ever. */
int version_set_stage(struct db *, const char *model, int64_t number, const char *stage, bool archive, int64_t now_ms,
		      const char **ret_before, struct error *);

/* *ret_before is the version that had it, 0 for none. */
int alias_set(struct db *, const char *model, const char *alias, int64_t number, int64_t *ret_before, struct error *);
int alias_delete(struct db *, const char *model, const char *alias, int64_t *ret_before, struct error *);
/* "latest" is the newest version. */
int alias_find(struct db *, const char *model, const char *alias, int64_t *ret_number, struct error *);
