/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Where a model version comes from, as its source says:
 *
 *     models:/m-ID               a logged model, which is also its model_id
 *     models:/NAME/3, NAME@ALIAS, NAME/latest, NAME/Production   another version
 *     runs:/RUN/PATH             files of the run that is also its run_id
 *     mlflow-artifacts:/PATH     files here, below those of its run_id or model_id
 *     a path, file:/PATH         likewise, where the run keeps its files in a directory
 *     s3://BUCKET/PATH, ...      anywhere else
 *
 * The rules are MLflow's (server/handlers.py): a source that could be read on the server, or through it, is refused
 * unless it belongs to the run or the model that the request names. Nothing is opened here.
 */
struct db;
struct error;
struct version_new;

struct version_source {
	char *source;   /* a version that was meant by alias or stage, by its number */
	char *location; /* where the files are */
	char *run_id;   /* or NULL */
	char *model_id; /* lineage: said, or inherited; or NULL */
};
int version_source_resolve(struct db *, const struct version_new *, bool prompt, struct version_source *ret,
			   struct error *);
void version_source_release(struct version_source *);

/* The parts of a URI, as Python's urlparse cuts them; lent from the text. Without a scheme, all is path. */
struct uri_parts {
	const char *scheme, *netloc, *path;
	size_t scheme_len, netloc_len, path_len;
};
void uri_split(const char *uri, struct uri_parts *ret);

/* "models:/..."; one of model_id and name is there. */
struct models_uri {
	char *model_id, *name;
	char *version, *alias, *stage; /* of the name; none: the latest */
};
int models_uri_parse(const char *uri, struct models_uri *ret, struct error *);
void models_uri_release(struct models_uri *);
/* Escapes undone as often as there are some, nothing in it climbs: false for "..", ".", NUL or no path at all. */
bool uri_is_clean(const char *uri);
/* Is it the root, or below it? Part by part, escapes undone. */
bool uri_is_within(const char *uri, const char *root);
