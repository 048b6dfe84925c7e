/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include "base/strlist.h"
#include "pipeline/build_context.h"
#include "pipeline/dockerfile.h"
/*
 * An image that is built here, [image.NAME]: what it is made of, and the key that follows from it. The key knows bytes
 * and pins only, so two machines with equal files agree on it before anything is built.
 */
struct error;
struct image_section;
struct js;
struct lockfile;
struct pipeline;
struct plan;
struct scanner;

#define BUILD_LABEL "mlops.image" /* of the engine's image: the key */

struct build {
	const struct image_section *section; /* lent */
	char *file;                 /* project path of its Dockerfile */
	struct dockerfile *dockerfile;
	struct digest dockerfile_id;
	struct build_context context;
	struct digest context_id;
	struct strlist args;        /* NAME=VALUE, expanded, sorted */
};
/* Reads and hashes; asks no engine. A context that holds an output of a step is ERR_USAGE: it would be another one after
 * each run. */
int build_make(const struct scanner *, const struct plan *, const struct image_section *, struct build **ret,
	       struct error *);
void build_free(struct build *);

/* What mlops.lock, or the name itself, says of a base; NULL: never resolved here. Lent. */
const char *build_base_pin(const struct lockfile *, const char *base);
/* The key; false while a base has no pin. `platform` is key_platform's. */
bool build_key(const struct build *, const struct lockfile *, const char *platform, struct digest *ret);
/* What the key is made of, for records: {context, dockerfile, args{}, bases{name: pin}, network}. Owned. */
struct js *build_record(const struct build *, const struct lockfile *);

/* The name under which mlops.lock pins the pushed image: "REGISTRY/NAME:mlops-" and 32 digits of the key. Owned. */
char *build_pushed_name(const struct image_section *, const struct digest *key);
bool build_is_pushed_name(const struct image_section *, const char *name); /* of any key */
/* From the names of other keys of the same repository. */
void build_forget_pushed(struct lockfile *, const struct image_section *, const char *but);
