/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/content.h"
/*
 * Artifacts: named things whose versions are contents. The name of data is its path
 * in the project. Versions count 1, 2, ... and are never reused; recording the
 * content of the newest version again makes no new one.
 */
struct db;
struct error;
struct js;
struct artifact_version {
	int64_t number;
	struct content content;
	int64_t created_ms;
	char run[33]; /* that made it, or "" when added by hand */
};
int artifact_record(struct db *, const char *name, const struct content *, const char *run, const char *actor,
		    int64_t now_ms, int64_t *ret_number, bool *ret_new, struct error *);
/* version 0: the newest. ERR_NOT_FOUND names the nearest artifact. */
int artifact_find(struct db *, const char *name, int64_t version, struct artifact_version *ret, struct error *);
/* [{name, versions, latest{number, content, size, files, created, run}}] */
int artifact_list(struct db *, struct js **ret, struct error *);
int artifact_versions(struct db *, const char *name, struct js **ret, struct error *);
/* Each content that facts name (versions, inputs, outputs, cache), once, for fsck and gc; `what` is one of the
 * facts: "data/raw@v3", "output model.pkl of run 0123abcd". `elsewhere`: only runs and results of others name it, so
 * its bytes may never have been here. `each` returns 0, or -1 with *err set to stop. */
int artifact_each_content(struct db *,
			  int (*each)(void *ctx, const struct content *, const char *what, bool elsewhere), void *ctx,
			  struct error *);
/* Each path that a version, an input or an output was recorded under, once. */
int artifact_each_path(struct db *, int (*each)(void *ctx, const char *path), void *ctx, struct error *);
/* At most `max` contents whose digest starts with these lower-case hex digits. */
int content_match(struct db *, const char *hex, size_t max, struct content *ret, size_t *ret_found, struct error *);
