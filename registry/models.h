/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
/*
 * Registered models, as MLflow has them: names with versions (versions.h), aliases and tags. Prompts are models with the
 * tag PROMPT_TAG, and share the names.
 *
 * Rules and words of errors are MLflow's server's. Writers work inside a transaction; what they wrote before an error
 * is for the caller to undo.
 */
struct db;
struct error;
struct js;

#define PROMPT_TAG "mlflow.prompt.is_prompt"

/* `description` and `tags`, [{key, value}] of which the last of a key counts, may be NULL. ERR_EXISTS. */
int model_create(struct db *, const char *name, const char *description, const struct js *tags, int64_t now_ms,
		 struct error *);
/* {name, creation_timestamp, last_updated_timestamp, description, latest_versions[], tags[], aliases[]}.
 * ERR_NOT_FOUND. */
int model_load(struct db *, const char *name, struct js **ret, struct error *);
/* Row of a model. ERR_USAGE for what cannot be a name, ERR_NOT_FOUND. */
int model_row(struct db *, const char *name, int64_t *ret, struct error *);
int model_describe(struct db *, const char *name, const char *description, int64_t now_ms, struct error *);
/* Versions and aliases stay with it. */
int model_rename(struct db *, const char *name, const char *new_name, int64_t now_ms, struct error *);
int model_delete(struct db *, const char *name, struct error *);
int model_set_tag(struct db *, const char *name, const char *key, const char *value, struct error *);
int model_delete_tag(struct db *, const char *name, const char *key, struct error *); /* none: nothing to do */
int model_is_prompt(struct db *, int64_t model, bool *ret, struct error *);
/* Its time of change is now. */
int model_touch(struct db *, int64_t model, int64_t now_ms, struct error *);

struct registry_query {
	const char *filter;        /* MLflow's grammar; NULL: all but prompts */
	const struct js *order_by; /* ["name DESC", ...], or NULL */
	int64_t max_results;       /* of a page */
	const char *page_token;    /* or NULL */
};
/* {registered_models: [...], next_page_token} */
int model_search(struct db *, const struct registry_query *, struct js **ret, struct error *);
/* {model_versions: [...], next_page_token}; without their aliases, as MLflow answers. */
int version_search(struct db *, const struct registry_query *, struct js **ret, struct error *);
