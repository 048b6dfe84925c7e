/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/* What MLflow's registry accepts as names, aliases and tags, in its words. All ERR_USAGE. */
struct error;
struct js;

#define MODEL_NAME_CHARS 256
#define ALIAS_CHARS      255
#define REGISTRY_TAG_CHARS 100000
#define DESCRIPTION_CHARS 100000
#define SOURCE_CHARS     8000

int model_name_check(const char *name, struct error *);
/* Of what exists: any. */
int alias_check(const char *alias, struct error *);
/* Of what is made: not "latest", nor "v3". */
int alias_check_new(const char *alias, struct error *);
int registry_tag_check(const char *key, const char *value, struct error *);
int logged_model_name_check(const char *name, struct error *);

/* Calls with each of [{key, value}], as MLflow's clients send `what` ("tags"); what is absent is "". NULL is none. */
typedef int pair_fn(void *ctx, const char *key, const char *value, struct error *);
int pairs_each(const struct js *list, const char *what, pair_fn *, void *ctx, struct error *);
